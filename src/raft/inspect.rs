//! What is in a metadata log, read once, before anything in its directory is written.
//!
//! What this version does not know must not be dropped, neither at a replay nor by the next snapshot, and a feature level
//! that is not known may change what the known records mean. Such a directory is refused as it is. So is one of a
//! quorum of others, and one whose committed bytes are damaged: only an end that a power cut tore may be cut off.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::batch_file::{BatchFile, Unreadable};
use super::batches::{self, Entry, Malformed};
use super::error::{Error, Evidence};
use super::membership::{self, Membership};
use super::quorum_state;
use super::snapshot::{self, SnapshotId};
use super::torn::{self, Flaw, LastEpoch, Segment, Verdict};
use super::{BOOTSTRAP_FILE, PARTITION_DIR, sink};
use crate::controller;
use crate::log::directory;
use crate::log::disk::Disk;
use crate::log::names::{self, Kind};
use crate::meta::transaction::Transaction;
use crate::meta::{Delta, Image, Provenance, features};
use crate::wire::batch::Batch;
use crate::wire::kraft::Record;

const KRAFT_VERSION: &str = "kraft.version";
/// The highest `kraft.version`: voters that can change (KIP-853).
const KRAFT_VERSION_MAX: i16 = 1;

/// What a metadata log and its snapshots say.
#[derive(Debug)]
pub struct Inspected {
    /// The snapshot that the replay began with.
    pub(super) snapshot: Option<SnapshotId>,
    /// The cluster after every record.
    pub(super) image: Image,
    /// The transaction that is open at the end.
    pub(super) transaction: Transaction,
    /// Who votes.
    pub(super) membership: Membership,
    /// The epoch in `quorum-state`.
    pub(super) voted_epoch: i32,
    /// Where the log ends, what a power cut has torn not counted.
    pub(super) end_offset: i64,
    /// All below is known to have been on the device, by the checkpoint or a snapshot.
    pub(super) synced_offset: i64,
    /// The snapshots beside the log, oldest first.
    pub(super) snapshots: Vec<SnapshotId>,
    /// Bytes of the batches after the snapshot.
    pub(super) bytes: u64,
    /// Whether it was this broker that stopped cleanly: then all of the log was synced.
    pub(super) is_synced: bool,
    /// What a new cluster begins with; nothing for one that is there already.
    pub(super) bootstrap: Vec<Record>,
}

impl Inspected {
    /// Whether there is neither a record nor a snapshot of any: the cluster is new.
    pub fn is_empty(&self) -> bool {
        self.end_offset == 0
    }
}

/// Reads what is in the log directory `parent`, and writes nothing. Fails if there is something that this version
/// does not know, if others than `node_id` vote, or if something that was committed is damaged or gone.
pub fn inspect(disk: &dyn Disk, parent: &Path, node_id: i32) -> Result<Inspected, Error> {
    let dir = parent.join(PARTITION_DIR);
    let mut seen = Seen { disk, node_id, replay: Replay::of(Base::default(), &dir), dir };
    let bootstrap = parent.join(BOOTSTRAP_FILE);
    let exists = |path: &Path| disk.exists(path).map_err(|e| Error::io(path, e));
    let (mut voted_epoch, mut is_own) = (quorum_state::NONE, false);
    let (mut synced_offset, mut snapshots) = (0, Vec::new());
    let is_clean = directory::was_shut_down_cleanly(disk, parent).map_err(|e| Error::io(parent, e))?;
    if exists(&seen.dir)? {
        voted_epoch = seen.vote()?;
        let noted = sink::read_recovery_point(disk, &seen.dir)?;
        is_own = noted.is_some_and(|point| point.epoch == Some(voted_epoch.into()));
        let last_epoch = LastEpoch { epoch: voted_epoch, is_own };
        let (ids, segments) = seen.files()?;
        let recovery_point = noted.map_or(0, |point| point.offset);
        synced_offset = recovery_point.max(ids.last().map_or(0, |id| id.end_offset));
        seen.log(&ids, &segments, synced_offset, last_epoch, is_clean)?;
        snapshots = ids;
    }
    let Replay { base, delta, transaction, membership, bytes, next, last, .. } = seen.replay;
    let (image, _) = delta.finish(last);
    check_levels(&seen.dir, &image, &membership)?;
    membership.check(node_id)?;
    let bootstrap = match (image.features.levels.is_empty(), exists(&bootstrap)?) {
        (false, _) => Vec::new(),
        (true, false) => controller::default_bootstrap(),
        (true, true) => read_bootstrap(disk, &bootstrap)?,
    };
    let (snapshot, end_offset, is_synced) = (base, next, is_clean && is_own);
    Ok(Inspected {
        snapshot,
        image,
        transaction,
        membership,
        voted_epoch,
        end_offset,
        synced_offset,
        snapshots,
        bytes,
        is_synced,
        bootstrap,
    })
}

/// The first records of a cluster, all of which are known.
fn read_bootstrap(disk: &dyn Disk, path: &Path) -> Result<Vec<Record>, Error> {
    let (mut records, mut delta) = (Vec::new(), Delta::new(Image::empty()));
    snapshot::read(disk, path, |record| {
        delta.replay(&record).map_err(|e| e.to_string())?;
        records.push(record);
        Ok(())
    })?;
    check_levels(path, delta.image(), &Membership::default())?;
    Ok(records)
}

fn check_levels(path: &Path, image: &Image, membership: &Membership) -> Result<(), Error> {
    let refuse = |feature: &str, level, known_max| {
        let (path, feature) = (path.to_owned(), feature.to_owned());
        Err(Error::Feature { path, feature, level, known_max })
    };
    for (name, level) in &image.features.levels {
        let known = features::KNOWN.into_iter().find(|known| *known.name == **name);
        let accepted = known.map_or(0..=0, |known| known.accepted);
        if !accepted.contains(level) {
            return refuse(name, *level, *accepted.end());
        }
    }
    let level = membership.kraft_version;
    if !(0..=KRAFT_VERSION_MAX).contains(&level) {
        return refuse(KRAFT_VERSION, level, KRAFT_VERSION_MAX);
    }
    Ok(())
}

/// A directory that is being read.
struct Seen<'a> {
    disk: &'a dyn Disk,
    node_id: i32,
    dir: PathBuf,
    replay: Replay,
}

impl Seen<'_> {
    fn vote(&self) -> Result<i32, Error> {
        let state = quorum_state::read(self.disk, &self.dir)?;
        if !state.voters.is_empty() {
            membership::check(state.voters, self.node_id)?;
        }
        Ok(state.epoch)
    }

    /// The snapshots, oldest first, and the segments in their order.
    fn files(&self) -> Result<(Vec<SnapshotId>, Vec<Segment>), Error> {
        let entries = self.disk.list(&self.dir).map_err(|e| Error::io(&self.dir, e))?;
        let mut ids: Vec<_> = entries.iter().filter_map(|entry| SnapshotId::parse(&entry.name)).collect();
        ids.sort_unstable();
        let segment = |name: &str| match names::parse(name) {
            Some((base_offset, Kind::Log)) => Some(Segment { base_offset, path: self.dir.join(name) }),
            Some((_, Kind::OffsetIndex | Kind::TimeIndex | Kind::TxnIndex | Kind::Snapshot)) | None => None,
        };
        Ok((ids, entries.iter().filter_map(|entry| segment(&entry.name)).collect()))
    }

    /// Replays the newest sound snapshot and the log after it, of which all below `known` was on the device.
    fn log(
        &mut self,
        ids: &[SnapshotId],
        segments: &[Segment],
        known: i64,
        last_epoch: LastEpoch,
        is_clean: bool,
    ) -> Result<(), Error> {
        let start_offset = segments.first().map_or(0, |segment| segment.base_offset);
        let base = self.base(ids, start_offset)?;
        let from = base.end_offset;
        self.replay = Replay::of(base, &self.dir);
        // What a sound snapshot holds is not read again.
        let skipped = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        let segments = &segments[skipped..];
        let first_offset = segments.first().map_or(0, |segment| segment.base_offset);
        let (end_offset, flaw) = self.segments(segments, first_offset)?;
        if let Some(flaw) = flaw {
            let verdict = if is_clean {
                Verdict::Damaged(Evidence::CleanShutdown)
            } else if flaw.offset < known {
                Verdict::Damaged(Evidence::Synced(known))
            } else {
                torn::judge(self.disk, &segments[flaw.segment..], &flaw, last_epoch)?
            };
            let Flaw { segment, position, offset, cause } = flaw;
            let path = segments[segment].path.clone();
            match verdict {
                Verdict::Damaged(evidence) => {
                    return Err(Error::Damaged { path, position, offset, cause, evidence });
                }
                Verdict::Torn { followers } if followers > 0 => {
                    let file = path.display();
                    warn!(%file, position, offset, %cause, followers, "metadata log is torn in front of sound batches, which go with the torn one");
                }
                Verdict::Torn { .. } => {}
            }
        }
        if end_offset < known {
            let path = self.dir.clone();
            return Err(crate::log::Error::Short { path, end_offset, recovery_point: known }.into());
        }
        self.replay.next = end_offset;
        Ok(())
    }

    /// The newest snapshot that is sound, or nothing, if the log goes back so far.
    fn base(&self, ids: &[SnapshotId], start_offset: i64) -> Result<Base, Error> {
        let mut damaged = None;
        for id in ids.iter().rev() {
            match self.read_base(*id) {
                Ok(base) if base.end_offset >= start_offset => return Ok(base),
                Ok(base) => {
                    let (path, snapshot_end) = (self.dir.clone(), base.end_offset);
                    return Err(damaged.unwrap_or(Error::Gap { path, start_offset, snapshot_end }));
                }
                // It is what a formatted log begins with, and the log does not repeat it.
                Err(error) if id.end_offset == 0 => return Err(error),
                Err(error @ (Error::Unknown { .. } | Error::Io { .. })) => return Err(error),
                Err(error) => {
                    warn!(%error, "passing over a metadata snapshot");
                    damaged.get_or_insert(error);
                }
            }
        }
        if start_offset > 0 {
            let (path, snapshot_end) = (self.dir.clone(), 0);
            return Err(damaged.unwrap_or(Error::Gap { path, start_offset, snapshot_end }));
        }
        Ok(Base::default())
    }

    fn read_base(&self, id: SnapshotId) -> Result<Base, Error> {
        let mut delta = Delta::new(Image::empty());
        let mut unknown = None;
        let read = snapshot::read(self.disk, &id.path(&self.dir), |record| {
            check_known(&self.dir, id.end_offset - 1, &record).map_err(|error| {
                let reason = error.to_string();
                unknown = Some(error);
                reason
            })?;
            delta.replay(&record).map_err(|e| e.to_string())
        });
        let summary = read.map_err(|error| unknown.unwrap_or(error))?;
        let (offset, timestamp_ms) = (id.end_offset - 1, summary.timestamp_ms);
        let (image, _) = delta.finish(Provenance { offset, epoch: id.epoch, timestamp_ms });
        Ok(Base { id: Some(id), image, membership: summary.membership, end_offset: id.end_offset })
    }

    /// Replays `segments`, the first of which begins at `expected`; gives the offset where the sound part ends, and what
    /// comes then, if it is not the end.
    fn segments(&mut self, segments: &[Segment], mut expected: i64) -> Result<(i64, Option<Flaw>), Error> {
        for (segment, Segment { base_offset, path }) in segments.iter().enumerate() {
            let flaw = |position, offset, cause| Some(Flaw { segment, position, offset, cause });
            if *base_offset != expected {
                let cause = Malformed::OutOfPlace { base_offset: *base_offset, expected };
                return Ok((expected, flaw(0, expected, cause)));
            }
            let mut file = BatchFile::open(self.disk, path).map_err(|e| Error::io(path, e))?;
            loop {
                let position = file.position();
                let batch = match file.next() {
                    Ok(Some(batch)) => batch,
                    Ok(None) => break,
                    Err(Unreadable::Io(error)) => return Err(Error::io(path, error)),
                    Err(Unreadable::Malformed(cause)) => {
                        return Ok((expected, flaw(position, expected, cause)));
                    }
                };
                match self.replay.batch(&batch, expected) {
                    Ok(()) => expected = batch.header.next_offset(),
                    Err(NotReplayed::Malformed(cause @ Malformed::OutOfPlace { .. }))
                        if torn::has_lost_offset(&batch.header, expected) =>
                    {
                        return Ok((expected, flaw(position, expected, cause)));
                    }
                    // No write leaves a sound batch that is none of this place.
                    Err(NotReplayed::Malformed(cause)) => {
                        let (path, evidence) = (path.clone(), Evidence::SoundChecksum);
                        return Err(Error::Damaged { path, position, offset: expected, cause, evidence });
                    }
                    Err(NotReplayed::Refused(error)) => return Err(*error),
                }
            }
        }
        Ok((expected, None))
    }
}

/// Where a replay begins.
struct Base {
    /// The snapshot, if there is one.
    id: Option<SnapshotId>,
    image: Image,
    membership: Membership,
    end_offset: i64,
}

impl Default for Base {
    fn default() -> Self {
        Self { id: None, image: Image::empty(), membership: Membership::default(), end_offset: 0 }
    }
}

/// Why a batch was not replayed.
enum NotReplayed {
    Malformed(Malformed),
    Refused(Box<Error>),
}

/// What was replayed so far.
struct Replay {
    dir: PathBuf,
    base: Option<SnapshotId>,
    /// What is below is in the snapshot.
    from: i64,
    delta: Delta,
    transaction: Transaction,
    membership: Membership,
    bytes: u64,
    next: i64,
    /// The last record.
    last: Provenance,
}

impl Replay {
    fn of(base: Base, dir: &Path) -> Self {
        let Base { id, image, membership, end_offset } = base;
        let last = image.provenance;
        Self {
            dir: dir.to_owned(),
            base: id,
            from: end_offset,
            delta: Delta::new(image),
            transaction: Transaction::default(),
            membership,
            bytes: 0,
            next: end_offset,
            last,
        }
    }

    fn batch(&mut self, batch: &Batch, expected: i64) -> Result<(), NotReplayed> {
        let header = &batch.header;
        if header.base_offset == expected && header.next_offset() <= self.from {
            return Ok(());
        }
        let entries = batches::decode(batch, expected).map_err(NotReplayed::Malformed)?;
        for (offset, entry) in (expected..).zip(entries) {
            match entry {
                _ if offset < self.from => {}
                Entry::Data(record) => {
                    self.record(offset, &record).map_err(|e| NotReplayed::Refused(Box::new(e)))?;
                }
                Entry::Control(record) => self.membership.replay(record),
            }
        }
        self.last = Provenance {
            offset: header.last_offset(),
            epoch: header.partition_leader_epoch,
            timestamp_ms: header.max_timestamp,
        };
        self.bytes += u64::try_from(batch.bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn record(&mut self, offset: i64, record: &Record) -> Result<(), Error> {
        check_known(&self.dir, offset, record)?;
        let Self { transaction, delta, .. } = self;
        let replayed = transaction.pass(offset, record, |_, record| delta.replay(record));
        replayed.map_err(|cause| Error::Replay { path: self.dir.clone(), offset, cause })
    }
}

fn check_known(dir: &Path, offset: i64, record: &Record) -> Result<(), Error> {
    let Record::Unknown(unknown) = record else { return Ok(()) };
    let (path, key, version) = (dir.to_owned(), unknown.key, unknown.version);
    Err(Error::Unknown { path, offset, key, version })
}
