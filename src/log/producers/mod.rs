//! What a partition knows of its producers: who may append next, and which transactions are open.
//!
//! The rules are those of `ProducerAppendInfo` and `ProducerStateManager`. Two steps: [`ProducerStates::check`]
//! decides before the bytes are written and changes nothing; [`ProducerStates::apply`] records a batch that is in
//! the log. Recovery and followers replay with `apply` alone, so both reach the same state at the same offset.
//!
//! Knows headers and end markers, not files: [`snapshot`] turns the state into bytes and back.

mod entry;
mod marker;
pub mod snapshot;
mod verification;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::base::id::Producer;
use crate::wire::batch::{BatchHeader, add_sequence};

pub use entry::{BATCHES_RETAINED, Entry, RecentBatch};
pub use marker::{EndTxnMarker, Marker, MarkerError, Verdict};
pub use verification::{Guard, Proof, Verification};

/// Where an append comes from, which decides how much of it is checked (`AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator: epochs are checked, sequences are not, for its batches have none.
    Coordinator,
    /// A leader that has checked already.
    Replication,
}

/// What is to happen to a batch that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Append,
    /// It is in the log already; the answer is a success that names where.
    Duplicate {
        /// Offset of its first record.
        first_offset: i64,
        /// Offset of its last record.
        last_offset: i64,
        /// Its largest timestamp, in ms.
        timestamp_ms: i64,
    },
}

/// Why a batch must not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The sequence number is not the next one.
    #[error("producer {producer_id} epoch {epoch}: sequence {sequence} does not follow {last_sequence}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// The batch's epoch.
        epoch: i16,
        /// The batch's first sequence number.
        sequence: i32,
        /// The last one in the log, or the lowest one that waits for verification; -1 if there is none.
        last_sequence: i32,
    },
    /// The epoch is older than the newest one seen, or, for a marker of transactions version 2, not newer.
    #[error("producer {producer_id}: epoch {epoch} is stale, {current} was seen")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The batch's epoch.
        epoch: i16,
        /// The newest epoch seen.
        current: i16,
    },
    /// A batch outside of a transaction while the producer has one open.
    #[error(
        "producer {producer_id}: expected a transactional batch, a transaction is open since offset {open_since}"
    )]
    InvalidTxnState {
        /// The producer.
        producer_id: i64,
        /// The open transaction's first offset.
        open_since: i64,
    },
    /// A batch of a transaction that is not open here, and for which no coordinator vouches (KIP-890).
    #[error("producer {producer_id} epoch {epoch}: the batch is not part of an ongoing transaction")]
    NotVerified {
        /// The producer.
        producer_id: i64,
        /// The batch's epoch.
        epoch: i16,
    },
    /// The marker comes from a coordinator that has been replaced.
    #[error("producer {producer_id}: coordinator epoch {epoch} is fenced, {current} was seen")]
    TransactionCoordinatorFenced {
        /// The producer.
        producer_id: i64,
        /// The marker's coordinator epoch.
        epoch: i32,
        /// The newest coordinator epoch seen.
        current: i32,
    },
}

/// A transaction that a marker ended, as the transaction index needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Whose transaction.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// The last stable offset that follows, as far as it depends on open transactions.
    pub last_stable_offset: i64,
    /// How it ended.
    pub verdict: Verdict,
}

/// The state of all producers of one partition, as of [`ProducerStates::end_offset`].
#[derive(Debug, Default)]
#[cfg_attr(test, derive(PartialEq))]
pub struct ProducerStates {
    /// By producer id; randomly keyed hashes, for clients choose the ids. Its order never leaves this module.
    producers: HashMap<i64, Entry>,
    verifications: verification::Verifications,
    /// First offset of each open transaction, and whose it is.
    ongoing: BTreeMap<i64, i64>,
    /// First offset of each transaction whose marker is not below the high watermark yet, and the marker's offset.
    unreplicated: BTreeMap<i64, i64>,
    end_offset: i64,
}

impl ProducerStates {
    /// No producers, for a log that begins at `start_offset`.
    pub fn new(start_offset: i64) -> Self {
        Self { end_offset: start_offset, ..Self::default() }
    }

    /// The state that a snapshot of offset `end_offset` holds, without producers that expired meanwhile.
    pub fn restore(
        entries: Vec<(i64, Entry)>,
        end_offset: i64,
        now_ms: i64,
        producer_id_expiration_ms: i64,
    ) -> Self {
        let mut states = Self::new(end_offset);
        for (producer_id, entry) in entries {
            if entry.is_expired(now_ms, producer_id_expiration_ms) {
                continue;
            }
            if let Some(first_offset) = entry.txn_first_offset {
                states.ongoing.insert(first_offset, producer_id);
            }
            states.producers.insert(producer_id, entry);
        }
        states
    }

    /// Whether a data batch may be appended. Changes nothing. Batches without a producer id always may.
    pub fn check(
        &self,
        header: &BatchHeader,
        origin: Origin,
        proof: Proof,
    ) -> Result<Outcome, ProducerError> {
        debug_assert!(!header.is_control(), "markers go to check_marker");
        if !header.has_producer() {
            return Ok(Outcome::Append);
        }
        let entry = self.producers.get(&header.producer_id);
        if origin == Origin::Client
            && let Some(duplicate) = entry.and_then(|e| e.find_duplicate(header))
        {
            return Ok(Outcome::Duplicate {
                first_offset: duplicate.first_offset(),
                last_offset: duplicate.last_offset,
                timestamp_ms: duplicate.timestamp_ms,
            });
        }
        let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
        if origin != Origin::Replication {
            self.check_epoch(producer)?;
            if header.is_transactional() {
                self.check_verified(producer, proof)?;
            }
        }
        if origin == Origin::Client {
            self.check_sequence(header, entry)?;
        }
        match entry.and_then(|e| e.txn_first_offset) {
            Some(open_since) if !header.is_transactional() => {
                Err(ProducerError::InvalidTxnState { producer_id: header.producer_id, open_since })
            }
            Some(_) | None => Ok(Outcome::Append),
        }
    }

    fn check_epoch(&self, producer: Producer) -> Result<(), ProducerError> {
        let current = self.get(producer.id).map_or(-1, |entry| entry.producer_epoch);
        if producer.epoch < current {
            let Producer { id: producer_id, epoch } = producer;
            return Err(ProducerError::InvalidProducerEpoch { producer_id, epoch, current });
        }
        Ok(())
    }

    fn check_verified(&self, producer: Producer, proof: Proof) -> Result<(), ProducerError> {
        let is_verified = match proof {
            Proof::NotRequired => true,
            Proof::Required(guard) => guard.is_some_and(|guard| self.is_verified(producer.id, guard)),
        };
        if is_verified || self.has_ongoing_transaction(producer) {
            return Ok(());
        }
        Err(ProducerError::NotVerified { producer_id: producer.id, epoch: producer.epoch })
    }

    fn check_sequence(&self, header: &BatchHeader, entry: Option<&Entry>) -> Result<(), ProducerError> {
        let sequence = header.base_sequence;
        let out_of_order = |last_sequence| ProducerError::OutOfOrderSequence {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            sequence,
            last_sequence,
        };
        let last_sequence = entry.map_or(-1, Entry::last_sequence);
        if let Some(verification) = self.verifications.get(header.producer_id) {
            let is_unknown = entry.is_none_or(|e| e.recent().is_empty());
            if verification.supports_epoch_bump && sequence != 0 && is_unknown {
                return Err(out_of_order(-1));
            }
            if sequence > verification.lowest_sequence {
                return Err(out_of_order(verification.lowest_sequence));
            }
        }
        // All that the producer wrote may be gone, by retention or DeleteRecords: then any sequence will do.
        let Some(entry) = entry.filter(|e| e.producer_epoch >= 0) else { return Ok(()) };
        let expected =
            if entry.producer_epoch == header.producer_epoch { add_sequence(last_sequence, 1) } else { 0 };
        if sequence == expected { Ok(()) } else { Err(out_of_order(last_sequence)) }
    }

    /// Whether a transaction marker may be appended. Changes nothing.
    ///
    /// `transaction_version` is that of `WriteTxnMarkers`; followers do not know it and are not checked.
    pub fn check_marker(
        &self,
        producer: Producer,
        coordinator_epoch: i32,
        transaction_version: i16,
    ) -> Result<(), ProducerError> {
        let Some(entry) = self.producers.get(&producer.id) else { return Ok(()) };
        let (producer_id, epoch, current) = (producer.id, producer.epoch, entry.producer_epoch);
        let stale = if transaction_version >= 2 {
            // From version 2 on every transaction ends under a new epoch; an equal one is a retry of a marker that
            // was written, unless a transaction is open (KAFKA-19999). Epoch 32767 cannot be followed by a new one.
            let retry = epoch == current && (entry.txn_first_offset.is_none() || epoch == i16::MAX);
            epoch <= current && !retry
        } else {
            epoch < current
        };
        if stale {
            return Err(ProducerError::InvalidProducerEpoch { producer_id, epoch, current });
        }
        if coordinator_epoch < entry.coordinator_epoch {
            return Err(ProducerError::TransactionCoordinatorFenced {
                producer_id,
                epoch: coordinator_epoch,
                current: entry.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Records a data batch that is in the log; its header carries the offsets that were assigned.
    pub fn apply(&mut self, header: &BatchHeader) {
        debug_assert!(!header.is_control(), "markers go to apply_marker");
        self.end_offset = header.next_offset();
        if !header.has_producer() {
            return;
        }
        let entry = self.producers.entry(header.producer_id).or_insert_with(Entry::empty);
        entry.add(
            header.producer_epoch,
            RecentBatch {
                last_sequence: header.last_sequence(),
                offset_delta: header.last_offset_delta,
                last_offset: header.last_offset(),
                timestamp_ms: header.max_timestamp,
            },
        );
        if header.is_transactional() {
            if entry.txn_first_offset.is_none() {
                entry.txn_first_offset = Some(header.base_offset);
                self.ongoing.insert(header.base_offset, header.producer_id);
            }
            self.verifications.remove(header.producer_id);
        }
    }

    /// Records a transaction marker that is in the log, and says which transaction it ended: none if the producer
    /// had none open here.
    pub fn apply_marker(&mut self, header: &BatchHeader, marker: &Marker) -> Option<CompletedTxn> {
        self.end_offset = header.next_offset();
        if !header.has_producer() {
            return None;
        }
        self.verifications.ended(header);
        let entry = self.producers.entry(header.producer_id).or_insert_with(Entry::empty);
        let first_offset = entry.end_txn(header.producer_epoch, marker)?;
        self.ongoing.remove(&first_offset);
        let last_offset = header.base_offset;
        self.unreplicated.insert(first_offset, last_offset);
        Some(CompletedTxn {
            producer_id: header.producer_id,
            first_offset,
            last_offset,
            last_stable_offset: self.first_undecided_offset().unwrap_or(self.end_offset),
            verdict: marker.verdict,
        })
    }

    /// The first offset whose fate a reader of committed data cannot know: in an open transaction, or in one whose
    /// marker is not below the high watermark.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let unreplicated = self.unreplicated.first_key_value().map(|(first, _)| *first);
        self.first_undecided_offset().into_iter().chain(unreplicated).min()
    }

    /// The first offset of the oldest open transaction.
    pub fn first_undecided_offset(&self) -> Option<i64> {
        self.ongoing.first_key_value().map(|(first, _)| *first)
    }

    /// Forgets transactions whose marker is below the high watermark.
    pub fn high_watermark_advanced(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|_, marker| *marker >= high_watermark);
        }
    }

    /// Follows the log's start; producers stay known, although a restart may forget them.
    pub fn log_start_advanced(&mut self, log_start_offset: i64) {
        self.high_watermark_advanced(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
    }

    /// The offset up to which batches are recorded, and so the one a snapshot is named after.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Moves the end over batches that concern no producer, such as control batches of other kinds.
    pub fn set_end_offset(&mut self, end_offset: i64) {
        self.end_offset = end_offset;
    }

    /// Forgets producers that were idle for `producer_id_expiration_ms`, but none with an open transaction.
    /// Says how many.
    pub fn remove_expired(&mut self, now_ms: i64, producer_id_expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, entry| !entry.is_expired(now_ms, producer_id_expiration_ms));
        self.verifications.remove_expired(now_ms, producer_id_expiration_ms);
        before - self.producers.len()
    }

    /// How many producers are known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// One producer's state.
    pub fn get(&self, producer_id: i64) -> Option<&Entry> {
        self.producers.get(&producer_id)
    }

    /// All producers in the order of their ids, as a snapshot and DescribeProducers list them.
    pub fn sorted(&self) -> Vec<(i64, &Entry)> {
        let mut all: Vec<_> = self.producers.iter().map(|(id, entry)| (*id, entry)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Whether the producer has a transaction open under this very epoch.
    pub fn has_ongoing_transaction(&self, producer: Producer) -> bool {
        self.get(producer.id)
            .is_some_and(|e| e.txn_first_offset.is_some() && e.producer_epoch == producer.epoch)
    }

    /// When the producer of the oldest open transaction wrote last, in ms: shows transactions that hang.
    pub fn oldest_txn_last_timestamp(&self) -> Option<i64> {
        let (_, producer_id) = self.ongoing.first_key_value()?;
        self.get(*producer_id).map(|entry| entry.last_timestamp_ms)
    }

    /// Notes that a transaction's first batch waits for its coordinator's word, and gives what proves the word to be
    /// about this wait (KIP-890); none if the transaction is open here already. Until the batch is appended no higher
    /// sequence of the producer is.
    pub fn begin_verification(
        &mut self,
        producer: Producer,
        wanted: Verification,
        now_ms: i64,
    ) -> Result<Option<Guard>, ProducerError> {
        self.check_epoch(producer)?;
        if self.has_ongoing_transaction(producer) {
            return Ok(None);
        }
        Ok(Some(self.verifications.begin(producer, wanted, now_ms)))
    }

    /// Whether `guard` belongs to the wait that is under way for the producer.
    pub fn is_verified(&self, producer_id: i64, guard: Guard) -> bool {
        self.verifications.holds(producer_id, guard)
    }
}
