//! A request that is answered when each of its partitions has given its result.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The request's end: collects one result per partition. Dropping it abandons the tickets.
#[derive(Debug)]
pub struct Countdown<T> {
    shared: Arc<Shared<T>>,
    tickets: usize,
}

#[derive(Debug)]
struct Shared<T> {
    results: Mutex<Vec<Option<T>>>,
    /// Tickets that are out, plus one for the request until it waits.
    pending: AtomicUsize,
    all_done: Notify,
}

/// A partition's end: takes one result. Dropped without one, it counts as done and its result stays none, so no
/// request waits for a partition that is gone.
#[derive(Debug)]
pub struct Ticket<T> {
    shared: Weak<Shared<T>>,
    slot: usize,
}

impl<T> Default for Countdown<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Countdown<T> {
    /// No partitions yet.
    pub fn new() -> Self {
        let shared =
            Shared { results: Mutex::new(Vec::new()), pending: AtomicUsize::new(1), all_done: Notify::new() };
        Self { shared: Arc::new(shared), tickets: 0 }
    }

    /// Adds a partition; its result will stand at the number of tickets that were given before.
    pub fn ticket(&mut self) -> Ticket<T> {
        let slot = self.tickets;
        self.tickets += 1;
        self.shared.results.lock().push(None);
        self.shared.pending.fetch_add(1, Ordering::AcqRel);
        Ticket { shared: Arc::downgrade(&self.shared), slot }
    }

    /// Waits for all results, at most `timeout`, and gives them in the order of the tickets; none where a partition
    /// was too late or is gone.
    pub async fn wait(self, timeout: Duration) -> Vec<Option<T>> {
        if !self.shared.count_down() {
            // A timeout shows as missing results.
            let _ = tokio::time::timeout(timeout, self.shared.all_done.notified()).await;
        }
        std::mem::take(&mut *self.shared.results.lock())
    }
}

impl<T> Shared<T> {
    /// True for the last one.
    fn count_down(&self) -> bool {
        self.pending.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl<T> Ticket<T> {
    /// Gives the partition's result; the last one wakes the request.
    pub fn done(self, result: T) {
        if let Some(shared) = self.shared.upgrade()
            && let Some(slot) = shared.results.lock().get_mut(self.slot)
        {
            *slot = Some(result);
        }
    }

    /// Whether the request still waits.
    pub fn is_awaited(&self) -> bool {
        self.shared.strong_count() > 0
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade()
            && shared.count_down()
        {
            shared.all_done.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn the_last_result_ends_the_wait() {
        let mut countdown = Countdown::new();
        let (a, b, c) = (countdown.ticket(), countdown.ticket(), countdown.ticket());
        b.done("b");
        let waiting = tokio::spawn(countdown.wait(LONG));
        tokio::task::yield_now().await;
        a.done("a");
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(c);
        assert_eq!(waiting.await.unwrap(), [Some("a"), Some("b"), None], "c is gone");
    }

    #[tokio::test]
    async fn without_open_tickets_nothing_is_awaited() {
        let mut countdown = Countdown::new();
        countdown.ticket().done(1);
        countdown.ticket().done(2);
        let waiting = countdown.wait(LONG);
        assert_eq!(tokio::time::timeout(Duration::ZERO, waiting).await.unwrap(), [Some(1), Some(2)]);
        assert_eq!(Countdown::<u8>::new().wait(Duration::ZERO).await, []);
    }

    #[tokio::test]
    async fn at_the_timeout_the_request_takes_what_there_is() {
        let mut countdown = Countdown::new();
        let (early, late) = (countdown.ticket(), countdown.ticket());
        early.done(1);
        assert_eq!(countdown.wait(Duration::ZERO).await, [Some(1), None]);
        assert!(!late.is_awaited());
        late.done(2);
    }
}
