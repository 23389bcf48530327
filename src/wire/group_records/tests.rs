//! The reference bytes were written by Apache Kafka 4.3.1's own classes (`reference.txt`).

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::wire::field::Nullable;
use crate::wire::tests::{TOPIC_ID, unhex};

type Encoded = (Vec<u8>, Option<Vec<u8>>);

fn references() -> impl Iterator<Item = (&'static str, Encoded)> {
    include_str!("reference.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [name, key, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        (name, (unhex(key), (value != "-").then(|| unhex(value))))
    })
}

fn reference(name: &str) -> Encoded {
    references().find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no bytes for {name}")).1
}

fn decode((key, value): &Encoded) -> Result<Option<Record>, Malformed> {
    Record::decode(key, value.as_deref())
}

fn offset_value() -> OffsetCommitValue {
    OffsetCommitValue {
        offset: 42,
        leader_epoch: 5,
        metadata: "méta".into(),
        commit_timestamp: 1_234_567_890_123,
        expire_timestamp: -1,
        topic_id: Uuid::nil(),
    }
}

fn offset_commit(value: OffsetCommitValue) -> Record {
    Record::OffsetCommit { group: "g".into(), topic: "t".into(), partition: 7, value: Some(value) }
}

/// What version `version` of a classic group can hold.
fn group_value(version: i16) -> GroupMetadataValue {
    let member =
        |id: &str, instance: Option<&str>, subscription: &'static [u8], assignment: &'static [u8]| {
            MemberMetadata {
                member_id: id.into(),
                group_instance_id: instance.filter(|_| version >= 3).map(Into::into),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                rebalance_timeout: if version >= 1 { 300_000 } else { -1 },
                session_timeout: 45_000,
                subscription: Bytes::from_static(subscription),
                assignment: Bytes::from_static(assignment),
            }
        };
    GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        current_state_timestamp: if version >= 2 { 1_234_567_890_123 } else { -1 },
        members: vec![member("m-1", Some("i"), &[1, 2, 3], &[]), member("m-2", None, &[], &[4])],
    }
}

/// What Kafka's coordinator writes today, and tombstones.
fn written_today() -> Vec<(&'static str, Record)> {
    let group = || -> Arc<str> { "g".into() };
    let mut found = vec![
        ("helper_offset_commit", offset_commit(OffsetCommitValue { topic_id: TOPIC_ID, ..offset_value() })),
        ("offset_commit_4", offset_commit(offset_value())),
        (
            "helper_offset_commit_expire",
            offset_commit(OffsetCommitValue {
                expire_timestamp: 1_234_567_899_999,
                leader_epoch: -1,
                ..offset_value()
            }),
        ),
        (
            "offset_commit_tombstone",
            Record::OffsetCommit { group: group(), topic: "t".into(), partition: 7, value: None },
        ),
        ("group_metadata_3", Record::GroupMetadata { group: group(), value: Some(group_value(3)) }),
        (
            "group_metadata_empty",
            Record::GroupMetadata {
                group: group(),
                value: Some(GroupMetadataValue {
                    current_state_timestamp: 1_234_567_890_123,
                    ..GroupMetadataValue::default()
                }),
            },
        ),
        ("group_metadata_tombstone", Record::GroupMetadata { group: group(), value: None }),
    ];
    found.extend(consumer_groups());
    found
}

fn consumer_groups() -> Vec<(&'static str, Record)> {
    let (group, member) = (|| -> Arc<str> { "g".into() }, || -> Arc<str> { "m-1".into() });
    let epoch = |metadata_hash| Record::ConsumerGroupMetadata {
        group: group(),
        value: Some(ConsumerGroupMetadataValue { epoch: 10, metadata_hash }),
    };
    let target = |assignment_timestamp| Record::ConsumerGroupTargetAssignmentMetadata {
        group: group(),
        value: Some(ConsumerGroupTargetAssignmentMetadataValue {
            assignment_epoch: 10,
            assignment_timestamp,
        }),
    };
    vec![
        ("consumer_group_metadata", epoch(0)),
        ("consumer_group_metadata_hash", epoch(-0x0102_0304_0506_0708)),
        ("consumer_group_metadata_tombstone", Record::ConsumerGroupMetadata { group: group(), value: None }),
        (
            "consumer_group_partition_metadata_tombstone",
            Record::ConsumerGroupPartitionMetadata { group: group(), is_set: false },
        ),
        ("consumer_group_target_assignment_metadata", target(0)),
        ("consumer_group_target_assignment_metadata_timestamp", target(1_234_567_890_123)),
        (
            "consumer_group_target_assignment_metadata_tombstone",
            Record::ConsumerGroupTargetAssignmentMetadata { group: group(), value: None },
        ),
        (
            "consumer_group_target_assignment_member",
            Record::ConsumerGroupTargetAssignmentMember {
                group: group(),
                member: member(),
                value: Some(ConsumerGroupTargetAssignmentMemberValue {
                    topic_partitions: vec![TargetTopicPartitions {
                        topic_id: TOPIC_ID,
                        partitions: vec![0, 1],
                    }],
                }),
            },
        ),
        (
            "consumer_group_target_assignment_member_tombstone",
            Record::ConsumerGroupTargetAssignmentMember { group: group(), member: member(), value: None },
        ),
        (
            "consumer_group_regular_expression",
            Record::ConsumerGroupRegularExpression {
                group: group(),
                regex: "a.*".into(),
                value: Some(ConsumerGroupRegularExpressionValue {
                    topics: vec!["ab".into(), "ac".into()],
                    version: 100,
                    timestamp: 1_234_567_890_123,
                }),
            },
        ),
        (
            "consumer_group_regular_expression_tombstone",
            Record::ConsumerGroupRegularExpression { group: group(), regex: "a.*".into(), value: None },
        ),
    ]
    .into_iter()
    .chain(members())
    .collect()
}

fn members() -> Vec<(&'static str, Record)> {
    let (group, member) = (|| -> Arc<str> { "g".into() }, || -> Arc<str> { "m-1".into() });
    let described = |value| Record::ConsumerGroupMemberMetadata { group: group(), member: member(), value };
    let full = ConsumerGroupMemberMetadataValue {
        instance_id: Some("i".into()),
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: vec!["a".into(), "b".into()],
        subscribed_topic_regex: Some("a.*".into()),
        rebalance_timeout_ms: 300_000,
        server_assignor: Some("uniform".into()),
        classic_member_metadata: Nullable(None),
    };
    let classic = ClassicMemberMetadata {
        session_timeout_ms: 45_000,
        supported_protocols: vec![ClassicProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(&[1, 2]),
        }],
    };
    let classic =
        ConsumerGroupMemberMetadataValue { classic_member_metadata: Nullable(Some(classic)), ..full.clone() };
    let partitions = |partitions: &[i32], epochs: Option<&[i32]>| CurrentTopicPartitions {
        topic_id: TOPIC_ID,
        partitions: partitions.to_vec(),
        assignment_epochs: epochs.map(<[i32]>::to_vec),
    };
    let current =
        |value| Record::ConsumerGroupCurrentMemberAssignment { group: group(), member: member(), value };
    vec![
        ("consumer_group_member_metadata", described(Some(full))),
        (
            "consumer_group_member_metadata_plain",
            described(Some(ConsumerGroupMemberMetadataValue {
                classic_member_metadata: Nullable(None),
                ..ConsumerGroupMemberMetadataValue::default()
            })),
        ),
        ("consumer_group_member_metadata_classic", described(Some(classic))),
        ("consumer_group_member_metadata_tombstone", described(None)),
        (
            "consumer_group_current_member_assignment",
            current(Some(ConsumerGroupCurrentMemberAssignmentValue {
                member_epoch: 10,
                previous_member_epoch: 9,
                state: 1,
                assigned_partitions: vec![partitions(&[0, 1], Some(&[9, 10]))],
                partitions_pending_revocation: vec![partitions(&[2], None)],
            })),
        ),
        ("consumer_group_current_member_assignment_tombstone", current(None)),
    ]
}

#[test]
fn every_record_reads_and_writes_as_kafkas_classes_do() {
    for (name, record) in written_today() {
        let bytes = reference(name);
        assert_eq!(decode(&bytes), Ok(Some(record.clone())), "{name}");
        assert_eq!(record.encode(), bytes, "{name}");
    }
}

#[test]
fn offset_commits_of_every_version_are_read() {
    let plain = OffsetCommitValue { leader_epoch: -1, ..offset_value() };
    let expiring = OffsetCommitValue { expire_timestamp: 1_234_567_899_999, ..plain.clone() };
    let with_id = OffsetCommitValue { topic_id: TOPIC_ID, ..offset_value() };
    for (name, value) in [
        ("legacy_offset_commit", plain.clone()),
        ("offset_commit_0", plain.clone()),
        ("offset_commit_1", expiring),
        ("offset_commit_2", plain),
        ("offset_commit_3", offset_value()),
        ("offset_commit_4", offset_value()),
        ("offset_commit_4_topic_id", with_id),
    ] {
        assert_eq!(decode(&reference(name)), Ok(Some(offset_commit(value))), "{name}");
    }
}

#[test]
fn classic_groups_of_every_version_are_read() {
    for version in 0..=4 {
        let bytes = reference(&format!("group_metadata_{version}"));
        let value = Some(group_value(version));
        assert_eq!(decode(&bytes), Ok(Some(Record::GroupMetadata { group: "g".into(), value })));
        assert_eq!(bytes.1, Some(group_value(version).encode_version(version)));
    }
}

#[test]
fn records_of_other_kinds_of_groups_are_told_apart_or_skipped_and_later_versions_refused() {
    let (kind, group) = (OtherKind::Share, "g".into());
    let known = Record::OtherGroupMetadata { kind, group, is_set: true };
    assert_eq!(decode(&reference("share_group_metadata")), Ok(Some(known)));
    let (mut key, value) = reference("share_group_metadata");
    key[1] = 12;
    assert_eq!(decode(&(key, value)), Ok(None));
    let set = Record::ConsumerGroupPartitionMetadata { group: "g".into(), is_set: true };
    assert_eq!(decode(&reference("consumer_group_partition_metadata")), Ok(Some(set.clone())));
    assert_eq!(decode(&set.encode()), Ok(Some(set)));
    for (name, version) in [("offset_commit_4", 5), ("group_metadata_4", 5), ("consumer_group_metadata", 1)] {
        let (key, value) = reference(name);
        let mut value = value.unwrap();
        value[1] = version;
        assert_eq!(decode(&(key, Some(value))), Err(Malformed::Version(version.into())), "{name}");
    }
}

#[test]
fn every_cut_and_every_byte_too_many_is_an_error_and_no_byte_flip_panics() {
    for (name, (key, value)) in references().filter(|(name, _)| !name.starts_with("share")) {
        for end in 0..key.len() {
            assert!(Record::decode(&key[..end], value.as_deref()).is_err(), "{name} key cut at {end}");
        }
        let longer = [&key[..], &[0]].concat();
        assert_eq!(Record::decode(&longer, value.as_deref()), Err(Malformed::Garbage(1)), "{name}");
        let Some(value) = value.filter(|_| name != "consumer_group_partition_metadata") else { continue };
        for end in 0..value.len() {
            assert!(Record::decode(&key, Some(&value[..end])).is_err(), "{name} value cut at {end}");
        }
        for at in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let _ = Record::decode(&key, Some(&flipped));
        }
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_it_is_allocated() {
    let (key, _) = reference("group_metadata_3");
    let empty = reference("group_metadata_empty").1.unwrap();
    let huge = [&empty[..empty.len() - 4], &i32::MAX.to_be_bytes()].concat();
    let cause = Malformed::TooMany { count: i32::MAX.unsigned_abs(), remaining: 0 };
    assert_eq!(Record::decode(&key, Some(&huge)), Err(cause));
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,200}".prop_map(Arc::from)
}

fn blob() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn any_offset_commit() -> impl Strategy<Value = Record> {
    let stamps = (any::<i64>(), prop_oneof![Just(-1), any::<i64>()], any::<u128>());
    let key = (text(), text(), any::<i32>());
    (key, any::<i64>(), any::<i32>(), text(), stamps).prop_map(|(key, offset, epoch, metadata, stamps)| {
        let (commit_timestamp, expire_timestamp, topic_id) = stamps;
        let (group, topic, partition) = key;
        let expires = expire_timestamp != -1;
        let leader_epoch = if expires { -1 } else { epoch };
        let topic_id = Uuid::from_u128(if expires { 0 } else { topic_id });
        let value = OffsetCommitValue {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp,
            expire_timestamp,
            topic_id,
        };
        Record::OffsetCommit { group, topic, partition, value: Some(value) }
    })
}

fn any_group_metadata() -> impl Strategy<Value = Record> {
    let ids = (text(), prop::option::of(text()), text(), text());
    let member = (ids, any::<i32>(), any::<i32>(), blob(), blob()).prop_map(
        |(ids, rebalance_timeout, session_timeout, subscription, assignment)| {
            let (member_id, group_instance_id, client_id, client_host) = ids;
            MemberMetadata {
                member_id,
                group_instance_id,
                client_id,
                client_host,
                rebalance_timeout,
                session_timeout,
                subscription,
                assignment,
            }
        },
    );
    let members = prop::collection::vec(member, 0..5);
    let names = (text(), text(), prop::option::of(text()), prop::option::of(text()));
    (names, any::<i32>(), any::<i64>(), members).prop_map(|(names, generation, stamp, members)| {
        let (group, protocol_type, protocol, leader) = names;
        let value = GroupMetadataValue {
            protocol_type,
            generation,
            protocol,
            leader,
            current_state_timestamp: stamp,
            members,
        };
        Record::GroupMetadata { group, value: Some(value) }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(record in prop_oneof![any_offset_commit(), any_group_metadata()]) {
        let bytes = record.encode();
        prop_assert_eq!(decode(&bytes), Ok(Some(record)));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        kind in 0..18_i16,
        version in 0..6_i16,
        key in prop::collection::vec(any::<u8>(), 0..20),
        value in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let key = [&kind.to_be_bytes()[..], &[0, 1, b'g'], &key].concat();
        let value = [&version.to_be_bytes()[..], &value].concat();
        let _ = Record::decode(&key, Some(&value));
    }
}
