//! Whom to wake when the partition's lock is free again: who is woken first looks at the partition.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Countdown;

/// Taken from the waiters under a lock, woken without it.
#[derive(Debug, Default)]
#[must_use = "nobody else wakes them"]
pub struct Wakes {
    pub(super) countdowns: Vec<Arc<Countdown>>,
    pub(super) signals: Vec<Arc<Notify>>,
}

impl Wakes {
    /// Wakes all of them.
    pub fn wake(self) {
        self.countdowns.iter().for_each(|countdown| countdown.done());
        self.signals.iter().for_each(|signal| signal.notify_one());
    }
}
