//! A decision about one consumer group in the making: what it sees, and the records that it has come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;

use super::member::{Member, MemberState, Partitions};
use super::reconcile::Reconcile;
use super::regex::Resolved;
use super::{Group, Refused, Shared, group_config, records};
use crate::group::settings::Settings;
use crate::group::timers::{Timer, Timers};
use crate::meta::Image;
use crate::wire::group_records::Record;

/// One decision.
pub(super) struct Draft<'a> {
    /// The group's id.
    pub(super) id: &'a Arc<str>,
    /// The group before the decision.
    pub(super) group: &'a Group,
    pub(super) image: &'a Arc<Image>,
    pub(super) settings: &'a Settings,
    pub(super) shared: &'a mut Shared,
    pub(super) timers: &'a mut Timers,
    pub(super) now_ms: i64,
    pub(super) records: Vec<Record>,
    /// What expressions stand for from now on, if they were resolved in this decision.
    pub(super) resolved: Option<BTreeMap<Arc<str>, Resolved>>,
}

/// A group's epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    pub(super) epoch: i32,
    /// Whether all members subscribe to the same topics from now on; none if that is as it was.
    pub(super) is_homogeneous: Option<bool>,
}

/// A target, and the epoch that it was made for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) epoch: i32,
    pub(super) partitions: Arc<Partitions>,
}

impl Draft<'_> {
    /// What expressions stand for from now on.
    pub(super) fn resolved(&self) -> &BTreeMap<Arc<str>, Resolved> {
        self.resolved.as_ref().unwrap_or(&self.group.resolved)
    }

    /// Records what a member says of itself, if that is new; whether it names other topics than before.
    pub(super) fn update_subscription(&mut self, before: &Member, after: &Member) -> bool {
        if before == after {
            return false;
        }
        self.records.push(records::subscription(self.id, after));
        before.topics != after.topics
    }

    /// Starts a new group epoch if `must_bump` or if the topics subscribed to are not what they were
    /// (`updateSubscriptionMetadata`).
    pub(super) fn update_epoch(&mut self, must_bump: bool, before: &Member, after: &Member) -> Epoch {
        if !must_bump && self.group.checked_image == Some(self.shared.image_count) {
            return Epoch { epoch: self.group.epoch, is_homogeneous: None };
        }
        let subscriptions = self.group.subscriptions_with(before, after, self.resolved.as_ref());
        let hash = self.shared.topic_hashes.of_group(self.image, subscriptions.subscribers.keys());
        let mut epoch = self.group.epoch;
        if must_bump || hash != self.group.metadata_hash {
            epoch = epoch.saturating_add(1);
            self.records.push(records::epoch(self.id, epoch, hash));
        }
        if self.group.has_topic_metadata {
            self.records.push(records::topic_metadata_tombstone(self.id));
        }
        Epoch { epoch, is_homogeneous: Some(subscriptions.is_homogeneous) }
    }

    /// Moves a member towards its target.
    pub(super) fn reconcile(
        &mut self,
        member: Member,
        target: &Target,
        owned: Option<&[TopicPartitions]>,
        is_subscription_changed: bool,
    ) -> Result<Member, Refused> {
        if !is_subscription_changed && member.is_reconciled_to(target.epoch) {
            return Ok(member);
        }
        let reconcile = Reconcile {
            group: self.group,
            resolved: self.resolved(),
            image: self.image,
            target_epoch: target.epoch,
            target: &target.partitions,
            owned,
            is_subscription_changed,
        };
        let after = reconcile.step(&member)?;
        if after == member {
            return Ok(member);
        }
        self.records.push(records::assignment(self.id, &after));
        // Members that speak the classic protocol are bound to join and sync in time instead.
        if !after.is_classic() {
            let timer = Timer::ConsumerRebalance { group: self.id.clone(), member: after.id.clone() };
            if after.state == MemberState::UnrevokedPartitions {
                self.timers.arm(self.now_ms + i64::from(after.rebalance_timeout_ms), timer);
            } else {
                self.timers.cancel(&timer);
            }
        }
        Ok(after)
    }

    /// Starts a member's session anew.
    pub(super) fn arm_session(&mut self, member: &Arc<str>, session_ms: i32) {
        let timer = Timer::ConsumerSession { group: self.id.clone(), member: member.clone() };
        self.timers.arm(self.now_ms + i64::from(session_ms), timer);
    }

    /// A number of the group's own configuration, else `of_broker`.
    pub(super) fn config(&self, key: &str, of_broker: i32) -> i32 {
        group_config(self.image, self.id, key, of_broker)
    }
}
