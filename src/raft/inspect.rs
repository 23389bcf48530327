//! Whether this version knows everything in a metadata log, asked before anything in the directory is written.
//!
//! A record that is not known must not be dropped, neither at a replay nor by the next snapshot, and a feature level
//! that is not known may change what the known records mean. Such a directory is refused as it is, and so is one of a
//! quorum of others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch_file::BatchFile;
use super::batches::{self, Entry};
use super::error::Error;
use super::membership::{self, Membership};
use super::quorum_state;
use super::snapshot::{self, SnapshotId};
use super::{BOOTSTRAP_FILE, PARTITION_DIR};
use crate::log::disk::Disk;
use crate::meta::features;
use crate::wire::kraft::Record;

/// Ends the name of a segment, which begins with its base offset.
const LOG_SUFFIX: &str = ".log";
const KRAFT_VERSION: &str = "kraft.version";
/// The highest `kraft.version`: voters that can change (KIP-853).
const KRAFT_VERSION_MAX: i16 = 1;

/// Reads what is in the log directory `parent`, and writes nothing. Fails if there is something that this version
/// does not know, or if others than `node_id` vote. Damage is left to the replay to judge.
pub fn inspect(disk: &dyn Disk, parent: &Path, node_id: i32) -> Result<(), Error> {
    let mut seen =
        Seen { dir: parent.join(PARTITION_DIR), levels: BTreeMap::new(), membership: Membership::default() };
    let bootstrap = parent.join(BOOTSTRAP_FILE);
    let exists = |path: &Path| disk.exists(path).map_err(|e| Error::io(path, e));
    if exists(&seen.dir)? {
        let voters = quorum_state::read(disk, &seen.dir)?.voters;
        if !voters.is_empty() {
            membership::check(voters, node_id)?;
        }
        let from = seen.snapshot(disk)?;
        for segment in segments(disk, &seen.dir)? {
            seen.segment(disk, &segment, from)?;
        }
    }
    // A cluster that has records of its own does not look at the file again.
    if seen.levels.is_empty() && exists(&bootstrap)? {
        let mut records = Vec::new();
        snapshot::read(disk, &bootstrap, |record| {
            records.push(record);
            Ok(())
        })?;
        records.iter().try_for_each(|record| seen.record(0, record))?;
    }
    seen.check()?;
    seen.membership.check(node_id)
}

/// The segments in their order.
fn segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = disk.list(dir).map_err(|e| Error::io(dir, e))?;
    let is_segment = |name: &str| {
        name.strip_suffix(LOG_SUFFIX).is_some_and(|offset| offset.bytes().all(|b| b.is_ascii_digit()))
    };
    Ok(names.iter().filter(|entry| is_segment(&entry.name)).map(|entry| dir.join(&entry.name)).collect())
}

/// What was read so far.
struct Seen {
    dir: PathBuf,
    levels: BTreeMap<Arc<str>, i16>,
    membership: Membership,
}

impl Seen {
    /// Reads the newest snapshot that is sound, and gives the offset where it ends.
    fn snapshot(&mut self, disk: &dyn Disk) -> Result<i64, Error> {
        let names = disk.list(&self.dir).map_err(|e| Error::io(&self.dir, e))?;
        let ids = names.iter().filter_map(|entry| SnapshotId::parse(&entry.name));
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        for id in ids.into_iter().rev() {
            let mut records = Vec::new();
            let read = snapshot::read(disk, &id.path(&self.dir), |record| {
                records.push(record);
                Ok(())
            });
            let Ok(summary) = read else { continue };
            records.iter().try_for_each(|record| self.record(id.end_offset - 1, record))?;
            self.membership = summary.membership;
            return Ok(id.end_offset);
        }
        Ok(0)
    }

    fn segment(&mut self, disk: &dyn Disk, path: &Path, from: i64) -> Result<(), Error> {
        let mut batches = BatchFile::open(disk, path).map_err(|e| Error::io(path, e))?;
        // What is torn was never acknowledged, or is damage.
        while let Ok(Some(batch)) = batches.next() {
            let base_offset = batch.header.base_offset;
            if batch.header.next_offset() <= from {
                continue;
            }
            let entries = batches::decode(&batch, base_offset).map_err(|cause| {
                let path = self.dir.clone();
                Error::Damaged { path, offset: base_offset, cause }
            })?;
            for (offset, entry) in (base_offset..).zip(entries) {
                match entry {
                    Entry::Data(record) => self.record(offset, &record)?,
                    Entry::Control(record) => self.membership.replay(record),
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, offset: i64, record: &Record) -> Result<(), Error> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are known, whatever they say")]
        match record {
            Record::Unknown(unknown) => {
                let (path, key, version) = (self.dir.clone(), unknown.key, unknown.version);
                return Err(Error::Unknown { path, offset, key, version });
            }
            Record::FeatureLevel(feature) => {
                self.levels.insert(feature.name.clone(), feature.feature_level);
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |feature: &str, level, known_max| {
            let (path, feature) = (self.dir.clone(), feature.to_owned());
            Err(Error::Feature { path, feature, level, known_max })
        };
        for (name, level) in &self.levels {
            let known = features::KNOWN.into_iter().find(|known| *known.name == **name);
            let accepted = known.map_or(0..=0, |known| known.accepted);
            if !accepted.contains(level) {
                return refuse(name, *level, *accepted.end());
            }
        }
        let level = self.membership.kraft_version;
        if !(0..=KRAFT_VERSION_MAX).contains(&level) {
            return refuse(KRAFT_VERSION, level, KRAFT_VERSION_MAX);
        }
        Ok(())
    }
}
