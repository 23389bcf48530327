//! Fetch, versions 4 to 18 (`KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`).
//!
//! 5     log start offset.
//! 7     sessions (KIP-227).
//! 9     leader epochs.
//! 11    rack and preferred read replica (there is none on one node).
//! 12    truncation by epoch (KIP-595).
//! 13    topic ids instead of names.
//! 16    leader hints (KIP-951).
//!
//! A fetch that finds too little waits on its partitions and reads again when one of them has something new.
//! Gap: followers cannot fetch yet; a request with a replica id finds no leader.

mod read;
mod respond;
pub(crate) mod session;

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest};
use tokio::time::Instant;

use self::read::Reading;
use self::session::{Asked, Key, Mode, Wanted};
use super::context::{Context, Peer};
use super::dispatch::{Call, Raw};
use super::error::Code;
use super::response::Outcome;
use crate::base::id::TopicId;
use crate::partition::Isolation;
use crate::purgatory::Signal;
use crate::wire::header::RequestHeader;

/// One fetch request with everything that it asks for, its session's part included.
struct Fetch {
    context: Arc<Context>,
    header: RequestHeader,
    peer: Arc<Peer>,
    mode: Mode,
    wanted: Vec<(Key, Wanted)>,
    isolation: Isolation,
    bytes_min: usize,
    bytes_max: usize,
    wait: Duration,
    is_follower: bool,
}

pub(super) fn start(context: &Arc<Context>, raw: Raw) -> Call {
    let request = match raw.decode::<FetchRequest>() {
        Ok(request) => request,
        Err(outcome) => return Call::Ready(outcome),
    };
    let (header, peer) = (request.header, request.peer);
    let fetch = match Fetch::new(context, header, peer, request.body) {
        Ok(fetch) => fetch,
        Err(outcome) => return Call::Ready(outcome),
    };
    let reading = fetch.read();
    fetch.count(&reading);
    if fetch.is_satisfied_by(&reading) {
        return Call::Ready(fetch.respond(reading));
    }
    Call::run(async move {
        let reading = fetch.wait().await;
        fetch.respond(reading)
    })
}

impl Fetch {
    fn new(
        context: &Arc<Context>,
        header: RequestHeader,
        peer: Arc<Peer>,
        request: FetchRequest,
    ) -> Result<Self, Outcome> {
        let version = header.api_version;
        let uses_topic_ids = version >= 13;
        let mut asked = Asked { id: request.session_id, epoch: request.session_epoch, uses_topic_ids };
        if version < 7 {
            asked = Asked { id: session::NO_SESSION, epoch: -1, uses_topic_ids };
        }
        let replica_id = if version >= 15 { request.replica_state.replica_id } else { request.replica_id };
        let bytes_max = bytes(request.max_bytes).min(context.config.requests.fetch_bytes_max);
        let (wanted, forgotten) = partitions(&request, uses_topic_ids);
        let now_ms = context.clock.now_ms();
        let (mode, wanted) = context
            .sessions
            .begin(asked, wanted, &forgotten, now_ms)
            .map_err(|error| respond::session_error(context, &header, session_code(error)))?;
        Ok(Self {
            context: context.clone(),
            header,
            peer,
            mode,
            wanted,
            isolation: if request.isolation_level == 1 {
                Isolation::ReadCommitted
            } else {
                Isolation::ReadUncommitted
            },
            bytes_min: bytes(request.min_bytes).min(bytes_max),
            bytes_max,
            wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
            is_follower: replica_id.0 >= 0,
        })
    }

    /// Counts the partitions of the first reading; further ones are of the same request.
    fn count(&self, reading: &Reading) {
        for answer in &reading.answers {
            match &answer.replica {
                Some(replica) => replica.metrics().total_fetch_requests(1),
                None => self.context.metrics.no_topic().total_fetch_requests(1),
            }
        }
    }

    fn is_satisfied_by(&self, reading: &Reading) -> bool {
        self.wait.is_zero()
            || self.wanted.is_empty()
            || reading.must_answer
            || reading.bytes >= self.bytes_min
    }

    async fn wait(&self) -> Reading {
        let deadline = Instant::now() + self.wait;
        loop {
            // A fresh one each time: what the last one left with quiet partitions is swept out there.
            let signal = Signal::default();
            // Registered before the read, so that what arrives after the read is not missed.
            self.register(&signal);
            let reading = self.read();
            // Arrivals may come faster than reads: they must neither outrun the deadline nor hold the thread.
            if self.is_satisfied_by(&reading) || Instant::now() >= deadline {
                return reading;
            }
            tokio::task::yield_now().await;
            if tokio::time::timeout_at(deadline, signal.wait()).await.is_err() {
                return self.read();
            }
        }
    }
}

fn session_code(error: session::Error) -> Code {
    match error {
        session::Error::IdNotFound => Code::FetchSessionIdNotFound,
        session::Error::InvalidEpoch => Code::InvalidFetchSessionEpoch,
        session::Error::TopicIdMismatch => Code::FetchSessionTopicIdError,
    }
}

fn bytes(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn partitions(request: &FetchRequest, uses_topic_ids: bool) -> (Vec<(Key, Wanted)>, Vec<Key>) {
    let key = |name: &str, id, partition| {
        let (topic, topic_id) = if uses_topic_ids { ("", TopicId(id)) } else { (name, TopicId::ZERO) };
        Key { topic: topic.into(), topic_id, partition }
    };
    let mut wanted = Vec::new();
    for topic in &request.topics {
        for p in &topic.partitions {
            wanted.push((key(&topic.topic, topic.topic_id, p.partition), wanted_of(p)));
        }
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        forgotten.extend(topic.partitions.iter().map(|p| key(&topic.topic, topic.topic_id, *p)));
    }
    (wanted, forgotten)
}

fn wanted_of(partition: &FetchPartition) -> Wanted {
    Wanted {
        fetch_offset: partition.fetch_offset,
        bytes_max: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
    }
}
