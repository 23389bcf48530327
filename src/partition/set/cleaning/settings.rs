//! What the cleaner takes from the broker's configuration.

use std::time::Duration;

use crate::config::broker::Config;

/// How the cleaner works (`CleanerConfig`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerSettings {
    /// `log.cleaner.dedupe.buffer.size`, over all threads.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.threads`.
    pub threads: usize,
    /// `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`, over all threads.
    pub io_bytes_per_second_max: f64,
    /// `log.cleaner.backoff.ms`.
    pub backoff: Duration,
}

impl CleanerSettings {
    /// What `config` says, which is the one in effect.
    pub fn of(config: &Config) -> Self {
        let values = &config.values;
        let long = |name| u64::try_from(values.long(name)).unwrap_or(0);
        Self {
            dedupe_buffer_bytes: usize::try_from(long("log.cleaner.dedupe.buffer.size"))
                .unwrap_or(usize::MAX),
            threads: usize::try_from(values.int("log.cleaner.threads")).unwrap_or(1),
            load_factor: values.double("log.cleaner.io.buffer.load.factor"),
            io_bytes_per_second_max: values.double("log.cleaner.io.max.bytes.per.second"),
            backoff: Duration::from_millis(long("log.cleaner.backoff.ms")),
        }
    }

    pub(super) fn io_bytes_per_second_max_of_thread(&self) -> f64 {
        self.io_bytes_per_second_max / f64::from(u32::try_from(self.threads.max(1)).unwrap_or(u32::MAX))
    }
}
