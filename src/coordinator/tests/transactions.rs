//! The transaction coordinator with its markers, over real replicas on disks in memory.

use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::base::id::Producer;
use crate::coordinator::{Groups, NotWritten, ProducerIds, Transactions};
use crate::group::{Ask, Client, DescribeGroups, OffsetFetch};
use crate::log::producers::{ProducerError, Verification};
use crate::machine::Ended;
use crate::txn::{self, AddPartitions, Code, DescribeTransaction, EndTxn, InitProducerId, Request};
use crate::wire::batch::Batch;
use crate::wire::kraft::RemoveTopicRecord;
use crate::wire::offset_commit::{CommitPartition, CommitTopic};
use crate::wire::offset_fetch::{FetchGroup, FetchTopic};
use crate::wire::txn_offset_commit::TxnOffsetCommitRequest;

const ID: &str = "tx";
const OFFSETS: &str = "__consumer_offsets";

/// Topics, each with its one partition in the log directory of this number.
const TOPICS: [(&str, u128, usize); 4] =
    [("__transaction_state", 11, 0), (OFFSETS, 12, 0), ("t", 13, 0), ("u", 14, 1)];

/// The first record of a producer's transaction.
fn transactional(producer: Producer) -> Batch {
    let mut batch = BatchBuilder::new();
    batch.push(0, None, Some(b"x"), &[]);
    let fields = Fields {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: 0,
        transactional: true,
        ..Fields::default()
    };
    batch.build(&fields, Compression::None).unwrap()
}

struct Broker {
    disks: Vec<MemDisk>,
    set: Arc<Set>,
    delta: Delta,
    config: Arc<Config>,
    view: tempfile::TempDir,
    groups: Groups,
    transactions: Transactions,
}

impl Broker {
    /// With everything at work but the transaction coordinator.
    fn new() -> Self {
        let (clock, config, disks) = (Clock::system(), config(), Disks::new(2));
        let mut delta = Delta::new(Image::empty());
        for (name, id, directory) in TOPICS {
            add_topic(&mut delta, name, TopicId(Uuid::from_u128(id)), disks.ids[directory]);
        }
        delta.take_changes();
        let set = disks.open(&clock, delta.image(), |_| {});
        let view = tempfile::tempdir().unwrap();
        let view_of = |name: &str| View::new(view.path().join(name), false);
        let groups = Groups::new(&config, NODE, clock.clone(), set.clone(), view_of("groups"));
        groups.start(Arc::new(delta.image().clone()));
        let transactions =
            Transactions::new(&config, NODE, clock, set.clone(), groups.clone(), view_of("transactions"));
        Self { disks: disks.disks, set, delta, config, view, groups, transactions }
    }

    /// The coordinators of a process that has just begun; those before have ended.
    fn restarted(self) -> Self {
        let view = tempfile::tempdir().unwrap();
        let view_of = |name: &str| View::new(view.path().join(name), false);
        let (clock, set) = (Clock::system(), self.set.clone());
        let groups = Groups::new(&self.config, NODE, clock.clone(), set.clone(), view_of("groups"));
        groups.start(Arc::new(self.delta.image().clone()));
        let transactions =
            Transactions::new(&self.config, NODE, clock, set, groups.clone(), view_of("transactions"));
        Self { groups, transactions, view, ..self }
    }

    fn start(&self) {
        let blocks = std::sync::atomic::AtomicI64::new(0);
        let ids = ProducerIds::of(move || {
            let first = blocks.fetch_add(10, std::sync::atomic::Ordering::Relaxed);
            Box::pin(async move { Some(first..first + 10) })
        });
        self.transactions.start(Arc::new(self.delta.image().clone()), Arc::new(ids));
    }

    fn replica(&self, topic: &str) -> Arc<Replica> {
        self.set.get(self.delta.image().topics.by_name(topic).unwrap().id, 0).unwrap()
    }

    async fn init(&self, id: &str) -> Producer {
        let request = || InitProducerId {
            transactional_id: id.into(),
            timeout_ms: 60_000,
            known: Producer::NONE,
            fresh_producer_id: None,
        };
        loop {
            match self.transactions.init_producer_id(request()).await {
                Ok(producer) => return producer.unwrap(),
                Err(Unavailable::LoadInProgress) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(why) => panic!("{why}"),
            }
        }
    }

    /// Writes a record of the transaction, which the partition is added to.
    async fn write(&self, id: &str, producer: Producer, topic: &str) {
        let replica = self.replica(topic);
        let wanted = Verification { lowest_sequence: 0, supports_epoch_bump: true };
        let guard = replica.begin_verification(producer, wanted, 0).unwrap();
        let partitions = vec![(Arc::from(topic), 0)];
        let added = self.transactions.add_or_verify(&id.into(), producer, partitions, 2).await.unwrap();
        assert_eq!(added[0].1, Ok(()));
        replica.append(&transactional(producer), guard, true, 0).unwrap();
    }

    async fn end(&self, id: &str, producer: Producer, is_committed: bool) -> Producer {
        let request = EndTxn {
            transactional_id: id.into(),
            producer,
            is_committed,
            transaction_version: 2,
            fresh_producer_id: None,
        };
        self.transactions.end(request).await.unwrap().unwrap()
    }

    async fn state(&self, id: &str) -> String {
        match self.transactions.ask(id, DescribeTransaction(id.into())).await {
            Ok(described) => described.transaction_state.to_string(),
            Err(why) => why.to_string(),
        }
    }

    async fn until(&self, id: &str, state: &str) {
        while self.state(id).await != state {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Commit and abort markers in a topic.
    fn markers(&self, topic: &str) -> Vec<Producer> {
        let headers = headers(&self.replica(topic)).into_iter().filter(|header| header.is_control());
        headers.map(|header| Producer { id: header.producer_id, epoch: header.producer_epoch }).collect()
    }

    /// Whether a reader of committed records sees all of it.
    fn is_stable(&self, topic: &str) -> bool {
        let marks = self.replica(topic).watermarks(-1).unwrap();
        marks.last_stable_offset == marks.log_end_offset
    }

    async fn fetch_offset(&self) -> Result<i64, Code> {
        let topic = FetchTopic {
            name: StrBytes::from_static_str("t"),
            topic_id: Uuid::nil(),
            partition_indexes: vec![0],
        };
        let group = FetchGroup {
            group_id: StrBytes::from_static_str("g"),
            member_id: None,
            member_epoch: -1,
            topics: Some(vec![topic]),
        };
        let answer = self.groups.ask("g", ask_of(OffsetFetch { group, require_stable: true })).await.unwrap();
        let partition = &answer.topics[0].partitions[0];
        match Code::try_from_code(partition.error_code) {
            Some(code) => Err(code),
            None => Ok(partition.committed_offset),
        }
    }
}

fn ask_of<T>(body: T) -> Ask<T> {
    Ask { body, version: 5, client: Client::default(), fresh_id: Uuid::nil() }
}

fn offset_of(producer: Producer, offset: i64) -> Ask<TxnOffsetCommitRequest> {
    let partition = CommitPartition { committed_offset: offset, ..CommitPartition::default() };
    let name = StrBytes::from_static_str("t");
    let topic = CommitTopic { name, topic_id: Uuid::nil(), partitions: vec![partition] };
    let request = TxnOffsetCommitRequest {
        transactional_id: StrBytes::from_static_str(ID),
        group_id: StrBytes::from_static_str("g"),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..TxnOffsetCommitRequest::default()
    };
    ask_of(request)
}

#[tokio::test]
async fn a_transaction_is_committed_everywhere_before_it_is_complete() {
    let broker = Broker::new();
    broker.start();
    let first = broker.init(ID).await;
    broker.write(ID, first, "t").await;
    broker.write(ID, first, "u").await;
    let committed = broker.transactions.commit_offsets(offset_of(first, 42)).await.unwrap();
    assert_eq!(committed.topics[0].partitions[0].1, 0);
    assert!(!broker.is_stable("t") && !broker.is_stable("u"));
    assert_eq!(broker.fetch_offset().await, Err(Code::UnstableOffsetCommit));

    let next = broker.end(ID, first, true).await;
    assert_eq!(next, Producer { epoch: first.epoch + 1, ..first });
    broker.until(ID, "CompleteCommit").await;
    for topic in ["t", "u", OFFSETS] {
        assert!(broker.is_stable(topic), "{topic}");
        assert_eq!(broker.markers(topic), [next], "{topic}");
    }
    assert_eq!(broker.fetch_offset().await, Ok(42));

    // The next transaction of the same producer, aborted.
    broker.write(ID, next, "t").await;
    let committed = broker.transactions.commit_offsets(offset_of(next, 50)).await.unwrap();
    assert_eq!(committed.topics[0].partitions[0].1, 0);
    let after = broker.end(ID, next, false).await;
    broker.until(ID, "CompleteAbort").await;
    assert!(broker.is_stable("t"));
    assert_eq!(broker.markers("t"), [next, after]);
    assert_eq!(broker.fetch_offset().await, Ok(42));
    broker.transactions.stop().await;
    broker.groups.stop().await;
}

#[tokio::test]
async fn what_the_partition_refuses_is_told_and_the_shard_lives_on() {
    let broker = Broker::new();
    broker.start();
    let producer = broker.init(ID).await;
    // Without the coordinator's word.
    let unverified = broker.groups.submit(0, offset_of(producer, 1), None).await.unwrap().await;
    assert!(
        matches!(unverified, Err(Unavailable::Refused(ProducerError::NotVerified { .. }))),
        "{unverified:?}"
    );
    assert_eq!(broker.fetch_offset().await, Ok(-1));
    broker.transactions.commit_offsets(offset_of(producer, 2)).await.unwrap();
    // A zombie, and a coordinator that has been replaced.
    let newer = Producer { epoch: producer.epoch + 5, ..producer };
    let marker = |producer, coordinator_epoch| Ended {
        producer,
        coordinator_epoch,
        is_committed: false,
        transaction_version: 0,
    };
    broker.transactions.write_marker(OFFSETS, 0, marker(newer, 7)).await.unwrap();
    let zombie = broker.groups.submit(0, offset_of(producer, 3), None).await.unwrap().await;
    assert!(
        matches!(zombie, Err(Unavailable::Refused(ProducerError::InvalidProducerEpoch { .. }))),
        "{zombie:?}"
    );
    let replaced = broker.transactions.write_marker(OFFSETS, 0, marker(newer, 6)).await;
    assert!(
        matches!(replaced, Err(NotWritten::Refused(ProducerError::TransactionCoordinatorFenced { .. }))),
        "{replaced:?}"
    );
    assert_eq!(broker.fetch_offset().await, Ok(-1), "the marker has aborted it");
    let gone = broker.transactions.write_marker("nowhere", 0, marker(newer, 7)).await;
    assert!(matches!(gone, Err(NotWritten::Gone)), "{gone:?}");
    broker.groups.stop().await;
    assert_eq!(headers(&broker.replica(OFFSETS)).len(), 2, "one write and one marker");
}

#[tokio::test]
async fn markers_that_a_coordinator_left_behind_are_written_by_the_next_one() {
    let broker = Broker::new();
    // A coordinator that writes no markers, as if it had ended right behind its decision.
    let settings = txn::Settings::of(&broker.config);
    let shards = Shards::new(Parts {
        node: NODE,
        clock: Clock::system(),
        partitions: broker.set.clone(),
        machine: Box::new(move |image| txn::Transactions::new(settings.clone(), image)),
        compression: Compression::None,
        commit_timeout: Duration::from_secs(60),
        load_bytes: 1 << 10,
        partition_count_new: 1,
        runtime: Handle::current(),
        view: View::new(broker.view.path().join("markers"), false),
        companion: None,
    });
    shards.start(Arc::new(broker.delta.image().clone()));
    let transactional_id: Arc<str> = ID.into();
    let init = InitProducerId {
        transactional_id: transactional_id.clone(),
        timeout_ms: 60_000,
        known: Producer::NONE,
        fresh_producer_id: Some(77),
    };
    let init = shards.ask(0, init.into_input(), InitProducerId::answer).await.unwrap();
    let producer = init.unwrap();
    let replica = broker.replica("t");
    let wanted = Verification { lowest_sequence: 0, supports_epoch_bump: true };
    let guard = replica.begin_verification(producer, wanted, 0).unwrap();
    let partitions = vec![(Arc::from("t"), 0)];
    let add = AddPartitions {
        transactional_id: transactional_id.clone(),
        producer,
        partitions,
        transaction_version: 2,
    };
    shards.ask(0, add.into_input(), AddPartitions::answer).await.unwrap().unwrap();
    replica.append(&transactional(producer), guard, true, 0).unwrap();
    let end = EndTxn {
        transactional_id,
        producer,
        is_committed: true,
        transaction_version: 2,
        fresh_producer_id: None,
    };
    let next = shards.ask(0, end.into_input(), EndTxn::answer).await.unwrap().unwrap();
    shards.stop().await;
    assert_eq!(broker.markers("t"), []);

    broker.start();
    broker.until(ID, "CompleteCommit").await;
    assert_eq!(broker.markers("t"), [next]);
    assert!(broker.is_stable("t"));
    broker.transactions.stop().await;
    // And not once more.
    let broker = broker.restarted();
    broker.start();
    broker.until(ID, "CompleteCommit").await;
    broker.transactions.stop().await;
    assert_eq!(broker.markers("t"), [next]);
}

#[tokio::test]
async fn offsets_of_an_open_transaction_outlive_the_coordinators() {
    let broker = Broker::new();
    broker.start();
    let producer = broker.init(ID).await;
    broker.transactions.commit_offsets(offset_of(producer, 42)).await.unwrap();
    broker.transactions.stop().await;
    broker.groups.stop().await;

    let broker = broker.restarted();
    broker.start();
    broker.until(ID, "Ongoing").await;
    broker.end(ID, producer, true).await;
    // The group's shard may still be loading: its marker waits for that.
    broker.until(ID, "CompleteCommit").await;
    assert_eq!(broker.fetch_offset().await, Ok(42));
    broker.transactions.stop().await;
    broker.groups.stop().await;

    // What the marker has made of it is read back.
    let broker = broker.restarted();
    let offset = loop {
        match broker.groups.ask("g", ask_of(DescribeGroups(vec![]))).await {
            Ok(_) => break broker.fetch_offset().await,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(offset, Ok(42));
}

#[tokio::test]
async fn a_partition_that_is_offline_holds_up_nobody_else_and_ends_with_its_topic() {
    let mut broker = Broker::new();
    broker.start();
    let stuck = broker.init("stuck").await;
    broker.write("stuck", stuck, "t").await;
    broker.write("stuck", stuck, "u").await;
    broker.disks[1].fail_after(0);
    let next = broker.end("stuck", stuck, true).await;
    for _ in 0..3 {
        let other = broker.init(ID).await;
        broker.write(ID, other, "t").await;
        broker.end(ID, other, true).await;
        broker.until(ID, "CompleteCommit").await;
    }
    assert!(broker.markers("t").contains(&next), "where it can it has ended");
    assert!(broker.is_stable("t"));
    assert_eq!(broker.state("stuck").await, "PrepareCommit");

    let topic_id = Uuid::from_u128(14);
    broker.delta.replay(&Record::from(RemoveTopicRecord { topic_id })).unwrap();
    let changes = broker.delta.take_changes();
    let image = broker.delta.image().clone();
    broker.transactions.note_image(&image);
    broker.transactions.apply_changes(&image, &changes);
    broker.until("stuck", "CompleteCommit").await;
    broker.transactions.stop().await;
}
