//! Fetch requests that wait for any of their partitions to have something new.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use super::Wakes;

/// Below this many waiters no clean-up is tried.
const CLEAN_UP_FROM: usize = 16;

/// One waiting request, registered with each of its partitions; the request alone keeps it alive.
#[derive(Debug, Default)]
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
    waiting: Vec<Weak<Notify>>,
    clean_up_at: usize,
}

impl Arrivals {
    /// Wakes `signal` at the next arrival, once.
    ///
    /// A request that has gone leaves its entry behind; entries that nobody holds any more are swept out when
    /// their number has doubled, so they never outnumber the living by much.
    pub fn add(&mut self, signal: &Signal) {
        if self.waiting.len() >= self.clean_up_at.max(CLEAN_UP_FROM) {
            self.waiting.retain(|waiting| waiting.strong_count() > 0);
            self.clean_up_at = 2 * self.waiting.len();
        }
        self.waiting.push(Arc::downgrade(&signal.0));
    }

    /// Something has arrived: adds who has waited for it.
    pub fn arrived(&mut self, wakes: &mut Wakes) {
        wakes.signals.extend(self.waiting.drain(..).filter_map(|waiting| waiting.upgrade()));
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
        let mut wakes = Wakes::default();
        arrivals.arrived(&mut wakes);
        wakes.wake();
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
        assert_eq!(Arc::strong_count(&living.0), 1);
    }

    #[test]
    fn requests_over_several_partitions_leave_no_pile_either() {
        let mut partitions = [Arrivals::default(), Arrivals::default()];
        for _ in 0..10_000 {
            let signal = Signal::default();
            partitions.iter_mut().for_each(|arrivals| arrivals.add(&signal));
        }
        assert!(partitions.iter().all(|arrivals| arrivals.len() <= CLEAN_UP_FROM + 1));
    }
}
