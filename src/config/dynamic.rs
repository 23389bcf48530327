//! Broker keys that are set while the cluster runs, over the static ones (`DynamicBrokerConfig`).

use std::collections::BTreeMap;

use super::broker::Config;
use super::broker_keys;
use super::key::Mode;
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
