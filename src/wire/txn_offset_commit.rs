//! TxnOffsetCommit, versions 0 to 6. The message crate stops at 5; 6 names topics by id (KIP-1319).

use std::ops::RangeInclusive;

use kafka_protocol::protocol::StrBytes;

use super::field::Malformed;
use super::lengths::{Frame, Input, Output, crate_traits};
use super::offset_commit::{CommitTopic, CommittedTopic};

const VERSIONS: RangeInclusive<i16> = 0..=6;

/// Offsets that are to be committed with a transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitRequest {
    /// Whose transaction.
    pub transactional_id: StrBytes,
    /// The group.
    pub group_id: StrBytes,
    /// The producer's id.
    pub producer_id: i64,
    /// And its epoch.
    pub producer_epoch: i16,
    /// Generation of a classic group or epoch of a member, -1 if unknown (3+).
    pub generation_id_or_member_epoch: i32,
    /// The member, empty if unknown (3+).
    pub member_id: StrBytes,
    /// `group.instance.id` (3+).
    pub group_instance_id: Option<StrBytes>,
    /// By topic.
    pub topics: Vec<CommitTopic>,
}

/// What became of each offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitResponse {
    /// By topic, as in the request.
    pub topics: Vec<CommittedTopic>,
}

crate_traits!(VERSIONS, flexible 3, request TxnOffsetCommitRequest, response TxnOffsetCommitResponse);

impl TxnOffsetCommitRequest {
    fn read(version: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let mut request = Self {
            transactional_id: frame.text(input.string()?),
            group_id: frame.text(input.string()?),
            producer_id: input.i64()?,
            producer_epoch: input.i16()?,
            generation_id_or_member_epoch: -1,
            ..Self::default()
        };
        if version >= 3 {
            request.generation_id_or_member_epoch = input.i32()?;
            request.member_id = frame.text(input.string()?);
            request.group_instance_id = input.nullable_string()?.map(|instance| frame.text(instance));
        }
        request.topics =
            input.array(2, |input| CommitTopic::read(version >= 6, version >= 2, input, frame))?;
        input.end()?;
        Ok(request)
    }
}

impl TxnOffsetCommitResponse {
    fn write(&self, version: i16, output: &mut Output<'_>) {
        output.i32(0); // The throttle time: nobody is throttled.
        CommittedTopic::write_all(&self.topics, version >= 6, output);
        output.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::offset_commit::CommitPartition;
    use crate::wire::tests::{TOPIC_ID, reference};
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::TxnOffsetCommitResponse as TheirResponse;
    use kafka_protocol::protocol::{Decodable, Encodable};
    use uuid::Uuid;

    #[test]
    fn every_version_reads_as_kafkas_classes_write() {
        let text = StrBytes::from_static_str;
        for version in VERSIONS {
            let mut bytes = Bytes::from(reference(&format!("txn_offset_commit_request_{version}")));
            let read = TxnOffsetCommitRequest::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            let knows_members = version >= 3;
            let partition = CommitPartition {
                partition_index: 3,
                committed_offset: 42,
                committed_leader_epoch: if version >= 2 { 5 } else { -1 },
                committed_metadata: Some(text("note")),
            };
            let topic = CommitTopic {
                name: text(if version < 6 { "t" } else { "" }),
                topic_id: if version < 6 { Uuid::nil() } else { TOPIC_ID },
                partitions: vec![partition],
            };
            let expected = TxnOffsetCommitRequest {
                transactional_id: text("tx"),
                group_id: text("g"),
                producer_id: 9,
                producer_epoch: 8,
                generation_id_or_member_epoch: if knows_members { 7 } else { -1 },
                member_id: text(if knows_members { "m" } else { "" }),
                group_instance_id: knows_members.then(|| text("i")),
                topics: vec![topic],
            };
            assert_eq!(read, expected, "version {version}");
        }
    }

    #[test]
    fn responses_are_written_as_the_crate_reads_them_and_by_id_from_6_on() {
        let name = StrBytes::from_static_str("t");
        let topic = CommittedTopic { name, topic_id: TOPIC_ID, partitions: vec![(3, 22), (4, 0)] };
        let response = TxnOffsetCommitResponse { topics: vec![topic] };
        for version in VERSIONS {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(response.compute_size(version).unwrap(), bytes.len());
            let mut bytes = bytes.freeze();
            if version == 6 {
                assert_eq!(bytes[5..21], *TOPIC_ID.as_bytes());
                continue;
            }
            let read = TheirResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            assert_eq!(read.topics[0].name.as_str(), "t");
            assert_eq!(read.topics[0].partitions[0].error_code, 22);
        }
    }
}
