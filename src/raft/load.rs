//! From a directory to a leader: the newest sound snapshot, the log after it, and a new epoch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::{info, warn};
use uuid::Uuid;

use super::batches::{self, Entry, Malformed};
use super::error::Error;
use super::membership::{self, Membership};
use super::queue::Asker;
use super::quorum_state::{self, Election, QuorumState};
use super::runner::OnFailure;
use super::sink::{self, Sink};
use super::snapshot::{self, SnapshotId};
use super::snapshots::Snapshots;
use super::{BOOTSTRAP_FILE, PARTITION_DIR, Parts, Settings};
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, TopicId};
use crate::controller::request::Activate;
use crate::controller::{self, Controller, Request as _};
use crate::log::disk::Disk;
use crate::log::{self, Log, Opening};
use crate::machine::{Driver, Machine as _};
use crate::meta::{Delta, Image, Provenance};
use crate::wire::batch::Batch;
use crate::wire::kraft::Record;
use crate::wire::kraft::control::ControlRecord;

/// `Uuid.METADATA_TOPIC_ID`.
const TOPIC_ID: TopicId = TopicId(Uuid::from_u128(1));
/// How much of the log is read at a time, in bytes.
const CHUNK_LEN: usize = 1 << 20;

/// A controller that has replayed its log and leads, but does not run yet.
pub struct Loaded {
    pub(super) driver: Driver<Controller, Sink, Asker>,
    pub(super) snapshots: Snapshots,
    pub(super) clock: Clock,
    pub(super) on_failure: OnFailure,
    pub(super) node_id: i32,
    pub(super) epoch: i32,
    pub(super) voter_directory: DirectoryId,
}

impl Loaded {
    /// The cluster after every record of the log.
    pub fn image(&self) -> Arc<Image> {
        Arc::new(self.driver.machine().image().clone())
    }

    /// The epoch that this node leads.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }
}

/// Loads what is in the directory of `parts` and takes over.
pub(super) fn load(parts: Parts) -> Result<Loaded, Error> {
    let Parts { disk, dir: parent, directory_id, settings, controller, clock, on_failure } = parts;
    let home = Home { dir: parent.join(PARTITION_DIR), disk, parent };
    let node_id = controller.node_id;
    let state = home.vote()?;
    if !state.voters.is_empty() {
        membership::check(state.voters, node_id)?;
    }
    let (log, ids) = home.open(&settings, clock.now_ms())?;
    let base = home.base(&ids, &log)?;
    let mut replay = Replay {
        dir: home.dir.clone(),
        controller: Controller::new(controller, base.image),
        membership: base.membership,
        bytes: 0,
        last: Provenance::NONE,
    };
    replay.run(&log, base.end_offset)?;
    replay.membership.check(node_id)?;
    let epoch = next_epoch(&[Some(state.epoch), log.latest_epoch(), base.id.map(|id| id.epoch)])?;
    info!(snapshot_end = base.end_offset, end_offset = log.end_offset(), epoch, "metadata log replayed");
    let Replay { controller, membership, bytes, last, .. } = replay;
    // Before the first record of the epoch: no epoch is ever used twice.
    let kraft_version = membership.kraft_version;
    quorum_state::write(&*home.disk, &home.dir, Election { epoch, node_id, directory_id, kraft_version })?;
    let bootstrap = home.bootstrap(controller.image())?;
    let sink = Sink {
        disk: home.disk,
        log,
        epoch,
        snapshot_debt: bytes,
        recovery_debt: 0,
        appended_ms: last.timestamp_ms,
    };
    let change = Membership::leader_change(node_id);
    let driver = take_over(controller, sink, (change, bootstrap), clock.now_ms())?;
    let kept = ids.into_iter().filter(|id| base.id.is_some_and(|used| *id <= used)).collect();
    let voter_directory = membership.directory_id(node_id);
    let snapshots = Snapshots::new(kept, membership, &settings, clock.now_ms());
    Ok(Loaded { driver, snapshots, clock, on_failure, node_id, epoch, voter_directory })
}

fn next_epoch(used: &[Option<i32>]) -> Result<i32, Error> {
    let last = used.iter().copied().flatten().max().unwrap_or(quorum_state::NONE);
    last.checked_add(1).ok_or(Error::EpochsExhausted(last))
}

/// Where everything is.
struct Home {
    disk: Arc<dyn Disk>,
    /// The log directory.
    parent: PathBuf,
    /// The directory of the metadata log in it.
    dir: PathBuf,
}

impl Home {
    fn vote(&self) -> Result<QuorumState, Error> {
        if self.exists(&self.dir)? {
            quorum_state::read(&*self.disk, &self.dir)
        } else {
            Ok(QuorumState { epoch: quorum_state::NONE, voters: Vec::new() })
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, Error> {
        self.disk.exists(path).map_err(|e| Error::io(path, e))
    }

    /// Opens or makes the log; gives the snapshots beside it too, oldest first.
    fn open(&self, settings: &Settings, now_ms: i64) -> Result<(Log, Vec<SnapshotId>), Error> {
        let Self { disk, parent, dir } = self;
        let settings = log::Settings {
            segment_bytes: settings.segment_bytes,
            segment_ms: settings.segment_ms,
            ..log::Settings::default()
        };
        if !self.exists(dir)? {
            let mut log = Log::create(disk.clone(), dir, TOPIC_ID, settings, now_ms)?;
            // The vote goes into the same directory, so that has to be durable first.
            flush(&mut log)?;
            return Ok((log, Vec::new()));
        }
        // Made by a start that was cut short, perhaps, and not durable yet.
        disk.sync_dir(parent).map_err(|e| Error::io(parent, e))?;
        let ids = snapshot::list(&**disk, dir)?;
        let snapshot_end = ids.last().map_or(0, |id| id.end_offset);
        let recovery_point = sink::read_recovery_point(&**disk, dir)?.max(snapshot_end);
        let opening = Opening { recovery_point, log_start_offset: 0, clean: false, is_checkpointed: true };
        let (mut log, recovered) = Log::open(disk.clone(), dir, settings, opening, now_ms)?;
        if let Some(flaw) = recovered.flaw {
            let bytes = recovered.truncated_bytes;
            warn!(%flaw, bytes, end_offset = log.end_offset(), "cut the unsynced end off the metadata log");
        }
        if log.topic_id() != Some(TOPIC_ID) {
            log.set_topic_id(TOPIC_ID)?;
        }
        // What is replayed has to be there after the next power cut too.
        flush(&mut log)?;
        Ok((log, ids))
    }

    /// The newest snapshot that is sound, or nothing, if the log goes back so far.
    fn base(&self, ids: &[SnapshotId], log: &Log) -> Result<Base, Error> {
        let mut found = None;
        for id in ids.iter().rev() {
            match self.read_base(*id) {
                Ok(base) => {
                    found = Some(base);
                    break;
                }
                // It is what a formatted log begins with, and the log does not repeat it.
                Err(error) if id.end_offset == 0 => return Err(error),
                Err(error) => warn!(%error, "passing over a metadata snapshot"),
            }
        }
        let base = found.unwrap_or_else(|| Base {
            id: None,
            image: Image::empty(),
            membership: Membership::default(),
            end_offset: 0,
        });
        let (start_offset, snapshot_end) = (log.start_offset(), base.end_offset);
        if start_offset > snapshot_end {
            return Err(Error::Gap { path: self.dir.clone(), start_offset, snapshot_end });
        }
        Ok(base)
    }

    fn read_base(&self, id: SnapshotId) -> Result<Base, Error> {
        let mut delta = Delta::new(Image::empty());
        let apply = |record| delta.replay(&record).map_err(|e| e.to_string());
        let summary = snapshot::read(&*self.disk, &id.path(&self.dir), apply)?;
        let (offset, timestamp_ms) = (id.end_offset - 1, summary.timestamp_ms);
        let (image, _) = delta.finish(Provenance { offset, epoch: id.epoch, timestamp_ms });
        Ok(Base { id: Some(id), image, membership: summary.membership, end_offset: id.end_offset })
    }

    /// What a new cluster begins with; nothing for one that is there already.
    fn bootstrap(&self, image: &Image) -> Result<Vec<Record>, Error> {
        if !image.features.levels.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.parent.join(BOOTSTRAP_FILE);
        if !self.exists(&path)? {
            return Ok(controller::default_bootstrap());
        }
        let mut records = Vec::new();
        snapshot::read(&*self.disk, &path, |record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
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

fn flush(log: &mut Log) -> Result<(), Error> {
    let Some(flush) = log.begin_flush() else { return Ok(()) };
    flush.run().map_err(|e| Error::io(log.dir(), e))?;
    log.flushed(&flush);
    Ok(())
}

/// Brings the log's records to the machine.
struct Replay {
    dir: PathBuf,
    controller: Controller,
    membership: Membership,
    /// Of the batches that were replayed.
    bytes: u64,
    /// The last record.
    last: Provenance,
}

impl Replay {
    fn run(&mut self, log: &Log, from: i64) -> Result<(), Error> {
        let mut next = from;
        while next < log.end_offset() {
            let mut bytes = self.chunk(log, next)?;
            let before = next;
            while !bytes.is_empty() {
                let batch = match Batch::split_from(&mut bytes) {
                    Ok(batch) => batch,
                    // The chunk ends within it.
                    Err(crate::wire::batch::BatchError::Truncated) if next > before => break,
                    Err(error) => return Err(self.damaged(next, error.into())),
                };
                self.batch(&batch, next)?;
                next = batch.header.next_offset();
            }
            if next == before {
                let gone = Malformed::Batch(crate::wire::batch::BatchError::Truncated);
                return Err(self.damaged(next, gone));
            }
        }
        if self.last != Provenance::NONE {
            self.controller.set_provenance(self.last);
        }
        let _ = self.controller.take_changes();
        Ok(())
    }

    fn chunk(&self, log: &Log, from: i64) -> Result<Bytes, Error> {
        let io = |e| Error::io(&self.dir, e);
        let plan = log.plan_read(from, CHUNK_LEN, log.end_offset(), true);
        let plan = plan.map_err(|e| io(std::io::Error::other(e)))?;
        let slice = plan.map(|plan| plan.resolve()).transpose().map_err(io)?.flatten();
        Ok(slice.map(|slice| slice.read()).transpose().map_err(io)?.unwrap_or_default().into())
    }

    fn damaged(&self, offset: i64, cause: Malformed) -> Error {
        Error::Damaged { path: self.dir.clone(), offset, cause }
    }

    fn batch(&mut self, batch: &Batch, expected: i64) -> Result<(), Error> {
        let entries = batches::decode(batch, expected).map_err(|cause| self.damaged(expected, cause))?;
        for (offset, entry) in (expected..).zip(entries) {
            match entry {
                Entry::Data(record) => self.record(offset, &record)?,
                Entry::Control(record) => self.membership.replay(record),
            }
        }
        let header = &batch.header;
        self.last = Provenance {
            offset: header.last_offset(),
            epoch: header.partition_leader_epoch,
            timestamp_ms: header.max_timestamp,
        };
        self.bytes += u64::try_from(batch.bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn record(&mut self, offset: i64, record: &Record) -> Result<(), Error> {
        let replayed = self.controller.replay(offset, record);
        replayed.map_err(|cause| Error::Replay { path: self.dir.clone(), offset, cause })
    }
}

/// Appends the first records of an epoch and makes them durable.
fn take_over(
    controller: Controller,
    mut sink: Sink,
    (change, bootstrap): (ControlRecord, Vec<Record>),
    now_ms: i64,
) -> Result<Driver<Controller, Sink, Asker>, Error> {
    let epoch = sink.epoch;
    let batch = batches::of_control(&[change], sink.place(now_ms));
    sink.append_batch(&batch, now_ms)?;
    let committed = sink.log.flushed_offset();
    let mut driver = Driver::new(controller, sink, committed);
    let (asker, _) = oneshot::channel();
    driver.step(now_ms, Activate { bootstrap }.into_input(), asker)?;
    let sink = driver.sink_mut();
    let end_offset = sink.sync().map_err(|e| Error::io(sink.log.dir(), e))?;
    sink.write_recovery_point(true)?;
    driver.commit(end_offset);
    while driver.release().is_some() {}
    let controller = driver.machine_mut();
    controller.set_provenance(Provenance { offset: end_offset - 1, epoch, timestamp_ms: now_ms });
    let _ = controller.take_changes();
    Ok(driver)
}
