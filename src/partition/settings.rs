//! What a replica takes from its topic's configuration.

use crate::base::id::NodeId;
use crate::config::broker::Config;
use crate::config::topic::{CompressionType, TimestampType, TopicConfig};
use crate::config::value::Value;
use crate::log;
use crate::meta::Image;
use crate::meta::configs::ResourceKind;
use crate::wire::compress::Compression;
use crate::wire::validator::{self, Rules, decompression_budget};

/// The configuration of one replica.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the log.
    pub log: log::Settings,
    /// For the cleaner.
    pub cleaner: log::cleaner::Rules,
    /// Whether the page cache is enough for an acknowledgement (`write.caching`).
    pub write_caching: bool,
    /// `min.insync.replicas`.
    pub min_insync: usize,
    /// What a produced batch has to satisfy.
    pub rules: Rules,
}

/// Whether a transaction begins in a partition only with its coordinator's word.
const VERIFICATION: &str = "transaction.partition.verification.enable";
/// How long an idle producer is remembered.
const PRODUCER_ID_EXPIRATION: &str = "producer.id.expiration.ms";

impl Settings {
    /// The settings of `topic` on `node`, all layers considered.
    pub fn of_topic(config: &Config, image: &Image, node: NodeId, topic: &str) -> Self {
        image.configs.with_layers(config, node, |layers| {
            let topic = TopicConfig::resolve(&image.configs.overrides(ResourceKind::Topic, topic), layers);
            let verify_transactions = layers.value(VERIFICATION) != Some(Value::Boolean(false));
            let producer_id_expiration_ms = match layers.value(PRODUCER_ID_EXPIRATION) {
                Some(Value::Int(ms)) => ms.into(),
                Some(_) | None => config.logs.producer_id_expiration_ms,
            };
            Self::of(&topic, producer_id_expiration_ms, verify_transactions)
        })
    }

    fn of(topic: &TopicConfig, producer_id_expiration_ms: i64, verify_transactions: bool) -> Self {
        Self {
            log: log::Settings {
                segment_bytes: topic.segment_bytes,
                segment_ms: topic.segment_ms,
                segment_jitter_ms: topic.segment_jitter_ms,
                index_interval_bytes: topic.index_interval_bytes,
                segment_index_bytes: topic.segment_index_bytes,
                flush_messages: topic.flush_messages,
                flush_ms: topic.flush_ms,
                producer_id_expiration_ms,
                verify_transactions,
                preallocate: topic.preallocate,
                delete: topic.delete,
                retention_ms: topic.retention_ms,
                retention_bytes: topic.retention_bytes,
                file_delete_delay_ms: topic.file_delete_delay_ms,
                compact: topic.compact,
                max_compaction_lag_ms: topic.max_compaction_lag_ms,
            },
            cleaner: log::cleaner::Rules {
                min_compaction_lag_ms: topic.min_compaction_lag_ms,
                max_compaction_lag_ms: topic.max_compaction_lag_ms,
                min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
                delete_retention_ms: topic.delete_retention_ms,
            },
            write_caching: topic.write_caching,
            min_insync: usize::try_from(topic.min_insync_replicas).unwrap_or(1),
            rules: Rules {
                message_bytes_max: topic.max_message_bytes,
                timestamp_type: match topic.message_timestamp_type {
                    TimestampType::CreateTime => validator::TimestampType::CreateTime,
                    TimestampType::LogAppendTime => validator::TimestampType::LogAppendTime,
                },
                timestamp_before_max_ms: topic.message_timestamp_before_max_ms,
                timestamp_after_max_ms: topic.message_timestamp_after_max_ms,
                compacted: topic.compact,
                compression: compression(topic),
                decompressed_bytes_max: decompression_budget(topic.max_message_bytes),
            },
        }
    }
}

fn compression(topic: &TopicConfig) -> Option<Compression> {
    match topic.compression_type {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => Some(Compression::None),
        CompressionType::Gzip => Some(Compression::Gzip(topic.compression_gzip_level)),
        CompressionType::Snappy => Some(Compression::Snappy),
        CompressionType::Lz4 => Some(Compression::Lz4(topic.compression_lz4_level)),
        CompressionType::Zstd => Some(Compression::Zstd(topic.compression_zstd_level)),
    }
}
