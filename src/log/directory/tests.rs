use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::id::TopicPartition;
use crate::base::random::Random;
use crate::log::disk::{MemDisk, Mode, StdDisk};

const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const NODE: NodeId = NodeId(1);

fn id(number: u128) -> DirectoryId {
    DirectoryId(uuid::Uuid::from_u128(number))
}

fn open(disk: impl Disk, path: &str) -> LogDirectory {
    let claimed = Claimed::claim(Arc::new(disk), Path::new(path)).unwrap();
    claimed.open(CLUSTER, NODE, id(0xfeed)).unwrap()
}

fn offsets(entries: &[(&str, i64)]) -> Offsets {
    entries.iter().map(|(topic, offset)| (TopicPartition::new(*topic, 0), *offset)).collect()
}

#[test]
fn a_new_directory_keeps_its_identity_over_a_power_cut() {
    let disk = MemDisk::new();
    assert!(Claimed::claim(Arc::new(disk.clone()), Path::new("/data/a")).unwrap().properties().is_none());
    drop(open(disk.clone(), "/data/a"));

    let disk = disk.power_cut(&Random::seeded(1), 0);
    let claimed = Claimed::claim(Arc::new(disk.clone()), Path::new("/data/a")).unwrap();
    let properties = claimed.properties().unwrap().clone();
    assert_eq!(properties.cluster_id.as_deref(), Some(CLUSTER));
    assert_eq!((properties.node_id, properties.directory_id), (Some(NODE), Some(id(0xfeed))));
    let changes = disk.changes();
    assert_eq!(claimed.open(CLUSTER, NODE, id(2)).unwrap().id(), id(0xfeed));
    assert_eq!(disk.changes(), changes, "the file is not written again");
}

#[test]
fn a_directory_of_an_older_kafka_gets_an_id() {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/a")).unwrap();
    let file = Path::new("/a").join(meta_properties::FILE);
    checkpoint::write_text(&disk, &file, &format!("version=1\ncluster.id={CLUSTER}\nnode.id=1\n")).unwrap();
    drop(open(disk.clone(), "/a"));
    let properties = MetaProperties::read(&disk, Path::new("/a")).unwrap().unwrap();
    assert_eq!(properties.directory_id, Some(id(0xfeed)));
}

#[test]
fn a_second_broker_is_kept_out_until_the_first_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let first = open(StdDisk, path);
    let error = Claimed::claim(Arc::new(StdDisk), dir.path()).err().unwrap();
    let text = format!("Failed to acquire lock on file .lock in {path}. A Kafka instance in another process");
    assert!(error.to_string().starts_with(&text), "{error}");
    drop(first);
    assert!(Claimed::claim(Arc::new(StdDisk), dir.path()).is_ok());
}

#[test]
fn a_clean_shutdown_is_found_once_and_never_again() {
    let disk = MemDisk::new();
    let directory = open(disk.clone(), "/a");
    assert_eq!(directory.take_clean_shutdown().unwrap(), None);
    directory.write_clean_shutdown(42).unwrap();

    let random = Random::seeded(7);
    let disk = disk.power_cut(&random, 0);
    let directory = open(disk.clone(), "/a");
    let found = Some(CleanShutdown { broker_epoch: Some(42) });
    assert_eq!(directory.take_clean_shutdown().unwrap(), found);
    let after = open(disk.power_cut(&random, 0), "/a");
    assert_eq!(after.take_clean_shutdown().unwrap(), None, "or the logs written since would be trusted");
}

#[test]
fn an_unreadable_marker_still_means_a_clean_shutdown() {
    let disk = MemDisk::new();
    let directory = open(disk.clone(), "/a");
    disk.open(Path::new("/a/.kafka_cleanshutdown"), Mode::CreateNew).unwrap();
    assert_eq!(directory.take_clean_shutdown().unwrap(), Some(CleanShutdown { broker_epoch: None }));
}

#[test]
fn a_crash_leaves_the_old_offsets_or_the_new_ones() {
    let (old, new) = (offsets(&[("a", 1), ("b", 2)]), offsets(&[("a", 10), ("c", 3)]));
    let random = Random::seeded(3);
    let (mut saw_old, mut saw_new) = (false, false);
    for step in 0.. {
        let disk = MemDisk::new();
        let directory = open(disk.clone(), "/a");
        directory.write_offsets(OffsetFile::RecoveryPoint, &old).unwrap();
        disk.fail_after(step);
        let written = directory.write_offsets(OffsetFile::RecoveryPoint, &new).is_ok();
        for keep_percent in [0, 50, 100] {
            let after = open(disk.power_cut(&random, keep_percent), "/a");
            let read = after.read_offsets(OffsetFile::RecoveryPoint).unwrap();
            saw_old |= read == old;
            saw_new |= read == new;
            assert!(read == new || (read == old && !written), "step {step}: {read:?}");
        }
        if written {
            break;
        }
    }
    assert!(saw_old && saw_new);
}

#[test]
fn a_corrupt_or_missing_checkpoint_counts_as_empty() {
    let disk = MemDisk::new();
    let directory = open(disk.clone(), "/a");
    assert_eq!(directory.read_offsets(OffsetFile::HighWatermark).unwrap(), Offsets::new());
    let file = Path::new("/a").join(OffsetFile::HighWatermark.name());
    checkpoint::write_text(&disk, &file, "0\n2\na 0 5\n").unwrap();
    assert_eq!(directory.read_offsets(OffsetFile::HighWatermark).unwrap(), Offsets::new());
    assert!(!directory.is_offline());
}

#[test]
fn after_a_failed_sync_nothing_is_written_again() {
    let disk = MemDisk::new();
    let directory = open(disk.clone(), "/a");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    directory.on_failure(Box::new(move |directory| {
        assert!(directory.is_offline());
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    directory.write_offsets(OffsetFile::LogStartOffset, &offsets(&[("a", 1)])).unwrap();
    disk.fail_syncs(1);
    let first = directory.write_offsets(OffsetFile::LogStartOffset, &offsets(&[("a", 2)])).unwrap_err();
    let changes = disk.changes();
    let second = directory.write_clean_shutdown(1).unwrap_err();
    assert_eq!(second.to_string(), first.to_string());
    assert_eq!(directory.fail(io::Error::other("later")).to_string(), "later");
    assert_eq!(directory.failure(), Some(first.to_string().as_str()));
    assert_eq!((disk.changes(), calls.load(Ordering::SeqCst)), (changes, 1));
    assert_eq!(directory.read_offsets(OffsetFile::LogStartOffset).unwrap(), offsets(&[("a", 1)]));
}

#[test]
fn a_listing_tells_partitions_from_what_others_left() {
    let disk = MemDisk::new();
    let directory = open(disk.clone(), "/a");
    for name in ["t-1", "__cluster_metadata-0", "t-0.0f-stray", "lost+found"] {
        disk.create_dir_all(&directory.path().join(name)).unwrap();
    }
    let listing = directory.list().unwrap();
    let names: Vec<_> = listing.partitions.iter().map(|d| (d.tp.to_string(), d.purpose)).collect();
    assert_eq!(
        names,
        [
            ("__cluster_metadata-0".to_owned(), Purpose::Current),
            ("t-0".to_owned(), Purpose::Stray),
            ("t-1".to_owned(), Purpose::Current),
        ]
    );
    assert_eq!(listing.foreign, ["lost+found"]);
    let dir = PartitionDir::current(TopicPartition::new("t", 1));
    assert_eq!(directory.partition_path(&dir), Path::new("/a/t-1"));
}
