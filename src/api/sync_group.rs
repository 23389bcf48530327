//! SyncGroup, versions 0 to 5 (`GroupCoordinatorService.syncGroup`).
//!
//! 3     static members.
//! 5     the protocol's type and name must be given.
//!
//! The answer comes when the leader has assigned.

use std::sync::Arc;

use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;

pub(super) async fn handle(context: Arc<Context>, request: Request<SyncGroupRequest>) -> SyncGroupResponse {
    let body = &request.body;
    if request.version() >= 5 && (body.protocol_type.is_none() || body.protocol_name.is_none()) {
        return refused(Code::InconsistentGroupProtocol);
    }
    if body.group_id.is_empty() {
        return refused(Code::InvalidGroupId);
    }
    let answer = context.groups.ask(&body.group_id, groups::ask(&context, &request)).await;
    answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)))
}

fn refused(code: Code) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_error_code(code.code())
        .with_protocol_type(None)
        .with_protocol_name(None)
}
