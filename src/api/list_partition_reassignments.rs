//! ListPartitionReassignments, version 0 (`ControllerApis.handleListPartitionReassignments`).
//!
//! Only partitions in motion are listed, never all (kafka-topics would show phantom moves).

use std::sync::Arc;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use kafka_protocol::messages::list_partition_reassignments_response::{
    ListPartitionReassignmentsResponse, OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use crate::meta::topics::Topic;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ListPartitionReassignmentsRequest>,
) -> ListPartitionReassignmentsResponse {
    let image = context.quorum.image();
    let topics = match &request.body.topics {
        None => image.topics.iter().filter_map(|topic| in_motion(topic, None)).collect(),
        Some(asked) => {
            let found =
                asked.iter().filter_map(|t| Some((image.topics.by_name(&t.name)?, &t.partition_indexes)));
            found.filter_map(|(topic, only)| in_motion(topic, Some(only))).collect()
        }
    };
    ListPartitionReassignmentsResponse::default().with_error_message(None).with_topics(topics)
}

fn in_motion(topic: &Topic, only: Option<&Vec<i32>>) -> Option<OngoingTopicReassignment> {
    let moving = topic.partitions.iter().filter(|(index, p)| {
        only.is_none_or(|only| only.contains(index))
            && !(p.adding_replicas.is_empty() && p.removing_replicas.is_empty())
    });
    let partitions: Vec<_> = moving
        .map(|(index, p)| {
            OngoingPartitionReassignment::default()
                .with_partition_index(*index)
                .with_replicas(p.replicas.iter().map(|id| BrokerId(*id)).collect())
                .with_adding_replicas(p.adding_replicas.iter().map(|id| BrokerId(*id)).collect())
                .with_removing_replicas(p.removing_replicas.iter().map(|id| BrokerId(*id)).collect())
        })
        .collect();
    let name = StrBytes::from_string(topic.name.to_string());
    (!partitions.is_empty())
        .then(|| OngoingTopicReassignment::default().with_name(name.into()).with_partitions(partitions))
}
