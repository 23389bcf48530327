//! One producer's state (`ProducerStateEntry`).

use super::marker::Marker;
use crate::wire::batch::BatchHeader;

/// How many batches of a producer are remembered to recognise duplicates
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`): as many as a client may have in flight.
pub const BATCHES_RETAINED: usize = 5;

/// A batch of a producer that is in the log (`BatchMetadata`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentBatch {
    /// Sequence number of its last record, -1 for batches without.
    pub last_sequence: i32,
    /// Last minus first offset.
    pub offset_delta: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp, in ms.
    pub timestamp_ms: i64,
}

impl RecentBatch {
    /// Offset of its first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset.saturating_sub(i64::from(self.offset_delta))
    }

    /// Sequence number of its first record; below 0 comes `i32::MAX` (`DefaultRecordBatch.decrementSequence`).
    pub fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        let wrapped = if first < 0 { first + i64::from(i32::MAX) + 1 } else { first };
        i32::try_from(wrapped).unwrap_or(-1)
    }
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Newest epoch, -1 for none.
    pub producer_epoch: i16,
    /// Newest epoch of a coordinator that wrote a marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Timestamp of the last batch or marker, in ms.
    pub last_timestamp_ms: i64,
    /// First offset of the open transaction.
    pub txn_first_offset: Option<i64>,
    /// Oldest first, all of `producer_epoch`. Room is taken for one batch and then for all, so that the many
    /// producers that write once stay small.
    recent: Vec<RecentBatch>,
}

impl Entry {
    pub(super) fn empty() -> Self {
        Self::new(-1, -1, -1, None)
    }

    pub(super) fn new(
        producer_epoch: i16,
        coordinator_epoch: i32,
        last_timestamp_ms: i64,
        txn_first_offset: Option<i64>,
    ) -> Self {
        Self { producer_epoch, coordinator_epoch, last_timestamp_ms, txn_first_offset, recent: Vec::new() }
    }

    /// The last batches under the newest epoch, oldest first, at most [`BATCHES_RETAINED`].
    pub fn recent(&self) -> &[RecentBatch] {
        &self.recent
    }

    /// Sequence number of the last record, -1 if no batch is remembered.
    pub fn last_sequence(&self) -> i32 {
        self.recent.last().map_or(-1, |b| b.last_sequence)
    }

    pub(super) fn find_duplicate(&self, header: &BatchHeader) -> Option<&RecentBatch> {
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.recent
            .iter()
            .filter(|_| header.producer_epoch == self.producer_epoch)
            .find(|b| b.first_sequence() == first && b.last_sequence == last)
    }

    pub(super) fn add(&mut self, producer_epoch: i16, batch: RecentBatch) {
        self.enter(producer_epoch);
        if self.recent.len() == BATCHES_RETAINED {
            self.recent.remove(0);
        }
        match self.recent.len() {
            0 => self.recent.reserve_exact(1),
            len => self.recent.reserve_exact(BATCHES_RETAINED - len),
        }
        self.recent.push(batch);
        self.last_timestamp_ms = batch.timestamp_ms;
    }

    /// Ends the open transaction and gives its first offset.
    pub(super) fn end_txn(&mut self, producer_epoch: i16, marker: &Marker) -> Option<i64> {
        self.enter(producer_epoch);
        self.coordinator_epoch = marker.coordinator_epoch;
        self.last_timestamp_ms = marker.timestamp_ms;
        self.txn_first_offset.take()
    }

    fn enter(&mut self, producer_epoch: i16) {
        if self.producer_epoch != producer_epoch {
            self.producer_epoch = producer_epoch;
            self.recent.clear();
        }
    }

    pub(super) fn is_expired(&self, now_ms: i64, producer_id_expiration_ms: i64) -> bool {
        self.txn_first_offset.is_none()
            && now_ms.saturating_sub(self.last_timestamp_ms) >= producer_id_expiration_ms
    }
}
