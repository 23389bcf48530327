//! AddPartitionsToTxn, versions 0 to 5 (`KafkaApis.handleAddPartitionsToTxnRequest`).
//!
//! 2     PRODUCER_FENCED; before, INVALID_PRODUCER_EPOCH.
//! 4     from brokers: several transactions at once, and `verify_only` (KIP-890).
//!
//! One partition that does not exist keeps all of a transaction's from being added.

use std::sync::Arc;

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::transactions::{self, FIRST_PROTOCOL, SECOND_PROTOCOL};
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
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics(
            &transaction,
            &results,
            version,
        ));
    }
    let mut results = Vec::new();
    for transaction in &body.transactions {
        let added = add(&context, transaction, version).await;
        results.push(
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id.clone())
                .with_topic_results(topics(transaction, &added, version)),
        );
    }
    AddPartitionsToTxnResponse::default().with_error_code(NONE).with_results_by_transaction(results)
}

async fn add(context: &Context, transaction: &AddPartitionsToTxnTransaction, version: i16) -> Results {
    let partitions = named(&transaction.topics);
    if let Some(refused) = missing(&context.quorum.image(), &partitions) {
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

fn named(topics: &[AddPartitionsToTxnTopic]) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for topic in topics {
        let name: Arc<str> = topic.name.as_str().into();
        partitions.extend(topic.partitions.iter().map(|index| (name.clone(), *index)));
    }
    partitions
}

/// What to answer if not all of them exist.
fn missing(image: &Image, partitions: &[TopicPartition]) -> Option<Results> {
    let exists = |(name, index): &TopicPartition| {
        image.topics.by_name(name).is_some_and(|topic| topic.partition(*index).is_some())
    };
    let known: Vec<bool> = partitions.iter().map(exists).collect();
    if !known.contains(&false) {
        return None;
    }
    let code = |exists| if exists { Code::OperationNotAttempted } else { Code::UnknownTopicOrPartition };
    Some(
        partitions
            .iter()
            .zip(known)
            .map(|(partition, known)| (partition.clone(), Err(code(known))))
            .collect(),
    )
}

/// The results, in the order of the request.
fn topics(
    transaction: &AddPartitionsToTxnTransaction,
    results: &Results,
    version: i16,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let result = |((_, index), result): &(TopicPartition, Result<(), Code>)| {
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(*index)
            .with_partition_error_code(transactions::code(result, version, FENCED))
    };
    let mut rest = results.as_slice();
    let topic = |topic: &AddPartitionsToTxnTopic| {
        let (here, others) = rest.split_at(topic.partitions.len());
        rest = others;
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(here.iter().map(result).collect())
    };
    transaction.topics.iter().map(topic).collect()
}
