//! The words of committed offsets, their stories, and what random commits must keep true.
//!
//! ```text
//! CLIENT commit GROUP TOPIC:PARTITION:OFFSET ...  [member= generation= instance= epoch= meta= retention= id=]
//! CLIENT txn-commit GROUP TOPIC:PARTITION:OFFSET ...  producer=ID [member= generation= instance= epoch= meta=]
//! CLIENT end commit|abort producer=ID
//! CLIENT fetch GROUP [TOPIC:PARTITION ...]        [member= epoch= stable= id=]
//! CLIENT delete-offsets GROUP TOPIC:PARTITION ...
//! CLIENT list MAX
//! - gone TOPIC ...        the topics are deleted; no topic is left in the image
//! ```
//! `id` is the topics' id, as a number.

use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponse, OffsetDeleteResponsePartition};
use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use proptest::prelude::*;

use super::*;
use crate::base::id::Producer;
use crate::machine::Ended;
use crate::wire::group_records::OffsetCommitValue;
use crate::wire::offset_commit::{CommitPartition, CommitTopic, CommittedTopic, OffsetCommitRequest};
use crate::wire::offset_fetch::{FetchGroup, FetchTopic, FetchedGroup, FetchedPartition};
use crate::wire::txn_offset_commit::TxnOffsetCommitRequest;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_id(words: &Words<'_>) -> Uuid {
    Uuid::from_u128(words.number("id", 0))
}

/// `TOPIC:PARTITION:OFFSET`, the offset being optional.
fn split(word: &str) -> (&str, i32, i64) {
    let (topic, rest) = word.split_once(':').unwrap();
    let (partition, offset) = rest.split_once(':').unwrap_or((rest, "0"));
    (topic, partition.parse().unwrap(), offset.parse().unwrap())
}

fn commit(words: &Words<'_>) -> OffsetCommitRequest {
    let topic = |word: &&str| {
        let (topic, partition_index, committed_offset) = split(word);
        let partition = CommitPartition {
            partition_index,
            committed_offset,
            committed_leader_epoch: words.number("epoch", -1),
            committed_metadata: words.text("meta").map(text),
        };
        CommitTopic { name: text(topic), topic_id: topic_id(words), partitions: vec![partition] }
    };
    OffsetCommitRequest {
        group_id: text(words.plain[2]),
        generation_id_or_member_epoch: words.number("generation", -1),
        member_id: text(words.text("member").unwrap_or_default()),
        group_instance_id: words.text("instance").map(text),
        retention_time_ms: words.number("retention", -1),
        topics: words.plain[3..].iter().map(topic).collect(),
    }
}

fn txn_commit(words: &Words<'_>) -> TxnOffsetCommitRequest {
    let plain = commit(words);
    TxnOffsetCommitRequest {
        group_id: plain.group_id,
        producer_id: words.number("producer", 0),
        generation_id_or_member_epoch: plain.generation_id_or_member_epoch,
        member_id: plain.member_id,
        group_instance_id: plain.group_instance_id,
        topics: plain.topics,
        ..TxnOffsetCommitRequest::default()
    }
}

fn fetch(words: &Words<'_>) -> OffsetFetch {
    let topic = |word: &&str| {
        let (topic, partition, _) = split(word);
        FetchTopic { name: text(topic), topic_id: topic_id(words), partition_indexes: vec![partition] }
    };
    let topics: Vec<_> = words.plain[3..].iter().map(topic).collect();
    let group = FetchGroup {
        group_id: text(words.plain[2]),
        member_id: words.text("member").map(text),
        member_epoch: words.number("epoch", -1),
        topics: (!topics.is_empty()).then_some(topics),
    };
    OffsetFetch { group, require_stable: words.number("stable", false) }
}

fn delete(words: &Words<'_>) -> OffsetDeleteRequest {
    let topic = |word: &&str| {
        let (topic, partition, _) = split(word);
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        OffsetDeleteRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition])
    };
    OffsetDeleteRequest::default()
        .with_group_id(GroupId(text(words.plain[2])))
        .with_topics(words.plain[3..].iter().map(topic).collect())
}

pub(super) fn input(client: &str, words: &Words<'_>, id: Uuid) -> Option<Input> {
    Some(match words.plain[1] {
        "commit" => words.ask(client, commit(words), 10, id).into_input(),
        "txn-commit" => words.ask(client, txn_commit(words), 5, id).into_input(),
        "end" => {
            let producer = producer(words.number("producer", 0));
            let is_committed = words.plain[2] == "commit";
            EndTransaction(Ended { producer, coordinator_epoch: 0, is_committed, transaction_version: 2 })
                .into_input()
        }
        "fetch" => words.ask(client, fetch(words), 10, id).into_input(),
        "delete-offsets" => words.ask(client, delete(words), 0, id).into_input(),
        "list" => ListOffsets { offsets_max: words.plain[2].parse().unwrap() }.into_input(),
        "gone" => {
            let deleted_topics = words.plain[2..].iter().map(|topic| Arc::from(*topic)).collect();
            NewImage { image: Arc::new(Image::empty()), deleted_topics }.into_input()
        }
        _ => return None,
    })
}

fn fetched(topic: &str, partition: &FetchedPartition) -> String {
    let name = format!("{topic}-{}", partition.partition_index);
    if partition.error_code != 0 {
        return format!("{name} {}", code(partition.error_code));
    }
    let epoch = partition.committed_leader_epoch;
    format!("{name} {} epoch {epoch} {:?}", partition.committed_offset, &*partition.metadata)
}

fn committed(topics: &[CommittedTopic]) -> Vec<String> {
    let topic = |topic: &CommittedTopic| {
        let one = |(partition, error): &(i32, i16)| format!("{}-{partition} {}", topic.name, code(*error));
        topic.partitions.iter().map(one).collect::<Vec<_>>()
    };
    topics.iter().flat_map(topic).collect()
}

fn fetched_group(group: &FetchedGroup) -> Vec<String> {
    let partitions = group.topics.iter().flat_map(|t| t.partitions.iter().map(|p| fetched(&t.name, p)));
    std::iter::once(code(group.error_code)).chain(partitions).collect()
}

fn deleted(response: &OffsetDeleteResponse) -> Vec<String> {
    let partitions = response.topics.iter().flat_map(|topic| {
        let one = |p: &OffsetDeleteResponsePartition| {
            format!("{}-{} {}", *topic.name, p.partition_index, code(p.error_code))
        };
        topic.partitions.iter().map(one).collect::<Vec<_>>()
    });
    std::iter::once(code(response.error_code)).chain(partitions).collect()
}

fn listed(groups: &[GroupOffsets]) -> Vec<String> {
    let topic = |topic: &TopicOffsets| format!(" {} {:?}", topic.topic, topic.partitions);
    let group = |group: &GroupOffsets| {
        let topics: String = group.topics.iter().map(topic).collect();
        format!("{} {} members{topics}", group.group, group.members)
    };
    groups.iter().map(group).collect()
}

pub(super) fn reply(reply: &Reply) -> Option<String> {
    let parts = if let Reply::OffsetCommit(response) = reply {
        committed(&response.topics)
    } else if let Reply::TxnOffsetCommit(response) = reply {
        committed(&response.topics)
    } else if let Reply::EndTransaction(()) = reply {
        vec!["ended".into()]
    } else if let Reply::OffsetFetch(group) = reply {
        fetched_group(group)
    } else if let Reply::OffsetDelete(response) = reply {
        deleted(response)
    } else if let Reply::ListOffsets(groups) = reply {
        listed(groups)
    } else {
        return None;
    };
    Some(parts.join(", "))
}

/// What an entry says of a transaction, and its record.
pub(super) fn entry(entry: &Entry<Record>) -> (String, Option<&Record>) {
    match entry {
        Entry::Plain(record) => (String::new(), Some(record)),
        Entry::Transactional { producer, record } => (format!("producer {} ", producer.id), Some(record)),
        Entry::End(ended) => {
            let end = if ended.is_committed { "commit" } else { "abort" };
            (format!("producer {} {end}", ended.producer.id), None)
        }
    }
}

pub(super) fn record(record: &Record) -> Option<String> {
    let Record::OffsetCommit { group, topic, partition, value } = record else { return None };
    let Some(value) = value else { return Some(format!("{group} {topic}-{partition} deleted")) };
    let OffsetCommitValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, topic_id } =
        value;
    let mut shown =
        format!("{group} {topic}-{partition} {offset} epoch {leader_epoch} at {commit_timestamp}");
    if !metadata.is_empty() {
        write!(shown, " {metadata:?}").unwrap();
    }
    if *expire_timestamp != -1 {
        write!(shown, " until {expire_timestamp}").unwrap();
    }
    if !topic_id.is_nil() {
        write!(shown, " id {}", topic_id.as_u128()).unwrap();
    }
    Some(shown)
}

stories! {
    player();
    simple_commits_make_a_group_and_are_read_back: "offsets_simple.txt",
    members_commit_for_their_generation_alone: "offsets_members.txt",
    offsets_expire_once_nobody_can_want_them: "offsets_expiry.txt",
    offsets_are_deleted_by_hand_and_with_their_topics: "offsets_deletion.txt",
    offsets_of_a_transaction_wait_for_its_end: "offsets_transactions.txt",
    what_a_transaction_may_still_change_stays: "offsets_pending.txt",
    producers_commit_for_their_members_generation: "offsets_transactions_members.txt",
}

#[test]
fn a_tombstone_after_an_offset_of_a_transaction_outlives_its_end() {
    let mut run = Run::new();
    for (offset, (producer_id, partition, value)) in
        (0..).zip([(Some(7), 0, Some(2)), (None, 0, None), (Some(7), 1, Some(2)), (Some(7), 2, None)])
    {
        run.driver.machine_mut().replay(offset, &replayed(producer_id, partition, value)).unwrap();
    }
    let ended =
        Ended { producer: producer(7), coordinator_epoch: 0, is_committed: true, transaction_version: 0 };
    run.driver.machine_mut().replay(4, &Entry::End(ended)).unwrap();
    assert_eq!(ask(&mut run, "a fetch g"), r#"ok, t-1 2 epoch -1 """#);
}

fn producer(id: i64) -> Producer {
    Producer { id, epoch: 0 }
}

fn replayed(producer_id: Option<i64>, partition: i32, offset: Option<i64>) -> Entry<Record> {
    let value = offset.map(|offset| OffsetCommitValue {
        offset,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp: 0,
        expire_timestamp: -1,
        topic_id: Uuid::nil(),
    });
    let record = Record::OffsetCommit { group: "g".into(), topic: "t".into(), partition, value };
    match producer_id {
        Some(id) => Entry::Transactional { producer: producer(id), record },
        None => Entry::Plain(record),
    }
}

/// What comes of a command, without the check that a replay of the log gives the same.
fn ask(run: &mut Run, line: &str) -> String {
    run.ask("a", &Words::of(line));
    run.commit();
    reply(&run.driver.release().unwrap().1).unwrap()
}

#[test]
fn more_offsets_than_a_batch_takes_are_deleted_batch_by_batch() {
    let mut run = Run::new();
    for partition in 0..2_500 {
        run.ask("a", &Words::of(&format!("a commit g t:{partition}:1")));
    }
    let written = run.driver.sink_mut().0.len();
    run.ask("-", &Words::of("- gone t"));
    assert_eq!(run.driver.sink_mut().0.len() - written, 1000);
    // The timer goes off again a moment later, so that requests get their turn.
    (0..3).for_each(|ms| run.at(ms));
    assert_eq!(run.driver.sink_mut().0.len() - written, 2500);
    assert_eq!(run.driver.machine().offsets.durable(), [""; 0]);
    // The empty group goes too, at the look that has room for it.
    run.at(600_010);
    assert!(run.driver.machine().groups.is_empty());
}

/// The word of a commit or a deletion, and what a model makes of it.
#[derive(Clone, Debug)]
enum Op {
    Commit { group: u8, topic: u8, partition: u8, offset: i64 },
    Delete { group: u8, topic: u8, partition: u8 },
    Gone { topic: u8 },
    Reload,
}

fn any_op() -> impl Strategy<Value = Op> {
    let key = || (0..3_u8, 0..3_u8, 0..4_u8);
    prop_oneof![
        8 => (key(), any::<i64>()).prop_map(|((group, topic, partition), offset)| Op::Commit { group, topic, partition, offset }),
        3 => key().prop_map(|(group, topic, partition)| Op::Delete { group, topic, partition }),
        1 => (0..3_u8).prop_map(|topic| Op::Gone { topic }),
        1 => Just(Op::Reload),
    ]
}

proptest! {
    #[test]
    fn offsets_are_what_a_map_would_hold(ops in prop::collection::vec(any_op(), 0..60)) {
        let mut run = Run::new();
        let mut model = BTreeMap::new();
        for op in ops {
            let line = match op {
                Op::Commit { group, topic, partition, offset } => {
                    model.insert((group, topic, partition), offset);
                    format!("a commit {group} {topic}:{partition}:{offset}")
                }
                Op::Delete { group, topic, partition } => {
                    model.remove(&(group, topic, partition));
                    format!("a delete-offsets {group} {topic}:{partition}")
                }
                Op::Gone { topic } => {
                    model.retain(|(_, name, _), _| *name != topic);
                    format!("- gone {topic}")
                }
                Op::Reload => "reload".into(),
            };
            run.play(&line);
            for group in 0..3_u8 {
                let offsets = model.iter().filter(|((name, _, _), _)| *name == group);
                let offsets = offsets.map(|((_, topic, partition), offset)| {
                    format!(", {topic}-{partition} {offset} epoch -1 \"\"")
                });
                let expected = format!("a: ok{}\n", offsets.collect::<String>());
                prop_assert_eq!(run.play(&format!("a fetch {group}")), expected);
            }
        }
    }
}

#[test]
fn a_commit_that_no_batch_takes_is_refused_alone() {
    let mut run = Run::new();
    let group = "g".repeat(32_000);
    let entries: Vec<String> = (0..600).map(|_| "t:0:1".to_owned()).collect();
    let answer = ask(&mut run, &format!("a commit {group} {}", entries.join(" ")));
    assert!(answer.contains("UnknownServerError"), "{}", &answer[..200]);
    assert!(run.driver.sink_mut().0.is_empty());
    assert!(!ask(&mut run, &format!("a commit {group} t:0:1")).contains("UnknownServerError"));
    // Deleting an offset twice over is one record.
    let written = run.driver.sink_mut().0.len();
    ask(&mut run, &format!("a delete-offsets {group} t:0 t:0"));
    assert_eq!(run.driver.sink_mut().0.len() - written, 1);
}

#[test]
fn an_instance_id_that_leaves_no_room_for_a_member_id_is_refused() {
    let mut run = Run::new();
    let line = format!("a join g instance={}", "i".repeat(32_740));
    assert!(run.play(&line).contains("UnknownServerError"));
}
