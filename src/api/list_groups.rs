//! ListGroups, versions 0 to 5 (`GroupCoordinatorService.listGroups`).
//!
//! 4     by state.
//! 5     by type (KIP-848).
//!
//! Lists the groups that this node coordinates; a client asks every node.

use std::sync::Arc;

use kafka_protocol::messages::list_groups_request::ListGroupsRequest;
use kafka_protocol::messages::list_groups_response::ListGroupsResponse;
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::groups;
use crate::coordinator::Unavailable;

pub(super) async fn handle(context: Arc<Context>, request: Request<ListGroupsRequest>) -> ListGroupsResponse {
    let version = request.version();
    let mut listed = Vec::new();
    for answer in context.groups.ask_all(groups::ask(&context, &request)).await {
        match answer {
            Ok(groups) => listed.extend(groups),
            // Another node lists these.
            Err(Unavailable::NotCoordinator) => {}
            Err(unavailable) => {
                let code = groups::code(unavailable).code();
                return ListGroupsResponse::default().with_error_code(code);
            }
        }
    }
    for group in &mut listed {
        if version < 4 {
            group.group_state = StrBytes::default();
        }
        if version < 5 {
            group.group_type = StrBytes::default();
        }
    }
    ListGroupsResponse::default().with_groups(listed)
}
