use std::collections::BTreeSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::base::id::{DirectoryId, TopicId};
use crate::wire::kraft::*;

const TOPICS: [&str; 4] = ["a", "b.c", "b_c", "long-name"];

/// One record, made out of a few numbers; it may contradict the image and is then refused.
fn record() -> impl Strategy<Value = Record> {
    let small = || prop::collection::vec(0..4i32, 0..4);
    let topic = || (0..TOPICS.len(), 0..3u128).prop_map(|(name, id)| (TOPICS[name], id));
    prop_oneof![
        4 => topic().prop_map(|(name, id)| TopicRecord {
            name: name.into(),
            topic_id: Uuid::from_u128(1000 + id),
        }.into()),
        6 => (0..3u128, 0..3i32, small(), small(), small(), any::<bool>()).prop_map(
            |(id, index, replicas, isr, elr, directories)| PartitionRecord {
                topic_id: Uuid::from_u128(1000 + id),
                partition_id: index,
                directories: if directories { vec![Uuid::from_u128(500); replicas.len()] } else { vec![] },
                replicas,
                leader: isr.first().copied().unwrap_or(NO_LEADER),
                isr,
                eligible_leader_replicas: (!elr.is_empty()).then_some(elr),
                leader_epoch: 0,
                partition_epoch: 0,
                ..PartitionRecord::default()
            }.into()
        ),
        6 => (0..3u128, 0..3i32, prop::option::of(small()), -2..4i32, prop::option::of(small())).prop_map(
            |(id, index, isr, leader, last_known_elr)| PartitionChangeRecord {
                topic_id: Uuid::from_u128(1000 + id),
                partition_id: index,
                isr,
                leader,
                last_known_elr,
                ..PartitionChangeRecord::default()
            }.into()
        ),
        1 => (0..3u128).prop_map(|id| RemoveTopicRecord { topic_id: Uuid::from_u128(1000 + id) }.into()),
        1 => Just(ClearElrRecord { topic_name: "".into() }.into()),
        3 => (0..3i32, 0..2i64, any::<bool>(), any::<bool>()).prop_map(|(id, epoch, fenced, cordoned)| {
            RegisterBrokerRecord {
                broker_id: id,
                broker_epoch: epoch,
                fenced,
                rack: cordoned.then(|| "rack".into()),
                cordoned_log_dirs: cordoned.then(Vec::new),
                end_points: vec![BrokerEndpoint { name: "P".into(), port: 9092, ..Default::default() }],
                ..RegisterBrokerRecord::default()
            }.into()
        }),
        2 => (0..3i32, 0..2i64, -1..2i8, 0..2i8).prop_map(|(id, epoch, fenced, shutdown)| {
            BrokerRegistrationChangeRecord {
                broker_id: id,
                broker_epoch: epoch,
                fenced,
                in_controlled_shutdown: shutdown,
                ..BrokerRegistrationChangeRecord::default()
            }.into()
        }),
        1 => (0..3i32, 0..2i64).prop_map(|(broker_id, broker_epoch)| {
            UnregisterBrokerRecord { broker_id, broker_epoch }.into()
        }),
        1 => (0..3i32).prop_map(|controller_id| {
            RegisterControllerRecord { controller_id, ..RegisterControllerRecord::default() }.into()
        }),
        4 => (0..4usize, topic(), 0..3u8, prop::option::of("[a-c]{1,2}")).prop_map(
            |(kind, (name, _), key, value)| ConfigRecord {
                resource_type: ResourceKind::ALL[kind].number(),
                resource_name: name.into(),
                name: format!("key{key}").into(),
                value: value.map(Into::into),
            }.into()
        ),
        2 => (0..3u8, 0..3i16).prop_map(|(name, feature_level)| {
            FeatureLevelRecord { name: format!("feature{name}").into(), feature_level }.into()
        }),
        1 => Just(FeatureLevelRecord { name: features::METADATA_VERSION.into(), feature_level: 30 }.into()),
        1 => (0..5i64).prop_map(|next| {
            ProducerIdsRecord { broker_id: 1, broker_epoch: 1, next_producer_id: next * 1000 }.into()
        }),
        2 => (prop::option::of("[ab]"), any::<bool>(), 0..9u8).prop_map(|(user, remove, value)| {
            let entity_name = user.map(Into::into);
            ClientQuotaRecord {
                entity: vec![QuotaEntity { entity_type: "user".into(), entity_name }],
                key: "rate".into(),
                value: f64::from(value),
                remove,
            }.into()
        }),
        1 => (0..3u128).prop_map(|id| {
            AccessControlEntryRecord { id: Uuid::from_u128(id), ..Default::default() }.into()
        }),
        1 => (0..3u128).prop_map(|id| RemoveAccessControlEntryRecord { id: Uuid::from_u128(id) }.into()),
        1 => (0..3i8).prop_map(|mechanism| {
            UserScramCredentialRecord { name: "u".into(), mechanism, ..Default::default() }.into()
        }),
        1 => (0..3i8).prop_map(|mechanism| {
            RemoveUserScramCredentialRecord { name: "u".into(), mechanism }.into()
        }),
        1 => (0..3u8).prop_map(|id| {
            DelegationTokenRecord { token_id: format!("{id}").into(), ..Default::default() }.into()
        }),
    ]
}

proptest! {
    #[test]
    fn a_snapshot_of_any_image_makes_the_same_image(records in prop::collection::vec(record(), 0..80)) {
        let mut delta = Delta::new(Image::empty());
        for record in &records {
            let _ = delta.replay(record);
        }
        let (image, _) = delta.finish(Provenance { offset: 7, epoch: 1, timestamp_ms: 5 });
        let mut loaded = Delta::new(Image::empty());
        for record in image.records() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            loaded.replay(&Record::decode(&bytes).unwrap()).unwrap();
        }
        prop_assert_eq!(loaded.finish(image.provenance).0, image);
    }

    #[test]
    fn deltas_of_any_size_end_in_the_same_image_and_name_what_they_touched(
        records in prop::collection::vec((record(), any::<bool>()), 0..80),
    ) {
        let mut at_once = Delta::new(Image::empty());
        let mut stepwise = Delta::new(Image::empty());
        let mut before = Image::empty();
        for (record, cut) in &records {
            prop_assert_eq!(at_once.replay(record), stepwise.replay(record));
            if *cut {
                let (after, changes) = stepwise.finish(Provenance::NONE);
                prop_assert!(names_every_difference(&before, &after, &changes));
                before = after.clone();
                stepwise = Delta::new(after);
            }
        }
        prop_assert_eq!(at_once.image(), stepwise.image());
    }
}

/// Whether everything that differs is in `changes`.
fn names_every_difference(before: &Image, after: &Image, changes: &Changes) -> bool {
    let deleted: BTreeSet<TopicId> = changes.topics.deleted.iter().map(|topic| topic.id).collect();
    let gone_are_named = before.topics.iter().all(|topic| {
        after.topics.by_id(topic.id) == Some(topic)
            || deleted.contains(&topic.id)
            || changes.topics.partitions.contains_key(&topic.id)
    });
    let new_are_named = after.topics.iter().all(|topic| {
        topic.partitions.iter().all(|(index, partition)| {
            let named = changes.topics.partitions.get(&topic.id).is_some_and(|set| set.contains(index));
            named || before.topics.partition(topic.id, *index) == Some(partition)
        })
    });
    let brokers: BTreeSet<i32> =
        before.cluster.brokers.keys().chain(after.cluster.brokers.keys()).copied().collect();
    let brokers_are_named = brokers
        .iter()
        .all(|id| before.cluster.broker(*id) == after.cluster.broker(*id) || changes.brokers.contains(id));
    let configs_are_named = ResourceKind::ALL.into_iter().all(|kind| {
        let resources = before.configs.of_kind(kind).keys().chain(after.configs.of_kind(kind).keys());
        resources.into_iter().all(|name| {
            before.configs.of(kind, name) == after.configs.of(kind, name)
                || changes.configs.contains(&Resource::new(kind, name.clone()))
        })
    });
    gone_are_named && new_are_named && brokers_are_named && configs_are_named
}

fn replayed(records: &[Record]) -> Image {
    let mut delta = Delta::new(Image::empty());
    for record in records {
        delta.replay(record).unwrap();
    }
    delta.finish(Provenance::NONE).0
}

fn topic(name: &str, id: u128) -> Record {
    TopicRecord { name: name.into(), topic_id: Uuid::from_u128(id) }.into()
}

#[test]
fn a_topic_made_again_has_another_id_and_none_of_the_old_ones_configs() {
    let config = ConfigRecord {
        resource_type: 2,
        resource_name: "a".into(),
        name: "retention.ms".into(),
        value: Some("1".into()),
    };
    let image = replayed(&[
        topic("a", 1),
        config.into(),
        RemoveTopicRecord { topic_id: Uuid::from_u128(1) }.into(),
        topic("a", 2),
    ]);
    assert_eq!(image.topics.by_name("a").unwrap().id, TopicId(Uuid::from_u128(2)));
    assert_eq!(image.topics.by_id(TopicId(Uuid::from_u128(1))), None);
    assert_eq!(image.configs.of(ResourceKind::Topic, "a"), None);
}

#[test]
fn a_change_of_leader_bumps_both_epochs_and_other_changes_only_the_partitions() {
    let id = Uuid::from_u128(1);
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: id,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 3,
        partition_epoch: 5,
        directories: vec![Uuid::from_u128(900), Uuid::from_u128(901)],
        ..PartitionRecord::default()
    };
    let change =
        || PartitionChangeRecord { partition_id: 0, topic_id: id, ..PartitionChangeRecord::default() };
    let image = replayed(&[
        topic("a", 1),
        partition.into(),
        PartitionChangeRecord { isr: Some(vec![2]), ..change() }.into(),
        PartitionChangeRecord { leader: 2, leader_recovery_state: 1, ..change() }.into(),
    ]);
    let partition = image.topics.partition(TopicId(id), 0).unwrap();
    assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (2, 4, 7));
    assert_eq!(partition.isr, [2]);
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovering);
    assert_eq!(partition.directory_of(2), Some(DirectoryId(Uuid::from_u128(901))));
}

#[test]
fn a_log_from_a_newer_kafka_is_refused_and_not_half_replayed() {
    let unknown = Record::decode(&[1, 99, 0, 1, 2]).unwrap();
    let mut delta = Delta::new(Image::empty());
    let refused = delta.replay(&unknown);
    assert_eq!(refused, Err(ReplayError::Unknown { key: 99, version: 0 }));
    assert_eq!(delta.finish(Provenance::NONE), (Image::empty(), Changes::default()));
}

#[test]
fn a_transaction_takes_effect_at_its_end_or_never() {
    let mut transaction = transaction::Transaction::default();
    let mut applied = Vec::new();
    let records: [Record; 8] = [
        topic("before", 1),
        BeginTransactionRecord::default().into(),
        topic("in", 2),
        EndTransactionRecord {}.into(),
        BeginTransactionRecord::default().into(),
        topic("aborted", 3),
        AbortTransactionRecord::default().into(),
        topic("after", 4),
    ];
    let mut offsets = Vec::new();
    for (offset, record) in (0..).zip(&records) {
        let keep = |offset, record: &Record| {
            applied.push((offset, record.clone()));
            Ok(())
        };
        transaction.pass(offset, record, keep).unwrap();
        offsets.push(applied.len());
    }
    assert_eq!(offsets, [1, 1, 1, 2, 2, 2, 2, 3]);
    assert_eq!(applied[1], (2, topic("in", 2)));
    let out_of_turn = transaction.pass(9, &EndTransactionRecord {}.into(), |_, _| Ok(()));
    assert_eq!(out_of_turn, Err(ReplayError::Transaction));
}

#[test]
fn clients_are_told_of_no_level_that_is_not_served() {
    let level = |name: &str, feature_level| FeatureLevelRecord { name: name.into(), feature_level }.into();
    let image = replayed(&[level(features::METADATA_VERSION, 30), level(features::SHARE_VERSION, 1)]);
    assert_eq!(image.features.advertised().collect::<Vec<_>>(), [(features::METADATA_VERSION, 30)]);
}
