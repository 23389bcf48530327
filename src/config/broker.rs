//! A node's effective static configuration: typed, checked, and true for the whole life of the process.
//!
//! What can change while the broker runs is resolved per topic by [`super::topic`].

use std::collections::BTreeMap;

use super::broker_keys;
use super::check;
use super::key::{Default, Key};
use super::layers::{self, Input, Origin, Settings, Unreadable};
use super::listener::{self, Listener, Protocols, SecurityProtocol};
use super::listener_keys::{self, ListenerOverrides};
use super::notes;
use super::providers::{self, Lookup};
use super::quorum::{self, HostPort};
pub use super::sections::{Connections, Logs, MetadataLog, Requests, Sockets, TopicCreation};
use super::value::trim;
use super::values::Values;
use crate::base::id::NodeId;

/// Why a node cannot start with what it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A layer is no valid properties syntax.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A key has a bad value, or does not go with the others.
    #[error("{origin}: {}", with_key(key, reason))]
    Setting {
        /// The key.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// What is wrong, in Kafka's words.
        reason: String,
    },
    /// A key is missing, or its default does not go with the others.
    #[error("{}", with_key(key, reason))]
    Unset {
        /// The key.
        key: String,
        /// What is wrong, in Kafka's words.
        reason: String,
    },
}

impl Error {
    /// What is wrong, without where it was set.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unreadable(unreadable) => unreadable.reason.to_string(),
            Self::Setting { reason, .. } | Self::Unset { reason, .. } => reason.clone(),
        }
    }
}

/// Kafka's reasons mostly name the key; where they do not, it goes in front.
fn with_key(key: &str, reason: &str) -> String {
    if reason.contains(key) { reason.to_owned() } else { format!("{key}: {reason}") }
}

/// The roles of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// It stores records and serves clients.
    pub broker: bool,
    /// It votes on the cluster's metadata.
    pub controller: bool,
}

/// Who the controllers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The fixed voters; empty if the quorum is found through bootstrap servers, or is this node alone.
    pub voters: BTreeMap<NodeId, HostPort>,
    /// Where to ask for the quorum.
    pub bootstrap_servers: Vec<HostPort>,
}

/// The effective static configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether the node was started with neither a file nor `process.roles`.
    pub standalone: bool,
    /// `node.id`.
    pub node_id: NodeId,
    /// `process.roles`.
    pub roles: Roles,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `CLUSTER_ID` of the environment, for a directory that has no `meta.properties` yet.
    pub cluster_id: Option<String>,
    /// Every listener to bind, those of the controller included.
    pub listeners: Vec<Listener>,
    /// What clients are told, one for each broker listener; a host of `None` is this machine's name.
    pub advertised_listeners: Vec<Listener>,
    /// What other nodes are told to reach this controller.
    pub advertised_controller_listeners: Vec<Listener>,
    /// `controller.listener.names`, in upper case.
    pub controller_listener_names: Vec<String>,
    /// Name of the listener that brokers use among each other.
    pub inter_broker_listener_name: String,
    /// The protocol of that listener.
    pub inter_broker_protocol: SecurityProtocol,
    /// Who the controllers are.
    pub quorum: Quorum,
    /// Limits of sockets.
    pub sockets: Sockets,
    /// Limits of connections.
    pub connections: Connections,
    /// Log directories and rounds.
    pub logs: Logs,
    /// The metadata log.
    pub metadata_log: MetadataLog,
    /// Defaults of new topics.
    pub topic_creation: TopicCreation,
    /// Limits of requests.
    pub requests: Requests,
    /// Where metrics and health are served; `None` means nowhere.
    pub metrics_listener: Option<HostPort>,
    /// Every key's value, for what has no field above.
    pub values: Values,
    /// `listener.name.<listener>.<key>` values.
    pub listener_overrides: ListenerOverrides,
    /// Keys that mean nothing here, by name; Kafka logs them once.
    pub unknown_keys: Vec<String>,
    /// What a person should know about this configuration, to be logged once at WARN.
    pub warnings: Vec<String>,
    settings: Settings,
}

impl Config {
    /// Lays the layers over each other, and reads and checks what comes out.
    pub fn load(input: &Input, lookup: &Lookup<'_>) -> Result<Self, Error> {
        let (mut settings, standalone) = layers::merge(input)?;
        providers::resolve(&mut settings, lookup).map_err(|(key, reason)| refuse(&settings, &key, reason))?;
        tolerate_trailing_comma(&mut settings);
        let cluster_id = input.environment.iter().find(|(name, _)| name == "CLUSTER_ID");
        let config = Self::read(settings, standalone, cluster_id.map(|(_, id)| id.clone()))?;
        check::check(&config).map_err(|(key, reason)| refuse(&config.settings, key, reason))?;
        Ok(config)
    }

    /// Reads the settings, without the checks over several keys.
    pub(super) fn read(
        settings: Settings,
        standalone: bool,
        cluster_id: Option<String>,
    ) -> Result<Self, Error> {
        let values = parse_all(&settings, standalone)?;
        let listener_overrides =
            listener_keys::parse(&settings).map_err(|(key, reason)| refuse(&settings, &key, reason))?;
        let config = Builder { settings: &settings, values: &values, standalone }.build()?;
        Ok(Self {
            cluster_id,
            unknown_keys: notes::unknown_keys(&settings),
            warnings: notes::warnings(&settings, &values),
            listener_overrides,
            values,
            settings,
            ..config
        })
    }

    /// What the layers set, by key; a key that is not in it has its default.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a file, the environment or the command line sets `key`.
    pub fn is_set(&self, key: &str) -> bool {
        self.settings.get(key).is_some_and(|setting| setting.origin != Origin::Standalone)
    }

    /// How long records are kept where a topic does not say, in ms; -1 for ever (`logRetentionTimeMillis`).
    pub fn retention_ms(&self) -> i64 {
        let v = &self.values;
        let minutes = || Some(i64::from(v.maybe_int("log.retention.minutes")?) * 60_000);
        let hours = || i64::from(v.int("log.retention.hours")) * 3_600_000;
        v.maybe_long("log.retention.ms").or_else(minutes).unwrap_or_else(hours).max(-1)
    }

    /// The listeners that clients and other brokers connect to.
    pub fn broker_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| !self.controller_listener_names.contains(&listener.name))
    }

    /// The listeners that other nodes reach this controller on.
    pub fn controller_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| self.controller_listener_names.contains(&listener.name))
    }
}

fn refuse(settings: &Settings, key: &str, reason: String) -> Error {
    let key = key.to_owned();
    match settings.get(&key) {
        Some(setting) => Error::Setting { key, origin: setting.origin.clone(), reason },
        None => Error::Unset { key, reason },
    }
}

/// Kafka's list rules refuse an empty item; the one that Testcontainers for .NET writes is let through.
fn tolerate_trailing_comma(settings: &mut Settings) {
    if let Some(setting) = settings.get_mut("advertised.listeners")
        && let Some(list) = trim(&setting.value).strip_suffix(',')
    {
        setting.value = list.to_owned();
    }
}

fn parse_all(settings: &Settings, standalone: bool) -> Result<Values, Error> {
    let mut values = Values::default();
    for key in broker_keys::all() {
        let value = match settings.get(key.name) {
            Some(setting) => Some(
                key.parse(&setting.value)
                    .map_err(|invalid| refuse(settings, key.name, invalid.to_string()))?,
            ),
            None if key.default == Default::Required && !standalone => return Err(missing(key)),
            None => key.default_value(),
        };
        values.insert(key.name, value);
    }
    Ok(values)
}

fn missing(key: &Key) -> Error {
    let reason = format!("Missing required configuration \"{}\" which has no default value.", key.name);
    Error::Unset { key: key.name.to_owned(), reason }
}

struct Builder<'a> {
    settings: &'a Settings,
    values: &'a Values,
    standalone: bool,
}

impl Builder<'_> {
    fn build(&self) -> Result<Config, Error> {
        let v = self.values;
        let roles = v.list("process.roles");
        let names =
            v.list("controller.listener.names").iter().map(|name| listener::normalise(name)).collect();
        let protocols = self.protocols(&names)?;
        let listeners = self.listeners("listeners", &protocols, true)?.unwrap_or_default();
        let advertised = self.listeners("advertised.listeners", &protocols, false)?;
        let quorum = self.quorum()?;
        let (inter_broker_listener_name, inter_broker_protocol) = self.inter_broker(&protocols)?;
        let node_id = NodeId(v.int("node.id"));
        let controllers =
            advertised_controllers(&names, advertised.as_deref(), &listeners, quorum.voters.get(&node_id));
        let mut brokers = advertised.unwrap_or_else(|| listeners.clone());
        brokers.retain(|listener| !names.contains(&listener.name));
        Ok(Config {
            standalone: self.standalone,
            node_id,
            roles: Roles {
                broker: roles.iter().any(|role| role == "broker"),
                controller: roles.iter().any(|role| role == "controller"),
            },
            rack: v.maybe_text("broker.rack"),
            cluster_id: None,
            listeners,
            advertised_listeners: brokers,
            advertised_controller_listeners: controllers,
            controller_listener_names: names,
            inter_broker_listener_name,
            inter_broker_protocol,
            quorum,
            sockets: Sockets::read(v),
            connections: self.connections()?,
            logs: Logs::read(v),
            metadata_log: MetadataLog::read(v),
            topic_creation: TopicCreation::read(v),
            requests: Requests::read(v),
            metrics_listener: self.metrics_listener()?,
            values: Values::default(),
            listener_overrides: ListenerOverrides::default(),
            unknown_keys: Vec::new(),
            warnings: Vec::new(),
            settings: Settings::new(),
        })
    }

    fn refuse(&self, key: &str, reason: impl ToString) -> Error {
        refuse(self.settings, key, reason.to_string())
    }

    /// `listener.security.protocol.map`; when nobody set it, controller listeners of any name are PLAINTEXT
    /// too, unless a listener looks as if it were meant to be protected
    /// (`AbstractKafkaConfig.effectiveListenerSecurityProtocolMap`).
    fn protocols(&self, controller_names: &Vec<String>) -> Result<Protocols, Error> {
        const KEY: &str = "listener.security.protocol.map";
        let mut protocols =
            listener::parse_protocols(&self.values.text(KEY)).map_err(|reason| self.refuse(KEY, reason))?;
        let is_protected = |name: &str| {
            SecurityProtocol::from_name(name).is_some_and(|protocol| protocol != SecurityProtocol::Plaintext)
        };
        let listeners = self.values.list("listeners");
        let mut listener_names = listeners.iter().filter_map(|item| item.split(':').next());
        if !self.settings.contains_key(KEY)
            && !controller_names.iter().any(|name| is_protected(name))
            && !listener_names.any(is_protected)
        {
            for name in controller_names {
                protocols.insert(name.clone(), SecurityProtocol::Plaintext);
            }
        }
        Ok(protocols)
    }

    fn listeners(
        &self,
        key: &str,
        protocols: &Protocols,
        distinct_ports: bool,
    ) -> Result<Option<Vec<Listener>>, Error> {
        let Some(items) = self.values.maybe_list(key) else { return Ok(None) };
        let listeners = listener::parse_listeners(&items, protocols, distinct_ports);
        listeners.map(Some).map_err(|reason| self.refuse(key, reason))
    }

    fn quorum(&self) -> Result<Quorum, Error> {
        let (voters, servers) = ("controller.quorum.voters", "controller.quorum.bootstrap.servers");
        Ok(Quorum {
            voters: quorum::parse_voters(&self.values.list(voters)).map_err(|e| self.refuse(voters, e))?,
            bootstrap_servers: quorum::parse_bootstrap_servers(&self.values.list(servers))
                .map_err(|e| self.refuse(servers, e))?,
        })
    }

    fn inter_broker(&self, protocols: &Protocols) -> Result<(String, SecurityProtocol), Error> {
        const NAME: &str = "inter.broker.listener.name";
        const PROTOCOL: &str = "security.inter.broker.protocol";
        let Some(name) = self.values.maybe_text(NAME) else {
            let protocol = self.values.text(PROTOCOL);
            let protocol = SecurityProtocol::from_name(&protocol)
                .ok_or_else(|| self.refuse(PROTOCOL, format!("Invalid security protocol `{protocol}`")))?;
            return Ok((protocol.name().to_owned(), protocol));
        };
        if self.settings.contains_key(PROTOCOL) {
            return Err(self.refuse(NAME, format!("Only one of {NAME} and {PROTOCOL} should be set.")));
        }
        let name = listener::normalise(&name);
        match protocols.get(&name) {
            Some(protocol) => Ok((name, *protocol)),
            None => Err(self.refuse(
                NAME,
                format!(
                    "Listener with name {name} defined in {NAME} not found in listener.security.protocol.map."
                ),
            )),
        }
    }

    fn connections(&self) -> Result<Connections, Error> {
        let v = self.values;
        Ok(Connections {
            max: v.size("max.connections"),
            per_ip_max: v.size("max.connections.per.ip"),
            per_ip_overrides: self.per_ip_overrides()?,
            creation_rate_max: v.size("max.connection.creation.rate"),
            idle_ms_max: u64::try_from(v.long("connections.max.idle.ms")).ok(),
        })
    }

    fn per_ip_overrides(&self) -> Result<BTreeMap<String, usize>, Error> {
        const KEY: &str = "max.connections.per.ip.overrides";
        let text = self.values.text(KEY);
        let mut overrides = BTreeMap::new();
        for item in text.split(',').map(trim).filter(|item| !item.is_empty()) {
            let (address, count) = item.rsplit_once(':').ok_or_else(|| {
                let end = item.len();
                self.refuse(
                    KEY,
                    format!("Error parsing configuration property '{KEY}': begin 0, end -1, length {end}"),
                )
            })?;
            let (address, count) = (trim(address), trim(count));
            if !quorum::is_valid_host(address) {
                return Err(self.refuse(KEY, format!("{address} is no address")));
            }
            let number =
                count.parse().map_err(|_| self.refuse(KEY, format!("For input string: \"{count}\"")))?;
            overrides.insert(address.to_owned(), number);
        }
        Ok(overrides)
    }

    fn metrics_listener(&self) -> Result<Option<HostPort>, Error> {
        const KEY: &str = "metrics.listener";
        let text = self.values.text(KEY);
        if text.is_empty() {
            return Ok(None);
        }
        let address = quorum::parse_host_port(&text);
        address.map(Some).map_err(|_| self.refuse(KEY, format!("Invalid value {text}: it must be host:port")))
    }
}

/// `KafkaConfig.effectiveAdvertisedControllerListeners`: what is advertised, else what is bound; a wildcard
/// of the first name is replaced by this node's own entry among the voters.
fn advertised_controllers(
    names: &[String],
    advertised: Option<&[Listener]>,
    bound: &[Listener],
    voter: Option<&HostPort>,
) -> Vec<Listener> {
    let find = |listeners: &[Listener], name: &String| listeners.iter().find(|l| &l.name == name).cloned();
    let effective = |(position, name): (usize, &String)| {
        if let Some(listener) = advertised.and_then(|advertised| find(advertised, name)) {
            return Some(listener);
        }
        let listener = find(bound, name)?;
        if listener.host.as_deref().is_some_and(|host| host != "0.0.0.0") {
            return Some(listener);
        }
        Some(match voter.filter(|_| position == 0) {
            Some(voter) => Listener { host: Some(voter.host.clone()), port: voter.port, ..listener },
            None => Listener { host: None, ..listener },
        })
    };
    names.iter().enumerate().filter_map(effective).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::super::layers::File;
    use super::*;

    /// The keys of the file that Apache Kafka ships for combined mode.
    pub(in super::super) const COMBINED: &str = "process.roles=broker,controller\nnode.id=1\n\
        controller.quorum.bootstrap.servers=localhost:9093\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
        inter.broker.listener.name=PLAINTEXT\n\
        advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
        controller.listener.names=CONTROLLER\n\
        listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n\
        num.network.threads=3\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\n\
        log.retention.hours=168\nlog.segment.bytes=1073741824\n";

    fn input(file: Option<&str>, environment: &[(&str, &str)], overrides: &[(&str, &str)]) -> Input {
        let own =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Input {
            file: file.map(|text| File { name: "server.properties".into(), bytes: text.into() }),
            environment: own(environment),
            overrides: own(overrides),
        }
    }

    fn load(input: &Input) -> Result<Config, String> {
        Config::load(input, &|_| Ok(None)).map_err(|error| error.to_string())
    }

    fn texts(listeners: &[Listener]) -> Vec<String> {
        listeners.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_any_configuration_it_is_a_whole_cluster_of_one() {
        let config = load(&Input::default()).unwrap();
        assert!(config.standalone && config.roles == Roles { broker: true, controller: true });
        assert_eq!(config.node_id, NodeId(1));
        assert_eq!(texts(&config.listeners), ["PLAINTEXT://localhost:9092"]);
        assert_eq!(texts(&config.advertised_listeners), ["PLAINTEXT://localhost:9092"]);
        assert_eq!(config.logs.dirs, [PathBuf::from("./data")]);
        assert_eq!(config.logs.metadata_dir, PathBuf::from("./data"));
        assert_eq!(config.values.short("offsets.topic.replication.factor"), 1);
        assert_eq!(config.values.int("group.initial.rebalance.delay.ms"), 0);
        assert_eq!(config.metrics_listener, Some(HostPort { host: "localhost".into(), port: 9404 }));
        assert!(config.unknown_keys.is_empty() && config.warnings.is_empty());
    }

    #[test]
    fn a_node_without_file_takes_single_keys_over_its_defaults() {
        let environment =
            [("KAFKA_BROKER_ID", "7"), ("KAFKA_LOG_DIR", "/d"), ("CLUSTER_ID", "abc"), ("X", "")];
        let config = load(&input(None, &environment, &[("metrics.listener", "")])).unwrap();
        assert!(config.standalone);
        assert_eq!((config.node_id, config.cluster_id.as_deref()), (NodeId(7), Some("abc")));
        assert_eq!(config.logs.dirs, [PathBuf::from("/d")]);
        assert_eq!(config.metrics_listener, None);
    }

    #[test]
    fn kafkas_file_for_combined_mode_loads_as_it_is() {
        let config = load(&input(Some(COMBINED), &[], &[])).unwrap();
        assert!(!config.standalone);
        assert_eq!(texts(&config.listeners), ["PLAINTEXT://:9092", "CONTROLLER://:9093"]);
        assert_eq!(texts(&config.advertised_listeners), ["PLAINTEXT://localhost:9092"]);
        assert_eq!(texts(&config.advertised_controller_listeners), ["CONTROLLER://localhost:9093"]);
        assert_eq!(config.broker_listeners().count(), 1);
        assert_eq!(config.quorum.bootstrap_servers.len(), 1);
        assert_eq!(config.values.short("offsets.topic.replication.factor"), 3);
        assert!(config.unknown_keys.is_empty() && config.warnings.is_empty());
    }

    #[test]
    fn the_environment_of_testcontainers_loads_as_it_is() {
        let environment = [
            ("KAFKA_LISTENERS", "PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9093,CONTROLLER://0.0.0.0:9094"),
            ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:32768,BROKER://c0ffee:9093,"),
            (
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
                "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            ),
            ("KAFKA_INTER_BROKER_LISTENER_NAME", "BROKER"),
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_BROKER_ID", "1"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9094"),
            ("KAFKA_LOG_FLUSH_INTERVAL_MESSAGES", "9223372036854775807"),
            ("KAFKA_ZOOKEEPER_CONNECT", "localhost:2181"),
            ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
        ];
        let config = load(&input(None, &environment, &[])).unwrap();
        assert_eq!(config.inter_broker_listener_name, "BROKER");
        assert_eq!(
            texts(&config.advertised_listeners),
            ["PLAINTEXT://localhost:32768", "BROKER://c0ffee:9093"]
        );
        assert_eq!(texts(&config.advertised_controller_listeners), ["CONTROLLER://localhost:9094"]);
        assert_eq!(config.unknown_keys, ["port", "zookeeper.connect"]);
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let file = format!("{COMBINED}num.partitions=2\nnum.partitions=3\nmessage.max.bytes=5\n");
        let environment = [("KAFKA_NUM_PARTITIONS", "4"), ("KAFKA_MESSAGE_MAX_BYTES", "6")];
        let partitions = |input: &Input| load(input).unwrap().topic_creation.num_partitions;
        assert_eq!(partitions(&input(Some(&file), &[], &[])), 3);
        assert_eq!(partitions(&input(Some(&file), &environment, &[])), 4);
        let all = load(&input(Some(&file), &environment, &[("num.partitions", "5")])).unwrap();
        assert_eq!((all.topic_creation.num_partitions, all.values.int("message.max.bytes")), (5, 6));
    }

    #[test]
    fn a_bad_value_names_where_it_was_written() {
        let reason = "Invalid value abc for configuration num.partitions: Not a number of type INT";
        let file = format!("{COMBINED}\n# comment\nnum.partitions=abc\n");
        let error = load(&input(Some(&file), &[], &[])).unwrap_err();
        assert_eq!(error, format!("server.properties, line 16: {reason}"));
        let error = load(&input(None, &[("KAFKA_NUM_PARTITIONS", "abc")], &[])).unwrap_err();
        assert_eq!(error, format!("environment variable KAFKA_NUM_PARTITIONS: {reason}"));
        let error = load(&input(None, &[], &[("num.partitions", "abc")])).unwrap_err();
        assert_eq!(error, format!("command line, --override: {reason}"));
        let error = load(&input(Some("a=\\u12"), &[], &[])).unwrap_err();
        assert_eq!(error, "server.properties, line 1: Malformed \\uxxxx encoding.");
        let error = load(&input(None, &[], &[("listener.name.x.ssl.client.auth", "y")])).unwrap_err();
        assert!(
            error.starts_with("command line, --override: listener.name.x.ssl.client.auth: Invalid value y")
        );
    }

    #[test]
    fn a_file_must_say_what_kafka_requires() {
        for (key, left) in
            [("process.roles", "process.roles=broker,controller\n"), ("node.id", "node.id=1\n")]
        {
            let error = load(&input(Some(&COMBINED.replace(left, "")), &[], &[])).unwrap_err();
            assert_eq!(
                error,
                format!("Missing required configuration \"{key}\" which has no default value.")
            );
        }
    }

    #[test]
    fn controller_listeners_of_any_name_are_plaintext_unless_something_is_protected() {
        let pairs = |listeners| {
            [
                ("process.roles", "broker,controller"),
                ("node.id", "1"),
                ("listeners", listeners),
                ("controller.listener.names", "C"),
                ("controller.quorum.voters", "1@c:9093"),
            ]
        };
        let config = load(&input(None, &[], &pairs("PLAINTEXT://:9092,C://:9093"))).unwrap();
        assert_eq!(texts(&config.advertised_controller_listeners), ["C://c:9093"]);
        let error = load(&input(None, &[], &pairs("SSL://:9092,C://:9093"))).unwrap_err();
        assert!(error.contains("No security protocol defined for listener C"), "{error}");
    }

    #[test]
    fn a_reference_is_replaced_before_the_value_is_read() {
        let overrides = [
            ("config.providers", "env"),
            ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
            ("num.partitions", "${env:P}"),
        ];
        let config = Config::load(&input(None, &[], &overrides), &|reference| {
            Ok((reference.key == "P").then(|| "12".to_owned()))
        });
        let config = config.unwrap();
        assert_eq!(config.topic_creation.num_partitions, 12);
        assert!(config.unknown_keys.is_empty());
    }

    #[test]
    fn values_of_one_listener_are_kept_beside_the_general_one() {
        let overrides = [
            ("listener.name.in-side.connections.max.reauth.ms", "5"),
            ("listener.name.in-side.scram-sha-256.sasl.jaas.config", "secret"),
            ("listener.name.in-side.no.such.key", "1"),
        ];
        let config = load(&input(None, &[], &overrides)).unwrap();
        let reauth = config.listener_overrides.get("IN-SIDE", "connections.max.reauth.ms");
        assert_eq!(reauth, Some(&super::super::value::Value::Long(5)));
        let jaas =
            config.listener_overrides.get_for_mechanism("In-Side", "SCRAM-SHA-256", "sasl.jaas.config");
        assert!(jaas.is_some());
        assert_eq!(config.unknown_keys, ["listener.name.in-side.no.such.key"]);
    }

    #[test]
    fn what_has_no_effect_is_warned_about_once_each() {
        let overrides = [
            ("create.topic.policy.class.name", "x.Y"),
            ("sasl.kerberos.service.name", "kafka"),
            ("remote.log.storage.manager.class.name", "x.Z"),
            ("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter"),
            ("metrics.num.samples", "3"),
            ("log.cleanup.policy", "delete,delete"),
            ("broker.session.timeout.ms", "3000"),
        ];
        let warnings = load(&input(None, &[], &overrides)).unwrap().warnings;
        assert_eq!(warnings.len(), 5, "{warnings:?}");
    }

    #[test]
    fn limits_are_read_from_their_keys() {
        let overrides = [
            ("max.connections.per.ip.overrides", "127.0.0.1:5, ::1:6"),
            ("connections.max.idle.ms", "-1"),
            ("socket.send.buffer.bytes", "-1"),
            ("queued.max.request.bytes", "0"),
        ];
        let config = load(&input(None, &[], &overrides)).unwrap();
        let per_ip = [("127.0.0.1".to_owned(), 5), ("::1".to_owned(), 6)];
        assert_eq!(config.connections.per_ip_overrides, BTreeMap::from(per_ip));
        assert_eq!(config.connections.idle_ms_max, None);
        assert_eq!(config.sockets.send_buffer_bytes, None);
        assert_eq!(config.sockets.queued_request_bytes_max, None);
        assert_eq!(config.sockets.request_bytes_max, 104_857_600);
        assert!(load(&input(None, &[], &[("max.connections.per.ip.overrides", "a")])).is_err());
    }

    proptest! {
        #[test]
        fn hostile_configuration_never_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            key in proptest::sample::select(broker_keys::all().map(|key| key.name).collect::<Vec<_>>()),
            value in "([ -~é]{0,30})|([0-9a-z:/@,.*\\[\\]-]{0,30})|(-?[0-9]{1,25})",
            variable in "KAFKA_[A-Z_-]{0,30}",
        ) {
            let file = File { name: "f".into(), bytes };
            let lookup = |_: &providers::Reference<'_>| Ok(None);
            let pairs = vec![(key.to_owned(), value.clone()), ("config.providers".to_owned(), "a".to_owned())];
            let _ = Config::load(&Input { file: Some(file), ..Input::default() }, &lookup);
            let environment = vec![(variable, value)];
            let _ = Config::load(&Input { environment, overrides: pairs[..1].to_vec(), file: None }, &lookup);
            let _ = Config::load(&Input { overrides: pairs, ..Input::default() }, &lookup);
        }
    }
}
