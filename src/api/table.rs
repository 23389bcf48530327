//! Which handler serves which API; the versions stand in `wire::versions`.

use std::sync::Arc;

use super::context::Context;
use super::dispatch::{Call, Raw, simple};
use super::{
    api_versions, create_partitions, create_topics, delete_topics, describe_cluster, describe_configs,
    describe_log_dirs, describe_topic_partitions, fetch, find_coordinator, init_producer_id, list_offsets,
    list_partition_reassignments, metadata, offset_for_leader_epoch, produce,
};
use crate::wire::versions::ApiKey;

pub(super) fn start(context: &Arc<Context>, raw: Raw) -> Call {
    match raw.header.api_key {
        ApiKey::Produce => produce::start(context, raw),
        ApiKey::Fetch => fetch::start(context, raw),
        ApiKey::ListOffsets => simple(context, raw, list_offsets::handle),
        ApiKey::Metadata => simple(context, raw, metadata::handle),
        ApiKey::FindCoordinator => simple(context, raw, find_coordinator::handle),
        ApiKey::ApiVersions => simple(context, raw, api_versions::handle),
        ApiKey::CreateTopics => simple(context, raw, create_topics::handle),
        ApiKey::DeleteTopics => simple(context, raw, delete_topics::handle),
        ApiKey::InitProducerId => simple(context, raw, init_producer_id::handle),
        ApiKey::OffsetForLeaderEpoch => simple(context, raw, offset_for_leader_epoch::handle),
        ApiKey::DescribeConfigs => simple(context, raw, describe_configs::handle),
        ApiKey::DescribeLogDirs => simple(context, raw, describe_log_dirs::handle),
        ApiKey::CreatePartitions => simple(context, raw, create_partitions::handle),
        ApiKey::ListPartitionReassignments => simple(context, raw, list_partition_reassignments::handle),
        ApiKey::DescribeCluster => simple(context, raw, describe_cluster::handle),
        ApiKey::DescribeTopicPartitions => simple(context, raw, describe_topic_partitions::handle),
    }
}
