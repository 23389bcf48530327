//! DescribeProducers: who has written to a partition, and since when a transaction is open there.

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::PartitionResponse;
use kafka_protocol::messages::{DescribeProducersRequest, InitProducerIdRequest, TopicName};

use super::support::{Broker, Client, Records, now_ms, text, unique};

fn describe(client: &mut Client, topic: &TopicName, partition: i32) -> PartitionResponse {
    let topic = TopicRequest::default().with_name(topic.clone()).with_partition_indexes(vec![partition]);
    let answer = client.call(&DescribeProducersRequest::default().with_topics(vec![topic]), 0);
    answer.topics.into_iter().next().unwrap().partitions.remove(0)
}

#[test]
fn an_idempotent_producer_is_shown_where_it_has_written() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("idempotent", 2);
    let id = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).producer_id;
    let before = now_ms();
    client.append(&topic.name, 0, &Records::of(["a", "b"]).producer(id.0, 0, 0));
    let shown = describe(&mut client, &topic.name, 0);
    assert_eq!((shown.error_code, shown.active_producers.len()), (0, 1));
    let producer = &shown.active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (id, 0, 1));
    assert!(producer.last_timestamp >= before, "{producer:?}");
    assert_eq!((producer.coordinator_epoch, producer.current_txn_start_offset), (-1, -1));
    assert_eq!(describe(&mut client, &topic.name, 1).active_producers, []);
}

#[test]
fn an_open_transaction_is_shown_from_its_first_offset_to_its_marker() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("open", 1);
    let txn = client.init(&unique("t"));
    client.append(&topic.name, 0, &Records::of(["before"]));
    client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["a"]));
    client.append_in(&txn, &topic.name, 0, &txn.batch(1, &["b"]));
    let open = describe(&mut client, &topic.name, 0).active_producers.remove(0);
    assert_eq!((open.producer_id, open.producer_epoch), (txn.producer, i32::from(txn.epoch)));
    assert_eq!((open.current_txn_start_offset, open.last_sequence, open.coordinator_epoch), (1, 1, -1));

    client.finish(&txn, true);
    client.await_stable(&topic.name, 0);
    let ended = describe(&mut client, &topic.name, 0).active_producers.remove(0);
    assert_eq!(ended.producer_epoch, i32::from(txn.epoch) + 1, "the marker's epoch is newer");
    assert_eq!((ended.current_txn_start_offset, ended.last_sequence), (-1, -1));
    assert!(ended.coordinator_epoch >= 0, "{ended:?}");
}

#[test]
fn what_does_not_exist_has_an_error() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("exists", 1);
    let missing = unique("no-such-topic");
    for (name, partition, code, has_words) in [
        (topic.name(), 1, 3, false),
        (topic.name(), -1, 3, false),
        (&missing, 0, 3, true),
        ("a/b", 0, 17, true),
    ] {
        let shown = describe(&mut client, &TopicName(text(name)), partition);
        assert_eq!((shown.error_code, shown.partition_index), (code, partition), "{name} {partition}");
        assert_eq!(shown.error_message.is_some(), has_words, "{shown:?}");
        assert_eq!(shown.active_producers, []);
    }
}
