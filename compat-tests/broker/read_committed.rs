//! What readers of committed data get: the last stable offset, aborted transactions, and when a waiting fetch ends.

use std::io::Write;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest, TopicName};

use super::support::{Broker, Client, Records, eventually, fetch_request, frame, tests_kafka, unique};

/// ListOffsets as a read_committed consumer sends it.
fn committed_offset(client: &mut Client, topic: &TopicName, timestamp: i64) -> ListOffsetsPartitionResponse {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(1)
        .with_topics(vec![topic]);
    client.call(&request, 10).topics.remove(0).partitions.remove(0)
}

#[test]
fn list_offsets_end_where_committed_data_does() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("list", 1);
    let txn = client.init(&unique("t"));
    client.append(&topic.name, 0, &Records::of(["plain"]).at([1000]));
    client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["open"]).at([2000]));
    client.append(&topic.name, 0, &Records::of(["after"]).at([3000]));
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 3);
    assert_eq!(committed_offset(&mut client, &topic.name, -1).offset, 1);
    assert_eq!(committed_offset(&mut client, &topic.name, -2).offset, 0);
    let found = committed_offset(&mut client, &topic.name, 500);
    assert_eq!((found.offset, found.timestamp), (0, 1000));
    let hidden = committed_offset(&mut client, &topic.name, 1500);
    assert_eq!((hidden.error_code, hidden.offset, hidden.timestamp), (0, -1, -1), "not stable yet");
    assert_eq!(client.list_offset(&topic.name, 0, 1500).offset, 1);

    client.finish(&txn, false);
    client.await_stable(&topic.name, 0);
    assert_eq!(committed_offset(&mut client, &topic.name, -1).offset, 4);
    assert_eq!(committed_offset(&mut client, &topic.name, 1500).offset, 1, "aborted or not, it is there");
}

#[test]
fn aborted_transactions_come_by_first_offset_and_only_those_that_overlap() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("aborted", 1);
    let [a, b, c] = ["a", "b", "c"].map(|id| client.init(&unique(id)));
    client.append_in(&a, &topic.name, 0, &a.batch(0, &["a"]));
    client.append_in(&b, &topic.name, 0, &b.batch(0, &["b"]));
    client.append_in(&c, &topic.name, 0, &c.batch(0, &["c"]));
    // Markers at 3 (b), 4 (c, committed) and 5 (a); then a plain record.
    for (at, (txn, committed)) in [(3, (&b, false)), (4, (&c, true)), (5, (&a, false))] {
        client.finish(txn, committed);
        eventually("the marker is there", || {
            (client.list_offset(&topic.name, 0, -1).offset > at).then_some(())
        });
    }
    client.append(&topic.name, 0, &Records::of(["plain"]));
    let seen = client.await_stable(&topic.name, 0);
    let mut aborted = seen.aborted;
    if tests_kafka() {
        // By their markers: consumers sort them, and may be spared that.
        aborted.reverse();
    }
    assert_eq!(aborted, [(a.producer.0, 0), (b.producer.0, 1)]);
    assert_eq!(seen.values, [(2, "c".to_owned()), (6, "plain".to_owned())]);
    let firsts = |client: &mut Client, from| {
        let found = client.fetch_committed(&topic.name, 0, from);
        let firsts: Vec<i64> = found.aborted_transactions.unwrap().iter().map(|t| t.first_offset).collect();
        firsts
    };
    assert_eq!(firsts(&mut client, 4), [0], "b ended before");
    assert_eq!(firsts(&mut client, 5), [0], "the marker itself still overlaps");
    assert_eq!(firsts(&mut client, 6), [] as [i64; 0]);
    assert!(client.fetch(&topic.name, 0, 0).aborted_transactions.is_none_or(|list| list.is_empty()));
}

#[test]
fn a_waiting_fetch_gets_what_a_commit_makes_readable() {
    let broker = Broker::shared();
    let (mut client, mut reader) = (broker.connect(), broker.connect());
    let topic = client.create("waits", 1);
    let txn = client.init(&unique("t"));
    client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["open"]));
    // Longer than the reader waits for its answer.
    let request = fetch_request(&topic.name, 0, 0).with_isolation_level(1).with_max_wait_ms(i32::MAX);
    reader.stream.write_all(&frame(&request, 12, 1)).unwrap();
    client.append(&topic.name, 0, &Records::of(["more that is held back"]));
    client.finish(&txn, true);
    let answer = reader.receive::<FetchRequest>(1, 12);
    let found = &answer.responses[0].partitions[0];
    assert!(found.last_stable_offset > 1 && found.records.as_ref().is_some_and(|r| !r.is_empty()));
}
