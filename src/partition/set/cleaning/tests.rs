//! The cleaner over real replicas on a disk in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use uuid::Uuid;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk, Mode};
use crate::meta::{Delta, Image};
use crate::partition::testing::{Disks, add_topic, cleaner};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;

/// Two compacted logs, a segment for each batch.
fn set(clock: &Clock) -> (MemDisk, Arc<Set>) {
    let disks = Disks::new(1);
    let mut delta = Delta::new(Image::empty());
    for (at, name) in ["t", "u"].into_iter().enumerate() {
        add_topic(&mut delta, name, topic(at), disks.ids[0]);
    }
    delta.take_changes();
    let set = disks.open(clock, delta.image(), |settings| {
        (settings.log.compact, settings.log.segment_bytes) = (true, 100);
    });
    (disks.disks[0].clone(), set)
}

fn topic(at: usize) -> TopicId {
    TopicId(Uuid::from_u128(7 + at as u128))
}

/// `count` batches with one key.
fn write(set: &Set, at: usize, count: usize) -> Arc<Replica> {
    let replica = set.get(topic(at), 0).unwrap();
    for _ in 0..count {
        let mut builder = BatchBuilder::new();
        builder.push(1_000_000, Some(b"key"), Some(b"value"), &[]);
        let batch = builder.build(&Fields::default(), Compression::None).unwrap();
        replica.append(&batch, None, true, 1_000_000).unwrap();
    }
    replica.sync().unwrap();
    replica
}

#[test]
fn a_log_whose_cleaning_panicked_is_left_alone_for_a_while_and_cleaned_then() {
    let clock = Clock::manual(1_000_000);
    let (_, set) = set(&clock);
    let replica = write(&set, 0, 4);
    let panicking = cleaner(|_| panic!("as the test wants it"));
    assert!(catch_unwind(AssertUnwindSafe(|| set.clean_dirtiest(0, &panicking))).is_err());
    let sound = cleaner(|_| true);
    assert!(!set.clean_dirtiest(0, &sound), "it would only panic again");
    clock.set(clock.now_ms() + PAUSE_AFTER_FAILURE_MS);
    assert!(set.clean_dirtiest(0, &sound));
    assert_eq!(replica.cleaned_up_to(), Some(3));
    assert!(!set.clean_dirtiest(0, &sound), "it is clean");
}

/// Partitions that could not be cleaned, and their bytes.
fn uncleanable(set: &Set) -> (u64, u64) {
    let seen = set.observe_cleaner();
    (seen.directories[0].partitions, seen.directories[0].bytes)
}

#[test]
fn a_log_with_a_damaged_batch_is_uncleanable_and_stays_whole_while_others_are_cleaned() {
    let clock = Clock::manual(1_000_000);
    let (disk, set) = set(&clock);
    let (damaged, sound) = (write(&set, 0, 9), write(&set, 1, 4));
    let path = Path::new("/data/t-0/00000000000000000001.log");
    let file = disk.open(path, Mode::Write).unwrap();
    let len = file.len().unwrap();
    file.write_at(&[io::IoSlice::new(b"?")], len - 3).unwrap();
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)) && set.clean_dirtiest(0, &cleaner(|_| true)));
    assert_eq!((damaged.cleaned_up_to(), sound.cleaned_up_to()), (None, Some(3)));
    let before = damaged.observe().unwrap().size_bytes;
    assert!(!set.clean_dirtiest(0, &cleaner(|_| true)), "it is left alone");
    assert_eq!(uncleanable(&set), (1, before / 9 * 8), "the active segment does not count");
    assert_eq!((damaged.observe().unwrap().size_bytes, disk.file_len(path).unwrap()), (before, len));
    assert!(!set.directories()[0].log_directory().is_offline(), "the disk is sound");
}

#[test]
fn a_cleaning_that_fills_the_disk_leaves_nothing_behind_and_is_made_up_for_when_there_is_room() {
    let clock = Clock::manual(1_000_000);
    let (disk, set) = set(&clock);
    let replica = write(&set, 0, 4);
    let free = disk.space(Path::new("/data")).unwrap();
    disk.set_space(free.total - free.usable + 60);
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)));
    disk.set_space(free.total);
    assert_eq!((replica.cleaned_up_to(), uncleanable(&set).0), (Some(0), 1));
    let left = disk.list(Path::new("/data/t-0")).unwrap();
    assert!(left.iter().all(|entry| !entry.name.ends_with(".cleaned")), "{left:?}");
    assert!(!set.directories()[0].log_directory().is_offline());
    clock.set(clock.now_ms() + PAUSE_AFTER_FAILURE_MS);
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)));
    assert_eq!((replica.cleaned_up_to(), uncleanable(&set)), (Some(3), (0, 0)));
}

#[test]
fn a_disk_that_fails_during_a_cleaning_takes_the_directory_offline() {
    let clock = Clock::manual(1_000_000);
    let (disk, set) = set(&clock);
    let replica = write(&set, 0, 4);
    set.checkpoint(true);
    disk.fail_after(1);
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)));
    assert!(set.directories()[0].log_directory().is_offline());
    assert_eq!(replica.cleaned_up_to(), None);
}

#[test]
fn the_metrics_show_the_dirtiest_log_and_what_the_last_cleaning_did() {
    let clock = Clock::manual(1_000_000);
    let (_, set) = set(&clock);
    write(&set, 0, 4);
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)));
    let seen = set.observe_cleaner();
    assert!((seen.max_dirty_ratio - 1.0).abs() < 1e-9);
    let last = seen.last[0];
    // Three segments, of which the first two say nothing any more.
    assert_eq!(last.bytes_read, 3 * last.bytes_written);
    assert!(last.buffer_utilization > 0.0);
    clock.set(1_007_000);
    assert_eq!(set.observe_cleaner().since_last_run_ms, 7_000);
}

/// The replica of the first topic after a loss of power, when its topic is not compacted.
fn reopened(disk: &MemDisk, set: &Set, clock: &Clock) -> Option<Arc<Replica>> {
    let id = set.directories()[0].log_directory().id();
    let mut delta = Delta::new(Image::empty());
    add_topic(&mut delta, "t", topic(0), id);
    let disks = Disks { disks: vec![disk.clone()], ids: vec![id], are_clean: false, ..Disks::new(1) };
    disks.open(clock, delta.image(), |_| ()).get(topic(0), 0)
}

#[test]
fn a_log_is_known_to_have_gaps_wherever_its_first_cleaning_ends() {
    let mut unfinished = 0;
    for waits in 0..40 {
        let clock = Clock::manual(1_000_000);
        let (disk, set) = set(&clock);
        let replica = write(&set, 0, 9);
        let before = replica.observe().unwrap().size_bytes;
        let asked = AtomicUsize::new(0);
        set.clean_dirtiest(0, &cleaner(move |_| asked.fetch_add(1, Ordering::Relaxed) < waits));
        let has_gaps = replica.observe().unwrap().size_bytes < before;
        unfinished += usize::from(has_gaps && replica.cleaned_up_to() < Some(8));
        let disk = disk.power_cut(&Random::seeded(1), 0);
        let replica = reopened(&disk, &set, &clock).unwrap();
        assert!(!has_gaps || replica.cleaned_up_to().is_some(), "after {waits} waits");
    }
    assert!(unfinished > 0, "some ended between two groups");
}

#[test]
fn a_log_that_cannot_be_opened_once_is_still_known_to_have_gaps() {
    let clock = Clock::manual(1_000_000);
    let (disk, set) = set(&clock);
    write(&set, 0, 4);
    assert!(set.clean_dirtiest(0, &cleaner(|_| true)));
    let disk = disk.power_cut(&Random::seeded(1), 100);
    let path = Path::new("/data/t-0/00000000000000000003.log");
    let file = disk.open(path, Mode::Write).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    file.set_len(0).unwrap();
    assert!(reopened(&disk, &set, &clock).is_none());
    file.write_at(&[io::IoSlice::new(&bytes)], 0).unwrap();
    let disk = disk.power_cut(&Random::seeded(1), 100);
    assert_eq!(reopened(&disk, &set, &clock).unwrap().cleaned_up_to(), Some(3));
}
