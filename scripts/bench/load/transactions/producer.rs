//! One transactional producer: what clients send in either generation of the protocol.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, ProduceRequest, ProduceResponse, ProducerId,
    TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::Place;
use crate::admin;
use crate::batch;
use crate::connection::Connection;
use crate::fetch::Position;

const NONE: i16 = 0;
/// The coordinator loads or is elsewhere for the moment, or the transaction before is not complete yet.
const NOT_YET: [i16; 5] = [14, 15, 16, 19, 51];
/// What Java clients wait before they ask again while the transaction before is being completed.
const NOT_YET_PAUSE: Duration = Duration::from_millis(20);
const ATTEMPTS_MAX: u32 = 3000;
const TIMEOUT_MS: i32 = 60_000;
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const ACKS_ALL: i16 = -1;

/// Of the transaction protocol.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Generation {
    /// `transaction.version` 0 and 1: partitions are added before they are written to.
    One,
    /// `transaction.version` 2 (KIP-890): the broker adds them, and each transaction has an epoch of its own.
    Two,
}

impl Generation {
    fn choose(self, one: i16, two: i16) -> i16 {
        match self {
            Self::One => one,
            Self::Two => two,
        }
    }
}

pub(super) struct Producer {
    connection: Connection,
    id: TransactionalId,
    generation: Generation,
    producer_id: ProducerId,
    epoch: i16,
    /// The next sequence number of each partition.
    sequences: Vec<i32>,
    pub(super) retries: u64,
}

impl Producer {
    pub(super) fn open(bootstrap: &str, id: &str, generation: Generation) -> Result<Self> {
        let id = TransactionalId(StrBytes::from_string(id.to_owned()));
        let connection = Connection::open(bootstrap)?;
        let (producer_id, sequences) = (ProducerId(-1), Vec::new());
        let mut producer = Self { connection, id, generation, producer_id, epoch: -1, sequences, retries: 0 };
        producer.find(TRANSACTION, producer.id.0.clone())?;
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(producer.id.clone()))
            .with_transaction_timeout_ms(TIMEOUT_MS);
        let answer = producer.insist(&init, generation.choose(4, 5), |answer| answer.error_code)?;
        (producer.producer_id, producer.epoch) = (answer.producer_id, answer.producer_epoch);
        producer.retries = 0;
        Ok(producer)
    }

    /// Waits for a coordinator; the first one to ask has its topic created.
    fn find(&mut self, kind: i8, key: StrBytes) -> Result<()> {
        let find = FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![key]);
        self.insist(&find, 4, |answer| answer.coordinators.first().map_or(NONE, |found| found.error_code))?;
        Ok(())
    }

    /// Before the first offset of a group is sent.
    pub(super) fn find_group(&mut self, group: &str) -> Result<()> {
        self.find(GROUP, StrBytes::from_string(group.to_owned()))
    }

    /// A call that is repeated until its time has come.
    fn insist<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response> {
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.connection.call(request, version)?;
            match code(&answer) {
                NONE => return Ok(answer),
                code if NOT_YET.contains(&code) => {
                    self.retries += 1;
                    sleep(NOT_YET_PAUSE);
                }
                code => bail!("api {}: error {code}", R::KEY),
            }
        }
        bail!("api {}: gave up", R::KEY)
    }

    /// A request of the caller's making, and its answer.
    pub(super) fn exchange(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.connection.write(&[frame])?;
        self.connection.read()
    }

    /// One batch for each of the partitions, in one request.
    pub(super) fn write(
        &mut self,
        place: &Place,
        partitions: &[i32],
        batches: Vec<(Vec<u8>, i32)>,
    ) -> Result<()> {
        let name = admin::name(&place.name);
        if self.generation == Generation::One {
            let topic = AddPartitionsToTxnTopic::default()
                .with_name(name.clone())
                .with_partitions(partitions.to_vec());
            let add = AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(self.id.clone())
                .with_v3_and_below_producer_id(self.producer_id)
                .with_v3_and_below_producer_epoch(self.epoch)
                .with_v3_and_below_topics(vec![topic]);
            self.insist(&add, 3, add_code)?;
        }
        self.sequences.resize(place.topic.partitions.unsigned_abs() as usize, 0);
        let mut data = Vec::with_capacity(partitions.len());
        for (partition, (mut batch, records)) in partitions.iter().zip(batches) {
            let sequence = &mut self.sequences[usize::try_from(*partition)?];
            batch::make_transactional(&mut batch);
            batch::stamp(&mut batch, self.producer_id.0, self.epoch, *sequence);
            *sequence += records;
            data.push(
                PartitionProduceData::default().with_index(*partition).with_records(Some(Bytes::from(batch))),
            );
        }
        let topic = match self.generation {
            Generation::One => TopicProduceData::default().with_name(name),
            Generation::Two => TopicProduceData::default().with_topic_id(Uuid::from_bytes(place.topic.id)),
        };
        let produce = ProduceRequest::default()
            .with_transactional_id(Some(self.id.clone()))
            .with_acks(ACKS_ALL)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![topic.with_partition_data(data)]);
        self.insist(&produce, self.generation.choose(11, 13), produce_code)?;
        Ok(())
    }

    /// The offset of a reader goes into the transaction.
    pub(super) fn send_offset(&mut self, group: &str, topic: &str, position: &Position) -> Result<()> {
        let group = GroupId(StrBytes::from_string(group.to_owned()));
        if self.generation == Generation::One {
            let add = AddOffsetsToTxnRequest::default()
                .with_transactional_id(self.id.clone())
                .with_producer_id(self.producer_id)
                .with_producer_epoch(self.epoch)
                .with_group_id(group.clone());
            self.insist(&add, 3, |answer| answer.error_code)?;
        }
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(position.partition)
            .with_committed_offset(position.offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(admin::name(topic))
            .with_partitions(vec![partition]);
        let commit = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone())
            .with_group_id(group)
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        self.insist(&commit, self.generation.choose(3, 5), offsets_code)?;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        let end = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(self.producer_id)
            .with_producer_epoch(self.epoch)
            .with_committed(true);
        let answer = self.insist(&end, self.generation.choose(3, 5), |answer| answer.error_code)?;
        if self.generation == Generation::Two {
            (self.producer_id, self.epoch) = (answer.producer_id, answer.producer_epoch);
            self.sequences.fill(0);
        }
        Ok(())
    }
}

fn add_code(answer: &AddPartitionsToTxnResponse) -> i16 {
    let partitions =
        answer.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
    first(partitions.map(|partition| partition.partition_error_code))
}

fn produce_code(answer: &ProduceResponse) -> i16 {
    first(answer.responses.iter().flat_map(|topic| &topic.partition_responses).map(|part| part.error_code))
}

fn offsets_code(answer: &TxnOffsetCommitResponse) -> i16 {
    first(answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code))
}

/// The first error, or none.
fn first(mut codes: impl Iterator<Item = i16>) -> i16 {
    codes.find(|code| *code != NONE).unwrap_or(NONE)
}
