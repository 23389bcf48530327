//! Replays a partition: what a coordinator does before it answers (`CoordinatorLoaderImpl`).
//!
//! Runs on a thread of its own kind, a bounded piece of the log at a time. A record that cannot be read is reported
//! and skipped, as Kafka does: one bad record must not take all groups of its partition away.

use std::io;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::stored::Stored;
use crate::base::id::Producer;
use crate::machine::{Ended, Entry};
use crate::partition::{self, Replica};
use crate::wire::batch::{Batch, BatchError, BatchHeader};
use crate::wire::builder::ControlRecord;
use crate::wire::compress::{self, Codec};
use crate::wire::record::{self, Records};

/// Why a partition cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The replica does not serve this leader epoch.
    #[error(transparent)]
    Replica(#[from] partition::Error),
    /// The files.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A batch is damaged.
    #[error("batch at offset {offset}: {why}")]
    Batch { offset: i64, why: BatchError },
    /// A batch does not decompress.
    #[error("batch at offset {offset}: {why}")]
    Codec { offset: i64, why: compress::Error },
    /// The records of a batch have no sound frames.
    #[error("batch at offset {offset}: {why}")]
    Frame { offset: i64, why: record::Error },
    /// Nobody wants it any more.
    #[error("stopped")]
    Stopped,
}

/// A machine that is being loaded.
pub(super) struct Load<'a, M: Stored> {
    pub(super) machine: M,
    pub(super) replica: &'a Replica,
    pub(super) epoch: i32,
    /// Bytes read at a time, if a batch is not larger.
    pub(super) chunk_bytes: usize,
}

/// A machine that has seen its whole log.
pub(super) struct Loaded<M> {
    pub(super) machine: M,
    /// Where the log ends.
    pub(super) end_offset: i64,
}

impl<M: Stored> Load<'_, M> {
    /// Replays the log from its start to its end.
    pub(super) fn run(self, stop: &CancellationToken) -> Result<Loaded<M>, LoadError> {
        let start = self.replica.watermarks(self.epoch)?.log_start_offset;
        let mut replay = Replay { machine: self.machine, skipped: 0, name: self.replica.name().to_string() };
        let mut offset = start;
        while let Some(plan) = self.replica.plan_replay(offset, self.chunk_bytes, self.epoch)? {
            if stop.is_cancelled() {
                return Err(LoadError::Stopped);
            }
            let Some(slice) = plan.resolve()? else { break };
            let mut bytes = Bytes::from(slice.read()?);
            let before = offset;
            while !bytes.is_empty() {
                match Batch::split_from(&mut bytes) {
                    Ok(batch) => {
                        replay.batch(&batch)?;
                        offset = offset.max(batch.header.next_offset());
                    }
                    // The end of what was read.
                    Err(BatchError::Truncated) if offset > before => break,
                    Err(why) => return Err(LoadError::Batch { offset, why }),
                }
            }
        }
        if replay.skipped > 0 {
            info!(tp = %replay.name, records = replay.skipped, "records of other kinds skipped");
        }
        Ok(Loaded {
            machine: replay.machine,
            end_offset: self.replica.watermarks(self.epoch)?.log_end_offset,
        })
    }
}

struct Replay<M: Stored> {
    machine: M,
    /// Records of kinds that the machine has no use for.
    skipped: u64,
    name: String,
}

impl<M: Stored> Replay<M> {
    fn batch(&mut self, batch: &Batch) -> Result<(), LoadError> {
        let header = &batch.header;
        let offset = header.base_offset;
        let mut decompressed = Vec::new();
        let codec = Codec::from_id(header.codec()).map_err(|why| LoadError::Codec { offset, why })?;
        let bytes = compress::plain_records(codec, batch.records(), &mut decompressed)
            .map_err(|why| LoadError::Codec { offset, why })?;
        for record in Records::new(header, bytes).map_err(|why| LoadError::Frame { offset, why })? {
            let record = record.map_err(|why| LoadError::Frame { offset, why })?;
            self.record(header, &record);
        }
        Ok(())
    }

    fn record(&mut self, header: &BatchHeader, record: &record::Record<'_>) {
        let key_value = (record.key.unwrap_or_default(), record.value);
        let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
        let entry = if header.is_control() {
            let Some(is_committed) = is_committed(key_value.0) else {
                self.skipped += 1;
                return;
            };
            // Whoever wrote the marker is known to the log's own state.
            let (coordinator_epoch, transaction_version) = (-1, 0);
            Entry::End(Ended { producer, coordinator_epoch, is_committed, transaction_version })
        } else if header.is_transactional() {
            Entry::Transactional { producer, record: key_value }
        } else {
            Entry::Plain(key_value)
        };
        match M::decode(entry) {
            Ok(Some(decoded)) => {
                if let Err(why) = self.machine.replay(record.offset, &decoded) {
                    error!(tp = %self.name, offset = record.offset, %why, "record does not fit those before it, left out");
                }
            }
            Ok(None) => self.skipped += 1,
            Err(why) => {
                error!(tp = %self.name, offset = record.offset, %why, "record cannot be read, left out");
            }
        }
    }
}

/// Whether the control record with this key ends a transaction, and how.
fn is_committed(key: &[u8]) -> Option<bool> {
    match ControlRecord::of_key(key)? {
        ControlRecord::Commit => Some(true),
        ControlRecord::Abort => Some(false),
        ControlRecord::LeaderChange
        | ControlRecord::SnapshotHeader
        | ControlRecord::SnapshotFooter
        | ControlRecord::KraftVersion
        | ControlRecord::KraftVoters => None,
    }
}
