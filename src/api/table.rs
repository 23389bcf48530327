//! Which handler serves which API; the versions stand in `wire::versions`.

use std::sync::Arc;

use super::context::Context;
use super::dispatch::{Call, Raw, simple};
use super::{
    acls, add_offsets_to_txn, add_partitions_to_txn, alter_client_quotas, alter_configs,
    alter_user_scram_credentials, api_versions, consumer_group_describe, consumer_group_heartbeat,
    create_partitions, create_topics, delete_groups, delete_records, delete_topics, describe_client_quotas,
    describe_cluster, describe_configs, describe_groups, describe_log_dirs, describe_producers,
    describe_quorum, describe_topic_partitions, describe_transactions, describe_user_scram_credentials,
    elect_leaders, end_txn, fetch, find_coordinator, heartbeat, incremental_alter_configs, init_producer_id,
    join_group, leave_group, list_config_resources, list_groups, list_offsets, list_partition_reassignments,
    list_transactions, metadata, offset_commit, offset_delete, offset_fetch, offset_for_leader_epoch,
    produce, sync_group, txn_offset_commit, write_txn_markers,
};
use crate::wire::versions::ApiKey;

pub(super) fn start(context: &Arc<Context>, raw: Raw) -> Call {
    match raw.header.api_key {
        ApiKey::Produce => produce::start(context, raw),
        ApiKey::Fetch => fetch::start(context, raw),
        ApiKey::ListOffsets => simple(context, raw, list_offsets::handle),
        ApiKey::Metadata => simple(context, raw, metadata::handle),
        ApiKey::OffsetCommit => simple(context, raw, offset_commit::handle),
        ApiKey::OffsetFetch => simple(context, raw, offset_fetch::handle),
        ApiKey::FindCoordinator => simple(context, raw, find_coordinator::handle),
        ApiKey::JoinGroup => simple(context, raw, join_group::handle),
        ApiKey::Heartbeat => simple(context, raw, heartbeat::handle),
        ApiKey::LeaveGroup => simple(context, raw, leave_group::handle),
        ApiKey::SyncGroup => simple(context, raw, sync_group::handle),
        ApiKey::DescribeGroups => simple(context, raw, describe_groups::handle),
        ApiKey::ListGroups => simple(context, raw, list_groups::handle),
        ApiKey::ApiVersions => simple(context, raw, api_versions::handle),
        ApiKey::CreateTopics => simple(context, raw, create_topics::handle),
        ApiKey::DeleteTopics => simple(context, raw, delete_topics::handle),
        ApiKey::DeleteRecords => simple(context, raw, delete_records::handle),
        ApiKey::InitProducerId => simple(context, raw, init_producer_id::handle),
        ApiKey::OffsetForLeaderEpoch => simple(context, raw, offset_for_leader_epoch::handle),
        ApiKey::AddPartitionsToTxn => simple(context, raw, add_partitions_to_txn::handle),
        ApiKey::AddOffsetsToTxn => simple(context, raw, add_offsets_to_txn::handle),
        ApiKey::EndTxn => simple(context, raw, end_txn::handle),
        ApiKey::WriteTxnMarkers => simple(context, raw, write_txn_markers::handle),
        ApiKey::TxnOffsetCommit => simple(context, raw, txn_offset_commit::handle),
        ApiKey::DescribeAcls => simple(context, raw, acls::describe),
        ApiKey::CreateAcls => simple(context, raw, acls::create),
        ApiKey::DeleteAcls => simple(context, raw, acls::delete),
        ApiKey::DescribeConfigs => simple(context, raw, describe_configs::handle),
        ApiKey::AlterConfigs => simple(context, raw, alter_configs::handle),
        ApiKey::DescribeLogDirs => simple(context, raw, describe_log_dirs::handle),
        ApiKey::CreatePartitions => simple(context, raw, create_partitions::handle),
        ApiKey::DeleteGroups => simple(context, raw, delete_groups::handle),
        ApiKey::ElectLeaders => simple(context, raw, elect_leaders::handle),
        ApiKey::IncrementalAlterConfigs => simple(context, raw, incremental_alter_configs::handle),
        ApiKey::ListPartitionReassignments => simple(context, raw, list_partition_reassignments::handle),
        ApiKey::OffsetDelete => simple(context, raw, offset_delete::handle),
        ApiKey::DescribeClientQuotas => simple(context, raw, describe_client_quotas::handle),
        ApiKey::AlterClientQuotas => simple(context, raw, alter_client_quotas::handle),
        ApiKey::DescribeUserScramCredentials => simple(context, raw, describe_user_scram_credentials::handle),
        ApiKey::AlterUserScramCredentials => simple(context, raw, alter_user_scram_credentials::handle),
        ApiKey::DescribeQuorum => simple(context, raw, describe_quorum::handle),
        ApiKey::DescribeCluster => simple(context, raw, describe_cluster::handle),
        ApiKey::DescribeProducers => simple(context, raw, describe_producers::handle),
        ApiKey::DescribeTransactions => simple(context, raw, describe_transactions::handle),
        ApiKey::ListTransactions => simple(context, raw, list_transactions::handle),
        ApiKey::ConsumerGroupHeartbeat => simple(context, raw, consumer_group_heartbeat::handle),
        ApiKey::ConsumerGroupDescribe => simple(context, raw, consumer_group_describe::handle),
        ApiKey::ListConfigResources => simple(context, raw, list_config_resources::handle),
        ApiKey::DescribeTopicPartitions => simple(context, raw, describe_topic_partitions::handle),
    }
}
