//! `kafka_network_requestmetrics_*`: how often each API is called, with what result, and how long it takes
//! (`RequestMetrics`).

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "kafka_network_requestmetrics_requests_total";
const ERRORS: &str = "kafka_network_requestmetrics_errors_total";
const TOTAL_TIME_MS: &str = "kafka_network_requestmetrics_totaltimems";

/// Kafka's name for code 0.
pub const NO_ERROR: &str = "NONE";

/// The metrics of one API. Kafka counts a fetch under `Fetch` and again under `FetchConsumer` or
/// `FetchFollower`; each of these is an `Api` of its own.
pub struct Api {
    name: &'static str,
    first_version: i16,
    requests: Box<[OnceLock<Counter>]>,
    no_error: OnceLock<Counter>,
    total_time: OnceLock<Histogram>,
}

impl Api {
    /// An API by the name that Kafka gives it (`ApiKeys.name`); series appear with the first request.
    pub fn new(name: &'static str, versions: RangeInclusive<i16>) -> Self {
        let count = versions.clone().count();
        Self {
            name,
            first_version: *versions.start(),
            requests: std::iter::repeat_with(OnceLock::new).take(count).collect(),
            no_error: OnceLock::new(),
            total_time: OnceLock::new(),
        }
    }

    /// A request of a version that is served; others are not counted.
    pub fn received(&self, version: i16) {
        let position = version.checked_sub(self.first_version).and_then(|at| usize::try_from(at).ok());
        if let Some(requests) = position.and_then(|at| self.requests.get(at)) {
            let counter = || counter!(REQUESTS, "request" => self.name, "version" => version.to_string());
            requests.get_or_init(counter).increment(1);
        }
    }

    /// A request was answered, this long after it was read.
    pub fn answered(&self, total_time: Duration) {
        let histogram = || histogram!(TOTAL_TIME_MS, "request" => self.name);
        self.total_time.get_or_init(histogram).record(total_time);
    }

    /// An answer carries this error `count` times, by Kafka's name (`Errors`); `NONE` counts as well.
    pub fn error(&self, error: &'static str, count: u64) {
        let counter = || counter!(ERRORS, "request" => self.name, "error" => error);
        if error == NO_ERROR {
            self.no_error.get_or_init(counter).increment(count);
        } else {
            counter().increment(count);
        }
    }
}

pub(super) fn describe() {
    describe_counter!(REQUESTS, "Requests by API and version.");
    describe_counter!(ERRORS, "Error codes in answers, by API and error.");
    describe_histogram!(TOTAL_TIME_MS, "Milliseconds from reading a request to its answer.");
}
