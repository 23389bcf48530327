//! Produce requests that wait until a partition's high watermark reaches their last record.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{Countdown, Wakes};

/// The waiters of one partition, nearest offset first.
#[derive(Debug, Default)]
pub struct Offsets {
    waiters: BinaryHeap<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    offset: Reverse<i64>,
    countdown: Arc<Countdown>,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.offset == other.offset
    }
}

impl Eq for Waiter {}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.offset.cmp(&other.offset)
    }
}

impl Offsets {
    /// Calls `done` once the partition reaches `offset`.
    pub fn add(&mut self, offset: i64, countdown: Arc<Countdown>) {
        self.waiters.push(Waiter { offset: Reverse(offset), countdown });
    }

    /// The partition is at `offset` now: adds who has waited for it.
    pub fn reached(&mut self, offset: i64, wakes: &mut Wakes) {
        while self.waiters.peek().is_some_and(|w| w.offset.0 <= offset) {
            wakes.countdowns.extend(self.waiters.pop().map(|waiter| waiter.countdown));
        }
    }

    /// Nothing will be reached any more (leadership or the disk is gone): lets everybody look for themselves.
    pub fn release(&mut self, wakes: &mut Wakes) {
        self.reached(i64::MAX, wakes);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_in_offset_order_whatever_the_order_of_arrival() {
        let mut offsets = Offsets::default();
        let (near, far) = (Countdown::new(1), Countdown::new(1));
        offsets.add(9, far.clone());
        offsets.add(5, near.clone());
        let mut wakes = Wakes::default();
        offsets.reached(4, &mut wakes);
        assert_eq!(offsets.len(), 2);
        offsets.reached(8, &mut wakes);
        wakes.wake();
        near.wait().await;
        assert_eq!(offsets.len(), 1);
        let mut wakes = Wakes::default();
        offsets.release(&mut wakes);
        wakes.wake();
        far.wait().await;
    }
}
