//! Fetch without sessions: what comes, how much of it, and when.

use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, TopicName};

use super::support::{
    Broker, Client, Records, fetch_partition, fetch_request, header_of, headers_in, stranger, text, unique,
    values_in,
};

/// Longer than a test waits for an answer.
const HOUR_MS: i32 = 3_600_000;

fn of(topic: &TopicName, partitions: impl IntoIterator<Item = (i32, i64)>) -> FetchTopic {
    let partitions = partitions.into_iter().map(|(index, offset)| fetch_partition(index, offset));
    FetchTopic::default().with_topic(topic.clone()).with_partitions(partitions.collect())
}

fn only(client: &mut Client, request: &FetchRequest, version: i16) -> PartitionData {
    let mut response = client.call(request, version);
    assert_eq!((response.error_code, response.responses.len()), (0, 1));
    response.responses.remove(0).partitions.remove(0)
}

#[test]
fn every_version_reads() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("versions", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    for version in 4..=18 {
        let mut request = fetch_request(&topic.name, 0, 0);
        if version < 7 {
            request.session_epoch = -1;
        }
        if version > 12 {
            request.topics[0].topic = TopicName::default();
            request.topics[0].topic_id = topic.id;
        }
        let mut response = client.call(&request, version);
        assert_eq!((response.error_code, response.session_id), (0, 0), "version {version}");
        let answered = response.responses.remove(0);
        if version > 12 {
            assert_eq!(answered.topic_id, topic.id);
        } else {
            assert_eq!(answered.topic, topic.name);
        }
        let partition = &answered.partitions[0];
        assert_eq!((partition.error_code, partition.partition_index), (0, 0), "version {version}");
        assert_eq!((partition.high_watermark, partition.last_stable_offset), (2, 2), "version {version}");
        assert_eq!(partition.log_start_offset, if version < 5 { -1 } else { 0 }, "version {version}");
        assert_eq!(partition.preferred_read_replica.0, -1, "version {version}");
        assert!(partition.aborted_transactions.as_ref().is_none_or(Vec::is_empty), "version {version}");
        let values = values_in(partition.records.as_ref().unwrap());
        assert_eq!(values, [(0, "a".to_owned()), (1, "b".to_owned())], "version {version}");
    }
}

#[test]
fn an_offset_inside_a_batch_gets_the_whole_batch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("inside", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b", "c"]));
    client.append(&topic.name, 0, &Records::of(["d", "e", "f"]));
    for (offset, base) in [(0, 0), (1, 0), (2, 0), (3, 3), (5, 3)] {
        let records = client.fetch(&topic.name, 0, offset).records.unwrap();
        assert_eq!(header_of(&records).base_offset, base, "offset {offset}");
        assert_eq!(headers_in(&records).last().unwrap().last_offset(), 5, "offset {offset}");
    }
}

#[test]
fn the_end_of_the_log_is_empty_and_what_lies_beyond_is_out_of_range() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("range", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    let at_end = client.fetch(&topic.name, 0, 2);
    assert_eq!((at_end.error_code, at_end.high_watermark, at_end.log_start_offset), (0, 2, 0));
    // Empty, not null: some clients take null for a broken message.
    assert_eq!(at_end.records.map(|r| r.len()), Some(0));
    for outside in [3, 1_000_000, -1] {
        let answer = client.fetch(&topic.name, 0, outside);
        assert_eq!(answer.error_code, 1, "offset {outside}");
        assert_eq!(answer.records.map(|r| r.len()), Some(0), "offset {outside}");
        let marks = (answer.high_watermark, answer.last_stable_offset, answer.log_start_offset);
        assert!(OUT_OF_RANGE_MARKS.contains(&marks), "offset {outside}: {marks:?}");
    }
}

/// High watermark, last stable offset and log start in an answer out of range: the true ones, or none as in
/// Apache Kafka.
const OUT_OF_RANGE_MARKS: [(i64, i64, i64); 2] = [(2, 2, 0), (-1, -1, -1)];

#[test]
fn an_empty_partition_is_read_without_error_and_without_null() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("empty", 1);
    for version in [4, 11, 12] {
        let answer = only(&mut client, &fetch_request(&topic.name, 0, 0), version);
        assert_eq!((answer.error_code, answer.high_watermark), (0, 0), "version {version}");
        assert_eq!(answer.records.map(|r| r.len()), Some(0), "version {version}");
    }
}

#[test]
fn a_fetch_waits_until_something_is_appended() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("poll", 1);
    for version in [4, 12] {
        let end = client.list_offset(&topic.name, 0, -1).offset;
        let id = client.send(&fetch_request(&topic.name, 0, end).with_max_wait_ms(HOUR_MS), version);
        broker.connect().append(&topic.name, 0, &Records::of(["news"]));
        let response = client.receive::<FetchRequest>(id, version);
        let partition = &response.responses[0].partitions[0];
        assert_eq!(values_in(partition.records.as_ref().unwrap()), [(end, "news".to_owned())]);
        assert_eq!(partition.high_watermark, end + 1);
    }
}

#[test]
fn a_fetch_of_several_partitions_wakes_for_any_of_them() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topics = ["one", "two"].map(|name| client.create(name, 3));
    for (topic, partition) in [(0, 2), (1, 0)] {
        let all = topics.iter().map(|t| {
            let ends: Vec<_> =
                (0..3).map(|p| (p, broker.connect().list_offset(&t.name, p, -1).offset)).collect();
            of(&t.name, ends)
        });
        let request = FetchRequest::default()
            .with_session_epoch(-1)
            .with_min_bytes(1)
            .with_max_wait_ms(HOUR_MS)
            .with_topics(all.collect());
        let id = client.send(&request, 12);
        broker.connect().append(&topics[topic].name, partition, &Records::of(["news"]));
        let response = client.receive::<FetchRequest>(id, 12);
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        let lengths: Vec<bool> = partitions.map(|p| !p.records.as_ref().unwrap().is_empty()).collect();
        assert_eq!((lengths.len(), lengths.iter().filter(|news| **news).count()), (6, 1));
    }
}

#[test]
fn a_fetch_waits_for_as_many_bytes_as_it_asks_for() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("bytes", 1);
    let size = Records::of_size(1000).bytes().len();
    let request = fetch_request(&topic.name, 0, 0)
        .with_max_wait_ms(HOUR_MS)
        .with_min_bytes(i32::try_from(3 * size).unwrap());
    let id = client.send(&request, 12);
    for _ in 0..3 {
        broker.connect().append(&topic.name, 0, &Records::of_size(1000));
    }
    let response = client.receive::<FetchRequest>(id, 12);
    assert_eq!(response.responses[0].partitions[0].records.as_ref().unwrap().len(), 3 * size);
}

#[test]
fn after_the_wait_a_fetch_returns_what_there_is() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("timeout", 1);
    let request = fetch_request(&topic.name, 0, 0).with_max_wait_ms(100).with_min_bytes(1 << 20);
    assert_eq!(only(&mut client, &request, 12).records.map(|r| r.len()), Some(0));
    client.append(&topic.name, 0, &Records::of(["little"]));
    assert_eq!(values_in(&only(&mut client, &request, 12).records.unwrap()).len(), 1);
}

#[test]
fn more_bytes_than_the_request_allows_are_not_waited_for() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("capped", 1);
    client.append(&topic.name, 0, &Records::of_size(2000));
    let request = fetch_request(&topic.name, 0, 0)
        .with_max_wait_ms(HOUR_MS)
        .with_min_bytes(1_000_000)
        .with_max_bytes(1000);
    assert!(!only(&mut client, &request, 12).records.unwrap().is_empty());
}

#[test]
fn errors_are_answered_at_once() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("at-once", 1);
    let absent = TopicName(text(&unique("absent")));
    let cases = [
        (fetch_request(&absent, 0, 0), 3),
        (fetch_request(&topic.name, 7, 0), 3),
        (fetch_request(&topic.name, 0, 9), 1),
    ];
    for (request, code) in cases {
        let answer = only(&mut client, &request.with_max_wait_ms(HOUR_MS), 12);
        assert_eq!((answer.error_code, answer.records.map(|r| r.len())), (code, Some(0)));
        if code == 3 {
            assert_eq!((answer.high_watermark, answer.log_start_offset), (-1, -1));
        }
    }
    let nothing = FetchRequest::default().with_session_epoch(-1).with_max_wait_ms(HOUR_MS).with_min_bytes(1);
    assert!(client.call(&nothing, 12).responses.is_empty());
}

#[test]
fn an_id_that_nothing_has_is_an_unknown_topic_id() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("known", 1);
    client.append(&topic.name, 0, &Records::of(["x"]));
    let with_id = |id, partitions| of(&TopicName::default(), partitions).with_topic_id(id);
    let id = stranger();
    let request = FetchRequest::default()
        .with_session_epoch(-1)
        .with_max_wait_ms(HOUR_MS)
        .with_topics(vec![with_id(id, [(0, 0)]), with_id(topic.id, [(0, 0)])]);
    let response = client.call(&request, 13);
    assert_eq!(response.error_code, 0);
    let code = |id| response.responses.iter().find(|t| t.topic_id == id).unwrap().partitions[0].error_code;
    assert_eq!((code(id), code(topic.id)), (100, 0));
}

#[test]
fn the_first_batch_comes_whole_however_small_the_limits() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("first", 2);
    for partition in 0..2 {
        client.append(&topic.name, partition, &Records::of_size(50_000));
        client.append(&topic.name, partition, &Records::of_size(50_000));
    }
    for (partition_bytes, bytes) in [(1, 1 << 30), (1 << 30, 1), (0, 0), (1, 1)] {
        let mut request = FetchRequest::default()
            .with_session_epoch(-1)
            .with_max_bytes(bytes)
            .with_topics(vec![of(&topic.name, [(0, 0), (1, 0)])]);
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = partition_bytes;
        }
        let response = client.call(&request, 12);
        let batches: Vec<usize> = response.responses[0]
            .partitions
            .iter()
            .map(|p| headers_in(p.records.as_ref().unwrap()).len())
            .collect();
        assert_eq!(batches, [1, 0], "limits {partition_bytes} and {bytes}");
    }
}

#[test]
fn later_partitions_get_what_is_left_of_the_bytes() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("left", 3);
    for partition in 0..3 {
        client.append(&topic.name, partition, &Records::of_size(10_000));
    }
    let order = |partitions: [i32; 3]| {
        FetchRequest::default()
            .with_session_epoch(-1)
            .with_max_bytes(25_000)
            .with_topics(vec![of(&topic.name, partitions.map(|p| (p, 0)))])
    };
    for partitions in [[0, 1, 2], [2, 0, 1]] {
        let response = client.call(&order(partitions), 12);
        let answered = &response.responses[0].partitions;
        let whole = |partition: i32| {
            let found = answered.iter().find(|p| p.partition_index == partition).unwrap();
            found.records.as_ref().unwrap().len() > 10_000
        };
        assert_eq!(partitions.map(whole), [true, true, false], "{partitions:?}");
    }
}

#[test]
fn the_limit_of_a_partition_keeps_later_batches_for_the_next_fetch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("limited", 1);
    for _ in 0..10 {
        client.append(&topic.name, 0, &Records::of_size(1000));
    }
    let size = i32::try_from(Records::of_size(1000).bytes().len()).unwrap();
    let mut request = fetch_request(&topic.name, 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 3 * size;
    let records = only(&mut client, &request, 12).records.unwrap();
    assert_eq!(headers_in(&records).len(), 3);
    let next = client.fetch(&topic.name, 0, 3).records.unwrap();
    assert_eq!(header_of(&next).base_offset, 3);
}

#[test]
fn the_broker_has_a_limit_of_its_own() {
    let Some(broker) = Broker::start(&["fetch.max.bytes=1024"]) else { return };
    let mut client = broker.connect();
    let topic = client.create("brokers-limit", 1);
    for _ in 0..5 {
        client.append(&topic.name, 0, &Records::of_size(700));
    }
    let records = client.fetch(&topic.name, 0, 0).records.unwrap();
    // Kafka cuts at a byte, so that the next batch may begin; ours may as well leave it out.
    assert!((700..=1024).contains(&records.len()), "{}", records.len());
}

#[test]
fn an_epoch_that_is_not_the_leaders_is_fenced_or_unknown() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("epoch", 1);
    client.append(&topic.name, 0, &Records::of(["x"]));
    let current = client.describe(&topic.name).partitions[0].leader_epoch;
    for version in [9, 12] {
        for (epoch, code) in [(-1, 0), (current, 0), (current + 1, 75)] {
            let mut request = fetch_request(&topic.name, 0, 0).with_max_wait_ms(HOUR_MS);
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            let answer = only(&mut client, &request, version);
            assert_eq!(answer.error_code, code, "epoch {epoch} version {version}");
        }
    }
}

#[test]
fn an_epoch_older_than_the_leaders_is_fenced() {
    // A restart begins a new epoch.
    let Some(mut broker) = Broker::start(&[]) else { return };
    let topic = broker.connect().create("fenced", 1);
    broker.connect().append(&topic.name, 0, &Records::of(["x"]));
    assert!(broker.stop().is_some_and(|code| [0, 143].contains(&code)));
    broker.restart();
    let mut client = broker.connect();
    let current = super::support::eventually("a new leader", || {
        let partition = client.describe(&topic.name).partitions.remove(0);
        (partition.leader_id.0 >= 0 && partition.leader_epoch > 0).then_some(partition.leader_epoch)
    });
    super::support::eventually("the leader knows its epoch", || {
        let mut request = fetch_request(&topic.name, 0, 0).with_max_wait_ms(100);
        request.topics[0].partitions[0].current_leader_epoch = current - 1;
        (only(&mut client, &request, 12).error_code == 74).then_some(())
    });
}

#[test]
fn a_position_with_an_epoch_that_never_was_diverges() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("diverging", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    // The epoch of the records is right, so nothing diverges.
    let mut request = fetch_request(&topic.name, 0, 2);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let answer = only(&mut client, &request, 12);
    assert_eq!((answer.error_code, answer.diverging_epoch.epoch), (0, -1));
}

#[test]
fn reading_committed_data_only_is_the_same_without_transactions() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("committed", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    let answer = only(&mut client, &fetch_request(&topic.name, 0, 0).with_isolation_level(1), 12);
    assert_eq!(values_in(&answer.records.unwrap()).len(), 2);
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (2, 2));
    assert!(answer.aborted_transactions.is_none_or(|list| list.is_empty()));
}

#[test]
fn a_log_of_many_segments_is_read_through_to_the_end() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("segments", 1, &[("segment.bytes", "1048576")]);
    for number in 0..40_u8 {
        let records = Records::of((0..100).map(|n| format!("{number}/{n} {}", "x".repeat(1000))));
        client.append(&topic.name, 0, &records);
    }
    let mut next = 0;
    while next < 4000 {
        let records = client.fetch(&topic.name, 0, next).records.unwrap();
        let batches = headers_in(&whole_batches(&records));
        assert_eq!(batches[0].base_offset, next);
        next = batches.last().unwrap().next_offset();
    }
    assert_eq!(next, 4000);
    // And from the middle of it.
    for offset in [1, 1999, 3999] {
        let records = client.fetch(&topic.name, 0, offset).records.unwrap();
        let first = header_of(&records);
        assert!((first.base_offset..first.next_offset()).contains(&offset));
    }
}

/// Without the batch that is cut off at the end, as Kafka does at the limit.
fn whole_batches(records: &[u8]) -> Vec<u8> {
    let mut end = 0;
    while let Some(length) = records.get(end + 8..end + 12) {
        let whole = end + 12 + usize::try_from(i32::from_be_bytes(length.try_into().unwrap())).unwrap();
        if whole > records.len() {
            break;
        }
        end = whole;
    }
    records[..end].to_vec()
}
