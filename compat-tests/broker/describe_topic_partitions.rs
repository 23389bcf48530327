//! DescribeTopicPartitions: topics page by page.

use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ListPartitionReassignmentsRequest,
    TopicName,
};

use super::support::{Broker, Client, text, unique};

fn request(names: &[&str], limit: i32) -> DescribeTopicPartitionsRequest {
    let topic = |name: &&str| TopicRequest::default().with_name(TopicName(text(name)));
    DescribeTopicPartitionsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_response_partition_limit(limit)
}

fn cursor(name: &str, partition: i32) -> Option<Cursor> {
    Some(Cursor::default().with_topic_name(TopicName(text(name))).with_partition_index(partition))
}

fn ask(client: &mut Client, request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    client.call(request, 0)
}

/// A topic's name and a partition of it.
type Row = (String, i32);

/// Every partition in an answer, and its cursor.
fn page(response: &DescribeTopicPartitionsResponse) -> (Vec<Row>, Option<Row>) {
    let mut rows = Vec::new();
    for topic in &response.topics {
        assert_eq!(topic.error_code, 0);
        let name = topic.name.as_ref().unwrap().to_string();
        rows.extend(topic.partitions.iter().map(|p| (name.clone(), p.partition_index)));
    }
    let next = response.next_cursor.as_ref().map(|c| (c.topic_name.to_string(), c.partition_index));
    (rows, next)
}

#[test]
fn topics_come_sorted_with_everything_about_their_partitions() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let [b, a] = ["b", "a"].map(|name| client.create(name, 2));
    let response = ask(&mut client, &request(&[b.name(), a.name()], 2000));
    let names: Vec<_> = response.topics.iter().map(|t| t.name.clone().unwrap()).collect();
    assert_eq!(names, [a.name.clone(), b.name.clone()]);
    assert!(response.next_cursor.is_none());
    let node = client.metadata(Some(&[])).brokers[0].node_id;
    for (topic, made) in response.topics.iter().zip([a, b]) {
        assert_eq!((topic.topic_id, topic.is_internal), (made.id, false));
        assert_eq!(topic.partitions.len(), 2);
        for partition in &topic.partitions {
            assert_eq!((partition.error_code, partition.leader_id, partition.leader_epoch), (0, node, 0));
            assert_eq!((&partition.replica_nodes, &partition.isr_nodes), (&vec![node], &vec![node]));
            assert!(partition.offline_replicas.is_empty());
        }
    }
}

#[test]
fn pages_follow_the_cursor_to_the_end() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let stem = unique("pages");
    let [a, b] = ["a", "b"].map(|name| client.create(&format!("{stem}-{name}"), 3));
    let mut asked = request(&[a.name(), b.name()], 2);
    let mut seen = Vec::new();
    for pages in 1.. {
        let (rows, next) = page(&ask(&mut client, &asked));
        assert!(!rows.is_empty() && rows.len() <= 2, "{rows:?}");
        seen.extend(rows);
        let Some((name, partition)) = next else { break };
        asked.cursor = cursor(&name, partition);
        assert!(pages < 10, "no end");
    }
    let all = [&a, &b].into_iter().flat_map(|topic| (0..3).map(|index| (topic.name.to_string(), index)));
    assert_eq!(seen, all.collect::<Vec<_>>());
}

#[test]
fn without_a_list_all_topics_are_described() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("zz-listed", 1);
    let mut asked = request(&[], 2000);
    asked.cursor = cursor(topic.name(), 0);
    let (rows, _) = page(&ask(&mut client, &asked));
    assert_eq!(rows[0], (topic.name.to_string(), 0));
}

#[test]
fn topics_that_are_not_there_have_an_error_of_their_own() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (here, absent) = (client.create("here", 1), unique("absent"));
    let response = ask(&mut client, &request(&[&absent, here.name(), "no name"], 2000));
    let mut codes: Vec<(String, i16)> =
        response.topics.iter().map(|t| (t.name.as_ref().unwrap().to_string(), t.error_code)).collect();
    codes.sort();
    let mut expected = vec![(absent, 3), (here.name.to_string(), 0), ("no name".to_owned(), 17)];
    expected.sort();
    assert_eq!(codes, expected);
}

#[test]
fn a_cursor_must_be_in_the_list_and_not_negative() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("cursor", 1);
    for bad in [cursor("zzz", 0), cursor(topic.name(), -1)] {
        let mut asked = request(&[topic.name()], 10);
        asked.cursor = bad;
        let response = ask(&mut client, &asked);
        assert_eq!(response.topics.len(), 1);
        assert_eq!(response.topics[0].error_code, 42);
    }
}

#[test]
fn the_limit_is_at_least_one() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("limit", 2);
    for limit in [0, -1, 1] {
        let (rows, next) = page(&ask(&mut client, &request(&[topic.name()], limit)));
        assert_eq!(rows, [(topic.name.to_string(), 0)]);
        assert_eq!(next, Some((topic.name.to_string(), 1)));
    }
}

/// Listing others makes kafka-topics show moves that are none.
#[test]
fn no_partition_is_in_motion() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("still", 2);
    let named = ListPartitionReassignmentsTopics::default()
        .with_name(topic.name.clone())
        .with_partition_indexes(vec![0, 1]);
    for topics in [None, Some(vec![named])] {
        let request =
            ListPartitionReassignmentsRequest::default().with_topics(topics).with_timeout_ms(30_000);
        let response = client.call(&request, 0);
        assert_eq!((response.error_code, response.topics.len()), (0, 0));
    }
}
