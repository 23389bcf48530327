//! What the tests share: processes, connections, and short forms of the common calls.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;

mod apache_kafka;
mod batch;
mod calls;
mod client;
pub mod groups;
mod process;
pub mod raw;
pub mod transactions;
mod wait;

pub use batch::{Records, header_of, headers_in, now_ms, seal, values_in};
pub use calls::{Created, fetch_partition, fetch_request, produce_request, text};
pub use client::{Client, frame};
pub use process::{Broker, Ended, Invocation, PATIENCE, tests_kafka};
pub use wait::{eventually, has_come};

/// A topic name that no other test uses, nor an earlier run against the same broker.
pub fn unique(name: &str) -> String {
    format!("{name}-{:016x}", random())
}

/// An id that nothing has.
pub fn stranger() -> uuid::Uuid {
    uuid::Uuid::from_u64_pair(random(), random())
}

/// A port below the range of outgoing connections: one of those could have it by the time that it is listened on, and a
/// client that connects while nobody listens could be given it as its own, and meet itself.
pub fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| 10_000 + u16::try_from(random() % 20_000).unwrap());
    { ports }.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
