//! JoinGroup, versions 0 to 9 (`GroupCoordinatorService.joinGroup`).
//!
//! 1     the rebalance timeout; before, the session timeout stands for it.
//! 4     a new member is given an id first (KIP-394).
//! 5     static members.
//! 7     the protocol's type in the answer.
//! 9     a leader may be told not to assign.
//!
//! The answer comes when the rebalance is complete.

use std::sync::Arc;

use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;

pub(super) async fn handle(context: Arc<Context>, request: Request<JoinGroupRequest>) -> JoinGroupResponse {
    let version = request.version();
    let id = &request.body.group_id;
    let mut response = if id.is_empty() {
        refused(Code::InvalidGroupId).with_member_id(request.body.member_id.clone())
    } else {
        let answer = context.groups.ask(id, groups::ask(&context, &request)).await;
        answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)))
    };
    // Null is a name of no protocol from version 7 on, and empty before.
    let name = response.protocol_name.take().filter(|name| !name.is_empty());
    response.protocol_name = if version >= 7 { name } else { Some(name.unwrap_or_default()) };
    response.skip_assignment &= version >= 9;
    response
}

fn refused(code: Code) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_generation_id(-1)
        .with_protocol_type(None)
        .with_protocol_name(None)
        .with_leader(StrBytes::default())
}
