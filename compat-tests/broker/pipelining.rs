//! Many requests on their way at once: answered in order, appended in order.

use std::io::Write;

use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest};

use super::support::{Broker, Records, fetch_request, frame, produce_request, text, values_in};

#[test]
fn requests_written_at_once_are_answered_and_appended_in_order() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("in-order", 1);
    let mut bytes = Vec::new();
    for number in 0..200 {
        let request = produce_request(&topic.name, 0, Records::of([format!("{number}")]).bytes());
        // Some wait for the disk, some do not: the order of the answers stays.
        let request = request.with_acks(if number % 3 == 0 { 1 } else { -1 });
        bytes.extend_from_slice(&frame(&request, 9, number));
    }
    let mut writer = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
    for number in 0..200 {
        let response = client.receive::<ProduceRequest>(number, 9);
        let produced = &response.responses[0].partition_responses[0];
        assert_eq!((produced.error_code, produced.base_offset), (0, i64::from(number)));
    }
    writing.join().unwrap();
    let read = client.fetch(&topic.name, 0, 0).records.unwrap();
    assert_eq!(values_in(&read), (0..200).map(|n| (n, n.to_string())).collect::<Vec<_>>());
}

#[test]
fn an_idempotent_producer_keeps_five_in_flight_without_a_gap() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("five", 1);
    let id = client
        .call(&kafka_protocol::messages::InitProducerIdRequest::default().with_transactional_id(None), 4)
        .producer_id;
    let mut bytes = Vec::new();
    for number in 0..50 {
        let records = Records::of([format!("{number}")]).producer(id.0, 0, number);
        bytes.extend_from_slice(&frame(&produce_request(&topic.name, 0, records.bytes()), 9, number));
    }
    client.stream.write_all(&bytes).unwrap();
    for number in 0..50 {
        let response = client.receive::<ProduceRequest>(number, 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
}

#[test]
fn different_requests_are_answered_in_the_order_they_came() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("different", 1);
    let api_versions = ApiVersionsRequest::default()
        .with_client_software_name(text("a"))
        .with_client_software_version(text("1"));
    let metadata = MetadataRequest::default().with_topics(Some(vec![]));
    let waits = fetch_request(&topic.name, 0, 0).with_max_wait_ms(300);
    let produce = produce_request(&topic.name, 0, Records::of(["x"]).bytes());
    let frames = [
        frame(&waits, 12, 1),
        frame(&api_versions, 3, 2),
        frame(&produce, 9, 3),
        frame(&metadata, 12, 4),
        frame(&fetch_request(&topic.name, 0, 0), 12, 5),
    ];
    client.stream.write_all(&frames.concat()).unwrap();
    // Whether the first fetch sees what a later request of its connection appends is the broker's choice.
    let first = client.receive::<FetchRequest>(1, 12);
    assert_eq!(first.responses[0].partitions[0].error_code, 0);
    assert_eq!(client.receive::<ApiVersionsRequest>(2, 3).error_code, 0);
    let produced = client.receive::<ProduceRequest>(3, 9);
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 0);
    assert_eq!(client.receive::<MetadataRequest>(4, 12).brokers.len(), 1);
    let last = client.receive::<FetchRequest>(5, 12);
    let records = last.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(values_in(&records).len(), 1, "a fetch sees what came before it on its connection");
}

#[test]
fn connections_do_not_wait_for_each_other() {
    let broker = Broker::shared();
    let mut waiting = broker.connect();
    let topic = waiting.create("waiting", 1);
    let hour = 3_600_000;
    let id = waiting.send(&fetch_request(&topic.name, 0, 0).with_max_wait_ms(hour), 12);
    let mut others: Vec<_> = (0..20).map(|_| broker.connect()).collect();
    for client in &mut others {
        assert_eq!(client.metadata(Some(&[])).brokers.len(), 1);
    }
    broker.connect().append(&topic.name, 0, &Records::of(["x"]));
    waiting.receive::<FetchRequest>(id, 12);
}

#[test]
fn many_connections_append_without_losing_or_doubling_anything() {
    let broker = Broker::shared();
    let topic = broker.connect().create("crowd", 1);
    let (writers, batches) = (16, 25);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (mut client, name) = (broker.connect(), topic.name.clone());
            scope.spawn(move || {
                let mut last = -1;
                for number in 0..batches {
                    let offset = client.append(&name, 0, &Records::of([format!("{writer}/{number}")]));
                    assert!(offset > last, "a later append has a later offset");
                    last = offset;
                }
            });
        }
    });
    let mut client = broker.connect();
    let mut read = Vec::new();
    while let Some(records) =
        Some(client.fetch(&topic.name, 0, i64::try_from(read.len()).unwrap()).records.unwrap())
            .filter(|records| !records.is_empty())
    {
        read.extend(values_in(&records));
    }
    assert!(read.iter().map(|(offset, _)| *offset).eq(0..writers * batches));
    let mut values: Vec<String> = read.into_iter().map(|(_, value)| value).collect();
    values.sort();
    let mut expected: Vec<String> =
        (0..writers).flat_map(|w| (0..batches).map(move |n| format!("{w}/{n}"))).collect();
    expected.sort();
    assert_eq!(values, expected);
}
