//! Broker keys that are set while the cluster runs, over the static ones (`DynamicBrokerConfig`).

use std::collections::BTreeMap;

use super::broker::Config;
use super::broker_keys;
use super::key::Mode;
use super::listener_keys;
use super::value::Value;

/// Keys and raw values of one resource, as the cluster's metadata keeps them.
pub type Overrides = BTreeMap<String, String>;

/// Keys that exist only dynamically, and are all longs.
pub(super) const DYNAMIC_ONLY: [&str; 3] = [
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

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
        if let Some(key) = broker_keys::find(name).or(base) {
            key.parse(raw).map_err(|error| error.to_string())?;
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
