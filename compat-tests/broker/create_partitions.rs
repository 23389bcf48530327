//! CreatePartitions: more partitions for a topic, never fewer.

use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest, TopicName};

use super::support::{Broker, Client, Records, eventually, has_come, text, unique};

fn to(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default().with_name(TopicName(text(name))).with_count(count).with_assignments(None)
}

fn request(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

fn only(client: &mut Client, topic: CreatePartitionsTopic) -> CreatePartitionsTopicResult {
    let mut results = client.call(&request(vec![topic]), 3).results;
    assert_eq!(results.len(), 1);
    results.remove(0)
}

#[test]
fn every_version_adds_partitions_that_can_be_used() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("growing", 1);
    client.append(&topic.name, 0, &Records::of(["stays"]));
    for version in 0..=3 {
        let count = i32::from(version) + 2;
        let result = client.call(&request(vec![to(topic.name(), count)]), version).results.remove(0);
        assert_eq!((result.error_code, result.name.as_str()), (0, topic.name()), "version {version}");
        has_come("the partition is told", || {
            client.describe(&topic.name).partitions.len() == usize::try_from(count).unwrap()
        });
        eventually("it can be written to", || {
            let produced = client.produce(&topic.name, count - 1, Records::of(["new"]).bytes());
            (produced.error_code == 0).then_some(())
        });
    }
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 1);
}

#[test]
fn partitions_are_never_taken_away() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("three", 3);
    let result = only(&mut client, to(topic.name(), 3));
    assert_eq!(
        (result.error_code, result.error_message.as_deref()),
        (37, Some("Topic already has 3 partition(s)."))
    );
    for count in [2, 0, -1] {
        let result = only(&mut client, to(topic.name(), count));
        let message = format!(
            "The topic {} currently has 3 partition(s); {count} would not be an increase.",
            topic.name()
        );
        assert_eq!((result.error_code, result.error_message.as_deref()), (37, Some(message.as_str())));
    }
    assert_eq!(client.describe(&topic.name).partitions.len(), 3);
}

#[test]
fn the_answer_names_every_topic_asked_for() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, absent) = (client.create("named", 1), unique("absent"));
    let twice = unique("twice");
    let asked = vec![to(&absent, 2), to(topic.name(), 2), to(&twice, 2), to(&twice, 3)];
    let results = client.call(&request(asked), 3).results;
    let mut answered: Vec<(&str, i16, Option<&str>)> =
        results.iter().map(|r| (r.name.as_str(), r.error_code, r.error_message.as_deref())).collect();
    answered.sort_unstable();
    let duplicate = Some("Duplicate topic name.");
    let mut expected =
        vec![(absent.as_str(), 3, None), (topic.name(), 0, None), (twice.as_str(), 42, duplicate)];
    expected.sort_unstable();
    assert_eq!(answered, expected);
}

#[test]
fn validating_adds_nothing() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("validated", 1);
    let asked = request(vec![to(topic.name(), 9)]).with_validate_only(true);
    assert_eq!(client.call(&asked, 3).results[0].error_code, 0);
    assert_eq!(client.describe(&topic.name).partitions.len(), 1);
}

#[test]
fn assignments_are_for_the_new_partitions_only() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("assigned", 1);
    let node = client.metadata(Some(&[])).brokers[0].node_id.0;
    let assigned = |count: i32, brokers: &[i32]| {
        let assignment =
            |id: &i32| CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(*id)]);
        to(topic.name(), count).with_assignments(Some(brokers.iter().map(assignment).collect()))
    };
    let result = only(&mut client, assigned(3, &[node]));
    let message = "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.";
    assert_eq!((result.error_code, result.error_message.as_deref()), (39, Some(message)));
    let result = only(&mut client, assigned(2, &[4711]));
    let message = "The manual partition assignment includes broker 4711, but no such broker is registered.";
    assert_eq!((result.error_code, result.error_message.as_deref()), (39, Some(message)));
    let uneven = assigned(2, &[]).with_assignments(Some(vec![CreatePartitionsAssignment::default()]));
    let message = "The manual partition assignment includes an empty replica list.";
    let result = only(&mut client, uneven);
    assert_eq!((result.error_code, result.error_message.as_deref()), (39, Some(message)));
    let result = only(&mut client, assigned(3, &[node, node]));
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    has_come("three partitions", || client.describe(&topic.name).partitions.len() == 3);
}
