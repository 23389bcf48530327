//! Which error codes an answer carries, to be counted (`AbstractResponse.errorCounts`).

use kafka_protocol::messages::{
    ApiVersionsResponse, CreatePartitionsResponse, CreateTopicsResponse, DeleteTopicsResponse,
    DescribeClusterResponse, DescribeConfigsResponse, DescribeLogDirsResponse,
    DescribeTopicPartitionsResponse, FindCoordinatorResponse, InitProducerIdResponse, ListOffsetsResponse,
    ListPartitionReassignmentsResponse, MetadataResponse, OffsetForLeaderEpochResponse, ProduceResponse,
};

use crate::wire::fetch_response;

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
        self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)
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

impl ErrorCodes for DescribeConfigsResponse {
    fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.results.iter().map(|r| r.error_code)
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
