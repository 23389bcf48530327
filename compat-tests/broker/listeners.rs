//! Listeners: several, each told of itself, and both address families.

use std::net::TcpListener;

use kafka_protocol::messages::DescribeClusterRequest;

use super::support::{Broker, Client};

/// Host and port of the one broker, as Metadata and DescribeCluster tell.
fn told(client: &mut Client) -> (String, i32) {
    let metadata = client.metadata(Some(&[])).brokers.remove(0);
    let cluster = client.call(&DescribeClusterRequest::default(), 0).brokers.remove(0);
    assert_eq!((&metadata.host, metadata.port), (&cluster.host, cluster.port));
    (metadata.host.to_string(), metadata.port)
}

#[test]
fn a_client_is_told_of_the_listener_that_it_came_in_on() {
    let settings = [
        "listeners=PLAINTEXT://127.0.0.1:0,SECOND://127.0.0.1:0",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT",
        "inter.broker.listener.name=PLAINTEXT",
    ];
    let Some(broker) = Broker::start(&settings) else { return };
    assert_eq!(broker.ports.len(), 2);
    for port in &broker.ports {
        let mut client = Client::connect(("127.0.0.1", *port));
        assert_eq!(told(&mut client), ("127.0.0.1".to_owned(), i32::from(*port)));
    }
}

#[test]
fn what_is_advertised_may_be_another_address() {
    let settings = ["advertised.listeners=PLAINTEXT://broker.example:4711"];
    let Some(broker) = Broker::start(&settings) else { return };
    assert_eq!(told(&mut broker.connect()), ("broker.example".to_owned(), 4711));
}

/// librdkafka may take either for localhost. Java takes the first address of a name only.
#[test]
fn localhost_is_reached_over_both_address_families() {
    let Some(broker) = Broker::barnabas(&["listeners=PLAINTEXT://localhost:0"]) else { return };
    let mut addresses = vec!["127.0.0.1"];
    if TcpListener::bind("[::1]:0").is_ok() {
        addresses.push("::1");
    }
    for address in addresses {
        let mut client = Client::connect((address, broker.port));
        assert_eq!(told(&mut client), ("localhost".to_owned(), i32::from(broker.port)), "{address}");
    }
}

#[test]
fn a_listener_without_a_host_is_on_every_address() {
    let Some(broker) = Broker::barnabas(&["listeners=PLAINTEXT://:0"]) else { return };
    assert_eq!(told(&mut broker.connect()).1, i32::from(broker.port));
    if TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(told(&mut Client::connect(("::1", broker.port))).1, i32::from(broker.port));
    }
}
