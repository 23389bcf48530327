//! Transactional batches: what they need, and in which order they are appended while some wait for their coordinator.

use std::io::Write;

use kafka_protocol::messages::{ProduceRequest, TopicName};

use super::support::transactions::{PRODUCE_V1, PRODUCE_V2, Txn, transactional};
use super::support::{Broker, Client, Records, frame, produce_request, unique, values_in};

/// Sends the requests at once, and gives each answer's code and offset.
fn pipelined(client: &mut Client, version: i16, requests: &[ProduceRequest]) -> Vec<(i16, i64)> {
    let frames: Vec<_> = (0..).zip(requests).map(|(at, request)| frame(request, version, at)).collect();
    client.stream.write_all(&frames.concat()).unwrap();
    let answers = (0..).zip(requests).map(|(at, _)| client.receive::<ProduceRequest>(at, version));
    answers
        .map(|answer| {
            let produced = &answer.responses[0].partition_responses[0];
            (produced.error_code, produced.base_offset)
        })
        .collect()
}

fn five(txn: &Txn, topic: &TopicName) -> Vec<ProduceRequest> {
    let values = ["0", "1", "2", "3", "4"];
    let batch = |(sequence, value): (i32, &&str)| txn.batch(sequence, &[*value]);
    (0..).zip(&values).map(batch).map(|records| txn.produce_request(topic, 0, &records)).collect()
}

const FIVE: [(i16, i64); 5] = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)];

#[test]
fn five_in_flight_stay_in_order_while_the_first_adds_its_partition() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for _ in 0..10 {
        let topic = client.create("adds", 1);
        let txn = client.init(&unique("t"));
        assert_eq!(pipelined(&mut client, PRODUCE_V2, &five(&txn, &topic.name)), FIVE);
        client.finish(&txn, true);
        let seen = client.await_stable(&topic.name, 0);
        let values: Vec<_> = seen.values.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["0", "1", "2", "3", "4"]);
    }
}

#[test]
fn five_in_flight_stay_in_order_while_the_first_is_verified() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for _ in 0..10 {
        let topic = client.create("verified", 1);
        let txn = client.init(&unique("t"));
        assert_eq!(client.add(&txn, &topic.name, &[0]), [0]);
        assert_eq!(pipelined(&mut client, PRODUCE_V1, &five(&txn, &topic.name)), FIVE);
        assert_eq!(client.end(&txn, true, super::support::transactions::END_V1).error_code, 0);
        client.await_stable(&topic.name, 0);
    }
}

#[test]
fn plain_batches_do_not_overtake_a_transactional_one_of_their_connection() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("mixed", 1);
    let txn = client.init(&unique("t"));
    let plain = |value: &str| produce_request(&topic.name, 0, Records::of([value]).bytes());
    let requests = [
        txn.produce_request(&topic.name, 0, &txn.batch(0, &["first"])),
        plain("second"),
        txn.produce_request(&topic.name, 0, &txn.batch(1, &["third"])),
        plain("fourth"),
    ];
    assert_eq!(pipelined(&mut client, PRODUCE_V2, &requests), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    let read = client.fetch(&topic.name, 0, 0).records.unwrap();
    let values: Vec<_> = values_in(&read).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["first", "second", "third", "fourth"]);
    client.finish(&txn, true);
}

#[test]
fn a_transactional_batch_without_a_transactional_id_is_refused_whole() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("anonymous", 2);
    let txn = client.init(&unique("t"));
    for version in [9, PRODUCE_V1, PRODUCE_V2] {
        let mut request = produce_request(&topic.name, 0, txn.batch(0, &["a"]).bytes());
        let plain = produce_request(&topic.name, 1, Records::of(["b"]).bytes());
        request.topic_data[0].partition_data.extend(plain.topic_data[0].partition_data.clone());
        let answer = client.call(&request, version);
        let codes: Vec<i16> = answer.responses[0].partition_responses.iter().map(|p| p.error_code).collect();
        assert_eq!(codes, [53, 53], "version {version}");
    }
    assert_eq!(client.list_offset(&topic.name, 1, -1).offset, 0, "nothing is appended");
}

#[test]
fn a_transactional_id_does_no_harm_to_plain_batches() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("plain", 1);
    let request = produce_request(&topic.name, 0, Records::of(["a"]).bytes())
        .with_transactional_id(Some(transactional(&unique("nobody"))));
    assert_eq!(pipelined(&mut client, PRODUCE_V2, &[request]), [(0, 0)]);
}

#[test]
fn one_request_has_one_producer() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("two", 2);
    let [one, other] = ["a", "b"].map(|id| client.init(&unique(id)));
    let mut request = one.produce_request(&topic.name, 0, &one.batch(0, &["a"]));
    let second = other.produce_request(&topic.name, 1, &other.batch(0, &["b"]));
    request.topic_data[0].partition_data.extend(second.topic_data[0].partition_data.clone());
    let answer = client.call(&request, PRODUCE_V2);
    let codes: Vec<i16> = answer.responses[0].partition_responses.iter().map(|p| p.error_code).collect();
    assert_eq!(codes, [49, 49]);
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 0);
}

#[test]
fn a_plain_batch_of_a_producer_with_an_open_transaction_is_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("slips", 1);
    let txn = client.init(&unique("t"));
    client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["a"]));
    let plain = Records::of(["b"]).producer(txn.producer.0, txn.epoch, 1);
    assert_eq!(client.produce(&topic.name, 0, plain.bytes()).error_code, 48);
    assert_eq!(client.append_in(&txn, &topic.name, 0, &txn.batch(1, &["c"])), 1);
    client.finish(&txn, true);
}

#[test]
fn a_repeated_batch_is_recognised_within_and_after_its_transaction() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("repeated", 1);
    let txn = client.init(&unique("t"));
    let batch = txn.batch(0, &["a"]);
    for _ in 0..2 {
        assert_eq!(client.append_in(&txn, &topic.name, 0, &batch), 0);
    }
    client.finish(&txn, true);
    client.await_stable(&topic.name, 0);
    // Its epoch is over: 47 from the partition or from the coordinator.
    let late = client.send_in(&txn, &topic.name, 0, &batch, PRODUCE_V2);
    assert_eq!((late.error_code, late.base_offset), (47, -1));
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 2);
}

#[test]
fn the_first_batch_of_a_second_protocol_transaction_has_sequence_zero() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("zero", 1);
    let txn = client.init(&unique("t"));
    let refused = client.send_in(&txn, &topic.name, 0, &txn.batch(3, &["a"]), PRODUCE_V2);
    assert_eq!(refused.error_code, 45, "{refused:?}");
    assert_eq!(client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["a"])), 0);
    client.finish(&txn, true);
}
