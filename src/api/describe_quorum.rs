//! DescribeQuorum, versions 0 to 2 (`KafkaRaftClient.handleDescribeQuorumRequest`).
//!
//! 1     when the replicas fetched and were caught up (KIP-836).
//! 2     directory ids, messages, and where the voters are reached (KIP-853).
//!
//! There is one voter, this node, and brokers share its log: nobody observes.

use std::sync::Arc;

use kafka_protocol::messages::describe_quorum_request::{DescribeQuorumRequest, TopicData as Asked};
use kafka_protocol::messages::describe_quorum_response::{
    DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use crate::controller::Kind;
use crate::controller::names::CLUSTER_METADATA;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeQuorumRequest>,
) -> DescribeQuorumResponse {
    let version = request.version();
    if !is_metadata_log(&request.body.topics) {
        return unknown(request.body.topics);
    }
    let status = context.quorum.status();
    let now_ms = context.clock.now_ms();
    let mut voter = ReplicaState::default()
        .with_replica_id(BrokerId(status.leader_id))
        .with_log_end_offset(status.high_watermark)
        .with_last_fetch_timestamp(now_ms)
        .with_last_caught_up_timestamp(now_ms);
    if version >= 2 {
        voter.replica_directory_id = status.voter_directory.0;
    }
    let partition = PartitionData::default()
        .with_leader_id(BrokerId(status.leader_id))
        .with_leader_epoch(status.leader_epoch)
        .with_high_watermark(status.high_watermark)
        .with_current_voters(vec![voter]);
    let topic = TopicData::default()
        .with_topic_name(TopicName(StrBytes::from_static_str(CLUSTER_METADATA)))
        .with_partitions(vec![partition]);
    let response = DescribeQuorumResponse::default().with_topics(vec![topic]);
    if version >= 2 { response.with_nodes(vec![node(&context, status.leader_id)]) } else { response }
}

/// Whether a request is about the one partition that there is.
fn is_metadata_log(topics: &[Asked]) -> bool {
    let [topic] = topics else { return false };
    topic.topic_name.as_str() == CLUSTER_METADATA
        && matches!(topic.partitions.as_slice(), [partition] if partition.partition_index == 0)
}

fn unknown(topics: Vec<Asked>) -> DescribeQuorumResponse {
    let message = StrBytes::from_static_str(Kind::UnknownTopicOrPartition.text());
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            PartitionData::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(Code::UnknownTopicOrPartition.code())
                .with_error_message(Some(message.clone()))
        });
        TopicData::default().with_partitions(partitions.collect()).with_topic_name(topic.topic_name)
    });
    DescribeQuorumResponse::default().with_topics(topics.collect())
}

/// Where the voter is reached.
fn node(context: &Context, id: i32) -> Node {
    let listeners = context.config.advertised_controller_listeners.iter().map(|at| {
        Listener::default()
            .with_name(StrBytes::from_string(at.name.clone()))
            .with_host(StrBytes::from_string(at.host.clone().unwrap_or_default()))
            .with_port(at.port)
    });
    Node::default().with_node_id(BrokerId(id)).with_listeners(listeners.collect())
}
