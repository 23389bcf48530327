//! What the handlers of the group APIs share.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{self, Code};
use crate::coordinator::Unavailable;
use crate::group::{Ask, Client};
use crate::meta::Image;
use crate::meta::features::GROUP_VERSION;

/// The code of a coordinator that does not answer.
pub(super) fn code(unavailable: Unavailable) -> Code {
    match unavailable {
        Unavailable::NotCoordinator => Code::NotCoordinator,
        Unavailable::LoadInProgress => Code::CoordinatorLoadInProgress,
        Unavailable::NotAvailable => Code::CoordinatorNotAvailable,
        Unavailable::Refused(why) => error::producer_code(&why),
    }
}

/// What is kept of a client's id: a member's id is made of it with a uuid behind, and records have no longer strings
/// than 32,767 bytes. Bytes that are no text become longer when they are shown as text.
const CLIENT_ID_BYTES_MAX: usize = 32_000;

/// `body`, asked by whoever sent `request`.
pub(super) fn ask_with<T, U>(context: &Context, request: &Request<T>, body: U) -> Ask<U> {
    let id = String::from_utf8_lossy(request.header.client_id.as_deref().unwrap_or_default());
    let id = &id[..id.floor_char_boundary(CLIENT_ID_BYTES_MAX)];
    let client = Client { id: id.into(), host: host_text(request.peer.address).into() };
    Ask { body, version: request.version(), client, fresh_id: context.random.uuid() }
}

/// The request as it is.
pub(super) fn ask<T: Clone>(context: &Context, request: &Request<T>) -> Ask<T> {
    ask_with(context, request, request.body.clone())
}

/// Where a client is, as Kafka shows it (`InetAddress.toString` of an address without a name).
fn host_text(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("/{ip}"),
        IpAddr::V6(ip) => {
            let groups = ip.segments().map(|group| format!("{group:x}"));
            format!("/{}", groups.join(":"))
        }
    }
}

/// Whether the protocol of KIP-848 is served (`KafkaApis.isConsumerGroupProtocolEnabled`).
pub(super) fn is_consumer_protocol_enabled(context: &Context, image: &Image) -> bool {
    let protocols = context.config.values.list("group.coordinator.rebalance.protocols");
    let is_listed = protocols.iter().any(|protocol| protocol.trim().eq_ignore_ascii_case("consumer"));
    is_listed && image.features.level(GROUP_VERSION) >= 1
}

/// Group ids by the partition that coordinates them, in the order in which they were first named.
pub(super) fn by_partition(context: &Context, ids: &[StrBytes]) -> Vec<(i32, Vec<Arc<str>>)> {
    let mut partitions: Vec<(i32, Vec<Arc<str>>)> = Vec::new();
    // Each once: an answer is larger than an id by far.
    let mut seen = HashSet::new();
    for id in ids.iter().filter(|id| seen.insert(*id)) {
        let partition = context.groups.partition_of(id);
        let id: Arc<str> = id.as_str().into();
        match partitions.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, ids)) => ids.push(id),
            None => partitions.push((partition, vec![id])),
        }
    }
    partitions
}

/// A group's id as a response names it.
pub(super) fn group_id(id: &str) -> GroupId {
    GroupId(StrBytes::from_string(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_shown_as_java_shows_it() {
        for (address, text) in [
            ("127.0.0.1:5", "/127.0.0.1"),
            ("[::1]:5", "/0:0:0:0:0:0:0:1"),
            ("[::ffff:10.0.0.7]:5", "/10.0.0.7"),
            ("[fe80::ab:1]:5", "/fe80:0:0:0:0:0:ab:1"),
        ] {
            assert_eq!(host_text(address.parse().unwrap()), text);
        }
    }
}
