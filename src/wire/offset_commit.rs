//! OffsetCommit, versions 2 to 10. The message crate stops at 9; 10 names topics by id.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

/// Offsets that a member, or a client without a group membership, wants kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group_id: StrBytes,
    /// Generation of a classic group or epoch of a member; -1 for a commit from outside of the group.
    pub generation_id_or_member_epoch: i32,
    /// The member, empty from outside of the group.
    pub member_id: StrBytes,
    /// `group.instance.id` (7+).
    pub group_instance_id: Option<StrBytes>,
    /// `retention.ms` of versions 2 to 4; -1 for the broker's.
    pub retention_time_ms: i64,
    /// By topic.
    pub topics: Vec<CommitTopic>,
}

/// The offsets of one topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitTopic {
    /// Its name (2-9); whoever hands a version 10 to a group fills it in.
    pub name: StrBytes,
    /// Its id (10+), else zero.
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<CommitPartition>,
}

/// The offset of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitPartition {
    /// Its index.
    pub partition_index: i32,
    /// The next offset to consume.
    pub committed_offset: i64,
    /// Epoch of the last record consumed, -1 if unknown (6+).
    pub committed_leader_epoch: i32,
    /// What the client wants to keep.
    pub committed_metadata: Option<StrBytes>,
}

/// What became of each offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponse {
    /// By topic, as in the request.
    pub topics: Vec<CommittedTopic>,
}

/// The answers of one topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommittedTopic {
    /// Its name (2-9).
    pub name: StrBytes,
    /// Its id (10+).
    pub topic_id: Uuid,
    /// Partition and error code.
    pub partitions: Vec<(i32, i16)>,
}
