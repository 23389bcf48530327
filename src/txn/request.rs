//! What the transaction coordinator is asked, and what it answers.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use kafka_protocol::messages::describe_transactions_response::TransactionState as Described;
use kafka_protocol::messages::list_transactions_request::ListTransactionsRequest;
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;

use super::Code;
use crate::base::id::Producer;
use crate::machine::requests;
use crate::meta::Image;
use crate::wire::txn_records::State;

/// A topic and one of its partitions.
pub type TopicPartition = (Arc<str>, i32);

/// Why something is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The client is told so.
    Code(Code),
    /// To be asked again with a fresh producer id.
    NeedsProducerId,
}

/// The machine leads its partition from now on: everything is replayed, time-outs begin.
#[derive(Clone, Debug)]
pub struct Activate {
    /// The leader epoch, which goes into the markers.
    pub coordinator_epoch: i32,
}

/// The cluster has changed.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The cluster now.
    pub image: Arc<Image>,
}

/// InitProducerId with a transactional id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitProducerId {
    /// Whose transactions.
    pub transactional_id: Arc<str>,
    /// `transaction.timeout.ms` of the producer.
    pub timeout_ms: i32,
    /// What the producer says it is (KIP-360), or [`Producer::NONE`].
    pub known: Producer,
    /// For a new transactional id, or one whose epochs are used up.
    pub fresh_producer_id: Option<i64>,
}

/// AddPartitionsToTxn of one transaction; AddOffsetsToTxn with the partition of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddPartitions {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// As the producer says.
    pub producer: Producer,
    /// What it will write to.
    pub partitions: Vec<TopicPartition>,
    /// Version of the protocol that the client speaks: 2 where every transaction has its own epoch (KIP-890).
    pub transaction_version: i16,
}

/// Whether partitions are in the ongoing transaction; nothing is added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyPartitions {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// As the producer says.
    pub producer: Producer,
    /// What it wants to write to.
    pub partitions: Vec<TopicPartition>,
}

/// EndTxn. Answered with the producer as it is from then on; with none where the client's epoch stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndTxn {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// As the producer says.
    pub producer: Producer,
    /// Commit or abort.
    pub is_committed: bool,
    /// See [`AddPartitions::transaction_version`].
    pub transaction_version: i16,
    /// For a producer whose epochs are used up.
    pub fresh_producer_id: Option<i64>,
}

/// DescribeTransactions of one transactional id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeTransaction(pub Arc<str>);

/// ListTransactions of this machine. The pattern, and states that do not exist, are for whoever asks.
#[derive(Clone, Debug)]
pub struct ListTransactions(pub Arc<Filter>);

/// Which transactions are listed (`TransactionStateManager.listTransactionStates`), but for the pattern of their ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// In one of these states; none = any. Of states that nobody knows there are no transactions.
    pub(super) states: Option<BTreeSet<State>>,
    /// Of these producers; none = any.
    pub(super) producer_ids: Option<HashSet<i64>>,
    /// Under way for longer than this, if it is not negative.
    pub(super) duration_ms: i64,
}

impl Filter {
    /// What a request asks for.
    pub fn of(request: &ListTransactionsRequest) -> Self {
        let states = || request.state_filters.iter().filter_map(|name| State::of_name(name)).collect();
        let producer_ids = || request.producer_id_filters.iter().map(|id| id.0).collect();
        Self {
            states: (!request.state_filters.is_empty()).then(states),
            producer_ids: (!request.producer_id_filters.is_empty()).then(producer_ids),
            duration_ms: request.duration_filter,
        }
    }
}

/// Asks for transactions that are decided and whose markers are to be written. Answered when there are some, and
/// when their decision is committed; each is handed out once. Who asks after another one takes its place: that one is
/// told of none.
///
/// Refused with [`Refusal::NeedsProducerId`] when a transaction has run out of time whose epochs are used up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NextMarkers {
    /// Hands out again what was handed out before and is not written: an answer was lost.
    pub again: bool,
    /// See [`Refusal::NeedsProducerId`].
    pub fresh_producer_id: Option<i64>,
}

/// A decided transaction, for whoever writes its markers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// What goes into the markers.
    pub producer: Producer,
    /// Commit or abort.
    pub is_committed: bool,
    /// See [`Activate::coordinator_epoch`].
    pub coordinator_epoch: i32,
    /// See [`AddPartitions::transaction_version`].
    pub transaction_version: i16,
    /// Where the markers go.
    pub partitions: Vec<TopicPartition>,
    /// Offset of the decision, which tells this transaction from all others of the same producer.
    pub decided_at: i64,
}

impl Ending {
    /// What is to be told once the markers are committed.
    pub fn written(&self) -> MarkersWritten {
        MarkersWritten { transactional_id: self.transactional_id.clone(), decided_at: self.decided_at }
    }
}

/// All markers of a transaction are committed, or their partitions are gone: it is complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarkersWritten {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// See [`Ending::decided_at`].
    pub decided_at: i64,
}

requests! {
    Activate(Activate) -> (),
    NewImage(NewImage) -> (),
    InitProducerId(InitProducerId) -> Result<Producer, Refusal>,
    AddPartitions(AddPartitions) -> Result<(), Code>,
    VerifyPartitions(VerifyPartitions) -> Vec<(TopicPartition, Result<(), Code>)>,
    EndTxn(EndTxn) -> Result<Producer, Refusal>,
    DescribeTransaction(DescribeTransaction) -> Described,
    ListTransactions(ListTransactions) -> Vec<Listed>,
    NextMarkers(NextMarkers) -> Result<Vec<Ending>, Refusal>,
    MarkersWritten(MarkersWritten) -> (),
}
