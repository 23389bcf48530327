//! Deletions and restores that a power cut ends after every write.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::base::clock::Clock;
use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk};
use crate::meta::{Delta, Image};
use crate::partition::Set;
use crate::partition::replica::{Replica, Route};
use crate::partition::testing::{Disks, add_topic};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::{Record, RemoveTopicRecord};

const TOPIC: TopicId = TopicId(Uuid::from_u128(7));
const NAME: &str = "t";
const NOW: i64 = 1_000_000;
const BATCHES: i64 = 5;
const LOG_START: i64 = 2;

/// Disks and the metadata, which is always durable.
struct Node {
    disks: Disks,
    delta: Delta,
    clock: Clock,
}

impl Node {
    fn open(&self) -> Arc<Set> {
        self.disks.open(&self.clock, self.delta.image(), |_| ())
    }

    /// The topic's deletion, or its restore, is in the metadata log.
    fn decide(&mut self, record: Option<RemoveTopicRecord>) {
        match record {
            Some(record) => self.delta.replay(&Record::from(record)).unwrap(),
            None => add_topic(&mut self.delta, NAME, TOPIC, self.disks.ids[0]),
        }
    }

    /// Applies what was decided and loses power after `writes` of it, and everything that was not synced.
    fn apply_until(&mut self, set: &Arc<Set>, writes: u64, random: &Random) {
        let changes = self.delta.take_changes();
        self.disks.disks[0].fail_after(writes);
        set.apply_changes(self.delta.image(), &changes);
        self.disks.disks[0] = self.disks.disks[0].power_cut(random, 50);
    }
}

fn filled(clock: &Clock) -> (Node, Arc<Set>) {
    let disks = Disks::new(1);
    let mut delta = Delta::new(Image::empty());
    add_topic(&mut delta, NAME, TOPIC, disks.ids[0]);
    delta.take_changes();
    let node = Node { disks, delta, clock: clock.clone() };
    let set = node.open();
    let replica = set.get(TOPIC, 0).unwrap();
    for _ in 0..BATCHES {
        produce(&replica);
    }
    replica.sync().unwrap();
    replica.delete_records(LOG_START).unwrap();
    set.sync_and_checkpoint();
    replica.set_cleaned_up_to(LOG_START + 1);
    set.checkpoint_cleaned();
    (node, set)
}

fn is_whole(set: &Set) {
    let replica = set.get(TOPIC, 0).expect("the replica is there");
    let marks = replica.checkpoint_marks();
    assert_eq!((marks.log_start, marks.recovery_point), (LOG_START, BATCHES));
    assert_eq!(replica.cleaned_up_to(), Some(LOG_START + 1), "it may have gaps");
}

#[test]
fn no_power_cut_separates_a_deleted_topic_from_its_trash_or_a_restored_one_from_its_data() {
    let random = Random::seeded(11);
    for (deleting, restoring) in (0..12).flat_map(|d| (0..12).map(move |r| (d, r))) {
        let clock = Clock::manual(NOW);
        let (mut node, set) = filled(&clock);
        let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
        set.mark_for_trash(&topic, None, NOW);
        node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
        node.apply_until(&set, deleting, &random);

        let set = node.open();
        assert!(set.get(TOPIC, 0).is_none());
        let found =
            set.find_in_trash(NAME, None).unwrap_or_else(|why| panic!("{deleting} {restoring}: {why}"));
        assert_eq!((found.topic_id, found.partitions.len()), (TOPIC, 1));
        drop(found);
        node.decide(None);
        node.apply_until(&set, restoring, &random);
        is_whole(&node.open());
    }
}

#[test]
fn no_power_cut_brings_anything_of_a_deleted_topic_into_the_next_one_of_its_name() {
    const NEXT: TopicId = TopicId(Uuid::from_u128(70));
    let random = Random::seeded(13);
    for (deleting, making) in (0..10).flat_map(|d| (0..10).map(move |m| (d, m))) {
        let clock = Clock::manual(NOW);
        let (mut node, set) = filled(&clock);
        node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
        node.apply_until(&set, deleting, &random);

        let set = node.open();
        assert!(set.get(TOPIC, 0).is_none());
        add_topic(&mut node.delta, NAME, NEXT, node.disks.ids[0]);
        node.apply_until(&set, making, &random);

        let set = node.open();
        set.apply(node.delta.image(), &[NEXT]);
        let replica = set.get(NEXT, 0).unwrap_or_else(|| panic!("{deleting} {making}: it is offline"));
        let marks = replica.checkpoint_marks();
        assert_eq!((marks.log_start, marks.recovery_point), (0, 0), "{deleting} {making}");
        produce(&replica);
        assert!(set.get(TOPIC, 0).is_none());
    }
}

/// Appends one record and waits until it is acknowledged.
fn produce(replica: &Arc<Replica>) {
    let mut builder = BatchBuilder::new();
    builder.push(NOW, Some(b"key"), Some(&[0; 100]), &[]);
    let batch = builder.build(&Fields::default(), Compression::None).unwrap();
    let appended = replica.append(&batch, None, true, NOW).unwrap();
    while !replica.committed(appended.last_offset).unwrap() {
        std::thread::yield_now();
    }
}

#[test]
fn what_was_acknowledged_after_the_mark_is_in_the_trash_after_every_power_cut() {
    let random = Random::seeded(12);
    for deleting in 0..16 {
        let clock = Clock::manual(NOW);
        let (mut node, set) = filled(&clock);
        let replica = set.get(TOPIC, 0).unwrap();
        // Until a journal is worth it.
        let mut end = BATCHES;
        let journal = Path::new("/data/.barnabas-journal");
        while !node.disks.disks[0].exists(journal).unwrap() {
            produce(&replica);
            end += 1;
        }
        let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
        set.mark_for_trash(&topic, None, NOW);
        produce(&replica);
        end += 1;
        replica.delete_records(LOG_START + 1).unwrap();
        set.checkpoint_log_starts();
        assert_eq!(replica.low_watermark().unwrap(), LOG_START + 1);
        node.disks.are_clean = false;
        node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
        node.apply_until(&set, deleting, &random);

        let set = node.open();
        assert!(set.find_in_trash(NAME, None).is_ok());
        node.decide(None);
        set.apply(node.delta.image(), &[TOPIC]);
        let replica = set.get(TOPIC, 0).expect("the replica is there");
        let marks = replica.watermarks(-1).unwrap();
        assert_eq!((marks.log_start_offset, marks.log_end_offset), (LOG_START + 1, end), "{deleting}");
    }
}

#[test]
fn a_deletion_that_meets_the_end_of_a_move_has_all_of_it_in_the_trash() {
    for is_applied in [true, false] {
        let mut delta = Delta::new(Image::empty());
        let disks = Disks::new(2);
        add_topic(&mut delta, NAME, TOPIC, disks.ids[0]);
        delta.take_changes();
        let mut node = Node { disks, delta, clock: Clock::manual(NOW) };
        let set = node.open();
        let replica = set.get(TOPIC, 0).unwrap();
        produce(&replica);
        let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
        let moving = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW).unwrap().unwrap();
        let route = Route {
            unique: Uuid::from_u128(9),
            pace: &mut |_| set.mark_for_trash(&topic, None, NOW),
            checkpoint: &|| set.checkpoint(true),
        };
        assert!(replica.carry_out(&moving, route).unwrap().is_some());
        node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
        if is_applied {
            node.apply_until(&set, u64::MAX, &Random::seeded(4));
            assert!(set.find_in_trash(NAME, None).is_ok());
        }
        let disks = node.disks.disks.iter().map(|disk| disk.power_cut(&Random::seeded(4), 0)).collect();
        node.disks = Disks { disks, are_clean: false, ids: node.disks.ids.clone(), ..Disks::new(2) };
        let set = node.open();
        let found = set.find_in_trash(NAME, None).unwrap_or_else(|why| panic!("{is_applied}: {why}"));
        assert_eq!(found.partitions[0].1, node.disks.ids[1]);
        drop(found);
        node.decide(None);
        set.apply(node.delta.image(), &[TOPIC]);
        assert_eq!(set.get(TOPIC, 0).unwrap().watermarks(-1).unwrap().log_end_offset, 1);
    }
}

#[test]
fn whenever_the_power_goes_in_a_move_a_marked_topic_has_all_of_it_in_the_trash() {
    // None for the whole move; how many steps it took, and what the next broker finds.
    let after = |steps: Option<u64>| {
        let disks = Disks::sharing(&MemDisk::new(), 2);
        let mut delta = Delta::new(Image::empty());
        add_topic(&mut delta, NAME, TOPIC, disks.ids[0]);
        delta.take_changes();
        let mut node = Node { disks, delta, clock: Clock::manual(NOW) };
        let set = node.open();
        let replica = set.get(TOPIC, 0).unwrap();
        (0..BATCHES).for_each(|_| produce(&replica));
        set.mark_for_trash(node.delta.image().topics.by_id(TOPIC).unwrap(), None, NOW);
        let disk = node.disks.disks[0].clone();
        let before = disk.changes();
        disk.fail_after(steps.unwrap_or(u64::MAX));
        if let Ok(Some(moving)) = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW) {
            let checkpoint = || set.checkpoint(true);
            let route = Route { unique: Uuid::from_u128(9), pace: &mut |_| (), checkpoint: &checkpoint };
            drop(replica.carry_out(&moving, route));
        }
        node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
        let cut = disk.power_cut(&Random::seeded(steps.unwrap_or(0)), 50);
        node.disks = Disks { ids: node.disks.ids.clone(), are_clean: false, ..Disks::sharing(&cut, 2) };
        (disk.changes() - before, node)
    };
    let (steps, _) = after(None);
    assert!(steps > 30, "{steps}");
    for step in 0..=steps {
        let (_, mut node) = after(Some(step));
        let set = node.open();
        if let Err(why) = set.find_in_trash(NAME, None) {
            panic!("step {step} of {steps}: {why}");
        }
        node.decide(None);
        set.apply(node.delta.image(), &[TOPIC]);
        let replica = set.get(TOPIC, 0).unwrap_or_else(|| panic!("step {step} of {steps}"));
        let end = replica.watermarks(-1).unwrap().log_end_offset;
        assert_eq!(end, BATCHES, "step {step} of {steps}");
    }
}

#[test]
fn what_was_not_deleted_after_all_is_not_in_the_trash() {
    let clock = Clock::manual(NOW);
    let (mut node, set) = filled(&clock);
    let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
    set.mark_for_trash(&topic, None, NOW);
    set.unmark_for_trash(TOPIC);
    // Neither now nor when the next deletion is one for good.
    assert!(set.find_in_trash(NAME, None).is_err());
    node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
    node.apply_until(&set, u64::MAX, &Random::seeded(3));
    assert!(node.open().find_in_trash(NAME, None).is_err());
}

#[test]
fn what_is_being_restored_does_not_expire() {
    let clock = Clock::manual(NOW);
    let (mut node, set) = filled(&clock);
    let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
    set.mark_for_trash(&topic, None, NOW);
    node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
    let changes = node.delta.take_changes();
    set.apply_changes(node.delta.image(), &changes);
    let found = set.find_in_trash(NAME, None).unwrap();
    assert!(set.find_in_trash(NAME, None).is_err(), "nobody else restores it");
    set.empty_trash(NOW + 1000, 1000);
    drop(found);
    assert!(set.find_in_trash(NAME, None).is_ok());
    set.empty_trash(NOW + 999, 1000);
    assert!(set.find_in_trash(NAME, None).is_ok());
    set.empty_trash(NOW + 1000, 1000);
    assert!(set.find_in_trash(NAME, None).is_err());
}

#[test]
fn what_cannot_be_restored_for_want_of_descriptors_is_with_the_next_change() {
    let (mut node, set) = filled(&Clock::manual(NOW));
    set.mark_for_trash(node.delta.image().topics.by_id(TOPIC).unwrap(), None, NOW);
    node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
    set.apply(node.delta.image(), &[TOPIC]);
    node.decide(None);
    for failing in 1..5 {
        node.disks.disks[0].fail_opens(failing);
        set.apply(node.delta.image(), &[TOPIC]);
        node.disks.disks[0].fail_opens(0);
        assert!(set.get(TOPIC, 0).is_none(), "{failing}");
        assert!(!set.directories()[0].log_directory().is_offline(), "{failing}");
    }
    set.apply(node.delta.image(), &[TOPIC]);
    is_whole(&set);
}

#[test]
fn what_cannot_be_restored_stays_in_the_trash_and_is_not_made_anew_elsewhere() {
    let disks = Disks::new(2);
    let mut delta = Delta::new(Image::empty());
    add_topic(&mut delta, NAME, TOPIC, disks.ids[0]);
    delta.take_changes();
    let mut node = Node { disks, delta, clock: Clock::manual(NOW) };
    let set = node.open();
    let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
    set.mark_for_trash(&topic, None, NOW);
    node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
    set.apply(node.delta.image(), &[TOPIC]);
    assert!(set.find_in_trash(NAME, None).is_ok());
    node.decide(None);
    node.disks.disks[0].fail_after(0);
    for _ in 0..2 {
        set.apply(node.delta.image(), &[TOPIC]);
        assert!(set.get(TOPIC, 0).is_none());
    }
    set.empty_trash(NOW + 1000, 1000);
    assert!(set.find_in_trash(NAME, None).is_ok());
}

#[test]
fn nobody_looks_at_the_trash_before_the_first_time_is_over_or_for_a_directory_that_has_failed() {
    let clock = Clock::manual(NOW);
    let (mut node, set) = filled(&clock);
    assert_eq!(set.trash_due_in(), None);
    set.keep_trash(100_000);
    set.mark_for_trash(node.delta.image().topics.by_id(TOPIC).unwrap(), None, NOW);
    node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
    set.apply(node.delta.image(), &[TOPIC]);
    for (passed_ms, due_ms) in [(0, 60_000), (99_999, 1), (100_000, 0), (200_000, 0)] {
        clock.set(NOW + passed_ms);
        assert_eq!(set.trash_due_in(), Some(Duration::from_millis(due_ms)), "{passed_ms}");
    }
    node.decide(None);
    set.apply(node.delta.image(), &[TOPIC]);
    assert_eq!(set.trash_due_in(), Some(Duration::ZERO), "its file can go");
    set.directories()[0].log_directory().fail(io::Error::other("broken"));
    set.empty_trash(NOW, 100_000);
    assert_eq!(set.trash_due_in(), None);
}

#[test]
fn a_mark_that_comes_after_the_deletion_meets_no_topic_of_the_same_name() {
    const NEXT: TopicId = TopicId(Uuid::from_u128(70));
    let (mut node, set) = filled(&Clock::manual(NOW));
    let topic = node.delta.image().topics.by_id(TOPIC).unwrap().clone();
    let replica = set.get(TOPIC, 0).unwrap();
    set.mark_for_trash(&topic, None, NOW);
    node.decide(Some(RemoveTopicRecord { topic_id: TOPIC.0 }));
    set.apply(node.delta.image(), &[TOPIC]);
    add_topic(&mut node.delta, NAME, NEXT, node.disks.ids[0]);
    set.apply(node.delta.image(), &[NEXT]);
    let (trashed, _) = set.find_in_trash(NAME, None).unwrap().partitions.remove(0);
    assert!(replica.mark_for_trash(&trashed).is_err());
    set.mark_for_trash(&topic, None, NOW);
    assert!(!node.disks.disks[0].exists(Path::new("/data/t-0/topic.trash")).unwrap());
    assert!(set.trash.state.lock().marked.is_empty());
}
