//! OffsetForLeaderEpoch, versions 2 to 4 (`KafkaApis.handleOffsetForLeaderEpochRequest`).
//!
//! Gives the largest epoch up to the requested one and where it ends; (-1, -1) if there is none.

use std::sync::Arc;

use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::resolve;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<OffsetForLeaderEpochRequest>,
) -> OffsetForLeaderEpochResponse {
    let topics = request.body.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            let found = resolve::replica_by_name(&context, &topic.topic, p.partition).and_then(|r| {
                r.epoch_end_offset(p.leader_epoch, p.current_leader_epoch).map_err(|e| Code::from(&e))
            });
            answer(p, found)
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn answer(asked: &OffsetForLeaderPartition, found: Result<(i32, i64), Code>) -> EpochEndOffset {
    let (code, (epoch, end_offset)) = match found {
        Ok(found) => (NONE, found),
        Err(code) => (code.code(), (-1, -1)),
    };
    EpochEndOffset::default()
        .with_error_code(code)
        .with_partition(asked.partition)
        .with_leader_epoch(epoch)
        .with_end_offset(end_offset)
}
