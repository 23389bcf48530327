//! The static configuration, one part for each part of the broker that reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::values::Values;

/// Limits of sockets and of what is read from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// Largest frame, without its length field.
    pub request_bytes_max: usize,
    /// Bytes of requests in memory over all connections; `None` leaves it to the broker.
    pub queued_request_bytes_max: Option<usize>,
    /// `SO_SNDBUF`; `None` leaves it to the system.
    pub send_buffer_bytes: Option<usize>,
    /// `SO_RCVBUF`; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<usize>,
    /// Connections that may wait to be accepted.
    pub listen_backlog: i32,
}

impl Sockets {
    pub(super) fn read(v: &Values) -> Self {
        Self {
            request_bytes_max: v.size("socket.request.max.bytes"),
            queued_request_bytes_max: usize::try_from(v.long("queued.max.request.bytes"))
                .ok()
                .filter(|b| *b > 0),
            send_buffer_bytes: v.maybe_size("socket.send.buffer.bytes"),
            receive_buffer_bytes: v.maybe_size("socket.receive.buffer.bytes"),
            listen_backlog: v.int("socket.listen.backlog.size"),
        }
    }
}

/// Limits of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At a time.
    pub max: usize,
    /// At a time, from one address.
    pub per_ip_max: usize,
    /// The same for single addresses or host names.
    pub per_ip_overrides: BTreeMap<String, usize>,
    /// New ones in a second.
    pub creation_rate_max: usize,
    /// Milliseconds without a request until one is closed; `None` means never.
    pub idle_ms_max: Option<u64>,
}

/// Where logs are, and how often the log manager does its rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// The log directories; at least one.
    pub dirs: Vec<PathBuf>,
    /// Directory of `__cluster_metadata-0`.
    pub metadata_dir: PathBuf,
    /// Threads per directory that open logs at the start.
    pub recovery_threads_per_data_dir: usize,
    /// Milliseconds between searches for segments to delete.
    pub retention_check_interval_ms: i64,
    /// Milliseconds between searches for partitions to flush by time.
    pub flush_scheduler_interval_ms: i64,
    /// Milliseconds between writes of `recovery-point-offset-checkpoint`.
    pub flush_offset_checkpoint_interval_ms: i64,
    /// Milliseconds between writes of `log-start-offset-checkpoint`.
    pub flush_start_offset_checkpoint_interval_ms: i64,
    /// Milliseconds between writes of `replication-offset-checkpoint`.
    pub high_watermark_checkpoint_interval_ms: i64,
    /// Milliseconds after its last write that a producer's state is forgotten.
    pub producer_id_expiration_ms: i64,
    /// Milliseconds between searches for producers whose state is to be forgotten.
    pub producer_id_expiration_check_interval_ms: i64,
}

impl Logs {
    pub(super) fn read(v: &Values) -> Self {
        let dirs: Vec<PathBuf> = v
            .maybe_list("log.dirs")
            .unwrap_or_else(|| v.list("log.dir"))
            .into_iter()
            .map(PathBuf::from)
            .collect();
        let metadata_dir = v.maybe_text("metadata.log.dir").map(PathBuf::from);
        Self {
            metadata_dir: metadata_dir.or_else(|| dirs.first().cloned()).unwrap_or_default(),
            dirs,
            recovery_threads_per_data_dir: v.size("num.recovery.threads.per.data.dir"),
            retention_check_interval_ms: v.long("log.retention.check.interval.ms"),
            flush_scheduler_interval_ms: v.long("log.flush.scheduler.interval.ms"),
            flush_offset_checkpoint_interval_ms: v.int("log.flush.offset.checkpoint.interval.ms").into(),
            flush_start_offset_checkpoint_interval_ms: v
                .int("log.flush.start.offset.checkpoint.interval.ms")
                .into(),
            high_watermark_checkpoint_interval_ms: v.long("replica.high.watermark.checkpoint.interval.ms"),
            producer_id_expiration_ms: v.int("producer.id.expiration.ms").into(),
            producer_id_expiration_check_interval_ms: v
                .int("producer.id.expiration.check.interval.ms")
                .into(),
        }
    }
}

/// The metadata log and its snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataLog {
    /// Largest segment.
    pub segment_bytes: u32,
    /// Milliseconds after which a segment is rolled.
    pub segment_ms: i64,
    /// Size of log and snapshots to keep.
    pub retention_bytes_max: i64,
    /// Milliseconds to keep log and snapshots.
    pub retention_ms_max: i64,
    /// Bytes of records after which a snapshot is written.
    pub record_bytes_between_snapshots_max: i64,
    /// Milliseconds between snapshots, if anything changed; 0 means no limit.
    pub snapshot_interval_ms_max: i64,
}

impl MetadataLog {
    pub(super) fn read(v: &Values) -> Self {
        let segment_bytes = v
            .maybe_int("internal.metadata.log.segment.bytes")
            .unwrap_or_else(|| v.int("metadata.log.segment.bytes"));
        Self {
            segment_bytes: u32::try_from(segment_bytes).unwrap_or(u32::MAX),
            segment_ms: v.long("metadata.log.segment.ms"),
            retention_bytes_max: v.long("metadata.max.retention.bytes"),
            retention_ms_max: v.long("metadata.max.retention.ms"),
            record_bytes_between_snapshots_max: v.long("metadata.log.max.record.bytes.between.snapshots"),
            snapshot_interval_ms_max: v.long("metadata.log.max.snapshot.interval.ms"),
        }
    }
}

/// What a topic gets that is created without saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCreation {
    /// Partitions.
    pub num_partitions: i32,
    /// Replicas.
    pub replication_factor: i32,
    /// Whether a request for an unknown topic creates it.
    pub auto_create: bool,
    /// Whether topics can be deleted.
    pub delete_enabled: bool,
}

impl TopicCreation {
    pub(super) fn read(v: &Values) -> Self {
        Self {
            num_partitions: v.int("num.partitions"),
            replication_factor: v.int("default.replication.factor"),
            auto_create: v.boolean("auto.create.topics.enable"),
            delete_enabled: v.boolean("delete.topic.enable"),
        }
    }
}

/// Limits of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// Bytes of one fetch response.
    pub fetch_bytes_max: usize,
    /// Fetch sessions that are kept.
    pub fetch_session_slots_max: usize,
    /// Partitions of one DescribeTopicPartitions answer.
    pub partition_count_max: usize,
}

impl Requests {
    pub(super) fn read(v: &Values) -> Self {
        Self {
            fetch_bytes_max: v.size("fetch.max.bytes"),
            fetch_session_slots_max: v.size("max.incremental.fetch.session.cache.slots"),
            partition_count_max: v.size("max.request.partition.size.limit"),
        }
    }
}
