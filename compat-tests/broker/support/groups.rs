//! A member of a classic group, step by step.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartitions;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::{Client, eventually, text};

/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE and NOT_COORDINATOR: ask again.
const NOT_YET: [i16; 3] = [14, 15, 16];

/// A group of a test.
pub fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

/// What a member is after it has joined.
#[derive(Clone, Debug, Default)]
pub struct Member {
    pub group: GroupId,
    pub id: StrBytes,
    pub instance: Option<StrBytes>,
    pub generation: i32,
}

impl Member {
    /// Somebody who has not joined yet.
    pub fn of(group: &GroupId) -> Self {
        Self { group: group.clone(), generation: -1, ..Self::default() }
    }

    pub fn join_request(&self) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("p"))
            .with_metadata(Bytes::from_static(b"m"));
        JoinGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone())
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(20_000)
            .with_protocol_type(StrBytes::from_static_str("test"))
            .with_protocols(vec![protocol])
    }

    /// Takes what a JoinGroup was answered.
    pub fn joined(&mut self, answer: &JoinGroupResponse) {
        assert_eq!(answer.error_code, 0, "{answer:?}");
        self.id = answer.member_id.clone();
        self.generation = answer.generation_id;
    }

    pub fn sync_request(&self, assignments: &[(&Self, &'static str)]) -> SyncGroupRequest {
        let assignments = assignments.iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.id.clone())
                .with_assignment(Bytes::from_static(assignment.as_bytes()))
        });
        SyncGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone())
            .with_protocol_type(Some(StrBytes::from_static_str("test")))
            .with_protocol_name(Some(StrBytes::from_static_str("p")))
            .with_assignments(assignments.collect())
    }
}

impl Client {
    /// Waits until the coordinator of `group` is known and has read its log.
    pub fn await_coordinator(&mut self, group: &GroupId) {
        eventually("the group has a coordinator", || {
            let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![group.0.clone()]);
            let found = self.call(&request, 4).coordinators.remove(0);
            (found.error_code == 0).then_some(())
        });
        eventually("the coordinator serves", || {
            let offsets = self.committed(group, None);
            (!NOT_YET.contains(&offsets.error_code)).then_some(())
        });
    }

    /// Joins, the first time with the id that it is given; gives the answer once the rebalance is done.
    pub fn join(&mut self, member: &mut Member) -> JoinGroupResponse {
        if member.id.is_empty() && member.instance.is_none() {
            let answer = self.call(&member.join_request(), 5);
            assert_eq!(answer.error_code, 79, "{answer:?}");
            member.id = answer.member_id;
        }
        let answer = self.call(&member.join_request(), 5);
        member.joined(&answer);
        answer
    }

    pub fn heartbeat(&mut self, member: &Member) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(member.group.clone())
            .with_generation_id(member.generation)
            .with_member_id(member.id.clone())
            .with_group_instance_id(member.instance.clone());
        self.call(&request, 3).error_code
    }

    pub fn leave(&mut self, member: &Member) -> i16 {
        let identity = MemberIdentity::default()
            .with_member_id(member.id.clone())
            .with_group_instance_id(member.instance.clone());
        let request =
            LeaveGroupRequest::default().with_group_id(member.group.clone()).with_members(vec![identity]);
        let answer = self.call(&request, 4);
        if answer.error_code == 0 { answer.members[0].error_code } else { answer.error_code }
    }

    /// Commits one offset; the partition's code.
    pub fn commit(&mut self, member: &Member, topic: &TopicName, partition: i32, offset: i64) -> i16 {
        self.call(&commit_request(member, topic, partition, offset), 7).topics[0].partitions[0].error_code
    }

    /// What the group has committed of one topic's partitions, or of all.
    pub fn committed(
        &mut self,
        group: &GroupId,
        topic: Option<(&TopicName, &[i32])>,
    ) -> kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup {
        let topics = topic.map(|(name, partitions)| {
            vec![
                OffsetFetchRequestTopics::default()
                    .with_name(name.clone())
                    .with_partition_indexes(partitions.to_vec()),
            ]
        });
        let asked = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(topics);
        self.call(&OffsetFetchRequest::default().with_groups(vec![asked]), 8).groups.remove(0)
    }

    /// One committed offset, which the coordinator must be able to tell.
    pub fn committed_one(
        &mut self,
        group: &GroupId,
        topic: &TopicName,
        partition: i32,
    ) -> OffsetFetchResponsePartitions {
        let mut answer = self.committed(group, Some((topic, &[partition])));
        assert_eq!(answer.error_code, 0, "{answer:?}");
        answer.topics.remove(0).partitions.remove(0)
    }
}

/// For versions that name topics.
pub fn commit_request(
    member: &Member,
    topic: &TopicName,
    partition: i32,
    offset: i64,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text(&format!("at {offset}"))));
    let topic = OffsetCommitRequestTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(member.group.clone())
        .with_generation_id_or_member_epoch(member.generation)
        .with_member_id(member.id.clone())
        .with_group_instance_id(member.instance.clone())
        .with_topics(vec![topic])
}
