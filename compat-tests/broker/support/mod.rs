//! What the tests share: processes, connections, and short forms of the common calls.

use std::hash::{BuildHasher, Hasher, RandomState};

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

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
