//! Heartbeat, versions 0 to 4 (`GroupCoordinatorService.heartbeat`).
//!
//! 3     static members.

use std::sync::Arc;

use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::groups;
use crate::coordinator::Unavailable;

pub(super) async fn handle(context: Arc<Context>, request: Request<HeartbeatRequest>) -> HeartbeatResponse {
    let id = &request.body.group_id;
    let respond = |code| HeartbeatResponse::default().with_error_code(code);
    if id.is_empty() {
        return respond(Code::InvalidGroupId.code());
    }
    match context.groups.ask(id, groups::ask(&context, &request)).await {
        Ok(answer) => answer,
        // Sessions begin when the group is loaded, so the member may go on.
        Err(Unavailable::LoadInProgress) => respond(NONE),
        Err(unavailable) => respond(groups::code(unavailable).code()),
    }
}
