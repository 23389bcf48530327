//! The records of a consumer group as Kafka writes them (`GroupCoordinatorRecordHelpers`).

use std::sync::Arc;

use super::Group;
use super::member::{Member, Owned, Partitions};
use super::regex::Resolved;
use crate::wire::field::Nullable;
use crate::wire::group_records::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue, CurrentTopicPartitions, Record, TargetTopicPartitions,
};

impl Group {
    /// The records that make the group, in an order that can be replayed.
    pub(in crate::group) fn records(&self, group: &Arc<str>) -> Vec<Record> {
        let members = || self.members.values();
        let mut records: Vec<Record> = members().map(|member| subscription(group, member)).collect();
        records.extend(self.resolved.iter().map(|(expression, resolved)| regex(group, expression, resolved)));
        if self.has_topic_metadata {
            records.push(Record::ConsumerGroupPartitionMetadata { group: group.clone(), is_set: true });
        }
        records.push(epoch(group, self.epoch, self.metadata_hash));
        records.extend(self.target.iter().map(|(member, partitions)| target(group, member, partitions)));
        records.push(target_epoch(group, self.assignment_epoch, self.assignment_timestamp_ms));
        records.extend(members().map(|member| assignment(group, member)));
        records
    }
}

/// What a member says of itself.
pub(super) fn subscription(group: &Arc<str>, member: &Member) -> Record {
    let value = ConsumerGroupMemberMetadataValue {
        instance_id: member.instance.clone(),
        rack_id: member.rack.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.topics.iter().cloned().collect(),
        subscribed_topic_regex: member.regex.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: member.assignor.clone(),
        classic_member_metadata: Nullable(member.classic.as_deref().cloned()),
    };
    Record::ConsumerGroupMemberMetadata {
        group: group.clone(),
        member: member.id.clone(),
        value: Some(value),
    }
}

pub(super) fn subscription_tombstone(group: &Arc<str>, member: &Arc<str>) -> Record {
    Record::ConsumerGroupMemberMetadata { group: group.clone(), member: member.clone(), value: None }
}

pub(super) fn epoch(group: &Arc<str>, epoch: i32, metadata_hash: i64) -> Record {
    let value = Some(ConsumerGroupMetadataValue { epoch, metadata_hash });
    Record::ConsumerGroupMetadata { group: group.clone(), value }
}

pub(super) fn epoch_tombstone(group: &Arc<str>) -> Record {
    Record::ConsumerGroupMetadata { group: group.clone(), value: None }
}

pub(super) fn topic_metadata_tombstone(group: &Arc<str>) -> Record {
    Record::ConsumerGroupPartitionMetadata { group: group.clone(), is_set: false }
}

/// What a member is to own.
pub(super) fn target(group: &Arc<str>, member: &Arc<str>, partitions: &Partitions) -> Record {
    let topic_partitions = partitions
        .iter()
        .map(|(topic, of)| TargetTopicPartitions {
            topic_id: *topic,
            partitions: of.iter().copied().collect(),
        })
        .collect();
    let value = Some(ConsumerGroupTargetAssignmentMemberValue { topic_partitions });
    Record::ConsumerGroupTargetAssignmentMember { group: group.clone(), member: member.clone(), value }
}

pub(super) fn target_tombstone(group: &Arc<str>, member: &Arc<str>) -> Record {
    Record::ConsumerGroupTargetAssignmentMember { group: group.clone(), member: member.clone(), value: None }
}

/// `timestamp_ms`: when the target was made; 0 lets the next one be made at once.
pub(super) fn target_epoch(group: &Arc<str>, assignment_epoch: i32, timestamp_ms: i64) -> Record {
    let value =
        ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp: timestamp_ms };
    Record::ConsumerGroupTargetAssignmentMetadata { group: group.clone(), value: Some(value) }
}

pub(super) fn target_epoch_tombstone(group: &Arc<str>) -> Record {
    Record::ConsumerGroupTargetAssignmentMetadata { group: group.clone(), value: None }
}

/// What a member owns.
pub(super) fn assignment(group: &Arc<str>, member: &Member) -> Record {
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: member.epoch,
        previous_member_epoch: member.previous_epoch,
        state: member.state.number(),
        assigned_partitions: topic_partitions(&member.assigned),
        partitions_pending_revocation: topic_partitions(&member.revoking),
    };
    let (group, member) = (group.clone(), member.id.clone());
    Record::ConsumerGroupCurrentMemberAssignment { group, member, value: Some(value) }
}

fn topic_partitions(owned: &Owned) -> Vec<CurrentTopicPartitions> {
    owned
        .iter()
        .map(|(topic, of)| CurrentTopicPartitions {
            topic_id: *topic,
            partitions: of.keys().copied().collect(),
            assignment_epochs: Some(of.values().copied().collect()),
        })
        .collect()
}

pub(super) fn assignment_tombstone(group: &Arc<str>, member: &Arc<str>) -> Record {
    Record::ConsumerGroupCurrentMemberAssignment { group: group.clone(), member: member.clone(), value: None }
}

pub(super) fn regex(group: &Arc<str>, regex: &Arc<str>, resolved: &Resolved) -> Record {
    let value = ConsumerGroupRegularExpressionValue {
        topics: resolved.topics.iter().cloned().collect(),
        version: resolved.version,
        timestamp: resolved.timestamp_ms,
    };
    let (group, regex) = (group.clone(), regex.clone());
    Record::ConsumerGroupRegularExpression { group, regex, value: Some(value) }
}

pub(super) fn regex_tombstone(group: &Arc<str>, regex: &Arc<str>) -> Record {
    Record::ConsumerGroupRegularExpression { group: group.clone(), regex: regex.clone(), value: None }
}

/// Forgets a member: what it owns before that it exists, or replaying would see a member without a past.
pub(super) fn removed(group: &Arc<str>, member: &Arc<str>) -> [Record; 3] {
    [
        assignment_tombstone(group, member),
        target_tombstone(group, member),
        subscription_tombstone(group, member),
    ]
}
