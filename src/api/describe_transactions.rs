//! DescribeTransactions, version 0 (`KafkaApis.handleDescribeTransactionsRequest`).

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::TransactionalId;
use kafka_protocol::messages::describe_transactions_request::DescribeTransactionsRequest;
use kafka_protocol::messages::describe_transactions_response::{
    DescribeTransactionsResponse, TransactionState,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::{groups, transactions};
use crate::txn::DescribeTransaction;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeTransactionsRequest>,
) -> DescribeTransactionsResponse {
    let mut states = Vec::new();
    // Each once: an answer is larger than an id by far.
    let mut seen = HashSet::new();
    for id in request.body.transactional_ids.iter().filter(|id| seen.insert(*id)) {
        let state = describe(&context, id).await;
        states.push(state.unwrap_or_else(|code| {
            TransactionState::default().with_transactional_id(id.clone()).with_error_code(code.code())
        }));
    }
    DescribeTransactionsResponse::default().with_transaction_states(states)
}

async fn describe(context: &Context, id: &TransactionalId) -> Result<TransactionState, Code> {
    let known = transactions::known_id(id)?;
    let answer = context.transactions.ask(&known, DescribeTransaction(known.clone())).await;
    answer.map_err(groups::code)
}
