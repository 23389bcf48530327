//! What a log directory is given before its first start (`kafka-storage format`).

use std::path::Path;

use super::error::Error;
use super::membership::Membership;
use super::snapshot::{self, Content, SnapshotId};
use super::{BOOTSTRAP_FILE, PARTITION_DIR};
use crate::log::disk::Disk;
use crate::wire::kraft::Record;
use crate::wire::kraft::control::KRaftVoters;

/// Writes the file in the log directory `dir` that a new cluster begins with.
pub fn write_bootstrap(disk: &dyn Disk, dir: &Path, records: &[Record], now_ms: i64) -> Result<(), Error> {
    let content = Content { epoch: 0, timestamp_ms: now_ms, membership: &Membership::default(), records };
    snapshot::write_file(disk, &dir.join(BOOTSTRAP_FILE), &content).map(drop)
}

/// Writes the snapshot in the log directory `dir` that says who votes at first, for a quorum that can change
/// (`kraft.version` 1).
pub fn write_first_voters(
    disk: &dyn Disk,
    dir: &Path,
    voters: KRaftVoters,
    now_ms: i64,
) -> Result<(), Error> {
    let home = dir.join(PARTITION_DIR);
    disk.create_dir_all(&home).map_err(|e| Error::io(&home, e))?;
    let membership = Membership { kraft_version: 1, voters: Some(voters) };
    let content = Content { epoch: 0, timestamp_ms: now_ms, membership: &membership, records: &[] };
    snapshot::write_file(disk, &SnapshotId { end_offset: 0, epoch: 0 }.path(&home), &content).map(drop)
}
