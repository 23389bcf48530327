//! UnregisterBroker, version 0 (`ControllerApis.handleUnregisterBroker`).
//!
//! A broker that runs can be forgotten like any other; it comes back with its next start.

use std::sync::Arc;

use kafka_protocol::messages::unregister_broker_request::UnregisterBrokerRequest;
use kafka_protocol::messages::unregister_broker_response::UnregisterBrokerResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error;
use crate::controller::request::UnregisterBroker;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<UnregisterBrokerRequest>,
) -> UnregisterBrokerResponse {
    let broker_id = request.body.broker_id.0;
    match context.ask(UnregisterBroker { broker_id }).await {
        // Kafka leaves the message empty, not null.
        Ok(()) => UnregisterBrokerResponse::default(),
        Err(error) => {
            let (error_code, message) = error::outcome(Some(&error));
            UnregisterBrokerResponse::default().with_error_code(error_code).with_error_message(message)
        }
    }
}
