//! What waits at one partition for an offset to be reached.

use std::collections::VecDeque;

use super::Sweep;
use super::countdown::Ticket;

/// Tickets by the offset that they require, smallest first. Costs nothing while empty.
#[derive(Debug)]
pub struct Waiters<T> {
    queue: VecDeque<(i64, Ticket<T>)>,
    sweep: Sweep,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), sweep: Sweep::new() }
    }
}

impl<T> Waiters<T> {
    /// Lets `ticket` wait until the offset is at least `required`. Appends come in order, so this is O(1) for them.
    pub fn add(&mut self, required: i64, ticket: Ticket<T>) {
        if self.sweep.is_due(self.queue.len()) {
            self.queue.retain(|(_, ticket)| ticket.is_awaited());
            self.sweep.done(self.queue.len());
        }
        let mut at = self.queue.len();
        while at > 0 && self.queue[at - 1].0 > required {
            at -= 1;
        }
        self.queue.insert(at, (required, ticket));
    }

    /// Takes out the tickets that require no more than `offset`, in order. They are to be done after the partition's
    /// lock is released.
    pub fn reached(&mut self, offset: i64) -> Vec<(i64, Ticket<T>)> {
        let count = self.queue.partition_point(|(required, _)| *required <= offset);
        self.queue.drain(..count).collect()
    }

    /// Takes out all, when the offset will not be reached here any more.
    pub fn take_all(&mut self) -> Vec<(i64, Ticket<T>)> {
        std::mem::take(&mut self.queue).into()
    }

    /// How many are held, those included whose request gave up.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purgatory::{ABANDONED_MIN, Countdown};

    #[tokio::test]
    async fn those_whose_offset_is_reached_come_out_in_order() {
        let mut waiters = Waiters::default();
        let mut countdown = Countdown::new();
        for required in [10, 30, 20, 20] {
            waiters.add(required, countdown.ticket());
        }
        assert_eq!(waiters.reached(9).len(), 0);
        for (required, ticket) in waiters.reached(20) {
            ticket.done(required);
        }
        assert_eq!(waiters.len(), 1);
        drop(waiters.take_all());
        let results = countdown.wait(std::time::Duration::ZERO).await;
        assert_eq!(results, [Some(10), None, Some(20), Some(20)]);
    }

    #[test]
    fn requests_that_gave_up_do_not_pile_up() {
        let mut waiters = Waiters::<()>::default();
        let mut patient = Countdown::new();
        for offset in 0..100 {
            waiters.add(offset, patient.ticket());
        }
        for offset in 100..10_000 {
            let mut impatient = Countdown::new();
            waiters.add(offset, impatient.ticket());
        }
        assert!(waiters.len() <= 2 * 100 + ABANDONED_MIN, "{}", waiters.len());
        assert_eq!(waiters.reached(99).len(), 100);
    }
}
