//! What is true of the broker at the moment of a scrape.

use std::sync::Arc;

use super::PARTITION_SERIES_MAX;
use super::cleaner::Cleaner;
use super::groups::{self, ConsumerGroup};
use super::text::{Kind, Text};

/// What a broker is doing (`BrokerState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokerState {
    /// Nothing yet.
    #[default]
    NotRunning,
    /// Waiting to catch up with the cluster's metadata.
    Starting,
    /// Caught up, and opening its logs.
    Recovery,
    /// Serving.
    Running,
    /// Handing over its leaderships.
    PendingControlledShutdown,
    /// Stopping.
    ShuttingDown,
}

impl BrokerState {
    /// Kafka's number.
    pub fn number(self) -> u8 {
        match self {
            Self::NotRunning => 0,
            Self::Starting => 1,
            Self::Recovery => 2,
            Self::Running => 3,
            Self::PendingControlledShutdown => 6,
            Self::ShuttingDown => 7,
        }
    }
}

/// One partition with a replica here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Bytes of all its segments.
    pub size_bytes: u64,
    /// First offset that can be read.
    pub log_start_offset: i64,
    /// Offset of the next record.
    pub log_end_offset: i64,
    /// Offset up to which consumers can read.
    pub high_watermark: i64,
    /// Replicas that it has, 0 if it is led elsewhere.
    pub replica_count: usize,
    /// Replicas in sync, 0 if it is led elsewhere.
    pub in_sync_replica_count: usize,
}

/// One of the broker's log directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectory {
    /// Its path.
    pub path: String,
    /// Whether it failed.
    pub is_offline: bool,
    /// Whether it takes no new partitions.
    pub is_cordoned: bool,
}

/// What is true of the broker at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What the broker is doing.
    pub broker_state: BrokerState,
    /// Partitions led here.
    pub leader_count: u32,
    /// Partitions with a replica here.
    pub partition_count: u32,
    /// Partitions led here with fewer in-sync replicas than replicas.
    pub under_replicated_partitions: u32,
    /// Producer ids that partitions here remember, once for each partition.
    pub producer_id_count: u32,
    /// Partitions led here with a transaction that is open for longer than any may be.
    pub late_transaction_count: u32,
    /// Whether this node is the active controller.
    pub active_controller: bool,
    /// Partitions of the cluster without a leader.
    pub offline_partitions_count: u32,
    /// Topics of the cluster.
    pub global_topic_count: u32,
    /// Partitions of the cluster.
    pub global_partition_count: u32,
    /// Registered brokers that are not fenced.
    pub active_broker_count: u32,
    /// Registered brokers that are fenced.
    pub fenced_broker_count: u32,
    /// Node id of the active controller, -1 if none is known.
    pub current_leader: i32,
    /// Leader epoch of the metadata quorum.
    pub current_epoch: i32,
    /// The log directories here.
    pub log_directories: Vec<LogDirectory>,
    /// The log cleaner.
    pub cleaner: Cleaner,
    /// Id and `host:port` of each broker of the cluster.
    pub brokers: Vec<(i32, String)>,
    /// Open connections of each listener.
    pub connections: Vec<(String, usize)>,
    /// Name and partition count of each topic of the cluster.
    pub topics: Vec<(Arc<str>, i32)>,
    /// Each partition with a replica here.
    pub partitions: Vec<Partition>,
    /// The groups that are coordinated here, as far as they have series.
    pub consumer_groups: Vec<ConsumerGroup>,
    /// Committed offsets beyond those, at least so many.
    pub consumed_partitions_without_series: usize,
}

/// A gauge per partition: name, help, value.
type PartitionGauge = (&'static str, &'static str, fn(&Partition) -> i64);

const PARTITION_GAUGES: [PartitionGauge; 8] = [
    ("kafka_log_log_size", "Bytes of a partition on this broker.", |p| number(p.size_bytes)),
    ("kafka_log_log_logstartoffset", "First offset of a partition.", |p| p.log_start_offset),
    ("kafka_log_log_logendoffset", "Offset of the next record of a partition.", |p| p.log_end_offset),
    ("kafka_topic_partition_current_offset", "Offset up to which consumers can read.", |p| p.high_watermark),
    ("kafka_topic_partition_oldest_offset", "First offset that consumers can read.", |p| p.log_start_offset),
    (
        "kafka_cluster_partition_replicascount",
        "Replicas of a partition that this broker leads, else 0.",
        |p| number(p.replica_count),
    ),
    (
        "kafka_cluster_partition_insyncreplicascount",
        "In-sync replicas of a partition led here, else 0.",
        |p| number(p.in_sync_replica_count),
    ),
    ("kafka_cluster_partition_underreplicated", "1 if a partition led here lacks in-sync replicas.", |p| {
        i64::from(p.in_sync_replica_count < p.replica_count)
    }),
];

/// A gauge of log directories, of all together and of each: names, help, whether one counts.
type DirectoryGauge = (&'static str, &'static str, &'static str, fn(&LogDirectory) -> bool);

const DIRECTORY_GAUGES: [DirectoryGauge; 2] = [
    (
        "kafka_log_logmanager_offlinelogdirectorycount",
        "kafka_log_logmanager_logdirectoryoffline",
        "Log directories of this broker that failed.",
        |directory| directory.is_offline,
    ),
    (
        "kafka_log_logmanager_cordonedlogdirectorycount",
        "kafka_log_logmanager_logdirectorycordoned",
        "Log directories of this broker that take no new partitions.",
        |directory| directory.is_cordoned,
    ),
];

fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

impl State {
    pub(super) fn write(&self, text: &mut Text) {
        self.write_brokers(text);
        self.write_connections(text);
        self.write_topics(text);
        self.write_log_directories(text);
        self.write_partitions(text);
        self.cleaner.write(text);
        groups::write(&self.consumer_groups, self.consumed_partitions_without_series, text);
    }

    fn write_brokers(&self, text: &mut Text) {
        text.family("kafka_brokers", Kind::Gauge, "Brokers of the cluster.");
        text.sample("kafka_brokers", &[], self.brokers.len());
        text.family("kafka_broker_info", Kind::Gauge, "Address of each broker of the cluster.");
        for (id, address) in &self.brokers {
            text.sample("kafka_broker_info", &[("id", &id.to_string()), ("address", address)], 1);
        }
    }

    /// Kafka's series carry a network processor too; there are none here.
    fn write_connections(&self, text: &mut Text) {
        let name = "kafka_server_socket_server_metrics_connection_count";
        text.family(name, Kind::Untyped, "Open connections of a listener.");
        for (listener, count) in &self.connections {
            text.sample(name, &[("listener", listener)], count);
        }
    }

    fn write_topics(&self, text: &mut Text) {
        let name = "kafka_topic_partitions";
        text.family(name, Kind::Gauge, "Partitions of a topic.");
        for (topic, partitions) in self.topics.iter().take(PARTITION_SERIES_MAX) {
            text.sample(name, &[("topic", topic)], partitions);
        }
    }

    fn write_log_directories(&self, text: &mut Text) {
        for (of_all, of_each, help, counts) in DIRECTORY_GAUGES {
            text.family(of_all, Kind::Gauge, help);
            text.sample(of_all, &[], self.log_directories.iter().filter(|one| counts(one)).count());
            text.family(of_each, Kind::Gauge, help);
            for directory in &self.log_directories {
                text.sample(of_each, &[("logDirectory", &directory.path)], u8::from(counts(directory)));
            }
        }
    }

    fn write_partitions(&self, text: &mut Text) {
        for (name, help, value) in PARTITION_GAUGES {
            text.family(name, Kind::Gauge, help);
            for partition in self.partitions.iter().take(PARTITION_SERIES_MAX) {
                let number = partition.partition.to_string();
                let labels = [("topic", &*partition.topic), ("partition", number.as_str())];
                text.sample(name, &labels, value(partition));
            }
        }
        let name = "barnabas_metrics_partitions_without_series";
        text.family(name, Kind::Gauge, "Partitions without series of their own, for want of room.");
        text.sample(name, &[], self.partitions.len().saturating_sub(PARTITION_SERIES_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_beyond_the_limit_are_counted_and_left_out() {
        let partition = |number| Partition {
            topic: "t".into(),
            partition: number,
            size_bytes: 0,
            log_start_offset: 0,
            log_end_offset: 0,
            high_watermark: 0,
            replica_count: 1,
            in_sync_replica_count: 1,
        };
        let state = State { partitions: (0..10_002).map(partition).collect(), ..State::default() };
        let mut text = Text::new(String::new());
        state.write(&mut text);
        let text = text.into_string();
        assert!(text.contains("barnabas_metrics_partitions_without_series 2\n"));
        assert!(text.contains("{topic=\"t\",partition=\"9999\"}") && !text.contains("partition=\"10000\""));
    }
}
