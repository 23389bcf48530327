//! OffsetDelete, version 0 (`KafkaApis.handleOffsetDeleteRequest`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequest, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::groups;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<OffsetDeleteRequest>,
) -> OffsetDeleteResponse {
    let refused = |code: Code| OffsetDeleteResponse::default().with_error_code(code.code());
    if request.body.group_id.is_empty() {
        return refused(Code::InvalidGroupId);
    }
    let image = context.quorum.image();
    let mut missing = Vec::new();
    for topic in &mut request.body.topics {
        let found = image.topics.by_name(&topic.name);
        let is_gone = |index: i32| found.is_none_or(|t| t.partition(index).is_none());
        let gone: Vec<i32> = topic
            .partitions
            .extract_if(.., |p| is_gone(p.partition_index))
            .map(|p| p.partition_index)
            .collect();
        if !gone.is_empty() {
            missing.push(unknown(topic, &gone));
        }
    }
    request.body.topics.retain(|topic| !topic.partitions.is_empty());
    let answer = context.groups.ask(&request.body.group_id, groups::ask(&context, &request)).await;
    let mut response = answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)));
    if response.error_code != NONE {
        response.topics.clear();
        return response;
    }
    let places = response.topics.iter().enumerate();
    let mut places: HashMap<_, _> = places.map(|(at, topic)| (topic.name.clone(), at)).collect();
    for topic in missing {
        match places.entry(topic.name.clone()) {
            Entry::Occupied(place) => response.topics[*place.get()].partitions.extend(topic.partitions),
            Entry::Vacant(place) => {
                place.insert(response.topics.len());
                response.topics.push(topic);
            }
        }
    }
    response
}

fn unknown(topic: &OffsetDeleteRequestTopic, partitions: &[i32]) -> OffsetDeleteResponseTopic {
    let refused = |index: &i32| {
        OffsetDeleteResponsePartition::default()
            .with_partition_index(*index)
            .with_error_code(Code::UnknownTopicOrPartition.code())
    };
    OffsetDeleteResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions.iter().map(refused).collect())
}
