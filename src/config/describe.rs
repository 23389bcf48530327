//! What DescribeConfigs tells about a broker or a topic (`ConfigHelper`): each key with its value, where the
//! value comes from, and every value that it hides.

use std::collections::BTreeMap;

use super::broker_keys;
use super::client_metrics;
use super::dynamic::{self, Layers, Overrides};
use super::group_keys::{self, GroupKey};
use super::key::{Default, Key, Mode};
use super::layers::Origin;
use super::listener_keys;
use super::topic;
use super::topic_keys;
use super::value::{Type, Value};

/// Where a value comes from (`DescribeConfigsResponse.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Set for the topic.
    DynamicTopic,
    /// Set for the broker while it ran.
    DynamicBroker,
    /// Set for all brokers while they ran.
    DynamicDefaultBroker,
    /// The file, the environment or the command line.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// The level of a logger, which ends with the process.
    BrokerLogger,
    /// Set for the client metrics subscription.
    ClientMetrics,
    /// Set for the group.
    Group,
}

impl Source {
    /// `config_source` on the wire.
    pub fn wire_id(self) -> i8 {
        match self {
            Self::DynamicTopic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::BrokerLogger => 6,
            Self::ClientMetrics => 7,
            Self::Group => 8,
        }
    }
}

/// One value that a key has or hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key that sets it.
    pub name: String,
    /// The value as it was written; `None` if it is a secret.
    pub value: Option<String>,
    /// Where it was written.
    pub source: Source,
}

/// One key of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// The effective value; `None` if it is null or a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether the key cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether the value must not be shown.
    pub sensitive: bool,
    /// The type; `None` for keys that nobody knows.
    pub kind: Option<Type>,
    /// What the key is for.
    pub documentation: Option<&'static str>,
    /// Every value, the effective one first.
    pub synonyms: Vec<Synonym>,
}

/// Every key of the broker whose layers these are: the public ones, and whatever else is set.
pub fn describe_broker(layers: &Layers<'_>) -> Vec<Entry> {
    let table = broker_keys::described().map(|key| (key.name.to_owned(), layers.value(key.name)));
    let table: BTreeMap<String, Option<Value>> = table.collect();
    let set = layers.config.settings().iter().filter(|(_, setting)| setting.origin != Origin::Standalone);
    let others: BTreeMap<&String, &String> = set
        .map(|(name, setting)| (name, &setting.value))
        .chain(layers.default)
        .chain(layers.broker)
        .filter(|(name, _)| !table.contains_key(*name))
        .collect();
    let others = others.into_iter().map(|(name, raw)| broker_entry(layers, name, Some(raw.clone())));
    let entries =
        table.iter().map(|(name, value)| broker_entry(layers, name, value.as_ref().map(Value::text)));
    entries.chain(others).collect()
}

/// The keys that are set for all brokers, the broker resource without a name.
pub fn describe_broker_default(layers: &Layers<'_>) -> Vec<Entry> {
    let describe = |(name, raw): (&String, &String)| {
        let mut entry = broker_entry(layers, name, Some(raw.clone()));
        entry.synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
        entry.source = entry.synonyms.first().map_or(Source::Default, |synonym| synonym.source);
        entry
    };
    layers.default.iter().map(describe).collect()
}

/// Every key of a topic that has these configs of its own.
pub fn describe_topic(overrides: &Overrides, layers: &Layers<'_>) -> Vec<Entry> {
    let values = topic::resolve_values(overrides, layers);
    let internal = topic_keys::INTERNAL.iter().filter(|topic_key| overrides.contains_key(topic_key.key.name));
    let describe = |topic_key: &topic_keys::TopicKey| {
        let key = &topic_key.key;
        let value = values.get(key.name).map(Value::text);
        let mut synonyms = Vec::new();
        if overrides.contains_key(key.name) {
            let name = key.name.to_owned();
            synonyms.push(Synonym { name, value: value.clone(), source: Source::DynamicTopic });
        }
        if let Some(first) = topic_key.synonyms.first() {
            synonyms.extend(broker_synonyms(layers, first.key, false));
        }
        Entry {
            name: key.name.to_owned(),
            value,
            source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
            read_only: false,
            sensitive: key.is_sensitive(),
            kind: Some(key.kind),
            documentation: Some(key.documentation),
            synonyms,
        }
    };
    topic_keys::PUBLIC.iter().chain(internal).map(describe).collect()
}

/// Every key of a group that has these configs of its own.
pub fn describe_group(overrides: &Overrides, layers: &Layers<'_>) -> Vec<Entry> {
    let describe = |group_key: &GroupKey| {
        let key = &group_key.key;
        let value = group_keys::value(group_key, overrides, layers).as_ref().map(Value::text);
        let mut synonyms = Vec::new();
        if overrides.contains_key(key.name) {
            synonyms.push(Synonym { name: key.name.to_owned(), value: value.clone(), source: Source::Group });
        }
        match group_key.synonym {
            Some(synonym) => synonyms.extend(broker_synonyms(layers, synonym, false)),
            None => synonyms.push(Synonym {
                name: key.name.to_owned(),
                value: key.default_value().as_ref().map(Value::text),
                source: Source::Default,
            }),
        }
        entry_of(key, value, synonyms)
    };
    group_keys::ALL.iter().map(describe).collect()
}

/// Every key of a client metrics subscription that has these.
pub fn describe_client_metrics(overrides: &Overrides) -> Vec<Entry> {
    let describe = |key: &Key| {
        let own = overrides.get(key.name).and_then(|raw| key.parse(raw).ok());
        let value = own.clone().or_else(|| key.default_value()).as_ref().map(Value::text);
        let name = key.name.to_owned();
        let own = own.map(|_| Synonym { name, value: value.clone(), source: Source::ClientMetrics });
        entry_of(key, value, own.into_iter().collect())
    };
    client_metrics::ALL.iter().map(describe).collect()
}

/// The level of one logger.
pub fn describe_logger(name: &str, level: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        value: Some(level.to_owned()),
        source: Source::BrokerLogger,
        read_only: false,
        sensitive: false,
        kind: None,
        documentation: None,
        synonyms: Vec::new(),
    }
}

/// A key that can be changed and is no secret; its value comes from the first of `synonyms`.
fn entry_of(key: &Key, value: Option<String>, synonyms: Vec<Synonym>) -> Entry {
    Entry {
        name: key.name.to_owned(),
        value,
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        read_only: false,
        sensitive: false,
        kind: Some(key.kind),
        documentation: Some(key.documentation),
        synonyms,
    }
}

fn broker_entry(layers: &Layers<'_>, name: &str, value: Option<String>) -> Entry {
    let key = broker_keys::find(name);
    let base: Option<&Key> = key.or_else(|| listener_keys::base_key(name));
    let dynamic_only = dynamic::find_dynamic_only(name);
    let kind = base.or(dynamic_only).map(|key| key.kind);
    // What a key of unknown meaning holds may be a secret.
    let sensitive = kind.is_none_or(|kind| kind == Type::Password);
    let synonyms = broker_synonyms(layers, name, sensitive);
    Entry {
        name: name.to_owned(),
        value: value.filter(|_| !sensitive),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        read_only: key.or(dynamic_only).is_none_or(|key| key.mode == Mode::ReadOnly),
        sensitive,
        kind,
        documentation: key.map(|key| key.documentation),
        synonyms,
    }
}

/// Every value of a key and of those that stand in for it, from the highest layer down. As in Kafka, values
/// ahead of the first one of the key itself are left out.
fn broker_synonyms(layers: &Layers<'_>, name: &str, sensitive: bool) -> Vec<Synonym> {
    let names = family(name);
    let mut synonyms = Vec::new();
    let mut add = |source: Source, value_of: &dyn Fn(&str) -> Option<String>| {
        for name in &names {
            if let Some(value) = value_of(name) {
                let value = Some(value).filter(|_| !sensitive);
                synonyms.push(Synonym { name: name.clone(), value, source });
            }
        }
    };
    let settings = layers.config.settings();
    let of_origin = |name: &str, standalone: bool| {
        let setting = settings.get(name)?;
        ((setting.origin == Origin::Standalone) == standalone).then(|| setting.value.clone())
    };
    add(Source::DynamicBroker, &|name| layers.broker.get(name).cloned());
    add(Source::DynamicDefaultBroker, &|name| layers.default.get(name).cloned());
    add(Source::StaticBroker, &|name| of_origin(name, false));
    add(Source::Default, &|name| of_origin(name, true).or_else(|| table_default(name)));
    let first = synonyms.iter().position(|synonym| synonym.name == name).unwrap_or(synonyms.len());
    synonyms.split_off(first)
}

fn table_default(name: &str) -> Option<String> {
    match broker_keys::find(name)?.default {
        Default::Text(text) => Some(text.to_owned()),
        Default::Null | Default::Required => None,
    }
}

fn family(name: &str) -> Vec<String> {
    if let Some(family) = dynamic::family(name) {
        return family.iter().map(|name| (*name).to_owned()).collect();
    }
    let base = listener_keys::base_key(name).map(|base| base.name.to_owned());
    [Some(name.to_owned()), base].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::broker::Config;
    use super::super::layers::{File, Input};
    use super::*;

    const FILE: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\n\
        controller.quorum.voters=1@localhost:9093\nlisteners=PLAINTEXT://:9092,C://:9093\n\
        log.retention.minutes=5\nssl.keystore.password=hunter2\nforeign.key=hunter2\n\
        listener.name.c.ssl.keystore.location=/k\nserver.max.startup.time.ms=5\n";

    fn config() -> Config {
        let file = File { name: "server.properties".into(), bytes: FILE.into() };
        Config::load(&Input { file: Some(file), ..Input::default() }, &|_| Ok(None)).unwrap()
    }

    fn overrides(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn find<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
        entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("{name} is not listed"))
    }

    fn synonyms(entry: &Entry) -> Vec<(&str, &str, i8)> {
        let text = |s: &'_ Synonym| s.value.clone().unwrap_or_else(|| "-".into());
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        entry.synonyms.iter().map(|s| (s.name.as_str(), leak(text(s)), s.source.wire_id())).collect()
    }

    #[test]
    fn a_broker_lists_every_public_key_and_what_else_is_set() {
        let config = config();
        let entries = describe_broker(&Layers::of_static(&config));
        assert_eq!(entries.len(), 340 + 4 + 3);
        assert_eq!(find(&entries, "server.max.startup.time.ms").source, Source::StaticBroker);
        assert_eq!(find(&entries, "listener.name.c.ssl.keystore.location").value.as_deref(), Some("/k"));
        let partitions = find(&entries, "num.partitions");
        assert_eq!((partitions.value.as_deref(), partitions.source), (Some("1"), Source::Default));
        assert!(partitions.read_only && !find(&entries, "message.max.bytes").read_only);
    }

    #[test]
    fn secrets_and_keys_of_unknown_meaning_are_never_shown() {
        let config = config();
        let entries = describe_broker(&Layers::of_static(&config));
        for name in ["ssl.keystore.password", "foreign.key"] {
            let entry = find(&entries, name);
            assert!(entry.sensitive && entry.value.is_none());
            assert_eq!(synonyms(entry), [(name, "-", 4)]);
        }
        assert!(!format!("{entries:?}").contains("hunter2"));
    }

    #[test]
    fn synonyms_go_from_the_highest_layer_down() {
        let config = config();
        let (broker, default) = (
            overrides(&[("log.retention.ms", "9")]),
            overrides(&[("log.retention.ms", "8"), ("max.connections", "7")]),
        );
        let layers = Layers { config: &config, broker: &broker, default: &default };
        let entries = describe_broker(&layers);
        assert_eq!(
            synonyms(find(&entries, "log.retention.ms")),
            [
                ("log.retention.ms", "9", 2),
                ("log.retention.ms", "8", 3),
                ("log.retention.minutes", "5", 4),
                ("log.retention.hours", "168", 5),
            ]
        );
        let all_brokers = describe_broker_default(&layers);
        assert_eq!(all_brokers.len(), 2);
        assert_eq!(synonyms(find(&all_brokers, "max.connections")), [("max.connections", "7", 3)]);
    }

    #[test]
    fn a_topic_lists_every_key_with_the_brokers_values_behind_its_own() {
        let config = config();
        let own = overrides(&[("segment.bytes", "2097152")]);
        let entries = describe_topic(&own, &Layers::of_static(&config));
        assert_eq!(entries.len(), 34);
        let segment = find(&entries, "segment.bytes");
        assert_eq!((segment.source, segment.read_only), (Source::DynamicTopic, false));
        assert_eq!(
            synonyms(segment),
            [("segment.bytes", "2097152", 1), ("log.segment.bytes", "1073741824", 5)]
        );
        let retention = find(&entries, "retention.ms");
        assert_eq!(retention.value.as_deref(), Some("300000"));
        // Kafka too looks for the source under log.retention.ms alone.
        assert_eq!((retention.source, retention.synonyms.len()), (Source::Default, 0));
        assert!(entries.iter().all(|entry| entry.documentation.is_some() && entry.kind.is_some()));
    }

    #[test]
    fn what_a_node_without_configuration_starts_with_counts_as_default() {
        let config = Config::load(&Input::default(), &|_| Ok(None)).unwrap();
        let entries = describe_broker(&Layers::of_static(&config));
        let listeners = find(&entries, "listeners");
        assert_eq!(listeners.value.as_deref(), Some("PLAINTEXT://localhost:9092"));
        assert_eq!(listeners.source, Source::Default);
        assert!(entries.iter().all(|entry| entry.source == Source::Default));
    }
}
