//! What a transactional produce request needs before it may append: the word of the transaction's coordinator
//! (`ReplicaManager.handleProduceAppend`, `AddPartitionsToTxnManager`).
//!
//! Up to version 11 the client has added the partitions itself, and the coordinator is asked whether it has; from
//! version 12 on the coordinator adds them. A partition in which the transaction is open already needs neither.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest};

use super::super::context::Context;
use super::super::error::Code;
use super::super::groups;
use crate::base::id::{Producer, TopicId};
use crate::log::producers::{Guard, Verification};
use crate::partition::Replica;
use crate::txn;
use crate::wire::batch::{BatchHeader, TRANSACTIONAL};

/// From this version on clients know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE: i16 = 11;
/// From this version on the coordinator learns of partitions by what is produced to them.
const ADDS_PARTITIONS: i16 = 12;

/// Offset of the attributes' low byte in a batch.
const ATTRIBUTES_AT: usize = 22;

/// The guard of a partition's verification, or why nothing may be appended there.
type Verdict = Result<Option<Guard>, Code>;
type PartitionKey = (TopicId, i32);

/// The coordinator's word on the partitions of one request; empty for a request without transactions.
#[derive(Default)]
pub(super) struct Verdicts(HashMap<PartitionKey, Verdict>);

impl Verdicts {
    /// Whether a batch may go to `replica`, and with which guard.
    pub(super) fn of(&self, replica: &Replica) -> Verdict {
        self.0.get(&(replica.topic_id(), replica.name().partition)).copied().unwrap_or(Ok(None))
    }
}

/// The header of a transactional batch; none if it is not one, or not to be made out.
pub(super) fn transactional_header(data: &PartitionProduceData) -> Option<BatchHeader> {
    let records = data.records.as_deref()?;
    let is_flagged = records.get(ATTRIBUTES_AT).is_some_and(|low| i16::from(*low) & TRANSACTIONAL != 0);
    if !is_flagged {
        return None;
    }
    BatchHeader::parse(records).ok().filter(BatchHeader::is_transactional)
}

/// Whether a partition of the request has transactional records (`RequestUtils.hasTransactionalRecords`).
pub(super) fn is_transactional(request: &ProduceRequest) -> bool {
    let parts = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    parts.into_iter().any(|part| transactional_header(part).is_some())
}

/// What has to be asked of a transaction's coordinator.
pub(super) struct Pending {
    producer: Producer,
    /// Those whose transaction is not known to be open.
    asked: HashMap<txn::TopicPartition, PartitionKey>,
    verdicts: Verdicts,
}

/// Begins the verification of every batch that needs one, and says what there is to ask; the verdicts may do already.
pub(super) fn begin(
    batches: &[(Arc<Replica>, BatchHeader)],
    version: i16,
    now_ms: i64,
) -> Result<(Verdicts, Option<Pending>), Code> {
    let producer_of =
        |header: &BatchHeader| Producer { id: header.producer_id, epoch: header.producer_epoch };
    let mut verdicts = Verdicts::default();
    let Some((_, first)) = batches.first() else { return Ok((verdicts, None)) };
    let producer = producer_of(first);
    if batches.iter().any(|(_, header)| producer_of(header) != producer) {
        return Err(Code::InvalidProducerIdMapping);
    }
    let mut asked = HashMap::new();
    for (replica, header) in batches {
        let wanted = Verification {
            lowest_sequence: header.base_sequence,
            supports_epoch_bump: version >= ADDS_PARTITIONS,
        };
        let begun = replica.begin_verification(producer, wanted, now_ms);
        let (name, key) = (replica.name(), (replica.topic_id(), replica.name().partition));
        if matches!(begun, Ok(Some(_))) {
            asked.insert((name.topic.clone(), name.partition), key);
        }
        verdicts.0.insert(key, begun.map_err(|error| Code::from(&error)));
    }
    if asked.is_empty() {
        return Ok((verdicts, None));
    }
    Ok((Verdicts::default(), Some(Pending { producer, asked, verdicts })))
}

impl Pending {
    /// Asks the coordinator of `transactional_id`.
    pub(super) async fn ask(self, context: &Context, transactional_id: &str, version: i16) -> Verdicts {
        let Self { producer, asked, mut verdicts } = self;
        let partitions = asked.keys().cloned().collect();
        let transaction_version = if version >= ADDS_PARTITIONS { 2 } else { 1 };
        let transactions = &context.transactions;
        let answer = transactions
            .add_or_verify(&transactional_id.into(), producer, partitions, transaction_version)
            .await;
        match answer {
            Ok(answers) => {
                for (partition, answer) in answers {
                    if let (Err(code), Some(key)) = (answer, asked.get(&partition)) {
                        verdicts.0.insert(*key, Err(refusal(code, version)));
                    }
                }
            }
            Err(unavailable) => {
                let code = refusal(groups::code(unavailable), version);
                verdicts.0.extend(asked.into_values().map(|key| (key, Err(code))));
            }
        }
        verdicts
    }
}

/// What a producer is told of the coordinator's refusal. Older clients do not try again after errors that they do not
/// expect in an answer to Produce; NOT_ENOUGH_REPLICAS they do, without new metadata.
fn refusal(code: Code, version: i16) -> Code {
    #[expect(clippy::wildcard_enum_match_arm, reason = "any other code goes out as it is")]
    match code {
        Code::ProducerFenced => Code::InvalidProducerEpoch,
        Code::TransactionAbortable if version < KNOWS_ABORTABLE => Code::InvalidTxnState,
        Code::ConcurrentTransactions if version < ADDS_PARTITIONS => Code::NotEnoughReplicas,
        Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator => Code::NotEnoughReplicas,
        code => code,
    }
}
