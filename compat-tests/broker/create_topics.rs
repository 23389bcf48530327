//! CreateTopics: what is created, and every way in which Kafka says no.

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, TopicName};
use uuid::Uuid;

use super::support::{Broker, Client, Records, eventually, text, unique};

fn topic(name: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(partitions)
        .with_replication_factor(replication_factor)
}

fn with_configs(topic: CreatableTopic, configs: &[(&str, Option<&str>)]) -> CreatableTopic {
    let config = |(name, value): &(&str, Option<&str>)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))
    };
    topic.with_configs(configs.iter().map(config).collect())
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(partition, brokers): &(i32, &[i32])| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*partition)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    };
    topic(name, -1, -1).with_assignments(assignments.iter().map(assignment).collect())
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

fn create(client: &mut Client, topic: CreatableTopic) -> CreatableTopicResult {
    client.call(&request(vec![topic]), 7).topics.remove(0)
}

/// Asserts code and text of the refusal, and that nothing was created.
fn refused(client: &mut Client, topic: CreatableTopic, code: i16, message: &str) {
    let name = topic.name.clone();
    let result = create(client, topic);
    assert_eq!((result.error_code, result.error_message.as_deref()), (code, Some(message)), "{name:?}");
    assert_eq!(result.topic_id, Uuid::nil());
    assert_ne!(client.describe(&name).error_code, 0, "{name:?} exists");
}

fn node(client: &mut Client) -> i32 {
    client.metadata(Some(&[])).brokers[0].node_id.0
}

#[test]
fn every_version_creates() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in 2..=7 {
        let name = unique("versions");
        let result = client.call(&request(vec![topic(&name, 2, 1)]), version).topics.remove(0);
        assert_eq!((result.error_code, result.error_message), (0, None), "version {version}");
        eventually("it is there", || {
            let found = client.describe(&name);
            (found.error_code == 0).then(|| assert_eq!(found.partitions.len(), 2))
        });
    }
}

#[test]
fn minus_one_means_the_brokers_default() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in 4..=7 {
        let name = unique("defaults");
        let result = client.call(&request(vec![topic(&name, -1, -1)]), version).topics.remove(0);
        assert_eq!(result.error_code, 0, "version {version}: {:?}", result.error_message);
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (1, 1));
        }
    }
}

#[test]
fn the_answer_tells_id_counts_and_all_configs() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("told");
    let asked = with_configs(topic(&name, 3, 1), &[("retention.ms", Some("12345"))]);
    let result = create(&mut client, asked);
    assert_eq!((result.error_code, result.num_partitions, result.replication_factor), (0, 3, 1));
    assert_eq!(result.topic_config_error_code, 0);
    assert_ne!(result.topic_id, Uuid::nil());
    assert_eq!(
        eventually("it is there", || Some(client.describe(&name)).filter(|t| t.error_code == 0)).topic_id,
        result.topic_id
    );
    let configs = result.configs.unwrap();
    let find = |name: &str| configs.iter().find(|c| c.name.as_str() == name).unwrap();
    let value = |name: &str| find(name).value.as_deref().map(str::to_owned);
    assert_eq!(value("retention.ms").as_deref(), Some("12345"));
    assert_eq!(find("retention.ms").config_source, 1, "the topic's own");
    assert_eq!(value("cleanup.policy").as_deref(), Some("delete"));
    assert_eq!(find("cleanup.policy").config_source, 5, "the default");
    assert!(configs.len() > 25, "{} configs", configs.len());
    assert!(configs.iter().all(|c| !c.read_only && !c.is_sensitive));
}

#[test]
fn configs_come_sorted_by_name() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let result = create(&mut client, topic(&unique("sorted"), 1, 1));
    let names: Vec<String> = result.configs.unwrap().into_iter().map(|c| c.name.to_string()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
}

#[test]
fn a_topic_can_be_used_as_soon_as_its_creation_is_answered() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    for number in 0..20 {
        let name = TopicName(text(&format!("at-once-{number}")));
        assert_eq!(create(&mut client, topic(&name, 1, 1)).error_code, 0);
        assert_eq!(client.append(&name, 0, &Records::of(["first"])), 0);
    }
}

#[test]
fn counts_must_be_positive_and_within_the_cluster() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let no_partitions = "Number of partitions was set to an invalid non-positive value.";
    refused(&mut client, topic(&unique("none"), 0, 1), 37, no_partitions);
    refused(&mut client, topic(&unique("less"), -2, 1), 37, no_partitions);
    let no_replicas = "Replication factor must be larger than 0, or -1 to use the default value.";
    refused(&mut client, topic(&unique("none"), 1, 0), 38, no_replicas);
    refused(&mut client, topic(&unique("less"), 1, -2), 38, no_replicas);
    refused(
        &mut client,
        topic(&unique("three"), 1, 3),
        38,
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached \
         because only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
    );
}

#[test]
fn names_are_checked_and_the_text_says_what_is_wrong() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let long = "x".repeat(250);
    let too_long =
        format!("Topic name is invalid: the length of '{long}' is longer than the max allowed length 249");
    let cases = [
        ("", "Topic name is invalid: the empty string is not allowed"),
        (".", "Topic name is invalid: '.' is not allowed"),
        ("..", "Topic name is invalid: '..' is not allowed"),
        (&long, &too_long),
        (
            "a b",
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', \
             '_' and '-'",
        ),
    ];
    for (name, message) in cases {
        refused(&mut client, topic(name, 1, 1), 17, message);
    }
    let longest = format!("{}-{}", unique("x"), "x".repeat(230));
    assert_eq!(create(&mut client, topic(&longest[..249], 1, 1)).error_code, 0);
}

#[test]
fn dots_and_underscores_must_not_make_two_names_one_metric() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("a.b");
    assert_eq!(create(&mut client, topic(&name, 1, 1)).error_code, 0);
    let twin = name.replace('.', "_");
    refused(
        &mut client,
        topic(&twin, 1, 1),
        17,
        &format!("Topic '{twin}' collides with existing topic: {name}"),
    );
}

#[test]
fn what_exists_is_not_created_again() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let existing = client.create("existing", 1);
    let result = create(&mut client, topic(existing.name(), 1, 1));
    let message = format!("Topic '{}' already exists.", existing.name());
    assert_eq!((result.error_code, result.error_message.as_deref()), (36, Some(message.as_str())));
    assert_eq!(client.describe(existing.name()).topic_id, existing.id);
}

#[test]
fn the_same_name_twice_in_a_request_is_refused_once_and_others_are_created() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (twice, once) = (unique("twice"), unique("once"));
    let asked = request(vec![topic(&twice, 1, 1), topic(&once, 1, 1), topic(&twice, 1, 1)]);
    let mut results: Vec<(String, i16)> =
        client.call(&asked, 7).topics.into_iter().map(|t| (t.name.to_string(), t.error_code)).collect();
    results.sort();
    let mut expected = vec![(twice.clone(), 42), (once, 0)];
    expected.sort();
    assert_eq!(results, expected);
    assert_eq!(client.describe(&twice).error_code, 3);
}

#[test]
fn assignments_are_taken_and_exclude_counts() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = node(&mut client);
    let good = unique("assigned");
    let result = create(&mut client, assigned(&good, &[(0, &[node]), (1, &[node])]));
    assert_eq!((result.error_code, result.num_partitions, result.replication_factor), (0, 2, 1));
    let both = assigned(&unique("both"), &[(0, &[node])]).with_num_partitions(1);
    let message = "A manual partition assignment was specified, but numPartitions was not set to -1.";
    refused(&mut client, both, 42, message);
    let both = assigned(&unique("both"), &[(0, &[node])]).with_replication_factor(1);
    let message = "A manual partition assignment was specified, but replication factor was not set to -1.";
    refused(&mut client, both, 42, message);
}

#[test]
fn assignments_must_make_sense() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = node(&mut client);
    let mut refused = |assignments: &[(i32, &[i32])], message: &str| {
        refused(&mut client, assigned(&unique("senseless"), assignments), 39, message);
    };
    refused(&[(0, &[node]), (0, &[node])], "Found multiple manual partition assignments for partition 0");
    refused(&[(1, &[node])], "partitions should be a consecutive 0-based integer sequence");
    refused(&[(0, &[])], "The manual partition assignment includes an empty replica list.");
    refused(
        &[(0, &[node, node])],
        &format!("The manual partition assignment includes the broker {node} more than once."),
    );
    refused(
        &[(0, &[4711])],
        "The manual partition assignment includes broker 4711, but no such broker is registered.",
    );
}

#[test]
fn configs_that_are_unknown_or_wrong_keep_the_topic_from_being_made() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let mut refused = |configs: &[(&str, Option<&str>)], message: &str| {
        let topic = with_configs(topic(&unique("misconfigured"), 1, 1), configs);
        refused(&mut client, topic, 40, message);
    };
    refused(&[("no.such.config", Some("1"))], "Unknown topic config name: no.such.config");
    refused(
        &[("retention.ms", Some("soon"))],
        "Invalid value soon for configuration retention.ms: Not a number of type LONG",
    );
    refused(
        &[("cleanup.policy", Some("keep"))],
        "Invalid value keep for configuration cleanup.policy: String must be one of: compact, delete",
    );
    refused(
        &[("max.message.bytes", Some("-1"))],
        "Invalid value -1 for configuration max.message.bytes: Value must be at least 0",
    );
    // One wrong among good ones is enough.
    refused(
        &[("retention.ms", Some("1000")), ("segment.bytes", Some("1")), ("cleanup.policy", Some("compact"))],
        "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
    );
    refused(&[("retention.ms", None)], "Null value not supported for topic configs: retention.ms");
}

#[test]
fn one_bad_topic_does_not_keep_the_others_from_being_made() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let [good, unknown, wrong, none] = ["good", "unknown", "wrong", "none"].map(unique);
    let results = client.call(
        &request(vec![
            with_configs(topic(&unknown, 1, 1), &[("no.such.config", Some("1"))]),
            with_configs(topic(&good, 1, 1), &[("cleanup.policy", Some("compact,delete"))]),
            with_configs(topic(&wrong, 1, 1), &[("segment.bytes", Some("many"))]),
            topic(&none, 0, 1),
        ]),
        7,
    );
    let code = |name: &str| results.topics.iter().find(|t| t.name.as_str() == name).unwrap().error_code;
    assert_eq!([&good, &unknown, &wrong, &none].map(|name| code(name)), [0, 40, 40, 37]);
    assert_eq!(results.topics.len(), 4);
    assert_eq!([&unknown, &wrong, &none].map(|name| client.describe(name).error_code), [3, 3, 3]);
}

/// Connect, Streams and MirrorMaker set what does not concern every broker.
#[test]
fn every_config_that_kafka_knows_is_accepted() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let configs = [
        ("compression.type", "zstd"),
        ("compression.gzip.level", "1"),
        ("compression.lz4.level", "9"),
        ("compression.zstd.level", "3"),
        ("delete.retention.ms", "1"),
        ("file.delete.delay.ms", "1"),
        ("flush.messages", "1"),
        ("flush.ms", "1"),
        ("follower.replication.throttled.replicas", "*"),
        ("index.interval.bytes", "1"),
        ("leader.replication.throttled.replicas", "0:1"),
        ("local.retention.bytes", "-2"),
        ("local.retention.ms", "-2"),
        ("max.compaction.lag.ms", "1000"),
        ("max.message.bytes", "1"),
        ("message.timestamp.after.max.ms", "1"),
        ("message.timestamp.before.max.ms", "1"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("min.compaction.lag.ms", "1"),
        ("min.insync.replicas", "1"),
        ("preallocate", "true"),
        ("retention.bytes", "1"),
        ("retention.ms", "-1"),
        ("segment.bytes", "1048576"),
        ("segment.index.bytes", "1024"),
        ("segment.jitter.ms", "1"),
        ("segment.ms", "1000"),
        ("unclean.leader.election.enable", "true"),
    ];
    for (name, value) in configs {
        let asked = with_configs(topic(&unique("known"), 1, 1), &[(name, Some(value))]);
        let result = create(&mut client, asked);
        assert_eq!(result.error_code, 0, "{name}: {:?}", result.error_message);
    }
}

#[test]
fn validating_says_the_same_and_creates_nothing() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let existing = client.create("existing", 1);
    let (good, bad) = (unique("good"), unique("bad"));
    let asked = request(vec![topic(&good, 5, -1), topic(&bad, 0, 1), topic(existing.name(), 1, 1)]);
    let results = client.call(&asked.with_validate_only(true), 7).topics;
    let of = |name: &str| results.iter().find(|t| t.name.as_str() == name).unwrap();
    assert_eq!((of(&good).error_code, of(&bad).error_code, of(existing.name()).error_code), (0, 37, 36));
    assert_eq!((of(&good).num_partitions, of(&good).replication_factor), (5, 1));
    assert!(!of(&good).configs.as_ref().unwrap().is_empty());
    assert_eq!(client.describe(&good).error_code, 3);
}

#[test]
fn the_metadata_log_is_no_topic_for_clients() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let result = create(&mut client, topic("__cluster_metadata", 1, 1));
    let message = "Creation of internal topic __cluster_metadata is prohibited.";
    assert_eq!((result.error_code, result.error_message.as_deref()), (42, Some(message)));
}
