//! One replica: its log, its replication state, and who waits on it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::directory::Directory;
use super::error::{Error, FetchError};
use super::settings::Settings;
use crate::base::id::{TopicId, TopicPartition};
use crate::log::committer::{Dirty, Ticket};
use crate::log::read::ReadPlan;
use crate::log::{AppendError, Appended, Log};
use crate::purgatory::{Arrivals, Countdown, Offsets};
use crate::replication::LeaderState;
use crate::wire::batch::Batch;

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
    /// (producer id, first offset) of aborted transactions, under read_committed.
    pub aborted: Option<Vec<(i64, i64)>>,
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

/// One replica on this node.
pub struct Replica {
    name: TopicPartition,
    topic_id: TopicId,
    directory: Arc<Directory>,
    state: Mutex<State>,
    /// This replica's place in the committer's queue.
    ticket: Ticket,
    /// Whether the replica is on its directory's list for later.
    is_marked_later: AtomicBool,
}

struct State {
    log: Log,
    leader: Option<LeaderState>,
    settings: Settings,
    /// Appends that ended here must be on disk before they count (`flush.messages` under write caching).
    flush_barrier: Option<Barrier>,
    produced: Offsets,
    arrivals: Arrivals,
    deleted: bool,
}

#[derive(Clone, Copy)]
struct Barrier {
    start: i64,
    end: i64,
}

impl State {
    /// The end of what this replica itself vouches for.
    fn local_acknowledged(&self) -> i64 {
        let flushed = self.log.flushed_offset();
        if !self.settings.write_caching {
            return flushed;
        }
        match self.flush_barrier {
            Some(barrier) if flushed < barrier.end => barrier.start.max(flushed),
            Some(_) | None => self.log.end_offset(),
        }
    }

    /// Moves the high watermark as far as the replicas allow, and wakes who waited for it.
    fn advance(&mut self) {
        let acknowledged = self.local_acknowledged();
        let Some(leader) = &mut self.leader else { return };
        if let Some(high_watermark) = leader.local_acknowledged(acknowledged) {
            self.produced.reached(high_watermark);
            self.arrivals.wake();
        }
    }

    fn watermarks(&self, leader: &LeaderState) -> Watermarks {
        let high_watermark = leader.high_watermark();
        let open = self.log.first_open_transaction();
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
        settings: Settings,
    ) -> Arc<Self> {
        let state = State {
            log,
            leader: None,
            settings,
            flush_barrier: None,
            produced: Offsets::default(),
            arrivals: Arrivals::default(),
            deleted: false,
        };
        Arc::new(Self {
            name,
            topic_id,
            directory,
            state: Mutex::new(state),
            ticket: Ticket::default(),
            is_marked_later: AtomicBool::new(false),
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
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Appends one validated batch as the leader, and says what it became. The caller then waits with
    /// [`Replica::wait_committed`] if its client wants to.
    pub fn append(self: &Arc<Self>, batch: &Batch, all_in_sync: bool, now_ms: i64) -> Result<Appended, Error> {
        let mut state = self.state.lock();
        self.directory.check_online()?;
        let leader = state.leader_for(-1)?;
        if all_in_sync {
            leader.check_enough_in_sync()?;
        }
        let epoch = leader.epoch();
        let start = state.log.end_offset();
        let appended = match state.log.append_as_leader(batch, epoch, now_ms) {
            Ok(appended) => appended,
            Err(error) => return Err(self.append_error(error)),
        };
        if appended.duplicate {
            return Ok(appended);
        }
        if state.settings.write_caching {
            let unflushed = state.log.end_offset() - state.log.flushed_offset();
            if unflushed >= state.settings.log.flush_messages {
                state.flush_barrier = Some(Barrier { start, end: state.log.end_offset() });
                self.sync_soon();
            } else if state.log.unflushed_bytes() >= super::BACKGROUND_FLUSH_BYTES {
                self.sync_soon();
            } else {
                self.sync_later();
            }
            state.advance();
        } else {
            self.sync_soon();
        }
        Ok(appended)
    }

    fn append_error(&self, error: AppendError) -> Error {
        if let AppendError::Storage(why) = error {
            self.directory.log_directory().fail(why);
            return Error::Storage;
        }
        Error::Append(error)
    }

    /// Has the committer sync this replica.
    pub(super) fn sync_soon(self: &Arc<Self>) {
        self.is_marked_later.store(false, Ordering::Release);
        self.directory.committer().mark(self);
    }

    fn sync_later(self: &Arc<Self>) {
        if !self.is_marked_later.swap(true, Ordering::AcqRel) {
            self.directory.mark_later(self);
        }
    }

    /// Calls `countdown.done()` once everything up to and including `last_offset` is committed, or the
    /// replica can no longer commit it.
    pub fn wait_committed(&self, last_offset: i64, countdown: &Arc<Countdown>) {
        let mut state = self.state.lock();
        let committed = state.leader.as_ref().is_none_or(|l| l.high_watermark() > last_offset);
        if committed || state.deleted || self.directory.check_online().is_err() {
            drop(state);
            countdown.done();
        } else {
            state.produced.add(last_offset + 1, countdown.clone());
        }
    }

    /// What an acks=all append of `last_offset` in `leader_epoch` has come to.
    pub fn committed(&self, last_offset: i64) -> Result<bool, Error> {
        let state = self.state.lock();
        self.directory.check_online()?;
        let leader = state.leader_for(-1)?;
        if leader.high_watermark() <= last_offset {
            return Ok(false);
        }
        leader.check_enough_in_sync().map_err(|_| Error::NotEnoughReplicasAfterAppend)?;
        Ok(true)
    }

    /// Plans a read; cheap, nothing is read from disk under the lock.
    pub fn fetch(&self, spec: FetchSpec) -> Result<Fetched, FetchError> {
        let state = self.state.lock();
        let found = self.directory.check_online().map_err(Error::from).and_then(|()| {
            let leader = state.leader_for(spec.current_leader_epoch)?;
            Ok((leader.epoch(), state.watermarks(leader)))
        });
        let (epoch, marks) = found.map_err(|error| FetchError { error, marks: None })?;
        let failed = |error| FetchError { error, marks: Some(marks) };
        if let Some(diverging) = diverging(&state.log, spec, epoch).map_err(failed)? {
            return Ok(Fetched { plan: None, marks, diverging: Some(diverging), aborted: None });
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
            state.log.plan_read(spec.offset, spec.bytes_max, up_to, spec.whole_first_batch).map_err(|_| failed(Error::OffsetOutOfRange))?
        };
        let aborted = matches!(spec.isolation, Isolation::ReadCommitted).then(Vec::new);
        Ok(Fetched { plan, marks, diverging: None, aborted })
    }

    /// Wakes `signal` once when there is more to read, or the replica stops serving.
    pub fn signal_arrival(&self, signal: &Signal) {
        self.state.lock().arrivals.add(signal);
    }

    /// The offsets that clients see.
    pub fn watermarks(&self, client_epoch: i32) -> Result<Watermarks, Error> {
        let state = self.state.lock();
        self.directory.check_online()?;
        let leader = state.leader_for(client_epoch)?;
        Ok(state.watermarks(leader))
    }

    /// Becomes leader, or goes on as one, in `epoch`.
    pub(super) fn lead(&self, leadership: Leadership) {
        let mut state = self.state.lock();
        if state.leader.as_ref().is_some_and(|l| l.epoch() == leadership.epoch) {
            return;
        }
        state.leader = Some(LeaderState::new(leadership));
        state.advance();
    }
}

impl Dirty for Replica {
    fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    fn sync(&self) -> io::Result<()> {
        let Some(flush) = self.state.lock().log.begin_flush() else { return Ok(()) };
        flush.run()?;
        let mut state = self.state.lock();
        state.log.flushed(flush.offset);
        state.advance();
        Ok(())
    }
}
