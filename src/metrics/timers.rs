//! How long things take that are not requests. A timer is a facade histogram: record a `Duration`.

use metrics::{Histogram, describe_histogram, histogram};

const LOG_FLUSH_TIME_MS: &str = "kafka_log_logflushstats_logflushrateandtimems";

/// Flushes of a log to disk (`LogFlushStats`).
pub fn log_flush_time() -> Histogram {
    histogram!(LOG_FLUSH_TIME_MS)
}

pub(super) fn describe() {
    describe_histogram!(LOG_FLUSH_TIME_MS, "Milliseconds that flushes of a log to disk take.");
}
