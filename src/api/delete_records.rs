//! DeleteRecords, versions 0 to 2 (`KafkaApis.handleDeleteRecordsRequest`, `ReplicaManager.deleteRecords`).
//!
//! Answered when the new log starts are on disk, so a crash does not bring the records back; Apache Kafka writes them
//! within a minute. There is nobody else to wait for: each partition has one replica.

use std::sync::Arc;

use kafka_protocol::messages::delete_records_request::{DeleteRecordsRequest, DeleteRecordsTopic};
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::internal_topics::is_internal;
use super::resolve;
use crate::partition::Replica;

/// `DeleteRecordsResponse.INVALID_LOW_WATERMARK`.
const INVALID_LOW_WATERMARK: i64 = -1;

/// What has become of a partition so far.
type Deleted = (i32, Result<Arc<Replica>, Code>);

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DeleteRecordsRequest>,
) -> DeleteRecordsResponse {
    let mut topics: Vec<(_, Vec<Deleted>)> = request
        .body
        .topics
        .into_iter()
        .map(|topic| {
            let deleted = delete(&context, &topic);
            (topic.name, deleted)
        })
        .collect();
    if topics.iter().flat_map(|(_, partitions)| partitions).any(|(_, replica)| replica.is_ok()) {
        let partitions = context.partitions.clone();
        let written = tokio::task::spawn_blocking(move || partitions.checkpoint_log_starts()).await;
        if written.is_err() {
            let deleted = topics.iter_mut().flat_map(|(_, partitions)| partitions);
            deleted.filter(|(_, replica)| replica.is_ok()).for_each(|(_, replica)| {
                *replica = Err(Code::KafkaStorageError);
            });
        }
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, replica)| answer(index, replica));
        DeleteRecordsTopicResult::default().with_name(name).with_partitions(partitions.collect())
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete(context: &Context, topic: &DeleteRecordsTopic) -> Vec<Deleted> {
    let delete_one = |index: i32, offset: i64| {
        let replica = resolve::replica_by_name(context, &topic.name, index)?;
        if is_internal(&topic.name) {
            return Err(Code::InvalidTopicException);
        }
        replica.delete_records(offset).map_err(|error| Code::from(&error))?;
        Ok(replica)
    };
    topic.partitions.iter().map(|p| (p.partition_index, delete_one(p.partition_index, p.offset))).collect()
}

fn answer(index: i32, replica: Result<Arc<Replica>, Code>) -> DeleteRecordsPartitionResult {
    let low_watermark =
        replica.and_then(|replica| replica.low_watermark().map_err(|error| Code::from(&error)));
    let (low_watermark, code) = match low_watermark {
        Ok(low_watermark) => (low_watermark, NONE),
        Err(code) => (INVALID_LOW_WATERMARK, code.code()),
    };
    DeleteRecordsPartitionResult::default()
        .with_partition_index(index)
        .with_low_watermark(low_watermark)
        .with_error_code(code)
}
