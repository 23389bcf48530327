//! TxnOffsetCommit, versions 0 to 5 (`KafkaApis.handleTxnOffsetCommitRequest`).
//!
//! 2     COORDINATOR_LOAD_IN_PROGRESS; before, COORDINATOR_NOT_AVAILABLE.
//! 3     members and their generations (KIP-447).
//! 4     TRANSACTION_ABORTABLE.
//! 5     the group's partition comes into the transaction by itself (KIP-890).
//!
//! Offsets of partitions that do not exist are refused here; the coordinators hear of the others only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;
use crate::meta::Image;

/// The first version whose clients bear with COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING: i16 = 2;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<TxnOffsetCommitRequest>,
) -> TxnOffsetCommitResponse {
    let image = context.quorum.image();
    let mut answers = Vec::new();
    for topic in &mut request.body.topics {
        let missing = take_missing(&image, topic);
        if !missing.is_empty() {
            answers.push(refused(topic, &missing, Code::UnknownTopicOrPartition));
        }
    }
    request.body.topics.retain(|topic| !topic.partitions.is_empty());
    if !request.body.topics.is_empty() {
        merge(&mut answers, commit(&context, &request).await);
    }
    TxnOffsetCommitResponse::default().with_topics(answers)
}

async fn commit(
    context: &Context,
    request: &Request<TxnOffsetCommitRequest>,
) -> Vec<TxnOffsetCommitResponseTopic> {
    if request.body.group_id.is_empty() {
        return refuse_all(&request.body, Code::InvalidGroupId);
    }
    let code = match context.transactions.commit_offsets(groups::ask(context, request)).await {
        Ok(response) => return response.topics,
        Err(unavailable) => groups::code(unavailable),
    };
    let is_unknown = code == Code::CoordinatorLoadInProgress && request.version() < LOADING;
    refuse_all(&request.body, if is_unknown { Code::CoordinatorNotAvailable } else { code })
}

fn refuse_all(body: &TxnOffsetCommitRequest, code: Code) -> Vec<TxnOffsetCommitResponseTopic> {
    let all = |topic: &TxnOffsetCommitRequestTopic| {
        let partitions: Vec<i32> = topic.partitions.iter().map(|p| p.partition_index).collect();
        refused(topic, &partitions, code)
    };
    body.topics.iter().map(all).collect()
}

/// Takes out what does not exist.
fn take_missing(image: &Image, topic: &mut TxnOffsetCommitRequestTopic) -> Vec<i32> {
    let found = image.topics.by_name(&topic.name);
    let is_missing = |index: i32| found.is_none_or(|topic| topic.partition(index).is_none());
    topic.partitions.extract_if(.., |p| is_missing(p.partition_index)).map(|p| p.partition_index).collect()
}

fn refused(
    topic: &TxnOffsetCommitRequestTopic,
    partitions: &[i32],
    code: Code,
) -> TxnOffsetCommitResponseTopic {
    let partition = |index: &i32| {
        TxnOffsetCommitResponsePartition::default().with_partition_index(*index).with_error_code(code.code())
    };
    TxnOffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions.iter().map(partition).collect())
}

/// Adds answers; each topic stands once.
fn merge(answers: &mut Vec<TxnOffsetCommitResponseTopic>, more: Vec<TxnOffsetCommitResponseTopic>) {
    let places = answers.iter().enumerate();
    let mut places: HashMap<_, _> = places.map(|(at, topic)| (topic.name.clone(), at)).collect();
    for topic in more {
        match places.entry(topic.name.clone()) {
            Entry::Occupied(place) => answers[*place.get()].partitions.extend(topic.partitions),
            Entry::Vacant(place) => {
                place.insert(answers.len());
                answers.push(topic);
            }
        }
    }
}
