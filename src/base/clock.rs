//! The one real clock. Pure modules take `now_ms`; only outer layers hold a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall and monotonic time, real or set by a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant, start_ms: i64 },
    Manual { now_ms: Arc<AtomicI64>, wall_ahead_ms: Arc<AtomicI64> },
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
        Self(Source::System { start: Instant::now(), start_ms: wall_ms() })
    }

    /// A clock that stands at `now_ms` until [`Clock::set`] moves it.
    pub fn manual(now_ms: i64) -> Self {
        Self(Source::Manual { now_ms: Arc::new(AtomicI64::new(now_ms)), wall_ahead_ms: Arc::default() })
    }

    /// Moves a manual clock; a system clock ignores it.
    pub fn set(&self, to_ms: i64) {
        if let Source::Manual { now_ms, wall_ahead_ms: _ } = &self.0 {
            now_ms.store(to_ms, Ordering::SeqCst);
        }
    }

    /// Lets a manual clock's wall time be ahead of the time that has passed, as if somebody had set it.
    pub fn set_wall_ahead(&self, by_ms: i64) {
        if let Source::Manual { now_ms: _, wall_ahead_ms } = &self.0 {
            wall_ahead_ms.store(by_ms, Ordering::SeqCst);
        }
    }

    /// Wall time in milliseconds since 1970, as in record timestamps.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => wall_ms(),
            Source::Manual { now_ms, wall_ahead_ms } => {
                now_ms.load(Ordering::SeqCst) + wall_ahead_ms.load(Ordering::SeqCst)
            }
        }
    }

    /// Wall time as it was when this clock was made, and the time since: for time-outs, which must not mind that
    /// somebody sets the machine's clock.
    pub fn steady_ms(&self) -> i64 {
        match &self.0 {
            Source::System { start_ms, .. } => {
                let since = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
                start_ms.saturating_add(since)
            }
            Source::Manual { now_ms, wall_ahead_ms: _ } => now_ms.load(Ordering::SeqCst),
        }
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
