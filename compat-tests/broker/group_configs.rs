//! IncrementalAlterConfigs, AlterConfigs and ListConfigResources, for every type of resource.

use kafka_protocol::messages::alter_configs_request;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::*;

use super::support::{Broker, Client, eventually, text, unique};

pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
pub const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn resource(kind: i8, name: &str, changes: &[(&str, i8, &str)]) -> AlterConfigsResource {
    let change = |(key, op, value): &(&str, i8, &str)| {
        let value = (*op != DELETE).then(|| text(value));
        AlterableConfig::default().with_name(text(key)).with_config_operation(*op).with_value(value)
    };
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes.iter().map(change).collect())
}

fn alter(client: &mut Client, resources: Vec<AlterConfigsResource>) -> Vec<AlterConfigsResourceResponse> {
    client.call(&IncrementalAlterConfigsRequest::default().with_resources(resources), 1).responses
}

/// Changes one key; the code and message.
pub fn change(client: &mut Client, kind: i8, name: &str, key: &str, op: i8, value: &str) -> (i16, String) {
    let answer = alter(client, vec![resource(kind, name, &[(key, op, value)])]).remove(0);
    (answer.error_code, answer.error_message.unwrap_or_default().to_string())
}

pub fn describe(
    client: &mut Client,
    kind: i8,
    name: &str,
    key: &str,
) -> Option<DescribeConfigsResourceResult> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    let mut result = client.call(&request, 4).results.remove(0);
    assert_eq!(result.error_code, 0, "{result:?}");
    result.configs.pop()
}

/// Waits until a key has a value; its source.
pub fn await_value(client: &mut Client, kind: i8, name: &str, key: &str, value: &str) -> i8 {
    eventually("the value is there", || {
        let found = describe(client, kind, name, key)?;
        (found.value.as_deref() == Some(value)).then_some(found.config_source)
    })
}

#[test]
fn a_topics_keys_are_set_appended_to_and_put_back() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("altered", 1);
    let name = topic.name();
    assert_eq!(change(&mut client, TOPIC, name, "retention.ms", SET, "5000"), (0, String::new()));
    assert_eq!(await_value(&mut client, TOPIC, name, "retention.ms", "5000"), 1);
    assert_eq!(change(&mut client, TOPIC, name, "cleanup.policy", APPEND, "compact").0, 0);
    await_value(&mut client, TOPIC, name, "cleanup.policy", "delete,compact");
    assert_eq!(change(&mut client, TOPIC, name, "cleanup.policy", SUBTRACT, "delete").0, 0);
    await_value(&mut client, TOPIC, name, "cleanup.policy", "compact");
    assert_eq!(change(&mut client, TOPIC, name, "retention.ms", DELETE, "").0, 0);
    assert_eq!(await_value(&mut client, TOPIC, name, "retention.ms", "604800000"), 5);
}

#[test]
fn a_resource_changes_as_a_whole_or_not_at_all() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (good, bad) = (client.create("good", 1), client.create("bad", 1));
    let answers = alter(
        &mut client,
        vec![
            resource(TOPIC, good.name(), &[("flush.ms", SET, "77")]),
            resource(TOPIC, bad.name(), &[("flush.ms", SET, "77"), ("no.such.key", SET, "1")]),
            resource(TOPIC, "no-such-topic", &[("flush.ms", SET, "77")]),
            resource(99, "x", &[]),
        ],
    );
    let codes: Vec<(i16, &str)> =
        answers.iter().map(|a| (a.error_code, a.error_message.as_deref().unwrap_or("-"))).collect();
    assert_eq!(
        codes[..3],
        [
            (0, "-"),
            (40, "Unknown topic config name: no.such.key"),
            (3, "The topic 'no-such-topic' does not exist."),
        ]
    );
    assert_eq!(codes[3].0, 42);
    await_value(&mut client, TOPIC, good.name(), "flush.ms", "77");
    await_value(&mut client, TOPIC, bad.name(), "flush.ms", "9223372036854775807");
}

#[test]
fn malformed_changes_are_refused_before_anything_happens() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("malformed", 1);
    let twice = resource(TOPIC, topic.name(), &[("flush.ms", SET, "1"), ("flush.ms", SET, "2")]);
    let answer = alter(&mut client, vec![twice]).remove(0);
    assert_eq!(
        (answer.error_code, answer.error_message.as_deref()),
        (42, Some("Error due to duplicate config keys"))
    );
    let same = || resource(TOPIC, topic.name(), &[("flush.ms", SET, "1")]);
    for answer in alter(&mut client, vec![same(), same()]) {
        assert_eq!(
            (answer.error_code, answer.error_message.as_deref()),
            (42, Some("Each resource must appear at most once."))
        );
    }
    let mut null = same();
    null.configs[0].value = None;
    let answer = alter(&mut client, vec![null]).remove(0);
    assert_eq!(
        (answer.error_code, answer.error_message.as_deref()),
        (42, Some("Null value not supported for : flush.ms"))
    );
    let only =
        IncrementalAlterConfigsRequest::default().with_resources(vec![same()]).with_validate_only(true);
    assert_eq!(client.call(&only, 1).responses[0].error_code, 0);
    await_value(&mut client, TOPIC, topic.name(), "flush.ms", "9223372036854775807");
}

#[test]
fn a_broker_takes_what_is_dynamic_and_nothing_else() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id.0.to_string();
    let invalid = |text: &str| (42, text.to_owned());
    assert_eq!(
        change(&mut client, BROKER, &node, "node.id", SET, "9"),
        invalid("Cannot update these configs dynamically: [node.id]")
    );
    assert_eq!(
        change(&mut client, BROKER, "", "listeners", SET, "PLAINTEXT://:1"),
        invalid(
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"
        )
    );
    assert_eq!(
        change(&mut client, BROKER, &node, "log.cleaner.threads", SET, "x"),
        invalid("Invalid value x for configuration log.cleaner.threads: Not a number of type INT")
    );
    assert_eq!(change(&mut client, BROKER, "77", "log.cleaner.threads", SET, "2").0, 42);
    assert_eq!(change(&mut client, BROKER, "", "log.segment.bytes", SET, "2000000").0, 0);
    // A topic that does not set its own follows at once.
    let topic = client.create("follows", 1);
    assert_eq!(await_value(&mut client, TOPIC, topic.name(), "segment.bytes", "2000000"), 3);
    assert_eq!(change(&mut client, BROKER, &node, "log.segment.bytes", SET, "3000000").0, 0);
    assert_eq!(await_value(&mut client, TOPIC, topic.name(), "segment.bytes", "3000000"), 2);
}

#[test]
fn a_groups_keys_stand_over_the_brokers() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("configured");
    let key = "consumer.session.timeout.ms";
    assert_eq!(change(&mut client, GROUP, &name, key, SET, "50000"), (0, String::new()));
    assert_eq!(await_value(&mut client, GROUP, &name, key, "50000"), 8);
    let described = describe(&mut client, GROUP, &name, key).unwrap();
    let synonyms: Vec<(&str, &str, i8)> = described
        .synonyms
        .iter()
        .map(|s| (&*s.name, s.value.as_deref().unwrap_or_default(), s.source))
        .collect();
    assert_eq!(synonyms, [(key, "50000", 8), ("group.consumer.session.timeout.ms", "45000", 5)]);
    assert_eq!(
        change(&mut client, GROUP, &name, key, SET, "1"),
        (40, format!("{key} must be greater than or equal to group.consumer.min.session.timeout.ms"))
    );
    assert_eq!(
        change(&mut client, GROUP, &name, "no.such.key", SET, "1"),
        (40, "Unknown group config name: no.such.key".to_owned())
    );
    let listed = client.call(&ListConfigResourcesRequest::default().with_resource_types(vec![GROUP]), 1);
    assert!(listed.config_resources.iter().any(|r| *r.resource_name == *name && r.resource_type == GROUP));
    assert_eq!(change(&mut client, GROUP, &name, key, DELETE, "").0, 0);
    assert_eq!(await_value(&mut client, GROUP, &name, key, "45000"), 5);
    let listed = client.call(&ListConfigResourcesRequest::default().with_resource_types(vec![GROUP]), 1);
    assert!(!listed.config_resources.iter().any(|r| *r.resource_name == *name));
}

#[test]
fn client_metrics_and_loggers_are_resources_too() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id.0.to_string();
    let name = unique("metrics");
    assert_eq!(change(&mut client, CLIENT_METRICS, &name, "interval.ms", SET, "1000").0, 0);
    assert_eq!(await_value(&mut client, CLIENT_METRICS, &name, "interval.ms", "1000"), 7);
    assert_eq!(
        change(&mut client, CLIENT_METRICS, &name, "interval.ms", SET, "1"),
        (42, "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)".to_owned())
    );
    let listed = client.call(&ListConfigResourcesRequest::default(), 0);
    assert!(listed.config_resources.iter().any(|r| *r.resource_name == *name));
    assert_eq!(change(&mut client, CLIENT_METRICS, &name, "interval.ms", DELETE, "").0, 0);

    let root = describe(&mut client, LOGGER, &node, "root").unwrap();
    let level = root.value.as_deref().unwrap_or_default();
    assert!(["INFO", "ERROR"].contains(&level), "Apache Kafka's depends on its log4j configuration: {level}");
    assert_eq!(root.config_source, 6);
    assert_eq!(
        change(&mut client, LOGGER, &node, "no.such.logger", SET, "INFO"),
        (40, "Logger no.such.logger does not exist!".to_owned())
    );
    assert_eq!(change(&mut client, LOGGER, &node, "root", DELETE, "").0, 42);
}

#[test]
fn the_old_way_replaces_everything_that_is_set() {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("replaced", 1, &[("flush.ms", "5"), ("retention.ms", "6")]);
    let config = AlterableConfig::default().with_name(text("flush.ms")).with_value(Some(text("7")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(topic.name.0.clone())
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(&request, 2).responses[0].error_code, 0);
    await_value(&mut client, TOPIC, topic.name(), "flush.ms", "7");
    await_value(&mut client, TOPIC, topic.name(), "retention.ms", "604800000");
}
