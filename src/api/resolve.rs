//! From the names in a request to the replicas on this node.

use std::sync::Arc;

use super::context::Context;
use super::error::Code;
use crate::base::id::TopicId;
use crate::partition::Replica;

/// The replica of `topic`'s partition `index`, or why this node cannot serve it.
pub(super) fn replica_by_name(context: &Context, topic: &str, index: i32) -> Result<Arc<Replica>, Code> {
    let image = context.quorum.image();
    let id = image.topics.by_name(topic).map(|t| t.id).ok_or(Code::UnknownTopicOrPartition)?;
    replica(context, id, index)
}

/// The replica of partition `index` of the topic `id`, which exists.
pub(super) fn replica(context: &Context, id: TopicId, index: i32) -> Result<Arc<Replica>, Code> {
    context.partitions.get(id, index).ok_or_else(|| missing(context, id, index))
}

/// Why there is no replica here: the partition does not exist, is elsewhere, or its log cannot be opened.
fn missing(context: &Context, id: TopicId, index: i32) -> Code {
    match context.quorum.image().topics.by_id(id).and_then(|t| t.partition(index)) {
        None => Code::UnknownTopicOrPartition,
        Some(partition) if partition.leader == context.node.0 => Code::KafkaStorageError,
        Some(_) => Code::NotLeaderOrFollower,
    }
}
