use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

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

    fn tail(&self) -> Option<Tail> {
        None
    }

    fn journalled(&self, _tail: &Tail) {}

    fn sync(&self) -> io::Result<Synced> {
        assert!(!self.syncing.swap(true, Ordering::SeqCst), "synced twice at a time");
        let appended = self.appended.load(Ordering::SeqCst);
        let result = (self.body)();
        self.synced.store(appended, Ordering::SeqCst);
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.syncing.store(false, Ordering::SeqCst);
        result.map(|()| Synced::All { bytes: 1 })
    }
}

fn start() -> (Committer, Receiver<String>) {
    let (errors, receiver) = channel();
    let on_error = Box::new(move |error: io::Error| errors.send(error.to_string()).unwrap());
    (Committer::start("test", None, on_error).unwrap(), receiver)
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
