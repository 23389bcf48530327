//! AddPartitionsToTxn, versions 0 to 5 (`KafkaApis.handleAddPartitionsToTxnRequest`).
//!
//! 2     PRODUCER_FENCED; before, INVALID_PRODUCER_EPOCH.
//! 4     from brokers: several transactions at once, and `verify_only` (KIP-890).
//!
//! One partition that does not exist, or is an internal one, keeps all of a transaction's from being added.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::internal_topics::is_internal;
use super::transactions::{self, FIRST_PROTOCOL, SECOND_PROTOCOL};
use crate::coordinator::Groups;
use crate::meta::Image;
use crate::txn::{AddPartitions, TopicPartition, VerifyPartitions};

/// The first version with PRODUCER_FENCED.
const FENCED: i16 = 2;
/// The first version with a list of transactions.
const BATCHED: i16 = 4;

/// What becomes of each partition.
type Results = Vec<(TopicPartition, Result<(), Code>)>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AddPartitionsToTxnRequest>,
) -> AddPartitionsToTxnResponse {
    let version = request.version();
    let body = request.body;
    if version < BATCHED {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(body.v3_and_below_transactional_id)
            .with_producer_id(body.v3_and_below_producer_id)
            .with_producer_epoch(body.v3_and_below_producer_epoch)
            .with_topics(body.v3_and_below_topics);
        let results = add(&context, &transaction, version).await;
        return AddPartitionsToTxnResponse::default()
            .with_results_by_topic_v3_and_below(topics(&results, version));
    }
    let mut results = Vec::new();
    for transaction in &body.transactions {
        let added = add(&context, transaction, version).await;
        results.push(
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id.clone())
                .with_topic_results(topics(&added, version)),
        );
    }
    AddPartitionsToTxnResponse::default().with_error_code(NONE).with_results_by_transaction(results)
}

async fn add(context: &Context, transaction: &AddPartitionsToTxnTransaction, version: i16) -> Results {
    let partitions = named(&transaction.topics);
    if let Some(refused) = unfit(&context.quorum.image(), &partitions, version) {
        return refused;
    }
    let all = |partitions: &[TopicPartition], result: Result<(), Code>| {
        partitions.iter().map(|partition| (partition.clone(), result)).collect()
    };
    let transactional_id = match transactions::known_id(&transaction.transactional_id) {
        Ok(id) => id,
        Err(code) => return all(&partitions, Err(code)),
    };
    let producer = transactions::producer(transaction.producer_id, transaction.producer_epoch);
    let id = transactional_id.clone();
    if transaction.verify_only {
        let request = VerifyPartitions { transactional_id, producer, partitions: partitions.clone() };
        let answer = context.transactions.ask(&id, request).await;
        return transactions::flat(answer.map(Ok)).unwrap_or_else(|code| all(&partitions, Err(code)));
    }
    let request = AddPartitions {
        transactional_id,
        producer,
        partitions: partitions.clone(),
        transaction_version: if version < BATCHED { FIRST_PROTOCOL } else { SECOND_PROTOCOL },
    };
    all(&partitions, transactions::flat(context.transactions.ask(&id, request).await))
}

/// What the request names, each partition once.
fn named(topics: &[AddPartitionsToTxnTopic]) -> Vec<TopicPartition> {
    let (mut partitions, mut seen) = (Vec::new(), HashSet::new());
    for topic in topics {
        let name: Arc<str> = topic.name.as_str().into();
        let new = topic.partitions.iter().filter(|index| seen.insert((&topic.name, **index)));
        partitions.extend(new.map(|index| (name.clone(), *index)));
    }
    partitions
}

/// What to answer if one of them cannot be added: it does not exist, or its markers are not a client's affair.
fn unfit(image: &Image, partitions: &[TopicPartition], version: i16) -> Option<Results> {
    let check = |(name, index): &TopicPartition| {
        let is_foreign = is_internal(name) && (version < BATCHED || **name != *Groups::TOPIC);
        if is_foreign {
            return Err(Code::TopicAuthorizationFailed);
        }
        let exists = image.topics.by_name(name).is_some_and(|topic| topic.partition(*index).is_some());
        if exists { Err(Code::OperationNotAttempted) } else { Err(Code::UnknownTopicOrPartition) }
    };
    let results: Results = partitions.iter().map(|partition| (partition.clone(), check(partition))).collect();
    results.iter().any(|(_, result)| *result != Err(Code::OperationNotAttempted)).then_some(results)
}

/// The results, topic by topic.
fn topics(results: &Results, version: i16) -> Vec<AddPartitionsToTxnTopicResult> {
    let result = |((_, index), result): &(TopicPartition, Result<(), Code>)| {
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(*index)
            .with_partition_error_code(transactions::code(result, version, FENCED))
    };
    let topic = |of_topic: &[(TopicPartition, Result<(), Code>)]| {
        let name = of_topic.first().map_or_else(String::new, |((name, _), _)| name.to_string());
        AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_results_by_partition(of_topic.iter().map(result).collect())
    };
    results.chunk_by(|((one, _), _), ((other, _), _)| one == other).map(topic).collect()
}
