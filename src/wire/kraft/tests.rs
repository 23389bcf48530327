//! The reference bytes were written by Apache Kafka 4.3.1's own classes (`reference.txt`).

use super::control::{self, ControlRecord};
use super::*;
use uuid::Uuid;

fn topic_id() -> Uuid {
    Uuid::from_u128(0x0102_0304_0506_0708_1112_1314_1516_1718)
}

fn directory() -> Uuid {
    Uuid::from_u128(0x2122_2324_2526_2728_3132_3334_3536_3738)
}

fn reference(name: &str) -> Vec<u8> {
    let lines = include_str!("reference.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == name);
    let hex = hex.unwrap_or_else(|| panic!("no reference bytes for {name}")).1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn register_broker() -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        broker_id: 1,
        incarnation_id: topic_id(),
        broker_epoch: 5,
        end_points: vec![BrokerEndpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 59092,
            security_protocol: 0,
        }],
        features: vec![BrokerFeature {
            name: "metadata.version".into(),
            min_supported_version: 7,
            max_supported_version: 30,
        }],
        ..RegisterBrokerRecord::default()
    }
}

fn partition() -> PartitionRecord {
    PartitionRecord {
        partition_id: 3,
        topic_id: topic_id(),
        replicas: vec![1, 2],
        isr: vec![1],
        leader: 1,
        leader_epoch: 4,
        partition_epoch: 6,
        ..PartitionRecord::default()
    }
}

fn partition_change() -> PartitionChangeRecord {
    PartitionChangeRecord { partition_id: 3, topic_id: topic_id(), ..PartitionChangeRecord::default() }
}

fn registration_change() -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 5,
        ..BrokerRegistrationChangeRecord::default()
    }
}

fn brokers_and_features() -> Vec<(&'static str, Record)> {
    let with_directory =
        RegisterBrokerRecord { rack: Some("r".into()), log_dirs: vec![directory()], ..register_broker() };
    vec![
        (
            "register_broker_1",
            RegisterBrokerRecord { fenced: false, in_controlled_shutdown: true, ..register_broker() }.into(),
        ),
        ("register_broker_3", with_directory.clone().into()),
        (
            "register_broker_4",
            RegisterBrokerRecord { cordoned_log_dirs: Some(vec![]), ..with_directory }.into(),
        ),
        ("unregister_broker", UnregisterBrokerRecord { broker_id: 1, broker_epoch: 5 }.into()),
        ("fence_broker", FenceBrokerRecord { id: 1, epoch: 5 }.into()),
        ("unfence_broker", UnfenceBrokerRecord { id: 1, epoch: 5 }.into()),
        (
            "broker_registration_change_0",
            BrokerRegistrationChangeRecord { fenced: -1, ..registration_change() }.into(),
        ),
        (
            "broker_registration_change_1",
            BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..registration_change() }.into(),
        ),
        (
            "broker_registration_change_2",
            BrokerRegistrationChangeRecord { log_dirs: vec![directory()], ..registration_change() }.into(),
        ),
        (
            "broker_registration_change_3",
            BrokerRegistrationChangeRecord { cordoned_log_dirs: Some(vec![]), ..registration_change() }
                .into(),
        ),
        (
            "register_controller",
            RegisterControllerRecord {
                controller_id: 1,
                incarnation_id: topic_id(),
                end_points: vec![BrokerEndpoint {
                    name: "CONTROLLER".into(),
                    host: "h".into(),
                    port: 9093,
                    security_protocol: 3,
                }],
                ..RegisterControllerRecord::default()
            }
            .into(),
        ),
        ("feature_level", FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30 }.into()),
        ("producer_ids", ProducerIdsRecord { broker_id: 1, broker_epoch: 5, next_producer_id: 1000 }.into()),
    ]
}

fn topics_and_configs() -> Vec<(&'static str, Record)> {
    vec![
        ("topic", TopicRecord { name: "foo".into(), topic_id: topic_id() }.into()),
        ("partition_0", PartitionRecord { adding_replicas: vec![2], ..partition() }.into()),
        (
            "partition_1",
            PartitionRecord { directories: vec![directory(); 2], leader_recovery_state: 1, ..partition() }
                .into(),
        ),
        (
            "partition_2",
            PartitionRecord {
                directories: vec![directory(); 2],
                eligible_leader_replicas: Some(vec![2]),
                last_known_elr: Some(vec![]),
                ..partition()
            }
            .into(),
        ),
        (
            "partition_change_0",
            PartitionChangeRecord { isr: Some(vec![1, 2]), leader: 2, ..partition_change() }.into(),
        ),
        (
            "partition_change_1",
            PartitionChangeRecord {
                replicas: Some(vec![1]),
                removing_replicas: Some(vec![]),
                adding_replicas: Some(vec![9]),
                leader_recovery_state: 0,
                directories: Some(vec![directory()]),
                ..partition_change()
            }
            .into(),
        ),
        (
            "partition_change_2",
            PartitionChangeRecord {
                isr: Some(vec![]),
                leader: -1,
                eligible_leader_replicas: Some(vec![1]),
                last_known_elr: Some(vec![1]),
                directories: Some(vec![directory()]),
                ..partition_change()
            }
            .into(),
        ),
        ("remove_topic", RemoveTopicRecord { topic_id: topic_id() }.into()),
        ("clear_elr", ClearElrRecord { topic_name: "foo".into() }.into()),
        (
            "config_set",
            ConfigRecord {
                resource_type: 2,
                resource_name: "foo".into(),
                name: "retention.ms".into(),
                value: Some("1".into()),
            }
            .into(),
        ),
        (
            "config_remove",
            ConfigRecord {
                resource_type: 4,
                resource_name: "".into(),
                name: "min.insync.replicas".into(),
                value: None,
            }
            .into(),
        ),
    ]
}

fn security_and_quotas() -> Vec<(&'static str, Record)> {
    let entity = |kind: &str, name: Option<&str>| QuotaEntity {
        entity_type: kind.into(),
        entity_name: name.map(Into::into),
    };
    vec![
        (
            "delegation_token",
            DelegationTokenRecord {
                owner: "User:a".into(),
                requester: "User:b".into(),
                renewers: vec!["User:c".into()],
                issue_timestamp: 1,
                max_timestamp: 2,
                expiration_timestamp: 3,
                token_id: "id".into(),
            }
            .into(),
        ),
        ("remove_delegation_token", RemoveDelegationTokenRecord { token_id: "id".into() }.into()),
        (
            "user_scram_credential",
            UserScramCredentialRecord {
                name: "a".into(),
                mechanism: 1,
                salt: Bytes::from_static(&[1]),
                stored_key: Bytes::from_static(&[2, 3]),
                server_key: Bytes::new(),
                iterations: 4096,
            }
            .into(),
        ),
        (
            "remove_user_scram_credential",
            RemoveUserScramCredentialRecord { name: "a".into(), mechanism: 2 }.into(),
        ),
        (
            "client_quota",
            ClientQuotaRecord {
                entity: vec![entity("user", Some("a")), entity("client-id", None)],
                key: "producer_byte_rate".into(),
                value: 1024.5,
                remove: false,
            }
            .into(),
        ),
        (
            "access_control_entry",
            AccessControlEntryRecord {
                id: topic_id(),
                resource_type: 2,
                resource_name: "*".into(),
                pattern_type: 3,
                principal: "User:a".into(),
                host: "*".into(),
                operation: 4,
                permission_type: 3,
            }
            .into(),
        ),
        ("remove_access_control_entry", RemoveAccessControlEntryRecord { id: topic_id() }.into()),
    ]
}

fn markers() -> Vec<(&'static str, Record)> {
    vec![
        ("no_op", NoOpRecord {}.into()),
        ("zk_migration_state", ZkMigrationStateRecord { zk_migration_state: 0 }.into()),
        ("begin_transaction", BeginTransactionRecord { name: Some("Bootstrap records".into()) }.into()),
        ("end_transaction", EndTransactionRecord {}.into()),
        ("abort_transaction", AbortTransactionRecord { reason: None }.into()),
    ]
}

fn all() -> impl Iterator<Item = (&'static str, Record)> {
    [brokers_and_features(), topics_and_configs(), security_and_quotas(), markers()].into_iter().flatten()
}

#[test]
fn every_record_reads_and_writes_as_kafkas_classes_do() {
    for (name, record) in all() {
        let bytes = reference(name);
        assert_eq!(Record::decode(&bytes).as_ref(), Ok(&record), "{name}");
        let mut written = Vec::new();
        record.encode(&mut written);
        assert_eq!(written, bytes, "{name}");
    }
}

#[test]
fn control_records_read_and_write_as_kafkas_classes_do() {
    let voter = |voter_directory_id| control::Voter { voter_id: 1, voter_directory_id };
    let plain = vec![voter(Uuid::nil())];
    let records: [(&str, ControlRecord); 6] = [
        (
            "leader_change_0",
            control::LeaderChange { version: 0, leader_id: 1, voters: plain.clone(), granting_voters: plain }
                .into(),
        ),
        (
            "leader_change_1",
            control::LeaderChange {
                version: 1,
                leader_id: 1,
                voters: vec![voter(directory())],
                granting_voters: vec![],
            }
            .into(),
        ),
        ("snapshot_header", control::SnapshotHeader { version: 0, last_contained_log_timestamp: 7 }.into()),
        ("snapshot_footer", control::SnapshotFooter { version: 0 }.into()),
        ("kraft_version", control::KRaftVersion { version: 0, k_raft_version: 1 }.into()),
        (
            "kraft_voters",
            control::KRaftVoters {
                version: 0,
                voters: vec![control::KRaftVoter {
                    voter_id: 1,
                    voter_directory_id: directory(),
                    endpoints: vec![control::VoterEndpoint {
                        name: "C".into(),
                        host: "h".into(),
                        port: 9093,
                    }],
                    k_raft_version_feature: control::KRaftVersionFeature {
                        min_supported_version: 0,
                        max_supported_version: 1,
                    },
                }],
            }
            .into(),
        ),
    ];
    for (name, record) in records {
        let bytes = reference(name);
        assert_eq!(ControlRecord::decode(&record.key(), &bytes).as_ref(), Ok(&record), "{name}");
        let mut written = Vec::new();
        record.encode_value(&mut written);
        assert_eq!(written, bytes, "{name}");
    }
}

#[test]
fn unknown_types_and_versions_are_kept_and_written_back() {
    for bytes in [&[1, 0xe7, 0x07, 3, 1, 2, 3][..], &[1, 2, 1, 9, 9]] {
        let record = Record::decode(bytes).unwrap();
        assert!(matches!(record, Record::Unknown(_)), "{record:?}");
        let mut written = Vec::new();
        record.encode(&mut written);
        assert_eq!(written, bytes);
    }
}

#[test]
fn a_tag_of_a_newer_kafka_is_skipped() {
    let mut bytes = reference("remove_topic");
    bytes.pop();
    bytes.extend_from_slice(&[1, 77, 2, 0xaa, 0xbb]);
    assert_eq!(Record::decode(&bytes), Ok(RemoveTopicRecord { topic_id: topic_id() }.into()));
}

#[test]
fn every_cut_is_an_error_and_no_byte_flip_panics() {
    for (name, _) in all() {
        let bytes = reference(name);
        for end in 0..bytes.len() {
            assert!(Record::decode(&bytes[..end]).is_err(), "{name} cut at {end}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let _ = Record::decode(&flipped);
            }
        }
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_it_is_allocated() {
    let mut bytes = vec![1, 3, 0];
    bytes.extend_from_slice(&[0; 20]);
    bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let cause = Malformed::TooMany { count: u32::MAX - 1, remaining: 0 };
    assert_eq!(Record::decode(&bytes), Err(Error::Message { key: 3, version: 0, cause }));
}

#[test]
fn garbage_after_a_record_and_other_frames_are_refused() {
    let mut bytes = reference("topic");
    bytes.push(0);
    let cause = Malformed::Garbage(1);
    assert_eq!(Record::decode(&bytes), Err(Error::Message { key: 2, version: 0, cause }));
    bytes[0] = 0;
    assert_eq!(Record::decode(&bytes), Err(Error::FrameVersion(0)));
}
