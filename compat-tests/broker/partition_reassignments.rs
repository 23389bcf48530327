//! AlterPartitionReassignments and ListPartitionReassignments on one node: nothing has anywhere to go.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest, TopicName,
};

use super::support::{Broker, Client, text, unique};

/// The answer for one partition: code and message.
fn alter(
    client: &mut Client,
    (name, index): (&str, i32),
    replicas: Option<&[i32]>,
    version: i16,
    may_change_factor: bool,
) -> (i16, Option<String>) {
    let replicas = replicas.map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
    let partition = ReassignablePartition::default().with_partition_index(index).with_replicas(replicas);
    let topic =
        ReassignableTopic::default().with_name(TopicName(text(name))).with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default()
        .with_allow_replication_factor_change(may_change_factor)
        .with_timeout_ms(30_000)
        .with_topics(vec![topic]);
    let answer = client.call(&request, version);
    assert_eq!((answer.error_code, answer.error_message), (0, None));
    assert_eq!(answer.allow_replication_factor_change, may_change_factor);
    assert_eq!(answer.responses[0].name.as_str(), name);
    let partition = &answer.responses[0].partitions[0];
    assert_eq!(partition.partition_index, index);
    (partition.error_code, partition.error_message.as_ref().map(ToString::to_string))
}

#[test]
fn a_partition_that_is_there_already_is_moved_at_once() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id.0;
    let topic = client.create("stays", 2);
    for version in 0..=1 {
        assert_eq!(alter(&mut client, (topic.name(), 1), Some(&[node]), version, true), (0, None));
    }
    assert_eq!(alter(&mut client, (topic.name(), 1), Some(&[node]), 1, false), (0, None));
    let listed = client.call(&ListPartitionReassignmentsRequest::default().with_topics(None), 0);
    assert_eq!((listed.error_code, listed.error_message, listed.topics.len()), (0, None, 0));
    assert_eq!(client.describe(&topic.name).partitions[1].replica_nodes, [BrokerId(node)]);
}

#[test]
fn a_partition_that_does_not_move_cannot_be_stopped() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("stands", 1);
    assert_eq!(alter(&mut client, (topic.name(), 0), None, 1, true), (85, None));
}

#[test]
fn targets_that_make_no_sense_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id.0;
    let (topic, absent) = (client.create("targets", 1), unique("absent"));
    let partition = (topic.name(), 0);
    let start = "The manual partition assignment includes";
    let cases = [
        (partition, &[][..], 39, format!("{start} an empty replica list.")),
        (partition, &[node, node], 39, format!("{start} the broker {node} more than once.")),
        (partition, &[4711], 39, format!("{start} broker 4711, but no such broker is registered.")),
        ((topic.name(), 3), &[node], 3, format!("Unable to find partition {}:3.", topic.name())),
        ((&absent, 0), &[node], 3, format!("Unable to find a topic named {absent}.")),
    ];
    for (partition, replicas, code, message) in cases {
        assert_eq!(alter(&mut client, partition, Some(replicas), 1, true), (code, Some(message)));
    }
}
