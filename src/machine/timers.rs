//! What is due when, for machines.

use std::collections::{BTreeMap, BTreeSet};

/// Armed timers by their due time; each is armed at most once.
#[derive(Debug)]
pub struct Timers<Timer> {
    due: BTreeMap<Timer, i64>,
    by_time: BTreeSet<(i64, Timer)>,
}

impl<Timer> Default for Timers<Timer> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<Timer: Ord + Clone> Timers<Timer> {
    /// Arms `timer` for `due_ms`, in ms since 1970, instead of what it was armed for.
    pub fn arm(&mut self, due_ms: i64, timer: Timer) {
        if let Some(before) = self.due.insert(timer.clone(), due_ms) {
            self.by_time.remove(&(before, timer.clone()));
        }
        self.by_time.insert((due_ms, timer));
    }

    /// Disarms `timer`.
    pub fn cancel(&mut self, timer: &Timer) {
        if let Some(due_ms) = self.due.remove(timer) {
            self.by_time.remove(&(due_ms, timer.clone()));
        }
    }

    /// Whether `timer` is armed.
    pub fn is_armed(&self, timer: &Timer) -> bool {
        self.due.contains_key(timer)
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Option<i64> {
        self.by_time.first().map(|(due_ms, _)| *due_ms)
    }

    /// Disarms and gives the next one, if it is due by `now_ms`.
    pub fn take_due(&mut self, now_ms: i64) -> Option<Timer> {
        if self.deadline()? > now_ms {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.due.remove(&timer);
        Some(timer)
    }

    /// All armed timers.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Timer> {
        self.due.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_armed_again_is_due_at_the_later_time_only() {
        let mut timers = Timers::default();
        timers.arm(10, "a");
        timers.arm(20, "a");
        timers.arm(15, "b");
        assert_eq!(timers.take_due(14), None);
        assert_eq!(timers.take_due(30), Some("b"));
        assert!(timers.is_armed(&"a"));
        assert_eq!(timers.take_due(30), Some("a"));
        assert_eq!(timers.deadline(), None);
        timers.arm(5, "a");
        timers.cancel(&"a");
        assert_eq!(timers.take_due(30), None);
    }
}
