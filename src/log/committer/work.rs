//! What a committer's threads do.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::{info, warn};

use super::rounds::{Journalling, Rounds, Small, TAIL_BYTES_MAX, Written};
use super::{Behind, Dirty, Phase, SETTLED_AT_A_TIME, Shared, Stage, State, Synced};
use crate::log::error::is_out_of_descriptors;
use crate::log::journal::{self, Journal};

/// What a worker does next.
enum Job {
    /// Syncs one log that somebody waits for.
    Sync(Arc<dyn Dirty>),
    /// Sorts the queue and writes to the journal what it takes.
    Round { rounds: Box<Rounds>, queued: Vec<Arc<dyn Dirty>>, is_other_settled: bool },
    /// Syncs one log that nobody waits for.
    Settle(Behind),
    /// Makes the journal.
    Make,
}

impl State {
    fn take_job(&mut self, journalling: Option<&Journalling>) -> Option<Job> {
        // Before the queue, which a busy disk never sees empty: the journal is for just that load, and with both halves
        // full it stays so until somebody settles. One thread at most is away for each.
        if self.phase == Phase::Running {
            if let (Stage::Wanted(syncs), Some(journalling)) = (&self.stage, journalling)
                && *syncs >= journalling.after_syncs
                && !self.is_journal_over
            {
                self.stage = Stage::Making;
                return Some(Job::Make);
            }
            if self.settling == 0
                && let Some(settle) = self.take_behind()
            {
                return Some(settle);
            }
        }
        if !self.queue.is_empty() {
            match std::mem::replace(&mut self.stage, Stage::Writing) {
                Stage::Ready(rounds) => {
                    let (queued, is_other_settled) = (self.queue.drain(..).collect(), self.unsettled == 0);
                    return Some(Job::Round { rounds, queued, is_other_settled });
                }
                // Who writes takes the queue next.
                Stage::Writing => {}
                stage @ (Stage::Wanted(_) | Stage::Making | Stage::Off) => {
                    self.stage = stage;
                    return self.queue.pop_front().map(Job::Sync);
                }
            }
        }
        if let Some(dirty) = self.direct.pop_front() {
            return Some(Job::Sync(dirty));
        }
        if self.phase == Phase::Running && self.settling < SETTLED_AT_A_TIME {
            self.take_behind()
        } else {
            None
        }
    }

    fn take_behind(&mut self) -> Option<Job> {
        let behind = self.behind.pop_front()?;
        self.settling += 1;
        Some(Job::Settle(behind))
    }
}

impl Shared {
    pub(super) fn work(self: &Arc<Self>) {
        while let Some(job) = self.next() {
            let result = catch_unwind(AssertUnwindSafe(|| self.run(job)))
                .unwrap_or_else(|_| Err(io::Error::other("sync panicked")));
            if let Err(error) = result {
                if self.die() {
                    (self.on_error)(error);
                }
                return;
            }
        }
    }

    /// Waits for something to do; none when it is time to end.
    fn next(self: &Arc<Self>) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.phase == Phase::Dead {
                return None;
            }
            if let Some(job) = state.take_job(self.journalling.as_ref()) {
                let is_waited_for = !state.queue.is_empty() || !state.direct.is_empty();
                if is_waited_for && matches!(job, Job::Make | Job::Settle(_)) {
                    self.call(&mut state, 1);
                }
                return Some(job);
            }
            if state.phase == Phase::Stopping {
                return None;
            }
            state.idle += 1;
            self.wake.wait(&mut state);
        }
    }

    fn run(self: &Arc<Self>, job: Job) -> io::Result<()> {
        match job {
            Job::Sync(dirty) => self.sync(dirty),
            Job::Round { rounds, queued, is_other_settled } => self.round(rounds, queued, is_other_settled),
            Job::Settle(behind) => self.settle(behind),
            Job::Make => self.make_journal(),
        }
    }

    fn sync(&self, dirty: Arc<dyn Dirty>) -> io::Result<()> {
        dirty.ticket().begin();
        let synced = dirty.sync()?;
        let is_small = matches!(synced, Synced::All { bytes } if bytes <= TAIL_BYTES_MAX);
        let is_marked = dirty.ticket().finish();
        let mut state = self.state.lock();
        if is_small && let Stage::Wanted(syncs) = &mut state.stage {
            *syncs = syncs.saturating_add(1);
        }
        // Whoever calls this goes on with the queue.
        if is_marked && state.phase != Phase::Dead {
            state.queue.push_back(dirty);
        }
        Ok(())
    }

    /// Sorts out whom the journal does not take and writes the others to it.
    fn round(
        self: &Arc<Self>,
        mut rounds: Box<Rounds>,
        queued: Vec<Arc<dyn Dirty>>,
        mut is_other_settled: bool,
    ) -> io::Result<()> {
        let mut small: VecDeque<Small> = VecDeque::with_capacity(queued.len());
        let mut direct = Vec::new();
        for dirty in queued {
            dirty.ticket().begin();
            match dirty.tail() {
                Some(tail) if tail.len() <= TAIL_BYTES_MAX => small.push_back((dirty, tail)),
                Some(_) | None => direct.push(dirty),
            }
        }
        // One of them without a detour over another thread.
        let own = if small.is_empty() { direct.pop() } else { None };
        if !direct.is_empty() {
            self.hand_over(direct);
        }
        while !small.is_empty() {
            match rounds.write(&mut small, is_other_settled) {
                Ok(written) => is_other_settled = self.written(written),
                Err(error) => {
                    self.release(Stage::Off, 0);
                    return Err(error);
                }
            }
        }
        self.release(Stage::Ready(rounds), own.iter().len());
        own.map_or(Ok(()), |dirty| self.sync(dirty))
    }

    /// Has other workers sync `direct`.
    fn hand_over(self: &Arc<Self>, direct: Vec<Arc<dyn Dirty>>) {
        let mut state = self.state.lock();
        let calls = direct.len();
        state.direct.extend(direct);
        self.call(&mut state, calls);
    }

    /// Takes note of an entry; says whether the other half of the journal may be written.
    fn written(self: &Arc<Self>, written: Written) -> bool {
        let again: Vec<_> = written.done.into_iter().filter(|dirty| dirty.ticket().finish()).collect();
        let mut state = self.state.lock();
        state.queue.extend(again);
        let mut calls = written.unwritten.len();
        state.direct.extend(written.unwritten);
        if let Some(to_settle) = written.to_settle {
            state.unsettled = to_settle.len();
            calls += to_settle.len().min(SETTLED_AT_A_TIME.saturating_sub(state.settling));
            state.behind.extend(to_settle.into_iter().map(|dirty| Behind { dirty, is_counted: true }));
        }
        self.call(&mut state, calls);
        state.unsettled == 0
    }

    /// Takes note of what became of an attempt to have a log forgotten; false if it has to be made again.
    pub(super) fn forgotten(
        self: &Arc<Self>,
        rounds: Box<Rounds>,
        forgotten: io::Result<Option<Written>>,
    ) -> io::Result<bool> {
        match forgotten {
            Ok(written) => {
                let is_done = written.is_some();
                self.written(written.unwrap_or_default());
                self.release(Stage::Ready(rounds), 1);
                Ok(is_done)
            }
            Err(error) => {
                self.release(Stage::Off, 0);
                let told = io::Error::new(error.kind(), error.to_string());
                if self.die() {
                    (self.on_error)(error);
                }
                Err(told)
            }
        }
    }

    /// Lets the next one write to the journal; `calls` others, if this worker is not free to go on with the queue.
    fn release(self: &Arc<Self>, stage: Stage, calls: usize) {
        let mut state = self.state.lock();
        state.stage = stage;
        if !state.queue.is_empty() {
            self.call(&mut state, calls);
        }
        drop(state);
        self.journal_is_free.notify_all();
    }

    fn settle(&self, behind: Behind) -> io::Result<()> {
        let synced = match behind.dirty.upgrade() {
            Some(dirty) => dirty.sync()?,
            // It was deleted.
            None => Synced::All { bytes: 0 },
        };
        let mut state = self.state.lock();
        state.settling -= 1;
        match synced {
            Synced::All { .. } if behind.is_counted => state.unsettled -= 1,
            Synced::Postponed if behind.is_counted => state.postponed.push(behind.dirty),
            Synced::All { .. } | Synced::Postponed => {}
        }
        if state.unsettled == 0 {
            drop(state);
            self.journal_is_free.notify_all();
        }
        Ok(())
    }

    fn make_journal(self: &Arc<Self>) -> io::Result<()> {
        let (stage, result) = match self.try_make_journal() {
            Ok(Some(rounds)) => (Stage::Ready(Box::new(rounds)), Ok(())),
            Ok(None) => (Stage::Off, Ok(())),
            Err(error) => (Stage::Off, Err(error)),
        };
        self.release(stage, 0);
        result
    }

    /// Makes the journal; none if there is no room for it, which is no failure: it saves time only.
    fn try_make_journal(&self) -> io::Result<Option<Rounds>> {
        let Some(Journalling { disk, dir, half_bytes, random, .. }) = &self.journalling else {
            return Ok(None);
        };
        let goes_on = || {
            let state = self.state.lock();
            state.phase == Phase::Running && !state.is_journal_over
        };
        let is_there_room =
            disk.space(dir).is_ok_and(|space| space.usable >= SPACE_FACTOR.saturating_mul(*half_bytes));
        if !is_there_room {
            info!(dir = %dir.display(), "no journal is made, the disk is nearly full");
            return Ok(None);
        }
        match Journal::create(&**disk, dir, *half_bytes, random, &goes_on) {
            Ok(journal) => Ok(Some(Rounds::new(journal))),
            Err(error) if is_no_failure(&error) => {
                warn!(dir = %dir.display(), %error, "journal cannot be made");
                match journal::discard(disk, dir) {
                    // What is left of it holds no entry.
                    Err(error) if !is_no_failure(&error) => Err(error),
                    Err(_) | Ok(_) => Ok(None),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// How many times the bytes of a half have to be free for a journal to be made.
const SPACE_FACTOR: u64 = 20;

/// Whether the disk itself is sound after `error`.
fn is_no_failure(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, Interrupted, QuotaExceeded, StorageFull};
    matches!(error.kind(), Interrupted | StorageFull | QuotaExceeded | FileTooLarge)
        || is_out_of_descriptors(error)
}
