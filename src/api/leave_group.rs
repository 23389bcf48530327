//! LeaveGroup, versions 0 to 5 (`GroupCoordinatorService.leaveGroup`).
//!
//! 3     several members at once, static ones too.
//! 5     reasons.

use std::sync::Arc;

use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::groups;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<LeaveGroupRequest>,
) -> LeaveGroupResponse {
    let version = request.version();
    let refused = |code: Code| LeaveGroupResponse::default().with_error_code(code.code());
    if request.body.group_id.is_empty() {
        return refused(Code::InvalidGroupId);
    }
    if version < 3 {
        let member = MemberIdentity::default().with_member_id(std::mem::take(&mut request.body.member_id));
        request.body.members = vec![member];
    }
    let answer = context.groups.ask(&request.body.group_id, groups::ask(&context, &request)).await;
    let response = answer.unwrap_or_else(|unavailable| refused(groups::code(unavailable)));
    if version >= 3 {
        return response;
    }
    let of_member = response.members.first().map_or(NONE, |member| member.error_code);
    let code = if response.error_code == NONE { of_member } else { response.error_code };
    LeaveGroupResponse::default().with_error_code(code)
}
