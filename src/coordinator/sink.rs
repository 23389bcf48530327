//! The partition as the driver sees it. What is decided in one round goes into one batch, as far as that stays within
//! the topic's `max.message.bytes`; the records of one decision are never torn apart, whatever their size. What
//! belongs to a transaction, and a marker, is a batch of its own.

use std::marker::PhantomData;
use std::sync::Arc;

use super::stored::{Encoded, Stored};
use crate::base::id::Producer;
use crate::log::AppendError;
use crate::log::producers::{EndTxnMarker, Guard, ProducerError, Verdict};
use crate::machine::{self, Ended, Entry};
use crate::partition::{Error, Own, Replica};
use crate::wire::batch::Batch;
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;

/// Bytes that a record's frame takes at most beside key and value.
const FRAME_BYTES_MAX: usize = 32;

/// What becomes of an append.
type Result<T = ()> = std::result::Result<T, machine::Rejected<ProducerError, Error>>;

/// The log of one leader epoch.
pub(super) struct Sink<M> {
    replica: Arc<Replica>,
    epoch: i32,
    compression: Compression,
    /// What is not appended yet.
    batch: BatchBuilder,
    batch_bytes_max: usize,
    next_offset: i64,
    /// Where the log ended when that was last asked for.
    flushed: i64,
    /// Vouches for the transactional records that come next.
    guard: Option<Guard>,
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
            flushed: next_offset,
            guard: None,
            machine: PhantomData,
        }
    }

    /// Follows a changed configuration of the topic.
    pub(super) fn configure(&mut self) {
        self.batch_bytes_max = self.replica.produce_rules().message_bytes_max;
    }

    /// What the transactional records of the next decision have to show.
    pub(super) fn set_guard(&mut self, guard: Option<Guard>) {
        self.guard = guard;
    }

    /// Appends what was gathered; the end of the log if there is anything new.
    pub(super) fn flush(&mut self, now_ms: i64) -> std::result::Result<Option<i64>, Error> {
        self.append_gathered(now_ms)?;
        let is_new = self.next_offset > self.flushed;
        self.flushed = self.next_offset;
        Ok(is_new.then_some(self.next_offset))
    }

    fn append_gathered(&mut self, now_ms: i64) -> std::result::Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let fields = self.fields(self.next_offset - i64::from(batch.count()));
        let batch = batch.build(&fields, self.compression).map_err(|_| Error::Storage)?;
        self.replica.append_own(&batch, Own::default(), now_ms)?;
        Ok(())
    }

    fn fields(&self, base_offset: i64) -> Fields {
        Fields { base_offset, partition_leader_epoch: self.epoch, ..Fields::default() }
    }

    fn gather(&mut self, now_ms: i64, encoded: &[Encoded]) -> Result {
        let len = |(key, value): &Encoded| key.len() + value.as_ref().map_or(0, Vec::len) + FRAME_BYTES_MAX;
        if self.batch.len() + encoded.iter().map(len).sum::<usize>() > self.batch_bytes_max {
            self.append_gathered(now_ms).map_err(machine::Rejected::Failed)?;
        }
        push(&mut self.batch, now_ms, encoded);
        self.next_offset += i64::try_from(encoded.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    fn append_transactional(&mut self, now_ms: i64, producer: Producer, encoded: &[Encoded]) -> Result {
        let mut batch = BatchBuilder::new();
        push(&mut batch, now_ms, encoded);
        let fields = Fields {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            transactional: true,
            ..self.fields(self.next_offset)
        };
        let batch = batch.build(&fields, self.compression);
        let batch = batch.map_err(|_| machine::Rejected::Failed(Error::Storage))?;
        self.append_alone(now_ms, &batch, Own { guard: self.guard, ..Own::default() })
    }

    fn append_marker(&mut self, now_ms: i64, ended: Ended) -> Result {
        let marker = marker_of(ended).batch(self.next_offset, self.epoch, now_ms);
        let own = Own { transaction_version: ended.transaction_version, ..Own::default() };
        self.append_alone(now_ms, &marker, own)
    }

    /// Appends a batch that the state of its producer may forbid. What was gathered goes first, so that offsets are in
    /// order whatever becomes of it.
    fn append_alone(&mut self, now_ms: i64, batch: &Batch, own: Own) -> Result {
        self.append_gathered(now_ms).map_err(machine::Rejected::Failed)?;
        match self.replica.append_own(batch, own, now_ms) {
            Ok(_) => {
                self.next_offset += i64::from(batch.header.record_count);
                Ok(())
            }
            Err(Error::Append(AppendError::Producer(why))) => Err(machine::Rejected::Refused(why)),
            Err(why) => Err(machine::Rejected::Failed(why)),
        }
    }
}

/// A marker as the log knows it.
pub(super) fn marker_of(ended: Ended) -> EndTxnMarker {
    let verdict = if ended.is_committed { Verdict::Commit } else { Verdict::Abort };
    EndTxnMarker { producer: ended.producer, coordinator_epoch: ended.coordinator_epoch, verdict }
}

fn push(batch: &mut BatchBuilder, now_ms: i64, encoded: &[Encoded]) {
    for (key, value) in encoded {
        batch.push(now_ms, Some(key), value.as_deref(), &[]);
    }
}

impl<M: Stored> machine::Sink<M::Record> for Sink<M> {
    type Error = Error;
    type Refusal = ProducerError;

    fn next_offset(&self) -> i64 {
        self.next_offset
    }

    fn append(&mut self, now_ms: i64, records: &[M::Record]) -> Result {
        let mut producer = None;
        let mut encoded = Vec::with_capacity(records.len());
        for record in records {
            match M::encode(record) {
                Entry::Plain(record) => encoded.push(record),
                Entry::Transactional { producer: of, record } => {
                    producer = Some(of);
                    encoded.push(record);
                }
                Entry::End(ended) => return self.append_marker(now_ms, ended),
            }
        }
        match producer {
            None => self.gather(now_ms, &encoded),
            Some(producer) => self.append_transactional(now_ms, producer, &encoded),
        }
    }
}
