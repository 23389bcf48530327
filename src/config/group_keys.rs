//! THE table of group keys: Apache Kafka 4.3's 17 (`GroupConfig`), and the rules between them.
//!
//! A line is the name, type, default, rule, the broker key that stands in when the group does not set it, the broker
//! keys that bound what a group may set, whether it has an effect, and a sentence.

use std::collections::BTreeMap;

use super::dynamic::{Layers, Overrides};
use super::key::{Default, Effect, Importance, Key, Mode};
use super::valid::Valid::{Any, AtLeast, AutoOffsetReset, OneOf};
use super::value::{Type, Value};

/// One group key.
#[derive(Clone, Copy, Debug)]
pub struct GroupKey {
    /// What every key has.
    pub key: Key,
    /// The broker key that stands in for it.
    pub synonym: Option<&'static str>,
    /// The broker key below which it must not be set.
    pub min: Option<&'static str>,
    /// The broker key above which it must not be set.
    pub max: Option<&'static str>,
}

macro_rules! group_keys {
    ($($name:literal: $kind:ident, $default:literal, $valid:expr, $synonym:expr, $min:expr, $max:expr, $effect:ident,
       $documentation:literal;)*) => {
        &[$(GroupKey {
            key: Key {
                name: $name,
                kind: Type::$kind,
                default: Default::Text($default),
                valid: $valid,
                importance: Importance::Medium,
                mode: Mode::Group,
                effect: Effect::$effect,
                documentation: $documentation,
            },
            synonym: $synonym,
            min: $min,
            max: $max,
        }),*]
    };
}

/// Every group key.
pub const ALL: &[GroupKey] = group_keys! {
    "consumer.assignment.interval.ms": Int, "1000", AtLeast(0), Some("group.consumer.assignment.interval.ms"), Some("group.consumer.min.assignment.interval.ms"), Some("group.consumer.max.assignment.interval.ms"), Honoured, "Least time between two assignments of the group.";
    "consumer.heartbeat.interval.ms": Int, "5000", AtLeast(1), Some("group.consumer.heartbeat.interval.ms"), Some("group.consumer.min.heartbeat.interval.ms"), Some("group.consumer.max.heartbeat.interval.ms"), Honoured, "Heartbeat interval that the members are told.";
    "consumer.session.timeout.ms": Int, "45000", AtLeast(1), Some("group.consumer.session.timeout.ms"), Some("group.consumer.min.session.timeout.ms"), Some("group.consumer.max.session.timeout.ms"), Honoured, "Time without heartbeats after which a member is dropped.";
    "share.assignment.interval.ms": Int, "1000", AtLeast(0), Some("group.share.assignment.interval.ms"), Some("group.share.min.assignment.interval.ms"), Some("group.share.max.assignment.interval.ms"), Accepted, "Least time between two assignments of the group.";
    "share.auto.offset.reset": String, "latest", AutoOffsetReset, None, None, None, Accepted, "Where a share group begins: `earliest`, `latest`, or `by_duration:` and an ISO 8601 duration.";
    "share.delivery.count.limit": Int, "5", AtLeast(2), Some("group.share.delivery.count.limit"), Some("group.share.min.delivery.count.limit"), Some("group.share.max.delivery.count.limit"), Accepted, "Times a record is handed out before it is given up.";
    "share.heartbeat.interval.ms": Int, "5000", AtLeast(1), Some("group.share.heartbeat.interval.ms"), Some("group.share.min.heartbeat.interval.ms"), Some("group.share.max.heartbeat.interval.ms"), Accepted, "Heartbeat interval that the members are told.";
    "share.isolation.level": String, "read_uncommitted", OneOf(&["read_committed", "read_uncommitted"]), None, None, None, Accepted, "Whether a share group sees records of transactions that are not committed.";
    "share.partition.max.record.locks": Int, "2000", AtLeast(100), Some("group.share.partition.max.record.locks"), Some("group.share.min.partition.max.record.locks"), Some("group.share.max.partition.max.record.locks"), Accepted, "Most records of one partition that the group holds locked.";
    "share.record.lock.duration.ms": Int, "30000", AtLeast(1000), Some("group.share.record.lock.duration.ms"), Some("group.share.min.record.lock.duration.ms"), Some("group.share.max.record.lock.duration.ms"), Accepted, "Time a member may hold a record before others get it.";
    "share.renew.acknowledge.enable": Boolean, "true", Any, None, None, None, Accepted, "Whether a member may renew its lock on a record.";
    "share.session.timeout.ms": Int, "45000", AtLeast(1), Some("group.share.session.timeout.ms"), Some("group.share.min.session.timeout.ms"), Some("group.share.max.session.timeout.ms"), Accepted, "Time without heartbeats after which a member is dropped.";
    "streams.assignment.interval.ms": Int, "1000", AtLeast(0), Some("group.streams.assignment.interval.ms"), Some("group.streams.min.assignment.interval.ms"), Some("group.streams.max.assignment.interval.ms"), Accepted, "Least time between two assignments of the group.";
    "streams.heartbeat.interval.ms": Int, "5000", AtLeast(1), Some("group.streams.heartbeat.interval.ms"), Some("group.streams.min.heartbeat.interval.ms"), Some("group.streams.max.heartbeat.interval.ms"), Accepted, "Heartbeat interval that the members are told.";
    "streams.initial.rebalance.delay.ms": Int, "3000", AtLeast(0), Some("group.streams.initial.rebalance.delay.ms"), None, None, Accepted, "Time an empty group waits for more members before its first assignment.";
    "streams.num.standby.replicas": Int, "0", AtLeast(0), Some("group.streams.num.standby.replicas"), None, Some("group.streams.max.standby.replicas"), Accepted, "Standby copies of each task.";
    "streams.session.timeout.ms": Int, "45000", AtLeast(1), Some("group.streams.session.timeout.ms"), Some("group.streams.min.session.timeout.ms"), Some("group.streams.max.session.timeout.ms"), Accepted, "Time without heartbeats after which a member is dropped.";
};

/// Kinds of groups whose sessions must outlast their heartbeats.
const KINDS: [&str; 3] = ["consumer", "share", "streams"];

/// The key `name`.
pub fn find(name: &str) -> Option<&'static GroupKey> {
    ALL.iter().find(|group_key| group_key.key.name == name)
}

/// Whether a group may have these; the refusal is Kafka's text (`GroupConfig.validate`).
pub fn validate<'a>(
    entries: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    layers: &Layers<'_>,
) -> Result<(), String> {
    if let Some((name, _)) = entries.clone().find(|(name, _)| find(name).is_none()) {
        return Err(format!("Unknown group config name: {name}"));
    }
    let mut set: BTreeMap<&str, i32> = BTreeMap::new();
    for (name, raw) in entries {
        let Some(group_key) = find(name) else { continue };
        if let Value::Int(value) = group_key.key.parse(raw).map_err(|error| error.to_string())? {
            set.insert(name, value);
        }
    }
    let broker = |name: &str| match layers.value(name) {
        Some(Value::Int(value)) => Some(value),
        _ => None,
    };
    for (name, value) in &set {
        let Some(group_key) = find(name) else { continue };
        if let Some(min) = group_key.min.filter(|min| broker(min).is_some_and(|min| *value < min)) {
            return Err(format!("{name} must be greater than or equal to {min}"));
        }
        if let Some(max) = group_key.max.filter(|max| broker(max).is_some_and(|max| *value > max)) {
            return Err(format!("{name} must be less than or equal to {max}"));
        }
    }
    for kind in KINDS {
        let (session, heartbeat) =
            (format!("{kind}.session.timeout.ms"), format!("{kind}.heartbeat.interval.ms"));
        let value = |name: &str| set.get(name).copied().or_else(|| broker(&format!("group.{name}")));
        if set.keys().any(|name| **name == session || **name == heartbeat)
            && value(&session) <= value(&heartbeat)
        {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

/// The effective value of a key for a group that has set `overrides`.
pub fn value(group_key: &GroupKey, overrides: &Overrides, layers: &Layers<'_>) -> Option<Value> {
    // A value that does not parse, which only another program can have written, counts as not set.
    let own = overrides.get(group_key.key.name).and_then(|raw| group_key.key.parse(raw).ok());
    let broker = || group_key.synonym.and_then(|synonym| layers.value(synonym));
    own.or_else(broker).or_else(|| group_key.key.default_value())
}

#[cfg(test)]
mod tests {
    use super::super::broker::Config;
    use super::super::broker_keys;
    use super::super::layers::Input;
    use super::*;

    #[test]
    fn every_broker_key_it_names_exists_and_has_its_default() {
        assert_eq!(ALL.len(), 17);
        assert!(ALL.windows(2).all(|pair| pair[0].key.name < pair[1].key.name));
        for GroupKey { key, synonym, min, max } in ALL {
            if let Some(synonym) = synonym {
                assert_eq!(
                    broker_keys::find(synonym).unwrap().default_value(),
                    key.default_value(),
                    "{synonym}"
                );
            }
            assert!(min.iter().chain(max).all(|bound| broker_keys::find(bound).is_some()), "{}", key.name);
        }
    }

    /// Kafka 4.3.1's answers.
    #[test]
    fn refusals_read_as_kafkas_do() {
        let overrides = [
            ("group.consumer.min.session.timeout.ms", "1"),
            ("group.consumer.max.heartbeat.interval.ms", "90000"),
        ];
        let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let config = Config::load(&Input { overrides, ..Input::default() }, &|_| Ok(None)).unwrap();
        for (entries, text) in [
            (&[("no.such", "1")][..], "Unknown group config name: no.such"),
            (
                &[("consumer.heartbeat.interval.ms", "x")],
                "Invalid value x for configuration consumer.heartbeat.interval.ms: Not a number of type INT",
            ),
            (
                &[("share.session.timeout.ms", "1")],
                "share.session.timeout.ms must be greater than or equal to group.share.min.session.timeout.ms",
            ),
            (
                &[("streams.num.standby.replicas", "9")],
                "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
            ),
            (
                &[("share.auto.offset.reset", "never")],
                "Invalid value never for configuration share.auto.offset.reset: Invalid value `never` for configuration \
                 share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format \
                 'by_duration:<PnDTnHnMn.nS>'.",
            ),
            (
                &[("consumer.session.timeout.ms", "8000"), ("consumer.heartbeat.interval.ms", "8000")],
                "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
            ),
            (
                &[("consumer.session.timeout.ms", "4000")],
                "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
            ),
        ] {
            assert_eq!(validate(entries.iter().copied(), &Layers::of_static(&config)), Err(text.to_owned()));
        }
        let good =
            [("share.auto.offset.reset", "by_duration:PT1H30M"), ("consumer.session.timeout.ms", "45000")];
        assert_eq!(validate(good.into_iter(), &Layers::of_static(&config)), Ok(()));
    }
}
