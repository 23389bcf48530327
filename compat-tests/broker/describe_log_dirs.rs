//! DescribeLogDirs: how much is where.

use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResponse;

use super::support::{Broker, Created, Records, text, unique};

fn of(topic: &str, partitions: &[i32]) -> DescribeLogDirsRequest {
    let topic = DescribableLogDirTopic::default()
        .with_topic(kafka_protocol::messages::TopicName(text(topic)))
        .with_partitions(partitions.to_vec());
    DescribeLogDirsRequest::default().with_topics(Some(vec![topic]))
}

/// Partition and size of what is told of `topic`.
fn sizes(response: &DescribeLogDirsResponse, topic: &Created) -> Vec<(i32, i64)> {
    let topics = response.results.iter().flat_map(|dir| &dir.topics).filter(|t| t.name == topic.name);
    let mut sizes: Vec<_> =
        topics.flat_map(|t| t.partitions.iter().map(|p| (p.partition_index, p.partition_size))).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn sizes_are_those_of_the_log() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("sizes", 2);
    let batch = Records::of_size(5000);
    client.append(&topic.name, 1, &batch);
    client.append(&topic.name, 1, &batch);
    let size = i64::try_from(2 * batch.bytes().len()).unwrap();
    for version in 1..=4 {
        let everything = DescribeLogDirsRequest::default().with_topics(None);
        for request in [everything, of(topic.name(), &[0, 1])] {
            let response = client.call(&request, version);
            assert_eq!((response.error_code, response.results.len()), (0, 1), "version {version}");
            assert_eq!(sizes(&response, &topic), [(0, 0), (1, size)], "version {version}");
            let dir = &response.results[0];
            assert!(dir.error_code == 0 && dir.log_dir.starts_with('/'), "{}", dir.log_dir);
            if version == 4 {
                assert!(dir.total_bytes > dir.usable_bytes && dir.usable_bytes > 0);
            }
            let partitions = dir.topics.iter().flat_map(|t| &t.partitions);
            assert!(partitions.into_iter().all(|p| p.offset_lag == 0 && !p.is_future_key));
        }
    }
}

#[test]
fn only_what_is_asked_for_and_there_is_listed() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("asked", 2);
    let response = client.call(&of(topic.name(), &[1, 7]), 4);
    assert_eq!(sizes(&response, &topic), [(1, 0)]);
    let response = client.call(&of(&unique("absent"), &[0]), 4);
    assert_eq!(response.error_code, 0);
    assert!(response.results.iter().all(|dir| dir.topics.is_empty()));
}

#[test]
fn every_directory_of_the_broker_is_listed() {
    let temp = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| temp.path().join(name));
    let dirs = format!("log.dirs={},{}", one.display(), two.display());
    let Some(broker) = Broker::start_in(&one, &[&dirs]) else { return };
    let mut client = broker.connect();
    let topic = client.create("spread", 4);
    let response = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4);
    let mut listed: Vec<String> = response.results.iter().map(|dir| dir.log_dir.to_string()).collect();
    listed.sort();
    assert_eq!(listed, [one, two].map(|dir| dir.display().to_string()));
    for dir in &response.results {
        let topics = dir.topics.iter().filter(|t| t.name == topic.name);
        assert_eq!(topics.map(|t| t.partitions.len()).sum::<usize>(), 2, "{}", dir.log_dir);
    }
}
