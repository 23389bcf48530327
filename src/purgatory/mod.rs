//! Layer 5: requests that cannot be answered yet, and what wakes them.
//!
//! A produce request waits for offsets ([`Countdown`], [`Waiters`]), a fetch for anything new ([`Watch`],
//! [`Watchers`]). Nothing here knows partitions or messages. A request that gives up just drops its end; what it left
//! behind is cleared by later arrivals, so that it never outgrows what still waits. The only timer is the request's own.

mod countdown;
mod waiters;
mod watch;

pub use countdown::{Countdown, Ticket};
pub use waiters::Waiters;
pub use watch::{Watch, Watcher, Watchers};

/// What may be left behind by requests that gave up before a list is searched for it.
const ABANDONED_MIN: usize = 32;

/// When to search a list for what was left behind: once it has doubled, so that the search costs O(1) per arrival.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    at_len: usize,
}

impl Sweep {
    const fn new() -> Self {
        Self { at_len: ABANDONED_MIN }
    }

    fn is_due(self, len: usize) -> bool {
        len >= self.at_len
    }

    /// Plans the next search after one that left `len` entries.
    fn done(&mut self, len: usize) {
        self.at_len = ABANDONED_MIN.max(len.saturating_mul(2));
    }
}
