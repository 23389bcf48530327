//! What connections may cost: how many, how long idle, and what is left when they are gone.

use std::io::{Read, Write};

use super::support::{Broker, Client, Records, fetch_request, frame, has_come};

/// Whether the broker answers on this connection.
pub fn is_served(client: &mut Client) -> bool {
    let request = kafka_protocol::messages::ApiVersionsRequest::default();
    client.stream.write_all(&frame(&request, 0, 1)).is_ok() && client.read_frame().is_some()
}

#[test]
fn an_address_may_have_only_so_many_connections() {
    let Some(broker) = Broker::start(&["max.connections.per.ip=3"]) else { return };
    // Those that the start of the broker took may not be gone yet.
    let mut clients = Vec::new();
    has_come("three are served", || {
        clients.clear();
        clients.extend((0..3).map(|_| broker.connect()));
        clients.iter_mut().all(is_served)
    });
    assert!(!is_served(&mut broker.connect()), "the fourth");
    assert!(clients.iter_mut().all(is_served), "the others stay");
    clients.pop();
    has_come("there is room again", || is_served(&mut broker.connect()));
}

#[test]
fn an_idle_connection_is_closed() {
    let Some(broker) = Broker::start(&["connections.max.idle.ms=1000"]) else { return };
    let mut idle = broker.connect();
    assert!(is_served(&mut idle));
    assert_eq!(idle.stream.read(&mut [0; 1]).unwrap_or(0), 0, "closed");
    assert!(is_served(&mut broker.connect()));
}

#[test]
fn memory_is_given_back_when_connections_go() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let topic = broker.connect().create("storm", 1);
    broker.connect().append(&topic.name, 0, &Records::of_size(900_000));
    let mut clients: Vec<Client> = (0..200).map(|_| broker.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send(&fetch_request(&topic.name, 0, 0), 12);
        }
        for client in &mut clients {
            assert!(client.read_frame().unwrap().len() > 900_000);
        }
    }
    drop(clients);
    has_come("less than 100 MB resident", || broker.resident_bytes().unwrap() < 100 << 20);
}

#[test]
fn many_partitions_in_one_fetch_are_answered_within_the_limits() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("amplified", 20);
    for partition in 0..20 {
        client.append(&topic.name, partition, &Records::of_size(500_000));
    }
    let mut request = fetch_request(&topic.name, 0, 0).with_max_bytes(i32::MAX);
    let partitions = &mut request.topics[0].partitions;
    partitions.clear();
    partitions.extend((0..20).map(|partition| super::support::fetch_partition(partition, 0)));
    for partition in partitions {
        partition.partition_max_bytes = i32::MAX;
    }
    client.send(&request, 12);
    let length = client.read_frame().unwrap().len();
    // fetch.max.bytes of the broker is 55 MiB.
    assert!((10_000_000..57_671_680 + 1_000_000).contains(&length), "{length}");
}

#[test]
fn hundreds_of_idle_connections_are_cheap() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut first = broker.connect();
    assert!(is_served(&mut first));
    let before = broker.resident_bytes().unwrap();
    let mut clients: Vec<Client> = (0..800).map(|_| broker.connect()).collect();
    assert!(clients.iter_mut().all(is_served));
    let each = broker.resident_bytes().unwrap().saturating_sub(before) / 800;
    assert!(each < 40_000, "{each} bytes each");
}
