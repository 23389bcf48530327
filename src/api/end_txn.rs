//! EndTxn, versions 0 to 5 (`KafkaApis.handleEndTxnRequest`).
//!
//! 2     PRODUCER_FENCED; before, INVALID_PRODUCER_EPOCH.
//! 5     the producer goes on with the epoch of the answer (KIP-890).
//!
//! The answer comes when the decision is committed to disk; the markers follow.

use std::sync::Arc;

use kafka_protocol::messages::ProducerId;
use kafka_protocol::messages::end_txn_request::EndTxnRequest;
use kafka_protocol::messages::end_txn_response::EndTxnResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::transactions::{self, FIRST_PROTOCOL, SECOND_PROTOCOL};
use crate::base::id::Producer;
use crate::txn::EndTxn;

/// The first version with PRODUCER_FENCED.
const FENCED: i16 = 2;
/// The first version that ends transactions of the second protocol.
const BUMPS: i16 = 5;

pub(super) async fn handle(context: Arc<Context>, request: Request<EndTxnRequest>) -> EndTxnResponse {
    let version = request.version();
    let result = end(&context, &request.body, version).await;
    let response = EndTxnResponse::default().with_error_code(transactions::code(&result, version, FENCED));
    if version < BUMPS {
        return response;
    }
    let next = result.unwrap_or(Producer::NONE);
    response.with_producer_id(ProducerId(next.id)).with_producer_epoch(next.epoch)
}

async fn end(context: &Context, body: &EndTxnRequest, version: i16) -> Result<Producer, Code> {
    let request = EndTxn {
        transactional_id: transactions::known_id(&body.transactional_id)?,
        producer: transactions::producer(body.producer_id, body.producer_epoch),
        is_committed: body.committed,
        transaction_version: if version < BUMPS { FIRST_PROTOCOL } else { SECOND_PROTOCOL },
        fresh_producer_id: None,
    };
    transactions::flat(context.transactions.end(request).await)
}
