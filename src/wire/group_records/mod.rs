//! The records of `__consumer_offsets`, byte for byte
//! (`group-coordinator/src/main/resources/common/message/*.json`, `GroupCoordinatorRecordSerde`).
//!
//! A key is the record's type and its fields, a value its version and its fields; a record without a value is a
//! tombstone. Types that are not known here (members and assignments of share and streams groups) are told apart from
//! damage: they are skipped, not refused.

mod serde;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

pub use self::value::*;
pub use crate::wire::field::Malformed;

/// A group of a protocol that is not served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherKind {
    /// A share group (KIP-932).
    Share,
    /// A streams group (KIP-1071).
    Streams,
}

/// One record: what it is about, and what is true of it from then on; none is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Type 1 (0 before it had a leader epoch): a committed offset.
    OffsetCommit {
        /// The group.
        group: Arc<str>,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition's index.
        partition: i32,
        /// What was committed.
        value: Option<OffsetCommitValue>,
    },
    /// Type 2: a classic group with its members.
    GroupMetadata {
        /// The group.
        group: Arc<str>,
        /// Generation, protocol and members.
        value: Option<GroupMetadataValue>,
    },
    /// Type 3: a consumer group's epoch.
    ConsumerGroupMetadata {
        /// The group.
        group: Arc<str>,
        /// Its epoch.
        value: Option<ConsumerGroupMetadataValue>,
    },
    /// Type 4: what Kafka before 4.1 noted of a group's topics; only ever deleted here.
    ConsumerGroupPartitionMetadata {
        /// The group.
        group: Arc<str>,
        /// Whether there is a value, which nobody needs any more.
        is_set: bool,
    },
    /// Type 5: a member of a consumer group, as it describes itself.
    ConsumerGroupMemberMetadata {
        /// The group.
        group: Arc<str>,
        /// The member.
        member: Arc<str>,
        /// Its subscription and where it is.
        value: Option<ConsumerGroupMemberMetadataValue>,
    },
    /// Type 6: the epoch of a consumer group's target assignment.
    ConsumerGroupTargetAssignmentMetadata {
        /// The group.
        group: Arc<str>,
        /// The epoch.
        value: Option<ConsumerGroupTargetAssignmentMetadataValue>,
    },
    /// Type 7: what a member is to own.
    ConsumerGroupTargetAssignmentMember {
        /// The group.
        group: Arc<str>,
        /// The member.
        member: Arc<str>,
        /// The partitions.
        value: Option<ConsumerGroupTargetAssignmentMemberValue>,
    },
    /// Type 8: what a member owns.
    ConsumerGroupCurrentMemberAssignment {
        /// The group.
        group: Arc<str>,
        /// The member.
        member: Arc<str>,
        /// Its epoch, state and partitions.
        value: Option<ConsumerGroupCurrentMemberAssignmentValue>,
    },
    /// Types 11 and 17: the epoch of a group of another protocol.
    OtherGroupMetadata {
        /// Which protocol.
        kind: OtherKind,
        /// The group.
        group: Arc<str>,
        /// Whether there is a value; what it says is not kept.
        is_set: bool,
    },
    /// Type 16: which topics a regular expression stands for.
    ConsumerGroupRegularExpression {
        /// The group.
        group: Arc<str>,
        /// The expression.
        regex: Arc<str>,
        /// The topics.
        value: Option<ConsumerGroupRegularExpressionValue>,
    },
}
