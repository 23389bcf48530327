//! Keys and values as bytes, in the versions that Apache Kafka 4.3 writes; older and newer ones are read.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::value::{
    ClassicMemberMetadata, ConsumerGroupMemberMetadataValue, GroupMetadataValue, MemberMetadata,
    OffsetCommitValue,
};
use super::{Malformed, OtherKind, Record};
use crate::base::reader::Reader;
use crate::wire::field::{Field, read_tagged, write_tagged, write_uvarint};
use crate::wire::lengths::{Input, Output};

/// Of offset commits and classic groups; all others have version 0 alone.
const VERSION_MAX: i16 = 4;
/// The version of offset commits and classic groups with varint lengths and tagged fields.
const FLEXIBLE_FROM: i16 = 4;
/// What Kafka writes of a classic group (`GROUP_METADATA_VALUE_VERSION`).
const GROUP_METADATA_VERSION: i16 = 3;
/// What Kafka writes of an offset (`offsetCommitValueVersion`).
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The only version with a time of expiry; Kafka writes it for an offset that has one.
const OFFSET_COMMIT_EXPIRE_VERSION: i16 = 1;
/// The type of `ShareGroupMetadata`.
const SHARE_GROUP: i16 = 11;
/// The type of `StreamsGroupMetadata`.
const STREAMS_GROUP: i16 = 17;
/// The tag of a topic's id in an offset commit.
const TOPIC_ID_TAG: u32 = 0;

impl Record {
    /// The record's key, and its value unless it is a tombstone. Of other groups the value is lost, so that such a
    /// record must not go into the log.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Self::OffsetCommit { group, topic, partition, value } => {
                let mut key = key(1, &[group, topic]);
                key.extend_from_slice(&partition.to_be_bytes());
                (key, value.as_ref().map(OffsetCommitValue::encode))
            }
            Self::GroupMetadata { group, value } => {
                (key(2, &[group]), value.as_ref().map(GroupMetadataValue::encode))
            }
            Self::ConsumerGroupMetadata { group, value } => (key(3, &[group]), flexible(value.as_ref())),
            Self::ConsumerGroupPartitionMetadata { group, is_set } => {
                // Without topics: nobody reads them any more.
                let empty = Vec::<Arc<str>>::new();
                (key(4, &[group]), is_set.then(|| versioned(&empty)).map(with_end))
            }
            Self::ConsumerGroupMemberMetadata { group, member, value } => {
                (key(5, &[group, member]), flexible(value.as_ref()))
            }
            Self::ConsumerGroupTargetAssignmentMetadata { group, value } => {
                (key(6, &[group]), flexible(value.as_ref()))
            }
            Self::ConsumerGroupTargetAssignmentMember { group, member, value } => {
                (key(7, &[group, member]), flexible(value.as_ref()))
            }
            Self::ConsumerGroupCurrentMemberAssignment { group, member, value } => {
                (key(8, &[group, member]), flexible(value.as_ref()))
            }
            Self::OtherGroupMetadata { kind, group, is_set } => {
                let kind = match kind {
                    OtherKind::Share => SHARE_GROUP,
                    OtherKind::Streams => STREAMS_GROUP,
                };
                (key(kind, &[group]), is_set.then(Vec::new))
            }
            Self::ConsumerGroupRegularExpression { group, regex, value } => {
                (key(16, &[group, regex]), flexible(value.as_ref()))
            }
        }
    }

    /// Reads a record of the log; none if it is of a type that is not served here.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, Malformed> {
        let mut input = Input::new(key, false);
        let kind = input.i16()?;
        if !matches!(kind, 0..=8 | SHARE_GROUP | 16 | STREAMS_GROUP) {
            return Ok(None);
        }
        let group = Arc::from(input.string()?);
        let mut name = || -> Result<Arc<str>, Malformed> { Ok(Arc::from(input.string()?)) };
        let record = match kind {
            0 | 1 => {
                let (topic, partition) = (name()?, input.i32()?);
                let value = value.map(OffsetCommitValue::decode).transpose()?;
                Self::OffsetCommit { group, topic, partition, value }
            }
            2 => {
                let value = value.map(GroupMetadataValue::decode).transpose()?;
                Self::GroupMetadata { group, value }
            }
            3 => Self::ConsumerGroupMetadata { group, value: read_flexible(value)? },
            4 => Self::ConsumerGroupPartitionMetadata { group, is_set: value.is_some() },
            5 => {
                let (member, mut value) =
                    (name()?, read_flexible::<ConsumerGroupMemberMetadataValue>(value)?);
                if let Some(value) = &mut value {
                    // An empty one says nothing of a member that speaks the classic protocol.
                    value.classic_member_metadata.0.take_if(|it| *it == ClassicMemberMetadata::default());
                }
                Self::ConsumerGroupMemberMetadata { group, member, value }
            }
            6 => Self::ConsumerGroupTargetAssignmentMetadata { group, value: read_flexible(value)? },
            7 => {
                let (member, value) = (name()?, read_flexible(value)?);
                Self::ConsumerGroupTargetAssignmentMember { group, member, value }
            }
            8 => {
                let (member, value) = (name()?, read_flexible(value)?);
                Self::ConsumerGroupCurrentMemberAssignment { group, member, value }
            }
            SHARE_GROUP | STREAMS_GROUP => {
                let kind = if kind == SHARE_GROUP { OtherKind::Share } else { OtherKind::Streams };
                Self::OtherGroupMetadata { kind, group, is_set: value.is_some() }
            }
            _ => {
                let (regex, value) = (name()?, read_flexible(value)?);
                Self::ConsumerGroupRegularExpression { group, regex, value }
            }
        };
        nothing_left(input.reader())?;
        Ok(Some(record))
    }
}

fn nothing_left(reader: &Reader<'_>) -> Result<(), Malformed> {
    match reader.remaining() {
        0 => Ok(()),
        left => Err(Malformed::Garbage(left)),
    }
}

/// The record's type and strings.
fn key(kind: i16, strings: &[&Arc<str>]) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + strings.iter().map(|text| text.len() + 2).sum::<usize>());
    let mut output = Output::new(&mut key, false);
    output.i16(kind);
    strings.iter().for_each(|text| output.string(text));
    key
}

fn versioned(value: &impl Field) -> Vec<u8> {
    let mut out = 0_i16.to_be_bytes().to_vec();
    value.write(0, &mut out);
    out
}

/// No tagged fields.
fn with_end(mut value: Vec<u8>) -> Vec<u8> {
    value.push(0);
    value
}

/// A value that was flexible from version 0, which is the only one.
fn flexible(value: Option<&impl Field>) -> Option<Vec<u8>> {
    value.map(versioned)
}

fn read_flexible<T: Field>(value: Option<&[u8]>) -> Result<Option<T>, Malformed> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    if version != 0 {
        return Err(Malformed::Version(version));
    }
    let value = T::read(version, &mut reader)?;
    nothing_left(&reader)?;
    Ok(Some(value))
}

/// The version in front of `value`, and the fields after it.
fn split_version(value: &[u8]) -> Result<(i16, Input<'_>), Malformed> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    if !(0..=VERSION_MAX).contains(&version) {
        return Err(Malformed::Version(version));
    }
    Ok((version, Input::new(reader.rest(), version >= FLEXIBLE_FROM)))
}

impl OffsetCommitValue {
    fn encode(&self) -> Vec<u8> {
        let expires = self.expire_timestamp != -1;
        self.encode_version(if expires { OFFSET_COMMIT_EXPIRE_VERSION } else { OFFSET_COMMIT_VERSION })
    }

    pub(super) fn encode_version(&self, version: i16) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48 + self.metadata.len());
        let mut output = Output::new(&mut bytes, version >= FLEXIBLE_FROM);
        output.i16(version);
        output.i64(self.offset);
        if version >= 3 {
            output.i32(self.leader_epoch);
        }
        output.string(&self.metadata);
        output.i64(self.commit_timestamp);
        if version == OFFSET_COMMIT_EXPIRE_VERSION {
            output.i64(self.expire_timestamp);
        }
        if version >= FLEXIBLE_FROM {
            write_uvarint(u32::from(!self.topic_id.is_nil()), &mut bytes);
            if !self.topic_id.is_nil() {
                write_tagged(TOPIC_ID_TAG, &self.topic_id, version, &mut bytes);
            }
        }
        bytes
    }

    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (version, mut input) = split_version(value)?;
        let mut read = Self {
            offset: input.i64()?,
            leader_epoch: if version >= 3 { input.i32()? } else { -1 },
            metadata: Arc::from(input.string()?),
            commit_timestamp: input.i64()?,
            expire_timestamp: if version == OFFSET_COMMIT_EXPIRE_VERSION { input.i64()? } else { -1 },
            topic_id: Uuid::nil(),
        };
        if version >= FLEXIBLE_FROM {
            read_tagged(input.reader(), |tag, value| {
                if tag == TOPIC_ID_TAG {
                    read.topic_id = Uuid::read(version, value)?;
                }
                Ok(tag == TOPIC_ID_TAG)
            })?;
        }
        nothing_left(input.reader())?;
        Ok(read)
    }
}

impl GroupMetadataValue {
    fn encode(&self) -> Vec<u8> {
        self.encode_version(GROUP_METADATA_VERSION)
    }

    pub(super) fn encode_version(&self, version: i16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, version >= FLEXIBLE_FROM);
        output.i16(version);
        output.string(&self.protocol_type);
        output.i32(self.generation);
        output.nullable_string(self.protocol.as_deref());
        output.nullable_string(self.leader.as_deref());
        if version >= 2 {
            output.i64(self.current_state_timestamp);
        }
        output.array(&self.members, |output, member| member.write(version, output));
        output.end();
        bytes
    }

    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (version, mut input) = split_version(value)?;
        let read = Self {
            protocol_type: Arc::from(input.string()?),
            generation: input.i32()?,
            protocol: input.nullable_string()?.map(Arc::from),
            leader: input.nullable_string()?.map(Arc::from),
            current_state_timestamp: if version >= 2 { input.i64()? } else { -1 },
            members: input.array(MemberMetadata::LEN_MIN, |input| MemberMetadata::read(version, input))?,
        };
        input.end()?;
        nothing_left(input.reader())?;
        Ok(read)
    }
}

impl MemberMetadata {
    /// Five lengths of a byte, the session timeout and the tagged fields.
    const LEN_MIN: usize = 10;

    fn write(&self, version: i16, output: &mut Output<'_>) {
        output.string(&self.member_id);
        if version >= 3 {
            output.nullable_string(self.group_instance_id.as_deref());
        }
        output.string(&self.client_id);
        output.string(&self.client_host);
        if version >= 1 {
            output.i32(self.rebalance_timeout);
        }
        output.i32(self.session_timeout);
        output.bytes(&self.subscription);
        output.bytes(&self.assignment);
        output.end();
    }

    fn read(version: i16, input: &mut Input<'_>) -> Result<Self, Malformed> {
        let read = Self {
            member_id: Arc::from(input.string()?),
            group_instance_id: if version >= 3 { input.nullable_string()?.map(Arc::from) } else { None },
            client_id: Arc::from(input.string()?),
            client_host: Arc::from(input.string()?),
            rebalance_timeout: if version >= 1 { input.i32()? } else { -1 },
            session_timeout: input.i32()?,
            subscription: Bytes::copy_from_slice(input.bytes()?),
            assignment: Bytes::copy_from_slice(input.bytes()?),
        };
        input.end()?;
        Ok(read)
    }
}
