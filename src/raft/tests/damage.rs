use std::path::{Path, PathBuf};

use super::support::*;
use crate::log;
use crate::log::disk::{Disk as _, MemDisk};
use crate::meta::Image;
use crate::raft::{Error, PARTITION_DIR, Quorum};

/// Makes topics with a snapshot every `bytes`, stops, and gives the last image.
fn filled(disk: &MemDisk, bytes: u64, count: u32) -> Image {
    let quorum = run(Quorum::load(parts_with_snapshots(disk, bytes)).unwrap());
    register(&quorum).unwrap();
    for number in 0..count {
        create(&quorum, number).unwrap();
    }
    let image = content(&quorum.image());
    quorum.stop();
    image
}

/// Makes several generations of snapshots; gives the last image and the snapshots that are kept.
fn generations(disk: &MemDisk) -> (Image, Vec<PathBuf>) {
    let mut image = Image::empty();
    for start in 0..4 {
        // A stop waits for the snapshot that was begun.
        let quorum = run(Quorum::load(parts_with_snapshots(disk, 1500)).unwrap());
        register(&quorum).unwrap();
        for number in 0..8 {
            create(&quorum, start * 8 + number).unwrap();
        }
        image = content(&quorum.image());
        quorum.stop();
    }
    (image, files(disk, ".checkpoint"))
}

#[test]
fn a_snapshot_and_the_log_after_it_are_as_good_as_the_whole_log() {
    let disk = disk();
    let image = filled(&disk, 3000, 12);
    let [snapshot] = &files(&disk, ".checkpoint")[..] else { panic!("not one snapshot") };
    assert!(read(&disk, &files(&disk, ".log").pop().unwrap()).len() > 61, "there is a tail");
    let bare = killed(&disk);
    bare.remove_file(snapshot).unwrap();
    assert_eq!(content(&load(&disk).unwrap().image()), image);
    assert_eq!(content(&load(&bare).unwrap().image()), image);
}

#[test]
fn old_snapshots_and_the_log_below_them_are_removed() {
    let disk = disk();
    let (image, snapshots) = generations(&disk);
    assert!(snapshots.len() <= 3, "{snapshots:?}");
    let first = files(&disk, ".log").remove(0);
    assert!(!first.ends_with("00000000000000000000.log"), "{first:?}");
    assert_eq!(content(&load(&disk).unwrap().image()), image);
}

#[test]
fn a_damaged_snapshot_is_passed_over_if_an_older_one_and_the_log_make_up_for_it() {
    let disk = disk();
    let (image, snapshots) = generations(&disk);
    damage(&disk, snapshots.last().unwrap());
    assert_eq!(content(&load(&disk).unwrap().image()), image);
    for snapshot in &snapshots[..snapshots.len() - 1] {
        damage(&disk, snapshot);
    }
    let error = load(&disk).err().unwrap();
    assert!(matches!(error, Error::Gap { snapshot_end: 0, .. }), "{error}");
}

#[test]
fn a_torn_snapshot_is_no_snapshot() {
    let disk = disk();
    let image = filled(&disk, 3000, 12);
    let snapshot = files(&disk, ".checkpoint").pop().unwrap();
    let whole = read(&disk, &snapshot);
    for len in [0, 1, 60, 61, whole.len() / 2, whole.len() - 1] {
        write(&disk, &snapshot, &whole[..len]);
        assert_eq!(content(&load(&killed(&disk)).unwrap().image()), image, "{len} bytes");
    }
    // The footer is the last batch; without it the rest is sound, and yet not all.
    let footer = whole.len() - 61 - 15;
    write(&disk, &snapshot, &whole[..footer]);
    assert_eq!(content(&load(&killed(&disk)).unwrap().image()), image);
}

#[test]
fn a_damaged_log_refuses_to_start_and_is_left_as_it_is() {
    let disk = disk();
    filled(&disk, u64::MAX, 12);
    let log = files(&disk, ".log").remove(0);
    damage(&disk, &log);
    let before = read(&disk, &log);
    let error = load(&disk).err().unwrap();
    assert!(matches!(error, Error::Log(log::Error::Damaged { .. })), "{error}");
    assert_eq!(read(&disk, &log), before);
}

#[test]
fn a_log_that_has_lost_its_end_or_itself_refuses_to_start() {
    let disk = disk();
    filled(&disk, u64::MAX, 12);
    let log = files(&disk, ".log").remove(0);
    let bytes = read(&disk, &log);
    let shorter = killed(&disk);
    write(&shorter, &log, &bytes[..bytes.len() / 2]);
    assert!(matches!(load(&shorter).err().unwrap(), Error::Log(_)));
    disk.remove_file(&log).unwrap();
    assert!(matches!(load(&disk).err().unwrap(), Error::Log(log::Error::Short { .. })));
}

#[test]
fn a_log_of_other_voters_is_left_alone() {
    let disk = disk();
    filled(&disk, u64::MAX, 1);
    let state = Path::new(DIR).join(PARTITION_DIR).join("quorum-state");
    let others = r#"{"clusterId":"","leaderId":2,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,
        "currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#;
    write(&disk, &state, others.as_bytes());
    let error = load(&disk).err().unwrap();
    assert!(matches!(error, Error::Voters { node_id: 1, .. }), "{error}");
    write(&disk, &state, b"{\"leaderEpoch\":");
    let error = load(&disk).err().unwrap();
    assert!(matches!(error, Error::QuorumState { .. }), "{error}");
}
