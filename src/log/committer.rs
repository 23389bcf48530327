//! Makes appended bytes durable, off the path of the append: one committer per log directory.
//!
//! What was appended to while its sync runs is synced again right after, so the running sync is the group-commit
//! window; there is no timer, and a lone append waits for nobody. Several logs are synced at a time, for a journalling
//! file system merges commits that run together. One log is never synced twice at a time.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};
use tracing::warn;

/// Logs of one directory that are synced at a time. 4 files at a time gave 2.4 times, 16 gave 4.3 times the syncs per
/// second of one, 64 hardly more.
pub const SYNCS_AT_A_TIME: usize = 16;

/// Something with unsynced bytes.
pub trait Dirty: Send + Sync {
    /// Its place in the committer's queue.
    fn ticket(&self) -> &Ticket;

    /// Syncs what is appended by now and wakes who waits for it. Called on a committer's thread, by one at a time.
    fn sync(&self) -> io::Result<()>;
}

/// Where a [`Dirty`] stands; belongs to one committer.
#[derive(Debug, Default)]
pub struct Ticket(AtomicU8);

/// Not waiting for a sync.
const IDLE: u8 = 0;
/// In the queue, or to be put there by the worker that syncs it now.
const QUEUED: u8 = 1;
/// Being synced, and not appended to since that began.
const SYNCING: u8 = 2;

impl Ticket {
    /// Notes an append; true if its owner has to be put in the queue.
    fn mark(&self) -> bool {
        let marked = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            IDLE | SYNCING => Some(QUEUED),
            _ => None,
        });
        marked == Ok(IDLE)
    }

    fn begin(&self) {
        // Before the sync looks at the log's end: an append after that look finds SYNCING and is not lost.
        self.0.store(SYNCING, Ordering::Release);
    }

    /// True if its owner has to be put in the queue again.
    fn finish(&self) -> bool {
        self.0.compare_exchange(SYNCING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err()
    }
}

/// Called with the first error of a sync.
pub type OnError = Box<dyn Fn(io::Error) + Send + Sync>;

/// The handle; dropping it without [`Committer::stop`] abandons what is queued.
pub struct Committer {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    state: Mutex<State>,
    wake: Condvar,
    on_error: OnError,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Dirty>>,
    workers: Vec<JoinHandle<()>>,
    /// Workers that wait for work and have not been called.
    idle: usize,
    phase: Phase,
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
    pub fn start(name: &str, on_error: OnError) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            state: Mutex::default(),
            wake: Condvar::new(),
            on_error,
        });
        Shared::spawn_worker(&shared, &mut shared.state.lock())?;
        Ok(Self { shared })
    }

    /// Has `dirty` synced soon; to be called after the append. Cheap when it is queued already.
    pub fn mark<D: Dirty + 'static>(&self, dirty: &Arc<D>) {
        if dirty.ticket().mark() {
            self.shared.enqueue(Arc::<D>::clone(dirty));
        }
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
        if state.idle > 0 {
            state.idle -= 1;
            drop(state);
            self.wake.notify_one();
        } else if state.workers.len() < SYNCS_AT_A_TIME
            && let Err(error) = Self::spawn_worker(self, &mut state)
        {
            // The workers that run will come to it.
            warn!(%error, committer = %self.name, "cannot start another thread");
        }
    }

    fn work(&self) {
        while let Some(dirty) = self.next() {
            dirty.ticket().begin();
            let result = catch_unwind(AssertUnwindSafe(|| dirty.sync()))
                .unwrap_or_else(|_| Err(io::Error::other("sync panicked")));
            match result {
                Ok(()) if dirty.ticket().finish() => self.put_back(dirty),
                Ok(()) => {}
                Err(error) => {
                    if self.die() {
                        (self.on_error)(error);
                    }
                    return;
                }
            }
        }
    }

    /// Waits for something to sync; none when it is time to end.
    fn next(&self) -> Option<Arc<dyn Dirty>> {
        let mut state = self.state.lock();
        loop {
            match state.phase {
                Phase::Dead => return None,
                Phase::Running | Phase::Stopping => {}
            }
            if let Some(dirty) = state.queue.pop_front() {
                return Some(dirty);
            }
            if state.phase == Phase::Stopping {
                return None;
            }
            state.idle += 1;
            self.wake.wait(&mut state);
        }
    }

    /// Queues what was appended to during its sync; the worker that calls this goes on with the queue.
    fn put_back(&self, dirty: Arc<dyn Dirty>) {
        let mut state = self.state.lock();
        if state.phase != Phase::Dead {
            state.queue.push_back(dirty);
        }
    }

    /// Ends everything without a sync; true if it was not dead before.
    fn die(&self) -> bool {
        let mut state = self.state.lock();
        let was_alive = state.phase != Phase::Dead;
        state.phase = Phase::Dead;
        let abandoned = std::mem::take(&mut state.queue);
        drop(state);
        self.wake.notify_all();
        // Outside of the lock: the last owner of a log may go with it.
        drop(abandoned);
        was_alive
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Barrier, Weak};

    use super::*;

    /// Counts appends and, when told to go on, how many of them a sync has covered.
    struct Log {
        ticket: Ticket,
        appended: AtomicU64,
        synced: AtomicU64,
        syncing: AtomicBool,
        syncs: AtomicU64,
        body: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
    }

    impl Log {
        fn new(body: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
            Arc::new(Self {
                ticket: Ticket::default(),
                appended: AtomicU64::new(0),
                synced: AtomicU64::new(0),
                syncing: AtomicBool::new(false),
                syncs: AtomicU64::new(0),
                body: Box::new(body),
            })
        }

        fn append(self: &Arc<Self>, committer: &Committer) {
            self.appended.fetch_add(1, Ordering::SeqCst);
            committer.mark(self);
        }

        fn synced(&self) -> u64 {
            self.synced.load(Ordering::SeqCst)
        }
    }

    impl Dirty for Log {
        fn ticket(&self) -> &Ticket {
            &self.ticket
        }

        fn sync(&self) -> io::Result<()> {
            assert!(!self.syncing.swap(true, Ordering::SeqCst), "synced twice at a time");
            let appended = self.appended.load(Ordering::SeqCst);
            let result = (self.body)();
            self.synced.store(appended, Ordering::SeqCst);
            self.syncs.fetch_add(1, Ordering::SeqCst);
            self.syncing.store(false, Ordering::SeqCst);
            result
        }
    }

    fn start() -> (Committer, Receiver<String>) {
        let (errors, receiver) = channel();
        let on_error = Box::new(move |error: io::Error| errors.send(error.to_string()).unwrap());
        (Committer::start("test", on_error).unwrap(), receiver)
    }

    /// A sync body that says when it begins and ends when it is told to.
    fn gated() -> (impl Fn() -> io::Result<()> + Send + Sync, Receiver<()>, Sender<()>) {
        let (began, has_begun) = channel();
        let (go, may_go) = channel::<()>();
        let ends = Mutex::new((began, may_go));
        let body = move || {
            let ends = ends.lock();
            ends.0.send(()).unwrap();
            ends.1.recv().map_err(io::Error::other)
        };
        (body, has_begun, go)
    }

    #[test]
    fn stop_waits_until_all_that_was_marked_is_synced() {
        let (committer, errors) = start();
        let logs: Vec<_> = (0..200).map(|_| Log::new(|| Ok(()))).collect();
        for _ in 0..50 {
            logs.iter().for_each(|log| log.append(&committer));
        }
        committer.stop();
        assert!(logs.iter().all(|log| log.synced() == 50));
        assert!(errors.try_recv().is_err());
    }

    #[test]
    fn appends_during_a_sync_share_the_next_one() {
        let (committer, _errors) = start();
        let (body, has_begun, go) = gated();
        let log = Log::new(body);
        log.append(&committer);
        has_begun.recv().unwrap();
        for _ in 0..10 {
            log.append(&committer);
        }
        go.send(()).unwrap();
        has_begun.recv().unwrap();
        assert_eq!(log.synced(), 1);
        go.send(()).unwrap();
        committer.stop();
        assert_eq!((log.synced(), log.syncs.load(Ordering::SeqCst)), (11, 2));
    }

    #[test]
    fn a_slow_log_does_not_hold_up_the_others() {
        let (committer, _errors) = start();
        let (body, has_begun, go) = gated();
        let slow = Log::new(body);
        slow.append(&committer);
        has_begun.recv().unwrap();
        // Ends only if all of them run at the same time.
        let meeting = Arc::new(Barrier::new(SYNCS_AT_A_TIME));
        for _ in 0..SYNCS_AT_A_TIME - 1 {
            let meeting = Arc::clone(&meeting);
            Log::new(move || {
                meeting.wait();
                Ok(())
            })
            .append(&committer);
        }
        meeting.wait();
        go.send(()).unwrap();
        committer.stop();
    }

    #[test]
    fn nothing_is_synced_after_an_error_which_is_reported_once() {
        let (committer, errors) = start();
        let broken = Log::new(|| Err(io::Error::other("no medium")));
        broken.append(&committer);
        assert_eq!(errors.recv().unwrap(), "no medium");
        let sound = Log::new(|| Ok(()));
        sound.append(&committer);
        broken.append(&committer);
        committer.stop();
        assert_eq!((sound.synced(), broken.syncs.load(Ordering::SeqCst)), (0, 1));
        assert!(errors.recv().is_err(), "the committer is gone and told no second error");
    }

    #[test]
    fn a_panic_in_a_sync_counts_as_an_error() {
        let (committer, errors) = start();
        Log::new(|| panic!("a bug")).append(&committer);
        assert_eq!(errors.recv().unwrap(), "sync panicked");
        committer.stop();
    }

    #[test]
    fn a_dropped_committer_lets_go_of_what_it_queued() {
        let (committer, _errors) = start();
        let (body, has_begun, go) = gated();
        let log = Log::new(body);
        let watched: Weak<Log> = Arc::downgrade(&log);
        log.append(&committer);
        has_begun.recv().unwrap();
        log.append(&committer);
        let shared = Arc::downgrade(&committer.shared);
        let workers = std::mem::take(&mut committer.shared.state.lock().workers);
        drop((committer, log));
        go.send(()).unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(watched.upgrade().is_none() && shared.upgrade().is_none());
    }
}
