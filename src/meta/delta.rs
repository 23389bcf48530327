//! Replays metadata records on top of an image, and notes what they touched (`MetadataDelta`).

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::configs::{Resource, ResourceKind};
use super::topics::TopicChanges;
use super::{Image, Provenance};
use crate::base::id::TopicId;
use crate::wire::kraft::{BrokerRegistrationChangeRecord, Record};

/// Why a record of a metadata log cannot be replayed: the log is broken, or from a newer Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A record that this broker does not know; replaying the rest without it would diverge from the cluster.
    #[error("metadata record of type {key}, version {version} is not known to this broker")]
    Unknown {
        /// Its type.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// A topic is made twice.
    #[error("topic {name} with id {id} already exists")]
    DuplicateTopic {
        /// Its name.
        name: Arc<str>,
        /// Its id.
        id: TopicId,
    },
    /// No topic has the id.
    #[error("there is no topic with id {0}")]
    NoSuchTopic(TopicId),
    /// No topic has the name.
    #[error("there is no topic {0}")]
    NoSuchTopicName(Arc<str>),
    /// The topic has no such partition.
    #[error("topic {topic_id} has no partition {partition}")]
    NoSuchPartition {
        /// The topic.
        topic_id: TopicId,
        /// The index.
        partition: i32,
    },
    /// A partition's fields contradict each other.
    #[error("partition {partition} of topic {topic_id}: {what}")]
    BadPartition {
        /// The topic.
        topic_id: TopicId,
        /// The index.
        partition: i32,
        /// What is wrong.
        what: &'static str,
    },
    /// No broker is registered with the id and epoch.
    #[error("there is no broker {id} with epoch {epoch}")]
    NoSuchBroker {
        /// The id.
        id: i32,
        /// The epoch.
        epoch: i64,
    },
    /// A registration change holds a value that is not known.
    #[error("registration change of broker {broker} has an unknown value")]
    BadRegistrationChange {
        /// The broker.
        broker: i32,
    },
    /// No controller is registered with the id.
    #[error("there is no controller {0}")]
    NoSuchController(i32),
    /// A configuration is for something that is not known.
    #[error("there is no resource type {0}")]
    BadResourceType(i8),
    /// No ACL has the id.
    #[error("there is no acl {0}")]
    NoSuchAcl(Uuid),
    /// The next producer id goes back.
    #[error("next producer id {next} is not above {current}")]
    ProducerIdsGoBack {
        /// The record's.
        next: i64,
        /// The one before.
        current: i64,
    },
    /// A metadata transaction begins inside another, or ends outside of one.
    #[error("a metadata transaction begins or ends out of turn")]
    Transaction,
}

/// What a delta touched. Whoever follows the image looks the rest up in it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Changes {
    /// Topics and partitions.
    pub topics: TopicChanges,
    /// Brokers whose registration is new, changed or gone.
    pub brokers: BTreeSet<i32>,
    /// Controllers whose registration is new, changed or gone.
    pub controllers: BTreeSet<i32>,
    /// Resources whose configuration changed.
    pub configs: BTreeSet<Resource>,
    /// Whether a feature level changed.
    pub features: bool,
    /// Whether a block of producer ids was taken.
    pub producer_ids: bool,
    /// Whether a quota changed.
    pub quotas: bool,
    /// Whether a credential, ACL or token changed.
    pub security: bool,
}

impl Changes {
    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An image in the making.
#[derive(Clone, Debug)]
pub struct Delta {
    image: Image,
    changes: Changes,
}

impl Delta {
    /// Nothing on top of `image`.
    pub fn new(image: Image) -> Self {
        Self { image, changes: Changes::default() }
    }

    /// The image with every record replayed so far.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// What the records since the last call touched.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Notes up to where the records went.
    pub fn set_provenance(&mut self, provenance: Provenance) {
        self.image.provenance = provenance;
    }

    /// The image, and what differs from the one that the delta began with.
    pub fn finish(self, provenance: Provenance) -> (Image, Changes) {
        (Image { provenance, ..self.image }, self.changes)
    }

    /// Replays one record. Transactions are not looked at here (see [`super::transaction`]).
    pub fn replay(&mut self, record: &Record) -> Result<(), ReplayError> {
        match record {
            Record::Topic(_)
            | Record::Partition(_)
            | Record::PartitionChange(_)
            | Record::RemoveTopic(_)
            | Record::ClearElr(_) => self.replay_topic(record),
            Record::RegisterBroker(_)
            | Record::UnregisterBroker(_)
            | Record::BrokerRegistrationChange(_)
            | Record::FenceBroker(_)
            | Record::UnfenceBroker(_)
            | Record::RegisterController(_)
            | Record::UnregisterController(_) => self.replay_node(record),
            Record::AccessControlEntry(_)
            | Record::RemoveAccessControlEntry(_)
            | Record::UserScramCredential(_)
            | Record::RemoveUserScramCredential(_)
            | Record::DelegationToken(_)
            | Record::RemoveDelegationToken(_) => self.replay_security(record),
            Record::Config(config) => {
                let resource = self.image.configs.set(config)?;
                self.changes.configs.insert(resource);
                Ok(())
            }
            Record::FeatureLevel(feature) => {
                Arc::make_mut(&mut self.image.features).set(feature);
                self.changes.features = true;
                Ok(())
            }
            Record::ClientQuota(quota) => {
                Arc::make_mut(&mut self.image.quotas).set(quota);
                self.changes.quotas = true;
                Ok(())
            }
            Record::ProducerIds(ids) => self.replay_producer_ids(ids.next_producer_id),
            Record::NoOp(_)
            | Record::ZkMigrationState(_)
            | Record::BeginTransaction(_)
            | Record::EndTransaction(_)
            | Record::AbortTransaction(_) => Ok(()),
            Record::Unknown(record) => Err(ReplayError::Unknown { key: record.key, version: record.version }),
        }
    }

    fn replay_topic(&mut self, record: &Record) -> Result<(), ReplayError> {
        let (topics, changes) = (&mut self.image.topics, &mut self.changes);
        #[expect(clippy::wildcard_enum_match_arm, reason = "called for these records alone")]
        match record {
            Record::Topic(topic) => {
                topics.add(topic)?;
                changes.topics.partitions.entry(TopicId(topic.topic_id)).or_default();
            }
            Record::Partition(partition) => {
                topics.set_partition(partition)?;
                changes.topics.touch(TopicId(partition.topic_id), partition.partition_id);
            }
            Record::PartitionChange(change) => {
                topics.change_partition(change)?;
                changes.topics.touch(TopicId(change.topic_id), change.partition_id);
            }
            Record::RemoveTopic(removed) => {
                let topic = topics.remove(TopicId(removed.topic_id))?;
                if self.image.configs.remove_topic(&topic.name) {
                    let resource = Resource::new(ResourceKind::Topic, Arc::clone(&topic.name));
                    changes.configs.insert(resource);
                }
                changes.topics.delete(topic);
            }
            Record::ClearElr(clear) => {
                for (id, partition) in topics.clear_elr(&clear.topic_name)? {
                    changes.topics.touch(id, partition);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn replay_node(&mut self, record: &Record) -> Result<(), ReplayError> {
        let (cluster, changes) = (Arc::make_mut(&mut self.image.cluster), &mut self.changes);
        let fencing = |broker_id, broker_epoch, fenced| BrokerRegistrationChangeRecord {
            broker_id,
            broker_epoch,
            fenced,
            ..BrokerRegistrationChangeRecord::default()
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "called for these records alone")]
        match record {
            Record::RegisterBroker(registration) => {
                cluster.register_broker(registration);
                changes.brokers.insert(registration.broker_id);
            }
            Record::UnregisterBroker(removed) => {
                cluster.unregister_broker(removed)?;
                changes.brokers.insert(removed.broker_id);
            }
            Record::BrokerRegistrationChange(change) => {
                cluster.change_broker(change)?;
                changes.brokers.insert(change.broker_id);
            }
            Record::FenceBroker(fence) => {
                cluster.change_broker(&fencing(fence.id, fence.epoch, 1))?;
                changes.brokers.insert(fence.id);
            }
            Record::UnfenceBroker(unfence) => {
                cluster.change_broker(&fencing(unfence.id, unfence.epoch, -1))?;
                changes.brokers.insert(unfence.id);
            }
            Record::RegisterController(registration) => {
                cluster.register_controller(registration);
                changes.controllers.insert(registration.controller_id);
            }
            Record::UnregisterController(removed) => {
                cluster.unregister_controller(removed.controller_id)?;
                changes.controllers.insert(removed.controller_id);
            }
            _ => {}
        }
        Ok(())
    }

    fn replay_security(&mut self, record: &Record) -> Result<(), ReplayError> {
        let security = Arc::make_mut(&mut self.image.security);
        self.changes.security = true;
        #[expect(clippy::wildcard_enum_match_arm, reason = "called for these records alone")]
        match record {
            Record::AccessControlEntry(acl) => security.set_acl(acl),
            Record::RemoveAccessControlEntry(removed) => security.remove_acl(removed.id)?,
            Record::UserScramCredential(credential) => security.set_scram(credential),
            Record::RemoveUserScramCredential(removed) => security.remove_scram(removed),
            Record::DelegationToken(token) => security.set_token(token),
            Record::RemoveDelegationToken(removed) => security.remove_token(&removed.token_id),
            _ => {}
        }
        Ok(())
    }

    fn replay_producer_ids(&mut self, next: i64) -> Result<(), ReplayError> {
        match self.image.next_producer_id {
            Some(current) if next <= current => Err(ReplayError::ProducerIdsGoBack { next, current }),
            _ => {
                self.image.next_producer_id = Some(next);
                self.changes.producer_ids = true;
                Ok(())
            }
        }
    }
}
