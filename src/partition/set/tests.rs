//! A set of one replica on a disk in memory, with a clock that the test moves.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};

use uuid::Uuid;

use super::{AlterLogDirError, Set, Settings};
use crate::base::clock::Clock;
use crate::base::id::{TopicId, TopicPartition};
use crate::base::random::Random;
use crate::log::checkpoint::Offsets;
use crate::log::directory::OffsetFile;
use crate::log::disk::{Disk, MemDisk};
use crate::meta::{Delta, Image};
use crate::partition::replica::Replica;
use crate::partition::testing::{Disks, add_topic, cleaner, one_topic};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::{Record, RemoveTopicRecord};

const TOPIC: TopicId = TopicId(Uuid::from_u128(7));
const NOW: i64 = 1_000_000;
const DELAY_MS: i64 = 60_000;

fn set_of(clock: &Clock, change: impl Fn(&mut Settings) + Send + Sync + 'static) -> Arc<Set> {
    let (_, _, set) = one_topic(clock, "t", TOPIC, move |settings| {
        settings.log.file_delete_delay_ms = DELAY_MS;
        change(settings);
    });
    set
}

/// A segment for each of `count` batches with the same key.
fn write(replica: &Arc<Replica>, count: usize) {
    for _ in 0..count {
        let mut builder = BatchBuilder::new();
        builder.push(NOW, Some(b"key"), Some(&[0; 100]), &[]);
        let batch = builder.build(&Fields::default(), Compression::None).unwrap();
        replica.append(&batch, None, true, NOW).unwrap();
    }
    replica.sync().unwrap();
}

/// A set whose log is worth a cleaning.
fn dirty_set(clock: &Clock) -> Arc<Set> {
    let set = set_of(clock, |settings| {
        settings.log.segment_bytes = 200;
        settings.log.compact = true;
        settings.cleaner.min_cleanable_dirty_ratio = 0.0;
    });
    write(&set.get(TOPIC, 0).unwrap(), 3);
    set
}

#[test]
fn files_that_a_long_cleaning_has_replaced_stay_for_readers_who_came_before_its_end() {
    let clock = Clock::manual(NOW);
    let set = dirty_set(&clock);
    let end_ms = NOW + 2 * DELAY_MS;
    let moved = clock.clone();
    let means = cleaner(move |_| {
        moved.set(end_ms);
        true
    });
    assert!(set.clean_dirtiest(0, &means));
    let is_removed_at = |now_ms| {
        clock.set(now_ms);
        set.has_segments_to_remove()
    };
    assert!(!is_removed_at(end_ms + DELAY_MS - 1));
    assert!(is_removed_at(end_ms + DELAY_MS));
}

#[test]
fn what_an_owed_checkpoint_says_meets_no_topic_of_the_same_name_and_no_clean_stop() {
    let clock = Clock::manual(NOW);
    let (disk, mut delta, set) = one_topic(&clock, "t", TOPIC, |_| ());
    write(&set.get(TOPIC, 0).unwrap(), 3);
    set.checkpoint(true);
    delta.replay(&Record::from(RemoveTopicRecord { topic_id: TOPIC.0 })).unwrap();
    let changes = delta.take_changes();
    disk.fail_opens(100);
    set.apply_changes(delta.image(), &changes);
    disk.fail_opens(0);
    assert!(!set.directories()[0].log_directory().is_offline());
    set.write_clean_shutdown(1);
    assert!(!disk.exists(Path::new("/data/.kafka_cleanshutdown")).unwrap());

    let next = TopicId(Uuid::from_u128(8));
    let id = set.directories()[0].log_directory().id();
    add_topic(&mut delta, "t", next, id);
    let changes = delta.take_changes();
    set.apply_changes(delta.image(), &changes);
    assert!(set.get(next, 0).is_some());
    let killed = disk.power_cut(&Random::seeded(1), 100);
    let disks = Disks { disks: vec![killed], ids: vec![id], are_clean: false, ..Disks::new(1) };
    let set = disks.open(&clock, delta.image(), |_| ());
    assert!(set.get(next, 0).is_some(), "it is not taken for one that has lost its records");
}

#[test]
fn what_cannot_be_made_while_a_checkpoint_is_owed_is_made_with_the_next_round_where_it_is_wanted() {
    let clock = Clock::manual(NOW);
    let disks = Disks::sharing(&MemDisk::new(), 2);
    let mut delta = Delta::new(Image::empty());
    add_topic(&mut delta, "t", TOPIC, disks.ids[0]);
    let set = disks.open(&clock, delta.image(), |_| ());
    delta.replay(&Record::from(RemoveTopicRecord { topic_id: TOPIC.0 })).unwrap();
    let next = TopicId(Uuid::from_u128(8));
    let wanted = disks.paths[1].to_str().unwrap();
    let name = TopicPartition { topic: "t".into(), partition: 0 };
    assert_eq!(set.alter_log_dir(&name, None, wanted), Err(AlterLogDirError::NoReplica));
    add_topic(&mut delta, "t", next, disks.ids[0]);
    write(&set.get(TOPIC, 0).unwrap(), 1);
    // Both directories owe.
    disks.disks[0].fail_opens(1000);
    for directory in set.directories() {
        let changed = Offsets::from([(name.clone(), 1)]);
        assert!(directory.write_checkpoint(OffsetFile::RecoveryPoint, &changed).is_err());
    }
    set.apply(delta.image(), &[TOPIC, next]);
    disks.disks[0].fail_opens(0);
    assert!(set.get(next, 0).is_none() && set.has_to_sync());
    set.sync_and_checkpoint();
    let directory = set.get(next, 0).expect("it is made").directory();
    assert_eq!(directory.log_directory().id(), disks.ids[1]);
}

#[test]
fn an_idle_broker_writes_the_checkpoint_that_it_owes() {
    let (disk, _, set) = one_topic(&Clock::manual(NOW), "t", TOPIC, |_| ());
    write(&set.get(TOPIC, 0).unwrap(), 1);
    disk.fail_opens(100);
    set.sync_and_checkpoint();
    disk.fail_opens(0);
    assert!(set.directories()[0].owes_checkpoints());
    assert!(set.has_to_sync());
    set.sync_and_checkpoint();
    assert!(!set.directories()[0].owes_checkpoints());
    assert!(!set.has_to_sync());
}

#[test]
fn whoever_waits_for_files_to_leave_is_told_of_the_first_one() {
    let clock = Clock::manual(NOW);
    let set = dirty_set(&clock);
    let mut told = std::pin::pin!(set.files_leave());
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(told.as_mut().poll(&mut nobody).is_pending());
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)));
    assert!(told.as_mut().poll(&mut nobody).is_ready());
}

#[test]
fn deleted_records_are_told_where_a_checkpoint_says_so_and_only_there() {
    let clock = Clock::manual(NOW);
    let (disks, other) = (Disks::new(2), TopicId(Uuid::from_u128(8)));
    let mut delta = Delta::new(Image::empty());
    add_topic(&mut delta, "t", TOPIC, disks.ids[0]);
    add_topic(&mut delta, "u", other, disks.ids[1]);
    delta.take_changes();
    let set = disks.open(&clock, delta.image(), |_| ());
    let replicas = [TOPIC, other].map(|topic| set.get(topic, 0).unwrap());
    for replica in &replicas {
        write(replica, 3);
        replica.delete_records(2).unwrap();
    }
    disks.disks[0].fail_opens(100);
    set.checkpoint_log_starts();
    disks.disks[0].fail_opens(0);
    replicas[0].low_watermark().unwrap_err();
    assert_eq!(replicas[1].low_watermark().unwrap(), 2);
    set.checkpoint_log_starts();
    assert_eq!(replicas[0].low_watermark().unwrap(), 2);
}

#[test]
fn how_far_an_earlier_topic_was_cleaned_is_not_said_of_the_next_one_of_its_name() {
    let clock = Clock::manual(NOW);
    let (disk, mut delta, set) = one_topic(&clock, "t", TOPIC, |_| ());
    let replica = set.get(TOPIC, 0).unwrap();
    write(&replica, 3);
    replica.set_cleaned_up_to(2);
    set.checkpoint_cleaned();
    delta.replay(&Record::from(RemoveTopicRecord { topic_id: TOPIC.0 })).unwrap();
    let changes = delta.take_changes();
    disk.fail_opens(100);
    set.apply_changes(delta.image(), &changes);
    disk.fail_opens(0);

    let directory = &set.directories()[0];
    let next = TopicId(Uuid::from_u128(8));
    add_topic(&mut delta, "t", next, directory.log_directory().id());
    let changes = delta.take_changes();
    set.apply_changes(delta.image(), &changes);
    assert!(set.get(next, 0).is_some());
    assert_eq!(directory.log_directory().read_offsets(OffsetFile::CleanedUpTo).unwrap().len(), 0);
}
