//! InitProducerId, versions 0 to 5 (`KafkaApis.handleInitProducerIdRequest`), for idempotent producers.
//!
//! 3     the producer may name the id and epoch it has.
//! Gap: transactional ids get COORDINATOR_NOT_AVAILABLE, as there is no transaction coordinator yet.

use std::sync::Arc;

use kafka_protocol::messages::ProducerId;
use kafka_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use kafka_protocol::messages::init_producer_id_response::InitProducerIdResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::groups;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<InitProducerIdRequest>,
) -> InitProducerIdResponse {
    match assign(&context, &request).await {
        Ok(id) => InitProducerIdResponse::default()
            .with_error_code(NONE)
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(code) => InitProducerIdResponse::default()
            .with_error_code(code.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}

async fn assign(context: &Context, request: &Request<InitProducerIdRequest>) -> Result<i64, Code> {
    let body = &request.body;
    if request.version() >= 3 && (body.producer_id.0 == -1) != (body.producer_epoch == -1) {
        return Err(Code::InvalidRequest);
    }
    match &body.transactional_id {
        Some(id) if id.is_empty() => Err(Code::InvalidRequest),
        Some(_) => Err(Code::CoordinatorNotAvailable),
        None => context.producer_ids.next().await.map_err(groups::code),
    }
}
