//! Fetch requests that wait for any of their partitions to have something new.

use std::sync::Arc;

use tokio::sync::Notify;

/// Below this many waiters no clean-up is tried.
const CLEAN_UP_FROM: usize = 16;

/// One waiting request, registered with each of its partitions.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<Notify>);

impl Signal {
    /// Completes when a partition has woken the request since the last time.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

/// The requests that wait for one partition.
#[derive(Debug, Default)]
pub struct Arrivals {
    waiting: Vec<Signal>,
    clean_up_at: usize,
}

impl Arrivals {
    /// Wakes `signal` at the next arrival, once.
    ///
    /// A request that has gone leaves its entry behind; entries that nobody holds any more are swept out when
    /// their number has doubled, so they never outnumber the living by much.
    pub fn add(&mut self, signal: &Signal) {
        if self.waiting.len() >= self.clean_up_at.max(CLEAN_UP_FROM) {
            self.waiting.retain(|s| Arc::strong_count(&s.0) > 1);
            self.clean_up_at = 2 * self.waiting.len();
        }
        self.waiting.push(signal.clone());
    }

    /// Something has arrived.
    pub fn wake(&mut self) {
        for signal in self.waiting.drain(..) {
            signal.0.notify_one();
        }
    }

    /// How many entries there are, those of requests that have gone included.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_arrival_before_the_wait_is_not_lost() {
        let mut arrivals = Arrivals::default();
        let signal = Signal::default();
        arrivals.add(&signal);
        arrivals.wake();
        signal.wait().await;
        assert!(arrivals.is_empty());
    }

    #[test]
    fn requests_that_have_gone_leave_no_pile() {
        let mut arrivals = Arrivals::default();
        let living = Signal::default();
        arrivals.add(&living);
        for _ in 0..10_000 {
            arrivals.add(&Signal::default());
        }
        assert!(arrivals.len() <= CLEAN_UP_FROM + 1, "{}", arrivals.len());
        arrivals.wake();
        assert_eq!(Arc::strong_count(&living.0), 1);
    }
}
