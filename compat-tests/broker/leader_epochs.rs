//! OffsetForLeaderEpoch: where an epoch ended, so that a reader can tell whether its log was cut.

use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::EpochEndOffset;
use kafka_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest, TopicName};

use super::support::{Broker, Client, Records, eventually, text, unique};

fn ask(client: &mut Client, topic: &TopicName, epoch: i32, current: i32, version: i16) -> EpochEndOffset {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(0)
        .with_leader_epoch(epoch)
        .with_current_leader_epoch(current);
    let topic = OffsetForLeaderTopic::default().with_topic(topic.clone()).with_partitions(vec![partition]);
    let request =
        OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    client.call(&request, version).topics.remove(0).partitions.remove(0)
}

#[test]
fn the_current_epoch_ends_at_the_end_of_the_log() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("current", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    for version in 2..=4 {
        let answer = ask(&mut client, &topic.name, 0, -1, version);
        assert_eq!((answer.error_code, answer.leader_epoch, answer.end_offset), (0, 0, 2));
        let unknown = ask(&mut client, &topic.name, 9, -1, version);
        assert_eq!((unknown.error_code, unknown.leader_epoch, unknown.end_offset), (0, -1, -1));
    }
}

#[test]
fn the_epoch_of_the_asker_is_checked_and_what_is_not_there_is_unknown() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("checked", 1);
    assert_eq!(ask(&mut client, &topic.name, 0, 0, 4).error_code, 0);
    assert_eq!(ask(&mut client, &topic.name, 0, 1, 4).error_code, 75);
    let absent = TopicName(text(&unique("absent")));
    let answer = ask(&mut client, &absent, 0, -1, 4);
    assert_eq!((answer.error_code, answer.end_offset, answer.leader_epoch), (3, -1, -1));
}

#[test]
fn every_start_begins_an_epoch_and_each_ends_where_the_next_begins() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let topic = broker.connect().create("epochs", 1);
    let mut epochs = Vec::new();
    for round in 0..3 {
        let mut client = broker.connect();
        let epoch = eventually("a leader", || {
            let partition = client.describe(&topic.name).partitions.remove(0);
            let later = epochs.last().is_none_or(|(last, _)| partition.leader_epoch > *last);
            (partition.leader_id.0 >= 0 && later).then_some(partition.leader_epoch)
        });
        let offset = eventually("the leader takes it", || {
            let produced = client.produce(&topic.name, 0, Records::of(["x"]).bytes());
            (produced.error_code == 0).then_some(produced.base_offset)
        });
        assert_eq!(offset, round);
        epochs.push((epoch, offset + 1));
        if round < 2 {
            broker.stop();
            broker.restart();
        }
    }
    let mut client = broker.connect();
    for (epoch, end) in epochs {
        let answer = ask(&mut client, &topic.name, epoch, -1, 4);
        assert_eq!((answer.error_code, answer.leader_epoch, answer.end_offset), (0, epoch, end));
    }
}
