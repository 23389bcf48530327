//! OffsetFetch, versions 1 to 10. The message crate stops at 9; 10 names topics by id. Versions below 8 have one
//! group, as fields of the request itself; here they are a list of one.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

/// Which committed offsets a client wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequest {
    /// By group; one below version 8.
    pub groups: Vec<FetchGroup>,
    /// Refuse offsets that an open transaction may change (7+, KIP-447).
    pub require_stable: bool,
}

/// What is wanted of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchGroup {
    /// The group.
    pub group_id: StrBytes,
    /// The member that asks (9+).
    pub member_id: Option<StrBytes>,
    /// Its epoch, -1 if it is none (9+).
    pub member_epoch: i32,
    /// By topic; none for all.
    pub topics: Option<Vec<FetchTopic>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchTopic {
    /// Its name (1-9); whoever hands a version 10 to a group fills it in.
    pub name: StrBytes,
    /// Its id (10+), else zero.
    pub topic_id: Uuid,
    /// Their indexes.
    pub partition_indexes: Vec<i32>,
}

/// The committed offsets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponse {
    /// By group, as in the request.
    pub groups: Vec<FetchedGroup>,
}

/// The offsets of one group, or why there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedGroup {
    /// The group.
    pub group_id: StrBytes,
    /// By topic.
    pub topics: Vec<FetchedTopic>,
    /// Of the group as a whole.
    pub error_code: i16,
}

/// The offsets of one topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedTopic {
    /// Its name (1-9).
    pub name: StrBytes,
    /// Its id (10+).
    pub topic_id: Uuid,
    /// By partition.
    pub partitions: Vec<FetchedPartition>,
}

/// The offset of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedPartition {
    /// Its index.
    pub partition_index: i32,
    /// The next offset to consume, -1 if none is committed.
    pub committed_offset: i64,
    /// Epoch of the last record consumed, -1 if unknown (5+).
    pub committed_leader_epoch: i32,
    /// What the client wanted kept, empty if nothing is committed.
    pub metadata: StrBytes,
    /// Of this partition.
    pub error_code: i16,
}
