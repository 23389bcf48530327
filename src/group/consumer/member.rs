//! A member of a consumer group: what it says of itself and what it owns (`ConsumerGroupMember`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::wire::group_records::{
    ClassicMemberMetadata, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    CurrentTopicPartitions,
};

/// Epoch of a member that leaves.
pub(super) const LEAVE_EPOCH: i32 = -1;
/// Epoch of a static member that leaves and is expected back.
pub(super) const LEAVE_STATIC_EPOCH: i32 = -2;

/// Partitions by topic.
pub(in crate::group) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;
/// Partitions by topic, each with the epoch at which its owner got it.
pub(in crate::group) type Owned = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// Where a member is on the way to its target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It owns what it is to own.
    Stable,
    /// It must give up partitions before it may go to the next epoch.
    UnrevokedPartitions,
    /// It is at the last epoch and waits for partitions that others have not given up.
    UnreleasedPartitions,
    /// A later version wrote a state that is not known here.
    Unknown,
}

impl MemberState {
    /// The number in records.
    pub(super) fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    /// What a number in a record means.
    pub(super) fn from_number(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// One member. Clones are cheap: everything of size is shared.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct Member {
    /// Its id.
    pub id: Arc<str>,
    /// The epoch that it is to send; 0 before its first assignment.
    pub epoch: i32,
    /// The epoch before, in case an answer with the new one was lost.
    pub previous_epoch: i32,
    /// How far its reconciliation is.
    pub state: MemberState,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// `client.rack`.
    pub rack: Option<Arc<str>>,
    /// `client.id`.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// Time to give up partitions, in ms; -1 if never told.
    pub rebalance_timeout_ms: i32,
    /// Topics subscribed to by name.
    pub topics: Arc<BTreeSet<Arc<str>>>,
    /// Expression subscribed to; empty like none.
    pub regex: Option<Arc<str>>,
    /// The assignor that it asks for.
    pub assignor: Option<Arc<str>>,
    /// What it owns or has been told to take.
    pub assigned: Arc<Owned>,
    /// What it has been told to give up and has not yet.
    pub revoking: Arc<Owned>,
    /// Set while it speaks the classic protocol.
    pub classic: Option<Arc<ClassicMemberMetadata>>,
}

impl Member {
    /// A member that nothing is known of.
    pub(super) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            instance: None,
            rack: None,
            client_id: "".into(),
            client_host: "".into(),
            rebalance_timeout_ms: -1,
            topics: Arc::default(),
            regex: Some("".into()),
            assignor: None,
            assigned: Arc::default(),
            revoking: Arc::default(),
            classic: None,
        }
    }

    /// The expression subscribed to, if there is one.
    pub(super) fn regex(&self) -> Option<&Arc<str>> {
        self.regex.as_ref().filter(|regex| !regex.is_empty())
    }

    /// Whether it speaks the classic protocol.
    pub(super) fn is_classic(&self) -> bool {
        self.classic.is_some()
    }

    /// Whether it owns exactly its part of the target of `epoch`.
    pub(super) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// The epoch at which it got a partition, if it owns it or has still to give it up.
    pub(super) fn assignment_epoch(&self, topic: Uuid, partition: i32) -> Option<i32> {
        let of = |owned: &Owned| owned.get(&topic)?.get(&partition).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    /// This member as its subscription record tells it.
    pub(super) fn described_by(&self, value: &ConsumerGroupMemberMetadataValue) -> Self {
        let topics: BTreeSet<Arc<str>> = value.subscribed_topic_names.iter().cloned().collect();
        Self {
            instance: value.instance_id.clone(),
            rack: value.rack_id.clone(),
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            topics: if topics == *self.topics { self.topics.clone() } else { Arc::new(topics) },
            regex: value.subscribed_topic_regex.clone(),
            assignor: value.server_assignor.clone(),
            classic: value.classic_member_metadata.0.clone().map(Arc::new),
            ..self.clone()
        }
    }

    /// This member as its assignment record tells it.
    pub(super) fn assigned_by(&self, value: &ConsumerGroupCurrentMemberAssignmentValue) -> Self {
        Self {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_number(value.state),
            assigned: Arc::new(owned(&value.assigned_partitions, value.member_epoch)),
            revoking: Arc::new(owned(&value.partitions_pending_revocation, value.member_epoch)),
            ..self.clone()
        }
    }
}

/// Records of before KIP-1251 have no assignment epochs: the member's own stands in, which is never negative.
fn owned(topics: &[CurrentTopicPartitions], member_epoch: i32) -> Owned {
    let fallback = member_epoch.max(0);
    let of_topic = |topic: &CurrentTopicPartitions| {
        let epochs = topic.assignment_epochs.as_ref().filter(|epochs| epochs.len() == topic.partitions.len());
        let epoch_at = |at: usize| epochs.map_or(fallback, |epochs| epochs[at]);
        let partitions = topic.partitions.iter().enumerate();
        (topic.topic_id, partitions.map(|(at, partition)| (*partition, epoch_at(at))).collect())
    };
    topics.iter().map(of_topic).collect()
}

/// The same partitions, all assigned at `epoch`.
pub(super) fn owned_at(epoch: i32, partitions: &Partitions) -> Owned {
    let of_topic = |of: &BTreeSet<i32>| of.iter().map(|partition| (*partition, epoch)).collect();
    partitions.iter().map(|(topic, of)| (*topic, of_topic(of))).collect()
}
