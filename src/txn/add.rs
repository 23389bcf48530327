//! AddPartitionsToTxn: adding, and verifying only (`TransactionCoordinator.handleAddPartitionsToTransaction`,
//! `handleVerifyPartitionsInTransaction`).

use std::sync::Arc;

use super::Code;
use super::draft::Draft;
use super::request::{AddPartitions, TopicPartition, VerifyPartitions};
use super::transaction::Transaction;
use crate::wire::txn_records::{Partitions, State};

/// How much a transaction's partitions may take in a record: a default `max.message.bytes` with room for the rest.
/// Kafka refuses what the topic's own does not allow.
const PARTITIONS_BYTES_MAX: usize = 1 << 20;
/// What a topic takes besides its name, at most.
const TOPIC_BYTES: usize = 8;

impl Draft {
    /// None while the transaction before it has to end.
    pub(super) fn add_partitions(&mut self, request: &AddPartitions) -> Option<Result<(), Code>> {
        let Some(before) = self.transaction.clone() else { return Some(Err(Code::InvalidProducerIdMapping)) };
        if before.is_prepared() {
            // Any other producer is fenced when the transaction is complete, which is not now, so as in Kafka.
            let is_next = request.producer == before.producer_after();
            return if is_next { None } else { Some(Err(Code::ConcurrentTransactions)) };
        }
        Some(self.add(&before, request))
    }

    fn add(&mut self, before: &Transaction, request: &AddPartitions) -> Result<(), Code> {
        validate_producer(before, request.producer)?;
        let is_open = before.state() == State::Ongoing;
        if is_open && request.partitions.iter().all(|partition| contains(&before.value.partitions, partition))
        {
            return Ok(());
        }
        let mut partitions = before.value.partitions.clone();
        for (topic, partition) in &request.partitions {
            partitions.entry(topic.clone()).or_default().insert(*partition);
        }
        if len(&partitions) > PARTITIONS_BYTES_MAX {
            return Err(Code::UnknownServerError);
        }
        let now_ms = self.at.now_ms;
        self.change(before, |value| {
            value.state = State::Ongoing;
            value.partitions = partitions;
            value.client_version = request.transaction_version;
            if !is_open {
                value.start_ms = now_ms;
            }
        });
        Ok(())
    }
}

/// The answer for each partition.
pub(super) fn verify(
    transaction: Option<&Transaction>,
    request: VerifyPartitions,
) -> Vec<(TopicPartition, Result<(), Code>)> {
    let check = || {
        if request.transactional_id.is_empty() {
            return Err(Code::InvalidRequest);
        }
        let transaction = transaction.ok_or(Code::InvalidProducerIdMapping)?;
        validate_producer(transaction, request.producer)?;
        if transaction.is_prepared() { Err(Code::ConcurrentTransactions) } else { Ok(transaction) }
    };
    let checked = check();
    let verify = |partition: &TopicPartition| {
        let is_in = contains(&checked?.value.partitions, partition);
        if is_in { Ok(()) } else { Err(Code::TransactionAbortable) }
    };
    let verify = |partition: TopicPartition| {
        let verified = verify(&partition);
        (partition, verified)
    };
    request.partitions.into_iter().map(verify).collect()
}

fn validate_producer(transaction: &Transaction, producer: crate::base::id::Producer) -> Result<(), Code> {
    let current = transaction.producer();
    if current.id != producer.id {
        Err(Code::InvalidProducerIdMapping)
    } else if current.epoch != producer.epoch {
        Err(Code::ProducerFenced)
    } else {
        Ok(())
    }
}

fn contains(partitions: &Partitions, (topic, partition): &TopicPartition) -> bool {
    partitions.get(topic).is_some_and(|partitions| partitions.contains(partition))
}

/// Bytes in a record, at most.
fn len(partitions: &Partitions) -> usize {
    let len = |(topic, partitions): (&Arc<str>, &std::collections::BTreeSet<i32>)| {
        topic.len() + TOPIC_BYTES + partitions.len() * size_of::<i32>()
    };
    partitions.iter().map(len).sum()
}
