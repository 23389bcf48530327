//! How often something happens, against a limit (Kafka's `Rate` and `QuotaUtils`).

use std::collections::VecDeque;
use std::time::Duration;

/// Over which time a rate is taken: `quota.window.num` samples of `quota.window.size.seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Length of one sample.
    pub sample: Duration,
    /// How many samples are kept.
    pub samples: usize,
}

/// Events of the last samples. A time is a span since some fixed moment.
#[derive(Debug)]
pub(super) struct Rate {
    limit_per_s: f64,
    window: Window,
    /// When each sample began and how many events it has, oldest first.
    samples: VecDeque<(Duration, u32)>,
}

impl Rate {
    pub(super) fn new(limit_per_s: u32, window: Window) -> Self {
        Self { limit_per_s: f64::from(limit_per_s), window, samples: VecDeque::new() }
    }

    /// Counts an event; how long to wait until the rate is within its limit again, at most one sample's length.
    pub(super) fn record(&mut self, now: Duration) -> Duration {
        let Window { sample, samples } = self.window;
        let kept = sample.saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX));
        while self.samples.front().is_some_and(|(begun, _)| now.saturating_sub(*begun) >= kept) {
            self.samples.pop_front();
        }
        match self.samples.back_mut() {
            Some((begun, count)) if now.saturating_sub(*begun) < sample => *count += 1,
            _ => self.samples.push_back((now, 1)),
        }
        let total: f64 = self.samples.iter().map(|(_, count)| f64::from(*count)).sum();
        let span = self.span(now).as_secs_f64();
        let rate = total / span;
        if rate <= self.limit_per_s {
            return Duration::ZERO;
        }
        let wait = (rate - self.limit_per_s) / self.limit_per_s * span;
        Duration::try_from_secs_f64(wait).map_or(sample, |wait| wait.min(sample))
    }

    /// The time that the samples stand for: as if all but one of them had been there from the start, so that the first
    /// events are no burst.
    fn span(&self, now: Duration) -> Duration {
        let Window { sample, samples } = self.window;
        let elapsed = self.samples.front().map_or(Duration::ZERO, |(begun, _)| now.saturating_sub(*begun));
        let full = elapsed.as_millis().checked_div(sample.as_millis()).unwrap_or(0);
        let missing = u128::try_from(samples).unwrap_or(0).saturating_sub(1).saturating_sub(full);
        let missing = sample.saturating_mul(u32::try_from(missing).unwrap_or(u32::MAX));
        elapsed.saturating_add(missing).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { sample: Duration::from_secs(1), samples: 11 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn ten_seconds_worth_may_come_at_once_and_then_each_waits() {
        let mut rate = Rate::new(2, WINDOW);
        assert!((0..20).all(|_| rate.record(ms(5)).is_zero()));
        // 2.1 a second, over ten seconds: half a second too many.
        assert_eq!(rate.record(ms(5)), ms(500));
        assert_eq!((0..9).map(|_| rate.record(ms(5))).max(), Some(ms(1000)));
    }

    #[test]
    fn what_is_eleven_seconds_ago_is_forgotten() {
        let mut rate = Rate::new(2, WINDOW);
        assert!((0..100).any(|_| !rate.record(ms(0)).is_zero()));
        assert!(!rate.record(ms(10_999)).is_zero());
        assert!(rate.record(ms(22_000)).is_zero());
    }

    #[test]
    fn a_steady_rate_below_the_limit_never_waits_and_none_allowed_waits_a_sample_each() {
        let mut rate = Rate::new(5, WINDOW);
        assert!((0..400).all(|event| rate.record(ms(event * 250)).is_zero()));
        assert_eq!(Rate::new(0, WINDOW).record(ms(0)), ms(1000));
    }
}
