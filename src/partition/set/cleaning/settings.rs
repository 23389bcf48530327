//! What the cleaner takes from the broker's configuration.

use std::time::Duration;

use crate::base::id::NodeId;
use crate::config::broker::Config;
use crate::config::dynamic::Layers;
use crate::config::value::Value;
use crate::meta::Image;
use crate::partition::settings::with_layers;

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
    /// The settings on `node`, with what is set while it runs.
    pub fn of_broker(config: &Config, image: &Image, node: NodeId) -> Self {
        with_layers(config, image, node, Self::of)
    }

    fn of(layers: &Layers<'_>) -> Self {
        let whole = |name| match layers.value(name) {
            Some(Value::Int(number)) => u64::try_from(number).unwrap_or(0),
            Some(Value::Long(number)) => u64::try_from(number).unwrap_or(0),
            Some(_) | None => 0,
        };
        let double = |name| match layers.value(name) {
            Some(Value::Double(number)) => number,
            Some(_) | None => f64::MAX,
        };
        let size = |name| usize::try_from(whole(name)).unwrap_or(usize::MAX);
        Self {
            dedupe_buffer_bytes: size("log.cleaner.dedupe.buffer.size"),
            threads: size("log.cleaner.threads"),
            load_factor: double("log.cleaner.io.buffer.load.factor"),
            io_bytes_per_second_max: double("log.cleaner.io.max.bytes.per.second"),
            backoff: Duration::from_millis(whole("log.cleaner.backoff.ms")),
        }
    }

    pub(super) fn io_bytes_per_second_max_of_thread(&self) -> f64 {
        self.io_bytes_per_second_max / f64::from(u32::try_from(self.threads.max(1)).unwrap_or(u32::MAX))
    }
}
