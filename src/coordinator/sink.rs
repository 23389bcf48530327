//! The partition as the driver sees it. What is decided in one round goes into one batch, as far as that stays within
//! the topic's `max.message.bytes`; the records of one decision are never torn apart, whatever their size.

use std::marker::PhantomData;
use std::sync::Arc;

use super::stored::Stored;
use crate::machine;
use crate::partition::{Error, Replica};
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
    encoded: Encoded,
    machine: PhantomData<fn(M)>,
}

/// The records of one decision, one behind the other.
#[derive(Default)]
struct Encoded {
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Where each key and value ends, and whether there is a value.
    ends: Vec<(usize, usize, bool)>,
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
            encoded: Encoded::default(),
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
        self.replica.append_own(&batch, now_ms)?;
        Ok(Some(self.next_offset))
    }
}

impl Encoded {
    fn put<M: Stored>(&mut self, records: &[M::Record]) {
        self.keys.clear();
        self.values.clear();
        self.ends.clear();
        for record in records {
            let is_set = M::encode(record, &mut self.keys, &mut self.values);
            self.ends.push((self.keys.len(), self.values.len(), is_set));
        }
    }

    fn bytes_max(&self) -> usize {
        self.keys.len() + self.values.len() + FRAME_BYTES_MAX * self.ends.len()
    }

    fn push_to(&self, batch: &mut BatchBuilder, now_ms: i64) {
        let (mut key_at, mut value_at) = (0, 0);
        for (key_end, value_end, is_set) in &self.ends {
            let value = is_set.then(|| &self.values[value_at..*value_end]);
            batch.push(now_ms, Some(&self.keys[key_at..*key_end]), value, &[]);
            (key_at, value_at) = (*key_end, *value_end);
        }
    }
}

impl<M: Stored> machine::Sink<M::Record> for Sink<M> {
    type Error = Error;

    fn next_offset(&self) -> i64 {
        self.next_offset
    }

    fn append(&mut self, now_ms: i64, records: &[M::Record]) -> Result<(), Error> {
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.put::<M>(records);
        if self.batch.len() + encoded.bytes_max() > self.batch_bytes_max {
            self.flush(now_ms)?;
        }
        encoded.push_to(&mut self.batch, now_ms);
        self.encoded = encoded;
        self.next_offset += i64::try_from(records.len()).unwrap_or(i64::MAX);
        Ok(())
    }
}
