//! What the broker's configuration says about groups; a group's own configuration goes before it.

use std::sync::Arc;

use crate::config::broker::Config;
use crate::meta::{Image, ResourceKind};

/// Least time between two targets of a consumer group; it can be changed while brokers run.
const CONSUMER_ASSIGNMENT_INTERVAL: &str = "group.consumer.assignment.interval.ms";

/// The broker's `group.*` and `offsets.*` keys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node's id.
    pub node: Arc<str>,
    /// `group.min.session.timeout.ms`.
    pub classic_session_ms_min: i32,
    /// `group.max.session.timeout.ms`.
    pub classic_session_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub classic_initial_delay_ms: i32,
    /// `group.max.size`.
    pub classic_size_max: usize,
    /// `group.consumer.session.timeout.ms`.
    pub consumer_session_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_ms: i32,
    /// `group.consumer.assignment.interval.ms` of the start, see [`Settings::consumer_assignment_ms`].
    pub consumer_assignment_ms: i32,
    /// `group.consumer.max.size`.
    pub consumer_size_max: usize,
    /// `group.consumer.assignors`: the first is the default.
    pub consumer_assignors: Vec<Arc<str>>,
    /// `group.consumer.migration.policy`, in capitals.
    pub migration_policy: Arc<str>,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub regex_refresh_ms: i64,
    /// Whether `group.coordinator.rebalance.protocols` holds `consumer`.
    pub serves_consumer_protocol: bool,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_bytes_max: usize,
    /// `offsets.retention.minutes`, in ms.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_check_ms: i64,
}

impl Settings {
    /// As a node's configuration says.
    pub fn of(config: &Config) -> Self {
        let int = |key: &str| config.values.int(key);
        let count = |key: &str| usize::try_from(config.values.int(key)).unwrap_or(usize::MAX);
        let list = |key: &str| -> Vec<Arc<str>> {
            config.values.list(key).iter().map(|item| Arc::from(item.trim())).collect()
        };
        let protocols = list("group.coordinator.rebalance.protocols");
        Self {
            node: config.node_id.to_string().into(),
            classic_session_ms_min: int("group.min.session.timeout.ms"),
            classic_session_ms_max: int("group.max.session.timeout.ms"),
            classic_initial_delay_ms: int("group.initial.rebalance.delay.ms"),
            classic_size_max: count("group.max.size"),
            consumer_session_ms: int("group.consumer.session.timeout.ms"),
            consumer_heartbeat_ms: int("group.consumer.heartbeat.interval.ms"),
            consumer_assignment_ms: int(CONSUMER_ASSIGNMENT_INTERVAL),
            consumer_size_max: count("group.consumer.max.size"),
            consumer_assignors: list("group.consumer.assignors"),
            migration_policy: config.values.text("group.consumer.migration.policy").to_uppercase().into(),
            regex_refresh_ms: int("group.consumer.regex.refresh.interval.ms").into(),
            serves_consumer_protocol: protocols.iter().any(|p| p.eq_ignore_ascii_case("consumer")),
            offset_metadata_bytes_max: count("offset.metadata.max.bytes"),
            offsets_retention_ms: i64::from(int("offsets.retention.minutes")) * 60_000,
            offsets_check_ms: config.values.long("offsets.retention.check.interval.ms"),
        }
    }

    /// `group.consumer.assignment.interval.ms` as it is now.
    pub fn consumer_assignment_ms(&self, image: &Image) -> i32 {
        let set = |broker: &str| {
            let value = image.configs.value(ResourceKind::Broker, broker, CONSUMER_ASSIGNMENT_INTERVAL)?;
            value.trim().parse().ok()
        };
        set(&self.node).or_else(|| set("")).unwrap_or(self.consumer_assignment_ms)
    }
}
