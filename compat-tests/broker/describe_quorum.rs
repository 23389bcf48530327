//! DescribeQuorum: the one voter, and how far its log goes.

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{DescribeQuorumRequest, TopicName};

use super::support::{Broker, now_ms, text};

fn request(name: &str, partitions: &[i32]) -> DescribeQuorumRequest {
    let partition = |index: &i32| PartitionData::default().with_partition_index(*index);
    let topic = TopicData::default()
        .with_topic_name(TopicName(text(name)))
        .with_partitions(partitions.iter().map(partition).collect());
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

#[test]
fn the_node_votes_leads_and_has_committed_its_whole_log() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id;
    for version in 0..=2 {
        let before = now_ms();
        let answer = client.call(&request("__cluster_metadata", &[0]), version);
        assert_eq!((answer.error_code, answer.topics.len()), (0, 1));
        assert_eq!(answer.topics[0].topic_name.as_str(), "__cluster_metadata");
        let [partition] = answer.topics[0].partitions.as_slice() else { panic!("{answer:?}") };
        assert_eq!((partition.error_code, partition.partition_index), (0, 0));
        assert_eq!(partition.leader_id, node);
        assert!(partition.leader_epoch >= 0 && partition.high_watermark >= 1, "{partition:?}");
        let [voter] = partition.current_voters.as_slice() else { panic!("{partition:?}") };
        assert_eq!(voter.replica_id, node);
        assert!(voter.log_end_offset >= partition.high_watermark, "{partition:?}");
        assert!(partition.observers.is_empty());
        if version >= 1 {
            assert!((before - 1000..=now_ms() + 1000).contains(&voter.last_fetch_timestamp));
            assert_eq!(voter.last_caught_up_timestamp, voter.last_fetch_timestamp);
        }
        if version >= 2 {
            assert!(
                voter.replica_directory_id.is_nil(),
                "without kraft.version 1 voters have no directories"
            );
            assert_eq!(
                (answer.error_message.as_deref(), partition.error_message.as_deref()),
                (Some(""), Some(""))
            );
            assert_eq!(answer.nodes.iter().map(|node| node.node_id).collect::<Vec<_>>(), [node]);
        }
    }
}

#[test]
fn the_end_of_the_log_moves_with_the_cluster() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let end = || {
        let answer = broker.connect().call(&request("__cluster_metadata", &[0]), 2);
        answer.topics[0].partitions[0].high_watermark
    };
    let before = end();
    client.create("moves-the-end", 1);
    assert!(end() >= before + 2);
}

#[test]
fn no_other_log_has_voters() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let unknown = "This server does not host this topic-partition.";
    for (name, partitions) in
        [("orders", &[0][..]), ("__cluster_metadata", &[1]), ("__cluster_metadata", &[0, 1])]
    {
        let answer = client.call(&request(name, partitions), 2);
        assert_eq!((answer.error_code, answer.topics[0].topic_name.as_str()), (0, name));
        let answered: Vec<_> = answer.topics[0]
            .partitions
            .iter()
            .map(|p| (p.partition_index, p.error_code, p.error_message.as_deref()))
            .collect();
        let expected: Vec<_> = partitions.iter().map(|index| (*index, 3, Some(unknown))).collect();
        assert_eq!(answered, expected);
        assert!(answer.nodes.is_empty());
    }
}
