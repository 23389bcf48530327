//! What a log needs to know of its topic's configuration (`LogConfig`).

use std::path::Path;

/// Configuration of one log; `partition` makes it from the topic's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `segment.bytes`: a segment that would grow beyond is rolled.
    pub segment_bytes: u32,
    /// `segment.ms`: how much later than its first batch a batch may be that goes to the same segment.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to how much of `segment_ms` is taken off, another amount for each segment.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`: at least so many bytes lie between two index entries.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: a segment is rolled when one of its indexes reaches that.
    pub segment_index_bytes: u32,
    /// `flush.messages`: flush before so many records are unflushed. For the caller.
    pub flush_messages: i64,
    /// `flush.ms`: flush what is so old. For the caller.
    pub flush_ms: i64,
    /// `producer.id.expiration.ms`: an idle producer is forgotten after that.
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable`: a transaction begins here only with its coordinator's word.
    pub verify_transactions: bool,
    /// `preallocate`: room for a whole segment is set aside when it is made. The file is as long as what is written to
    /// it, where Apache Kafka's has its full length.
    pub preallocate: bool,
    /// Whether `cleanup.policy` has `delete`: only then do time and size count.
    pub delete: bool,
    /// `retention.ms`: records so old go with their segment; -1 for none.
    pub retention_ms: i64,
    /// `retention.bytes`: what the log may have at most, but for a segment; -1 for any.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: how long files stay that belong to no segment any more.
    pub file_delete_delay_ms: i64,
    /// Whether `cleanup.policy` has `compact`: only then may offsets be missing between two segments.
    pub compact: bool,
    /// `max.compaction.lag.ms`: how long a record of a compacted log may wait for the cleaner, who leaves the active
    /// segment alone.
    pub max_compaction_lag_ms: i64,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            producer_id_expiration_ms: 24 * 3_600_000,
            verify_transactions: true,
            preallocate: false,
            delete: true,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            compact: false,
            max_compaction_lag_ms: i64::MAX,
        }
    }
}

impl Settings {
    /// How old records may get at most; -1 for any age.
    pub(super) fn expiry_ms(&self) -> i64 {
        if self.delete { self.retention_ms } else { -1 }
    }

    /// After how long a segment is rolled, so that its records can be cleaned in time (`LogConfig.maxSegmentMs`).
    fn segment_ms_max(&self) -> i64 {
        let is_bound = self.compact && self.max_compaction_lag_ms > 0;
        if is_bound { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }

    /// That, less the jitter of one segment. Apache Kafka draws the jitter; here it follows from the name, so
    /// that a run can be repeated.
    pub(super) fn roll_ms(&self, dir: &Path, base_offset: i64) -> i64 {
        let segment_ms = self.segment_ms_max();
        let range = self.segment_jitter_ms.min(segment_ms);
        if range <= 0 {
            return segment_ms;
        }
        // FNV-1a, 32 bits.
        let dir = dir.as_os_str().as_encoded_bytes();
        let bytes = dir.iter().copied().chain(base_offset.to_be_bytes());
        let hash = bytes.fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
        segment_ms - i64::from(hash) % range
    }
}
