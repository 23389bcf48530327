//! OffsetCommit, versions 2 to 10. The message crate stops at 9; 10 names topics by id.

use std::ops::RangeInclusive;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::field::{Field, Malformed};
use super::lengths::{Frame, Input, Output, crate_traits};

const VERSIONS: RangeInclusive<i16> = 2..=10;

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

crate_traits!(VERSIONS, flexible 8, request OffsetCommitRequest, response OffsetCommitResponse);

impl OffsetCommitRequest {
    fn read(version: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let request = Self {
            group_id: frame.text(input.string()?),
            generation_id_or_member_epoch: input.i32()?,
            member_id: frame.text(input.string()?),
            group_instance_id: if version >= 7 {
                input.nullable_string()?.map(|instance| frame.text(instance))
            } else {
                None
            },
            retention_time_ms: if version <= 4 { input.i64()? } else { -1 },
            topics: input.array(2, |input| CommitTopic::read(version >= 10, version >= 6, input, frame))?,
        };
        input.end()?;
        Ok(request)
    }
}

impl CommitTopic {
    /// `by_id`: the version names topics by id; `with_epoch`: it has leader epochs.
    pub(super) fn read(
        by_id: bool,
        with_epoch: bool,
        input: &mut Input<'_>,
        frame: &Frame,
    ) -> Result<Self, Malformed> {
        let mut topic = Self::default();
        if by_id {
            topic.topic_id = Uuid::read(0, input.reader())?;
        } else {
            topic.name = frame.text(input.string()?);
        }
        topic.partitions = input.array(13, |input| CommitPartition::read(with_epoch, input, frame))?;
        input.end()?;
        Ok(topic)
    }
}

impl CommitPartition {
    fn read(with_epoch: bool, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let partition = Self {
            partition_index: input.i32()?,
            committed_offset: input.i64()?,
            committed_leader_epoch: if with_epoch { input.i32()? } else { -1 },
            committed_metadata: input.nullable_string()?.map(|metadata| frame.text(metadata)),
        };
        input.end()?;
        Ok(partition)
    }
}

impl OffsetCommitResponse {
    fn write(&self, version: i16, output: &mut Output<'_>) {
        if version >= 3 {
            output.i32(0); // The throttle time: nobody is throttled.
        }
        CommittedTopic::write_all(&self.topics, version >= 10, output);
        output.end();
    }
}

impl CommittedTopic {
    pub(super) fn write_all(topics: &[Self], by_id: bool, output: &mut Output<'_>) {
        output.array(topics, |output, topic| {
            if by_id {
                output.put(topic.topic_id.as_bytes());
            } else {
                output.string(&topic.name);
            }
            output.array(&topic.partitions, |output, (partition, error_code)| {
                output.i32(*partition);
                output.i16(*error_code);
                output.end();
            });
            output.end();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::offset_commit_request as theirs;
    use kafka_protocol::messages::{GroupId, OffsetCommitRequest as Theirs, TopicName};
    use kafka_protocol::protocol::{Decodable, Encodable};

    fn text(text: &'static str) -> StrBytes {
        StrBytes::from_static_str(text)
    }

    #[test]
    fn requests_read_as_the_crate_wrote_them() {
        for version in 2..=9 {
            let partition = theirs::OffsetCommitRequestPartition::default()
                .with_partition_index(3)
                .with_committed_offset(42)
                .with_committed_leader_epoch(if version >= 6 { 5 } else { -1 })
                .with_committed_metadata(Some(text("note")));
            let topic = theirs::OffsetCommitRequestTopic::default()
                .with_name(TopicName(text("t")))
                .with_partitions(vec![partition]);
            let request = Theirs::default()
                .with_group_id(GroupId(text("g")))
                .with_generation_id_or_member_epoch(7)
                .with_member_id(text("m"))
                .with_group_instance_id((version >= 7).then(|| text("i")))
                .with_retention_time_ms(if version <= 4 { 1000 } else { -1 })
                .with_topics(vec![topic]);
            let mut bytes = BytesMut::new();
            request.encode(&mut bytes, version).unwrap();
            let mut bytes = bytes.freeze();
            let read = OffsetCommitRequest::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            let partition = CommitPartition {
                partition_index: 3,
                committed_offset: 42,
                committed_leader_epoch: if version >= 6 { 5 } else { -1 },
                committed_metadata: Some(text("note")),
            };
            let topic = CommitTopic { name: text("t"), topic_id: Uuid::nil(), partitions: vec![partition] };
            let expected = OffsetCommitRequest {
                group_id: text("g"),
                generation_id_or_member_epoch: 7,
                member_id: text("m"),
                group_instance_id: (version >= 7).then(|| text("i")),
                retention_time_ms: if version <= 4 { 1000 } else { -1 },
                topics: vec![topic],
            };
            assert_eq!(read, expected, "version {version}");
        }
    }

    #[test]
    fn version_10_names_topics_by_id() {
        let mut bytes = Bytes::copy_from_slice(&crate::wire::tests::reference("offset_commit_request_10"));
        let read = OffsetCommitRequest::decode(&mut bytes, 10).unwrap();
        assert!(bytes.is_empty());
        assert_eq!(read.topics[0].topic_id, crate::wire::tests::TOPIC_ID);
        assert_eq!(read.topics[0].partitions[0].committed_offset, 42);
        assert_eq!(read.topics[0].partitions[0].committed_metadata, None);
    }

    #[test]
    fn responses_are_written_as_the_crate_reads_them() {
        use kafka_protocol::messages::OffsetCommitResponse as Theirs;
        let id = crate::wire::tests::TOPIC_ID;
        let topic = CommittedTopic { name: text("t"), topic_id: id, partitions: vec![(3, 22), (4, 0)] };
        let response = OffsetCommitResponse { topics: vec![topic] };
        for version in VERSIONS {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(response.compute_size(version).unwrap(), bytes.len());
            let mut bytes = bytes.freeze();
            let read = Theirs::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            assert_eq!(read.topics[0].name.as_str(), if version < 10 { "t" } else { "" });
            assert_eq!(read.topics[0].topic_id, if version < 10 { Uuid::nil() } else { id });
            assert_eq!(read.topics[0].partitions[0].partition_index, 3);
            assert_eq!(read.topics[0].partitions[0].error_code, 22);
        }
    }
}
