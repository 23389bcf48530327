//! One replica: its log, its replication state, and who waits on it.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tracing::{error, warn};

use super::directory::Directory;
use super::error::{Error, FetchError};
use super::settings::Settings;
use crate::base::id::{TopicId, TopicPartition};
use crate::log::producers::{Guard, Origin};
use crate::log::read::ReadPlan;
use crate::log::{AppendError, Appended, Leading, Log, TimestampOffset};
use crate::metrics;
use crate::purgatory::{Arrivals, Countdown, Offsets, Signal, Wakes};
use crate::replication::{LeaderState, Leadership};
use crate::wire::batch::Batch;
use crate::wire::validator::Rules;

mod cleaning;
mod deletion;
mod home;
mod moving;
mod retention;
mod transactions;

pub(super) use cleaning::{Done, Means};
pub(super) use home::Home;
pub use moving::FutureReplica;
#[cfg(test)]
pub(super) use moving::MoveError;
pub(super) use moving::{Moving, REPLACES_FILE, Route};
pub use transactions::{ActiveProducer, Own};

/// Which records a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset, with a list of aborted transactions.
    ReadCommitted,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct FetchSpec {
    /// First offset wanted.
    pub offset: i64,
    /// Bytes at most.
    pub bytes_max: usize,
    /// Return the first batch whole even above `bytes_max` (KIP-74).
    pub whole_first_batch: bool,
    /// The leader epoch that the client knows, -1 if none.
    pub current_leader_epoch: i32,
    /// Epoch of the last record that the client has, -1 if unknown (KIP-595 truncation by fetch).
    pub last_fetched_epoch: i32,
    /// See [`Isolation`].
    pub isolation: Isolation,
}

/// What a fetch found; the bytes are read from `plan` without the partition's lock.
pub struct Fetched {
    /// Where the records are; none if there are none to see.
    pub plan: Option<ReadPlan>,
    /// See [`Watermarks`].
    pub marks: Watermarks,
    /// The largest epoch that client and leader share, with its end offset, if the client has to truncate.
    pub diverging: Option<(i32, i64)>,
}

/// Which offset a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The end of what it may read.
    Latest,
    /// The log start offset.
    Earliest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record with this timestamp, in ms, or a later one.
    Timestamp(i64),
}

/// A partition's offsets as its readers see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is not committed.
    pub high_watermark: i64,
    /// The first offset of an open transaction, at most the high watermark.
    pub last_stable_offset: i64,
    /// The first offset that is still there.
    pub log_start_offset: i64,
    /// The offset that the next record gets.
    pub log_end_offset: i64,
}

/// A replica at the moment of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Whether it leads its partition.
    pub is_leader: bool,
    /// Bytes in the log's segments.
    pub size_bytes: u64,
    /// The first offset that is still there.
    pub log_start_offset: i64,
    /// The offset that the next record gets.
    pub log_end_offset: i64,
    /// The first offset that is not committed.
    pub high_watermark: i64,
    /// Producers that are known.
    pub producer_count: usize,
    /// When the producer of the oldest open transaction wrote last, in ms.
    pub oldest_txn_last_timestamp_ms: Option<i64>,
}

/// One replica on this node.
pub struct Replica {
    name: TopicPartition,
    topic_id: TopicId,
    /// Where it lives; changes under `syncing` and `state`.
    home: ArcSwap<Home>,
    state: Mutex<State>,
    /// Held over a sync, a deletion and the close: only one of them touches the files at a time. Taken before
    /// `state`.
    syncing: Mutex<()>,
    metrics: metrics::Topic,
    cleaning: cleaning::Progress,
}

struct State {
    log: Log,
    leader: Option<LeaderState>,
    settings: Settings,
    /// Appends that ended here must be on disk before they count (`flush.messages` under write caching).
    flush_barrier: Option<Barrier>,
    /// Bytes appended since the last sync began.
    unflushed_bytes: usize,
    produced: Offsets,
    arrivals: Arrivals,
    /// The high watermark that everybody who waits has been told of.
    announced: i64,
    /// The high watermark while this replica does not lead.
    known_high_watermark: i64,
    deleted: bool,
    /// The copy that will take its place.
    moving: Option<Arc<Moving>>,
    /// Whether a copy may have taken its place: the next start looks which of the two counts.
    may_have_moved: bool,
}

/// Whose batch is appended.
#[derive(Clone, Copy)]
enum Source {
    /// A client's.
    Client(Option<Guard>),
    /// A transaction coordinator's, which does not know what else is in the log.
    Markers(Own),
    /// That of the coordinator which alone writes to the partition.
    Owner(Own),
}

impl Source {
    fn is_owner(self) -> bool {
        matches!(self, Self::Owner(_))
    }

    fn leading(self, leader_epoch: i32) -> Leading {
        match self {
            Self::Client(guard) => Leading { guard, ..Leading::plain(leader_epoch) },
            Self::Markers(Own { guard, transaction_version })
            | Self::Owner(Own { guard, transaction_version }) => {
                Leading { leader_epoch, origin: Origin::Coordinator, transaction_version, guard }
            }
        }
    }
}

/// What the checkpoint files hold of a replica.
pub(super) struct CheckpointMarks {
    pub(super) recovery_point: i64,
    pub(super) log_start: i64,
    pub(super) high_watermark: i64,
}

#[derive(Clone, Copy)]
struct Barrier {
    start: i64,
    end: i64,
}

impl State {
    /// The leader's, else the newest that is known.
    fn high_watermark(&self) -> i64 {
        self.leader.as_ref().map_or(self.known_high_watermark, LeaderState::high_watermark)
    }

    fn checkpoint_marks(&self) -> CheckpointMarks {
        CheckpointMarks {
            recovery_point: self.log.flushed_offset(),
            log_start: self.log.start_offset(),
            high_watermark: self.high_watermark(),
        }
    }

    /// The end of what this replica itself vouches for.
    fn local_acknowledged(&self) -> i64 {
        let durable = self.log.durable_offset();
        if !self.settings.write_caching {
            return durable;
        }
        match self.flush_barrier {
            Some(barrier) if durable < barrier.end => barrier.start.max(durable),
            Some(_) | None => self.log.end_offset(),
        }
    }

    /// Moves the high watermark as far as the replicas allow, and gives who waited for it.
    fn advance(&mut self) -> Wakes {
        let acknowledged = self.local_acknowledged();
        let mut wakes = Wakes::default();
        let Some(leader) = &mut self.leader else { return wakes };
        leader.local_acknowledged(acknowledged);
        let high_watermark = leader.high_watermark();
        if high_watermark > self.announced {
            self.announced = high_watermark;
            self.log.producers_mut().high_watermark_advanced(high_watermark);
            self.produced.reached(high_watermark, &mut wakes);
            self.arrivals.arrived(&mut wakes);
        }
        wakes
    }

    /// Nothing more will come from here: everybody who waits looks for himself.
    fn release_all(&mut self) {
        let mut wakes = Wakes::default();
        self.produced.release(&mut wakes);
        self.arrivals.arrived(&mut wakes);
        wakes.wake();
    }

    fn watermarks(&self, leader: &LeaderState) -> Watermarks {
        let high_watermark = leader.high_watermark();
        let open = self.log.last_stable_bound();
        Watermarks {
            high_watermark,
            last_stable_offset: open.map_or(high_watermark, |offset| offset.min(high_watermark)),
            log_start_offset: self.log.start_offset(),
            log_end_offset: self.log.end_offset(),
        }
    }

    fn leader_for(&self, client_epoch: i32) -> Result<&LeaderState, Error> {
        if self.deleted {
            return Err(Error::UnknownTopicOrPartition);
        }
        let leader = self.leader.as_ref().ok_or(Error::NotLeaderOrFollower)?;
        match client_epoch {
            -1 => Ok(leader),
            epoch if epoch < leader.epoch() => Err(Error::FencedLeaderEpoch),
            epoch if epoch > leader.epoch() => Err(Error::UnknownLeaderEpoch),
            _ => Ok(leader),
        }
    }
}

impl Replica {
    /// A replica over an open log; it leads nothing yet.
    pub(super) fn new(
        name: TopicPartition,
        topic_id: TopicId,
        directory: Arc<Directory>,
        log: Log,
        known_high_watermark: i64,
        settings: Settings,
        metrics: metrics::Topic,
    ) -> Arc<Self> {
        let state = State {
            log,
            leader: None,
            settings,
            flush_barrier: None,
            unflushed_bytes: 0,
            produced: Offsets::default(),
            arrivals: Arrivals::default(),
            announced: -1,
            known_high_watermark,
            deleted: false,
            moving: None,
            may_have_moved: false,
        };
        directory.add_replica();
        Arc::new_cyclic(|me| Self {
            name,
            topic_id,
            home: ArcSwap::from_pointee(Home::new(me.clone(), directory)),
            state: Mutex::new(state),
            syncing: Mutex::new(()),
            metrics,
            cleaning: cleaning::Progress::default(),
        })
    }

    /// Topic and index.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The topic's incarnation.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The log directory that holds the replica.
    pub fn directory(&self) -> Arc<Directory> {
        self.home.load().directory().clone()
    }

    fn check_online(&self) -> Result<(), Error> {
        self.home.load().directory().check_online()
    }

    /// Appends one validated batch as the leader, and says what it became. The caller then waits with
    /// [`Replica::wait_committed`] if its client wants to. A transaction's first batch here needs the guard of its
    /// [`Replica::begin_verification`].
    pub fn append(
        self: &Arc<Self>,
        batch: &Batch,
        guard: Option<Guard>,
        all_in_sync: bool,
        now_ms: i64,
    ) -> Result<Appended, Error> {
        self.append_in(batch, Source::Client(guard), all_in_sync, now_ms)
    }

    /// Appends one batch of a coordinator's, if this replica still leads in the epoch in its header and the log still
    /// ends where it begins: the coordinator has seen everything before it, and nothing else. May be of a transaction,
    /// and a marker.
    pub fn append_own(self: &Arc<Self>, batch: &Batch, own: Own, now_ms: i64) -> Result<Appended, Error> {
        self.append_in(batch, Source::Owner(own), true, now_ms)
    }

    fn append_in(
        self: &Arc<Self>,
        batch: &Batch,
        source: Source,
        all_in_sync: bool,
        now_ms: i64,
    ) -> Result<Appended, Error> {
        let mut state = self.state.lock();
        self.check_online()?;
        let own_epoch = source.is_owner().then_some(batch.header.partition_leader_epoch);
        let leader = state.leader_for(own_epoch.unwrap_or(-1))?;
        if all_in_sync {
            leader.check_enough_in_sync()?;
        }
        let leader_epoch = leader.epoch();
        let start = state.log.end_offset();
        if own_epoch.is_some() && batch.header.base_offset != start {
            return Err(Error::OffsetOutOfRange);
        }
        let appended = match state.log.append_leading(batch, source.leading(leader_epoch), now_ms) {
            Ok(appended) => appended,
            Err(error) => {
                if state.log.is_poisoned() {
                    // What was appended before is not going to be synced any more.
                    state.release_all();
                }
                return Err(self.append_error(error));
            }
        };
        if appended.duplicate {
            return Ok(appended);
        }
        state.unflushed_bytes += batch.bytes.len();
        if state.settings.write_caching {
            let durable = state.log.durable_offset();
            if state.log.end_offset() - durable >= state.settings.log.flush_messages {
                // A barrier that is not reached yet still stands for what it began with.
                let pending = state.flush_barrier.filter(|b| durable < b.end);
                let start = pending.map_or(start, |b| b.start);
                state.flush_barrier = Some(Barrier { start, end: state.log.end_offset() });
                self.sync_soon();
            } else if state.unflushed_bytes >= super::BACKGROUND_FLUSH_BYTES
                || state.settings.log.flush_ms < super::SYNC_INTERVAL_MS
            {
                self.sync_soon();
            } else {
                self.sync_later();
            }
            let wakes = state.advance();
            drop(state);
            wakes.wake();
        } else {
            drop(state);
            self.sync_soon();
        }
        Ok(appended)
    }

    fn append_error(&self, error: AppendError) -> Error {
        let is_disk_failure = error.is_disk_failure();
        match error {
            AppendError::Storage(why) if is_disk_failure => {
                self.directory().log_directory().fail(why);
                Error::Storage
            }
            AppendError::Storage(why) => {
                error!(tp = %self.name, %why, "log takes no more appends");
                Error::Storage
            }
            AppendError::Producer(_)
            | AppendError::Marker(_)
            | AppendError::TooLarge { .. }
            | AppendError::UnexpectedOffset { .. }
            | AppendError::OffsetsExhausted { .. } => Error::Append(error),
        }
    }

    /// Calls `countdown.done()` once everything up to and including `last_offset` is committed, or the
    /// replica can no longer commit it.
    pub fn wait_committed(&self, last_offset: i64, countdown: &Arc<Countdown>) {
        let mut state = self.state.lock();
        let committed = state.leader.as_ref().is_none_or(|l| l.high_watermark() > last_offset);
        if committed || state.deleted || state.log.is_poisoned() || self.check_online().is_err() {
            drop(state);
            countdown.done();
        } else {
            state.produced.add(last_offset + 1, countdown.clone());
        }
    }

    /// What an acks=all append of `last_offset` in `leader_epoch` has come to.
    pub fn committed(&self, last_offset: i64) -> Result<bool, Error> {
        let state = self.state.lock();
        self.check_online()?;
        let leader = state.leader_for(-1)?;
        if leader.high_watermark() <= last_offset {
            return if state.log.is_poisoned() { Err(Error::Storage) } else { Ok(false) };
        }
        leader.check_enough_in_sync().map_err(|_| Error::NotEnoughReplicasAfterAppend)?;
        Ok(true)
    }

    /// Plans a read; cheap, nothing is read from disk under the lock.
    pub fn fetch(&self, spec: FetchSpec) -> Result<Fetched, FetchError> {
        let state = self.state.lock();
        let found = self.check_online().and_then(|()| {
            let leader = state.leader_for(spec.current_leader_epoch)?;
            Ok(state.watermarks(leader))
        });
        let marks = found.map_err(|error| FetchError { error, marks: None })?;
        let failed = |error| FetchError { error, marks: Some(marks) };
        if let Some(diverging) = diverging(&state.log, spec) {
            return Ok(Fetched { plan: None, marks, diverging: Some(diverging) });
        }
        let up_to = match spec.isolation {
            Isolation::ReadUncommitted => marks.high_watermark,
            Isolation::ReadCommitted => marks.last_stable_offset,
        };
        if spec.offset < marks.log_start_offset || spec.offset > marks.log_end_offset {
            return Err(failed(Error::OffsetOutOfRange));
        }
        let plan = if spec.offset >= up_to {
            None
        } else {
            let plan = state.log.plan_read(spec.offset, spec.bytes_max, up_to, spec.whole_first_batch);
            let plan = plan.map_err(|_| failed(Error::OffsetOutOfRange))?;
            let may_have_gaps = state.settings.log.compact || self.cleaned_up_to().is_some();
            if may_have_gaps { plan } else { plan.map(ReadPlan::gapless) }
        };
        Ok(Fetched { plan, marks, diverging: None })
    }

    /// Plans a read of what is in the log from `offset` on, committed or not, for the coordinator of the leader epoch
    /// `epoch`; the first batch is given whole. None at the end of the log.
    pub fn plan_replay(&self, offset: i64, bytes_max: usize, epoch: i32) -> Result<Option<ReadPlan>, Error> {
        let state = self.state.lock();
        self.check_online()?;
        state.leader_for(epoch)?;
        let end = state.log.end_offset();
        state.log.plan_read(offset, bytes_max, end, true).map_err(|_| Error::OffsetOutOfRange)
    }

    /// Wakes `signal` once when there is more to read, or the replica stops serving.
    pub fn signal_arrival(&self, signal: &Signal) {
        self.state.lock().arrivals.add(signal);
    }

    /// The offsets that clients see.
    pub fn watermarks(&self, client_epoch: i32) -> Result<Watermarks, Error> {
        let state = self.state.lock();
        self.check_online()?;
        let leader = state.leader_for(client_epoch)?;
        Ok(state.watermarks(leader))
    }

    /// Finds an offset by its meaning; none if no visible record fits.
    pub fn offset_for(
        &self,
        target: Target,
        isolation: Isolation,
        client_epoch: i32,
    ) -> Result<Option<TimestampOffset>, Error> {
        let state = self.state.lock();
        self.check_online()?;
        let leader = state.leader_for(client_epoch)?;
        if !leader.is_high_watermark_known() {
            return Err(Error::OffsetNotAvailable);
        }
        let marks = state.watermarks(leader);
        let epoch = leader.epoch();
        let end = match isolation {
            Isolation::ReadUncommitted => marks.high_watermark,
            Isolation::ReadCommitted => marks.last_stable_offset,
        };
        let plan = match target {
            Target::Latest => {
                return Ok(Some(TimestampOffset { timestamp: -1, offset: end, leader_epoch: epoch }));
            }
            Target::Earliest => {
                let offset = marks.log_start_offset;
                let leader_epoch = state.log.epochs().epoch_for_offset(offset).unwrap_or(epoch);
                return Ok(Some(TimestampOffset { timestamp: -1, offset, leader_epoch }));
            }
            Target::MaxTimestamp => state.log.plan_offset_of_max_timestamp(),
            Target::Timestamp(timestamp) => state.log.plan_offset_for_timestamp(timestamp),
        };
        drop(state);
        let found = plan.resolve().map_err(|why| {
            error!(tp = %self.name, %why, "log cannot be read");
            Error::Storage
        })?;
        Ok(found.filter(|record| record.offset < end))
    }

    /// The largest epoch up to `epoch` and where it ends, (-1, -1) if there is none (KIP-101).
    pub fn epoch_end_offset(&self, epoch: i32, client_epoch: i32) -> Result<(i32, i64), Error> {
        let state = self.state.lock();
        self.check_online()?;
        state.leader_for(client_epoch)?;
        Ok(state.log.epoch_end_offset(epoch))
    }

    /// What a produced batch has to satisfy.
    pub fn produce_rules(&self) -> Rules {
        self.state.lock().settings.rules
    }

    /// Bytes in the log's segments.
    pub fn size_bytes(&self) -> u64 {
        self.state.lock().log.size_bytes()
    }

    /// The counters of the replica's topic.
    pub fn metrics(&self) -> &metrics::Topic {
        &self.metrics
    }

    /// What a scrape shows of the replica; none once it is deleted.
    pub fn observe(&self) -> Option<Observed> {
        let state = self.state.lock();
        (!state.deleted).then(|| Observed {
            is_leader: state.leader.is_some(),
            size_bytes: state.log.size_bytes(),
            log_start_offset: state.log.start_offset(),
            log_end_offset: state.log.end_offset(),
            high_watermark: state.high_watermark(),
            producer_count: state.log.producers().len(),
            oldest_txn_last_timestamp_ms: state.log.producers().oldest_txn_last_timestamp(),
        })
    }

    /// How many committed records it does not have.
    pub fn offset_lag(&self) -> i64 {
        let state = self.state.lock();
        (state.high_watermark() - state.log.end_offset()).max(0)
    }

    /// Becomes leader unless it is leader in that epoch already; `leadership` gets the log end offset, the
    /// high watermark known so far and `min.insync.replicas`.
    pub(super) fn lead(self: &Arc<Self>, leadership: impl FnOnce(i64, i64, usize) -> Leadership) {
        let mut state = self.state.lock();
        if let Some(leader) = &state.leader {
            state.known_high_watermark = leader.high_watermark();
        }
        let (end, min_insync) = (state.log.end_offset(), state.settings.min_insync);
        let leadership =
            leadership(end, state.known_high_watermark.clamp(state.log.start_offset(), end), min_insync);
        match &mut state.leader {
            Some(leader) if leader.epoch() == leadership.epoch => {
                leader.isr_committed(leadership.isr);
            }
            Some(_) | None => {
                state.log.begin_epoch(leadership.epoch);
                state.leader = Some(LeaderState::new(leadership));
            }
        }
        let wakes = state.advance();
        let is_durable = state.log.durable_offset() == end;
        drop(state);
        wakes.wake();
        if !is_durable {
            self.sync_soon();
        }
    }

    /// Leads no longer; whoever waits is told to look elsewhere.
    pub(super) fn follow(&self) {
        let mut state = self.state.lock();
        if let Some(leader) = state.leader.take() {
            state.known_high_watermark = leader.high_watermark();
        }
        state.release_all();
    }

    /// Lets everybody who waits look for himself: the directory has failed.
    pub(super) fn release(&self) {
        self.state.lock().release_all();
    }

    /// Takes over a changed configuration.
    pub(super) fn configure(self: &Arc<Self>, settings: Settings) {
        let mut state = self.state.lock();
        state.log.update_settings(settings.log);
        let min_insync = settings.min_insync;
        let turns_durable = state.settings.write_caching && !settings.write_caching;
        state.settings = settings;
        if let Some(leader) = &mut state.leader {
            leader.set_min_insync(min_insync);
        }
        let wakes = state.advance();
        drop(state);
        wakes.wake();
        if turns_durable {
            self.sync_soon();
        }
    }

    /// What the checkpoint files hold of this replica.
    pub(super) fn checkpoint_marks(&self) -> CheckpointMarks {
        self.state.lock().checkpoint_marks()
    }

    /// Closes files that were not used since the last call.
    pub(super) fn close_idle_files(&self) {
        if let Err(error) = self.state.lock().log.close_idle_files() {
            warn!(tp = %self.name, %error, "idle files cannot be closed");
        }
    }

    /// Syncs everything and writes what makes the next start quick.
    pub(super) fn close(&self) {
        // One sync of a log at a time.
        let _syncing = self.syncing.lock();
        let mut state = self.state.lock();
        // Nothing is appended behind what the clean-shutdown marker vouches for.
        if let Some(leader) = state.leader.take() {
            state.known_high_watermark = leader.high_watermark();
        }
        state.suspend_moving();
        state.release_all();
        if self.check_online().is_err() || state.deleted {
            return;
        }
        let Err(error) = state.log.close() else { return };
        let directory = self.directory();
        if state.log.is_poisoned() || !error.is_disk_failure() {
            // Damage of its own, which the next start has to look at; the others in the directory are sound.
            warn!(tp = %self.name, %error, "log is not closed cleanly");
            let CheckpointMarks { recovery_point, log_start, high_watermark } = state.checkpoint_marks();
            directory.keep(&self.name, [recovery_point, log_start, high_watermark]);
        } else {
            directory.log_directory().fail(io::Error::other(error.to_string()));
        }
    }
}

/// The epoch and offset from which the client's log and this one differ, if they do (KIP-595).
fn diverging(log: &Log, spec: FetchSpec) -> Option<(i32, i64)> {
    if spec.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end_offset) = log.epoch_end_offset(spec.last_fetched_epoch);
    let differs = epoch < spec.last_fetched_epoch || end_offset < spec.offset;
    (epoch >= 0 && differs).then_some((epoch, end_offset))
}
