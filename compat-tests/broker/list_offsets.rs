//! ListOffsets: by special value and by time.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};

use super::support::{Broker, Client, Records, text, unique};

fn request(topic: &TopicName, partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partition = |(index, timestamp): &(i32, i64)| {
        ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(*timestamp)
    };
    let partitions = partitions.iter().map(partition).collect();
    let topic = ListOffsetsTopic::default().with_name(topic.clone()).with_partitions(partitions);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

fn list(
    client: &mut Client,
    topic: &TopicName,
    timestamp: i64,
    version: i16,
) -> ListOffsetsPartitionResponse {
    client.call(&request(topic, &[(0, timestamp)]), version).topics.remove(0).partitions.remove(0)
}

/// Error, offset and timestamp.
fn found(answer: &ListOffsetsPartitionResponse) -> (i16, i64, i64) {
    (answer.error_code, answer.offset, answer.timestamp)
}

#[test]
fn special_values_are_answered_from_their_version_on() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("special", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b", "c"]).at([10, 30, 20]));
    for version in 1..=10 {
        // Latest, earliest, the one with the largest timestamp, earliest local, latest tiered.
        let cases = [(-1, 1, 3, -1), (-2, 1, 0, -1), (-3, 7, 1, 30), (-4, 8, 0, -1), (-5, 9, -1, -1)];
        for (value, since, offset, timestamp) in cases {
            let answer = list(&mut client, &topic.name, value, version);
            if version < since {
                assert_eq!(found(&answer), (35, -1, -1), "{value} in version {version}");
            } else {
                assert_eq!(found(&answer), (0, offset, timestamp), "{value} in version {version}");
            }
        }
        for unknown in [-6, -7, -100, i64::MIN] {
            let answer = list(&mut client, &topic.name, unknown, version);
            assert_eq!(found(&answer), (35, -1, -1), "{unknown} in version {version}");
        }
    }
}

#[test]
fn a_time_finds_the_first_record_at_or_after_it() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("times", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b", "c"]).at([100, 300, 200]));
    client.append(&topic.name, 0, &Records::of(["d", "e"]).at([250, 400]));
    let cases = [
        (0, (0, 0, 100)),
        (1, (0, 0, 100)),
        (100, (0, 0, 100)),
        (101, (0, 1, 300)),
        (200, (0, 1, 300)),
        (300, (0, 1, 300)),
        (301, (0, 4, 400)),
        (400, (0, 4, 400)),
        (401, (0, -1, -1)),
        (i64::MAX, (0, -1, -1)),
    ];
    for (timestamp, expected) in cases {
        for version in [1, 5, 10] {
            let answer = list(&mut client, &topic.name, timestamp, version);
            assert_eq!(found(&answer), expected, "time {timestamp} version {version}");
            if version >= 4 {
                let epoch = if expected.1 == -1 { -1 } else { 0 };
                assert_eq!(answer.leader_epoch, epoch, "time {timestamp} version {version}");
            }
        }
    }
}

#[test]
fn times_are_found_across_segments_and_in_compressed_batches() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("far", 1, &[("segment.bytes", "1048576")]);
    for number in 0..30_i64 {
        let records = Records::of((0..100).map(|n| format!("{n}{}", "x".repeat(1000))))
            .at((0..100).map(|n| number * 1000 + n * 10));
        let records =
            if number % 2 == 0 { records } else { records.codec(barnabas::wire::compress::Codec::Lz4) };
        client.append(&topic.name, 0, &records);
    }
    for (timestamp, offset) in
        [(0, 0), (1, 1), (10, 1), (990, 99), (991, 100), (15_005, 1501), (29_990, 2999)]
    {
        let own = offset / 100 * 1000 + offset % 100 * 10;
        assert_eq!(
            found(&list(&mut client, &topic.name, timestamp, 10)),
            (0, offset, own),
            "time {timestamp}"
        );
    }
    assert_eq!(found(&list(&mut client, &topic.name, 29_991, 10)), (0, -1, -1));
    assert_eq!(found(&list(&mut client, &topic.name, -3, 10)), (0, 2999, 29_990));
}

#[test]
fn an_empty_partition_has_no_record_of_any_time() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("empty", 1);
    assert_eq!(found(&list(&mut client, &topic.name, -1, 10)), (0, 0, -1));
    assert_eq!(found(&list(&mut client, &topic.name, -2, 10)), (0, 0, -1));
    assert_eq!(found(&list(&mut client, &topic.name, -3, 10)), (0, -1, -1));
    assert_eq!(found(&list(&mut client, &topic.name, 0, 10)), (0, -1, -1));
}

#[test]
fn a_partition_twice_in_a_request_is_invalid_and_others_are_answered() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("twice", 2);
    let answers =
        client.call(&request(&topic.name, &[(0, -1), (1, -1), (0, -2)]), 10).topics.remove(0).partitions;
    let of = |index: i32| answers.iter().filter(move |p| p.partition_index == index);
    assert!(of(0).count() >= 1);
    assert!(of(0).all(|p| p.error_code == 42), "{answers:?}");
    assert!(of(1).all(|p| found(p) == (0, 0, -1)), "{answers:?}");
}

#[test]
fn what_is_not_there_is_unknown() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("known", 1);
    let absent = TopicName(text(&unique("absent")));
    assert_eq!(found(&list(&mut client, &absent, -1, 10)), (3, -1, -1));
    let answer = client.call(&request(&topic.name, &[(4, -1)]), 10).topics.remove(0).partitions.remove(0);
    assert_eq!(found(&answer), (3, -1, -1));
}

#[test]
fn epochs_are_checked() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("epochs", 1);
    for (epoch, code) in [(-1, 0), (0, 0), (1, 75)] {
        let mut asked = request(&topic.name, &[(0, -1)]);
        asked.topics[0].partitions[0].current_leader_epoch = epoch;
        let answer = client.call(&asked, 10).topics.remove(0).partitions.remove(0);
        assert_eq!(answer.error_code, code, "epoch {epoch}");
    }
}

#[test]
fn committed_offsets_are_the_same_without_transactions() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("committed", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    for version in 2..=10 {
        let asked = request(&topic.name, &[(0, -1)]).with_isolation_level(1);
        let answer = client.call(&asked, version).topics.remove(0).partitions.remove(0);
        assert_eq!(found(&answer), (0, 2, -1), "version {version}");
    }
}
