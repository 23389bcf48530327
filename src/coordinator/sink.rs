//! The partition as the driver sees it. What is decided in one round goes into one batch, as far as that stays within
//! the topic's `max.message.bytes`; the records of one decision are never torn apart, whatever their size.

use std::marker::PhantomData;
use std::sync::Arc;

use super::stored::Stored;
use crate::machine;
use crate::partition::{Error, Own, Replica};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;

/// Bytes that a record's frame takes at most beside key and value.
const FRAME_BYTES_MAX: usize = 32;

/// The log of one leader epoch.
pub(super) struct Sink<M> {
    replica: Arc<Replica>,
    epoch: i32,
    compression: Compression,
    /// What is not appended yet.
    batch: BatchBuilder,
    batch_bytes_max: usize,
    next_offset: i64,
    machine: PhantomData<fn(M)>,
}

impl<M: Stored> Sink<M> {
    /// Appends from `next_offset` on, which is the end of the log.
    pub(super) fn new(replica: Arc<Replica>, epoch: i32, compression: Compression, next_offset: i64) -> Self {
        Self {
            batch_bytes_max: replica.produce_rules().message_bytes_max,
            replica,
            epoch,
            compression,
            batch: BatchBuilder::new(),
            next_offset,
            machine: PhantomData,
        }
    }

    /// Follows a changed configuration of the topic.
    pub(super) fn configure(&mut self) {
        self.batch_bytes_max = self.replica.produce_rules().message_bytes_max;
    }

    /// Appends what was gathered; the end of the log if there was anything.
    pub(super) fn flush(&mut self, now_ms: i64) -> Result<Option<i64>, Error> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        let batch = std::mem::take(&mut self.batch);
        let fields = Fields {
            base_offset: self.next_offset - i64::from(batch.count()),
            partition_leader_epoch: self.epoch,
            ..Fields::default()
        };
        let batch = batch.build(&fields, self.compression).map_err(|_| Error::Storage)?;
        self.replica.append_own(&batch, Own::default(), now_ms)?;
        Ok(Some(self.next_offset))
    }
}

impl<M: Stored> machine::Sink<M::Record> for Sink<M> {
    type Error = Error;

    fn next_offset(&self) -> i64 {
        self.next_offset
    }

    fn append(&mut self, now_ms: i64, records: &[M::Record]) -> Result<(), Error> {
        let encoded: Vec<(Vec<u8>, Option<Vec<u8>>)> = records.iter().map(M::encode).collect();
        let len = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len) + FRAME_BYTES_MAX
        };
        if self.batch.len() + encoded.iter().map(len).sum::<usize>() > self.batch_bytes_max {
            self.flush(now_ms)?;
        }
        for (key, value) in &encoded {
            self.batch.push(now_ms, Some(key), value.as_deref(), &[]);
        }
        self.next_offset += i64::try_from(records.len()).unwrap_or(i64::MAX);
        Ok(())
    }
}
