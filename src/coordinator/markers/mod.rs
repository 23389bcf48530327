//! Writes the markers of decided transactions (`TransactionMarkerChannelManager`).
//!
//! A writer serves one shard. Markers wait in a lane per partition: what has gathered while one batch of them was on its
//! way goes together, and a partition in trouble holds up nobody else. A marker is tried until it is written or its
//! partition is gone. What a writer has not told its shard when both end is handed out again by the next one.

mod destinations;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(super) use self::destinations::Destinations;
pub use self::destinations::NotWritten;
use super::Unavailable;
use super::line::Line;
use super::producer_ids::ProducerIds;
use crate::log::producers::ProducerError;
use crate::machine::Ended;
use crate::txn::{self, Ending, MarkersWritten, NextMarkers, Refusal, Request, TopicPartition};

/// Markers of one partition that are written together, at most.
const TOGETHER_MAX: usize = 1_000;
/// How soon a partition that took no marker is tried again; each time twice as late.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// How late at most.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Transactions whose end is remembered; more than an answer with all that is decided can be behind.
const TOLD_MAX: usize = 10_000;

/// Names a decided transaction of a shard: the offset of its decision.
type Decision = i64;

/// A marker on its way.
#[derive(Clone, Copy)]
struct Job {
    decision: Decision,
    marker: Ended,
}

/// The markers of one partition.
#[derive(Default)]
struct Lane {
    waiting: Vec<Job>,
    /// Some are being written.
    is_busy: bool,
    /// How long to wait before the next try; zero while all is well.
    pause: Duration,
    /// The trouble is in the broker's log.
    is_told: bool,
}

/// What became of some markers of one partition.
struct Tried {
    to: TopicPartition,
    markers: Vec<(Job, Result<(), NotWritten>)>,
}

/// The writer of one shard.
pub(super) struct Writer {
    to: Arc<Destinations>,
    line: Line<txn::Transactions>,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// What is to be told of a transaction, once so many markers are written.
    left: HashMap<Decision, (MarkersWritten, usize)>,
    /// The latest ones that the shard was told of: it may not know yet when it hands all out again, and a second marker
    /// of the first protocol could end the producer's next transaction.
    told: BTreeSet<Decision>,
    trying: JoinSet<Tried>,
}

impl Writer {
    pub(super) fn new(to: Arc<Destinations>, line: Line<txn::Transactions>) -> Self {
        let (lanes, left, trying) = (BTreeMap::new(), HashMap::new(), JoinSet::new());
        Self { to, line, lanes, left, told: BTreeSet::new(), trying }
    }

    /// Writes until the shard has ended or `stop` is cancelled; nothing is written afterwards.
    pub(super) async fn run(mut self, producer_ids: Arc<ProducerIds>, stop: CancellationToken) {
        let line = self.line.clone();
        let mut next = std::pin::pin!(next_markers(&line, &producer_ids));
        loop {
            let served = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(tried) = self.trying.join_next() => self.tried(tried.expect("no try panics")).await,
                endings = &mut next => {
                    next.set(next_markers(&line, &producer_ids));
                    match endings {
                        Ok(endings) => self.begin(endings).await,
                        Err(unavailable) => Err(unavailable),
                    }
                }
            };
            if served.is_err() {
                break;
            }
        }
        self.trying.shutdown().await;
    }

    async fn begin(&mut self, endings: Vec<Ending>) -> Result<(), Unavailable> {
        let mut touched = Vec::new();
        for ending in endings {
            let decision = ending.decided_at;
            // One that is handed out again may be under way, or through.
            if self.left.contains_key(&decision) || self.told.contains(&decision) {
                continue;
            }
            if ending.partitions.is_empty() {
                self.line.tell(ending.written().into_input()).await?;
                continue;
            }
            self.left.insert(decision, (ending.written(), ending.partitions.len()));
            let marker = Ended {
                producer: ending.producer,
                coordinator_epoch: ending.coordinator_epoch,
                is_committed: ending.is_committed,
                transaction_version: ending.transaction_version,
            };
            for partition in ending.partitions {
                self.lanes.entry(partition.clone()).or_default().waiting.push(Job { decision, marker });
                touched.push(partition);
            }
        }
        touched.iter().for_each(|partition| self.try_next(partition));
        Ok(())
    }

    /// Writes what waits for `partition`, unless something is on its way there.
    fn try_next(&mut self, partition: &TopicPartition) {
        let Some(lane) = self.lanes.get_mut(partition) else { return };
        if lane.is_busy {
            return;
        }
        if lane.waiting.is_empty() {
            self.lanes.remove(partition);
            return;
        }
        lane.is_busy = true;
        let together = lane.waiting.len().min(TOGETHER_MAX);
        let jobs: Vec<Job> = lane.waiting.drain(..together).collect();
        let (to, destination, pause) = (self.to.clone(), partition.clone(), lane.pause);
        self.trying.spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let markers: Vec<Ended> = jobs.iter().map(|job| job.marker).collect();
            let written = to.write(&destination.0, destination.1, &markers).await;
            Tried { to: destination, markers: jobs.into_iter().zip(written).collect() }
        });
    }

    async fn tried(&mut self, Tried { to, markers }: Tried) -> Result<(), Unavailable> {
        let mut done = Vec::new();
        let mut again = Vec::new();
        let mut trouble = None;
        for (job, written) in markers {
            match written {
                Ok(()) => done.push(job.decision),
                Err(NotWritten::Gone) => {
                    info!(topic = %to.0, partition = to.1, producer = %job.marker.producer, "no marker for a partition that is gone");
                    done.push(job.decision);
                }
                // Whose transaction it is now nobody can say from here; it stays decided, and is shown as such.
                Err(NotWritten::Refused(why @ ProducerError::TransactionCoordinatorFenced { .. })) => {
                    trouble = Some(NotWritten::Refused(why));
                    again.push(job);
                }
                Err(NotWritten::Refused(why)) => {
                    // Somebody newer has ended the transaction there.
                    warn!(topic = %to.0, partition = to.1, producer = %job.marker.producer, %why, "marker is refused and left out");
                    done.push(job.decision);
                }
                Err(why @ (NotWritten::Partition(_) | NotWritten::Coordinator(_))) => {
                    trouble = Some(why);
                    again.push(job);
                }
            }
        }
        let lane = self.lanes.entry(to.clone()).or_default();
        lane.is_busy = false;
        match trouble {
            None => (lane.pause, lane.is_told) = (Duration::ZERO, false),
            Some(why) => {
                // Groups that are still loading are no trouble.
                let is_news = !matches!(why, NotWritten::Coordinator(Unavailable::LoadInProgress));
                if is_news && !lane.is_told {
                    lane.is_told = true;
                    warn!(topic = %to.0, partition = to.1, %why, markers = again.len(), "markers cannot be written yet");
                }
                lane.pause = (2 * lane.pause).clamp(RETRY_MIN, RETRY_MAX);
                // The order of one producer's markers stays.
                again.append(&mut lane.waiting);
                lane.waiting = again;
            }
        }
        self.try_next(&to);
        for decision in done {
            self.written(decision).await?;
        }
        Ok(())
    }

    async fn written(&mut self, decision: Decision) -> Result<(), Unavailable> {
        let Some((_, left)) = self.left.get_mut(&decision) else { return Ok(()) };
        *left -= 1;
        if *left > 0 {
            return Ok(());
        }
        let Some((written, _)) = self.left.remove(&decision) else { return Ok(()) };
        self.told.insert(decision);
        if self.told.len() > TOLD_MAX {
            self.told.pop_first();
        }
        self.line.tell(written.into_input()).await
    }
}

/// The transactions that were decided since the last time; an error when the shard has ended.
async fn next_markers(
    line: &Line<txn::Transactions>,
    producer_ids: &ProducerIds,
) -> Result<Vec<Ending>, Unavailable> {
    let mut request = NextMarkers::default();
    loop {
        let answer = line.ask(request.into_input()).await;
        request = match answer.map(NextMarkers::answer) {
            Ok(Some(Ok(endings))) => return Ok(endings),
            Ok(Some(Err(Refusal::NeedsProducerId))) => {
                NextMarkers { fresh_producer_id: fresh(producer_ids).await, again: false }
            }
            Ok(None | Some(Err(Refusal::Code(_)))) => NextMarkers::default(),
            Err(Unavailable::NotCoordinator) => return Err(Unavailable::NotCoordinator),
            // The answer is lost, and what it handed out.
            Err(Unavailable::LoadInProgress | Unavailable::NotAvailable | Unavailable::Refused(_)) => {
                NextMarkers { again: true, ..NextMarkers::default() }
            }
        };
    }
}

/// A fresh producer id; none if the controller has none now, after a pause.
async fn fresh(producer_ids: &ProducerIds) -> Option<i64> {
    let id = producer_ids.next().await.ok();
    if id.is_none() {
        tokio::time::sleep(RETRY_MAX).await;
    }
    id
}
