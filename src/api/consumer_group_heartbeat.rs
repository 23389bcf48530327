//! ConsumerGroupHeartbeat, versions 0 and 1 (`GroupCoordinatorService.consumerGroupHeartbeat`, KIP-848).
//!
//! 1     the client makes the member's id; subscription by regular expression.

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;

/// The member epoch of one that joins.
const JOIN: i32 = 0;
/// The member epoch of one that leaves.
const LEAVE: i32 = -1;
/// The member epoch of a static member that leaves for a while.
const LEAVE_STATIC: i32 = -2;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ConsumerGroupHeartbeatRequest>,
) -> ConsumerGroupHeartbeatResponse {
    if !groups::is_consumer_protocol_enabled(&context, &context.quorum.image()) {
        return refused(Code::UnsupportedVersion);
    }
    if let Err(why) = check(&request.body, request.version()) {
        return refused(Code::InvalidRequest).with_error_message(Some(StrBytes::from_static_str(why)));
    }
    let assignors = context.config.values.list("group.consumer.assignors");
    if let Some(asked) = &request.body.server_assignor
        && !assignors.iter().any(|known| known.trim() == asked.as_str())
    {
        let known = assignors.join(", ");
        let why = format!("ServerAssignor {asked} is not supported. Supported assignors: {known}.");
        return refused(Code::UnsupportedAssignor).with_error_message(Some(StrBytes::from_string(why)));
    }
    let answer = context.groups.ask(&request.body.group_id, groups::ask(&context, &request)).await;
    answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)))
}

fn refused(code: Code) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default().with_error_code(code.code())
}

fn check(body: &ConsumerGroupHeartbeatRequest, version: i16) -> Result<(), &'static str> {
    let epoch = body.member_epoch;
    if body.member_id.is_empty() && (version >= 1 || epoch > JOIN || epoch == LEAVE) {
        return Err("MemberId can't be empty.");
    }
    if body.group_id.is_empty() {
        return Err("GroupId can't be empty.");
    }
    if body.instance_id.as_ref().is_some_and(|id| id.is_empty()) {
        return Err("InstanceId can't be empty.");
    }
    if body.rack_id.as_ref().is_some_and(|id| id.is_empty()) {
        return Err("RackId can't be empty.");
    }
    if epoch == JOIN {
        return check_join(body);
    }
    if epoch == LEAVE_STATIC && body.instance_id.is_none() {
        return Err("InstanceId can't be null.");
    }
    if epoch < LEAVE_STATIC {
        return Err("MemberEpoch is invalid.");
    }
    Ok(())
}

fn check_join(body: &ConsumerGroupHeartbeatRequest) -> Result<(), &'static str> {
    if body.rebalance_timeout_ms == -1 {
        return Err("RebalanceTimeoutMs must be provided in first request.");
    }
    if body.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err("TopicPartitions must be empty when (re-)joining.");
    }
    if body.subscribed_topic_names.is_none() && body.subscribed_topic_regex.is_none() {
        return Err(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        );
    }
    Ok(())
}
