//! DescribeTransactions and ListTransactions.

use std::sync::Arc;

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState as Described};
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;
use kafka_protocol::messages::{ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::Code;
use super::request::Filter;
use super::transaction::Transaction;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// `TransactionCoordinator.handleDescribeTransactions`.
pub(super) fn describe(id: &str, transaction: Option<&Transaction>) -> Described {
    let described = Described::default().with_transactional_id(TransactionalId(text(id)));
    if id.is_empty() {
        return described.with_error_code(Code::InvalidRequest.code());
    }
    let Some(Transaction { value, .. }) = transaction else {
        return described.with_error_code(Code::TransactionalIdNotFound.code());
    };
    let topics = value.partitions.iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(TopicName(text(topic)))
            .with_partitions(partitions.iter().copied().collect())
    });
    described
        .with_producer_id(ProducerId(value.producer_id))
        .with_producer_epoch(value.producer_epoch)
        .with_transaction_state(StrBytes::from_static_str(value.state.name()))
        .with_transaction_timeout_ms(value.timeout_ms)
        .with_transaction_start_time_ms(value.start_ms)
        .with_topics(topics.collect())
}

/// `TransactionStateManager.listTransactionStates`.
pub(super) fn list<'a>(
    transactions: impl Iterator<Item = (&'a Arc<str>, &'a Transaction)>,
    filter: &Filter,
    now_ms: i64,
) -> Vec<Listed> {
    let fits = |transaction: &Transaction| {
        let value = &transaction.value;
        filter.producer_ids.as_ref().is_none_or(|ids| ids.contains(&value.producer_id))
            && filter.states.as_ref().is_none_or(|states| states.contains(&value.state))
            && (filter.duration_ms < 0 || now_ms.saturating_sub(value.start_ms) > filter.duration_ms)
    };
    let list = |(id, transaction): (&Arc<str>, &Transaction)| {
        Listed::default()
            .with_transactional_id(TransactionalId(text(id)))
            .with_producer_id(ProducerId(transaction.value.producer_id))
            .with_transaction_state(StrBytes::from_static_str(transaction.value.state.name()))
    };
    transactions.filter(|(_, transaction)| fits(transaction)).map(list).collect()
}
