//! The one real clock. Pure modules take `now_ms`; only outer layers hold a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall and monotonic time, real or set by a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System {
        start: Instant,
        start_ms: i64,
        /// How much more the wall clock has moved forward than time has passed, at most.
        ahead_ms: Arc<AtomicI64>,
    },
    Manual {
        now_ms: Arc<AtomicI64>,
        wall_ahead_ms: Arc<AtomicI64>,
        ahead_ms: Arc<AtomicI64>,
    },
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now(), start_ms: wall_ms(), ahead_ms: Arc::default() })
    }

    /// A clock that stands at `now_ms` until [`Clock::set`] moves it.
    pub fn manual(now_ms: i64) -> Self {
        Self(Source::Manual {
            now_ms: Arc::new(AtomicI64::new(now_ms)),
            wall_ahead_ms: Arc::default(),
            ahead_ms: Arc::default(),
        })
    }

    /// Moves a manual clock; a system clock ignores it.
    pub fn set(&self, to_ms: i64) {
        if let Source::Manual { now_ms, .. } = &self.0 {
            now_ms.store(to_ms, Ordering::SeqCst);
        }
    }

    /// Lets a manual clock's wall time be ahead of the time that has passed, as if somebody had set it.
    pub fn set_wall_ahead(&self, by_ms: i64) {
        if let Source::Manual { wall_ahead_ms, .. } = &self.0 {
            wall_ahead_ms.store(by_ms, Ordering::SeqCst);
        }
    }

    /// Wall time in milliseconds since 1970, as in record timestamps.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => wall_ms(),
            Source::Manual { now_ms, wall_ahead_ms, .. } => {
                now_ms.load(Ordering::SeqCst) + wall_ahead_ms.load(Ordering::SeqCst)
            }
        }
    }

    /// Wall time that never goes back and never falls behind, for time-outs and the times in a coordinator's records:
    /// it goes on steadily when somebody sets the machine's clock back, and catches up when that is ahead, as after
    /// the machine was suspended.
    pub fn steady_ms(&self) -> i64 {
        let (passed_ms, ahead_ms) = match &self.0 {
            Source::System { start_ms, ahead_ms, .. } => {
                let since = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
                (start_ms.saturating_add(since), ahead_ms)
            }
            Source::Manual { now_ms, ahead_ms, .. } => (now_ms.load(Ordering::SeqCst), ahead_ms),
        };
        let found_ms = self.now_ms().saturating_sub(passed_ms);
        let before_ms = ahead_ms.fetch_max(found_ms, Ordering::SeqCst);
        passed_ms.saturating_add(before_ms.max(found_ms))
    }

    /// Time since this clock was made; never goes back.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { start, .. } => Instant::now().saturating_duration_since(*start),
            Source::Manual { now_ms, .. } => {
                Duration::from_millis(u64::try_from(now_ms.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_time_catches_up_with_the_wall_clock_and_never_goes_back() {
        let clock = Clock::manual(1_000);
        clock.set_wall_ahead(-500);
        assert_eq!((clock.now_ms(), clock.steady_ms()), (500, 1_000));
        clock.set_wall_ahead(3_000);
        assert_eq!(clock.clone().steady_ms(), 4_000);
        clock.set_wall_ahead(-500);
        assert_eq!(clock.steady_ms(), 4_000);
        clock.set(1_010);
        assert_eq!(clock.steady_ms(), 4_010);
    }
}
