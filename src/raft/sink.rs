//! The metadata log as the driver sees it, and how its end becomes durable.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::batches::{self, Place};
use super::error::Error;
use crate::base::id::TopicPartition;
use crate::log::disk::Disk;
use crate::log::{AppendError, Log, checkpoint};
use crate::machine::{self, Rejected};
use crate::wire::batch::Batch;
use crate::wire::kraft::Record;

/// The recovery point is written again when so many bytes were appended since.
const RECOVERY_POINT_BYTES: u64 = 1 << 20;

/// Under which name the recovery point's file has the epoch.
const EPOCH: &str = "epoch";

/// The log of one epoch.
pub(super) struct Sink {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log: Log,
    /// The epoch of every batch.
    pub(super) epoch: i32,
    /// Bytes appended since the last snapshot.
    pub(super) snapshot_debt: u64,
    /// Bytes appended since the recovery point was written.
    pub(super) recovery_debt: u64,
    /// When the last batch was appended, in ms.
    pub(super) appended_ms: i64,
    /// The timestamp of what was appended since the last sync, in ms.
    round_ms: Option<i64>,
}

impl machine::Sink<Record> for Sink {
    type Error = AppendError;
    type Refusal = Infallible;

    fn next_offset(&self) -> i64 {
        self.log.end_offset()
    }

    fn append(&mut self, now_ms: i64, records: &[Record]) -> Result<(), Rejected<Infallible, AppendError>> {
        let batch = batches::of_records(records, self.place(now_ms));
        self.append_batch(&batch, now_ms).map_err(Rejected::Failed)
    }
}

impl Sink {
    /// Appends to `log`, whose last batch is of `appended_ms`, in `epoch`.
    pub(super) fn new(disk: Arc<dyn Disk>, log: Log, epoch: i32, appended_ms: i64) -> Self {
        Self { disk, log, epoch, snapshot_debt: 0, recovery_debt: 0, appended_ms, round_ms: None }
    }

    /// Where the next batch goes. What is synced together has one timestamp, and another one than what was synced
    /// before: so a torn end is told from damage.
    pub(super) fn place(&mut self, now_ms: i64) -> Place {
        let next_ms = if now_ms == self.appended_ms { now_ms.saturating_add(1) } else { now_ms };
        let timestamp_ms = *self.round_ms.get_or_insert(next_ms);
        Place { base_offset: self.log.end_offset(), epoch: self.epoch, timestamp_ms }
    }

    /// Appends a batch that was made for [`Sink::place`].
    pub(super) fn append_batch(&mut self, batch: &Batch, now_ms: i64) -> Result<(), AppendError> {
        let len = u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX);
        let settings = *self.log.settings();
        // What was decided together becomes true together, so it is one batch however large; the machine bounds it.
        self.log.update_settings(crate::log::Settings {
            segment_bytes: settings.segment_bytes.max(len),
            ..settings
        });
        let appended = self.log.append_as_leader(batch, self.epoch, now_ms);
        self.log.update_settings(settings);
        appended?;
        self.snapshot_debt += u64::from(len);
        self.recovery_debt += u64::from(len);
        self.appended_ms = batch.header.max_timestamp;
        Ok(())
    }

    /// Makes everything durable and gives the offset where that ends.
    pub(super) fn sync(&mut self) -> io::Result<i64> {
        if let Some(flush) = self.log.begin_flush() {
            if let Err(error) = flush.run() {
                self.log.poison();
                return Err(error);
            }
            self.log.flushed(&flush);
        }
        assert_eq!(self.log.flushed_offset(), self.log.end_offset(), "a sync leaves nothing behind");
        self.round_ms = None;
        Ok(self.log.end_offset())
    }

    /// Notes on the device up to where the log is there: damage below is told from a torn end.
    pub(super) fn write_recovery_point(&mut self, is_forced: bool) -> Result<(), Error> {
        if !is_forced && self.recovery_debt < RECOVERY_POINT_BYTES {
            return Ok(());
        }
        let path = self.log.dir().join(checkpoint::RECOVERY_POINT_FILE);
        let epoch = (TopicPartition::new(EPOCH, 0), i64::from(self.epoch));
        let offsets = checkpoint::Offsets::from([(partition(), self.log.flushed_offset()), epoch]);
        checkpoint::write_offsets(&*self.disk, &path, &offsets).map_err(|e| Error::io(&path, e))?;
        self.recovery_debt = 0;
        Ok(())
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new("__cluster_metadata", 0)
}

/// What the recovery point's file says.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecoveryPoint {
    /// Everything below is on the device.
    pub(super) offset: i64,
    /// The epoch in which it was written: Apache Kafka, which leads in an epoch of its own, does not write the file.
    pub(super) epoch: Option<i64>,
}

/// Up to where the log in `dir` was last known to be on the device; none if this broker has not led it yet.
pub(super) fn read_recovery_point(disk: &dyn Disk, dir: &Path) -> Result<Option<RecoveryPoint>, Error> {
    let offsets = checkpoint::read_offsets(disk, &dir.join(checkpoint::RECOVERY_POINT_FILE))?;
    let epoch = offsets.get(&TopicPartition::new(EPOCH, 0)).copied();
    Ok(offsets.get(&partition()).map(|offset| RecoveryPoint { offset: *offset, epoch }))
}
