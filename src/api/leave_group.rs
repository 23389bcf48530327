//! LeaveGroup, versions 0 to 5 (`GroupCoordinatorService.leaveGroup`).
//!
//! 3     several members at once, static ones too.
//! 5     reasons.

use std::sync::Arc;

use kafka_protocol::messages::leave_group_request::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;

pub(super) async fn handle(context: Arc<Context>, request: Request<LeaveGroupRequest>) -> LeaveGroupResponse {
    let refused = |code: Code| LeaveGroupResponse::default().with_error_code(code.code());
    if request.body.group_id.is_empty() {
        return refused(Code::InvalidGroupId);
    }
    let answer = context.groups.ask(&request.body.group_id, groups::ask(&context, &request)).await;
    answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)))
}
