//! Produce: what is appended, and how each thing that is wrong with a batch is named.

use std::io::Read;

use barnabas::wire::compress::Codec;
use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ProduceRequest, TopicName};

use super::support::{
    Broker, Client, Records, eventually, header_of, headers_in, now_ms, produce_request, seal, stranger,
    tests_kafka, text, unique, values_in,
};

/// Position of the attributes in a batch.
const ATTRIBUTES: usize = 21;
/// Position of the last offset delta.
const LAST_OFFSET_DELTA: usize = 23;
/// Position of the number of records.
const RECORD_COUNT: usize = 57;

/// Asserts that an error answer holds nothing that looks like success.
fn refused(produced: &PartitionProduceResponse, code: i16) {
    assert_eq!(produced.error_code, code, "{produced:?}");
    assert_eq!((produced.base_offset, produced.log_append_time_ms), (-1, -1), "{produced:?}");
}

/// Asserts that `records` is refused with `code` and nothing is appended.
fn refuses(client: &mut Client, topic: &TopicName, records: Bytes, code: i16) -> PartitionProduceResponse {
    let end = client.list_offset(topic, 0, -1).offset;
    let produced = client.produce(topic, 0, records);
    refused(&produced, code);
    assert_eq!(client.list_offset(topic, 0, -1).offset, end, "nothing is appended");
    produced
}

#[test]
fn every_version_appends_and_tells_where() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("versions", 1);
    for version in 3..=13 {
        let mut request = produce_request(&topic.name, 0, Records::of(["a", "b"]).bytes());
        if version == 13 {
            request.topic_data[0].name = TopicName::default();
            request.topic_data[0].topic_id = topic.id;
        }
        let response = client.call(&request, version).responses.remove(0);
        if version == 13 {
            assert_eq!(response.topic_id, topic.id);
        } else {
            assert_eq!(response.name, topic.name);
        }
        let produced = &response.partition_responses[0];
        let base_offset = i64::from(version - 3) * 2;
        assert_eq!((produced.error_code, produced.base_offset, produced.index), (0, base_offset, 0));
        assert_eq!(produced.log_append_time_ms, -1, "version {version}");
        assert_eq!(produced.log_start_offset, if version < 5 { -1 } else { 0 }, "version {version}");
    }
}

#[test]
fn what_is_read_is_what_was_written_but_for_offset_and_epoch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("verbatim", 1);
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let values: Vec<String> = (0..100).map(|n| format!("{codec} {n}")).collect();
        let written = Records::of(&values).codec(codec).bytes();
        let produced = client.produce(&topic.name, 0, written.clone());
        assert_eq!(produced.error_code, 0, "{codec}");
        let read = client.fetch(&topic.name, 0, produced.base_offset).records.unwrap();
        assert_eq!(read[16..], written[16..], "{codec}");
        let header = header_of(&read);
        assert_eq!((header.base_offset, header.partition_leader_epoch), (produced.base_offset, 0), "{codec}");
        let expected: Vec<_> = (produced.base_offset..).zip(values).collect();
        assert_eq!(values_in(&read), expected);
    }
}

#[test]
fn several_topics_and_partitions_in_one_request_are_answered_each() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let [a, b] = ["a", "b"].map(|name| client.create(name, 3));
    let data = |partition: i32| {
        let records = Records::of([format!("p{partition}")]).bytes();
        PartitionProduceData::default().with_index(partition).with_records(Some(records))
    };
    let of = |name: &TopicName, partitions: &[i32]| {
        TopicProduceData::default()
            .with_name(name.clone())
            .with_partition_data(partitions.iter().map(|p| data(*p)).collect())
    };
    let absent = TopicName(text(&unique("absent")));
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![
        of(&a.name, &[0, 2, 3]),
        of(&absent, &[0]),
        of(&b.name, &[1]),
    ]);
    let mut answered = Vec::new();
    for topic in client.call(&request, 9).responses {
        for partition in topic.partition_responses {
            answered.push((topic.name.to_string(), partition.index, partition.error_code));
        }
    }
    answered.sort();
    let mut expected = vec![
        (a.name.to_string(), 0, 0),
        (a.name.to_string(), 2, 0),
        (a.name.to_string(), 3, 3),
        (absent.to_string(), 0, 3),
        (b.name.to_string(), 1, 0),
    ];
    expected.sort();
    assert_eq!(answered, expected);
    assert_eq!(values_in(&client.fetch(&a.name, 2, 0).records.unwrap()), [(0, "p2".to_owned())]);
    assert_eq!(client.list_offset(&a.name, 1, -1).offset, 0);
}

#[test]
fn topics_and_ids_that_are_not_there_are_named_so() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let absent = TopicName(text(&unique("absent")));
    refused(&client.produce(&absent, 0, Records::of(["x"]).bytes()), 3);
    let topic = client.create("one", 1);
    refused(&client.produce(&topic.name, 1, Records::of(["x"]).bytes()), 3);
    refused(&client.produce(&topic.name, -1, Records::of(["x"]).bytes()), 3);
    let mut request = produce_request(&TopicName::default(), 0, Records::of(["x"]).bytes());
    request.topic_data[0].topic_id = stranger();
    let response = client.call(&request, 13).responses.remove(0);
    refused(&response.partition_responses[0], 100);
    assert_eq!(response.topic_id, request.topic_data[0].topic_id);
}

#[test]
fn acks_are_minus_one_zero_or_one() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("acks", 1);
    for acks in [-2, 2, i16::MAX] {
        let request = produce_request(&topic.name, 0, Records::of(["x"]).bytes()).with_acks(acks);
        let response = client.call(&request, 9).responses.remove(0);
        refused(&response.partition_responses[0], 21);
    }
    for acks in [1, -1] {
        let request = produce_request(&topic.name, 0, Records::of(["x"]).bytes()).with_acks(acks);
        assert_eq!(client.call(&request, 9).responses[0].partition_responses[0].error_code, 0);
    }
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 2);
}

#[test]
fn acks_0_is_appended_without_an_answer() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("silent", 1);
    for number in 0..10 {
        let request = produce_request(&topic.name, 0, Records::of([format!("{number}")]).bytes());
        client.send(&request.with_acks(0), 9);
    }
    // The next answer on the connection is that of the next request.
    let values = eventually("all ten", || {
        let values = values_in(&client.fetch(&topic.name, 0, 0).records.unwrap());
        (values.len() == 10).then_some(values)
    });
    assert_eq!(values, (0..10).map(|n| (n, n.to_string())).collect::<Vec<_>>());
}

#[test]
fn an_error_with_acks_0_closes_the_connection() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let absent = TopicName(text(&unique("absent")));
    client.send(&produce_request(&absent, 0, Records::of(["x"]).bytes()).with_acks(0), 9);
    assert_eq!(client.stream.read(&mut [0; 1]).unwrap_or(0), 0, "closed");
}

#[test]
fn a_batch_above_the_limit_of_its_topic_is_too_large() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("small", 1, &[("max.message.bytes", "1000")]);
    // 61 bytes of batch header, and the record's own lengths.
    let record = |size: usize| Records::of_size(size).bytes();
    let overhead = record(500).len() - 500;
    assert_eq!(client.produce(&topic.name, 0, record(1000 - overhead)).error_code, 0);
    let produced = refuses(&mut client, &topic.name, record(1001 - overhead), 10);
    assert_eq!(produced.record_errors.len(), 0);
    // What is compressed counts as it comes.
    let zeros = "0".repeat(100_000);
    assert_eq!(client.produce(&topic.name, 0, Records::of([zeros]).codec(Codec::Gzip).bytes()).error_code, 0);

    let topic = client.create("standard", 1);
    assert_eq!(client.produce(&topic.name, 0, record(1_048_588 - 80)).error_code, 0);
    refuses(&mut client, &topic.name, record(1_048_588), 10);
}

#[test]
fn a_batch_whose_bytes_changed_on_the_way_is_corrupt() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("changed", 1);
    let good = Records::of(["some value", "another"]).bytes();
    for at in [ATTRIBUTES, LAST_OFFSET_DELTA, RECORD_COUNT, 70, good.len() - 1] {
        let mut bad = good.to_vec();
        bad[at] ^= 0x40;
        refuses(&mut client, &topic.name, bad.into(), 2);
    }
}

#[test]
fn batches_that_contradict_themselves_are_invalid_records() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("contradictions", 1);
    let two = Records::of(["a", "b"]);
    let cases: [(&str, i16, Bytes); 5] = [
        ("a base offset", 87, two.bytes_but(|b| b[7] = 9)),
        ("a last offset delta that is too large", 87, two.bytes_but(|b| b[LAST_OFFSET_DELTA + 3] = 5)),
        ("a count that is too large", 87, two.bytes_but(|b| b[RECORD_COUNT + 3] = 3)),
        ("a count of 0", 87, two.bytes_but(|b| b[RECORD_COUNT + 3] = 0)),
        ("control records", 87, two.clone().control().bytes()),
    ];
    for (what, code, bytes) in cases {
        let produced = client.produce(&topic.name, 0, bytes);
        assert_eq!(produced.error_code, code, "{what}: {produced:?}");
        assert_eq!(produced.base_offset, -1, "{what}");
    }
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 0);
}

#[test]
fn records_that_do_not_fill_their_batch_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("misfits", 1);
    // Count and last offset delta agree with each other, but not with the records.
    let fewer =
        Records::of(["a", "b"]).bytes_but(|b| (b[LAST_OFFSET_DELTA + 3], b[RECORD_COUNT + 3]) = (0, 1));
    refuses(&mut client, &topic.name, fewer, 87);
    let more =
        Records::of(["a", "b"]).bytes_but(|b| (b[LAST_OFFSET_DELTA + 3], b[RECORD_COUNT + 3]) = (2, 3));
    refuses(&mut client, &topic.name, more, 87);
    // The first record's length says more than there is.
    refuses(&mut client, &topic.name, Records::of(["a"]).bytes_but(|b| b[61] = 0x7e), 87);
}

#[test]
fn a_partition_gets_exactly_one_batch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("one-batch", 1);
    let one = Records::of(["a"]).bytes();
    refuses(&mut client, &topic.name, [&one[..], &one[..]].concat().into(), 87);
}

#[test]
fn no_batch_at_all_is_an_invalid_record() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("no-batch", 1);
    refuses(&mut client, &topic.name, Bytes::new(), 87);
}

/// Apache Kafka stumbles over them and never answers.
#[test]
fn null_records_do_not_leave_the_client_waiting() {
    if tests_kafka() {
        return;
    }
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("null-batch", 1);
    let mut no_records = produce_request(&topic.name, 0, Bytes::new());
    no_records.topic_data[0].partition_data[0].records = None;
    refused(&client.call(&no_records, 9).responses[0].partition_responses[0], 87);
}

#[test]
fn batches_of_old_formats_are_not_appended() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("old-batch", 1);
    for magic in [0, 1, 3] {
        let old = Records::of(["a"]).bytes_but(|b| b[16] = magic);
        let produced = client.produce(&topic.name, 0, old);
        assert!([2, 87].contains(&produced.error_code), "{magic}: {produced:?}");
    }
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 0);
}

#[test]
fn bytes_that_do_not_decompress_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("compressed", 1);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let garbage = Records::of(["abc".repeat(100)]).codec(codec).bytes_but(|b| b[61..].fill(0xee));
        let produced = client.produce(&topic.name, 0, garbage);
        assert_ne!(produced.error_code, 0, "{codec}");
        assert_eq!(produced.base_offset, -1, "{codec}");
    }
    let unknown = Records::of(["a"]).bytes_but(|b| b[ATTRIBUTES + 1] = 5);
    assert_ne!(client.produce(&topic.name, 0, unknown).error_code, 0);
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 0);
    client.append(&topic.name, 0, &Records::of(["still served"]));
}

/// A batch of `plain`'s records, compressed to these bytes with the codec of this number.
fn compressed_to(plain: &Records, codec: u8, payload: &[u8]) -> Bytes {
    let mut bytes = plain.bytes().to_vec();
    bytes.truncate(61);
    bytes.extend_from_slice(payload);
    let length = i32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[ATTRIBUTES + 1] = codec;
    seal(&mut bytes);
    bytes.into()
}

#[test]
fn snappy_is_taken_with_and_without_the_framing_of_java() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("snappy", 1);
    let plain = Records::of(["some value", "some value again"]);
    let raw = snap::raw::Encoder::new().compress_vec(&plain.bytes()[61..]).unwrap();
    let produced = client.produce(&topic.name, 0, compressed_to(&plain, 2, &raw));
    assert_eq!(produced.error_code, 0, "raw: {produced:?}");
    let framed =
        [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &u32::try_from(raw.len()).unwrap().to_be_bytes(), &raw];
    let produced = client.produce(&topic.name, 0, compressed_to(&plain, 2, &framed.concat()));
    assert_eq!(produced.error_code, 0, "framed: {produced:?}");
    let read = client.fetch(&topic.name, 0, 0).records.unwrap();
    let values: Vec<_> = values_in(&read).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["some value", "some value again"].repeat(2));
}

/// Half a gigabyte in some ten kilobytes: Apache Kafka unpacks it all.
#[test]
fn a_decompression_bomb_is_refused_in_bounded_memory() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("bomb", 1);
    let plain = Records::of(["x"]);
    let zeros = vec![0; 512 << 20];
    let payload = barnabas::wire::compress::compress(Codec::Zstd.into(), &zeros).unwrap();
    drop(zeros);
    assert!(payload.len() < 100_000);
    for _ in 0..3 {
        let produced = client.produce(&topic.name, 0, compressed_to(&plain, 4, &payload));
        assert_ne!(produced.error_code, 0);
    }
    let resident = broker.resident_bytes().unwrap();
    assert!(resident < 200 << 20, "{resident} bytes resident");
    client.append(&topic.name, 0, &plain);
}

#[test]
fn zstd_is_for_version_7_and_later() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("zstd", 1);
    let records = Records::of(["a"]).codec(Codec::Zstd).bytes();
    for (version, code) in [(3, 76), (6, 76), (7, 0)] {
        let request = produce_request(&topic.name, 0, records.clone());
        let response = client.call(&request, version).responses.remove(0);
        assert_eq!(response.partition_responses[0].error_code, code, "version {version}");
    }
}

#[test]
fn a_compacted_topic_needs_keys_and_says_which_record_has_none() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("compacted", 1, &[("cleanup.policy", "compact")]);
    let records = Records::of(["a", "b", "c"]).key(0, "k").key(2, "k");
    let produced = refuses(&mut client, &topic.name, records.bytes(), 87);
    assert_eq!(produced.record_errors.len(), 1, "{produced:?}");
    assert_eq!(produced.record_errors[0].batch_index, 1);
    let message =
        format!("Compacted topic cannot accept message without key in topic partition {}-0", topic.name());
    assert_eq!(produced.record_errors[0].batch_index_error_message.as_deref(), Some(message.as_str()));
    let whole = format!(
        "One or more records have been rejected due to 1 record errors in total, and only showing the first \
         three errors at most: [RecordError(batchIndex=1, message='{message}')]"
    );
    assert_eq!(produced.error_message.as_deref(), Some(whole.as_str()));
    // Compressed batches are looked into.
    refuses(&mut client, &topic.name, records.clone().codec(Codec::Lz4).bytes(), 87);
    client.append(&topic.name, 0, &records.key(1, "k"));
}

#[test]
fn timestamps_out_of_the_topics_range_are_refused_record_by_record() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let hour = 3_600_000;
    let now = now_ms();
    let topic = client.create_with(
        "timely",
        1,
        &[("message.timestamp.before.max.ms", "3600000"), ("message.timestamp.after.max.ms", "3600000")],
    );
    let records = |timestamps: [i64; 3]| Records::of(["a", "b", "c"]).at(timestamps);
    for bad in [now - 2 * hour, now + 2 * hour, 0] {
        for codec in [Codec::None, Codec::Snappy] {
            let produced =
                refuses(&mut client, &topic.name, records([now, bad, now]).codec(codec).bytes(), 32);
            let indexes: Vec<_> = produced.record_errors.iter().map(|e| e.batch_index).collect();
            assert_eq!(indexes, [1], "{bad} {codec}");
            assert_eq!(
                produced.error_message.as_deref(),
                Some("One or more records have been rejected due to invalid timestamp"),
            );
        }
    }
    client.append(&topic.name, 0, &records([now - hour / 2, now, now + hour / 2]));
    // The default: any time in the past, an hour in the future.
    let topic = client.create("default-times", 1);
    client.append(&topic.name, 0, &records([0, 1, now]));
    refuses(&mut client, &topic.name, records([now, now, now + 2 * hour]).bytes(), 32);
}

#[test]
fn a_topic_with_log_append_time_gives_records_its_own_time() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let before = now_ms();
    for codec in [Codec::None, Codec::Gzip] {
        let produced =
            client.produce(&topic.name, 0, Records::of(["a", "b"]).at([5, 6]).codec(codec).bytes());
        let time = produced.log_append_time_ms;
        assert_eq!(produced.error_code, 0);
        assert!((before..=now_ms()).contains(&time), "{time}");
        let read = client.fetch(&topic.name, 0, produced.base_offset).records.unwrap();
        let header = headers_in(&read)[0];
        assert!(header.is_log_append_time());
        assert_eq!(header.max_timestamp, time);
        let found = client.list_offset(&topic.name, 0, before);
        assert_eq!(found.offset, 0, "a search finds the broker's time");
        let latest = client.list_offset(&topic.name, 0, -3);
        assert_eq!((latest.offset, latest.timestamp), (produced.base_offset, time));
    }
}

#[test]
fn a_topics_own_compression_is_what_is_stored() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("recompressed", 1, &[("compression.type", "gzip")]);
    let values: Vec<String> = (0..50).map(|n| format!("value {n}")).collect();
    for codec in [Codec::None, Codec::Zstd, Codec::Gzip] {
        let base = client.append(&topic.name, 0, &Records::of(&values).codec(codec));
        let read = client.fetch(&topic.name, 0, base).records.unwrap();
        assert_eq!(headers_in(&read)[0].codec(), Codec::Gzip.id(), "{codec}");
        assert_eq!(values_in(&read)[..50], (base..).zip(values.clone()).collect::<Vec<_>>()[..], "{codec}");
    }
}

#[test]
fn one_bad_partition_does_not_keep_the_others_from_being_written() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("mixed", 2);
    let mut bad = Records::of(["bad"]).bytes().to_vec();
    bad[70] ^= 1;
    let mut request = produce_request(&topic.name, 0, bad.into());
    let good =
        PartitionProduceData::default().with_index(1).with_records(Some(Records::of(["good"]).bytes()));
    request.topic_data[0].partition_data.push(good);
    let mut answered: Vec<_> = client.call(&request, 9).responses[0]
        .partition_responses
        .iter()
        .map(|p| (p.index, p.error_code, p.base_offset))
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, [(0, 2, -1), (1, 0, 0)]);
}

/// KIP-966: one replica in sync is all that a topic of one replica can have.
#[test]
fn no_more_replicas_need_to_be_in_sync_than_there_are() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create_with("wants-two", 1, &[("min.insync.replicas", "2")]);
    assert_eq!(client.append(&topic.name, 0, &Records::of(["x"])), 0);
}
