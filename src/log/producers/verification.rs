//! Producers whose first batch of a transaction waits for the coordinator's word (`VerificationStateEntry`, KIP-890).

use std::collections::HashMap;

use crate::base::id::Producer;
use crate::wire::batch::BatchHeader;

/// Proves that a coordinator's word is about the wait that is under way and not about an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard(u64);

/// What a transactional batch has to show if its transaction is not open in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: `transaction.partition.verification.enable` is off.
    NotRequired,
    /// The guard of the wait that is under way.
    Required(Option<Guard>),
}

/// What a wait demands of the producer's next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Lowest first sequence seen while waiting; a higher one must not overtake it.
    pub lowest_sequence: i32,
    /// Transactions version 2: every transaction has its own epoch, so the first sequence ever is 0.
    pub supports_epoch_bump: bool,
}

#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq))]
struct Waiting {
    verification: Verification,
    producer_epoch: i16,
    since_ms: i64,
    guard: Guard,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(PartialEq))]
pub(super) struct Verifications {
    waiting: HashMap<i64, Waiting>,
    guards_given: u64,
}

impl Verifications {
    pub(super) fn begin(&mut self, producer: Producer, wanted: Verification, now_ms: i64) -> Guard {
        let Producer { id: producer_id, epoch: producer_epoch } = producer;
        let guards_given = &mut self.guards_given;
        let waiting = self.waiting.entry(producer_id).or_insert_with(|| {
            *guards_given += 1;
            let guard = Guard(*guards_given);
            Waiting { verification: wanted, producer_epoch, since_ms: now_ms, guard }
        });
        let lowest = &mut waiting.verification.lowest_sequence;
        if producer_epoch > waiting.producer_epoch {
            waiting.producer_epoch = producer_epoch;
            *lowest = wanted.lowest_sequence;
        } else if producer_epoch == waiting.producer_epoch {
            *lowest = wanted.lowest_sequence.min(*lowest);
        }
        waiting.guard
    }

    pub(super) fn get(&self, producer_id: i64) -> Option<&Verification> {
        self.waiting.get(&producer_id).map(|w| &w.verification)
    }

    pub(super) fn holds(&self, producer_id: i64, guard: Guard) -> bool {
        self.waiting.get(&producer_id).is_some_and(|w| w.guard == guard)
    }

    pub(super) fn remove(&mut self, producer_id: i64) {
        self.waiting.remove(&producer_id);
    }

    /// Drops the wait when a marker is written, unless it already belongs to the transaction after the marker.
    pub(super) fn ended(&mut self, marker: &BatchHeader) {
        let waiting = self.waiting.get(&marker.producer_id);
        let next_has_begun = waiting
            .is_some_and(|w| w.verification.supports_epoch_bump && w.producer_epoch == marker.producer_epoch);
        if !next_has_begun {
            self.remove(marker.producer_id);
        }
    }

    pub(super) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.waiting.retain(|_, w| now_ms.saturating_sub(w.since_ms) < expiration_ms);
    }
}
