//! How long things take that are not requests.

use metrics::{Histogram, describe_histogram, histogram};

use crate::base::clock::Clock;

const LOG_FLUSH_TIME_MS: &str = "kafka_log_logflushstats_logflushrateandtimems";

/// Times one kind of work.
pub struct Timer {
    histogram: Histogram,
    clock: Clock,
}

impl Timer {
    /// Does `work` and records how long it took.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = self.clock.elapsed();
        let result = work();
        self.histogram.record(self.clock.elapsed().saturating_sub(begun));
        result
    }
}

/// Flushes of a log to disk (`LogFlushStats`).
pub fn log_flush_time(clock: Clock) -> Timer {
    Timer { histogram: histogram!(LOG_FLUSH_TIME_MS), clock }
}

pub(super) fn describe() {
    describe_histogram!(LOG_FLUSH_TIME_MS, "Milliseconds that flushes of a log to disk take.");
}
