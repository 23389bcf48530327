//! The values of the records, field by field.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::wire::field::{Nullable, messages};

/// A committed offset, versions 0 to 4.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitValue {
    /// The next offset to consume.
    pub offset: i64,
    /// Epoch of the last record consumed, -1 if unknown.
    pub leader_epoch: i32,
    /// What the client wants to keep.
    pub metadata: Arc<str>,
    /// When it was committed, in ms.
    pub commit_timestamp: i64,
    /// When it expires, in ms; -1: after the group's retention time (version 1 alone has it).
    pub expire_timestamp: i64,
    /// The topic's id, zero if unknown.
    pub topic_id: Uuid,
}

/// A classic group, versions 0 to 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GroupMetadataValue {
    /// `consumer`, `connect`, ...
    pub protocol_type: Arc<str>,
    /// The generation.
    pub generation: i32,
    /// The protocol in use; none without members.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; none without members.
    pub leader: Option<Arc<str>>,
    /// When the group entered its state, in ms; -1 if unknown.
    pub current_state_timestamp: i64,
    /// The members.
    pub members: Vec<MemberMetadata>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberMetadata {
    /// Its id.
    pub member_id: Arc<str>,
    /// `group.instance.id`.
    pub group_instance_id: Option<Arc<str>>,
    /// `client.id`.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// In ms; -1 if unknown.
    pub rebalance_timeout: i32,
    /// In ms.
    pub session_timeout: i32,
    /// Its metadata for the protocol in use.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

messages! {
    /// A consumer group.
    ConsumerGroupMetadataValue {
        /// The group epoch.
        epoch: i32,
    } + tagged {
        /// Hash of the topics subscribed to; a change means a rebalance (KIP-1101).
        0 metadata_hash: i64,
    }

    /// A member of a consumer group.
    ConsumerGroupMemberMetadataValue {
        /// `group.instance.id`.
        instance_id: Option<Arc<str>>,
        /// `client.rack`.
        rack_id: Option<Arc<str>>,
        /// `client.id`.
        client_id: Arc<str>,
        /// Where it connects from.
        client_host: Arc<str>,
        /// Topics subscribed to by name.
        subscribed_topic_names: Vec<Arc<str>>,
        /// Expression subscribed to.
        subscribed_topic_regex: Option<Arc<str>>,
        /// In ms.
        rebalance_timeout_ms: i32 = -1,
        /// The assignor it asks for.
        server_assignor: Option<Arc<str>>,
    } + tagged {
        /// Set while the member speaks the classic protocol. What is missing is an empty one for Kafka, so null is written.
        0 classic_member_metadata: Nullable<ClassicMemberMetadata> = Nullable(Some(ClassicMemberMetadata::default())),
    }

    /// What a member that speaks the classic protocol brought along.
    ClassicMemberMetadata {
        /// In ms.
        session_timeout_ms: i32,
        /// Its protocols, as it prefers them.
        supported_protocols: Vec<ClassicProtocol>,
    }

    /// One protocol of such a member.
    ClassicProtocol {
        /// `range`, ...
        name: Arc<str>,
        /// The member's subscription in that protocol.
        metadata: Bytes,
    }

    /// A group's target assignment.
    ConsumerGroupTargetAssignmentMetadataValue {
        /// The group epoch that it was made for.
        assignment_epoch: i32,
    } + tagged {
        /// When it was made, in ms (KIP-1263).
        0 assignment_timestamp: i64,
    }

    /// What a member is to own.
    ConsumerGroupTargetAssignmentMemberValue {
        /// By topic.
        topic_partitions: Vec<TargetTopicPartitions>,
    }

    /// Partitions of one topic.
    TargetTopicPartitions {
        /// The topic.
        topic_id: Uuid,
        /// Their indexes.
        partitions: Vec<i32>,
    }

    /// What a member owns.
    ConsumerGroupCurrentMemberAssignmentValue {
        /// The epoch that the member is to send.
        member_epoch: i32,
        /// The epoch before, in case the member never saw the new one.
        previous_member_epoch: i32,
        /// `MemberState`: 0 STABLE, 1 UNREVOKED_PARTITIONS, 2 UNRELEASED_PARTITIONS, 127 UNKNOWN.
        state: i8,
        /// What it owns.
        assigned_partitions: Vec<CurrentTopicPartitions>,
        /// What it has to give up.
        partitions_pending_revocation: Vec<CurrentTopicPartitions>,
    }

    /// Partitions of one topic, with the epochs at which they were assigned.
    CurrentTopicPartitions {
        /// The topic.
        topic_id: Uuid,
        /// Their indexes.
        partitions: Vec<i32>,
    } + tagged {
        /// As many as partitions; fences commits of earlier owners.
        0 assignment_epochs: Option<Vec<i32>>,
    }

    /// What an expression was resolved to.
    ConsumerGroupRegularExpressionValue {
        /// The topics that match.
        topics: Vec<Arc<str>>,
        /// Offset of the metadata image that it was resolved against.
        version: i64,
        /// When, in ms.
        timestamp: i64,
    }
}
