//! The configuration of a running broker: the static one with the dynamic keys laid over it, and what a change of
//! them has to satisfy (`DynamicBrokerConfig` and the `validateReconfiguration` of its parts), with Kafka's texts.

use super::broker::Config;
use super::check;
use super::dynamic::{self, Layers, Overrides};
use super::layers::{Origin, Setting, Settings};
use super::listener::Listener;
use super::value::{Invalid, Value};

/// What is in effect (`updateCurrentConfig`). Entries that no broker would have taken, which only another program can
/// have written, are left out; so is what does not go together with the rest, which is told with the reason.
pub fn effective(layers: &Layers<'_>) -> Result<(Config, Vec<LeftOut>), String> {
    let sound = |overrides: &Overrides, is_one_broker: bool| -> Overrides {
        let pairs = overrides.iter().map(|(name, raw)| (name.clone(), raw.clone()));
        pairs.filter(|pair| dynamic::check(&[pair.clone()].into(), is_one_broker).is_ok()).collect()
    };
    let (broker, default) = (sound(layers.broker, true), sound(layers.default, false));
    let why = match assemble(&Layers { config: layers.config, broker: &broker, default: &default }) {
        Ok(config) => return Ok((config, vec![])),
        Err(why) => why,
    };
    let all = || {
        let of = |entries: &Overrides, is_default: bool| {
            entries.keys().map(|name| (is_default, name.clone())).collect::<Vec<_>>()
        };
        of(&default, true).into_iter().chain(of(&broker, false))
    };
    // Mostly it is one alone.
    for (is_default, name) in all() {
        let (mut broker, mut default) = (broker.clone(), default.clone());
        if is_default { &mut default } else { &mut broker }.remove(&name);
        if let Ok(config) = assemble(&Layers { config: layers.config, broker: &broker, default: &default }) {
            return Ok((config, vec![LeftOut { name, is_default, why }]));
        }
    }
    let (mut broker_kept, mut default_kept) = (Overrides::new(), Overrides::new());
    let mut left_out = Vec::new();
    let mut config = assemble(&Layers { broker: &broker_kept, default: &default_kept, ..*layers })?;
    for (is_default, name) in all() {
        let from = if is_default { &default } else { &broker };
        let Some(value) = from.get(&name) else { continue };
        if is_default { &mut default_kept } else { &mut broker_kept }.insert(name.clone(), value.clone());
        match assemble(&Layers { broker: &broker_kept, default: &default_kept, ..*layers }) {
            Ok(with) => config = with,
            Err(why) => {
                if is_default { &mut default_kept } else { &mut broker_kept }.remove(&name);
                left_out.push(LeftOut { name, is_default, why });
            }
        }
    }
    Ok((config, left_out))
}

/// A dynamic entry that is not in effect.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its key.
    pub name: String,
    /// Whether it is set for all brokers.
    pub is_default: bool,
    /// What does not hold with it.
    pub why: String,
}

/// Whether the broker may be given `next` instead of all that is set for it, or for all brokers.
pub fn check_change(layers: &Layers<'_>, next: &Overrides, is_one_broker: bool) -> Result<(), String> {
    dynamic::check(next, is_one_broker)?;
    let after =
        if is_one_broker { Layers { broker: next, ..*layers } } else { Layers { default: next, ..*layers } };
    let after = assemble(&after)?;
    let Ok((before, _)) = effective(layers) else { return Ok(()) };
    check_parts(&before, &after).map_err(|why| {
        format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {why} for configuration Invalid dynamic \
             configuration"
        )
    })
}

fn assemble(layers: &Layers<'_>) -> Result<Config, String> {
    let mut settings = layers.config.settings().clone();
    lay_over(&mut settings, layers.default);
    lay_over(&mut settings, layers.broker);
    let of_static = layers.config;
    let config = Config::read(settings, of_static.standalone, of_static.cluster_id.clone())
        .map_err(|error| error.reason())?;
    check::check(&config).map_err(|(_, reason)| format!("requirement failed: {reason}"))?;
    check::check_assignment_intervals(&config)?;
    Ok(config)
}

/// A key that is set hides every other one that it stands in for, whatever their order (`overrideProps`).
fn lay_over(settings: &mut Settings, overrides: &Overrides) {
    for (name, value) in overrides {
        for synonym in dynamic::family(name).unwrap_or_default() {
            settings.remove(*synonym);
        }
        settings.insert(name.clone(), Setting { value: value.clone(), origin: Origin::Dynamic });
    }
}

/// Every part of the broker looks at what concerns it.
fn check_parts(before: &Config, after: &Config) -> Result<(), String> {
    check_reporters(before, after)?;
    check_listener_limits(before, after)?;
    check_threads(before, after)?;
    check_cleaner_threads(before, after)?;
    check_local_retention(after)?;
    check_listeners(before, after)
}

/// Thread pools that exist in Kafka alone; the rule holds all the same.
const THREAD_POOLS: [&str; 8] = [
    "background.threads",
    "num.io.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
];

fn check_threads(before: &Config, after: &Config) -> Result<(), String> {
    THREAD_POOLS
        .iter()
        .try_for_each(|key| check_thread_count(key, before.values.int(key), after.values.int(key)))
}

/// A pool is at most halved or doubled at a time (`DynamicThreadPool`).
fn check_thread_count(key: &str, before: i32, after: i32) -> Result<(), String> {
    let refuse = |what: &str| {
        Err(format!(
            "Dynamic thread count update validation failed for {key}={after}, value should {what} the current value \
             {before}"
        ))
    };
    match after {
        _ if after < before / 2 => refuse("be at least half"),
        _ if i64::from(after) > 2 * i64::from(before) => refuse("not be greater than double"),
        _ => Ok(()),
    }
}

fn check_cleaner_threads(before: &Config, after: &Config) -> Result<(), String> {
    const KEY: &str = "log.cleaner.threads";
    let (before, after) = (before.values.int(KEY), after.values.int(KEY));
    if after < before / 2 {
        return Err(format!(
            "Log cleaner threads cannot be reduced to less than half the current value {before}"
        ));
    }
    if i64::from(after) > 2 * i64::from(before) {
        return Err(format!(
            "Log cleaner threads cannot be increased to more than double the current value {before}"
        ));
    }
    Ok(())
}

fn check_listener_limits(before: &Config, after: &Config) -> Result<(), String> {
    const THREADS: &str = "num.network.threads";
    for listener in after.broker_listeners() {
        let value = |config: &Config, key: &str| match config.listener_overrides.get(&listener.name, key) {
            Some(Value::Int(own)) => *own,
            Some(_) | None => config.values.int(key),
        };
        check_thread_count(THREADS, value(before, THREADS), value(after, THREADS))?;
        for key in ["max.connections", "max.connection.creation.rate"] {
            let limit = value(after, key);
            if limit <= 0 && limit != value(before, key) {
                return Err(format!("Invalid {key} {limit}"));
            }
        }
    }
    Ok(())
}

/// What stays local of a tiered topic is no more than what is kept at all; -2 follows the whole.
fn check_local_retention(after: &Config) -> Result<(), String> {
    let v = &after.values;
    let pairs = [
        ("log.local.retention.ms", "log.retention.ms", after.retention_ms()),
        ("log.local.retention.bytes", "log.retention.bytes", v.long("log.retention.bytes")),
    ];
    for (local_key, whole_key, whole) in pairs {
        let local = v.long(local_key);
        let reason = match local {
            _ if whole < 0 || local == -2 => continue,
            -1 => format!("Value must not be -1 as {whole_key} value is set as {whole}."),
            _ if local > whole => format!("Value must not be more than {whole_key} property value: {whole}"),
            _ => continue,
        };
        return Err(Invalid::value(local_key, local, reason).to_string());
    }
    Ok(())
}

/// Only Kafka's own reporter can be found, and it is no reporter of ours.
fn check_reporters(before: &Config, after: &Config) -> Result<(), String> {
    const KEY: &str = "metric.reporters";
    let (before, after) = (before.values.list(KEY), after.values.list(KEY));
    if before == after || after.iter().all(|class| class == "org.apache.kafka.common.metrics.JmxReporter") {
        return Ok(());
    }
    Err(format!(
        "Validation of dynamic config update of Set({KEY}) failed with class class kafka.server.DynamicMetricsReporters"
    ))
}

/// Listeners come and go, but those that are told to clients stay, and none changes its ways (`DynamicListenerConfig`).
fn check_listeners(before: &Config, after: &Config) -> Result<(), String> {
    let (advertised, bound) = (&before.advertised_listeners, &after.listeners);
    if !advertised.iter().all(|told| bound.iter().any(|listener| listener.name == told.name)) {
        let shown = |listeners: &[Listener]| {
            let names: Vec<String> = listeners.iter().map(|l| format!("ListenerName({})", l.name)).collect();
            format!("Set({})", names.join(", "))
        };
        return Err(format!(
            "Advertised listeners '{}' must be a subset of listeners '{}'",
            shown(advertised),
            shown(bound)
        ));
    }
    for listener in &after.listeners {
        let Some(old) = before.listeners.iter().find(|old| old.name == listener.name) else { continue };
        if old.protocol != listener.protocol {
            return Err(format!(
                "Security protocol cannot be updated for existing listener ListenerName({})",
                listener.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layers::Input;
    use super::*;

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_does_not_go_together_costs_nothing_else() {
        let config = Config::load(&Input::default(), &|_| Ok(None)).unwrap();
        // No listener has the name between brokers any more.
        let bad = ("listeners", "OTHER://localhost:1");
        let interval = ("group.consumer.assignment.interval.ms", "99999999");
        for wrong in [vec![bad], vec![bad, interval]] {
            let broker = overrides(&[&wrong[..], &[("max.connections", "17")]].concat());
            let layers = Layers { broker: &broker, ..Layers::of_static(&config) };
            let (effective, left_out) = effective(&layers).unwrap();
            assert_eq!(effective.connections.max, 17);
            assert_eq!(left_out.len(), wrong.len(), "{left_out:?}");
            assert_eq!(effective.listeners, config.listeners);
        }
    }
}
