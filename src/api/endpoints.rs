//! Where clients reach the brokers: each broker's address on the listener that the client came in on.

use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;

use super::error::Code;
use crate::meta::Image;
use crate::meta::cluster::Broker;
use crate::meta::topics::Partition;

/// A broker as a client is told of it.
pub(super) struct Reachable {
    pub(super) id: BrokerId,
    pub(super) host: StrBytes,
    pub(super) port: i32,
    pub(super) rack: Option<StrBytes>,
}

/// `broker` on `listener`, if it has that listener.
pub(super) fn of(broker: &Broker, listener: &str) -> Option<Reachable> {
    let endpoint = broker.endpoint(listener)?;
    Some(Reachable {
        id: BrokerId(broker.id),
        host: StrBytes::from_string(endpoint.host.to_string()),
        port: i32::from(endpoint.port),
        rack: broker.rack.as_ref().map(|rack| StrBytes::from_string(rack.to_string())),
    })
}

/// Every broker that serves clients on `listener`, by id.
pub(super) fn of_all<T>(image: &Image, listener: &str, make: impl FnMut(Reachable) -> T) -> Vec<T> {
    let active = image.cluster.brokers.values().filter(|b| b.is_active());
    active.filter_map(|broker| of(broker, listener)).map(make).collect()
}

/// Why clients of `listener` cannot reach the leader of `partition`, if they cannot.
pub(super) fn leader_error(image: &Image, listener: &str, partition: &Partition) -> Option<Code> {
    match image.cluster.broker(partition.leader).filter(|b| b.is_active()) {
        None => Some(Code::LeaderNotAvailable),
        Some(broker) if broker.endpoint(listener).is_none() => Some(Code::ListenerNotFound),
        Some(_) => None,
    }
}

/// The replicas of `partition` whose brokers, or log directories there, do not serve.
pub(super) fn offline_replicas(image: &Image, partition: &Partition) -> Vec<BrokerId> {
    let serves = |id: i32| {
        let broker = image.cluster.broker(id).filter(|broker| broker.is_active());
        let directory = partition.directory_of(id);
        broker.is_some_and(|broker| directory.is_none_or(|directory| broker.has_online(directory)))
    };
    let offline = partition.replicas.iter().filter(|id| !serves(**id));
    offline.map(|id| BrokerId(*id)).collect()
}
