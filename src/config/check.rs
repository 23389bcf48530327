//! Start-up checks over several keys (`KafkaConfig.validateValues`), with Kafka's texts.

use std::collections::BTreeSet;

use super::broker::Config;
use super::listener::{Listener, SecurityProtocol};
use super::value::Value;

const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// The key at fault and what is wrong.
type Failed = (&'static str, String);

/// Runs every check; the first that fails decides.
pub(super) fn check(config: &Config) -> Result<(), Failed> {
    check_node_id(config)?;
    check_logs(config)?;
    check_replication(config)?;
    check_quorum(config)?;
    check_controller_listeners(config)?;
    check_advertised(config)?;
    check_early_start(config)?;
    check_cordoned(config)?;
    check_sasl(config)?;
    check_sockets(config)?;
    check_served(config)
}

/// What a group's own assignment interval is held to holds for the brokers' (`GroupCoordinatorConfig`).
pub(super) fn check_assignment_intervals(config: &Config) -> Result<(), String> {
    for kind in ["consumer", "share", "streams"] {
        let key = |part: &str| format!("group.{kind}.{part}assignment.interval.ms");
        let int = |part: &str| config.values.int(&key(part));
        if int("") < int("min.") {
            return Err(format!("{} must be greater than or equal to {}", key(""), key("min.")));
        }
        if int("") > int("max.") {
            return Err(format!("{} must be less than or equal to {}", key(""), key("max.")));
        }
    }
    Ok(())
}

fn require(holds: bool, key: &'static str, reason: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err((key, reason())) }
}

fn check_node_id(config: &Config) -> Result<(), Failed> {
    require(config.values.int("broker.id") == config.node_id.0, "broker.id", || {
        "You must set `node.id` to the same value as `broker.id`.".into()
    })
}

fn check_logs(config: &Config) -> Result<(), Failed> {
    let v = &config.values;
    require(v.maybe_long("log.roll.ms").is_none_or(|ms| ms >= 1), "log.roll.ms", || {
        "log.roll.ms must be greater than or equal to 1".into()
    })?;
    require(v.maybe_long("log.roll.jitter.ms").is_none_or(|ms| ms >= 0), "log.roll.jitter.ms", || {
        "log.roll.jitter.ms must be greater than or equal to 0".into()
    })?;
    let (retention_key, retention) = retention(config);
    require(retention != 0, retention_key, || {
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1".into()
    })?;
    require(!config.logs.dirs.is_empty(), "log.dirs", || {
        "At least one log directory must be defined via log.dirs or log.dir.".into()
    })?;
    // No threads at all divides by zero in Kafka, which stops its start as well.
    let threads = i64::from(v.int("log.cleaner.threads"));
    let bytes = v.long("log.cleaner.dedupe.buffer.size").checked_div(threads);
    require(bytes.is_some_and(|bytes| bytes > 1024 * 1024), "log.cleaner.dedupe.buffer.size", || {
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.".into()
    })
}

/// The retention key that counts, and its value in its own unit; any negative value means no limit.
fn retention(config: &Config) -> (&'static str, i64) {
    let v = &config.values;
    if let Some(ms) = v.maybe_long("log.retention.ms") {
        return ("log.retention.ms", ms);
    }
    match v.maybe_int("log.retention.minutes") {
        Some(minutes) => ("log.retention.minutes", minutes.into()),
        None => ("log.retention.hours", v.int("log.retention.hours").into()),
    }
}

fn check_replication(config: &Config) -> Result<(), Failed> {
    let v = &config.values;
    let wait = v.int("replica.fetch.wait.max.ms");
    require(wait <= v.int("replica.socket.timeout.ms"), "replica.socket.timeout.ms", || {
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent \
         unnecessary socket timeouts"
            .into()
    })?;
    require(i64::from(wait) <= v.long("replica.lag.time.max.ms"), "replica.fetch.wait.max.ms", || {
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to \
         prevent frequent changes in ISR"
            .into()
    })
}

fn check_quorum(config: &Config) -> Result<(), Failed> {
    const VOTERS: &str = "controller.quorum.voters";
    let voters = &config.quorum.voters;
    let known = !voters.is_empty() || !config.quorum.bootstrap_servers.is_empty();
    require(known || config.standalone, "process.roles", || {
        format!(
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of \
             bootstrap controllers or {VOTERS} must contain a parseable set of controllers."
        )
    })?;
    let id = config.node_id;
    let ids = || voters.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if config.roles.controller {
        return require(voters.is_empty() || voters.contains_key(&id), VOTERS, || {
            format!(
                "If process.roles contains the 'controller' role, the node id {id} must be included in the \
                 set of voters {VOTERS}=Set({})",
                ids()
            )
        });
    }
    require(!voters.contains_key(&id), VOTERS, || {
        format!(
            "If process.roles contains just the 'broker' role, the node id {id} must not be included in the \
             set of voters {VOTERS}=Set({})",
            ids()
        )
    })?;
    let auto_join = config.values.boolean("controller.quorum.auto.join.enable");
    require(!auto_join, "controller.quorum.auto.join.enable", || {
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' \
         role."
            .into()
    })
}

fn check_controller_listeners(config: &Config) -> Result<(), Failed> {
    const NAMES: &str = "controller.listener.names";
    let names = &config.controller_listener_names;
    if config.standalone && names.is_empty() {
        return Ok(());
    }
    if !config.roles.controller {
        return require(config.controller_listeners().next().is_none(), NAMES, || {
            format!(
                "{NAMES} must not contain a value appearing in the 'listeners' configuration when running \
                 KRaft with just the broker role"
            )
        });
    }
    if !config.roles.broker {
        require(config.broker_listeners().next().is_none(), "listeners", || {
            format!(
                "The listeners config must only contain KRaft controller listeners from {NAMES} when \
                 process.roles=controller"
            )
        })?;
    }
    require(!config.advertised_controller_listeners.is_empty(), NAMES, || {
        format!(
            "{NAMES} must contain at least one value appearing in the 'listeners' configuration when \
             running the KRaft controller role"
        )
    })?;
    let bound: BTreeSet<_> = config.listeners.iter().map(|listener| &listener.name).collect();
    require(names.iter().all(|name| bound.contains(name)), NAMES, || {
        format!(
            "{NAMES} must only contain values appearing in the 'listeners' configuration when running the \
             KRaft controller role"
        )
    })
}

fn check_advertised(config: &Config) -> Result<(), Failed> {
    const ADVERTISED: &str = "advertised.listeners";
    if config.roles.broker {
        let names = |listeners: &[Listener]| {
            listeners.iter().map(|l| l.name.clone()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let (advertised, bound) = (names(&config.advertised_listeners), names(&config.listeners));
        require(!advertised.is_empty(), "listeners", || {
            "There must be at least one broker advertised listener. Perhaps all listeners appear in \
             controller.listener.names?"
                .into()
        })?;
        require(
            advertised.contains(&config.inter_broker_listener_name),
            "inter.broker.listener.name",
            || {
                format!(
                    "inter.broker.listener.name must be a listener name defined in {ADVERTISED}. The valid \
                 options based on currently configured listeners are {}",
                    advertised.join(",")
                )
            },
        )?;
        require(advertised.iter().all(|name| bound.contains(name)), ADVERTISED, || {
            format!(
                "{ADVERTISED} listener names must be equal to or a subset of the ones defined in listeners. \
                 Found {}. The valid options based on the current configuration are {}",
                advertised.join(","),
                bound.join(",")
            )
        })?;
    }
    let mut all = config.advertised_listeners.iter().chain(&config.advertised_controller_listeners);
    let key = if config.settings().contains_key(ADVERTISED) { ADVERTISED } else { "listeners" };
    require(!all.any(|listener| listener.host.as_deref() == Some("0.0.0.0")), key, || {
        format!("{ADVERTISED} cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.")
    })
}

fn check_early_start(config: &Config) -> Result<(), Failed> {
    const KEY: &str = "early.start.listeners";
    for name in config.values.list(KEY) {
        let name = name.to_uppercase();
        let known = config.listeners.iter().any(|listener| listener.name == name)
            || config.controller_listener_names.contains(&name);
        require(known, KEY, || {
            format!(
                "{KEY} contains listener {name}, but this is not contained in listeners or \
                 controller.listener.names"
            )
        })?;
    }
    Ok(())
}

fn check_cordoned(config: &Config) -> Result<(), Failed> {
    const KEY: &str = "cordoned.log.dirs";
    let cordoned = config.values.list(KEY);
    if cordoned.iter().any(|dir| dir == "*") {
        return require(cordoned.len() == 1, KEY, || {
            format!("When {KEY} is set to *, it must not contain other values")
        });
    }
    let is_missing = |dir: &&String| !config.logs.dirs.iter().any(|known| known.as_os_str() == dir.as_str());
    let missing: Vec<&str> = cordoned.iter().filter(is_missing).map(String::as_str).collect();
    require(missing.is_empty(), KEY, || {
        format!(
            "All entries in {KEY} must be present in log.dirs or log.dir. Missing entries : {}",
            missing.join(", ")
        )
    })
}

fn check_sasl(config: &Config) -> Result<(), Failed> {
    const MECHANISM: &str = "sasl.mechanism.inter.broker.protocol";
    const ENABLED: &str = "sasl.enabled.mechanisms";
    if !config.inter_broker_protocol.is_sasl() {
        return Ok(());
    }
    let enabled = match config.listener_overrides.get(&config.inter_broker_listener_name, ENABLED) {
        Some(Value::List(mechanisms)) => mechanisms.clone(),
        Some(_) | None => config.values.list(ENABLED),
    };
    require(enabled.contains(&config.values.text(MECHANISM)), MECHANISM, || {
        format!("{MECHANISM} must be included in {ENABLED} when SASL is used for inter-broker communication")
    })
}

fn check_sockets(config: &Config) -> Result<(), Failed> {
    let v = &config.values;
    let queued = config.sockets.queued_request_bytes_max;
    let enough = queued.is_none_or(|queued| queued >= config.sockets.request_bytes_max);
    require(enough, "queued.max.request.bytes", || {
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes".into()
    })?;
    let connections = &config.connections;
    let reachable = connections.per_ip_max > 0 || !connections.per_ip_overrides.is_empty();
    require(reachable, "max.connections.per.ip", || {
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."
            .into()
    })?;
    let delay = v.int("connection.failed.authentication.delay.ms");
    let idle = v.long("connections.max.idle.ms");
    require(idle < 0 || i64::from(delay) < idle, "connections.max.idle.ms", || {
        format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than \
             connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"
        )
    })
}

/// What would be less secure here than where the file was written for stops the start.
fn check_served(config: &Config) -> Result<(), Failed> {
    const AUTHORIZER: &str = "authorizer.class.name";
    let authorizer = config.values.text(AUTHORIZER);
    require(authorizer.is_empty() || authorizer == STANDARD_AUTHORIZER, AUTHORIZER, || {
        format!("{AUTHORIZER}={authorizer} cannot be loaded, and running without it would let everyone in")
    })?;
    require(authorizer.is_empty(), AUTHORIZER, || {
        format!("{AUTHORIZER} is set and this version of barnabas has no access control yet")
    })?;
    let protected = config.listeners.iter().find(|l| l.protocol != SecurityProtocol::Plaintext);
    match protected {
        None => Ok(()),
        Some(listener) => Err((
            "listeners",
            format!(
                "listeners has {listener} with {}, which this version does not serve yet",
                listener.protocol
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::broker::Config;
    use super::super::layers::Input;

    /// A node in combined mode, changed by `pairs`.
    fn refusal(pairs: &[(&str, &str)]) -> String {
        let base = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("controller.quorum.voters", "1@localhost:9093"),
        ];
        let overrides = base.iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let loaded = Config::load(&Input { overrides, ..Input::default() }, &|_| Ok(None));
        loaded.map_or_else(|error| error.to_string(), |_| "starts".to_owned())
    }

    const BROKER_ONLY: (&str, &str) = ("process.roles", "broker");
    const OTHERS: (&str, &str) = ("controller.quorum.voters", "2@localhost:9093");

    /// Each case breaks one rule, and only that one.
    const CASES: &[(&[(&str, &str)], &str)] = &[
        (&[("broker.id", "2")], "You must set `node.id` to the same value as `broker.id`."),
        (&[("log.roll.ms", "0")], "log.roll.ms must be greater than or equal to 1"),
        (&[("log.roll.jitter.ms", "-1")], "log.roll.jitter.ms must be greater than or equal to 0"),
        (&[("log.retention.minutes", "0")], "log.retention.ms must be unlimited (-1) or"),
        (&[("log.cleaner.dedupe.buffer.size", "1048576")], "must be at least 1MB per cleaner thread"),
        (&[("log.cleaner.threads", "0")], "must be at least 1MB per cleaner thread"),
        (&[("replica.socket.timeout.ms", "499")], "replica.socket.timeout.ms should always be at least"),
        (&[("replica.lag.time.max.ms", "499")], "less than or equal to replica.lag.time.max.ms"),
        (&[("controller.quorum.voters", "")], "If using process.roles, either"),
        (&[OTHERS], "the node id 1 must be included in the set of voters controller.quorum.voters=Set(2)"),
        (
            &[BROKER_ONLY, ("listeners", "PLAINTEXT://:9092")],
            "the node id 1 must not be included in the set of voters",
        ),
        (&[BROKER_ONLY, OTHERS], "must not contain a value appearing in the 'listeners' configuration"),
        (
            &[
                BROKER_ONLY,
                OTHERS,
                ("listeners", "PLAINTEXT://:9092"),
                ("controller.quorum.auto.join.enable", "true"),
            ],
            "controller.quorum.auto.join.enable is only supported when",
        ),
        (
            &[("process.roles", "controller")],
            "The listeners config must only contain KRaft controller listeners",
        ),
        (
            &[("listeners", "PLAINTEXT://:9092")],
            "controller.listener.names must contain at least one value appearing in the 'listeners'",
        ),
        (
            &[("controller.listener.names", "CONTROLLER,OTHER")],
            "controller.listener.names must only contain values appearing in the 'listeners'",
        ),
        (&[("listeners", "CONTROLLER://:9093")], "There must be at least one broker advertised listener."),
        (
            &[("inter.broker.listener.name", "SSL")],
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid \
                 options based on currently configured listeners are PLAINTEXT",
        ),
        (
            &[("inter.broker.listener.name", "NOPE")],
            "Listener with name NOPE defined in inter.broker.listener.name not found",
        ),
        (
            &[("inter.broker.listener.name", "PLAINTEXT"), ("security.inter.broker.protocol", "PLAINTEXT")],
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        ),
        (
            &[("advertised.listeners", "PLAINTEXT://a:1,SSL://b:2")],
            "advertised.listeners listener names must be equal to or a subset",
        ),
        (&[("advertised.listeners", "PLAINTEXT://0.0.0.0:1")], "nonroutable meta-address 0.0.0.0"),
        (&[("listeners", "PLAINTEXT://0.0.0.0:1,CONTROLLER://:2")], "nonroutable meta-address 0.0.0.0"),
        (&[("early.start.listeners", "X")], "early.start.listeners contains listener X"),
        (&[("cordoned.log.dirs", "/x")], "must be present in log.dirs or log.dir. Missing entries : /x"),
        (&[("cordoned.log.dirs", "*,/x")], "it must not contain other values"),
        (
            &[
                ("security.inter.broker.protocol", "SASL_PLAINTEXT"),
                ("listeners", "SASL_PLAINTEXT://:9092,CONTROLLER://:9093"),
                ("listener.security.protocol.map", "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"),
                ("sasl.enabled.mechanisms", "PLAIN"),
            ],
            "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms",
        ),
        (&[("queued.max.request.bytes", "5")], "must be larger or equal to socket.request.max.bytes"),
        (&[("max.connections.per.ip", "0")], "max.connections.per.ip can be set to zero only if"),
        (
            &[("connections.max.idle.ms", "100")],
            "connection.failed.authentication.delay.ms=100 should always",
        ),
        (&[("authorizer.class.name", "x.Y")], "running without it would let everyone in"),
        (
            &[("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")],
            "has no access control yet",
        ),
        (
            &[
                ("listeners", "PLAINTEXT://:9092,SSL://:9094,CONTROLLER://:9093"),
                ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT"),
            ],
            "which this version does not serve yet",
        ),
    ];

    #[test]
    fn every_rule_stops_the_start_with_kafkas_words() {
        assert_eq!(refusal(&[]), "starts");
        for (pairs, expected) in CASES {
            let refusal = refusal(pairs);
            assert!(refusal.contains(expected), "{pairs:?}: {refusal}");
        }
    }

    #[test]
    fn values_at_the_edge_start() {
        for pairs in [
            &[("log.retention.ms", "-1")][..],
            &[("log.roll.ms", "1")],
            &[("connections.max.idle.ms", "-1")],
            &[("max.connections.per.ip", "0"), ("max.connections.per.ip.overrides", "127.0.0.1:1")],
            &[("queued.max.request.bytes", "104857600")],
            &[("cordoned.log.dirs", "*")],
            &[("listeners", "PLAINTEXT://:9092,CONTROLLER://0.0.0.0:9093")],
        ] {
            assert_eq!(refusal(pairs), "starts", "{pairs:?}");
        }
    }
}
