//! OffsetFetch, versions 1 to 10. The message crate stops at 9; 10 names topics by id. Versions below 8 have one
//! group, as fields of the request itself; here they are a list of one.

use std::ops::RangeInclusive;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::field::{Field, Malformed};
use super::lengths::{Frame, Input, Output, crate_traits};

const VERSIONS: RangeInclusive<i16> = 1..=10;
/// From here on a request has several groups.
const GROUPS_FROM: i16 = 8;

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

crate_traits!(VERSIONS, flexible 6, request OffsetFetchRequest, response OffsetFetchResponse);

impl OffsetFetchRequest {
    fn read(version: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let group = |input: &mut Input<'_>| FetchGroup::read(version, input, frame);
        let groups = if version >= GROUPS_FROM { input.array(2, group)? } else { vec![group(input)?] };
        let require_stable = version >= 7 && bool::read(version, input.reader())?;
        input.end()?;
        Ok(Self { groups, require_stable })
    }
}

impl FetchGroup {
    fn read(version: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let mut group = Self { group_id: frame.text(input.string()?), member_epoch: -1, ..Self::default() };
        if version >= 9 {
            group.member_id = input.nullable_string()?.map(|member| frame.text(member));
            group.member_epoch = input.i32()?;
        }
        let topics = input.nullable_array(2, |input| FetchTopic::read(version, input, frame))?;
        if version < 2 && topics.is_none() {
            return Err(Malformed::Null);
        }
        group.topics = topics;
        if version >= GROUPS_FROM {
            input.end()?;
        }
        Ok(group)
    }
}

impl FetchTopic {
    fn read(version: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let mut topic = Self::default();
        if version >= 10 {
            topic.topic_id = Uuid::read(version, input.reader())?;
        } else {
            topic.name = frame.text(input.string()?);
        }
        topic.partition_indexes = input.array(4, Input::i32)?;
        input.end()?;
        Ok(topic)
    }
}

impl OffsetFetchResponse {
    fn write(&self, version: i16, output: &mut Output<'_>) {
        if version >= 3 {
            output.i32(0); // The throttle time: nobody is throttled.
        }
        if version >= GROUPS_FROM {
            output.array(&self.groups, |output, group| {
                output.string(&group.group_id);
                group.write_topics(version, output);
                output.i16(group.error_code);
                output.end();
            });
        } else {
            let none = FetchedGroup::default();
            let group = self.groups.first().unwrap_or(&none);
            group.write_topics(version, output);
            if version >= 2 {
                output.i16(group.error_code);
            }
        }
        output.end();
    }
}

impl FetchedGroup {
    fn write_topics(&self, version: i16, output: &mut Output<'_>) {
        output.array(&self.topics, |output, topic| {
            if version >= 10 {
                output.put(topic.topic_id.as_bytes());
            } else {
                output.string(&topic.name);
            }
            output.array(&topic.partitions, |output, partition| {
                output.i32(partition.partition_index);
                output.i64(partition.committed_offset);
                if version >= 5 {
                    output.i32(partition.committed_leader_epoch);
                }
                output.string(&partition.metadata);
                output.i16(partition.error_code);
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
    use kafka_protocol::messages::offset_fetch_request as theirs;
    use kafka_protocol::messages::{
        GroupId, OffsetFetchRequest as TheirRequest, OffsetFetchResponse as TheirResponse, TopicName,
    };
    use kafka_protocol::protocol::{Decodable, Encodable};

    fn text(text: &'static str) -> StrBytes {
        StrBytes::from_static_str(text)
    }

    fn their_request(version: i16, all_topics: bool) -> TheirRequest {
        let request = TheirRequest::default().with_require_stable(version >= 7);
        if version < GROUPS_FROM {
            let topic = theirs::OffsetFetchRequestTopic::default()
                .with_name(TopicName(text("t")))
                .with_partition_indexes(vec![1, 2]);
            let topics = (!all_topics).then(|| vec![topic]);
            return request.with_group_id(GroupId(text("g"))).with_topics(topics);
        }
        let topic = theirs::OffsetFetchRequestTopics::default()
            .with_name(TopicName(text("t")))
            .with_partition_indexes(vec![1, 2]);
        let mut group = theirs::OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("g")))
            .with_topics((!all_topics).then(|| vec![topic]));
        if version >= 9 {
            group = group.with_member_id(Some(text("m"))).with_member_epoch(7);
        }
        request.with_groups(vec![group])
    }

    #[test]
    fn requests_read_as_the_crate_wrote_them() {
        for (version, all) in (1..=9).flat_map(|version| [(version, false), (version, version >= 2)]) {
            let mut bytes = BytesMut::new();
            their_request(version, all).encode(&mut bytes, version).unwrap();
            let mut bytes = bytes.freeze();
            let read = OffsetFetchRequest::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            let topic = FetchTopic { name: text("t"), topic_id: Uuid::nil(), partition_indexes: vec![1, 2] };
            let group = FetchGroup {
                group_id: text("g"),
                member_id: (version >= 9).then(|| text("m")),
                member_epoch: if version >= 9 { 7 } else { -1 },
                topics: (!all).then(|| vec![topic]),
            };
            let expected = OffsetFetchRequest { groups: vec![group], require_stable: version >= 7 };
            assert_eq!(read, expected, "version {version}");
        }
    }

    #[test]
    fn version_10_names_topics_by_id() {
        let mut bytes = Bytes::copy_from_slice(&crate::wire::tests::reference("offset_fetch_request_10"));
        let read = OffsetFetchRequest::decode(&mut bytes, 10).unwrap();
        assert!(bytes.is_empty());
        let topics = read.groups[0].topics.as_ref().unwrap();
        assert_eq!(topics[0].topic_id, crate::wire::tests::TOPIC_ID);
        assert_eq!(topics[0].partition_indexes, [1, 2]);
        assert_eq!(read.groups[1].topics, None);
    }

    #[test]
    fn responses_are_written_as_the_crate_reads_them() {
        let id = crate::wire::tests::TOPIC_ID;
        let partition = FetchedPartition {
            partition_index: 1,
            committed_offset: 42,
            committed_leader_epoch: 5,
            metadata: text("note"),
            error_code: 3,
        };
        let topic = FetchedTopic { name: text("t"), topic_id: id, partitions: vec![partition] };
        let group = FetchedGroup { group_id: text("g"), topics: vec![topic], error_code: 16 };
        let response = OffsetFetchResponse { groups: vec![group] };
        for version in VERSIONS {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(response.compute_size(version).unwrap(), bytes.len());
            let mut bytes = bytes.freeze();
            let read = TheirResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            let epoch = if version >= 5 { 5 } else { -1 };
            if version < GROUPS_FROM {
                assert_eq!(read.error_code, if version >= 2 { 16 } else { 0 });
                let partition = &read.topics[0].partitions[0];
                assert_eq!((partition.committed_offset, partition.committed_leader_epoch), (42, epoch));
                assert_eq!((partition.metadata.as_deref(), partition.error_code), (Some("note"), 3));
                continue;
            }
            assert_eq!((read.groups[0].group_id.as_str(), read.groups[0].error_code), ("g", 16));
            let topic = &read.groups[0].topics[0];
            assert_eq!(topic.topic_id, if version < 10 { Uuid::nil() } else { id });
            assert_eq!((topic.partitions[0].committed_offset, topic.partitions[0].error_code), (42, 3));
        }
    }
}
