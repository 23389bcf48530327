//! What is due when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One thing that can time out; armed at most once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A classic member has not been heard of for its session timeout.
    ClassicSession { group: Arc<str>, member: Arc<str> },
    /// A member id was handed out and nobody joined with it (KIP-394).
    ClassicPending { group: Arc<str>, member: Arc<str> },
    /// A rebalance has waited long enough for members to join.
    ClassicJoin { group: Arc<str> },
    /// A rebalance has waited long enough for members to sync.
    ClassicSync { group: Arc<str> },
    /// A member of a consumer group has not been heard of for its session timeout.
    ConsumerSession { group: Arc<str>, member: Arc<str> },
    /// A member has not given up its partitions within its rebalance timeout.
    ConsumerRebalance { group: Arc<str>, member: Arc<str> },
    /// A member that speaks the classic protocol has not rejoined its consumer group.
    ConsumerJoin { group: Arc<str>, member: Arc<str> },
    /// A member that speaks the classic protocol has joined its consumer group and not synced.
    ConsumerSync { group: Arc<str>, member: Arc<str> },
    /// Time to look for offsets that have expired.
    OffsetsExpiry,
}

/// Armed timers by their due time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<Timer, i64>,
    by_time: BTreeSet<(i64, Timer)>,
}

impl Timers {
    /// Arms `timer` for `due_ms`, in ms since 1970, instead of what it was armed for.
    pub(super) fn arm(&mut self, due_ms: i64, timer: Timer) {
        if let Some(before) = self.due.insert(timer.clone(), due_ms) {
            self.by_time.remove(&(before, timer.clone()));
        }
        self.by_time.insert((due_ms, timer));
    }

    /// Disarms `timer`.
    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(due_ms) = self.due.remove(timer) {
            self.by_time.remove(&(due_ms, timer.clone()));
        }
    }

    /// Whether `timer` is armed.
    pub(super) fn is_armed(&self, timer: &Timer) -> bool {
        self.due.contains_key(timer)
    }

    /// When the next one is due.
    pub(super) fn deadline(&self) -> Option<i64> {
        self.by_time.first().map(|(due_ms, _)| *due_ms)
    }

    /// Disarms and gives the next one, if it is due by `now_ms`.
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<Timer> {
        if self.deadline()? > now_ms {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.due.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
impl Timers {
    /// How many timers of classic groups are armed.
    pub(super) fn classic_count(&self) -> usize {
        let is_classic = |timer: &&Timer| match timer {
            Timer::ClassicSession { .. }
            | Timer::ClassicPending { .. }
            | Timer::ClassicJoin { .. }
            | Timer::ClassicSync { .. } => true,
            Timer::ConsumerSession { .. }
            | Timer::ConsumerRebalance { .. }
            | Timer::ConsumerJoin { .. }
            | Timer::ConsumerSync { .. }
            | Timer::OffsetsExpiry => false,
        };
        self.due.keys().filter(is_classic).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_armed_again_is_due_at_the_later_time_only() {
        let mut timers = Timers::default();
        let timer = Timer::ClassicJoin { group: "g".into() };
        timers.arm(10, timer.clone());
        timers.arm(20, timer.clone());
        timers.arm(15, Timer::OffsetsExpiry);
        assert_eq!(timers.take_due(14), None);
        assert_eq!(timers.take_due(30), Some(Timer::OffsetsExpiry));
        assert!(timers.is_armed(&timer));
        assert_eq!(timers.take_due(30), Some(timer.clone()));
        assert_eq!(timers.deadline(), None);
        timers.arm(5, timer.clone());
        timers.cancel(&timer);
        assert_eq!(timers.take_due(30), None);
    }
}
