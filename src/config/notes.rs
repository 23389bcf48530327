//! What a start-up should say about a configuration that it accepts: keys without meaning, and keys whose
//! effect a person may count on and that barnabas does not have.

use super::broker_keys;
use super::key::Default;
use super::layers::{Origin, Settings};
use super::listener_keys;
use super::values::Values;

/// Keys that are in no table and mean something all the same.
const READ_ELSEWHERE: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];

/// Classes and algorithms that Kafka would load and barnabas does not.
const FOREIGN: [&str; 12] = [
    "alter.config.policy.class.name",
    "client.quota.callback.class",
    "create.topic.policy.class.name",
    "kafka.metrics.reporters",
    "metric.reporters",
    "principal.builder.class",
    "security.providers",
    "ssl.engine.factory.class",
    "ssl.keymanager.algorithm",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
];

/// Keys that nobody reads, by name.
pub(super) fn unknown_keys(settings: &Settings) -> Vec<String> {
    let is_known = |key: &str| {
        broker_keys::find(key).is_some()
            || listener_keys::base_key(key).is_some()
            || READ_ELSEWHERE.contains(&key)
            || key.starts_with("config.providers.")
    };
    settings.keys().filter(|key| !is_known(key)).cloned().collect()
}

/// Sentences for WARN, by key.
pub(super) fn warnings(settings: &Settings, values: &Values) -> Vec<String> {
    let mut warnings: Vec<String> = settings
        .iter()
        .filter(|(_, setting)| setting.origin != Origin::Standalone)
        .filter(|(key, setting)| is_foreign(key) && !is_default(key, &setting.value))
        .map(|(key, setting)| format!("{}: {key} has no effect in barnabas", setting.origin))
        .collect();
    warnings.extend(duplicates(settings));
    warnings.extend(heartbeat(values));
    warnings
}

fn is_foreign(key: &str) -> bool {
    let class_of = |prefix: &str| key.starts_with(prefix) && key.contains(".class");
    let base = listener_keys::base_key(key).map_or(key, |base| base.name);
    FOREIGN.contains(&base)
        || base.starts_with("sasl.kerberos.")
        || class_of("remote.log.")
        || (base.starts_with("sasl.") && base.ends_with(".class"))
}

fn is_default(key: &str, value: &str) -> bool {
    let value = value.trim();
    let default = broker_keys::find(key).map_or(Default::Null, |key| key.default);
    value.is_empty() || matches!(default, Default::Text(text) if text == value)
}

fn duplicates(settings: &Settings) -> impl Iterator<Item = String> {
    settings.iter().filter_map(|(name, setting)| {
        let key = broker_keys::find(name).filter(|key| key.valid.drops_duplicates())?;
        let kept = key.parse(&setting.value).ok()?.text();
        let given = super::value::Value::parse(name, &setting.value, key.kind).ok()?.text();
        (kept != given)
            .then(|| format!("{}: {name} contains duplicate values, {kept} is used", setting.origin))
    })
}

fn heartbeat(values: &Values) -> Option<String> {
    let interval = values.int("broker.heartbeat.interval.ms");
    let session = values.int("broker.session.timeout.ms");
    (interval.saturating_mul(2) > session).then(|| {
        format!(
            "broker.heartbeat.interval.ms ({interval} ms) must be less than or equal to half of the \
             broker.session.timeout.ms ({session} ms)"
        )
    })
}
