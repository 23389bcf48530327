//! Consumer groups: the coordinator assigns the partitions (KIP-848, `ConsumerGroup`).
//!
//! A group's epoch grows whenever its subscriptions or topics change; a target assignment is made for an epoch;
//! each member goes to the target on its own, giving up partitions before others get them. What a group is follows
//! from its records alone, so that replaying them, when loading or right after a decision, gives the same group.

mod assignor;
mod classic_join;
mod classic_members;
mod describe;
mod draft;
mod fence;
mod heartbeat;
mod member;
mod metadata_hash;
mod migration;
mod re2;
mod reconcile;
mod records;
mod regex;
mod regex_refresh;
mod replay;
mod subscription;
mod target;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

pub use self::regex::compiled as compiled_regex;

use self::member::{Member, Partitions};
use self::regex::Resolved;
use self::subscription::SubscriberCount;
use super::{Code, Groups};
use crate::meta::{Image, ResourceKind};
use crate::wire::group_records::Record;

/// Epoch of a group without a past, and of its target.
const FIRST_EPOCH: i32 = 1;
/// Assignment epoch of a group whose target has been deleted.
const NO_EPOCH: i32 = -1;

/// One consumer group.
#[derive(Clone, Debug)]
pub(in crate::group) struct Group {
    /// The group epoch.
    pub epoch: i32,
    /// Hash of the topics subscribed to, as of that epoch.
    pub metadata_hash: i64,
    /// The epoch that the target was made for.
    pub assignment_epoch: i32,
    /// When, in ms; 0 if the next one need not wait.
    pub assignment_timestamp_ms: i64,
    /// By id.
    pub members: BTreeMap<Arc<str>, Member>,
    /// What each member is to own.
    pub target: BTreeMap<Arc<str>, Arc<Partitions>>,
    /// What each expression was resolved to.
    pub resolved: BTreeMap<Arc<str>, Resolved>,
    /// Whether the log holds a record of topics of before 4.1.
    has_topic_metadata: bool,
    /// By `group.instance.id`.
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// By topic name: who subscribes to it.
    subscribers: BTreeMap<Arc<str>, SubscriberCount>,
    /// By expression: how many members subscribe to it.
    regexes: BTreeMap<Arc<str>, usize>,
    /// By assignor: how many members ask for it.
    assignors: BTreeMap<Arc<str>, usize>,
    /// How many members speak the classic protocol.
    classic_count: usize,
    /// By classic protocol: how many of them support it.
    classic_protocols: BTreeMap<Arc<str>, usize>,
    /// Partitions that are owned or not given up yet, with their owner's epoch.
    partition_epochs: BTreeMap<Uuid, BTreeMap<i32, i32>>,
    /// Which image, as the machine counts them, the hash of the topics was last compared with; soft.
    checked_image: Option<u64>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            epoch: FIRST_EPOCH,
            metadata_hash: 0,
            assignment_epoch: FIRST_EPOCH,
            assignment_timestamp_ms: 0,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            resolved: BTreeMap::new(),
            has_topic_metadata: false,
            static_members: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            regexes: BTreeMap::new(),
            assignors: BTreeMap::new(),
            classic_count: 0,
            classic_protocols: BTreeMap::new(),
            partition_epochs: BTreeMap::new(),
            checked_image: None,
        }
    }
}

/// What consumer groups share and rebuild at will.
#[derive(Debug, Default)]
pub(in crate::group) struct Shared {
    topic_hashes: metadata_hash::TopicHashes,
    /// How many images there have been.
    image_count: u64,
    new_topics: regex_refresh::NewTopics,
}

/// Why a request is refused: Kafka's code, and its text.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct Refused {
    pub code: Code,
    pub text: String,
}

impl Refused {
    pub(in crate::group) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    fn unknown_member(member: &str, group: &str) -> Self {
        Self::new(Code::UnknownMemberId, format!("Member {member} is not a member of group {group}."))
    }
}

/// State of a group as tools show it (`ConsumerGroupState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum State {
    /// Nobody is in it.
    Empty,
    /// Its target is yet to be made.
    Assigning,
    /// Members are on the way to the target.
    Reconciling,
    /// Everybody owns what they are to own.
    Stable,
}

impl State {
    /// As Kafka writes it.
    pub(in crate::group) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

impl Group {
    /// The state as tools show it.
    pub(in crate::group) fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.assignment_epoch {
            State::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    /// How many are in the group.
    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in the group.
    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The epoch of a partition's owner; none if nobody owns it.
    fn partition_epoch(&self, topic: Uuid, partition: i32) -> Option<i32> {
        self.partition_epochs.get(&topic)?.get(&partition).copied()
    }

    /// The member of that instance id.
    fn static_member(&self, instance: Option<&str>) -> Option<&Member> {
        self.members.get(self.static_members.get(instance?)?)
    }

    /// The target of a member, or of the one whose instance id it takes over.
    fn target_of(&self, member: &Member) -> Arc<Partitions> {
        let id = match &member.instance {
            None => Some(&member.id),
            Some(instance) => self.static_members.get(instance),
        };
        id.and_then(|id| self.target.get(id)).cloned().unwrap_or_default()
    }

    /// What removes the group from the log, in an order that can be replayed.
    pub(in crate::group) fn tombstones(&self, group: &Arc<str>) -> Vec<Record> {
        let members = || self.members.keys();
        let mut records: Vec<_> = members().map(|id| records::assignment_tombstone(group, id)).collect();
        records.extend(members().map(|id| records::target_tombstone(group, id)));
        records.push(records::target_epoch_tombstone(group));
        records.extend(members().map(|id| records::subscription_tombstone(group, id)));
        records.extend(self.resolved.keys().map(|regex| records::regex_tombstone(group, regex)));
        records.push(records::topic_metadata_tombstone(group));
        records.push(records::epoch_tombstone(group));
        records
    }
}

/// What a group's own configuration says, else the broker's.
pub(in crate::group) fn group_config(image: &Image, group: &str, key: &str, of_broker: i32) -> i32 {
    let own = image.configs.value(ResourceKind::Group, group, key);
    own.and_then(|value| value.trim().parse().ok()).unwrap_or(of_broker)
}

impl Groups {
    /// The copy of a group's id that is kept anyway, if the group exists.
    fn consumer_name(&self, id: &str) -> Arc<str> {
        self.groups.get_key_value(id).map_or_else(|| Arc::from(id), |(name, _)| name.clone())
    }

    pub(super) fn consumer_session_ms(&self, group: &str) -> i32 {
        group_config(&self.image, group, "consumer.session.timeout.ms", self.settings.consumer_session_ms)
    }

    /// The cluster has changed: groups whose topics changed are to be rebalanced at the next heartbeat.
    pub(super) fn consumer_image_changed(&mut self, deleted_topics: &[Arc<str>]) {
        self.consumer.image_count += 1;
        self.consumer.topic_hashes.forget(deleted_topics);
    }
}

#[cfg(test)]
impl Group {
    /// All of it that must survive.
    pub(in crate::group) fn durable(&self) -> String {
        format!("{:?}", Self { checked_image: None, ..self.clone() })
    }
}
