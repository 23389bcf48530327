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

/// Why there is no replica: the partition does not exist, its log cannot be opened, or it is elsewhere or
/// still being made.
fn missing(context: &Context, id: TopicId, index: i32) -> Code {
    match context.quorum.image().topics.by_id(id).and_then(|t| t.partition(index)) {
        None => Code::UnknownTopicOrPartition,
        Some(_) if context.partitions.is_offline(id, index) => Code::KafkaStorageError,
        Some(_) => Code::NotLeaderOrFollower,
    }
}
