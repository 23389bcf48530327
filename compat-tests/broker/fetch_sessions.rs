//! Fetch sessions (KIP-227): a consumer that asks for what has changed.

use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};

use super::support::{Broker, Client, Created, Records, fetch_partition, values_in};

fn of(topic: &Created, partitions: &[(i32, i64)]) -> FetchTopic {
    let partitions = partitions.iter().map(|(index, offset)| fetch_partition(*index, *offset));
    FetchTopic::default().with_topic(topic.name.clone()).with_partitions(partitions.collect())
}

fn request(session: (i32, i32), topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default()
        .with_min_bytes(1)
        .with_session_id(session.0)
        .with_session_epoch(session.1)
        .with_topics(topics)
}

/// Opens a session over the topic's partitions from these offsets on.
fn open(client: &mut Client, topic: &Created, partitions: &[(i32, i64)]) -> i32 {
    let response = client.call(&request((0, 0), vec![of(topic, partitions)]), 12);
    assert_eq!(response.error_code, 0);
    assert_ne!(response.session_id, 0);
    response.session_id
}

/// Partition, error and number of records of everything in an answer.
fn rows(response: &FetchResponse) -> Vec<(i32, i16, usize)> {
    assert_eq!(response.error_code, 0);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|p| (p.partition_index, p.error_code, values_in(p.records.as_ref().unwrap()).len()))
        .collect()
}

#[test]
fn the_first_answer_holds_every_partition_and_the_next_only_what_changed() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("incremental", 3);
    client.append(&topic.name, 1, &Records::of(["a"]));
    let all = [(0, 0), (1, 0), (2, 0)];
    let response = client.call(&request((0, 0), vec![of(&topic, &all)]), 12);
    let mut first = rows(&response);
    first.sort_unstable();
    assert_eq!(first, [(0, 0, 0), (1, 0, 1), (2, 0, 0)]);
    let id = response.session_id;
    assert_ne!(id, 0);
    // The consumer moves on in partition 1, nothing else has changed.
    let response = client.call(&request((id, 1), vec![of(&topic, &[(1, 1)])]), 12);
    assert_eq!((rows(&response), response.session_id), (vec![], id));
    client.append(&topic.name, 2, &Records::of(["b", "c"]));
    let response = client.call(&request((id, 2), vec![]), 12);
    assert_eq!(rows(&response), [(2, 0, 2)]);
    // What was not moved on from comes again.
    let response = client.call(&request((id, 3), vec![]), 12);
    assert_eq!(rows(&response), [(2, 0, 2)]);
}

#[test]
fn an_incremental_fetch_waits_for_the_partitions_of_its_session() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("waits", 2);
    let id = open(&mut client, &topic, &[(0, 0), (1, 0)]);
    let sent = client.send(&request((id, 1), vec![]).with_max_wait_ms(3_600_000), 12);
    broker.connect().append(&topic.name, 1, &Records::of(["news"]));
    let response = client.receive::<FetchRequest>(sent, 12);
    assert_eq!(rows(&response), [(1, 0, 1)]);
}

#[test]
fn an_epoch_out_of_step_is_invalid_and_the_session_stays() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("out-of-step", 1);
    let id = open(&mut client, &topic, &[(0, 0)]);
    for epoch in [2, 7, i32::MAX] {
        let response = client.call(&request((id, epoch), vec![]), 12);
        assert_eq!((response.error_code, response.responses.len()), (71, 0), "epoch {epoch}");
    }
    assert_eq!(client.call(&request((id, 1), vec![]), 12).error_code, 0);
    assert_eq!(client.call(&request((id, 1), vec![]), 12).error_code, 71, "it was used already");
}

#[test]
fn a_session_that_nobody_opened_is_not_found() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("not-found", 1);
    let id = open(&mut client, &topic, &[(0, 0)]);
    let response = client.call(&request((id ^ 1, 1), vec![]), 12);
    assert_eq!((response.error_code, response.session_id, response.responses.len()), (70, 0, 0));
}

#[test]
fn a_final_fetch_closes_its_session_and_is_answered_in_full() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("final", 2);
    client.append(&topic.name, 0, &Records::of(["a"]));
    let id = open(&mut client, &topic, &[(0, 0), (1, 0)]);
    let response = client.call(&request((id, -1), vec![of(&topic, &[(0, 0), (1, 0)])]), 12);
    assert_eq!((rows(&response).len(), response.session_id), (2, 0));
    assert_eq!(client.call(&request((id, 1), vec![]), 12).error_code, 70);
}

#[test]
fn opening_again_closes_the_session_before() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("reopened", 1);
    let id = open(&mut client, &topic, &[(0, 0)]);
    let response = client.call(&request((id, 0), vec![of(&topic, &[(0, 0)])]), 12);
    assert_eq!(rows(&response), [(0, 0, 0)]);
    assert!(response.session_id != 0 && response.session_id != id);
    assert_eq!(client.call(&request((id, 1), vec![]), 12).error_code, 70);
    assert_eq!(client.call(&request((response.session_id, 1), vec![]), 12).error_code, 0);
}

#[test]
fn partitions_join_and_leave_a_session() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let [a, b] = ["a", "b"].map(|name| client.create(name, 1));
    let id = open(&mut client, &a, &[(0, 0)]);
    // A partition that joins is in the answer, changed or not.
    let response = client.call(&request((id, 1), vec![of(&b, &[(0, 0)])]), 12);
    assert_eq!(rows(&response), [(0, 0, 0)]);
    assert_eq!(response.responses[0].topic, b.name);
    let forget = ForgottenTopic::default().with_topic(a.name.clone()).with_partitions(vec![0]);
    let response = client.call(&request((id, 2), vec![]).with_forgotten_topics_data(vec![forget]), 12);
    assert_eq!(rows(&response), []);
    client.append(&a.name, 0, &Records::of(["unheard"]));
    client.append(&b.name, 0, &Records::of(["heard"]));
    let response = client.call(&request((id, 3), vec![]), 12);
    assert_eq!((rows(&response), &response.responses[0].topic), (vec![(0, 0, 1)], &b.name));
}

#[test]
fn a_session_that_has_no_partitions_left_is_closed() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("emptied", 1);
    let id = open(&mut client, &topic, &[(0, 0)]);
    let forget = ForgottenTopic::default().with_topic(topic.name.clone()).with_partitions(vec![0]);
    let response = client.call(&request((id, 1), vec![]).with_forgotten_topics_data(vec![forget]), 12);
    assert_eq!((response.error_code, response.session_id), (0, 0));
    assert_eq!(client.call(&request((id, 2), vec![]), 12).error_code, 70);
}

#[test]
fn a_session_keeps_to_names_or_to_ids() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("ids", 1);
    let id = open(&mut client, &topic, &[(0, 0)]);
    let by_id = of(&topic, &[(0, 0)]).with_topic(TopicName::default()).with_topic_id(topic.id);
    let response = client.call(&request((id, 1), vec![by_id.clone()]), 13);
    assert_eq!((response.error_code, response.responses.len()), (106, 0));

    let response = client.call(&request((0, 0), vec![by_id]), 13);
    assert_eq!(response.error_code, 0);
    let id = response.session_id;
    assert_ne!(id, 0);
    let response = client.call(&request((id, 1), vec![of(&topic, &[(0, 0)])]), 12);
    assert_eq!(response.error_code, 106);
}

#[test]
fn an_error_is_told_each_time_until_it_is_over() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("errors", 1);
    let response = client.call(&request((0, 0), vec![of(&topic, &[(0, 5), (9, 0)])]), 12);
    let id = response.session_id;
    let mut first = rows(&response);
    first.sort_unstable();
    assert_eq!(first, [(0, 1, 0), (9, 3, 0)]);
    let mut again = rows(&client.call(&request((id, 1), vec![]), 12));
    again.sort_unstable();
    assert_eq!(again, [(0, 1, 0), (9, 3, 0)]);
    let response = client.call(&request((id, 2), vec![of(&topic, &[(0, 0)])]), 12);
    assert_eq!(rows(&response).iter().find(|row| row.0 == 0), Some(&(0, 0, 0)), "the error is over");
}

#[test]
fn a_new_log_start_or_high_watermark_alone_is_a_change() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("marks", 1);
    client.append(&topic.name, 0, &Records::of(["a"]));
    let id = open(&mut client, &topic, &[(0, 1)]);
    client.append(&topic.name, 0, &Records::of(["b"]));
    // Seen from offset 2 there is nothing new to read, but the high watermark has moved.
    let response = client.call(&request((id, 1), vec![of(&topic, &[(0, 2)])]), 12);
    assert_eq!(rows(&response), [(0, 0, 0)]);
    assert_eq!(response.responses[0].partitions[0].high_watermark, 2);
    assert_eq!(rows(&client.call(&request((id, 2), vec![]), 12)), []);
}

#[test]
fn partitions_take_turns_in_being_first() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("fair", 3);
    for partition in 0..3 {
        client.append(&topic.name, partition, &Records::of_size(10_000));
    }
    let opening = request((0, 0), vec![of(&topic, &[(0, 0), (1, 0), (2, 0)])]).with_max_bytes(1);
    let response = client.call(&opening, 12);
    let id = response.session_id;
    let with_data = |response: &FetchResponse| -> Vec<i32> {
        rows(response).into_iter().filter(|row| row.2 > 0).map(|row| row.0).collect()
    };
    let mut served = Vec::new();
    for epoch in 1..4 {
        served.extend(with_data(&client.call(&request((id, epoch), vec![]).with_max_bytes(1), 12)));
    }
    served.sort_unstable();
    assert_eq!(served, [0, 1, 2]);
}

#[test]
fn sessions_are_limited_and_those_beyond_are_answered_without_one() {
    let Some(broker) = Broker::start(&["max.incremental.fetch.session.cache.slots=2"]) else { return };
    let mut client = broker.connect();
    let topic = client.create("slots", 1);
    let mut ids = Vec::new();
    for _ in 0..5 {
        let response = client.call(&request((0, 0), vec![of(&topic, &[(0, 0)])]), 12);
        assert_eq!((response.error_code, response.responses.len()), (0, 1));
        ids.push(response.session_id);
    }
    assert!(ids.iter().filter(|id| **id != 0).count() <= 2, "{ids:?}");
}
