//! What a replica takes from its topic's configuration.

use crate::config::topic::TopicConfig;
use crate::log;
use crate::wire::validator::Rules;

/// The configuration of one replica.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the log.
    pub log: log::Settings,
    /// Whether the page cache is enough for an acknowledgement (`write.caching`).
    pub write_caching: bool,
    /// `min.insync.replicas`.
    pub min_insync: usize,
    /// What a produced batch has to satisfy.
    pub rules: Rules,
}
