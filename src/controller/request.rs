//! What the controller is asked, and what it answers.

mod partitions;
mod security;

use std::sync::Arc;

use uuid::Uuid;

pub use self::partitions::*;
pub use self::security::*;
use super::Controller;
use super::error::Error;
use crate::base::id::{DirectoryId, TopicId};
use crate::machine::Moment;
use crate::meta::cluster::FeatureRanges;
use crate::meta::{Endpoint, Resource};
use crate::wire::kraft::Record;

/// An answer for each topic, or a refusal of the whole request.
pub type ByTopic<T> = Result<Vec<(Arc<str>, Result<T, Error>)>, Error>;
/// An answer for each resource, or a refusal of the whole request.
pub type ByResource = Result<Vec<(Resource, Result<(), Error>)>, Error>;
/// A key, and its value if it has one.
pub type ConfigEntry = (Arc<str>, Option<Arc<str>>);

macro_rules! decisions {
    ($($name:ident -> $answer:ty: $decide:expr,)*) => {
        crate::machine::requests! { $($name($name) -> $answer,)* }

        impl Controller {
            pub(super) fn decide(&mut self, at: Moment, input: Input) -> (Vec<Record>, Reply) {
                match input {
                    $(Input::$name(request) => {
                        let decide: fn(&mut Self, Moment, $name) -> (Vec<Record>, $answer) = $decide;
                        let (records, answer) = decide(self, at, request);
                        (records, Reply::$name(answer))
                    })*
                }
            }
        }
    };
}

decisions! {
    Activate -> (): |c, at, r| c.activate(at, &r),
    RegisterBroker -> Result<i64, Error>: |c, at, r| c.register_broker(at, &r),
    BrokerHeartbeat -> Result<HeartbeatAnswer, Error>: |c, at, r| c.heartbeat(at, &r),
    UnregisterBroker -> Result<(), Error>: |c, _, r| c.unregister_broker(&r),
    RegisterController -> (): |c, _, r| c.register_controller(&r),
    CreateTopics -> ByTopic<CreatedTopic>:
        |c, _, r| c.create_topics(&r),
    CreatePartitions -> ByTopic<()>: |c, _, r| c.create_partitions(&r),
    DeleteTopics -> Result<Vec<DeletedTopic>, Error>: |c, _, r| c.delete_topics(&r),
    RestoreTopic -> Result<CreatedTopic, Error>: |c, _, r| c.restore_topic(&r),
    IncrementalAlterConfigs -> ByResource:
        |c, _, r| c.incremental_alter_configs(&r),
    AlterConfigs -> ByResource: |c, _, r| c.alter_configs(&r),
    AllocateProducerIds -> Result<ProducerIdBlock, Error>: |c, _, r| c.allocate_producer_ids(&r),
    AlterPartition -> Result<Vec<Result<AlteredPartition, Error>>, Error>: |c, _, r| c.alter_partition(&r),
    ElectLeaders -> Result<Vec<ElectedLeader>, Error>: |c, _, r| c.elect_leaders(&r),
    AlterPartitionReassignments -> Result<Vec<Result<(), Error>>, Error>: |c, _, r| c.alter_reassignments(&r),
    UpdateFeatures -> Result<(), Error>: |c, _, r| c.update_features(&r),
    AlterClientQuotas -> Result<ByEntity, Error>: |c, _, r| c.alter_client_quotas(&r),
    AlterUserScramCredentials -> Result<ByUser, Error>: |c, _, r| c.alter_scram_credentials(&r),
    AssignReplicas -> Result<(), Error>: |c, _, r| c.assign_replicas(&r),
}

/// The controller begins to lead, and is asked nothing else before.
#[derive(Clone, Debug)]
pub struct Activate {
    /// The first records of the log, if it holds none: feature levels, and what the formatting tool added.
    pub bootstrap: Vec<Record>,
}

/// A broker process announces itself; answered with its broker epoch. It starts fenced.
#[derive(Clone, Debug)]
pub struct RegisterBroker {
    /// `node.id`.
    pub broker_id: i32,
    /// The cluster that it believes to belong to.
    pub cluster_id: Arc<str>,
    /// New for every start of the process.
    pub incarnation_id: Uuid,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// What it can run with.
    pub features: FeatureRanges,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// Its log directories that are online.
    pub log_dirs: Vec<DirectoryId>,
    /// The broker epoch in its clean shutdown marker, -1 if it has none.
    pub previous_broker_epoch: i64,
}

/// A broker shows that it lives, and what it wants.
#[derive(Clone, Debug)]
pub struct BrokerHeartbeat {
    /// `node.id`.
    pub broker_id: i32,
    /// From its registration.
    pub broker_epoch: i64,
    /// The last offset of the metadata log that it has applied.
    pub current_metadata_offset: i64,
    /// Whether it wants to be fenced.
    pub want_fence: bool,
    /// Whether it wants to shut down.
    pub want_shut_down: bool,
    /// Log directories that failed.
    pub offline_log_dirs: Vec<DirectoryId>,
    /// Log directories that take no new replicas; none if it does not know yet.
    pub cordoned_log_dirs: Option<Vec<DirectoryId>>,
}

/// What a broker is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeartbeatAnswer {
    /// Whether it has applied its own registration.
    pub is_caught_up: bool,
    /// Whether it is fenced.
    pub is_fenced: bool,
    /// Whether its partitions are being moved away.
    pub in_controlled_shutdown: bool,
    /// Whether it may go.
    pub should_shut_down: bool,
}

/// A broker is forgotten.
#[derive(Clone, Debug)]
pub struct UnregisterBroker {
    /// `node.id`.
    pub broker_id: i32,
}

/// A controller process announces itself.
#[derive(Clone, Debug)]
pub struct RegisterController {
    /// `node.id`.
    pub controller_id: i32,
    /// New for every start of the process.
    pub incarnation_id: Uuid,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// What it can run with.
    pub features: FeatureRanges,
}

/// New topics. Names that are given twice are refused and answered once.
#[derive(Clone, Debug)]
pub struct CreateTopics {
    /// The topics.
    pub topics: Vec<NewTopic>,
    /// Whether to check only.
    pub validate_only: bool,
    /// Any number: spreads replicas.
    pub seed: u64,
}

/// One new topic.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, fresh.
    pub id: TopicId,
    /// How many partitions, -1 for the default.
    pub partitions: i32,
    /// How many replicas of each, -1 for the default.
    pub replication_factor: i16,
    /// Partition indexes and replicas; empty to have them placed.
    pub assignments: Vec<(i32, Vec<i32>)>,
    /// Keys and values.
    pub configs: Vec<ConfigEntry>,
}

/// A topic that was made, or could be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of each.
    pub replication_factor: i16,
}

/// More partitions for topics. Names that are given twice are refused and answered once.
#[derive(Clone, Debug)]
pub struct CreatePartitions {
    /// The topics.
    pub topics: Vec<MorePartitions>,
    /// Whether to check only.
    pub validate_only: bool,
    /// Any number: spreads replicas.
    pub seed: u64,
}

/// More partitions for one topic.
#[derive(Clone, Debug)]
pub struct MorePartitions {
    /// The topic.
    pub name: Arc<str>,
    /// How many there are to be.
    pub count: i32,
    /// The replicas of each new one; none to have them placed.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// Names a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TopicRef {
    /// By its name.
    Name(Arc<str>),
    /// By its id.
    Id(TopicId),
}

/// Topics to delete.
#[derive(Clone, Debug)]
pub struct DeleteTopics {
    /// The topics.
    pub topics: Vec<TopicRef>,
}

/// A deleted topic whose replicas are still here comes back.
#[derive(Clone, Debug)]
pub struct RestoreTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: TopicId,
    /// Its configuration.
    pub configs: Vec<(Arc<str>, Arc<str>)>,
    /// Its partitions, from the first one on.
    pub partitions: Vec<DeletedPartition>,
    /// Who has the replicas.
    pub broker_id: i32,
    /// Whether to check only.
    pub validate_only: bool,
}

/// What a partition was when its topic was deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeletedPartition {
    /// The log directory of its replica.
    pub directory: DirectoryId,
    /// Its leader epoch.
    pub leader_epoch: i32,
    /// Its partition epoch.
    pub partition_epoch: i32,
}

/// What became of one topic that was to be deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedTopic {
    /// Its name, if it is known.
    pub name: Option<Arc<str>>,
    /// Its id, zero if it is not known.
    pub id: TopicId,
    /// Why it was not deleted.
    pub result: Result<(), Error>,
}

/// What to do with one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigOp {
    /// Set it.
    Set,
    /// Back to the default.
    Delete,
    /// Add to a list.
    Append,
    /// Take away from a list.
    Subtract,
}

impl ConfigOp {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// One change of one key.
#[derive(Clone, Debug)]
pub struct ConfigChange {
    /// The key.
    pub name: Arc<str>,
    /// What to do.
    pub op: ConfigOp,
    /// The value; none only to delete.
    pub value: Option<Arc<str>>,
}

/// Changes of single keys; each resource succeeds or fails as a whole.
#[derive(Clone, Debug)]
pub struct IncrementalAlterConfigs {
    /// Resources, each once.
    pub resources: Vec<(Resource, Vec<ConfigChange>)>,
    /// Whether to check only.
    pub validate_only: bool,
}

/// Replaces the whole configuration of resources.
#[derive(Clone, Debug)]
pub struct AlterConfigs {
    /// Resources, each once, and what they are to have.
    pub resources: Vec<(Resource, Vec<ConfigEntry>)>,
    /// Whether to check only.
    pub validate_only: bool,
}

/// A broker wants producer ids to give out.
#[derive(Clone, Debug)]
pub struct AllocateProducerIds {
    /// `node.id`.
    pub broker_id: i32,
    /// From its registration.
    pub broker_epoch: i64,
}

/// Producer ids that nobody else gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerIdBlock {
    /// The first one.
    pub first_id: i64,
    /// How many.
    pub len: i64,
}

/// Other levels for features; all of them or none.
#[derive(Clone, Debug)]
pub struct UpdateFeatures {
    /// The features, each once.
    pub updates: Vec<FeatureUpdate>,
    /// Whether to check only.
    pub validate_only: bool,
}

/// Another level for one feature.
#[derive(Clone, Debug)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: Arc<str>,
    /// The level, 0 to switch it off.
    pub level: i16,
    /// Which way it may go; none if the request says something unknown.
    pub upgrade_type: Option<UpgradeType>,
}

/// Which way the level of a feature may go (`FeatureUpdate.UpgradeType`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpgradeType {
    /// Up.
    Upgrade,
    /// Down, if nothing is lost.
    SafeDowngrade,
    /// Down, even if something is lost.
    UnsafeDowngrade,
}

/// A broker tells in which log directories its replicas are.
#[derive(Clone, Debug)]
pub struct AssignReplicas {
    /// `node.id`.
    pub broker_id: i32,
    /// From its registration.
    pub broker_epoch: i64,
    /// The replicas.
    pub assignments: Vec<Assignment>,
}

/// Where one replica is.
#[derive(Clone, Copy, Debug)]
pub struct Assignment {
    /// The directory.
    pub directory: DirectoryId,
    /// The topic.
    pub topic_id: TopicId,
    /// The index.
    pub partition: i32,
}
