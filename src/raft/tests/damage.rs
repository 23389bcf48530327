use std::path::{Path, PathBuf};

use super::support::*;
use crate::log;
use crate::log::disk::{Disk as _, MemDisk};
use crate::meta::Image;
use crate::raft::batches::{self, Place};
use crate::raft::{Error, Evidence, PARTITION_DIR, Quorum, inspect};
use crate::wire::batch::BatchHeader;
use crate::wire::kraft::{NoOpRecord, Record};

/// Makes topics with a snapshot every `bytes`, stops, and gives the last image.
fn filled(disk: &MemDisk, bytes: u64, count: u32) -> Image {
    let quorum = run(load_with(parts_with_snapshots(disk, bytes)).unwrap());
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
        let quorum = run(load_with(parts_with_snapshots(disk, 1500)).unwrap());
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
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
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
    // The newest is what is missed.
    let Error::Snapshot { path, .. } = &error else { panic!("{error}") };
    assert_eq!(path, snapshots.last().unwrap());
    for snapshot in &snapshots {
        disk.remove_file(snapshot).unwrap();
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
    assert!(matches!(error, Error::Damaged { evidence: Evidence::Synced(_), .. }), "{error}");
    assert_eq!(read(&disk, &log), before);
}

/// Batches of one no-op record each, with these timestamps, in the epoch 0.
fn batches_of(base_offset: i64, timestamps: &[i64]) -> Vec<Vec<u8>> {
    batches_in(0, base_offset, timestamps)
}

fn batches_in(epoch: i32, base_offset: i64, timestamps: &[i64]) -> Vec<Vec<u8>> {
    let batch = |(base_offset, timestamp_ms): (i64, &i64)| {
        let place = Place { base_offset, epoch, timestamp_ms: *timestamp_ms };
        batches::of_records(&[Record::NoOp(NoOpRecord::default())], place).bytes.to_vec()
    };
    (base_offset..).zip(timestamps).map(batch).collect()
}

/// A log whose end was not noted anywhere; `is_own` if this broker wrote it. Gives the disk, the log's file, what it
/// ends with, and the offset there.
fn unnoted(is_own: bool) -> (MemDisk, PathBuf, Vec<u8>, i64) {
    let disk = disk();
    let end_offset = run_and_stop(&disk);
    if !is_own {
        // Apache Kafka led since, and knows no recovery point.
        let state = Path::new(DIR).join(PARTITION_DIR).join("quorum-state");
        let text = String::from_utf8(read(&disk, &state)).unwrap();
        write(&disk, &state, text.replace(r#""leaderEpoch":0"#, r#""leaderEpoch":2"#).as_bytes());
    }
    let log = files(&disk, ".log").remove(0);
    let bytes = read(&disk, &log);
    (disk, log, bytes, end_offset)
}

fn run_and_stop(disk: &MemDisk) -> i64 {
    let quorum = run(load(disk).unwrap());
    quorum.stop();
    quorum.image().provenance.offset + 1
}

#[test]
fn damage_that_sound_batches_of_a_later_round_follow_is_no_torn_end() {
    // What the batches are, which is damaged, at which byte, and what with: then where the log ends, or the witness.
    let (ours, kafkas) = (true, false);
    let rot = |byte: u8| byte ^ 1;
    let lost = |_: u8| 0;
    type Case = (bool, &'static [i64], usize, &'static [usize], fn(u8) -> u8, Result<i64, i64>);
    let cases: [Case; 15] = [
        // The last batch, or the last round, is torn.
        (ours, &[7, 8, 9], 2, &[64], rot, Ok(2)),
        (kafkas, &[7, 8, 9], 2, &[64], rot, Ok(2)),
        (ours, &[7, 8, 8], 1, &[64], rot, Ok(1)),
        (ours, &[7, 8, 8, 8], 1, &[16, 20, 30, 34, 42], lost, Ok(1)),
        // As far as the base offset, which no checksum covers.
        (ours, &[7, 8], 1, &[0, 1, 2, 3, 4, 5, 6, 7], lost, Ok(1)),
        (ours, &[7, 8, 8], 1, &[0, 1, 2, 3, 4, 5, 6, 7], lost, Ok(1)),
        (ours, &[7, 8, 9], 1, &[0, 1, 2, 3, 4, 5, 6, 7], lost, Err(2)),
        // Later rounds show that it was synced.
        (ours, &[7, 8, 9, 10], 1, &[64], rot, Err(2)),
        (ours, &[7, 8, 9, 9], 1, &[64], rot, Err(2)),
        (ours, &[7, 8, 9], 1, &[11], rot, Err(2)),
        (ours, &[7, 8, 9], 1, &[16], rot, Err(2)),
        (ours, &[7, 9, 8], 1, &[18, 64], rot, Err(2)),
        (ours, &[7, 8, 8, 9], 1, &[16], lost, Err(3)),
        // Apache Kafka's rounds cannot be told apart.
        (kafkas, &[7, 8, 9, 10], 1, &[64], rot, Ok(1)),
        (kafkas, &[7, 8, 9], 1, &[0, 1, 2, 3, 4, 5, 6, 7], lost, Ok(1)),
    ];
    for (is_own, timestamps, damaged, at, change, expected) in cases {
        let (disk, log, mut bytes, first) = unnoted(is_own);
        let shown = format!("{is_own} {timestamps:?} {damaged} {at:?}");
        let mut starts = Vec::new();
        for (index, mut batch) in
            batches_in(if is_own { 0 } else { 2 }, first, timestamps).into_iter().enumerate()
        {
            starts.push(bytes.len() as u64);
            for at in at.iter().filter(|_| index == damaged) {
                batch[*at] = change(batch[*at]);
            }
            bytes.extend(batch);
        }
        write(&disk, &log, &bytes);
        match (load(&disk), expected) {
            (Ok(loaded), Ok(end)) => {
                assert_eq!(loaded.image().provenance.offset, first + end, "{shown}");
                let kept = read(&disk, &log);
                let left = BatchHeader::parse(&kept[usize::try_from(starts[damaged]).unwrap()..]).unwrap();
                assert_eq!(
                    left.base_offset,
                    first + end,
                    "{shown}: the epoch's first record is in its place"
                );
            }
            (Err(error), Err(witness)) => {
                let text = error.to_string();
                assert!(text.contains(log.to_str().unwrap()) && text.contains("put the file back"), "{text}");
                let Error::Damaged { position, offset, evidence, .. } = error else {
                    panic!("{shown}: {error}")
                };
                assert_eq!((position, offset), (starts[damaged], first + damaged as i64), "{shown}");
                let Evidence::SoundBatch { position, offset, .. } = evidence else { panic!("{evidence:?}") };
                let index = usize::try_from(witness).unwrap();
                assert_eq!((position, offset), (starts[index], first + witness), "{shown}");
                assert_eq!(read(&disk, &log), bytes, "{shown}");
            }
            (Ok(_), Err(_)) => panic!("{shown}: committed records were dropped"),
            (Err(error), Ok(_)) => panic!("{shown}: {error}"),
        }
    }
}

#[test]
fn sound_batches_in_a_later_segment_show_damage_too() {
    let (disk, log, mut bytes, first) = unnoted(true);
    let batches = batches_of(first, &[7, 8, 9, 10]);
    bytes.extend(&batches[0][..]);
    let damaged_at = bytes.len() as u64;
    bytes.extend(&batches[1][..30]);
    write(&disk, &log, &bytes);
    let next = log.with_file_name(format!("{:020}.log", first + 2));
    write(&disk, &next, &batches[2..].concat());
    let Error::Damaged { path, position, evidence, .. } = load(&disk).err().unwrap() else { panic!() };
    assert_eq!((&path, position), (&log, damaged_at));
    let len = batches[2].len() as u64;
    assert_eq!(evidence, Evidence::SoundBatch { path: next, position: len, offset: first + 3 });
}

#[test]
fn nothing_is_cut_after_a_clean_shutdown() {
    let (disk, log, mut bytes, first) = unnoted(true);
    bytes.extend(&batches_of(first, &[7])[0][..40]);
    write(&disk, &log, &bytes);
    write(&disk, &Path::new(DIR).join(".kafka_cleanshutdown"), b"{}");
    let error = load(&disk).err().unwrap();
    assert!(matches!(error, Error::Damaged { evidence: Evidence::CleanShutdown, .. }), "{error}");
    assert_eq!(read(&disk, &log), bytes);
    write(&disk, &log, &bytes[..bytes.len() - 40]);
    assert!(load(&disk).is_ok());
}

#[test]
fn a_log_that_somebody_wrote_to_after_it_was_read_is_not_taken_over() {
    let (disk, log, mut bytes, first) = unnoted(true);
    let inspected = inspect(&disk, Path::new(DIR), 1).unwrap();
    bytes.extend(&batches_of(first, &[7])[0]);
    write(&disk, &log, &bytes);
    let error = Quorum::load(parts(&disk), inspected).err().unwrap();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

#[test]
fn a_log_that_has_lost_its_end_or_itself_refuses_to_start() {
    let disk = disk();
    filled(&disk, u64::MAX, 12);
    let log = files(&disk, ".log").remove(0);
    let bytes = read(&disk, &log);
    let shorter = killed(&disk);
    write(&shorter, &log, &bytes[..bytes.len() / 2]);
    let error = load(&shorter).err().unwrap();
    assert!(matches!(error, Error::Damaged { evidence: Evidence::Synced(_), .. }), "{error}");
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

#[test]
fn a_file_whose_name_only_resembles_a_segments_is_none() {
    let disk = disk();
    run_and_stop(&disk);
    let dir = Path::new(DIR).join(PARTITION_DIR);
    for name in ["+5.log", "7.log", "00000000000000000007.log.deleted"] {
        write(&disk, &dir.join(name), b"notes");
    }
    assert!(load(&disk).is_ok());
}

#[test]
fn a_sound_batch_that_belongs_elsewhere_is_damage() {
    let (disk, log, mut bytes, first) = unnoted(true);
    bytes.extend(&batches_of(first + 256, &[7])[0]);
    write(&disk, &log, &bytes);
    let error = load(&disk).err().unwrap();
    assert!(matches!(error, Error::Damaged { evidence: Evidence::SoundChecksum, .. }), "{error}");
    assert_eq!(read(&disk, &log), bytes);
}

#[test]
fn an_election_of_apache_kafka_shows_damage_on_either_side_of_it() {
    // The vote is of the epoch 2. What was damaged is of the first epoch, what follows of the second one.
    for (damaged, following) in [(1, 2), (1, 1), (2, 1), (2, 3)] {
        let (disk, log, mut bytes, first) = unnoted(false);
        let mut torn = batches_in(damaged, first, &[7]).remove(0);
        torn[64] ^= 1;
        bytes.extend(torn);
        bytes.extend(&batches_in(following, first + 1, &[8])[0]);
        write(&disk, &log, &bytes);
        let error = load(&disk).err().unwrap();
        assert!(matches!(error, Error::Damaged { evidence: Evidence::SoundBatch { .. }, .. }), "{error}");
        assert_eq!(read(&disk, &log), bytes);
    }
}
