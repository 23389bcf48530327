//! AlterReplicaLogDirs, versions 1 to 2 (`ReplicaManager.alterReplicaLogDirs`).
//!
//! Answered when the move has begun; DescribeLogDirs shows how far it is. What is asked for a replica that does not
//! exist yet is remembered, and answered with REPLICA_NOT_AVAILABLE.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};
use tracing::info;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use crate::base::id::TopicPartition;
use crate::partition::AlterLogDirError;

/// Longest name of the directory that a copy is made in (KAFKA-4893).
const NAME_LEN_MAX: usize = 255;

/// Paths by topic and index.
type Wanted = BTreeMap<TopicName, BTreeMap<i32, String>>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AlterReplicaLogDirsRequest>,
) -> AlterReplicaLogDirsResponse {
    // The last wish for a replica counts.
    let mut wanted = Wanted::new();
    for dir in request.body.dirs {
        for topic in dir.topics {
            let partitions = wanted.entry(topic.name).or_default();
            partitions.extend(topic.partitions.into_iter().map(|index| (index, dir.path.to_string())));
        }
    }
    // The directories of the copies are made before the answer.
    let altering = tokio::task::spawn_blocking(move || alter_all(&context, wanted));
    AlterReplicaLogDirsResponse::default().with_results(altering.await.unwrap_or_default())
}

fn alter_all(context: &Context, wanted: Wanted) -> Vec<AlterReplicaLogDirTopicResult> {
    let of_topic = |(name, partitions): (TopicName, BTreeMap<i32, String>)| {
        let results = partitions.into_iter().map(|(index, path)| {
            let code = alter(context, &TopicPartition::new(&**name, index), &path);
            AlterReplicaLogDirPartitionResult::default().with_partition_index(index).with_error_code(code)
        });
        AlterReplicaLogDirTopicResult::default().with_partitions(results.collect()).with_topic_name(name)
    };
    wanted.into_iter().map(of_topic).collect()
}

fn alter(context: &Context, name: &TopicPartition, path: &str) -> i16 {
    let copy_suffix_len = ".".len() + uuid::fmt::Simple::LENGTH + "-future".len();
    if name.to_string().len() + copy_suffix_len > NAME_LEN_MAX {
        return Code::InvalidTopicException.code();
    }
    let image = context.quorum.image();
    let topic = image.topics.by_name(&name.topic);
    let exists = topic.is_some_and(|topic| topic.partition(name.partition).is_some());
    let Err(error) = context.partitions.alter_log_dir(name, topic.map(|topic| topic.id), path) else {
        return NONE;
    };
    info!(tp = %name, dir = path, %error, "replica is not moved");
    match error {
        AlterLogDirError::NoSuchDirectory => Code::LogDirNotFound.code(),
        AlterLogDirError::Offline => Code::KafkaStorageError.code(),
        AlterLogDirError::Cordoned => Code::InvalidReplicaAssignment.code(),
        AlterLogDirError::NoReplica if exists => Code::ReplicaNotAvailable.code(),
        AlterLogDirError::NoReplica => Code::UnknownTopicOrPartition.code(),
    }
}
