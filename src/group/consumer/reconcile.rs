//! One step of a member towards its target assignment (`CurrentAssignmentBuilder`).
//!
//! A partition is given to a member only while nobody else owns it or has still to give it up; that a member has
//! given one up is believed when a heartbeat no longer reports it. So no two members own a partition at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use uuid::Uuid;

use super::member::{Member, MemberState, Owned, Partitions};
use super::regex::Resolved;
use super::{Group, Refused};
use crate::base::id::TopicId;
use crate::group::Code;
use crate::meta::Image;

/// What a step depends on beside the member.
pub(super) struct Reconcile<'a> {
    pub(super) group: &'a Group,
    pub(super) resolved: &'a BTreeMap<Arc<str>, Resolved>,
    pub(super) image: &'a Image,
    pub(super) target_epoch: i32,
    pub(super) target: &'a Partitions,
    /// What the heartbeat reports; none if it does not say.
    pub(super) owned: Option<&'a [TopicPartitions]>,
    /// Whether the heartbeat changed the member's subscription: what it no longer covers goes at once.
    pub(super) is_subscription_changed: bool,
}

impl Reconcile<'_> {
    /// The member after the step, the same if there is none to take.
    pub(super) fn step(&self, member: &Member) -> Result<Member, Refused> {
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => Ok(self.next(member, member.epoch)),
            MemberState::Stable => Ok(self.trimmed_if_changed(member)),
            MemberState::UnrevokedPartitions if self.still_owns(&member.revoking) => {
                Ok(self.trimmed_if_changed(member))
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                Ok(self.next(member, member.epoch))
            }
            MemberState::Unknown if self.owned.is_none_or(|owned| !owned.is_empty()) => Err(Refused::new(
                Code::FencedMemberEpoch,
                "The consumer group member is in a unknown state. The member must abandon all its partitions \
                 and rejoin.",
            )),
            MemberState::Unknown => Ok(self.next(member, self.target_epoch)),
        }
    }

    /// Whether the member reports any of `partitions`; a heartbeat that reports nothing may still own all.
    fn still_owns(&self, partitions: &Owned) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|topic| {
            let of = partitions.get(&topic.topic_id);
            of.is_some_and(|of| topic.partitions.iter().any(|partition| of.contains_key(partition)))
        })
    }

    fn is_subscribed(&self, member: &Member, topic: Uuid) -> bool {
        let Some(topic) = self.image.topics.by_id(TopicId(topic)) else { return false };
        let resolved = member.regex().and_then(|regex| self.resolved.get(regex));
        member.topics.contains(&topic.name) || resolved.is_some_and(|of| of.topics.contains(&topic.name))
    }

    /// Takes topics away that the member no longer subscribes to, without going on to the next epoch.
    fn trimmed_if_changed(&self, member: &Member) -> Member {
        let gone = |topic: &Uuid| !self.is_subscribed(member, *topic);
        if !self.is_subscription_changed || !member.assigned.keys().any(gone) {
            return member.clone();
        }
        let (mut assigned, mut revoking) = (Owned::new(), (*member.revoking).clone());
        for (topic, of) in member.assigned.iter() {
            let to = if gone(topic) { &mut revoking } else { &mut assigned };
            to.entry(*topic).or_default().extend(of);
        }
        let (previous_epoch, assigned) = (member.epoch, Arc::new(assigned));
        if self.still_owns(&revoking) {
            let (state, revoking) = (MemberState::UnrevokedPartitions, Arc::new(revoking));
            return Member { state, previous_epoch, assigned, revoking, ..member.clone() };
        }
        Member { previous_epoch, assigned, ..member.clone() }
    }

    /// Goes on towards the target; a member that has to give up partitions first stays at `epoch`.
    fn next(&self, member: &Member, epoch: i32) -> Member {
        let parts = self.parts(member);
        if self.still_owns(&parts.revoking) && !parts.revoking.is_empty() {
            return Member {
                state: MemberState::UnrevokedPartitions,
                previous_epoch: member.epoch,
                epoch,
                assigned: Arc::new(parts.kept),
                revoking: Arc::new(parts.revoking),
                ..member.clone()
            };
        }
        let mut assigned = parts.kept;
        for (topic, partitions) in parts.free {
            let of = assigned.entry(topic).or_default();
            of.extend(partitions.into_iter().map(|partition| (partition, self.target_epoch)));
        }
        Member {
            state: if parts.waits { MemberState::UnreleasedPartitions } else { MemberState::Stable },
            previous_epoch: member.epoch,
            epoch: self.target_epoch,
            assigned: Arc::new(assigned),
            revoking: Arc::default(),
            ..member.clone()
        }
    }

    fn parts(&self, member: &Member) -> Parts {
        let mut parts = Parts::default();
        for (topic, of) in member.assigned.iter() {
            let target = self.target.get(topic).filter(|_| self.is_subscribed(member, *topic));
            for (partition, at) in of {
                let stays = target.is_some_and(|target| target.contains(partition));
                let to = if stays { &mut parts.kept } else { &mut parts.revoking };
                to.entry(*topic).or_default().insert(*partition, *at);
            }
        }
        for (topic, target) in self.target {
            if !self.is_subscribed(member, *topic) {
                continue;
            }
            let has =
                |owned: &Owned, partition| owned.get(topic).is_some_and(|of| of.contains_key(partition));
            for partition in target.iter().filter(|partition| !has(&member.assigned, partition)) {
                // What the member itself has yet to give up is not somebody else's.
                let is_own = has(&member.revoking, partition);
                if is_own || self.group.partition_epoch(*topic, *partition).is_none() {
                    parts.free.entry(*topic).or_default().push(*partition);
                } else {
                    parts.waits = true;
                }
            }
        }
        parts
    }
}

/// The member's partitions and target, taken apart.
#[derive(Default)]
struct Parts {
    kept: Owned,
    revoking: Owned,
    /// To be taken now.
    free: BTreeMap<Uuid, Vec<i32>>,
    /// Whether others still own a part of the target.
    waits: bool,
}
