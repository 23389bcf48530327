//! Whether a heartbeat, a commit or a deletion may be (`GroupCoordinatorService`, `ConsumerGroup.validate*`).

use kafka_protocol::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use uuid::Uuid;

use super::member::{LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Member, Owned};
use super::{Group, Refused};
use crate::group::Code;
use crate::group::settings::Settings;

/// From this version of OffsetCommit on, a member of a consumer group may use it.
const COMMIT_VERSION_MIN: i16 = 9;

/// Whether a heartbeat makes sense at all.
pub(super) fn heartbeat(
    request: &ConsumerGroupHeartbeatRequest,
    version: i16,
    settings: &Settings,
) -> Result<(), Refused> {
    let invalid = |text: &str| Err(Refused::new(Code::InvalidRequest, text));
    let epoch = request.member_epoch;
    let is_blank = |text: &str| text.trim().is_empty();
    if (version >= 1 || epoch > 0 || epoch == LEAVE_EPOCH) && is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.instance_id.as_deref().is_some_and(is_blank) {
        return invalid("InstanceId can't be empty.");
    }
    if request.rack_id.as_deref().is_some_and(is_blank) {
        return invalid("RackId can't be empty.");
    }
    if epoch == 0 {
        if request.rebalance_timeout_ms == -1 {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            );
        }
    } else if epoch == LEAVE_STATIC_EPOCH {
        if request.instance_id.is_none() {
            return invalid("InstanceId can't be null.");
        }
    } else if epoch < LEAVE_STATIC_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    let supported = &settings.consumer_assignors;
    match &request.server_assignor {
        Some(assignor) if !supported.iter().any(|name| **name == **assignor) => {
            let text = format!(
                "ServerAssignor {} is not supported. Supported assignors: {}.",
                &**assignor,
                supported.join(", ")
            );
            Err(Refused::new(Code::UnsupportedAssignor, text))
        }
        _ => Ok(()),
    }
}

/// Whether a member may go on at the epoch that it sends. One epoch back is fine if it owns nothing beyond its
/// assignment: it never saw the answer.
pub(super) fn member_epoch(
    member: &Member,
    received: i32,
    owned: Option<&[TopicPartitions]>,
) -> Result<(), Refused> {
    let fenced = |how: &str| {
        let text = format!(
            "The consumer group member has a {how} member epoch ({received}) than the one known by the group \
             coordinator ({}). The member must abandon all its partitions and rejoin.",
            member.epoch
        );
        Err(Refused::new(Code::FencedMemberEpoch, text))
    };
    if received == 0 || received == member.epoch {
        Ok(())
    } else if received > member.epoch {
        fenced("greater")
    } else if received == member.previous_epoch && owned.is_some_and(|owned| is_part(owned, &member.assigned))
    {
        Ok(())
    } else {
        fenced("smaller")
    }
}

fn is_part(owned: &[TopicPartitions], of: &Owned) -> bool {
    owned.iter().all(|topic| {
        let of = of.get(&topic.topic_id);
        of.is_some_and(|of| topic.partitions.iter().all(|partition| of.contains_key(partition)))
    })
}

impl Group {
    /// Whether an offset may be committed (`ConsumerGroup.validateOffsetCommit`). A member's earlier epoch passes;
    /// then each partition is to pass [`Group::validate_partition_commit`] (KIP-1251).
    pub(in crate::group) fn validate_offset_commit(
        &self,
        member: &str,
        instance: Option<&str>,
        epoch: i32,
        is_transactional: bool,
        version: i16,
    ) -> Result<(), Code> {
        if epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        if is_transactional && epoch == -1 && member.is_empty() && instance.is_none() {
            return Ok(());
        }
        let member = self.members.get(member).ok_or(Code::UnknownMemberId)?;
        if !is_transactional && !member.is_classic() && version < COMMIT_VERSION_MIN {
            return Err(Code::UnsupportedVersion);
        }
        if epoch > member.epoch { Err(stale(member)) } else { Ok(()) }
    }

    /// Whether a member that passed [`Group::validate_offset_commit`] may commit an offset of this partition: it
    /// sends its own epoch, or one at which it already owned the partition that it still owns.
    pub(in crate::group) fn validate_partition_commit(
        &self,
        member: &str,
        epoch: i32,
        topic: Option<Uuid>,
        partition: i32,
    ) -> Result<(), Code> {
        let Some(member) = self.members.get(member) else { return Ok(()) };
        if epoch == member.epoch {
            return Ok(());
        }
        match topic.and_then(|topic| member.assignment_epoch(topic, partition)) {
            Some(assigned) if epoch >= assigned => Ok(()),
            _ => Err(stale(member)),
        }
    }

    /// Whether committed offsets may be read (`ConsumerGroup.validateOffsetFetch`).
    pub(in crate::group) fn validate_offset_fetch(
        &self,
        member: Option<&str>,
        epoch: i32,
    ) -> Result<(), Code> {
        if member.is_none() && epoch < 0 {
            return Ok(());
        }
        let member = member.and_then(|id| self.members.get(id)).ok_or(Code::UnknownMemberId)?;
        if epoch == member.epoch { Ok(()) } else { Err(stale(member)) }
    }

    /// Whether offsets may be deleted (`ConsumerGroup.validateOffsetDelete`).
    pub(in crate::group) fn validate_offset_delete(&self) -> Result<(), Code> {
        Ok(())
    }

    /// Whether the group may be deleted (`ConsumerGroup.validateDeleteGroup`).
    pub(in crate::group) fn validate_delete(&self) -> Result<(), Code> {
        if self.is_empty() { Ok(()) } else { Err(Code::NonEmptyGroup) }
    }

    /// Whether members subscribe to `topic`; its offsets are then neither deleted nor expired.
    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribers.contains_key(topic)
    }

    /// From when on the retention time of an offset that was committed at `commit_ms` counts; none while it must
    /// not expire (`ConsumerGroup.offsetExpirationCondition`).
    pub(in crate::group) fn expiry_base_ms(&self, commit_ms: i64, is_subscribed: bool) -> Option<i64> {
        (!is_subscribed).then_some(commit_ms)
    }
}

fn stale(member: &Member) -> Code {
    if member.is_classic() { Code::IllegalGeneration } else { Code::StaleMemberEpoch }
}
