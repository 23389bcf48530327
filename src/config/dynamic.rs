//! Broker keys that are set while the cluster runs, over the static ones (`DynamicBrokerConfig`).

use std::collections::BTreeMap;

use super::broker::Config;
use super::broker_keys;
use super::key::{Default, Effect, Importance, Key, Mode};
use super::listener_keys;
use super::valid::Valid;
use super::value::{Invalid, Type, Value};

/// Keys and raw values of one resource, as the cluster's metadata keeps them.
pub type Overrides = BTreeMap<String, String>;

const fn throttle(name: &'static str, documentation: &'static str) -> Key {
    Key {
        name,
        kind: Type::Long,
        default: Default::Text("9223372036854775807"),
        valid: Valid::AtLeast(0),
        importance: Importance::Medium,
        mode: Mode::PerBroker,
        effect: Effect::Accepted,
        documentation,
    }
}

/// Keys that exist only dynamically (`QuotaConfig.BROKER_QUOTA_CONFIGS`).
const DYNAMIC_ONLY: [Key; 3] = [
    throttle(
        "follower.replication.throttled.rate",
        "Most bytes a second that throttled replicas copy from elsewhere.",
    ),
    throttle(
        "leader.replication.throttled.rate",
        "Most bytes a second that throttled replicas are copied from here.",
    ),
    throttle(
        "replica.alter.log.dirs.io.max.bytes.per.second",
        "Most bytes a second that replicas are moved between log directories.",
    ),
];

/// The key `name`, if it can be set only dynamically.
pub(super) fn find_dynamic_only(name: &str) -> Option<&'static Key> {
    DYNAMIC_ONLY.iter().find(|key| key.name == name)
}

/// Broker keys that stand in for each other, highest priority first (`brokerConfigSynonyms`).
const FAMILIES: [&[&str]; 3] = [
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
];

/// The broker keys that `name` and its stand-ins are, highest priority first; none if it has no stand-in.
pub(super) fn family(name: &str) -> Option<&'static [&'static str]> {
    if name == "log.flush.interval.ms" {
        return Some(&["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]);
    }
    FAMILIES.into_iter().find(|family| family.contains(&name))
}

/// Everything that decides the value of a broker key.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// The static configuration.
    pub config: &'a Config,
    /// What is set for this broker.
    pub broker: &'a Overrides,
    /// What is set for all brokers (the broker resource without a name).
    pub default: &'a Overrides,
}

impl<'a> Layers<'a> {
    /// The layers of a broker that nobody reconfigured.
    pub fn of_static(config: &'a Config) -> Self {
        static NOTHING: Overrides = Overrides::new();
        Self { config, broker: &NOTHING, default: &NOTHING }
    }

    /// The value of a key of the broker table; `None` is null. A dynamic value that does not parse, which
    /// only another program can have written, counts as not set.
    pub fn value(&self, name: &str) -> Option<Value> {
        let key = broker_keys::find(name).filter(|key| key.mode != Mode::ReadOnly);
        let dynamic = key.and_then(|key| {
            let parse = |overrides: &Overrides| key.parse(overrides.get(name)?).ok();
            parse(self.broker).or_else(|| parse(self.default))
        });
        dynamic.or_else(|| self.config.values.get(name).cloned())
    }
}

/// Keys that hold secrets and stores of a listener, which can be set under its prefix only
/// (`SslConfigs.RECONFIGURABLE_CONFIGS`).
const PER_LISTENER: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];
/// Keys that a listener may have of its own and that can be set for all brokers.
const CLUSTER_WIDE_OF_LISTENERS: [&str; 3] =
    ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// Whether a broker, or all of them, may be given `entries` while they run; the refusal is Kafka's text
/// (`DynamicBrokerConfig.validateConfigs`). Keys that nobody knows are allowed.
pub fn check(entries: &Overrides, is_one_broker: bool) -> Result<(), String> {
    let refuse = |what: &str, names: Vec<&str>| {
        if names.is_empty() { Ok(()) } else { Err(format!("{what}: [{}]", names.join(", "))) }
    };
    let names = || entries.keys().map(String::as_str);
    let is_read_only = |name: &&str| {
        broker_keys::find(name).is_some_and(|key| key.mode == Mode::ReadOnly) && !PER_LISTENER.contains(name)
    };
    refuse("Cannot update these configs dynamically", names().filter(is_read_only).collect())?;
    refuse(
        "These security configs can be dynamically updated only per-listener using the listener prefix",
        names().filter(|name| PER_LISTENER.contains(name)).collect(),
    )?;
    for (name, raw) in entries {
        let base = listener_keys::base_key(name);
        if let Some(key) = broker_keys::find(name).or(base).or_else(|| find_dynamic_only(name)) {
            check_value(key, raw)?;
        }
    }
    if is_one_broker {
        return Ok(());
    }
    let is_of_one = |name: &&str| match listener_keys::base_key(name) {
        Some(base) => !CLUSTER_WIDE_OF_LISTENERS.contains(&base.name),
        None => broker_keys::find(name).is_some_and(|key| key.mode == Mode::PerBroker),
    };
    refuse(
        "Cannot update these configs at default cluster level, broker id must be specified",
        names().filter(is_of_one).collect(),
    )
}

fn check_value(key: &Key, raw: &str) -> Result<(), String> {
    let value = key.parse(raw).map_err(|error| error.to_string())?;
    // No class is there to be loaded but those that Kafka has by default, whose work is done without them.
    if key.kind == Type::Class && key.default_value().as_ref() != Some(&value) {
        let missing = format!("Class {} could not be found.", value.text());
        return Err(Invalid::value(key.name, value.text(), missing).to_string());
    }
    Ok(())
}
