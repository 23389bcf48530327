//! The records of `__transaction_state`, byte for byte
//! (`transaction-coordinator/src/main/resources/common/message/*.json`, `TransactionLog`).
//!
//! A key is the record's type and a transactional id, a value its version and its fields; a record without a value is
//! a tombstone. Types and versions that are not known here are told apart from damage: they are skipped, not refused.

mod serde;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use crate::wire::field::Malformed;

/// One record: a transactional id, and what is true of it from then on; none is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose transactions; 32767 bytes at most.
    pub transactional_id: Arc<str>,
    /// Its producer and its transaction.
    pub value: Option<Value>,
}

/// Partitions by the names of their topics.
pub type Partitions = BTreeMap<Arc<str>, BTreeSet<i32>>;

/// `TransactionLogValue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The format: 0, or 1 with tagged fields, from `transaction.version` 1 on.
    pub version: i16,
    /// The producer id in use.
    pub producer_id: i64,
    /// The one before the last change, or -1; not in version 0.
    pub previous_producer_id: i64,
    /// The one that follows when the transaction is complete, or -1; not in version 0.
    pub next_producer_id: i64,
    /// The epoch in use.
    pub producer_epoch: i16,
    /// How long a transaction may take.
    pub timeout_ms: i32,
    /// Where the transaction is.
    pub state: State,
    /// What is written to; nothing while there is no transaction.
    pub partitions: Partitions,
    /// When the record was made, in ms since 1970.
    pub last_update_ms: i64,
    /// When the transaction began, in ms since 1970, or -1.
    pub start_ms: i64,
    /// Version of the protocol of the client that made the record: 2 bumps the epoch; not in version 0.
    pub client_version: i16,
}

/// `TransactionState`, by its id in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No transaction since the producer was initialised.
    Empty = 0,
    /// A transaction is open.
    Ongoing = 1,
    /// To be committed: the markers are on their way.
    PrepareCommit = 2,
    /// To be aborted: the markers are on their way.
    PrepareAbort = 3,
    /// The last transaction was committed.
    CompleteCommit = 4,
    /// The last transaction was aborted.
    CompleteAbort = 5,
    /// About to be forgotten; never in the log.
    Dead = 6,
    /// An epoch is about to be fenced; never in the log.
    PrepareEpochFence = 7,
}

impl State {
    /// By id.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// As DescribeTransactions and ListTransactions show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
