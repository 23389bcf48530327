//! Produce, versions 0 to 13 advertised, 3 to 13 accepted (`KafkaApis.handleProduceRequest`).
//!
//! 0-2   refused by closing the connection; advertised because old librdkafka needs to see them.
//! 5     log start offset in the response.
//! 7     zstd.
//! 8     errors of single records.
//! 10    leader hints (KIP-951).
//! 13    topic ids instead of names.
//!
//! 11    TRANSACTION_ABORTABLE.
//! 12    adds partitions to the transaction.
//!
//! Records are validated before any lock; every partition's append happens before the first wait, so that
//! pipelined requests append in request order. Before a transaction's first batch in a partition there is a wait for
//! its coordinator, over which the connection starts no other request.

use std::cell::RefCell;
use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::Semaphore;

mod verification;

use self::verification::{Pending, Verdicts};
use super::context::Context;
use super::dispatch::{Call, Raw, Request, encode};
use super::endpoints;
use super::error::{Code, NONE, rejection_code};
use super::internal_topics::is_internal;
use super::resolve;
use super::response::Outcome;
use crate::base::id::TopicId;
use crate::log::Appended;
use crate::log::producers::Guard;
use crate::meta::Image;
use crate::metrics;
use crate::partition::{self, Replica};
use crate::purgatory::Countdown;
use crate::wire::compress::Codec;
use crate::wire::validator::{Arrival, RecordError, Rejection, Scratch, validate_produce};

thread_local! {
    /// Memory for decompression, one per worker thread: validation never waits.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// Up to this size records that are not compressed are rewritten like any other work of their thread; others may
/// decompress to anything, and a level is free to cost a second per MiB.
const INLINE_BYTES_MAX: usize = 8 << 10;

/// Batches that are rewritten apart at a time: each costs a thread more, with memory of its own.
static APART: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)));

/// Order is kept, and everybody else on this thread goes on elsewhere.
fn rewrite(from: Codec, bytes: usize, work: &mut dyn FnMut()) {
    let is_long = from != Codec::None || bytes > INLINE_BYTES_MAX;
    let apart = is_long.then(|| APART.try_acquire().ok()).flatten();
    if apart.is_some() { tokio::task::block_in_place(work) } else { work() }
}

/// Acks of a producer that waits for all in-sync replicas.
const ALL_IN_SYNC: i16 = -1;

pub(super) fn start(context: &Arc<Context>, raw: Raw) -> Call {
    let request = match raw.decode::<ProduceRequest>() {
        Ok(request) => request,
        Err(outcome) => return Call::Ready(outcome),
    };
    let mut work = Work::new(context, request);
    if !(-1..=1).contains(&work.request.body.acks) {
        work.refuse_all(Code::InvalidRequiredAcks);
        return Call::Ready(work.respond());
    }
    match work.begin_verification() {
        Ok(None) => work.append_and_wait(),
        Ok(Some(pending)) => Call::hold(async move {
            work.verify(pending).await;
            work.append_and_wait()
        }),
        Err(code) => {
            work.refuse_all(code);
            Call::Ready(work.respond())
        }
    }
}

/// What became of one partition's records.
enum Status {
    Appended(Appended),
    Failed { code: Code, message: Option<String>, records: Vec<RecordError> },
}

impl Status {
    fn failed(code: Code) -> Self {
        Self::Failed { code, message: None, records: Vec::new() }
    }

    fn rejected(rejection: Rejection) -> Self {
        let code = rejection_code(rejection.reason);
        // As in Kafka, the text goes out only with the records that it is about.
        let message = (!rejection.record_errors.is_empty()).then_some(rejection.message);
        Self::Failed { code, message, records: rejection.record_errors }
    }

    fn refused(error: &partition::Error) -> Self {
        Self::failed(error.into())
    }
}

struct Part {
    index: i32,
    replica: Option<Arc<Replica>>,
    status: Status,
}

struct Topic {
    name: kafka_protocol::messages::TopicName,
    id: uuid::Uuid,
    parts: Vec<Part>,
}

/// Who may write to internal topics (`AdminUtils.ADMIN_CLIENT_ID`).
const ADMIN_CLIENT_ID: &[u8] = b"__admin_client";

struct Work {
    context: Arc<Context>,
    request: Request<ProduceRequest>,
    image: Arc<Image>,
    verdicts: Verdicts,
    topics: Vec<Topic>,
}

impl Work {
    fn new(context: &Arc<Context>, request: Request<ProduceRequest>) -> Self {
        let image = context.quorum.image();
        let verdicts = Verdicts::default();
        Self { context: context.clone(), request, image, verdicts, topics: Vec::new() }
    }

    fn refuse_all(&mut self, code: Code) {
        for topic in std::mem::take(&mut self.request.body.topic_data) {
            let part = |p: &PartitionProduceData| Part {
                index: p.index,
                replica: None,
                status: Status::failed(code),
            };
            let parts = topic.partition_data.iter().map(part).collect();
            self.topics.push(Topic { name: topic.name, id: topic.topic_id, parts });
        }
    }

    /// What has to be asked of a transaction's coordinator before anything is appended.
    fn begin_verification(&mut self) -> Result<Option<Pending>, Code> {
        if !verification::is_transactional(&self.request.body) {
            return Ok(None);
        }
        if self.request.body.transactional_id.is_none() {
            return Err(Code::TransactionalIdAuthorizationFailed);
        }
        let mut batches = Vec::new();
        for topic in &self.request.body.topic_data {
            let Ok(id) = self.find(topic) else { continue };
            for data in &topic.partition_data {
                if let Some(header) = verification::transactional_header(data).filter(|h| h.has_producer())
                    && let Ok(replica) = resolve::replica(&self.context, id, data.index)
                {
                    // An administrator may write there, but the coordinators know of no such transaction.
                    if is_internal(&replica.name().topic) {
                        return Err(Code::InvalidTopicException);
                    }
                    batches.push((replica, header));
                }
            }
        }
        let (verdicts, pending) =
            verification::begin(&batches, self.request.version(), self.context.clock.now_ms())?;
        self.verdicts = verdicts;
        Ok(pending)
    }

    async fn verify(&mut self, pending: Pending) {
        let id = self.request.body.transactional_id.clone().unwrap_or_default();
        self.verdicts = pending.ask(&self.context, &id, self.request.version()).await;
        self.image = self.context.quorum.image();
    }

    fn append_and_wait(mut self) -> Call {
        self.append_all();
        let waiting = self.waiting();
        if waiting.is_empty() {
            return Call::Ready(self.respond());
        }
        Call::run(async move {
            self.await_commits(&waiting).await;
            self.respond()
        })
    }

    fn append_all(&mut self) {
        let now_ms = self.context.clock.now_ms();
        for topic in std::mem::take(&mut self.request.body.topic_data) {
            let found = self.find(&topic);
            let parts = topic.partition_data.into_iter().map(|data| match found {
                Ok(id) => self.append(id, data, now_ms),
                Err(code) => Part { index: data.index, replica: None, status: Status::failed(code) },
            });
            let parts = parts.collect();
            self.topics.push(Topic { name: topic.name, id: topic.topic_id, parts });
        }
    }

    fn find(&self, topic: &TopicProduceData) -> Result<TopicId, Code> {
        let found = if self.request.version() >= 13 {
            self.image.topics.by_id(TopicId(topic.topic_id)).ok_or(Code::UnknownTopicId)?
        } else {
            self.image.topics.by_name(&topic.name).ok_or(Code::UnknownTopicOrPartition)?
        };
        let is_admin = self.request.header.client_id.as_deref() == Some(ADMIN_CLIENT_ID);
        if is_internal(&found.name) && !is_admin {
            return Err(Code::InvalidTopicException);
        }
        Ok(found.id)
    }

    fn append(&self, topic: TopicId, data: PartitionProduceData, now_ms: i64) -> Part {
        let index = data.index;
        match resolve::replica(&self.context, topic, index) {
            Ok(replica) => {
                let bytes = data.records.as_ref().map_or(0, Bytes::len);
                let status = match self.verdicts.of(&replica) {
                    Ok(guard) => self.append_to(&replica, data, guard, now_ms),
                    Err(code) => Status::failed(code),
                };
                count(replica.metrics(), &status, bytes);
                Part { index, replica: Some(replica), status }
            }
            Err(code) => {
                self.context.metrics.no_topic().total_produce_requests(1);
                Part { index, replica: None, status: Status::failed(code) }
            }
        }
    }

    fn append_to(
        &self,
        replica: &Arc<Replica>,
        data: PartitionProduceData,
        guard: Option<Guard>,
        now_ms: i64,
    ) -> Status {
        let rules = replica.produce_rules();
        let arrival = Arrival { tp: replica.name(), produce_version: self.request.version(), now_ms };
        let records = data.records.unwrap_or_default();
        let validated =
            SCRATCH.with_borrow_mut(|scratch| validate_produce(records, &rules, &arrival, scratch, &rewrite));
        let validated = match validated {
            Ok(validated) => validated,
            Err(rejection) => return Status::rejected(rejection),
        };
        let all_in_sync = self.request.body.acks == ALL_IN_SYNC;
        match replica.append(&validated.batch, guard, all_in_sync, now_ms) {
            Ok(mut appended) => {
                appended.log_append_time_ms = validated.log_append_time_ms;
                Status::Appended(appended)
            }
            Err(error) => Status::refused(&error),
        }
    }

    /// The appends that acks=all has to wait for.
    fn waiting(&self) -> Vec<(Arc<Replica>, i64)> {
        if self.request.body.acks != ALL_IN_SYNC {
            return Vec::new();
        }
        let parts = self.topics.iter().flat_map(|t| &t.parts);
        let waiting = parts.filter_map(|part| match (&part.replica, &part.status) {
            (Some(replica), Status::Appended(appended)) => Some((replica.clone(), appended.last_offset)),
            _ => None,
        });
        waiting.filter(|(replica, last)| !matches!(replica.committed(*last), Ok(true))).collect()
    }

    async fn await_commits(&mut self, waiting: &[(Arc<Replica>, i64)]) {
        let countdown = Countdown::new(waiting.len());
        for (replica, last_offset) in waiting {
            replica.wait_committed(*last_offset, &countdown);
        }
        let limit = Duration::from_millis(u64::try_from(self.request.body.timeout_ms).unwrap_or(0));
        // The outcome is read from the partitions, whether all came through or time is up.
        let _ = tokio::time::timeout(limit, countdown.wait()).await;
        for part in self.topics.iter_mut().flat_map(|t| &mut t.parts) {
            let (Some(replica), Status::Appended(appended)) = (&part.replica, &part.status) else { continue };
            match replica.committed(appended.last_offset) {
                Ok(true) => {}
                Ok(false) => part.status = Status::failed(Code::RequestTimedOut),
                Err(error) => part.status = Status::refused(&error),
            }
        }
    }

    fn respond(self) -> Outcome {
        if self.request.body.acks == 0 {
            let failed =
                self.topics.iter().flat_map(|t| &t.parts).any(|p| matches!(p.status, Status::Failed { .. }));
            return if failed { Outcome::Close("produce with acks=0 failed") } else { Outcome::Silent };
        }
        let version = self.request.version();
        let mut response = ProduceResponse::default();
        let mut is_moved = false;
        for topic in &self.topics {
            let mut out = TopicProduceResponse::default();
            if version >= 13 {
                out.topic_id = topic.id;
            } else {
                out.name = topic.name.clone();
            }
            for part in &topic.parts {
                let mut answer = partition_response(part, version);
                if version >= 10 && answer.error_code == Code::NotLeaderOrFollower.code() {
                    is_moved |= self.hint(topic, &mut answer);
                }
                out.partition_responses.push(answer);
            }
            response.responses.push(out);
        }
        if is_moved {
            response.node_endpoints = endpoints::of_all(&self.image, &self.request.peer.listener, |b| {
                NodeEndpoint::default()
                    .with_node_id(b.id)
                    .with_host(b.host)
                    .with_port(b.port)
                    .with_rack(b.rack)
            });
        }
        self.context.requests.answer(self.request.header.api_key, &response);
        encode(&self.request.header, version, &response)
    }

    /// Tells the client who leads (KIP-951); whether anybody does.
    fn hint(&self, topic: &Topic, answer: &mut PartitionProduceResponse) -> bool {
        let topics = &self.image.topics;
        let found = topics.by_id(TopicId(topic.id)).or_else(|| topics.by_name(&topic.name));
        let Some(partition) = found.and_then(|t| t.partition(answer.index)) else { return false };
        answer.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(partition.leader.into())
            .with_leader_epoch(partition.leader_epoch);
        partition.leader >= 0
    }
}

/// Counts one partition's `bytes` of records as `ReplicaManager.appendToLocalLog` does; what a producer sends again is
/// not counted again.
fn count(metrics: &metrics::Topic, status: &Status, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    metrics.total_produce_requests(1);
    match status {
        Status::Appended(appended) if appended.duplicate => {}
        Status::Appended(appended) => {
            metrics.bytes_in(bytes);
            let messages = appended.last_offset - appended.first_offset + 1;
            metrics.messages_in(u64::try_from(messages).unwrap_or(0));
        }
        Status::Failed { code: Code::MessageTooLarge, .. } => metrics.bytes_rejected(bytes),
        Status::Failed { code, .. } if is_unexpected(*code) => metrics.failed_produce_requests(1),
        Status::Failed { .. } => {}
    }
}

/// Whether Kafka counts the refusal of a batch as a failure.
fn is_unexpected(code: Code) -> bool {
    !matches!(
        code,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopicId
            | Code::NotLeaderOrFollower
            | Code::MessageTooLarge
            | Code::RecordListTooLarge
            | Code::CorruptMessage
            | Code::KafkaStorageError
    )
}

fn partition_response(part: &Part, version: i16) -> PartitionProduceResponse {
    let mut out = PartitionProduceResponse::default().with_index(part.index).with_base_offset(-1);
    out.log_append_time_ms = -1;
    match &part.status {
        Status::Appended(appended) => {
            out.error_code = NONE;
            out.base_offset = appended.first_offset;
            out.log_append_time_ms = appended.log_append_time_ms;
            if version >= 5 {
                out.log_start_offset = appended.log_start_offset;
            }
        }
        Status::Failed { code, message, records } => {
            out.error_code = code.code();
            out.log_start_offset = -1;
            if version >= 8 {
                out.error_message = message.clone().map(StrBytes::from_string);
                out.record_errors = records.iter().map(record_error).collect();
            }
        }
    }
    out
}

fn record_error(error: &RecordError) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(error.batch_index)
        .with_batch_index_error_message(error.message.clone().map(StrBytes::from_string))
}
