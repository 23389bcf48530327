use super::*;
use crate::base::id::Producer;
use crate::machine::Ended;
use crate::wire::group_records::{OffsetCommitValue, OtherKind};

const RETENTION_MS: i64 = 7 * 24 * 3_600_000;

/// An offset of the group `s`, and its epoch as a streams group unless `gone`.
fn adopted(run: &mut Run, gone: bool) {
    let offset = OffsetCommitValue {
        offset: 5,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp: 0,
        expire_timestamp: -1,
        topic_id: Uuid::nil(),
    };
    let log = &mut run.driver.sink_mut().0;
    log.push(Entry::Plain(Record::OffsetCommit {
        group: "s".into(),
        topic: "t".into(),
        partition: 0,
        value: Some(offset),
    }));
    let group = "s".into();
    let kind = OtherKind::Streams;
    log.push(Entry::Plain(Record::OtherGroupMetadata { kind, group, is_set: !gone }));
    run.play("reload");
}

#[test]
fn nobody_gets_the_name_of_a_group_that_is_not_served() {
    let mut run = Run::new();
    adopted(&mut run, false);
    let answer = run.play("a join s protocols=range session=10000");
    assert!(answer.contains("InconsistentGroupProtocol"), "{answer}");
    let answer = run.play("a consume s topics=t");
    assert!(answer.contains("GroupIdNotFound"), "{answer}");
    let answer = run.play("a commit s t:0:9");
    assert!(answer.contains("GroupIdNotFound"), "{answer}");
}

#[test]
fn its_offsets_stay_for_as_long_as_it_is_there() {
    let mut run = Run::new();
    adopted(&mut run, false);
    assert_eq!(run.play(&format!("at {}", 2 * RETENTION_MS)), "");
    let answer = run.play("a fetch s");
    assert!(answer.contains("t-0 5"), "{answer}");
    adopted(&mut run, true);
    let answer = run.play(&format!("at {}", 4 * RETENTION_MS));
    assert!(answer.starts_with("log "), "{answer}");
}

#[test]
fn what_a_transaction_commits_for_it_stays_too() {
    let mut run = Run::new();
    adopted(&mut run, false);
    let value = OffsetCommitValue {
        offset: 7,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp: 0,
        expire_timestamp: -1,
        topic_id: Uuid::nil(),
    };
    let producer = Producer { id: 9, epoch: 0 };
    let record =
        Record::OffsetCommit { group: "s".into(), topic: "t".into(), partition: 0, value: Some(value) };
    let log = &mut run.driver.sink_mut().0;
    log.push(Entry::Transactional { producer, record });
    log.push(Entry::End(Ended {
        producer,
        coordinator_epoch: 0,
        is_committed: true,
        transaction_version: 0,
    }));
    run.play("reload");
    assert_eq!(run.play(&format!("at {}", 2 * RETENTION_MS)), "");
    let answer = run.play("a fetch s");
    assert!(answer.contains("t-0 7"), "{answer}");
}
