//! Layer 1: ids, the one real clock, the random source, checked byte readers, SCRAM's hashes.
//!
//! Knows nothing of Kafka's protocol, files or sockets.

pub mod clock;
pub mod id;
pub mod java;
pub mod random;
pub mod reader;
pub mod scram;
