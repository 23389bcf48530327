//! THE table of topic keys: Apache Kafka 4.3's 33 public and one internal, and our own.
//!
//! A line is the name, type, default, rule, the broker keys that stand in when the topic does not set it
//! (`ServerTopicConfigSynonyms`, highest priority first), whether it has an effect, and a sentence.

use super::key::Default::{Null, Text};
use super::key::{Effect, Importance, Key, Mode};
use super::valid::Emptiness::MayBeEmpty;
use super::valid::Valid::{Any, AtLeast, Between, GzipLevel, OneOf, ThrottledReplicas};
use super::valid::list_of;
use super::value::{Type, Value};

/// What a broker key's number is multiplied with to become the topic key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Same,
    Minutes,
    Hours,
}

/// A broker key that stands in for a topic key.
#[derive(Clone, Copy, Debug)]
pub struct Synonym {
    /// The broker key.
    pub key: &'static str,
    unit: Unit,
}

impl Synonym {
    /// The broker key's value as the topic key has it.
    pub fn convert(&self, value: Value) -> Value {
        let factor_ms = match self.unit {
            Unit::Same => return value,
            Unit::Minutes => 60 * 1000,
            Unit::Hours => 60 * 60 * 1000,
        };
        match value {
            Value::Int(number) => Value::Long(i64::from(number) * factor_ms),
            other @ (Value::Boolean(_)
            | Value::String(_)
            | Value::Short(_)
            | Value::Long(_)
            | Value::Double(_)
            | Value::List(_)
            | Value::Password(_)) => other,
        }
    }
}

const fn same(key: &'static str) -> Synonym {
    Synonym { key, unit: Unit::Same }
}

const fn minutes(key: &'static str) -> Synonym {
    Synonym { key, unit: Unit::Minutes }
}

const fn hours(key: &'static str) -> Synonym {
    Synonym { key, unit: Unit::Hours }
}

/// One topic key.
#[derive(Clone, Copy, Debug)]
pub struct TopicKey {
    /// What every key has.
    pub key: Key,
    /// The broker keys that stand in for it, highest priority first.
    pub synonyms: &'static [Synonym],
}

macro_rules! topic_keys {
    ($($name:literal: $kind:ident, $default:expr, $valid:expr, [$($synonym:expr),*], $effect:ident,
       $documentation:literal;)*) => {
        &[$(TopicKey {
            key: Key {
                name: $name,
                kind: Type::$kind,
                default: $default,
                valid: $valid,
                importance: Importance::Medium,
                mode: Mode::Topic,
                effect: Effect::$effect,
                documentation: $documentation,
            },
            synonyms: &[$($synonym),*],
        }),*]
    };
}

/// The key `name`, public or internal.
pub fn find(name: &str) -> Option<&'static TopicKey> {
    all().find(|topic_key| topic_key.key.name == name)
}

/// Every topic key.
pub fn all() -> impl Iterator<Item = &'static TopicKey> {
    PUBLIC.iter().chain(INTERNAL)
}

/// Keys that DescribeConfigs does not list unless a topic sets them.
pub const INTERNAL: &[TopicKey] = topic_keys! {
    "internal.segment.bytes": Int, Null, Any, [], Honoured, "Segment size below the floor of `segment.bytes`, for tests.";
};

/// The keys that DescribeConfigs lists.
pub const PUBLIC: &[TopicKey] = topic_keys! {
    "cleanup.policy": List, Text("delete"), list_of(&["compact", "delete"], MayBeEmpty), [same("log.cleanup.policy")], Honoured, "What happens to old segments: `delete`, `compact`, both, or nothing when empty.";
    "compression.gzip.level": Int, Text("-1"), GzipLevel, [same("compression.gzip.level")], Honoured, "Level when the topic is stored as gzip.";
    "compression.lz4.level": Int, Text("9"), Between(1, 17), [same("compression.lz4.level")], Honoured, "Level when the topic is stored as lz4.";
    "compression.type": String, Text("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), [same("compression.type")], Honoured, "Codec in which the topic is stored; `producer` keeps what the producer sent.";
    "compression.zstd.level": Int, Text("3"), Between(-131_072, 22), [same("compression.zstd.level")], Honoured, "Level when the topic is stored as zstd.";
    "delete.retention.ms": Long, Text("86400000"), AtLeast(0), [same("log.cleaner.delete.retention.ms")], Honoured, "Time that deletion markers stay in a compacted topic.";
    "file.delete.delay.ms": Long, Text("60000"), AtLeast(0), [same("log.segment.delete.delay.ms")], Honoured, "Time between dropping a segment and deleting its file.";
    "flush.messages": Long, Text("9223372036854775807"), AtLeast(1), [same("log.flush.interval.messages")], Honoured, "Records of a partition after which it is flushed to disk.";
    "flush.ms": Long, Text("9223372036854775807"), AtLeast(0), [same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")], Honoured, "Time after which a partition's records are flushed to disk.";
    "follower.replication.throttled.replicas": List, Text(""), ThrottledReplicas, [], Accepted, "Replicas whose copying is throttled at the follower, as `partition:broker`, or `*`.";
    "index.interval.bytes": Int, Text("4096"), AtLeast(0), [same("log.index.interval.bytes")], Honoured, "Bytes of records between two entries of the offset index.";
    "leader.replication.throttled.replicas": List, Text(""), ThrottledReplicas, [], Accepted, "Replicas whose copying is throttled at the leader, as `partition:broker`, or `*`.";
    "local.retention.bytes": Long, Text("-2"), AtLeast(-2), [same("log.local.retention.bytes")], Accepted, "Bytes of a tiered partition that stay local; -2 follows `retention.bytes`.";
    "local.retention.ms": Long, Text("-2"), AtLeast(-2), [same("log.local.retention.ms")], Accepted, "Time that records of a tiered partition stay local; -2 follows `retention.ms`.";
    "max.compaction.lag.ms": Long, Text("9223372036854775807"), AtLeast(1), [same("log.cleaner.max.compaction.lag.ms")], Honoured, "Longest time a record stays uncompacted.";
    "max.message.bytes": Int, Text("1048588"), AtLeast(0), [same("message.max.bytes")], Honoured, "Largest record batch that is accepted.";
    "message.timestamp.after.max.ms": Long, Text("3600000"), AtLeast(0), [same("log.message.timestamp.after.max.ms")], Honoured, "How far a record's timestamp may lie ahead of the broker's clock.";
    "message.timestamp.before.max.ms": Long, Text("9223372036854775807"), AtLeast(0), [same("log.message.timestamp.before.max.ms")], Honoured, "How far a record's timestamp may lie behind the broker's clock.";
    "message.timestamp.type": String, Text("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), [same("log.message.timestamp.type")], Honoured, "Whether records carry the time of the producer or of the append.";
    "min.cleanable.dirty.ratio": Double, Text("0.5"), Between(0, 1), [same("log.cleaner.min.cleanable.ratio")], Honoured, "Share of uncompacted bytes from which on the log is cleaned.";
    "min.compaction.lag.ms": Long, Text("0"), AtLeast(0), [same("log.cleaner.min.compaction.lag.ms")], Honoured, "Shortest time a record stays uncompacted.";
    "min.insync.replicas": Int, Text("1"), AtLeast(1), [same("min.insync.replicas")], Honoured, "Replicas that must have a record before acks=all is answered.";
    "preallocate": Boolean, Text("false"), Any, [same("log.preallocate")], Honoured, "Whether room for a whole segment is set aside when it is made.";
    "remote.log.copy.disable": Boolean, Text("false"), Any, [], Accepted, "Whether copying to remote storage is stopped.";
    "remote.log.delete.on.disable": Boolean, Text("false"), Any, [], Accepted, "Whether switching tiered storage off deletes the remote data.";
    "remote.storage.enable": Boolean, Text("false"), Any, [], Accepted, "Whether the topic is tiered.";
    "retention.bytes": Long, Text("-1"), Any, [same("log.retention.bytes")], Honoured, "Size of a partition beyond which old segments are deleted; -1 means no limit.";
    "retention.ms": Long, Text("604800000"), AtLeast(-1), [same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")], Honoured, "Milliseconds that records are kept; -1 means for ever.";
    "segment.bytes": Int, Text("1073741824"), AtLeast(1_048_576), [same("log.segment.bytes")], Honoured, "Largest size of a segment file.";
    "segment.index.bytes": Int, Text("10485760"), AtLeast(4), [same("log.index.size.max.bytes")], Honoured, "Largest size of an index file.";
    "segment.jitter.ms": Long, Text("0"), AtLeast(0), [same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")], Honoured, "Most milliseconds by which rolls are spread.";
    "segment.ms": Long, Text("604800000"), AtLeast(1), [same("log.roll.ms"), hours("log.roll.hours")], Honoured, "Milliseconds after which a segment is rolled even if it is not full.";
    "unclean.leader.election.enable": Boolean, Text("false"), Any, [same("unclean.leader.election.enable")], Honoured, "Whether a replica that is not in sync may become leader, losing records.";
    "write.caching": Boolean, Text("false"), Any, [same("write.caching")], Honoured, "Whether acks=all is answered from the page cache, as Kafka does, instead of after fdatasync.";
};

#[cfg(test)]
mod tests {
    use super::super::broker_keys;
    use super::*;

    #[test]
    fn the_table_is_complete_sorted_and_without_duplicates() {
        assert_eq!((PUBLIC.len(), INTERNAL.len()), (34, 1));
        assert!(PUBLIC.windows(2).all(|pair| pair[0].key.name < pair[1].key.name));
    }

    #[test]
    fn every_default_keeps_its_own_rule() {
        for TopicKey { key, .. } in all() {
            if let Text(text) = key.default {
                assert_eq!(key.parse(text).unwrap().text(), text, "{}", key.name);
            }
        }
    }

    #[test]
    fn every_synonym_is_a_broker_key_whose_default_is_the_topic_keys() {
        for TopicKey { key, synonyms } in all() {
            for synonym in *synonyms {
                let broker_key = broker_keys::find(synonym.key).unwrap();
                if let Some(value) = broker_key.default_value() {
                    assert_eq!(Some(synonym.convert(value)), key.default_value(), "{}", synonym.key);
                }
            }
        }
    }
}
