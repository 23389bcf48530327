//! ConsumerGroupHeartbeat, versions 0 and 1 (`GroupCoordinatorService.consumerGroupHeartbeat`, KIP-848).
//!
//! 1     the client makes the member's id; subscription by regular expression.

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ConsumerGroupHeartbeatRequest>,
) -> ConsumerGroupHeartbeatResponse {
    if !groups::is_consumer_protocol_enabled(&context, &context.quorum.image()) {
        return refused(Code::UnsupportedVersion);
    }
    let answer = context.groups.ask(&request.body.group_id, groups::ask(&context, &request)).await;
    answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)))
}

fn refused(code: Code) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default().with_error_code(code.code())
}
