//! Layer 4: the rules of Kafka's replication, as pure state.
//!
//! Owns what a leader knows of its in-sync replicas and the high watermark that follows from it (`Partition.scala`).
//! Knows offsets and epochs, not logs, sockets or clocks.

mod leader;

pub use leader::{Acknowledged, LeaderState, NotEnoughReplicas, Replicas};
