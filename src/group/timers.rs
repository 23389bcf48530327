//! What can be due.

use std::sync::Arc;

use crate::machine;

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
pub(super) type Timers = machine::Timers<Timer>;

#[cfg(test)]
impl Timers {
    /// How many timers of classic groups are armed.
    pub(in crate::group) fn classic_count(&self) -> usize {
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
        self.iter().filter(is_classic).count()
    }
}
