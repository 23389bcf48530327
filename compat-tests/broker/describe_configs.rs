//! DescribeConfigs: every config with its value and where it comes from.

use std::collections::BTreeMap;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};

use super::support::{Broker, Client, tests_kafka, text, unique};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()))
}

fn request(resource: DescribeConfigsResource) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

fn only(client: &mut Client, request: &DescribeConfigsRequest, version: i16) -> DescribeConfigsResult {
    let mut results = client.call(request, version).results;
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn by_name(result: DescribeConfigsResult) -> BTreeMap<String, DescribeConfigsResourceResult> {
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    result.configs.into_iter().map(|config| (config.name.to_string(), config)).collect()
}

fn node(client: &mut Client) -> String {
    client.metadata(Some(&[])).brokers[0].node_id.0.to_string()
}

/// Name, default and type of every topic config of Kafka 4.3.
const TOPIC_CONFIGS: [(&str, &str, i8); 33] = [
    ("cleanup.policy", "delete", LIST),
    ("compression.gzip.level", "-1", INT),
    ("compression.lz4.level", "9", INT),
    ("compression.type", "producer", STRING),
    ("compression.zstd.level", "3", INT),
    ("delete.retention.ms", "86400000", LONG),
    ("file.delete.delay.ms", "60000", LONG),
    ("flush.messages", "9223372036854775807", LONG),
    ("flush.ms", "9223372036854775807", LONG),
    ("follower.replication.throttled.replicas", "", LIST),
    ("index.interval.bytes", "4096", INT),
    ("leader.replication.throttled.replicas", "", LIST),
    ("local.retention.bytes", "-2", LONG),
    ("local.retention.ms", "-2", LONG),
    ("max.compaction.lag.ms", "9223372036854775807", LONG),
    ("max.message.bytes", "1048588", INT),
    ("message.timestamp.after.max.ms", "3600000", LONG),
    ("message.timestamp.before.max.ms", "9223372036854775807", LONG),
    ("message.timestamp.type", "CreateTime", STRING),
    ("min.cleanable.dirty.ratio", "0.5", DOUBLE),
    ("min.compaction.lag.ms", "0", LONG),
    ("min.insync.replicas", "1", INT),
    ("preallocate", "false", BOOLEAN),
    ("remote.log.copy.disable", "false", BOOLEAN),
    ("remote.log.delete.on.disable", "false", BOOLEAN),
    ("remote.storage.enable", "false", BOOLEAN),
    ("retention.bytes", "-1", LONG),
    ("retention.ms", "604800000", LONG),
    ("segment.bytes", "1073741824", INT),
    ("segment.index.bytes", "10485760", INT),
    ("segment.jitter.ms", "0", LONG),
    ("segment.ms", "604800000", LONG),
    ("unclean.leader.election.enable", "false", BOOLEAN),
];

// ConfigType of the protocol.
const BOOLEAN: i8 = 1;
const STRING: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
const DOUBLE: i8 = 6;
const LIST: i8 = 7;

/// Of ours alone.
const OWN: [&str; 1] = ["write.caching"];

#[test]
fn every_topic_config_is_listed_with_its_default_and_type() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("defaults", 1);
    for version in 1..=4 {
        let mut configs = by_name(only(&mut client, &request(resource(TOPIC, topic.name(), None)), version));
        for (name, default, kind) in TOPIC_CONFIGS {
            let config = configs.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(config.value.as_deref(), Some(default), "{name}");
            assert!(!config.read_only && !config.is_sensitive && config.synonyms.is_empty(), "{name}");
            // KIP-966 makes the default of all brokers a dynamic one.
            let source = if name == "min.insync.replicas" { config.config_source } else { 5 };
            assert_eq!(config.config_source, source, "{name} in version {version}");
            assert!([3, 5].contains(&source));
            assert_eq!(config.config_type, if version < 3 { 0 } else { kind }, "{name}");
            assert_eq!(config.documentation.as_deref().unwrap_or_default(), "", "{name}: not asked for");
        }
        configs.retain(|name, _| !OWN.contains(&name.as_str()) && !tests_kafka());
        assert!(configs.is_empty(), "beyond Kafka's: {configs:?}");
    }
}

#[test]
fn a_value_comes_from_the_topic_or_the_broker_and_synonyms_tell_of_both() {
    let Some(broker) = Broker::start(&["log.retention.ms=1000000", "log.segment.bytes=2000000"]) else {
        return;
    };
    let mut client = broker.connect();
    let topic = client.create_with("sources", 1, &[("segment.bytes", "3000000")]);
    let asked = request(resource(TOPIC, topic.name(), None));
    let mut configs = by_name(only(&mut client, &asked.clone().with_include_synonyms(true), 4));
    let mut of = |name: &str| {
        let config = configs.remove(name).unwrap();
        let synonyms: Vec<(String, Option<String>, i8)> = config
            .synonyms
            .iter()
            .map(|s| (s.name.to_string(), s.value.as_ref().map(ToString::to_string), s.source))
            .collect();
        (config.value.unwrap().to_string(), config.config_source, synonyms)
    };
    let synonym = |name: &str, value: &str, source: i8| (name.to_owned(), Some(value.to_owned()), source);
    assert_eq!(
        of("segment.bytes"),
        (
            "3000000".to_owned(),
            1,
            vec![
                synonym("segment.bytes", "3000000", 1),
                synonym("log.segment.bytes", "2000000", 4),
                synonym("log.segment.bytes", "1073741824", 5),
            ]
        )
    );
    let (value, source, synonyms) = of("retention.ms");
    assert_eq!(
        (value.as_str(), source, &synonyms[0]),
        ("1000000", 4, &synonym("log.retention.ms", "1000000", 4))
    );
    let (value, source, synonyms) = of("max.message.bytes");
    assert_eq!((value.as_str(), source), ("1048588", 5));
    assert_eq!(synonyms, [synonym("message.max.bytes", "1048588", 5)]);
}

#[test]
fn only_the_keys_asked_for_are_answered() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("filtered", 1);
    let keys: &[&str] = &["retention.ms", "no.such.config", "cleanup.policy"];
    for (kind, name, expected) in [
        (TOPIC, topic.name().to_owned(), vec!["cleanup.policy", "retention.ms"]),
        (BROKER, node(&mut client), vec![]),
    ] {
        let configs = by_name(only(&mut client, &request(resource(kind, &name, Some(keys))), 4));
        assert_eq!(configs.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn documentation_comes_when_asked_for() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("documented", 1);
    let asked = request(resource(TOPIC, topic.name(), None)).with_include_documentation(true);
    let configs = by_name(only(&mut client, &asked, 4));
    assert!(configs.values().all(|config| config.documentation.as_ref().is_some_and(|text| text.len() > 10)));
}

#[test]
fn a_broker_lists_its_configs_and_hides_what_is_secret() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = node(&mut client);
    let configs = by_name(only(&mut client, &request(resource(BROKER, &name, None)), 4));
    assert!(configs.len() > 200, "{}", configs.len());
    let value = |name: &str| configs[name].value.as_ref().map(ToString::to_string);
    assert_eq!(value("node.id").as_deref(), Some(name.as_str()));
    assert!(configs["node.id"].read_only);
    assert_eq!(value("num.partitions").as_deref(), Some("1"));
    assert_eq!(value("delete.topic.enable").as_deref(), Some("true"));
    assert_eq!(
        (configs["log.retention.hours"].config_source, value("log.retention.hours")),
        (5, Some("168".into()))
    );
    assert!(!configs["log.retention.ms"].read_only, "can be changed while it runs");
    let password = &configs["ssl.keystore.password"];
    assert!(password.is_sensitive && password.value.is_none());
}

#[test]
fn configs_of_a_broker_that_is_not_asked_or_named_wrong_are_invalid() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = node(&mut client);
    for (asked, message) in [
        ("4711", format!("Unexpected broker id, expected {name} or empty string, but received 4711")),
        ("x", "Broker id must be an integer, but it is: x".to_owned()),
    ] {
        let result = only(&mut client, &request(resource(BROKER, asked, None)), 4);
        assert_eq!(
            (result.error_code, result.error_message.as_deref(), result.configs.len()),
            (42, Some(message.as_str()), 0)
        );
    }
    // The empty name stands for what all brokers are told to do; with KIP-966 it is how many replicas there
    // have to be in sync, else nothing yet.
    let mut defaults = by_name(only(&mut client, &request(resource(BROKER, "", None)), 4));
    defaults.remove("min.insync.replicas");
    assert!(defaults.is_empty());
}

#[test]
fn configs_of_what_is_not_there_are_an_error_of_that_resource_alone() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (here, absent) = (client.create("here", 1), unique("absent"));
    let asked = DescribeConfigsRequest::default().with_resources(vec![
        resource(TOPIC, &absent, None),
        resource(TOPIC, here.name(), Some(&["retention.ms"])),
        resource(TOPIC, "no name", None),
    ]);
    let results = client.call(&asked, 4).results;
    let of = |name: &str| results.iter().find(|r| r.resource_name.as_str() == name).unwrap();
    assert_eq!((of(&absent).error_code, of(&absent).error_message.as_deref()), (3, Some("")));
    assert_eq!((of(here.name()).error_code, of(here.name()).configs.len()), (0, 1));
    assert_eq!(of("no name").error_code, 17);
    let unheard_of = only(&mut client, &request(resource(99, "what", None)), 4);
    assert_eq!((unheard_of.error_code, unheard_of.resource_type), (42, 99));
}

#[test]
fn an_empty_list_of_config_names_asks_for_all_of_them() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("every", 1);
    let count = |client: &mut Client, keys| {
        by_name(only(client, &request(resource(TOPIC, topic.name(), keys)), 4)).len()
    };
    assert_eq!(count(&mut client, Some(&[])), count(&mut client, None));
    assert_eq!(count(&mut client, Some(&["retention.ms", "no.such.config"])), 1);
}
