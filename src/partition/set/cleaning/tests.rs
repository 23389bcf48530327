//! The cleaner over a real replica on a disk in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, NodeId, TopicId};
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::config::layers::Input;
use crate::log::committer::Dirty;
use crate::log::directory::Claimed;
use crate::log::disk::{Disk, MemDisk, Mode};
use crate::meta::{Delta, Image};
use crate::metrics::Metrics;
use crate::partition::{Directory, Parts, Settings};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::{PartitionRecord, Record, TopicRecord};

const NODE: NodeId = NodeId(1);
const TOPIC: TopicId = TopicId(Uuid::from_u128(7));

fn image() -> Arc<Image> {
    let mut delta = Delta::new(Image::empty());
    let partition = |partition_id| PartitionRecord {
        topic_id: TOPIC.0,
        partition_id,
        replicas: vec![NODE.0],
        isr: vec![NODE.0],
        leader: NODE.0,
        leader_epoch: 3,
        partition_epoch: 0,
        ..PartitionRecord::default()
    };
    delta.replay(&Record::from(TopicRecord { name: "t".into(), topic_id: TOPIC.0 })).unwrap();
    for id in [0, 1] {
        delta.replay(&Record::from(partition(id))).unwrap();
    }
    Arc::new(delta.image().clone())
}

/// Two compacted logs, a segment for each batch.
fn set(clock: &Clock) -> (MemDisk, Arc<Set>) {
    let random = Random::seeded(7);
    let config = Config::load(&Input::default(), &|_| Ok(None)).unwrap();
    let mem = MemDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(mem.clone());
    let directory = Claimed::claim(disk, Path::new("/data")).unwrap();
    let directory = directory.open("c", NODE, DirectoryId(random.uuid())).unwrap();
    let settings = move |image: &Image, topic: &str| {
        let mut settings = Settings::of_topic(&config, image, NODE, topic);
        (settings.log.compact, settings.log.segment_bytes) = (true, 100);
        settings
    };
    let parts = Parts {
        node: NODE,
        directories: vec![Directory::start(directory, true, clock.clone()).unwrap()],
        settings: Box::new(settings),
        metrics: Metrics::detached(clock.clone()),
        clock: clock.clone(),
        random,
    };
    (mem, Set::open(parts, &image(), 1))
}

/// `count` batches with one key.
fn write(set: &Set, index: i32, count: usize) -> Arc<Replica> {
    let replica = set.get(TOPIC, index).unwrap();
    for _ in 0..count {
        let mut builder = BatchBuilder::new();
        builder.push(1_000_000, Some(b"key"), Some(b"value"), &[]);
        let batch = builder.build(&Fields::default(), Compression::None).unwrap();
        replica.append(&batch, None, true, 1_000_000).unwrap();
    }
    replica.sync().unwrap();
    replica
}

pub(in crate::partition::set) fn cleaner(
    wait: impl Fn(Duration) -> bool + Send + Sync + 'static,
) -> CleanerMeans {
    let settings = CleanerSettings {
        dedupe_buffer_bytes: 1 << 16,
        threads: 1,
        load_factor: 0.9,
        io_bytes_per_second_max: f64::MAX,
        backoff: Duration::ZERO,
    };
    CleanerMeans { settings: Box::new(move || settings), wait: Box::new(wait) }
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
    assert_eq!((replica.cleaned_up_to(), uncleanable(&set).0), (None, 1));
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
