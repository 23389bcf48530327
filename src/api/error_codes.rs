//! Which error codes an answer carries, to be counted (`AbstractResponse.errorCounts`).

use kafka_protocol::messages::DescribeProducersResponse;
use kafka_protocol::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, AlterClientQuotasResponse, AlterConfigsResponse,
    AlterPartitionReassignmentsResponse, AlterReplicaLogDirsResponse, AlterUserScramCredentialsResponse,
    ApiVersionsResponse, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatResponse, CreateAclsResponse,
    CreateDelegationTokenResponse, CreatePartitionsResponse, CreateTopicsResponse, DeleteAclsResponse,
    DeleteRecordsResponse, DeleteTopicsResponse, DescribeAclsResponse, DescribeClientQuotasResponse,
    DescribeClusterResponse, DescribeDelegationTokenResponse, DescribeGroupsResponse, DescribeQuorumResponse,
    DescribeTopicPartitionsResponse, DescribeTransactionsResponse, DescribeUserScramCredentialsResponse,
    ElectLeadersResponse, EndTxnResponse, ExpireDelegationTokenResponse, FindCoordinatorResponse,
    HeartbeatResponse, IncrementalAlterConfigsResponse, InitProducerIdResponse, JoinGroupResponse,
    LeaveGroupResponse, ListConfigResourcesResponse, ListGroupsResponse, ListPartitionReassignmentsResponse,
    ListTransactionsResponse, MetadataResponse, OffsetDeleteResponse, OffsetForLeaderEpochResponse,
    ProduceResponse, RenewDelegationTokenResponse, SyncGroupResponse, UnregisterBrokerResponse,
    UpdateFeaturesResponse,
};

use crate::wire::delete_groups::DeleteGroupsResponse;
use crate::wire::describe_configs::DescribeConfigsResponse;
use crate::wire::describe_log_dirs::DescribeLogDirsResponse;
use crate::wire::fetch_response;
use crate::wire::list_offsets::ListOffsetsResponse;
use crate::wire::offset_commit::OffsetCommitResponse;
use crate::wire::offset_fetch::OffsetFetchResponse;
use crate::wire::txn_offset_commit::TxnOffsetCommitResponse;
use crate::wire::write_txn_markers::WriteTxnMarkersResponse;

/// An answer with error codes.
pub(super) trait ErrorCodes {
    /// All of them, good ones too, in no order.
    fn error_codes(&self) -> impl Iterator<Item = i16>;
}

impl ErrorCodes for ProduceResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.responses.iter().flat_map(|t| &t.partition_responses).map(|p| p.error_code)
    }
}

impl<R> ErrorCodes for fetch_response::Response<R> {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        partitions.chain([self.error_code])
    }
}

impl ErrorCodes for ListOffsetsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.0.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)
    }
}

impl ErrorCodes for MetadataResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        partitions.chain(self.topics.iter().map(|t| t.error_code))
    }
}

impl ErrorCodes for FindCoordinatorResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        // From version 4 on each key has an error, before there was one for the answer.
        let whole = self.coordinators.is_empty().then_some(self.error_code);
        self.coordinators.iter().map(|c| c.error_code).chain(whole)
    }
}

impl ErrorCodes for ApiVersionsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for CreateTopicsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.topics.iter().map(|t| t.error_code)
    }
}

impl ErrorCodes for DeleteTopicsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.responses.iter().map(|t| t.error_code)
    }
}

impl ErrorCodes for DeleteRecordsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)
    }
}

impl ErrorCodes for InitProducerIdResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for OffsetForLeaderEpochResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)
    }
}

impl ErrorCodes for DescribeProducersResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)
    }
}

impl ErrorCodes for DescribeConfigsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.error_codes()
    }
}

impl ErrorCodes for AlterReplicaLogDirsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)
    }
}

impl ErrorCodes for DescribeLogDirsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code).chain([self.error_code])
    }
}

impl ErrorCodes for CreatePartitionsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for ListPartitionReassignmentsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for DescribeClusterResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for DescribeTopicPartitionsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        partitions.chain(self.topics.iter().map(|t| t.error_code))
    }
}

impl ErrorCodes for OffsetCommitResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.topics.iter().flat_map(|t| &t.partitions).map(|(_, code)| *code)
    }
}

impl ErrorCodes for OffsetFetchResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.groups.iter().flat_map(|g| &g.topics).flat_map(|t| &t.partitions);
        partitions.map(|p| p.error_code).chain(self.groups.iter().map(|g| g.error_code))
    }
}

impl ErrorCodes for OffsetDeleteResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        partitions.chain([self.error_code])
    }
}

impl ErrorCodes for LeaveGroupResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.members.iter().map(|m| m.error_code).chain([self.error_code])
    }
}

impl ErrorCodes for DeleteGroupsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for JoinGroupResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for SyncGroupResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for HeartbeatResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for ListGroupsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for ConsumerGroupHeartbeatResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for DescribeGroupsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.groups.iter().map(|g| g.error_code)
    }
}

impl ErrorCodes for ConsumerGroupDescribeResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.groups.iter().map(|g| g.error_code)
    }
}

impl ErrorCodes for AlterConfigsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.responses.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for IncrementalAlterConfigsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.responses.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for ListConfigResourcesResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for AddPartitionsToTxnResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        // From version 4 on there is an error for the answer, and a list of transactions; before there was one.
        let topics = self.results_by_transaction.iter().flat_map(|t| &t.topic_results);
        let topics = topics.chain(&self.results_by_topic_v3_and_below);
        topics.flat_map(|t| &t.results_by_partition).map(|p| p.partition_error_code).chain([self.error_code])
    }
}

impl ErrorCodes for AddOffsetsToTxnResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for EndTxnResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for WriteTxnMarkersResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.markers
            .iter()
            .flat_map(|m| &m.topics)
            .flat_map(|(_, partitions)| partitions)
            .map(|(_, code)| *code)
    }
}

impl ErrorCodes for TxnOffsetCommitResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.topics.iter().flat_map(|t| &t.partitions).map(|(_, code)| *code)
    }
}

impl ErrorCodes for DescribeTransactionsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.transaction_states.iter().map(|t| t.error_code)
    }
}

impl ErrorCodes for ListTransactionsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for DescribeAclsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for CreateAclsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for DeleteAclsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.filter_results.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for ElectLeadersResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.replica_election_results.iter().flat_map(|t| &t.partition_result);
        partitions.map(|p| p.error_code).chain([self.error_code])
    }
}

impl ErrorCodes for DescribeClientQuotasResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for AlterClientQuotasResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.entries.iter().map(|e| e.error_code)
    }
}

impl ErrorCodes for DescribeUserScramCredentialsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for AlterUserScramCredentialsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code)
    }
}

impl ErrorCodes for DescribeQuorumResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        partitions.chain([self.error_code])
    }
}

impl ErrorCodes for AlterPartitionReassignmentsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        let partitions = self.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
        partitions.chain([self.error_code])
    }
}

impl ErrorCodes for UpdateFeaturesResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code).chain([self.error_code])
    }
}

impl ErrorCodes for UnregisterBrokerResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for CreateDelegationTokenResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for RenewDelegationTokenResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for ExpireDelegationTokenResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}

impl ErrorCodes for DescribeDelegationTokenResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        [self.error_code].into_iter()
    }
}
