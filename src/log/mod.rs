//! Layer 5: one partition's log on disk, in Apache Kafka's format, byte for byte.
//!
//! Synchronous, over [`disk::Disk`]; knows batches, not who owns a topic.

pub mod checkpoint;
pub mod committer;
pub mod directory;
pub mod disk;
pub mod epochs;
pub mod meta_properties;
pub mod producers;
pub mod txn_index;
