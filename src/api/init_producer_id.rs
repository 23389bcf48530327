//! InitProducerId, versions 0 to 5 (`KafkaApis.handleInitProducerIdRequest`).
//!
//! 3     the producer may name the id and epoch it has (KIP-360).
//! 4     PRODUCER_FENCED; before, INVALID_PRODUCER_EPOCH.

use std::sync::Arc;

use kafka_protocol::messages::ProducerId;
use kafka_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use kafka_protocol::messages::init_producer_id_response::InitProducerIdResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::{groups, transactions};
use crate::base::id::Producer;
use crate::txn;

/// The first version with PRODUCER_FENCED.
const FENCED: i16 = 4;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<InitProducerIdRequest>,
) -> InitProducerIdResponse {
    let result = assign(&context, &request.body).await;
    let producer = result.unwrap_or(Producer::NONE);
    InitProducerIdResponse::default()
        .with_error_code(transactions::code(&result, request.version(), FENCED))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
}

async fn assign(context: &Context, body: &InitProducerIdRequest) -> Result<Producer, Code> {
    let known = transactions::producer(body.producer_id, body.producer_epoch);
    if (known.id == Producer::NONE.id) != (known.epoch == Producer::NONE.epoch) {
        return Err(Code::InvalidRequest);
    }
    let Some(id) = &body.transactional_id else {
        return context.producer_ids.next().await.map(|id| Producer { id, epoch: 0 }).map_err(groups::code);
    };
    let request = txn::InitProducerId {
        transactional_id: transactions::known_id(id)?,
        timeout_ms: body.transaction_timeout_ms,
        known,
        fresh_producer_id: None,
    };
    transactions::flat(context.transactions.init_producer_id(request).await)
}
