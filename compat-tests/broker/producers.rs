//! Idempotent producers: ids, sequences, duplicates and epochs.

use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};

use super::support::{Broker, Client, Records, text};

fn new_producer(client: &mut Client) -> i64 {
    let response = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4);
    assert_eq!((response.error_code, response.producer_epoch), (0, 0));
    response.producer_id.0
}

/// A batch of `count` records.
fn batch(count: usize, id: i64, epoch: i16, sequence: i32) -> Records {
    Records::of((0..count).map(|n| format!("{sequence}+{n}"))).producer(id, epoch, sequence)
}

#[test]
fn every_producer_gets_an_id_of_its_own() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let mut ids = Vec::new();
    for version in (0..=5).cycle().take(30) {
        let response = client.call(&InitProducerIdRequest::default().with_transactional_id(None), version);
        assert_eq!((response.error_code, response.producer_epoch), (0, 0), "version {version}");
        assert!(response.producer_id.0 >= 0);
        ids.push(response.producer_id.0);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 30);
}

#[test]
fn an_empty_transactional_id_is_invalid() {
    let broker = Broker::shared();
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(""))))
        .with_transaction_timeout_ms(1000);
    let response = broker.connect().call(&request, 4);
    assert_eq!((response.error_code, response.producer_id.0, response.producer_epoch), (42, -1, -1));
}

#[test]
fn an_id_is_not_given_twice_across_restarts() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let before = new_producer(&mut broker.connect());
    broker.kill();
    broker.restart();
    let after = new_producer(&mut broker.connect());
    assert!(after > before, "{after} after {before}");
}

#[test]
fn a_batch_that_comes_again_is_answered_with_its_first_offset_and_not_appended() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("duplicates", 1);
    let id = new_producer(&mut client);
    for number in 0..5 {
        assert_eq!(client.append(&topic.name, 0, &batch(2, id, 0, number * 2)), i64::from(number) * 2);
    }
    // The last five are remembered, in any order.
    for number in [4, 0, 2] {
        assert_eq!(client.append(&topic.name, 0, &batch(2, id, 0, number * 2)), i64::from(number) * 2);
    }
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 10);
    client.append(&topic.name, 0, &batch(2, id, 0, 10));
    // The oldest is forgotten now: neither a duplicate nor the next in order.
    let produced = client.produce(&topic.name, 0, batch(2, id, 0, 0).bytes());
    assert_eq!((produced.error_code, produced.base_offset), (45, -1));
}

#[test]
fn a_gap_in_the_sequence_is_out_of_order() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("gaps", 1);
    let id = new_producer(&mut client);
    client.append(&topic.name, 0, &batch(3, id, 0, 0));
    for sequence in [4, 2, 100] {
        let produced = client.produce(&topic.name, 0, batch(1, id, 0, sequence).bytes());
        assert_eq!((produced.error_code, produced.base_offset), (45, -1), "sequence {sequence}");
    }
    // Part of a known batch is no duplicate of it.
    let produced = client.produce(&topic.name, 0, batch(2, id, 0, 0).bytes());
    assert_eq!(produced.error_code, 45);
    assert_eq!(client.append(&topic.name, 0, &batch(1, id, 0, 3)), 3);
}

#[test]
fn a_producer_that_nobody_knows_may_begin_anywhere() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("expired", 1);
    let id = new_producer(&mut client);
    assert_eq!(client.append(&topic.name, 0, &batch(1, id, 0, 17)), 0);
    assert_eq!(client.append(&topic.name, 0, &batch(1, id, 0, 18)), 1);
}

#[test]
fn a_new_epoch_begins_at_0_and_ends_the_old_one() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("epochs", 1);
    let id = new_producer(&mut client);
    client.append(&topic.name, 0, &batch(1, id, 0, 0));
    let produced = client.produce(&topic.name, 0, batch(1, id, 1, 1).bytes());
    assert_eq!((produced.error_code, produced.base_offset), (45, -1));
    assert_eq!(client.append(&topic.name, 0, &batch(1, id, 1, 0)), 1);
    let produced = client.produce(&topic.name, 0, batch(1, id, 0, 1).bytes());
    assert_eq!((produced.error_code, produced.base_offset), (47, -1));
}

#[test]
fn sequences_go_on_at_0_after_the_largest() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("wrap", 1);
    let id = new_producer(&mut client);
    client.append(&topic.name, 0, &batch(1, id, 0, i32::MAX - 3));
    // The last of these is number 0.
    client.append(&topic.name, 0, &batch(4, id, 0, i32::MAX - 2));
    assert_eq!(client.append(&topic.name, 0, &batch(1, id, 0, 1)), 5);
    assert_eq!(client.append(&topic.name, 0, &batch(4, id, 0, i32::MAX - 2)), 1, "still a duplicate");
}

#[test]
fn a_sequence_belongs_to_one_partition() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("partitions", 2);
    let id = new_producer(&mut client);
    for partition in 0..2 {
        assert_eq!(client.append(&topic.name, partition, &batch(2, id, 0, 0)), 0);
        assert_eq!(client.append(&topic.name, partition, &batch(2, id, 0, 2)), 2);
    }
}

#[test]
fn an_id_needs_a_sequence() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("half", 1);
    let id = new_producer(&mut client);
    let produced = client.produce(&topic.name, 0, batch(1, id, 0, -1).bytes());
    assert_eq!((produced.error_code, produced.base_offset), (87, -1));
}

#[test]
fn duplicates_are_known_after_kill_and_after_stop() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("remembered", 1);
    let id = new_producer(&mut client);
    client.append(&topic.name, 0, &batch(2, id, 0, 0));
    client.append(&topic.name, 0, &batch(2, id, 0, 2));
    for clean in [false, true, false] {
        if clean {
            assert_eq!(broker.stop().unwrap_or(143) % 143, 0);
        } else {
            broker.kill();
        }
        broker.restart();
        let mut client = broker.connect();
        assert_eq!(client.append(&topic.name, 0, &batch(2, id, 0, 0)), 0);
        assert_eq!(client.append(&topic.name, 0, &batch(2, id, 0, 2)), 2);
        assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 4);
        let produced = client.produce(&topic.name, 0, batch(1, id, 0, 9).bytes());
        assert_eq!(produced.error_code, 45);
    }
}
