//! DescribeProducers, version 0 (`KafkaApis.handleDescribeProducersRequest`): who has written to a partition lately, and
//! since when a transaction is open there (KIP-664).

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::ProducerId;
use kafka_protocol::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use kafka_protocol::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::resolve;
use crate::controller::names;
use crate::partition::ActiveProducer;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeProducersRequest>,
) -> DescribeProducersResponse {
    // An answer may be long, so that each is given once however often it is asked for.
    let mut told = HashSet::new();
    let mut topics = request.body.topics;
    for topic in &mut topics {
        topic.partition_indexes.retain(|index| told.insert((topic.name.clone(), *index)));
    }
    let topics = topics.into_iter().map(|topic| describe_topic(&context, topic));
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn describe_topic(context: &Context, topic: TopicRequest) -> TopicResponse {
    let refused = check_topic(context, &topic.name).err();
    let partitions = topic.partition_indexes.iter().map(|index| match &refused {
        Some((code, message)) => PartitionResponse::default()
            .with_partition_index(*index)
            .with_error_code(code.code())
            .with_error_message(Some(message.clone())),
        None => describe_partition(context, &topic.name, *index),
    });
    let partitions = partitions.collect();
    TopicResponse::default().with_name(topic.name).with_partitions(partitions)
}

/// What is wrong with a topic is told in words, what is wrong with a partition is not.
fn check_topic(context: &Context, name: &str) -> Result<(), (Code, StrBytes)> {
    names::validate(name)
        .map_err(|error| (Code::InvalidTopicException, StrBytes::from_string(error.message.to_string())))?;
    if context.quorum.image().topics.by_name(name).is_none() {
        let message = StrBytes::from_static_str("This server does not host this topic-partition.");
        return Err((Code::UnknownTopicOrPartition, message));
    }
    Ok(())
}

fn describe_partition(context: &Context, topic: &str, index: i32) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index);
    let replica = resolve::replica_by_name(context, topic, index);
    match replica.and_then(|replica| replica.producers().map_err(|error| Code::from(&error))) {
        Ok(producers) => response.with_active_producers(producers.into_iter().map(state).collect()),
        Err(code) => response.with_error_code(code.code()),
    }
}

fn state(active: ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(active.producer.id))
        .with_producer_epoch(active.producer.epoch.into())
        .with_last_sequence(active.last_sequence)
        .with_last_timestamp(active.last_timestamp_ms)
        .with_coordinator_epoch(active.coordinator_epoch)
        .with_current_txn_start_offset(active.txn_first_offset.unwrap_or(-1))
}
