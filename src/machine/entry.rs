//! Records of a log that takes part in transactions.

use crate::base::id::Producer;

/// A record with what its batch says about transactions. A decision is plain as a whole, or of one producer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry<R> {
    /// True at once.
    Plain(R),
    /// Part of the open transaction of a producer.
    Transactional {
        /// Whose transaction.
        producer: Producer,
        /// What becomes true if and when it is committed.
        record: R,
    },
    /// The marker at the end of a producer's transaction; alone in its decision.
    End(Ended),
}

/// What a marker says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Whose transaction.
    pub producer: Producer,
    /// Leader epoch of the transaction coordinator that decided.
    pub coordinator_epoch: i32,
    /// Commit or abort.
    pub is_committed: bool,
    /// Version of the protocol, which the log checks by; 0 in what was read from a log.
    pub transaction_version: i16,
}

impl<R> Entry<R> {
    /// The same with another record.
    pub fn map<T>(self, record: impl FnOnce(R) -> T) -> Entry<T> {
        match self {
            Self::Plain(plain) => Entry::Plain(record(plain)),
            Self::Transactional { producer, record: inner } => {
                Entry::Transactional { producer, record: record(inner) }
            }
            Self::End(ended) => Entry::End(ended),
        }
    }

    /// The same with its record borrowed.
    pub fn as_ref(&self) -> Entry<&R> {
        match self {
            Self::Plain(record) => Entry::Plain(record),
            Self::Transactional { producer, record } => Entry::Transactional { producer: *producer, record },
            Self::End(ended) => Entry::End(*ended),
        }
    }
}

impl<R, E> Entry<Result<Option<R>, E>> {
    /// None if there is no record.
    pub fn transpose(self) -> Result<Option<Entry<R>>, E> {
        Ok(match self {
            Self::Plain(record) => record?.map(Entry::Plain),
            Self::Transactional { producer, record } => {
                record?.map(|record| Entry::Transactional { producer, record })
            }
            Self::End(ended) => Some(Entry::End(ended)),
        })
    }
}
