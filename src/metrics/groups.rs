//! `kafka_consumergroup_*`: how far consumer groups are, under the names of kafka_exporter.

use std::sync::Arc;
use std::time::Duration;

use super::text::{Kind, Text};

/// One group that is coordinated here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroup {
    /// Its id.
    pub group: Arc<str>,
    /// How many members it has.
    pub members: usize,
    /// Where it has committed offsets, by topic.
    pub partitions: Vec<ConsumedPartition>,
}

/// A partition with a committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedPartition {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// The committed offset.
    pub offset: i64,
    /// Records up to the high watermark; none if another broker knows it.
    pub lag: Option<i64>,
    /// Age of the next record to consume, 0 if there is none.
    pub lag_ms: Option<u64>,
}

/// A gauge per group and partition: name, help, value.
type PartitionGauge = (&'static str, &'static str, fn(&ConsumedPartition) -> Option<String>);

const PARTITION_GAUGES: [PartitionGauge; 3] = [
    ("kafka_consumergroup_current_offset", "Offset that a group has committed for a partition.", |p| {
        Some(p.offset.to_string())
    }),
    ("kafka_consumergroup_lag", "Records of a partition that a group has yet to consume.", |p| {
        p.lag.map(|lag| lag.to_string())
    }),
    (
        "kafka_consumergroup_lag_seconds",
        "Age of the next record that a group is to consume of a partition, 0 if there is none.",
        |p| p.lag_ms.map(|ms| Duration::from_millis(ms).as_secs_f64().to_string()),
    ),
];

/// A gauge per group and topic: name, help, what is summed. Prometheus keeps names on `_sum` for histograms.
type TopicGauge = (&'static str, &'static str, fn(&ConsumedPartition) -> Option<i64>);

const TOPIC_GAUGES: [TopicGauge; 2] = [
    ("kafka_consumergroup_current_offset_sum", "Sum of a group's offsets of a topic.", |p| Some(p.offset)),
    ("kafka_consumergroup_lag_sum", "Sum of a group's lag of a topic.", |p| p.lag),
];

pub(super) fn write(groups: &[ConsumerGroup], without_series: usize, text: &mut Text) {
    for (name, help, value) in PARTITION_GAUGES {
        text.family(name, Kind::Gauge, help);
        for group in groups {
            for partition in &group.partitions {
                let Some(value) = value(partition) else { continue };
                let number = partition.partition.to_string();
                let labels =
                    [("consumergroup", &*group.group), ("topic", &*partition.topic), ("partition", &number)];
                text.sample(name, &labels, value);
            }
        }
    }
    for (name, help, value) in TOPIC_GAUGES {
        text.family(name, Kind::Untyped, help);
        for group in groups {
            for of_topic in group.partitions.chunk_by(|a, b| a.topic == b.topic) {
                let sum = of_topic.iter().filter_map(value).fold(0_i64, i64::saturating_add);
                let labels = [("consumergroup", &*group.group), ("topic", &*of_topic[0].topic)];
                text.sample(name, &labels, sum);
            }
        }
    }
    let name = "kafka_consumergroup_members";
    text.family(name, Kind::Gauge, "Members of a group.");
    for group in groups {
        text.sample(name, &[("consumergroup", &group.group)], group.members);
    }
    let name = "barnabas_metrics_consumer_group_partitions_without_series";
    text.family(
        name,
        Kind::Gauge,
        "Committed offsets without series of their own, for want of room; at least.",
    );
    text.sample(name, &[], without_series);
}
