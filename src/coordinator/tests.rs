//! Shards over real replicas on a disk in memory. The machine sums what it is given.

mod transactions;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::{Encoded, KeyValue, Malformed, Parts, Shards, State, Stored, Unavailable, View};
use crate::base::clock::Clock;
use crate::base::id::TopicId;
use crate::config::broker::Config;
use crate::log::disk::MemDisk;
use crate::machine::{Decision, Entry, Machine, Moment, Token};
use crate::meta::{Changes, Delta, Image};
use crate::partition::testing::{Disks, NODE, add_topic, config, one_topic};
use crate::partition::{Replica, Set};
use crate::wire::batch::BatchHeader;
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::{PartitionChangeRecord, Record};

const TOPIC: TopicId = TopicId(Uuid::from_u128(7));

#[derive(Debug)]
enum Input {
    Activate,
    Image,
    /// Adds each, as one decision; answered with the sum.
    Add(Vec<i64>),
    Sum,
    /// Never answered.
    Wait,
    /// What a machine must not do.
    Panic,
}

#[derive(Debug, Default)]
struct Adder {
    sum: i64,
}

#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

impl Machine for Adder {
    type Input = Input;
    type Record = i64;
    type Reply = i64;
    type ReplayError = Never;

    fn step(&mut self, _: Moment, token: Token, input: Input) -> Decision<i64, i64> {
        match input {
            Input::Activate | Input::Image | Input::Sum => Decision::answer(token, self.sum, vec![]),
            Input::Add(records) => Decision::answer(token, self.sum + records.iter().sum::<i64>(), records),
            Input::Wait => Decision::none(),
            Input::Panic => panic!("as the test wants it"),
        }
    }

    fn replay(&mut self, _: i64, record: &i64) -> Result<(), Never> {
        self.sum += record;
        Ok(())
    }

    fn deadline(&self) -> Option<i64> {
        None
    }

    fn expire(&mut self, _: Moment) -> Decision<i64, i64> {
        Decision::none()
    }
}

impl Stored for Adder {
    const TOPIC: &'static str = "__sums";

    fn encode(record: &i64) -> Entry<Encoded> {
        // Some weight, so that a few make a large batch.
        Entry::Plain((record.to_be_bytes().to_vec(), Some(vec![0; 1000])))
    }

    fn decode(entry: Entry<KeyValue<'_>>) -> Result<Option<i64>, Malformed> {
        let Entry::Plain((key, _)) = entry else { return Ok(None) };
        let bytes = key.try_into().map_err(|_| Malformed("not a number".into()))?;
        Ok(Some(i64::from_be_bytes(bytes)))
    }

    fn state(&self) -> impl Iterator<Item = State<i64>> {
        std::iter::empty()
    }

    fn activate(_: i32) -> Input {
        Input::Activate
    }

    fn image(_: Arc<Image>, _: Vec<Arc<str>>) -> Input {
        Input::Image
    }
}

struct Node {
    disk: MemDisk,
    set: Arc<Set>,
    delta: Delta,
    view: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let (disk, delta, set) = one_topic(&Clock::system(), Adder::TOPIC, TOPIC, |_| {});
        Self { disk, set, delta, view: tempfile::tempdir().unwrap() }
    }

    fn replica(&self) -> Arc<Replica> {
        self.set.get(TOPIC, 0).unwrap()
    }

    /// The coordinator of a process that has just begun.
    fn shards(&self) -> Shards<Adder> {
        self.shards_at(Clock::system())
    }

    fn shards_at(&self, clock: Clock) -> Shards<Adder> {
        let shards = Shards::new(Parts {
            node: NODE,
            clock,
            partitions: self.set.clone(),
            machine: Box::new(|_| Adder::default()),
            compression: Compression::None,
            commit_timeout: Duration::from_secs(60),
            load_bytes: 1 << 10,
            runtime: Handle::current(),
            partition_count_new: 1,
            view: View::new(self.view.path().join("view"), false),
            companion: None,
        });
        shards.start(Arc::new(self.delta.image().clone()));
        shards
    }

    fn batches(&self) -> Vec<BatchHeader> {
        headers(&self.replica())
    }
}

/// Headers of every batch in the log.
fn headers(replica: &Replica) -> Vec<BatchHeader> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(plan) = replica.plan_replay(offset, 1, -1).unwrap() {
        let bytes = plan.resolve().unwrap().unwrap().read().unwrap();
        let header = BatchHeader::parse(&bytes).unwrap();
        offset = header.next_offset();
        found.push(header);
    }
    found
}

async fn ask(shards: &Shards<Adder>, input: Input) -> Result<i64, Unavailable> {
    shards.submit(0, input, None).await?.await
}

/// The sum, once the coordinator is there.
async fn sum(shards: &Shards<Adder>) -> i64 {
    loop {
        match ask(shards, Input::Sum).await {
            Ok(sum) => return sum,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test]
async fn what_comes_together_is_one_batch_and_is_answered_when_it_is_on_disk() {
    let node = Node::new();
    let shards = node.shards();
    let mut answers = Vec::new();
    for _ in 0..100 {
        // In line before the shard runs for the first time: an empty partition takes inputs at once.
        answers.push(shards.submit(0, Input::Add(vec![1]), None).await.unwrap());
    }
    for (asked, answer) in (1..).zip(answers) {
        assert_eq!(answer.await, Ok(asked));
    }
    assert_eq!(node.replica().watermarks(3).unwrap().high_watermark, 100);
    let batches = node.batches();
    assert_eq!((batches.len(), batches[0].record_count), (1, 100));
    assert_eq!(batches[0].partition_leader_epoch, 3);
}

#[tokio::test]
async fn a_machines_time_follows_the_wall_clock_forward_and_never_back() {
    let (node, clock) = (Node::new(), Clock::manual(1_000));
    let shards = node.shards_at(clock.clone());
    ask(&shards, Input::Add(vec![1])).await.unwrap();
    for wall_ahead_ms in [3_600_000, -500] {
        clock.set_wall_ahead(wall_ahead_ms);
        ask(&shards, Input::Add(vec![1])).await.unwrap();
    }
    let times: Vec<i64> = node.batches().iter().map(|header| header.max_timestamp).collect();
    assert_eq!(times, [1_000, 3_601_000, 3_601_000]);
}

#[tokio::test]
async fn a_decision_is_never_torn_apart_and_rounds_are_split_where_a_batch_is_full() {
    let node = Node::new();
    let shards = node.shards();
    // 400 kB each, and one that no batch of the topic's size would hold.
    let inputs = [400, 400, 400, 2000].map(|records| Input::Add(vec![1; records]));
    let mut answers = Vec::new();
    for input in inputs {
        answers.push(shards.submit(0, input, None).await.unwrap());
    }
    for answer in answers {
        answer.await.unwrap();
    }
    let counts: Vec<i32> = node.batches().iter().map(|header| header.record_count).collect();
    assert_eq!(counts, [800, 400, 2000]);
}

#[tokio::test]
async fn the_next_one_in_charge_has_replayed_everything() {
    let node = Node::new();
    let shards = node.shards();
    for by in 1..=100 {
        ask(&shards, Input::Add(vec![by])).await.unwrap();
    }
    let waiting = shards.submit(0, Input::Wait, None).await.unwrap();
    shards.stop().await;
    assert_eq!(waiting.await, Err(Unavailable::NotCoordinator));
    assert_eq!(ask(&shards, Input::Sum).await, Err(Unavailable::NotCoordinator));

    let shards = node.shards();
    assert_eq!(ask(&shards, Input::Sum).await, Err(Unavailable::LoadInProgress), "its log is not empty");
    assert_eq!(sum(&shards).await, 5050);
    assert_eq!(ask(&shards, Input::Add(vec![1])).await, Ok(5051));
}

#[tokio::test]
async fn who_finds_somebody_elses_records_at_the_end_of_its_log_begins_again() {
    let node = Node::new();
    let shards = node.shards();
    assert_eq!(ask(&shards, Input::Add(vec![1])).await, Ok(1));
    let mut batch = BatchBuilder::new();
    batch.push(0, Some(&10i64.to_be_bytes()), Some(b"x"), &[]);
    // One that does not decode is left out.
    batch.push(0, Some(b"?"), Some(b"x"), &[]);
    let batch = batch.build(&Fields::default(), Compression::None).unwrap();
    node.replica().append(&batch, None, true, 0).unwrap();
    assert_eq!(ask(&shards, Input::Add(vec![1])).await, Err(Unavailable::NotCoordinator));
    assert_eq!(sum(&shards).await, 11);
}

#[tokio::test]
async fn a_machine_that_panics_is_loaded_again() {
    let node = Node::new();
    let shards = node.shards();
    assert_eq!(ask(&shards, Input::Add(vec![4])).await, Ok(4));
    assert_eq!(ask(&shards, Input::Panic).await, Err(Unavailable::NotCoordinator));
    assert_eq!(sum(&shards).await, 4);
}

#[tokio::test]
async fn a_disk_that_fails_ends_it_for_good() {
    let node = Node::new();
    let shards = node.shards();
    assert_eq!(ask(&shards, Input::Add(vec![4])).await, Ok(4));
    node.disk.fail_after(0);
    assert_eq!(ask(&shards, Input::Add(vec![4])).await, Err(Unavailable::NotCoordinator));
    assert_eq!(ask(&shards, Input::Sum).await, Err(Unavailable::NotCoordinator));
}

#[tokio::test]
async fn leadership_is_followed_by_its_epoch() {
    let node = Node::new();
    let shards = node.shards();
    assert_eq!(ask(&shards, Input::Add(vec![4])).await, Ok(4));
    let mut delta = node.delta.clone();
    let mut change = |leader: i32| {
        let change = PartitionChangeRecord {
            topic_id: TOPIC.0,
            partition_id: 0,
            leader,
            ..PartitionChangeRecord::default()
        };
        delta.replay(&Record::from(change)).unwrap();
        let changes: Changes = delta.take_changes();
        let image = delta.image().clone();
        node.set.apply_changes(&image, &changes);
        shards.apply_changes(&image, &changes);
    };
    change(-1);
    assert_eq!(ask(&shards, Input::Sum).await, Err(Unavailable::NotCoordinator));
    assert!(shards.partitions().is_none_or(|partitions| partitions.is_empty()));
    change(NODE.0);
    assert_eq!(sum(&shards).await, 4);
    assert_eq!(ask(&shards, Input::Add(vec![1])).await, Ok(5));
    assert_eq!(node.batches().last().unwrap().partition_leader_epoch, 5);
}
