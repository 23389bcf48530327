//! From what was found in a directory to a leader: the log opened, and a new epoch.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{info, warn};
use uuid::Uuid;

use super::batches;
use super::error::Error;
use super::inspect::Inspected;
use super::membership::Membership;
use super::queue::Asker;
use super::quorum_state::{self, Election};
use super::runner::OnFailure;
use super::sink::Sink;
use super::snapshot;
use super::snapshots::Snapshots;
use super::{PARTITION_DIR, Parts, Settings};
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, TopicId};
use crate::controller::request::Activate;
use crate::controller::{Controller, Request as _};
use crate::log::disk::Disk;
use crate::log::{self, Log, Opening};
use crate::machine::Driver;
use crate::meta::{Image, Provenance};
use crate::wire::kraft::Record;
use crate::wire::kraft::control::ControlRecord;

/// `Uuid.METADATA_TOPIC_ID`.
const TOPIC_ID: TopicId = TopicId(Uuid::from_u128(1));

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

/// Takes over what was found in the directory of `parts`.
pub(super) fn load(parts: Parts, inspected: Inspected) -> Result<Loaded, Error> {
    let Parts { disk, dir: parent, directory_id, settings, controller, clock, on_failure } = parts;
    let home = Home { dir: parent.join(PARTITION_DIR), disk, parent };
    let node_id = controller.node_id;
    let log = home.open(&settings, &inspected, clock.now_ms())?;
    let Inspected { snapshot, snapshots, image, transaction, membership, voted_epoch, .. } = inspected;
    let Inspected { bytes, bootstrap, .. } = inspected;
    let last = image.provenance;
    let epoch = next_epoch(&[Some(voted_epoch), log.latest_epoch(), snapshot.map(|id| id.epoch)])?;
    let snapshot_end = snapshot.map_or(0, |id| id.end_offset);
    info!(snapshot_end, end_offset = log.end_offset(), epoch, "metadata log replayed");
    // Before the first record of the epoch: no epoch is ever used twice.
    let kraft_version = membership.kraft_version;
    quorum_state::write(&*home.disk, &home.dir, Election { epoch, node_id, directory_id, kraft_version })?;
    let mut sink = Sink::new(home.disk, log, epoch, last.timestamp_ms);
    sink.snapshot_debt = bytes;
    // Also what tells this broker's log from one of Apache Kafka.
    sink.write_recovery_point(true)?;
    let change = Membership::leader_change(node_id);
    let controller = Controller::resume(controller, image, transaction);
    let driver = take_over(controller, sink, (change, bootstrap), clock.now_ms())?;
    let kept = snapshots.into_iter().filter(|id| snapshot.is_some_and(|used| *id <= used)).collect();
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
    /// Opens or makes the log, which ends where it was found to end.
    fn open(&self, settings: &Settings, inspected: &Inspected, now_ms: i64) -> Result<Log, Error> {
        let Self { disk, parent, dir } = self;
        let settings = log::Settings {
            segment_bytes: settings.segment_bytes,
            segment_ms: settings.segment_ms,
            ..log::Settings::default()
        };
        let mut log = if disk.exists(dir).map_err(|e| Error::io(dir, e))? {
            // Made by a start that was cut short, perhaps, and not durable yet.
            disk.sync_dir(parent).map_err(|e| Error::io(parent, e))?;
            snapshot::remove_unfinished(&**disk, dir)?;
            self.open_log(settings, inspected, now_ms)?
        } else {
            Log::create(disk.clone(), dir, TOPIC_ID, settings, now_ms)?
        };
        if log.end_offset() != inspected.end_offset {
            let (path, opened) = (dir.clone(), log.end_offset());
            return Err(Error::Changed { path, inspected: inspected.end_offset, opened });
        }
        // What was replayed has to be there after the next power cut too, and the vote goes into the same directory.
        flush(&mut log)?;
        Ok(log)
    }

    fn open_log(&self, settings: log::Settings, inspected: &Inspected, now_ms: i64) -> Result<Log, Error> {
        let Self { disk, dir, .. } = self;
        let Inspected { synced_offset: recovery_point, is_synced: clean, .. } = *inspected;
        let opening = Opening { recovery_point, log_start_offset: 0, clean, is_checkpointed: true };
        let (mut log, recovered) = Log::open(disk.clone(), dir, settings, opening, now_ms)?;
        if let Some(flaw) = recovered.flaw {
            let bytes = recovered.truncated_bytes;
            warn!(%flaw, bytes, end_offset = log.end_offset(), "cut the unsynced end off the metadata log");
        }
        if log.topic_id() != Some(TOPIC_ID) {
            log.set_topic_id(TOPIC_ID)?;
        }
        Ok(log)
    }
}

fn flush(log: &mut Log) -> Result<(), Error> {
    let Some(flush) = log.begin_flush() else { return Ok(()) };
    flush.run().map_err(|e| Error::io(log.dir(), e))?;
    log.flushed(&flush);
    Ok(())
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
    let timestamp_ms = driver.sink_mut().appended_ms;
    let controller = driver.machine_mut();
    controller.set_provenance(Provenance { offset: end_offset - 1, epoch, timestamp_ms });
    let _ = controller.take_changes();
    Ok(driver)
}
