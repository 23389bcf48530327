//! Requests about who has and who leads partitions that exist.

use std::sync::Arc;

use crate::base::id::TopicId;
use crate::controller::Error;
use crate::meta::LeaderRecoveryState;

/// A leader proposes new ISRs.
#[derive(Clone, Debug)]
pub struct AlterPartition {
    /// The leader.
    pub broker_id: i32,
    /// From its registration.
    pub broker_epoch: i64,
    /// The partitions; answered in this order.
    pub partitions: Vec<ProposedIsr>,
}

/// A new ISR for one partition.
#[derive(Clone, Debug)]
pub struct ProposedIsr {
    /// The topic.
    pub topic_id: TopicId,
    /// The index.
    pub partition: i32,
    /// What the leader believes.
    pub leader_epoch: i32,
    /// What the leader believes.
    pub partition_epoch: i32,
    /// Node ids and broker epochs; an epoch of -1 is not checked.
    pub isr: Vec<(i32, i64)>,
    /// Whether the leader still recovers.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// A partition after its ISR was changed, or as it was already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlteredPartition {
    /// The topic.
    pub topic_id: TopicId,
    /// The index.
    pub partition: i32,
    /// Who leads.
    pub leader: i32,
    /// In which epoch.
    pub leader_epoch: i32,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// Whether the leader still recovers.
    pub leader_recovery_state: LeaderRecoveryState,
    /// The epoch to propose the next change with.
    pub partition_epoch: i32,
}

/// Elections that somebody asks for.
#[derive(Clone, Debug)]
pub struct ElectLeaders {
    /// Whether records may be lost; else the preferred leader is elected.
    pub unclean: bool,
    /// Topics and indexes; none for all partitions that need one.
    pub partitions: Option<Vec<(Arc<str>, i32)>>,
}

/// What became of one election.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElectedLeader {
    /// The topic.
    pub topic: Arc<str>,
    /// The index.
    pub partition: i32,
    /// Why nobody was elected.
    pub result: Result<(), Error>,
}

/// Partitions that are to be moved to other replicas, or no longer (KIP-455).
#[derive(Clone, Debug)]
pub struct AlterPartitionReassignments {
    /// The partitions; answered in this order.
    pub partitions: Vec<Reassignment>,
    /// Whether a partition may get another number of replicas (KIP-860).
    pub allow_replication_factor_change: bool,
}

/// Where one partition is to be.
#[derive(Clone, Debug)]
pub struct Reassignment {
    /// The topic.
    pub topic: Arc<str>,
    /// The index.
    pub partition: i32,
    /// Its replicas, preferred leader first; none to stop moving it.
    pub replicas: Option<Vec<i32>>,
}
