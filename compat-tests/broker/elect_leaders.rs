//! ElectLeaders on one node, where every partition is led by its preferred replica already.

use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};

use super::support::{Broker, text, unique};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

fn request(election_type: i8, partitions: &[(&str, &[i32])]) -> ElectLeadersRequest {
    let topic = |(name, partitions): &(&str, &[i32])| {
        TopicPartitions::default().with_topic(TopicName(text(name))).with_partitions(partitions.to_vec())
    };
    ElectLeadersRequest::default()
        .with_election_type(election_type)
        .with_topic_partitions(Some(partitions.iter().map(topic).collect()))
        .with_timeout_ms(30_000)
}

/// Topic, partition, code and message, in order.
fn results(response: &ElectLeadersResponse) -> Vec<(&str, i32, i16, Option<&str>)> {
    let topics = response.replica_election_results.iter();
    topics
        .flat_map(|t| t.partition_result.iter().map(|p| (t.topic.as_str(), p)))
        .map(|(name, p)| (name, p.partition_id, p.error_code, p.error_message.as_deref()))
        .collect()
}

#[test]
fn who_leads_already_needs_no_election() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("led", 2);
    let message = Some("Leader election not needed for topic partition.");
    for version in 0..=2 {
        for election_type in [PREFERRED, UNCLEAN] {
            if version == 0 && election_type == UNCLEAN {
                continue;
            }
            let answer = client.call(&request(election_type, &[(topic.name(), &[1, 0, 1])]), version);
            assert_eq!(answer.error_code, 0);
            let told = [1, 0, 1].map(|partition| (topic.name(), partition, 84, message));
            assert_eq!(results(&answer), told);
        }
    }
}

#[test]
fn what_does_not_exist_is_told_apart_from_what_does() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, absent) = (client.create("there", 1), unique("absent"));
    let answer = client.call(&request(PREFERRED, &[(topic.name(), &[0, 7]), (&absent, &[0])]), 2);
    let no_topic = format!("No such topic as {absent}");
    let no_partition = format!("No such partition as {}-7", topic.name());
    let mut answered = results(&answer);
    answered.sort_unstable();
    let mut expected = vec![
        (topic.name(), 0, 84, Some("Leader election not needed for topic partition.")),
        (topic.name(), 7, 3, Some(no_partition.as_str())),
        (absent.as_str(), 0, 3, Some(no_topic.as_str())),
    ];
    expected.sort_unstable();
    assert_eq!(answered, expected);
}

#[test]
fn who_asks_for_all_partitions_hears_of_those_that_needed_an_election() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("one-of-all", 1);
    let answer = client.call(&request(PREFERRED, &[]).with_topic_partitions(None), 2);
    assert_eq!(answer.error_code, 0);
    let of_topic = answer.replica_election_results.iter().find(|t| t.topic == topic.name).unwrap();
    assert!(of_topic.partition_result.is_empty());
}

#[test]
fn an_election_of_an_unknown_kind_is_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("unknown-election", 1);
    let answer = client.call(&request(2, &[(topic.name(), &[0])]), 2);
    assert_eq!(answer.error_code, 42);
    assert_eq!(results(&answer), [(topic.name(), 0, 42, Some("Unknown election type 2"))]);
}
