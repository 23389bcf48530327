//! What a replica does for transactions: it has batches verified, takes markers, and tells who produces.
//!
//! Knows producers and guards, not transactional ids: those are the coordinator's.

use std::sync::Arc;

use tracing::debug;

use super::{Error, Replica, Source};
use crate::base::id::Producer;
use crate::log::producers::{EndTxnMarker, Entry, Guard, Verification};
use crate::log::{AppendError, Appended};

/// What a coordinator knows of a batch of its own, besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Own {
    /// For a batch of a transaction that is verified.
    pub guard: Option<Guard>,
    /// For a marker.
    pub transaction_version: i16,
}

/// A producer, as DescribeProducers shows it; -1 where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id and its newest epoch.
    pub producer: Producer,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Timestamp of its last batch or marker, in ms.
    pub last_timestamp_ms: i64,
    /// Newest epoch of a coordinator that ended a transaction of it here.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub txn_first_offset: Option<i64>,
}

impl Replica {
    /// Notes that a transaction's batch is about to be verified with its coordinator, and gives what the append has to
    /// show then; none if the batch may be appended at once, for the transaction is open here already or nobody wants
    /// it verified. A producer of transactions version 2 is always: the coordinator learns of the partition that way.
    pub fn begin_verification(
        &self,
        producer: Producer,
        wanted: Verification,
        now_ms: i64,
    ) -> Result<Option<Guard>, Error> {
        let mut state = self.state.lock();
        self.check_online()?;
        state.leader_for(-1)?;
        if !wanted.supports_epoch_bump && !state.settings.log.verify_transactions {
            return Ok(None);
        }
        let begun = state.log.producers_mut().begin_verification(producer, wanted, now_ms);
        begun.map_err(|error| Error::Append(AppendError::Producer(error)))
    }

    /// Ends a transaction here. The transaction is over for its readers when the marker is committed.
    ///
    /// Not for a partition whose coordinator is active on this node: that one appends its markers itself.
    pub fn append_marker(
        self: &Arc<Self>,
        marker: &EndTxnMarker,
        transaction_version: i16,
        now_ms: i64,
    ) -> Result<Appended, Error> {
        let own = Own { guard: None, transaction_version };
        // Offset and epoch are the log's to give.
        self.append_in(&marker.batch(0, -1, now_ms), Source::Markers(own), true, now_ms)
    }

    /// Forgets producers, and waits for a coordinator's word, that are too old; never a producer with an open
    /// transaction.
    pub(crate) fn remove_expired_producers(&self, now_ms: i64) {
        let mut state = self.state.lock();
        let expiration_ms = state.settings.log.producer_id_expiration_ms;
        let count = state.log.producers_mut().remove_expired(now_ms, expiration_ms);
        drop(state);
        if count > 0 {
            debug!(tp = %self.name, count, "producers expired");
        }
    }

    /// All producers that are known, in the order of their ids.
    pub fn producers(&self) -> Result<Vec<ActiveProducer>, Error> {
        let state = self.state.lock();
        self.check_online()?;
        state.leader_for(-1)?;
        let producers = state.log.producers().sorted();
        Ok(producers.into_iter().map(|(id, entry)| describe(id, entry)).collect())
    }
}

fn describe(id: i64, entry: &Entry) -> ActiveProducer {
    ActiveProducer {
        producer: Producer { id, epoch: entry.producer_epoch },
        last_sequence: entry.last_sequence(),
        last_timestamp_ms: entry.last_timestamp_ms,
        coordinator_epoch: entry.coordinator_epoch,
        txn_first_offset: entry.txn_first_offset,
    }
}
