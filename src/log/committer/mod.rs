//! Makes appended bytes durable, off the path of the append: one committer per log directory.
//!
//! What was appended to while its sync runs is synced again right after, so the running sync is the group-commit
//! window; there is no timer, and a lone append waits for nobody. Short tails of several logs share an entry of the
//! directory's [journal](super::journal), one entry at a time; their own files are synced later, before the journal's
//! half is written again. Everything else is synced in its own file, several at a time, for a journalling file system
//! merges commits that run together. One log is never synced twice at a time.

pub(super) mod rounds;
mod ticket;
mod work;

#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};
use tracing::warn;

use super::journal;
use super::tail::Tail;
use crate::base::id::TopicId;
use rounds::Rounds;

pub use rounds::Journalling;
pub use ticket::Ticket;

/// Logs of one directory that are synced at a time. 4 files at a time gave 2.4 times, 16 gave 4.3 times the syncs per
/// second of one, 64 hardly more.
pub const SYNCS_AT_A_TIME: usize = 16;

/// Logs that are synced at a time though nobody waits for them.
const SETTLED_AT_A_TIME: usize = 4;

/// Something with unsynced bytes.
pub trait Dirty: Send + Sync {
    /// Its place in the committer's queue.
    fn ticket(&self) -> &Ticket;

    /// Syncs what is appended by now in its own files and wakes who waits for it. Called on a committer's thread, by
    /// several at a time; one has to wait for the other.
    fn sync(&self) -> io::Result<Synced>;

    /// What a journal would have to hold instead of a sync; none if only a sync will do.
    fn tail(&self) -> Option<Tail>;

    /// The journal holds `tail`: wakes who waits for it.
    fn journalled(&self, tail: &Tail);
}

/// What became of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// All that was appended before is on the device.
    All {
        /// How much that was since the sync before, in bytes.
        bytes: usize,
    },
    /// It could not be done now, and nothing is lost; the owner sees to it that it is tried again.
    Postponed,
}

/// Called with the first error of a sync.
pub type OnError = Box<dyn Fn(io::Error) + Send + Sync>;

/// The handle; dropping it without [`Committer::stop`] abandons what is queued.
pub struct Committer {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    journalling: Option<Journalling>,
    state: Mutex<State>,
    wake: Condvar,
    /// Told when nobody uses the journal any more.
    journal_is_free: Condvar,
    on_error: OnError,
}

#[derive(Default)]
struct State {
    /// Whoever was appended to.
    queue: VecDeque<Arc<dyn Dirty>>,
    /// Those of them whom the journal does not take.
    direct: VecDeque<Arc<dyn Dirty>>,
    /// Whose own files are behind the journal, or who has not been synced for long; nobody waits for these.
    behind: VecDeque<Behind>,
    /// How many workers are at the syncs that nobody waits for.
    settling: usize,
    /// Logs that the half speaks of that is not being written, and that have not been synced since.
    unsettled: usize,
    /// Those of them whose sync has to be tried again.
    postponed: Vec<Weak<dyn Dirty>>,
    stage: Stage,
    /// No journal is made any more.
    is_journal_over: bool,
    workers: Vec<JoinHandle<()>>,
    /// Workers that wait for work and have not been called.
    idle: usize,
    phase: Phase,
}

/// A log to be synced though nobody waits for it.
struct Behind {
    dirty: Weak<dyn Dirty>,
    /// Whether it counts among [`State::unsettled`].
    is_counted: bool,
}

/// What there is of a journal.
enum Stage {
    /// None; so many small syncs have spoken for one.
    Wanted(u32),
    /// A worker makes it.
    Making,
    /// It waits for the next round.
    Ready(Box<Rounds>),
    /// A worker writes to it.
    Writing,
    /// There will be none any more.
    Off,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Wanted(0)
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    /// The queue is worked off, then the workers end.
    Stopping,
    /// A sync failed, or nobody is interested any more: nothing is synced again.
    Dead,
}

impl Committer {
    /// Starts the first thread; more follow when there is work for them. `on_error` is called once, when a sync
    /// fails; nothing is synced after that.
    pub fn start(name: &str, journalling: Option<Journalling>, on_error: OnError) -> io::Result<Self> {
        let stage = if journalling.is_some() { Stage::default() } else { Stage::Off };
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            journalling,
            state: Mutex::new(State { stage, ..State::default() }),
            wake: Condvar::new(),
            journal_is_free: Condvar::new(),
            on_error,
        });
        Shared::spawn_worker(&shared, &mut shared.state.lock())?;
        Ok(Self { shared })
    }

    /// Has `dirty` made durable soon; to be called after the append. Cheap when it is queued already.
    pub fn mark<D: Dirty + 'static>(&self, dirty: &Arc<D>) {
        if dirty.ticket().mark() {
            self.shared.enqueue(Arc::<D>::clone(dirty));
        }
    }

    /// Whether syncs of [`Committer::settle`] wait for its next call.
    pub fn has_postponed(&self) -> bool {
        let state = self.shared.state.lock();
        !(state.postponed.is_empty() && state.behind.is_empty())
    }

    /// Has each of `dirty` synced in its own files some time, and those again whose sync had to be postponed.
    pub fn settle<D: Dirty + 'static>(&self, dirty: impl IntoIterator<Item = Weak<D>>) {
        let mut state = self.shared.state.lock();
        if state.phase != Phase::Running {
            return;
        }
        let again = std::mem::take(&mut state.postponed);
        state.behind.extend(again.into_iter().map(|dirty| Behind { dirty, is_counted: true }));
        state.behind.extend(dirty.into_iter().map(|dirty| Behind { dirty, is_counted: false }));
        let calls = state.behind.len().min(SETTLED_AT_A_TIME.saturating_sub(state.settling));
        self.shared.call(&mut state, calls);
    }

    /// Lets nothing that is in the journal by now speak of a log, durably; its owner then calls
    /// [`Log::forgotten_by_journal`](super::Log::forgotten_by_journal) and may cut it. The log must have been synced in its own files, and is not
    /// appended to meanwhile. Waits for the disk.
    pub fn forget(&self, topic_id: TopicId, dir_name: &str) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        loop {
            if state.phase == Phase::Dead {
                return Err(io::Error::other("an earlier sync has failed"));
            }
            match std::mem::replace(&mut state.stage, Stage::Writing) {
                Stage::Ready(mut rounds) => {
                    let is_other_settled = state.unsettled == 0;
                    drop(state);
                    let forgotten = rounds.forget(topic_id, dir_name, is_other_settled);
                    if self.shared.forgotten(rounds, forgotten)? {
                        return Ok(());
                    }
                    state = self.shared.state.lock();
                    if state.unsettled > 0 {
                        self.shared.journal_is_free.wait(&mut state);
                    }
                }
                busy @ (Stage::Writing | Stage::Making) => {
                    state.stage = busy;
                    self.shared.journal_is_free.wait(&mut state);
                }
                none @ (Stage::Wanted(_) | Stage::Off) => {
                    state.stage = none;
                    return Ok(());
                }
            }
        }
    }

    /// Removes the journal, durably; to be called when every log was synced in its own files and nothing is appended
    /// any more.
    pub fn remove_journal(&self) -> io::Result<()> {
        let Some(journalling) = &self.shared.journalling else { return Ok(()) };
        let mut state = self.shared.state.lock();
        state.is_journal_over = true;
        while matches!(state.stage, Stage::Making | Stage::Writing) {
            self.shared.journal_is_free.wait(&mut state);
        }
        state.stage = Stage::Off;
        drop(state);
        journal::discard(&journalling.disk, &journalling.dir).map(drop)
    }

    /// Syncs what is queued and ends the threads. What is marked later is not synced.
    pub fn stop(self) {
        let mut state = self.shared.state.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Stopping;
        }
        let workers = std::mem::take(&mut state.workers);
        drop(state);
        self.shared.wake.notify_all();
        for worker in workers {
            worker.join().expect("a worker catches the panics of what it runs");
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // No sync and no waiting here: dropping may happen anywhere. After stop nothing is left to do.
        self.shared.die();
    }
}

impl Shared {
    fn spawn_worker(shared: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let name = format!("{}-{}", shared.name, state.workers.len());
        let shared = Arc::clone(shared);
        let worker = thread::Builder::new().name(name).spawn(move || shared.work())?;
        state.workers.push(worker);
        Ok(())
    }

    fn enqueue(self: &Arc<Self>, dirty: Arc<dyn Dirty>) {
        let mut state = self.state.lock();
        if state.phase != Phase::Running {
            return;
        }
        state.queue.push_back(dirty);
        if matches!(state.stage, Stage::Writing) {
            // Who writes the journal comes to it afterwards.
        } else if state.idle > 0 {
            state.idle -= 1;
            drop(state);
            // Without the lock, which is the first thing that the worker wants.
            self.wake.notify_one();
        } else {
            self.call(&mut state, 1);
        }
    }

    /// Sees to it that up to `count` more workers look for work.
    fn call(self: &Arc<Self>, state: &mut State, count: usize) {
        for _ in 0..count {
            if state.idle > 0 {
                state.idle -= 1;
                self.wake.notify_one();
            } else if state.workers.len() < SYNCS_AT_A_TIME {
                if let Err(error) = Self::spawn_worker(self, state) {
                    // The workers that run will come to it.
                    warn!(%error, committer = %self.name, "cannot start another thread");
                    return;
                }
            } else {
                return;
            }
        }
    }

    /// Ends everything without a sync; true if it was not dead before.
    fn die(&self) -> bool {
        let mut state = self.state.lock();
        let was_alive = state.phase != Phase::Dead;
        state.phase = Phase::Dead;
        let abandoned = (std::mem::take(&mut state.queue), std::mem::take(&mut state.direct));
        drop(state);
        self.wake.notify_all();
        // Whoever waits for it learns that it does not come.
        self.journal_is_free.notify_all();
        // Outside of the lock: the last owner of a log may go with it.
        drop(abandoned);
        was_alive
    }
}
