//! The result line: one flat JSON object of numbers.

use std::fmt;
use std::time::Instant;

use hdrhistogram::Histogram;

#[derive(Default)]
pub(crate) struct Report(Vec<(String, f64)>);

impl Report {
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.0.push((name.to_owned(), value));
    }

    /// Percentiles of a histogram of microseconds, in milliseconds.
    pub(crate) fn latencies(&mut self, micros: &Histogram<u64>) {
        for (name, quantile) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)] {
            self.set(name, float(micros.value_at_quantile(quantile)) / 1000.0);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> =
            self.0.iter().map(|(name, value)| format!("\"{name}\": {value:.6}")).collect();
        write!(f, "{{{}}}", fields.join(", "))
    }
}

/// A histogram of microseconds, up to ten minutes, with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid")
}

/// Records a duration.
pub(crate) fn record(micros: &mut Histogram<u64>, since: Instant) {
    micros.saturating_record(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
