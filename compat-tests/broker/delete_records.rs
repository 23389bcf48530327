//! DeleteRecords: a client moves the start of a log.

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::{DeleteRecordsRequest, TopicName};

use super::support::{Broker, Client, PATIENCE, Records, eventually, text, unique};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_TOPIC: i16 = 17;
const POLICY_VIOLATION: i16 = 44;

/// Error and low watermark.
fn delete(client: &mut Client, topic: &TopicName, index: i32, offset: i64, version: i16) -> (i16, i64) {
    let partition = DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
    let timeout_ms = i32::try_from(PATIENCE.as_millis()).unwrap();
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(timeout_ms);
    let answer = client.call(&request, version).topics.remove(0).partitions.remove(0);
    assert_eq!(answer.partition_index, index);
    (answer.error_code, answer.low_watermark)
}

#[test]
fn the_log_starts_where_the_client_says_and_nothing_below_can_be_read() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("cut", 1);
    for _ in 0..3 {
        client.append(&topic.name, 0, &Records::of(["a", "b", "c", "d"]));
    }
    assert_eq!(delete(&mut client, &topic.name, 0, 0, 0), (0, 0));
    for (version, offset) in [(0, 2), (1, 5), (2, 6)] {
        assert_eq!(delete(&mut client, &topic.name, 0, offset, version), (0, offset));
        assert_eq!(client.list_offset(&topic.name, 0, -2).offset, offset);
        let below = client.fetch(&topic.name, 0, offset - 1);
        assert_eq!(below.error_code, OFFSET_OUT_OF_RANGE);
        let at = client.fetch(&topic.name, 0, offset);
        assert_eq!((at.error_code, at.log_start_offset, at.high_watermark), (0, offset, 12));
    }
    assert_eq!(delete(&mut client, &topic.name, 0, 3, 2), (0, 6), "it never goes back");
    assert_eq!(delete(&mut client, &topic.name, 0, -1, 2), (0, 12), "up to the high watermark");
    assert_eq!(client.append(&topic.name, 0, &Records::of(["e"])), 12);
    assert_eq!(client.fetch(&topic.name, 0, 12).error_code, 0);
}

#[test]
fn offsets_above_the_high_watermark_and_strange_ones_are_out_of_range() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("range", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    for offset in [3, i64::MAX, -2, i64::MIN] {
        assert_eq!(delete(&mut client, &topic.name, 0, offset, 2), (OFFSET_OUT_OF_RANGE, -1));
    }
    assert_eq!(client.list_offset(&topic.name, 0, -2).offset, 0);
    assert_eq!(delete(&mut client, &topic.name, 1, 0, 2), (UNKNOWN_TOPIC_OR_PARTITION, -1));
    let absent = TopicName(text(&unique("absent")));
    assert_eq!(delete(&mut client, &absent, 0, 0, 2), (UNKNOWN_TOPIC_OR_PARTITION, -1));
}

#[test]
fn a_topic_that_is_only_compacted_keeps_its_records() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for (policy, expected) in
        [("compact", (POLICY_VIOLATION, -1)), ("compact,delete", (0, 1)), ("delete", (0, 1))]
    {
        let topic = client.create_with("policy", 1, &[("cleanup.policy", policy)]);
        client.append(&topic.name, 0, &Records::of(["a", "b"]).key(0, "k").key(1, "l"));
        assert_eq!(delete(&mut client, &topic.name, 0, 1, 2), expected, "{policy}");
    }
}

#[test]
fn internal_topics_are_none_of_the_clients_business() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    client.await_coordinator(&super::support::groups::group(&unique("group")));
    let offsets = TopicName(text("__consumer_offsets"));
    assert_eq!(delete(&mut client, &offsets, 0, 0, 2), (INVALID_TOPIC, -1));
}

#[test]
fn deleted_records_stay_deleted_when_the_broker_is_killed() {
    // Apache Kafka may forget it: it writes the checkpoint once a minute.
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("killed", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b", "c"]));
    assert_eq!(delete(&mut client, &topic.name, 0, 2, 2), (0, 2));
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    let start = eventually("the partition is led", || {
        let found = client.list_offset(&topic.name, 0, -2);
        (found.error_code == 0).then_some(found.offset)
    });
    assert_eq!(start, 2);
    assert_eq!(client.append(&topic.name, 0, &Records::of(["d"])), 3);
}

#[test]
fn old_segments_leave_the_directory_and_the_log_starts_after_them() {
    let overrides = [
        "log.retention.check.interval.ms=100",
        "log.initial.task.delay.ms=0",
        "log.segment.delete.delay.ms=0",
    ];
    let Some(broker) = Broker::start(&overrides) else { return };
    let mut client = broker.connect();
    let configs = [("segment.bytes", "1048576"), ("retention.bytes", "1500000"), ("retention.ms", "-1")];
    let topic = client.create_with("size", 1, &configs);
    for _ in 0..50 {
        client.append(&topic.name, 0, &Records::of_size(100_000));
    }
    let start = eventually("the first segments are deleted", || {
        let start = client.list_offset(&topic.name, 0, -2).offset;
        (start >= 30).then_some(start)
    });
    assert!(start % 10 == 0, "a segment has ten records, the log starts at {start}");
    assert_eq!(client.fetch(&topic.name, 0, start - 1).error_code, OFFSET_OUT_OF_RANGE);
    let old = client.create_with("time", 1, &[("retention.ms", "1000")]);
    client.append(&old.name, 0, &Records::of(["old"]).at([super::support::now_ms() - 10_000]));
    eventually("the active segment is rolled and deleted", || {
        (client.list_offset(&old.name, 0, -2).offset == 1).then_some(())
    });
    assert_eq!(client.append(&old.name, 0, &Records::of(["new"])), 1);
}
