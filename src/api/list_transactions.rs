//! ListTransactions, versions 0 to 2 (`TransactionStateManager.listTransactionStates`).
//!
//! 1     by how long they have been running.
//! 2     by a regular expression for the transactional id (KIP-1152), in RE2's syntax.
//!
//! Lists the transactional ids that this node coordinates; a client asks every node.

use std::sync::Arc;

use kafka_protocol::messages::list_transactions_request::ListTransactionsRequest;
use kafka_protocol::messages::list_transactions_response::{ListTransactionsResponse, TransactionState};

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;
use crate::coordinator::Unavailable;
use crate::group;
use crate::txn::{Filter, ListTransactions};
use crate::wire::txn_records::State;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ListTransactionsRequest>,
) -> ListTransactionsResponse {
    let unknown =
        request.body.state_filters.iter().filter(|state| State::of_name(state).is_none()).cloned().collect();
    match list(&context, &request.body).await {
        Ok(listed) => ListTransactionsResponse::default()
            .with_unknown_state_filters(unknown)
            .with_transaction_states(listed),
        Err(code) => ListTransactionsResponse::default().with_error_code(code.code()),
    }
}

async fn list(context: &Context, body: &ListTransactionsRequest) -> Result<Vec<TransactionState>, Code> {
    let pattern = body.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let pattern = pattern.map(group::compiled_regex).transpose();
    let pattern = pattern.map_err(|_| Code::InvalidRegularExpression)?;
    let filter = Arc::new(Filter::of(body));
    let mut listed = Vec::new();
    for answer in context.transactions.ask_all(ListTransactions(filter)).await {
        match answer {
            Ok(states) => listed.extend(states),
            // Another node lists these.
            Err(Unavailable::NotCoordinator) => {}
            Err(unavailable) => return Err(groups::code(unavailable)),
        }
    }
    if let Some(pattern) = pattern {
        listed.retain(|state| pattern.is_match(&state.transactional_id));
    }
    Ok(listed)
}
