//! UnregisterBroker: a broker is forgotten.

use kafka_protocol::messages::{BrokerId, UnregisterBrokerRequest};

use super::support::{Broker, Records, eventually, has_come};

#[test]
fn a_broker_that_nobody_knows_cannot_be_forgotten() {
    let broker = Broker::shared();
    let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(4711));
    let answer = broker.connect().call(&request, 0);
    let message = Some("Broker ID 4711 is not currently registered");
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (102, message));
}

#[test]
fn a_broker_that_runs_comes_back_with_its_next_start() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("kept", 1);
    client.append(&topic.name, 0, &Records::of(["before"]));
    let node = client.metadata(Some(&[])).brokers[0].node_id;
    let answer = client.call(&UnregisterBrokerRequest::default().with_broker_id(node), 0);
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (0, Some("")));
    has_come("the broker is forgotten", || client.metadata(Some(&[])).brokers.is_empty());
    // Killed: Apache Kafka cannot say goodbye to a controller that has forgotten it.
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    eventually("the partition is led", || {
        (client.list_offset(&topic.name, 0, -1).error_code == 0).then_some(())
    });
    assert_eq!(client.append(&topic.name, 0, &Records::of(["after"])), 1);
}
