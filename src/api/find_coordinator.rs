//! FindCoordinator, versions 0 to 6 (`KafkaApis.handleFindCoordinatorRequest`).
//!
//! 4     several keys at once.
//! 6     share coordinator.
//! Gap: there are no coordinators yet, so every key gets COORDINATOR_NOT_AVAILABLE, which clients retry.

use std::sync::Arc;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;

/// No node.
const NOBODY: BrokerId = BrokerId(-1);

pub(super) async fn handle(
    _: Arc<Context>,
    request: Request<FindCoordinatorRequest>,
) -> FindCoordinatorResponse {
    let code = Code::CoordinatorNotAvailable;
    let message = Some(StrBytes::from_static_str("The coordinator is not available."));
    if request.version() >= 4 {
        let missing = |key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(NOBODY)
                .with_port(-1)
                .with_error_code(code.code())
                .with_error_message(message.clone())
        };
        return FindCoordinatorResponse::default()
            .with_coordinators(request.body.coordinator_keys.into_iter().map(missing).collect());
    }
    let mut response =
        FindCoordinatorResponse::default().with_error_code(code.code()).with_node_id(NOBODY).with_port(-1);
    if request.version() >= 1 {
        response.error_message = message;
    }
    response
}
