//! What is known of one transactional id.

use crate::base::id::Producer;
use crate::wire::txn_records::{State, Value};

/// The highest epoch that a client gets: one more is left to fence it (`TransactionMetadata.isEpochExhausted`).
pub(super) const CLIENT_EPOCH_MAX: i16 = i16::MAX - 1;
/// No producer id, no producer epoch.
pub(super) const NO_ID: i64 = Producer::NONE.id;
/// From this version on every transaction has its own epoch (KIP-890).
pub(super) const EPOCH_PER_TRANSACTION: i16 = 2;

/// A producer that said who it was when it got its epoch (KIP-360).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bump {
    /// The epoch that it had.
    pub(super) from_epoch: i16,
    /// What it is now.
    pub(super) to: Producer,
}

/// A transactional id: its latest record, and what no record says.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) value: Value,
    /// Where the record is.
    pub(super) offset: i64,
    /// The last bump, for as long as the producer is what it became. Lost with the machine, as in Kafka.
    pub(super) bump: Option<Bump>,
}

impl Transaction {
    pub(super) fn state(&self) -> State {
        self.value.state
    }

    pub(super) fn producer(&self) -> Producer {
        Producer { id: self.value.producer_id, epoch: self.value.producer_epoch }
    }

    /// What the producer is once the transaction is complete.
    pub(super) fn producer_after(&self) -> Producer {
        if self.has_own_epoch() && self.value.next_producer_id != NO_ID {
            return Producer { id: self.value.next_producer_id, epoch: 0 };
        }
        self.producer()
    }

    /// Whether the transaction's end is decided and its markers are not all written.
    pub(super) fn is_prepared(&self) -> bool {
        is_prepared(self.state())
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.value.producer_epoch >= CLIENT_EPOCH_MAX
    }

    /// Whether the last change was made under the protocol where a transaction ends with its epoch.
    pub(super) fn has_own_epoch(&self) -> bool {
        self.value.client_version >= EPOCH_PER_TRANSACTION
    }

    /// The epoch before this one, if who had it may have this one (`lastProducerEpoch`), otherwise -1.
    pub(super) fn last_epoch(&self) -> i16 {
        if let Some(bump) = self.bump.filter(|bump| bump.to == self.producer()) {
            return bump.from_epoch;
        }
        match self.state() {
            State::PrepareCommit | State::PrepareAbort | State::CompleteCommit | State::CompleteAbort
                if self.has_own_epoch() =>
            {
                // A transaction whose end took the last epoch goes on with another producer id.
                if self.value.producer_epoch == 0 { CLIENT_EPOCH_MAX } else { self.value.producer_epoch - 1 }
            }
            State::Empty
            | State::Ongoing
            | State::PrepareCommit
            | State::PrepareAbort
            | State::CompleteCommit
            | State::CompleteAbort
            | State::Dead
            | State::PrepareEpochFence => Producer::NONE.epoch,
        }
    }

    /// When the transaction has run out of time, in ms since 1970; none if it is not open or waits for an outer
    /// coordinator (KIP-939).
    pub(super) fn timeout_at(&self) -> Option<i64> {
        let is_timed = self.state() == State::Ongoing && self.value.timeout_ms != i32::MAX;
        is_timed.then(|| self.value.start_ms.saturating_add(self.value.timeout_ms.into()).saturating_add(1))
    }

    /// When the transactional id is forgotten if nothing happens, in ms since 1970.
    pub(super) fn expires_at(&self, expiration_ms: i64) -> Option<i64> {
        match self.state() {
            State::Empty | State::CompleteCommit | State::CompleteAbort => {
                Some(self.value.last_update_ms.saturating_add(expiration_ms))
            }
            State::Ongoing
            | State::PrepareCommit
            | State::PrepareAbort
            | State::Dead
            | State::PrepareEpochFence => None,
        }
    }
}

pub(super) fn is_prepared(state: State) -> bool {
    match state {
        State::PrepareCommit | State::PrepareAbort => true,
        State::Empty
        | State::Ongoing
        | State::CompleteCommit
        | State::CompleteAbort
        | State::Dead
        | State::PrepareEpochFence => false,
    }
}
