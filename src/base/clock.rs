//! The one real clock. Pure modules take `now_ms`; only outer layers hold a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall and monotonic time, real or set by a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Manual { now_ms: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now() })
    }

    /// A clock that stands at `now_ms` until [`Clock::set`] moves it.
    pub fn manual(now_ms: i64) -> Self {
        Self(Source::Manual { now_ms: Arc::new(AtomicI64::new(now_ms)) })
    }

    /// Moves a manual clock; a system clock ignores it.
    pub fn set(&self, to_ms: i64) {
        if let Source::Manual { now_ms } = &self.0 {
            now_ms.store(to_ms, Ordering::SeqCst);
        }
    }

    /// Wall time in milliseconds since 1970, as in record timestamps.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Source::Manual { now_ms } => now_ms.load(Ordering::SeqCst),
        }
    }

    /// Time since this clock was made; never goes back.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { start } => Instant::now().saturating_duration_since(*start),
            Source::Manual { now_ms } => {
                Duration::from_millis(u64::try_from(now_ms.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }
}
