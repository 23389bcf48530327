//! AlterPartitionReassignments, versions 0 and 1 (`ControllerApis.handleAlterPartitionReassignments`).
//!
//! 1     whether a partition may get another number of replicas (KIP-860).

use std::sync::Arc;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignableTopic,
};
use kafka_protocol::messages::alter_partition_reassignments_response::{
    AlterPartitionReassignmentsResponse, ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::alter_resources::text;
use super::context::Context;
use super::dispatch::Request;
use super::error;
use crate::controller;
use crate::controller::request::{AlterPartitionReassignments, Reassignment};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AlterPartitionReassignmentsRequest>,
) -> AlterPartitionReassignmentsResponse {
    let body = &request.body;
    let asked = AlterPartitionReassignments {
        partitions: body.topics.iter().flat_map(reassignments).collect(),
        allow_replication_factor_change: body.allow_replication_factor_change,
    };
    let altered = context.ask(asked).await;
    let (error_code, message) = error::outcome(altered.as_ref().err());
    let mut results = altered.as_ref().map(|results| results.iter());
    let mut next = || match &mut results {
        Ok(results) => results.next().and_then(|result| result.as_ref().err()),
        Err(error) => Some(*error),
    };
    let responses = body.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| result(partition.partition_index, next()));
        ReassignableTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(body.allow_replication_factor_change)
        .with_error_code(error_code)
        .with_error_message(message)
        .with_responses(responses.collect())
}

fn reassignments(topic: &ReassignableTopic) -> impl Iterator<Item = Reassignment> {
    topic.partitions.iter().map(|partition| Reassignment {
        topic: text(&topic.name),
        partition: partition.partition_index,
        replicas: partition.replicas.as_ref().map(|replicas| replicas.iter().map(|id| id.0).collect()),
    })
}

fn result(index: i32, error: Option<&controller::Error>) -> ReassignablePartitionResponse {
    let (error_code, message) = error::outcome(error);
    ReassignablePartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(error_code)
        .with_error_message(message)
}
