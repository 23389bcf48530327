//! Where a log stands with its committer.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

/// Where a [`Dirty`](super::Dirty) stands; belongs to one committer.
#[derive(Debug, Default)]
pub struct Ticket {
    state: AtomicU8,
    /// The journal's generation in which it was last written to.
    generation: AtomicI64,
}

/// Not waiting for a sync.
const IDLE: u8 = 0;
/// In the queue, or to be put there by the worker that syncs it now.
const QUEUED: u8 = 1;
/// Being synced, and not appended to since that began.
const SYNCING: u8 = 2;

impl Ticket {
    /// Notes an append; true if its owner has to be put in the queue.
    pub(super) fn mark(&self) -> bool {
        let marked = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            IDLE | SYNCING => Some(QUEUED),
            _ => None,
        });
        marked == Ok(IDLE)
    }

    pub(super) fn begin(&self) {
        // Before the sync looks at the log's end: an append after that look finds SYNCING and is not lost.
        self.state.store(SYNCING, Ordering::Release);
    }

    /// True if its owner has to be put in the queue again.
    pub(super) fn finish(&self) -> bool {
        self.state.compare_exchange(SYNCING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err()
    }

    /// Notes that the journal speaks of it in `generation`; true if that is news.
    pub(super) fn note_generation(&self, generation: i64) -> bool {
        self.generation.swap(generation, Ordering::Relaxed) != generation
    }
}
