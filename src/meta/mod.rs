//! Layer 3: what the cluster looks like, as every node sees it.
//!
//! An [`Image`] is immutable once shared and cheap to clone; a [`Delta`] replays metadata records on top of one and
//! notes what they touched. One file per concern. Nothing here decides anything: only the active controller does,
//! and it knows these types, not the other way round.

pub mod cluster;
pub mod configs;
pub mod delta;
pub mod directory;
pub mod features;
pub mod map;
pub mod quotas;
pub mod security;
pub mod topics;
pub mod transaction;

use std::sync::Arc;

pub use self::cluster::{Broker, Cluster, Endpoint};
pub use self::configs::{Configs, Resource, ResourceKind};
pub use self::delta::{Changes, Delta, ReplayError};
pub use self::features::Features;
pub use self::topics::{LeaderRecoveryState, Partition, Topic, Topics};
use crate::wire::kraft::{ProducerIdsRecord, Record};

/// Node id in place of a leader when a partition has none (`LeaderConstants.NO_LEADER`).
pub const NO_LEADER: i32 = -1;

/// Up to where in the metadata log an image goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Provenance {
    /// Offset of the last record in it, -1 if none is.
    pub offset: i64,
    /// Leader epoch of that record, -1 if there is none.
    pub epoch: i32,
    /// When that record was appended, in ms since 1970, -1 if unknown.
    pub timestamp_ms: i64,
}

impl Provenance {
    /// Of an image without any record.
    pub const NONE: Self = Self { offset: -1, epoch: -1, timestamp_ms: -1 };
}

/// The cluster after one record of the metadata log (`MetadataImage`).
#[derive(Clone, PartialEq, Debug)]
pub struct Image {
    /// What it was built from.
    pub provenance: Provenance,
    /// Finalized feature levels.
    pub features: Arc<Features>,
    /// Brokers and controllers.
    pub cluster: Arc<Cluster>,
    /// Topics and partitions.
    pub topics: Topics,
    /// Dynamic configuration.
    pub configs: Configs,
    /// Client quotas.
    pub quotas: Arc<quotas::Quotas>,
    /// The first producer id that no block holds; none before the first block.
    pub next_producer_id: Option<i64>,
    /// Credentials, ACLs and tokens.
    pub security: Arc<security::Security>,
}

impl Image {
    /// The image before the first record.
    pub fn empty() -> Self {
        Self {
            provenance: Provenance::NONE,
            features: Arc::default(),
            cluster: Arc::default(),
            topics: Topics::default(),
            configs: Configs::default(),
            quotas: Arc::default(),
            next_producer_id: None,
            security: Arc::default(),
        }
    }

    /// The records that make this image out of an empty one, in Kafka's order: features first, since they may say
    /// how to read the rest.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        self.features.write(&mut records);
        self.cluster.write(&mut records);
        self.topics.write(&mut records);
        self.configs.write(&mut records);
        self.quotas.write(&mut records);
        if let Some(next_producer_id) = self.next_producer_id {
            records.push(ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id }.into());
        }
        self.security.write(&mut records);
        records
    }
}

#[cfg(test)]
mod tests;
