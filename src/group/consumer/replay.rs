//! Makes the records of consumer groups true.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::member::{LEAVE_EPOCH, Member, Owned, Partitions};
use super::regex::Resolved;
use super::{Group, NO_EPOCH, subscription};
use crate::group::{Group as AnyGroup, Groups, ReplayError};
use crate::wire::group_records::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMemberValue, Record,
};

/// Whether a group is still there after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Stays,
    Deleted,
}

impl Groups {
    pub(in crate::group) fn replay_consumer(&mut self, record: &Record) -> Result<(), ReplayError> {
        let (id, is_tombstone) = about(record);
        match self.groups.get(id) {
            Some(AnyGroup::Classic(_)) | None if is_tombstone => return Ok(()),
            // A classic group without members is only a name for its offsets.
            Some(AnyGroup::Classic(classic)) if !classic.is_empty() => return Err(ReplayError::Unexpected),
            Some(AnyGroup::Classic(_)) | None => {
                self.groups.insert(id.clone(), AnyGroup::Consumer(Group::default()));
            }
            Some(AnyGroup::Consumer(_)) => {}
        }
        if let Some(AnyGroup::Consumer(group)) = self.groups.get_mut(id)
            && group.replay(record)? == After::Deleted
        {
            self.groups.remove(id);
        }
        Ok(())
    }
}

/// Which group a record is about, and whether it only takes away.
fn about(record: &Record) -> (&Arc<str>, bool) {
    match record {
        Record::OffsetCommit { group, value, .. } => (group, value.is_none()),
        Record::GroupMetadata { group, value } => (group, value.is_none()),
        Record::ConsumerGroupMetadata { group, value } => (group, value.is_none()),
        Record::ConsumerGroupPartitionMetadata { group, is_set }
        | Record::OtherGroupMetadata { group, is_set, .. } => (group, !is_set),
        Record::ConsumerGroupMemberMetadata { group, value, .. } => (group, value.is_none()),
        Record::ConsumerGroupTargetAssignmentMetadata { group, value } => (group, value.is_none()),
        Record::ConsumerGroupTargetAssignmentMember { group, value, .. } => (group, value.is_none()),
        Record::ConsumerGroupCurrentMemberAssignment { group, value, .. } => (group, value.is_none()),
        Record::ConsumerGroupRegularExpression { group, value, .. } => (group, value.is_none()),
    }
}

impl Group {
    /// Makes one record about this group true.
    pub(super) fn replay(&mut self, record: &Record) -> Result<After, ReplayError> {
        match record {
            Record::ConsumerGroupMetadata { value, .. } => return Ok(self.replay_epoch(value.as_ref())),
            Record::ConsumerGroupPartitionMetadata { is_set, .. } => self.has_topic_metadata = *is_set,
            Record::ConsumerGroupMemberMetadata { member, value, .. } => {
                self.replay_subscription(member, value.as_ref());
            }
            Record::ConsumerGroupTargetAssignmentMetadata { value: Some(value), .. } => {
                self.assignment_epoch = value.assignment_epoch;
                self.assignment_timestamp_ms = value.assignment_timestamp;
            }
            Record::ConsumerGroupTargetAssignmentMetadata { value: None, .. } => {
                (self.assignment_epoch, self.assignment_timestamp_ms) = (NO_EPOCH, 0);
            }
            Record::ConsumerGroupTargetAssignmentMember { member, value, .. } => {
                self.replay_target(member, value.as_ref());
            }
            Record::ConsumerGroupCurrentMemberAssignment { member, value, .. } => {
                self.replay_assignment(member, value.as_ref());
            }
            Record::ConsumerGroupRegularExpression { regex, value, .. } => {
                let resolved = value.as_ref().map(|value| Resolved {
                    topics: value.topics.iter().cloned().collect(),
                    version: value.version,
                    timestamp_ms: value.timestamp,
                });
                self.replay_regex(regex, resolved);
            }
            Record::OffsetCommit { .. }
            | Record::GroupMetadata { .. }
            | Record::OtherGroupMetadata { .. } => {
                return Err(ReplayError::Unexpected);
            }
        }
        Ok(After::Stays)
    }

    fn replay_epoch(&mut self, value: Option<&ConsumerGroupMetadataValue>) -> After {
        let Some(value) = value else { return After::Deleted };
        self.epoch = value.epoch;
        self.metadata_hash = value.metadata_hash;
        After::Stays
    }

    /// Compaction may have taken the tombstones of the member's assignments, so its own counts for them too.
    fn replay_subscription(&mut self, id: &Arc<str>, value: Option<&ConsumerGroupMemberMetadataValue>) {
        if let Some(value) = value {
            let before = self.members.get(id).cloned().unwrap_or_else(|| Member::new(id.clone()));
            self.update(before.described_by(value));
            return;
        }
        self.target.remove(id);
        if let Some(member) = self.members.remove(id) {
            self.release(&member);
            self.forget_subscription(&member);
        }
    }

    fn replay_target(&mut self, id: &Arc<str>, value: Option<&ConsumerGroupTargetAssignmentMemberValue>) {
        let Some(value) = value else {
            self.target.remove(id);
            return;
        };
        let topics = value.topic_partitions.iter();
        let partitions: Partitions =
            topics.map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect())).collect();
        self.target.insert(id.clone(), Arc::new(partitions));
    }

    fn replay_assignment(
        &mut self,
        id: &Arc<str>,
        value: Option<&ConsumerGroupCurrentMemberAssignmentValue>,
    ) {
        let before = self.members.get(id).cloned();
        match (value, before) {
            (Some(value), before) => {
                let before = before.unwrap_or_else(|| Member::new(id.clone()));
                self.update(before.assigned_by(value));
            }
            (None, Some(before)) => {
                let (epoch, previous_epoch) = (LEAVE_EPOCH, LEAVE_EPOCH);
                let (assigned, revoking) = (Arc::default(), Arc::default());
                self.update(Member { epoch, previous_epoch, assigned, revoking, ..before });
            }
            (None, None) => {}
        }
    }

    fn replay_regex(&mut self, regex: &Arc<str>, resolved: Option<Resolved>) {
        if let Some(before) = self.resolved.remove(regex) {
            subscription::remove_resolved(&mut self.subscribers, &before);
        }
        if let Some(resolved) = resolved {
            subscription::add_resolved(&mut self.subscribers, &resolved);
            self.resolved.insert(regex.clone(), resolved);
        }
    }

    fn update(&mut self, member: Member) {
        let before = self.members.insert(member.id.clone(), member.clone());
        // Most updates are about an assignment alone.
        let says_same = before.as_ref().is_some_and(|before| {
            Arc::ptr_eq(&before.topics, &member.topics)
                && before.regex == member.regex
                && before.assignor == member.assignor
                && before.instance == member.instance
                && before.classic == member.classic
        });
        if let Some(before) = &before {
            self.release(before);
            if !says_same {
                self.forget_subscription(before);
            }
        }
        take(&mut self.partition_epochs, &member.assigned, member.epoch);
        take(&mut self.partition_epochs, &member.revoking, member.epoch);
        if !says_same {
            self.note_subscription(&member);
        }
    }

    fn note_subscription(&mut self, member: &Member) {
        subscription::add_names(&mut self.subscribers, member);
        if let Some(regex) = member.regex() {
            subscription::add(&mut self.regexes, regex);
        }
        if let Some(assignor) = &member.assignor {
            subscription::add(&mut self.assignors, assignor);
        }
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        if let Some(classic) = &member.classic {
            self.classic_count += 1;
            for protocol in &classic.supported_protocols {
                subscription::add(&mut self.classic_protocols, &protocol.name);
            }
        }
    }

    fn forget_subscription(&mut self, member: &Member) {
        subscription::remove_names(&mut self.subscribers, member);
        if let Some(regex) = member.regex() {
            subscription::remove(&mut self.regexes, regex);
        }
        if let Some(assignor) = &member.assignor {
            subscription::remove(&mut self.assignors, assignor);
        }
        if let Some(instance) = &member.instance
            && self.static_members.get(instance) == Some(&member.id)
        {
            self.static_members.remove(instance);
        }
        if let Some(classic) = &member.classic {
            self.classic_count = self.classic_count.saturating_sub(1);
            for protocol in &classic.supported_protocols {
                subscription::remove(&mut self.classic_protocols, &protocol.name);
            }
        }
    }

    fn release(&mut self, member: &Member) {
        give_up(&mut self.partition_epochs, &member.assigned, member.epoch);
        give_up(&mut self.partition_epochs, &member.revoking, member.epoch);
    }
}

/// Notes an owner. A log that was compacted may still name an earlier one: the later epoch is the owner's.
fn take(epochs: &mut BTreeMap<uuid::Uuid, BTreeMap<i32, i32>>, owned: &Owned, epoch: i32) {
    for (topic, partitions) in owned {
        let of = epochs.entry(*topic).or_default();
        for partition in partitions.keys() {
            let held = of.entry(*partition).or_insert(epoch);
            *held = epoch.max(*held);
        }
    }
}

fn give_up(epochs: &mut BTreeMap<uuid::Uuid, BTreeMap<i32, i32>>, owned: &Owned, epoch: i32) {
    for (topic, partitions) in owned {
        let Some(of) = epochs.get_mut(topic) else { continue };
        for partition in partitions.keys() {
            if of.get(partition) == Some(&epoch) {
                of.remove(partition);
            }
        }
        if of.is_empty() {
            epochs.remove(topic);
        }
    }
}
