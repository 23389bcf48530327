//! Metadata: what there is, by name and by id, and the topics that asking creates.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{DeleteTopicsRequest, MetadataRequest, TopicName};
use uuid::Uuid;

use super::support::{Broker, Client, Records, eventually, has_come, stranger, text, unique};

/// A bit for each AclOperation that a cluster knows: create, alter, describe, cluster action, describe and
/// alter configs, idempotent write.
pub const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// The same for a topic: read, write, create, delete, alter, describe, describe and alter configs.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;

fn named(name: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
    MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
}

fn identified(id: Uuid) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
}

fn names(client: &mut Client, request: &MetadataRequest, version: i16) -> Vec<String> {
    let topics = client.call(request, version).topics;
    topics.into_iter().map(|topic| topic.name.unwrap().to_string()).collect()
}

fn one(client: &mut Client, request: &MetadataRequest, version: i16) -> MetadataResponseTopic {
    let mut topics = client.call(request, version).topics;
    assert_eq!(topics.len(), 1);
    topics.remove(0)
}

#[test]
fn no_list_means_all_topics_and_an_empty_one_none_except_in_version_0() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("listed", 1).name.to_string();
    let all = MetadataRequest::default().with_topics(None);
    let none = MetadataRequest::default().with_topics(Some(vec![]));
    for version in 1..=13 {
        assert!(names(&mut client, &all, version).contains(&topic), "version {version}");
        assert!(names(&mut client, &none, version).is_empty(), "version {version}");
    }
    assert!(names(&mut client, &none, 0).contains(&topic));
}

#[test]
fn a_topic_is_described_alike_in_every_version() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("alike", 3);
    for version in 0..=13 {
        let request = named(topic.name()).with_allow_auto_topic_creation(version < 4);
        let response = client.call(&request, version);
        assert_eq!(response.brokers.len(), 1, "version {version}");
        let node = response.brokers[0].node_id;
        assert_eq!(i32::from(broker.port), response.brokers[0].port, "version {version}");
        let described = &response.topics[0];
        assert_eq!((described.error_code, described.is_internal), (0, false), "version {version}");
        assert_eq!(
            described.topic_id,
            if version < 10 { Uuid::nil() } else { topic.id },
            "version {version}"
        );
        let mut indexes = Vec::new();
        for partition in &described.partitions {
            indexes.push(partition.partition_index);
            assert_eq!((partition.error_code, partition.leader_id), (0, node), "version {version}");
            assert_eq!((&partition.replica_nodes, &partition.isr_nodes), (&vec![node], &vec![node]));
            assert!(partition.offline_replicas.is_empty());
            assert_eq!(partition.leader_epoch, if version < 7 { -1 } else { 0 }, "version {version}");
        }
        indexes.sort_unstable();
        assert_eq!(indexes, [0, 1, 2], "version {version}");
    }
}

#[test]
fn the_cluster_has_one_id_and_a_controller_that_exists() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let response = client.metadata(Some(&[]));
    assert!(response.brokers.iter().any(|b| b.node_id == response.controller_id));
    assert_eq!(response.cluster_id.as_ref().map(|id| id.len()), Some(22), "a base64 uuid");
    assert_eq!(broker.connect().metadata(None).cluster_id, response.cluster_id);
}

#[test]
fn asking_for_a_topic_without_leave_to_create_does_not_create_it() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("absent");
    for _ in 0..2 {
        let topic = one(&mut client, &named(&name), 12);
        assert_eq!((topic.error_code, topic.partitions.len(), topic.topic_id), (3, 0, Uuid::nil()));
        assert_eq!(topic.name.unwrap().as_str(), name);
    }
}

#[test]
fn asking_with_leave_creates_a_topic_with_the_default_number_of_partitions() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in [0, 3, 4, 13] {
        let name = unique("automatic");
        let request = named(&name).with_allow_auto_topic_creation(true);
        let topic = eventually("the topic is there", || {
            let topic = one(&mut client, &request, version);
            // 5 in a race, as brokers before Kafka 4 do.
            assert!([0, 3, 5].contains(&topic.error_code), "{topic:?}");
            assert_eq!(topic.error_code == 0, !topic.partitions.is_empty(), "{topic:?}");
            (topic.error_code == 0).then_some(topic)
        });
        assert_eq!(topic.partitions.len(), 1);
        let name = TopicName(text(&name));
        eventually("it can be written to", || {
            let produced = client.produce(&name, 0, Records::of(["first"]).bytes());
            (produced.error_code == 0).then_some(())
        });
    }
}

#[test]
fn the_number_of_partitions_and_creation_itself_are_settings() {
    let Some(broker) = Broker::start(&["num.partitions=7"]) else { return };
    let mut client = broker.connect();
    let request = named("seven").with_allow_auto_topic_creation(true);
    has_come("seven partitions", || one(&mut client, &request, 12).partitions.len() == 7);
    drop(broker);

    let Some(broker) = Broker::start(&["auto.create.topics.enable=false"]) else { return };
    let mut client = broker.connect();
    for _ in 0..3 {
        assert_eq!(one(&mut client, &request, 12).error_code, 3);
    }
    assert!(client.metadata(None).topics.is_empty());
}

#[test]
fn names_that_no_topic_can_have_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "with space", "sla/sh", "ü", &long] {
        for version in [1, 12] {
            let request = named(name).with_allow_auto_topic_creation(true);
            let topic = one(&mut client, &request, version);
            assert_eq!((topic.error_code, topic.partitions.len()), (17, 0), "{name:?} version {version}");
        }
    }
}

#[test]
fn producing_fetching_and_listing_offsets_create_nothing() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = TopicName(text(&unique("never")));
    assert_eq!(client.produce(&name, 0, Records::of(["x"]).bytes()).error_code, 3);
    assert_eq!(client.fetch(&name, 0, 0).error_code, 3);
    assert_eq!(client.list_offset(&name, 0, -1).error_code, 3);
    assert_eq!(client.describe(&name).error_code, 3);
}

#[test]
fn a_topic_is_found_by_its_id_from_version_12() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("by-id", 1);
    for version in [12, 13] {
        let found = one(&mut client, &identified(topic.id), version);
        assert_eq!((found.error_code, found.topic_id), (0, topic.id));
        assert_eq!(found.name.as_ref(), Some(&topic.name));
        // The Java client sends an empty name along.
        let nameless =
            MetadataRequestTopic::default().with_topic_id(topic.id).with_name(Some(TopicName::default()));
        let request = MetadataRequest::default().with_topics(Some(vec![nameless]));
        assert_eq!(one(&mut client, &request, version).name.as_ref(), Some(&topic.name));
        let stranger = stranger();
        let missing = one(&mut client, &identified(stranger), version);
        assert_eq!((missing.error_code, missing.topic_id, missing.name), (100, stranger, None));
    }
}

#[test]
fn ids_in_versions_that_do_not_know_them_are_invalid() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("too-early", 1);
    for version in [10, 11] {
        let with_both =
            MetadataRequestTopic::default().with_topic_id(topic.id).with_name(Some(topic.name.clone()));
        let request = MetadataRequest::default().with_topics(Some(vec![with_both]));
        assert_eq!(one(&mut client, &request, version).error_code, 42, "version {version}");
    }
}

#[test]
fn a_topic_that_is_made_again_has_another_id_and_nothing_in_it() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("again", 1);
    client.append(&topic.name, 0, &Records::of(["old"]));
    let delete =
        DeleteTopicsRequest::default().with_topic_names(vec![topic.name.clone()]).with_timeout_ms(10_000);
    assert_eq!(client.call(&delete, 5).responses[0].error_code, 0);
    has_come("it is gone", || client.describe(&topic.name).error_code == 3);
    assert_eq!(one(&mut client, &identified(topic.id), 12).error_code, 100);
    let request = named(&topic.name).with_allow_auto_topic_creation(true);
    let again = eventually("it is there again", || {
        let topic = one(&mut client, &request, 12);
        (topic.error_code == 0).then_some(topic)
    });
    assert_ne!(again.topic_id, topic.id);
    let latest = eventually("it is led", || {
        let latest = client.list_offset(&topic.name, 0, -1);
        (latest.error_code == 0).then_some(latest)
    });
    assert_eq!(latest.offset, 0);
}

#[test]
fn authorized_operations_are_told_only_when_asked_for() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("operations", 1);
    for version in 8..=10 {
        let plain = client.call(&named(topic.name()), version);
        assert_eq!(plain.cluster_authorized_operations, i32::MIN);
        assert_eq!(plain.topics[0].topic_authorized_operations, i32::MIN);
        let asked = named(topic.name())
            .with_include_cluster_authorized_operations(true)
            .with_include_topic_authorized_operations(true);
        let told = client.call(&asked, version);
        assert_eq!(told.cluster_authorized_operations, CLUSTER_OPERATIONS);
        assert_eq!(told.topics[0].topic_authorized_operations, TOPIC_OPERATIONS);
    }
}

#[test]
fn several_topics_are_answered_for_each_on_its_own() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (here, gone) = (client.create("here", 1), unique("gone"));
    let mut answered: Vec<(String, i16)> = client
        .metadata(Some(&[here.name(), &gone, "no name"]))
        .topics
        .into_iter()
        .map(|topic| (topic.name.unwrap().to_string(), topic.error_code))
        .collect();
    answered.sort();
    let mut expected = vec![(here.name.to_string(), 0), (gone, 3), ("no name".to_owned(), 17)];
    expected.sort();
    assert_eq!(answered, expected);
}
