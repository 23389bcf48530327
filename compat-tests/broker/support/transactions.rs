//! A transactional producer, step by step, and what a consumer sees of it.

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::groups::Member;
use super::{Client, Records, eventually, fetch_request, produce_request, text, values_in};

/// What a client asks again after: CONCURRENT_TRANSACTIONS, and coordinators that are not there yet.
const AGAIN: [i16; 4] = [14, 15, 16, 51];
/// The last version of the first protocol of each API.
pub const PRODUCE_V1: i16 = 11;
/// The first version that adds partitions by itself.
pub const PRODUCE_V2: i16 = 12;
pub const END_V1: i16 = 4;
/// The first version that gives every transaction an epoch of its own.
pub const END_V2: i16 = 5;
/// Long enough for every test.
const TIMEOUT_MS: i32 = 60_000;

/// A producer with a transactional id, as `InitProducerId` made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    pub id: TransactionalId,
    pub producer: ProducerId,
    pub epoch: i16,
}

impl Txn {
    /// The same of another epoch.
    pub fn epoch(&self, epoch: i16) -> Self {
        Self { epoch, ..self.clone() }
    }

    /// The same of an epoch that is later or, by a negative number, earlier.
    pub fn later(&self, by: i16) -> Self {
        self.epoch(self.epoch + by)
    }

    /// One batch of this transaction.
    pub fn batch(&self, sequence: i32, values: &[&str]) -> Records {
        Records::of(values).producer(self.producer.0, self.epoch, sequence).transactional()
    }

    pub fn produce_request(&self, topic: &TopicName, partition: i32, records: &Records) -> ProduceRequest {
        produce_request(topic, partition, records.bytes()).with_transactional_id(Some(self.id.clone()))
    }

    pub fn end_request(&self, committed: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_committed(committed)
    }

    /// AddPartitionsToTxn of the versions of clients.
    pub fn add_request(&self, topics: &[(&TopicName, &[i32])]) -> AddPartitionsToTxnRequest {
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone())
            .with_v3_and_below_producer_id(self.producer)
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(added(topics))
    }

    /// One transaction of AddPartitionsToTxn of the versions of brokers.
    pub fn to_add(&self, topics: &[(&TopicName, &[i32])]) -> AddPartitionsToTxnTransaction {
        AddPartitionsToTxnTransaction::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_topics(added(topics))
    }

    /// AddOffsetsToTxn.
    pub fn add_offsets_request(&self, group: &GroupId) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_group_id(group.clone())
    }

    /// TxnOffsetCommit of one offset; version 3 on says which member it is.
    pub fn commit_request(
        &self,
        member: &Member,
        topic: &TopicName,
        partition: i32,
        offset: i64,
    ) -> TxnOffsetCommitRequest {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text(&format!("at {offset}"))));
        let topic =
            TxnOffsetCommitRequestTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
        TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone())
            .with_group_id(member.group.clone())
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_generation_id(member.generation)
            .with_member_id(member.id.clone())
            .with_group_instance_id(member.instance.clone())
            .with_topics(vec![topic])
    }
}

fn added(topics: &[(&TopicName, &[i32])]) -> Vec<AddPartitionsToTxnTopic> {
    let topic = |(name, partitions): &(&TopicName, &[i32])| {
        AddPartitionsToTxnTopic::default().with_name((*name).clone()).with_partitions(partitions.to_vec())
    };
    topics.iter().map(topic).collect()
}

/// A transactional id.
pub fn transactional(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

pub fn init_request(id: &TransactionalId, timeout_ms: i32) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_transaction_timeout_ms(timeout_ms)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

/// What a read_committed consumer gets from a partition.
#[derive(Debug)]
pub struct Seen {
    /// Records of transactions that are not on the aborted list, with their offsets.
    pub values: Vec<(i64, String)>,
    pub last_stable_offset: i64,
    pub high_watermark: i64,
    /// Producer id and first offset of each transaction on the aborted list.
    pub aborted: Vec<(i64, i64)>,
}

impl Client {
    /// Waits until the transactional id has a coordinator.
    pub fn await_transaction_coordinator(&mut self, id: &TransactionalId) {
        eventually("the transactional id has a coordinator", || {
            let request = FindCoordinatorRequest::default()
                .with_key_type(1)
                .with_coordinator_keys(vec![StrBytes::from_string(id.to_string())]);
            let found = self.call(&request, 4).coordinators.remove(0);
            (found.error_code == 0).then_some(())
        });
    }

    /// InitProducerId until it is no longer to be asked again.
    pub fn init(&mut self, id: &str) -> Txn {
        self.init_with(id, TIMEOUT_MS)
    }

    /// The same with a time-out of the transactions.
    pub fn init_with(&mut self, id: &str, timeout_ms: i32) -> Txn {
        let id = transactional(id);
        self.await_transaction_coordinator(&id);
        let answer = self.settled(|client| {
            let answer = client.call(&init_request(&id, timeout_ms), 5);
            (answer.error_code, answer)
        });
        assert_eq!(answer.error_code, 0, "{answer:?}");
        Txn { id, producer: answer.producer_id, epoch: answer.producer_epoch }
    }

    /// Calls until the code is none that asks to come again.
    pub fn settled<T>(&mut self, mut call: impl FnMut(&mut Self) -> (i16, T)) -> T {
        eventually("the coordinator decides", || {
            let (code, answer) = call(self);
            (!AGAIN.contains(&code)).then_some(answer)
        })
    }

    /// AddPartitionsToTxn of some partitions of one topic; the code of each.
    pub fn add(&mut self, txn: &Txn, topic: &TopicName, partitions: &[i32]) -> Vec<i16> {
        let request = txn.add_request(&[(topic, partitions)]);
        self.settled(|client| {
            let answer = client.call(&request, 3);
            let results = &answer.results_by_topic_v3_and_below[0].results_by_partition;
            let code = |partition: &i32| {
                let found = results.iter().find(|r| r.partition_index == *partition);
                found.unwrap().partition_error_code
            };
            let codes: Vec<i16> = partitions.iter().map(code).collect();
            (codes[0], codes)
        })
    }

    /// Appends one batch in a transaction, by the first protocol or the second.
    pub fn send_in(
        &mut self,
        txn: &Txn,
        topic: &TopicName,
        partition: i32,
        records: &Records,
        version: i16,
    ) -> PartitionProduceResponse {
        let request = txn.produce_request(topic, partition, records);
        self.settled(|client| {
            let answer = client.call(&request, version).responses.remove(0).partition_responses.remove(0);
            (answer.error_code, answer)
        })
    }

    /// The same by the second protocol, and it succeeds; gives the base offset.
    pub fn append_in(&mut self, txn: &Txn, topic: &TopicName, partition: i32, records: &Records) -> i64 {
        let answer = self.send_in(txn, topic, partition, records, PRODUCE_V2);
        assert_eq!(answer.error_code, 0, "{answer:?}");
        answer.base_offset
    }

    /// EndTxn.
    pub fn end(&mut self, txn: &Txn, committed: bool, version: i16) -> EndTxnResponse {
        let request = txn.end_request(committed);
        self.settled(|client| {
            let answer = client.call(&request, version);
            (answer.error_code, answer)
        })
    }

    /// EndTxn of the second protocol, and it succeeds; gives the producer for the next transaction.
    pub fn finish(&mut self, txn: &Txn, committed: bool) -> Txn {
        let answer = self.end(txn, committed, END_V2);
        assert_eq!(answer.error_code, 0, "{answer:?}");
        Txn { id: txn.id.clone(), producer: answer.producer_id, epoch: answer.producer_epoch }
    }

    /// TxnOffsetCommit; the code of the one partition.
    pub fn commit_in(&mut self, request: &TxnOffsetCommitRequest, version: i16) -> i16 {
        self.settled(|client| {
            let code = client.call(request, version).topics[0].partitions[0].error_code;
            (code, code)
        })
    }

    /// DescribeTransactions of one id.
    pub fn describe_transaction(&mut self, id: &TransactionalId) -> TransactionState {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id.clone()]);
        self.settled(|client| {
            let answer = client.call(&request, 0).transaction_states.remove(0);
            (answer.error_code, answer)
        })
    }

    /// Waits until the transaction is in this state.
    pub fn await_transaction(&mut self, id: &TransactionalId, state: &str) -> TransactionState {
        let what = format!("{} is {state}", id.as_str());
        eventually(&what, || {
            let found = self.describe_transaction(id);
            (found.transaction_state.as_str() == state).then_some(found)
        })
    }

    /// A fetch from `offset` on as a read_committed consumer sends it.
    pub fn fetch_committed(&mut self, topic: &TopicName, partition: i32, offset: i64) -> PartitionData {
        let request = fetch_request(topic, partition, offset).with_isolation_level(1);
        let mut answer = self.call(&request, 12);
        let found = answer.responses.remove(0).partitions.remove(0);
        assert_eq!(found.error_code, 0, "{found:?}");
        found
    }

    /// What a read_committed consumer sees of a partition from its beginning on.
    pub fn read_committed(&mut self, topic: &TopicName, partition: i32) -> Seen {
        let found = self.fetch_committed(topic, partition, 0);
        let aborted: Vec<(i64, i64)> = found
            .aborted_transactions
            .iter()
            .flatten()
            .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
            .collect();
        Seen {
            values: visible(&found.records.unwrap_or_default(), &aborted),
            last_stable_offset: found.last_stable_offset,
            high_watermark: found.high_watermark,
            aborted,
        }
    }

    /// What a consumer finds of partition 0 that asks for stable offsets: code and offset.
    pub fn stable_offset(&mut self, id: &GroupId, topic: &TopicName) -> (i16, i64) {
        let asked =
            OffsetFetchRequestTopics::default().with_name(topic.clone()).with_partition_indexes(vec![0]);
        let asked =
            OffsetFetchRequestGroup::default().with_group_id(id.clone()).with_topics(Some(vec![asked]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(true);
        let found = self.call(&request, 8).groups.remove(0);
        assert_eq!(found.error_code, 0, "{found:?}");
        let found = &found.topics[0].partitions[0];
        (found.error_code, found.committed_offset)
    }

    /// Waits until no transaction is open in the partition.
    pub fn await_stable(&mut self, topic: &TopicName, partition: i32) -> Seen {
        eventually("the last stable offset is at the end", || {
            let seen = self.read_committed(topic, partition);
            (seen.last_stable_offset == seen.high_watermark).then_some(seen)
        })
    }
}

/// Drops what a consumer drops: markers, and records between the beginning of an aborted transaction and its marker.
pub fn visible(records: &[u8], aborted: &[(i64, i64)]) -> Vec<(i64, String)> {
    let headers = super::headers_in(records);
    let markers: Vec<(i64, i64)> =
        headers.iter().filter(|h| h.is_control()).map(|h| (h.producer_id, h.base_offset)).collect();
    let is_dropped = |offset: i64| {
        let header = headers.iter().rfind(|h| h.base_offset <= offset).unwrap();
        let end_of = |first: i64| {
            let later = |marker: &&(i64, i64)| marker.0 == header.producer_id && marker.1 > first;
            markers.iter().filter(later).map(|(_, at)| *at).min().unwrap_or(i64::MAX)
        };
        let in_aborted = |(producer, first): &(i64, i64)| {
            *producer == header.producer_id && *first <= offset && offset < end_of(*first)
        };
        header.is_control() || (header.is_transactional() && aborted.iter().any(in_aborted))
    };
    values_in(records).into_iter().filter(|(offset, _)| !is_dropped(*offset)).collect()
}
