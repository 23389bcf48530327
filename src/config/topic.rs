//! Configuration of one topic: what a request may set, and what the topic runs with (`LogConfig`).

use super::dynamic::{Layers, Overrides};
use super::topic_keys::{self, TopicKey};
use super::value::{Invalid, Value};
use super::values::Values;

/// Why topic configs are refused; the wire code is INVALID_CONFIG (40) for all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is in no table.
    #[error("Unknown topic config name: {0}")]
    UnknownName(String),
    /// Values are null; the names are separated by commas.
    #[error("Null value not supported for topic configs: {0}")]
    NullValue(String),
    /// A value breaks its key's rule.
    #[error(transparent)]
    Value(#[from] Invalid),
    /// The values do not go with each other.
    #[error("{0}")]
    Conflict(String),
}

/// Checks one config by itself.
pub fn validate_one(name: &str, value: &str) -> Result<(), Error> {
    let topic_key = topic_keys::find(name).ok_or_else(|| Error::UnknownName(name.to_owned()))?;
    topic_key.key.parse(value)?;
    Ok(())
}

/// Checks all the configs a topic is to have, by themselves and together with what the broker gives
/// (`ControllerConfigurationValidator`, `LogConfig.validate`). Returns them as they are to be stored.
pub fn validate<'a>(
    configs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    layers: &Layers<'_>,
) -> Result<Overrides, Error> {
    let mut overrides = Overrides::new();
    let mut nulls = Vec::new();
    for (name, value) in configs {
        match value {
            Some(value) => drop(overrides.insert(name.to_owned(), value.to_owned())),
            None => nulls.push(name),
        }
    }
    if !nulls.is_empty() {
        return Err(Error::NullValue(nulls.join(",")));
    }
    if let Some(unknown) = overrides.keys().find(|name| topic_keys::find(name).is_none()) {
        return Err(Error::UnknownName(unknown.clone()));
    }
    for (name, value) in &overrides {
        validate_one(name, value)?;
    }
    validate_together(&resolve_values(&overrides, layers), layers)?;
    Ok(overrides)
}

fn validate_together(values: &Values, layers: &Layers<'_>) -> Result<(), Error> {
    let (min, max) = (values.long("min.compaction.lag.ms"), values.long("max.compaction.lag.ms"));
    if min > max {
        return Err(Error::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    if !values.boolean("remote.storage.enable") {
        return Ok(());
    }
    if !layers.config.values.boolean("remote.log.storage.system.enable") {
        return Err(Error::Conflict(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote \
             log storage."
                .into(),
        ));
    }
    let policy = values.list("cleanup.policy");
    if !policy.is_empty() && policy != ["delete"] {
        return Err(Error::Conflict(
            "Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy being an \
             empty list."
                .into(),
        ));
    }
    validate_local_retention(values, "local.retention.bytes", "retention.bytes")?;
    validate_local_retention(values, "local.retention.ms", "retention.ms")
}

/// What stays local of a tiered topic is no more than what is kept at all; -2 follows the whole.
fn validate_local_retention(values: &Values, local_key: &str, whole_key: &str) -> Result<(), Error> {
    let (local, whole) = (values.long(local_key), values.long(whole_key));
    if whole < 0 || local == -2 {
        return Ok(());
    }
    let reason = if local == -1 {
        format!("Value must not be -1 as {whole_key} value is set as {whole}.")
    } else if local > whole {
        format!("Value must not be more than {whole_key} property value: {whole}")
    } else {
        return Ok(());
    };
    Err(Invalid::value(local_key, local, reason).into())
}

/// The value of every topic key: the topic's own, else the broker's synonym, else the default. A stored
/// value that does not parse, which only another program can have written, counts as not set.
pub fn resolve_values(overrides: &Overrides, layers: &Layers<'_>) -> Values {
    let mut values = Values::default();
    for topic_key in topic_keys::all() {
        let name = topic_key.key.name;
        let own = overrides.get(name).and_then(|raw| topic_key.key.parse(raw).ok());
        values.insert(name, own.or_else(|| inherited(topic_key, layers)));
    }
    values
}

fn inherited(topic_key: &TopicKey, layers: &Layers<'_>) -> Option<Value> {
    let synonym = topic_key
        .synonyms
        .iter()
        .find_map(|synonym| layers.value(synonym.key).map(|value| synonym.convert(value)));
    let value = synonym.or_else(|| topic_key.key.default_value());
    // The broker's keys take any negative number for "no limit" (`KafkaConfig.logRetentionTimeMillis`).
    if let Some(Value::Long(ms)) = value
        && topic_key.key.name == "retention.ms"
    {
        return Some(Value::Long(ms.max(-1)));
    }
    value
}

/// In what codec batches are stored (`BrokerCompressionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent them.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Whose time the records of a topic carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appends.
    LogAppendTime,
}

/// What one topic runs with. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// Largest segment; `internal.segment.bytes` goes before `segment.bytes`.
    pub segment_bytes: u32,
    /// Age at which a segment is rolled.
    pub segment_ms: i64,
    /// How far rolls by age are spread.
    pub segment_jitter_ms: i64,
    /// Largest index file.
    pub segment_index_bytes: u32,
    /// Bytes of records between two index entries.
    pub index_interval_bytes: u32,
    /// Records after which to flush.
    pub flush_messages: i64,
    /// Time after which to flush.
    pub flush_ms: i64,
    /// Size beyond which old segments go; -1 means no limit.
    pub retention_bytes: i64,
    /// Age beyond which old segments go; -1 means no limit.
    pub retention_ms: i64,
    /// Time between dropping a segment and deleting its files.
    pub file_delete_delay_ms: i64,
    /// Largest batch.
    pub max_message_bytes: usize,
    /// Whether old segments are deleted.
    pub delete: bool,
    /// Whether old segments are compacted.
    pub compact: bool,
    /// Time that deletion markers stay.
    pub delete_retention_ms: i64,
    /// Shortest time a record stays uncompacted.
    pub min_compaction_lag_ms: i64,
    /// Longest time a record stays uncompacted.
    pub max_compaction_lag_ms: i64,
    /// Share of uncompacted bytes from which on to compact.
    pub min_cleanable_dirty_ratio: f64,
    /// Replicas that acks=all needs.
    pub min_insync_replicas: i32,
    /// Whether a replica out of sync may lead.
    pub unclean_leader_election: bool,
    /// Stored codec.
    pub compression_type: CompressionType,
    /// Level for gzip; -1 is the library's own.
    pub compression_gzip_level: i32,
    /// Level for LZ4.
    pub compression_lz4_level: i32,
    /// Level for Zstandard.
    pub compression_zstd_level: i32,
    /// Whether segment files get their full size at once.
    pub preallocate: bool,
    /// Whose time records carry.
    pub message_timestamp_type: TimestampType,
    /// How far a record may be dated back.
    pub message_timestamp_before_max_ms: i64,
    /// How far a record may be dated ahead.
    pub message_timestamp_after_max_ms: i64,
    /// Whether acks=all is answered from the page cache.
    pub write_caching: bool,
}

impl TopicConfig {
    /// What a topic with these configs runs with on this broker.
    pub fn resolve(overrides: &Overrides, layers: &Layers<'_>) -> Self {
        Self::from_values(&resolve_values(overrides, layers))
    }

    fn from_values(v: &Values) -> Self {
        let unsigned = |key: &str| u32::try_from(v.int(key)).unwrap_or(0);
        let internal = v.maybe_int("internal.segment.bytes").and_then(|bytes| u32::try_from(bytes).ok());
        let policy = v.list("cleanup.policy");
        Self {
            segment_bytes: internal.unwrap_or_else(|| unsigned("segment.bytes")),
            segment_ms: v.long("segment.ms"),
            segment_jitter_ms: v.long("segment.jitter.ms"),
            segment_index_bytes: unsigned("segment.index.bytes"),
            index_interval_bytes: unsigned("index.interval.bytes"),
            flush_messages: v.long("flush.messages"),
            flush_ms: v.long("flush.ms"),
            retention_bytes: v.long("retention.bytes"),
            retention_ms: v.long("retention.ms"),
            file_delete_delay_ms: v.long("file.delete.delay.ms"),
            max_message_bytes: v.size("max.message.bytes"),
            delete: policy.iter().any(|policy| policy == "delete"),
            compact: policy.iter().any(|policy| policy == "compact"),
            delete_retention_ms: v.long("delete.retention.ms"),
            min_compaction_lag_ms: v.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: v.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: v.double("min.cleanable.dirty.ratio"),
            min_insync_replicas: v.int("min.insync.replicas"),
            unclean_leader_election: v.boolean("unclean.leader.election.enable"),
            compression_type: compression_type(&v.text("compression.type")),
            compression_gzip_level: v.int("compression.gzip.level"),
            compression_lz4_level: v.int("compression.lz4.level"),
            compression_zstd_level: v.int("compression.zstd.level"),
            preallocate: v.boolean("preallocate"),
            message_timestamp_type: match v.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: v.long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: v.long("message.timestamp.after.max.ms"),
            write_caching: v.boolean("write.caching"),
        }
    }
}

/// The table admits no other names.
fn compression_type(name: &str) -> CompressionType {
    match name {
        "uncompressed" => CompressionType::Uncompressed,
        "gzip" => CompressionType::Gzip,
        "snappy" => CompressionType::Snappy,
        "lz4" => CompressionType::Lz4,
        "zstd" => CompressionType::Zstd,
        _ => CompressionType::Producer,
    }
}

#[cfg(test)]
mod tests {
    use super::super::broker::Config;
    use super::super::layers::Input;
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        let overrides = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::load(&Input { overrides, ..Input::default() }, &|_| Ok(None)).unwrap()
    }

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn refusal(configs: &[(&str, Option<&str>)]) -> String {
        let config = config(&[]);
        let result = validate(configs.iter().copied(), &Layers::of_static(&config));
        result.map_or_else(|error| error.to_string(), |kept| format!("{kept:?}"))
    }

    /// Kafka's answers, from running its `LogConfig`.
    #[test]
    fn refusals_read_as_kafkas_do() {
        let throttled = "leader.replication.throttled.replicas";
        for (name, value, expected) in [
            (
                "retention.ms",
                "abc",
                "Invalid value abc for configuration retention.ms: Not a number of type LONG",
            ),
            ("x", "abc", "Unknown topic config name: x"),
            (
                "cleanup.policy",
                "delete,x",
                "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete",
            ),
            ("cleanup.policy", "compact,", "Configuration 'cleanup.policy' values must not be empty."),
            (
                "segment.bytes",
                "5",
                "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576",
            ),
            (
                throttled,
                "a",
                "Invalid value [a] for configuration leader.replication.throttled.replicas: \
                 leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the \
                 following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            ),
            (
                "remote.storage.enable",
                "true",
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                 remote log storage.",
            ),
        ] {
            assert_eq!(refusal(&[(name, Some(value))]), expected);
        }
        for (name, value) in [(throttled, "*"), (throttled, "1:2, 3:4,"), ("cleanup.policy", "")] {
            assert!(refusal(&[(name, Some(value))]).starts_with('{'), "{name}={value}");
        }
    }

    #[test]
    fn configs_are_also_checked_together_and_against_the_brokers() {
        let lags = [("min.compaction.lag.ms", Some("10")), ("max.compaction.lag.ms", Some("5"))];
        let conflict = "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)";
        assert_eq!(refusal(&lags), conflict);
        let config = config(&[("log.cleaner.max.compaction.lag.ms", "5")]);
        let alone = validate([("min.compaction.lag.ms", Some("10"))], &Layers::of_static(&config));
        assert_eq!(alone.unwrap_err().to_string(), conflict);
        assert_eq!(
            refusal(&[("a", None), ("retention.ms", None)]),
            "Null value not supported for topic configs: a,retention.ms"
        );
    }

    #[test]
    fn a_topic_takes_its_own_value_then_the_dynamic_ones_then_the_static_one() {
        let config = config(&[("message.max.bytes", "1"), ("log.retention.hours", "2")]);
        let (broker, default) =
            (overrides(&[("message.max.bytes", "2")]), overrides(&[("message.max.bytes", "3")]));
        let layers = |broker, default| Layers { config: &config, broker, default };
        let none = Overrides::new();
        let bytes = |own: &Overrides, layers| TopicConfig::resolve(own, &layers).max_message_bytes;
        assert_eq!(bytes(&none, layers(&none, &none)), 1);
        assert_eq!(bytes(&none, layers(&none, &default)), 3);
        assert_eq!(bytes(&none, layers(&broker, &default)), 2);
        assert_eq!(bytes(&overrides(&[("max.message.bytes", "4")]), layers(&broker, &default)), 4);
        assert_eq!(TopicConfig::resolve(&none, &layers(&none, &none)).retention_ms, 2 * 60 * 60 * 1000);
    }

    #[test]
    fn finer_units_of_the_broker_come_first_and_negative_retention_means_for_ever() {
        let retention = |pairs: &[_]| {
            TopicConfig::resolve(&Overrides::new(), &Layers::of_static(&config(pairs))).retention_ms
        };
        assert_eq!(retention(&[]), 168 * 60 * 60 * 1000);
        assert_eq!(retention(&[("log.retention.hours", "1"), ("log.retention.minutes", "3")]), 180_000);
        assert_eq!(retention(&[("log.retention.ms", "7"), ("log.retention.minutes", "3")]), 7);
        assert_eq!(retention(&[("log.retention.hours", "-5")]), -1);
    }

    #[test]
    fn a_stored_value_that_no_longer_parses_counts_as_not_set() {
        let config = config(&[]);
        let broker = overrides(&[("log.segment.bytes", "x")]);
        let layers = Layers { config: &config, broker: &broker, default: &Overrides::new() };
        let topic = TopicConfig::resolve(&overrides(&[("segment.ms", "0"), ("nonsense", "1")]), &layers);
        assert_eq!((topic.segment_bytes, topic.segment_ms), (1 << 30, 604_800_000));
    }

    #[test]
    fn defaults_are_kafkas_and_writes_are_durable() {
        let config = config(&[]);
        let topic = TopicConfig::resolve(&Overrides::new(), &Layers::of_static(&config));
        assert_eq!((topic.delete, topic.compact, topic.write_caching), (true, false, false));
        assert_eq!(topic.compression_type, CompressionType::Producer);
        assert_eq!(topic.message_timestamp_type, TimestampType::CreateTime);
        assert_eq!((topic.max_message_bytes, topic.min_insync_replicas), (1_048_588, 1));
        let own = overrides(&[
            ("write.caching", "true"),
            ("internal.segment.bytes", "100"),
            ("cleanup.policy", "compact"),
            ("compression.type", "zstd"),
        ]);
        let topic = TopicConfig::resolve(&own, &Layers::of_static(&config));
        assert_eq!((topic.delete, topic.compact, topic.write_caching), (false, true, true));
        assert_eq!((topic.segment_bytes, topic.compression_type), (100, CompressionType::Zstd));
    }
}
