//! AddOffsetsToTxn, versions 0 to 4 (`KafkaApis.handleAddOffsetsToTxnRequest`): the partition of a group comes into
//! the transaction.
//!
//! 2     PRODUCER_FENCED; before, INVALID_PRODUCER_EPOCH.

use std::sync::Arc;

use kafka_protocol::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use kafka_protocol::messages::add_offsets_to_txn_response::AddOffsetsToTxnResponse;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::transactions::{self, FIRST_PROTOCOL};
use crate::coordinator::Groups;
use crate::txn::AddPartitions;

/// The first version with PRODUCER_FENCED.
const FENCED: i16 = 2;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AddOffsetsToTxnRequest>,
) -> AddOffsetsToTxnResponse {
    let result = add(&context, &request.body).await;
    AddOffsetsToTxnResponse::default().with_error_code(transactions::code(&result, request.version(), FENCED))
}

async fn add(context: &Context, body: &AddOffsetsToTxnRequest) -> Result<(), Code> {
    let transactional_id = transactions::known_id(&body.transactional_id)?;
    let partition = context.groups.partition_of(&body.group_id);
    let request = AddPartitions {
        transactional_id: transactional_id.clone(),
        producer: transactions::producer(body.producer_id, body.producer_epoch),
        partitions: vec![(Groups::TOPIC.into(), partition)],
        // Who speaks the second protocol commits offsets without asking for this first.
        transaction_version: FIRST_PROTOCOL,
    };
    transactions::flat(context.transactions.ask(&transactional_id, request).await)
}
