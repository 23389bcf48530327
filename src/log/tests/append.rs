//! Appending, rolling, flushing, reopening.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk, StdDisk};
use crate::log::producers::ProducerError;
use crate::log::testing::{
    DIR, NOW, abort, append, built, contents, create, files, flush, headers, recover, reopen, settings,
};
use crate::log::{AppendError, Log, Settings};
use crate::wire::batch::{Batch, crc32c};
use crate::wire::builder::Fields;

fn idempotent(sequence: i32) -> Batch {
    let fields = Fields { producer_id: 9, producer_epoch: 0, base_sequence: sequence, ..Fields::default() };
    built(2, 50, 10, &fields)
}

#[test]
fn offset_and_epoch_are_patched_and_nothing_else() {
    let (_, mut log) = create(settings());
    let batch = built(3, 50, 10, &Fields::default());
    log.append_as_leader(&batch, 4, 0).unwrap();
    let appended = log.append_as_leader(&batch, 5, 0).unwrap();
    assert_eq!((appended.first_offset, appended.last_offset, appended.log_append_time_ms), (3, 5, -1));
    let bytes = contents(&log);
    let second = &bytes[batch.bytes.len()..];
    assert_eq!((second[..8].to_vec(), &second[12..16]), (3i64.to_be_bytes().to_vec(), &[0, 0, 0, 5][..]));
    assert_eq!(second[16..], batch.bytes[16..]);
    assert_eq!(crc32c(&second[21..]), headers(second)[0].crc);
    assert_eq!((log.epoch_end_offset(4), log.latest_epoch()), ((4, 3), Some(5)));
}

#[test]
fn a_batch_of_several_writes_is_in_the_file_whole() {
    let (_, mut log) = create(Settings::default());
    let batch = built(30, 50, 10_000, &Fields::default());
    log.append_as_leader(&batch, 0, 0).unwrap();
    append(&mut log, 1, 50);
    assert_eq!(contents(&log)[16..batch.bytes.len()], batch.bytes[16..]);
    assert_eq!(log.end_offset(), 31);
}

#[test]
fn duplicates_are_answered_with_their_first_place_and_gaps_refused() {
    let (_, mut log) = create(settings());
    for sequence in [0, 2, 4] {
        log.append_as_leader(&idempotent(sequence), 0, 0).unwrap();
    }
    let again = log.append_as_leader(&idempotent(2), 0, 0).unwrap();
    assert_eq!((again.first_offset, again.last_offset, again.duplicate), (2, 3, true));
    let gap = log.append_as_leader(&idempotent(8), 0, 0);
    assert!(matches!(gap, Err(AppendError::Producer(ProducerError::OutOfOrderSequence { .. }))));
    assert_eq!(log.end_offset(), 6);
}

#[test]
fn a_segment_ends_with_its_bytes_its_time_its_index_and_its_offsets() {
    let roll = |settings: Settings, timestamps: &[i64]| {
        let (_, mut log) = create(settings);
        for timestamp in timestamps {
            append(&mut log, 1, *timestamp);
        }
        log.segment_count()
    };
    let len = u32::try_from(built(1, 0, 10, &Fields::default()).bytes.len()).unwrap();
    assert_eq!(roll(Settings { segment_bytes: 2 * len, ..settings() }, &[0; 4]), 2);
    assert_eq!(roll(Settings { segment_bytes: 2 * len - 1, ..settings() }, &[0; 4]), 4);
    let timed = Settings { segment_ms: 100, ..Settings::default() };
    assert_eq!(roll(timed, &[1000, 1100, 1101, 1150]), 2, "by the batches' timestamps, not the clock's");
    let lag = Settings { max_compaction_lag_ms: 100, ..Settings::default() };
    assert_eq!(roll(lag, &[1000, 1101]), 1, "nobody compacts it");
    assert_eq!(roll(Settings { compact: true, ..lag }, &[1000, 1100, 1101]), 2);
    let any = Settings { compact: true, max_compaction_lag_ms: 0, ..Settings::default() };
    assert_eq!(roll(any, &[1000, 1101]), 1);
    let indexed = Settings { index_interval_bytes: 1, segment_index_bytes: 40, ..Settings::default() };
    assert_eq!(roll(indexed, &[1, 2, 3, 4, 5, 6]), 2, "the last time entry is kept free");
    let (_, mut log) = create(Settings::default());
    append(&mut log, 1, 0);
    let mut far = built(1, 0, 10, &Fields::default());
    far.header.base_offset = i64::from(i32::MAX) + 1;
    log.append_as_follower(&[far], 0).unwrap();
    assert_eq!((log.segment_count(), log.end_offset()), (2, i64::from(i32::MAX) + 2));
}

#[test]
fn followers_take_offsets_and_epochs_as_they_are_but_never_backwards() {
    let (_, mut leader) = create(settings());
    for epoch in [0, 0, 3, 7] {
        for _ in 0..10 {
            leader.append_as_leader(&built(2, 50, 10, &Fields::default()), epoch, 0).unwrap();
        }
    }
    let mut bytes = bytes::Bytes::from(contents(&leader));
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        batches.push(Batch::split_from(&mut bytes).unwrap());
    }
    let (_, mut follower) = create(settings());
    let appended = follower.append_as_follower(&batches, 0).unwrap();
    assert_eq!((appended.first_offset, appended.last_offset), (0, 79));
    assert_eq!(contents(&follower), contents(&leader));
    assert_eq!(follower.epochs(), leader.epochs());
    assert!(follower.segment_count() > 1);
    let again = follower.append_as_follower(&batches[39..], 0);
    assert!(matches!(again, Err(AppendError::UnexpectedOffset { base_offset: 78, end_offset: 80, .. })));
}

#[test]
fn a_closed_log_opens_as_it_was_without_reading_it() {
    let (disk, mut log) = create(settings());
    for i in 0..40 {
        append(&mut log, 2, 1000 - i);
    }
    log.append_as_leader(&idempotent(0), 2, 0).unwrap();
    let (bytes, epochs) = (contents(&log), log.epochs().clone());
    log.close().unwrap();
    assert_eq!(log.flushed_offset(), 82);
    let (mut log, recovered) =
        reopen(&disk.power_cut(&crate::base::random::Random::seeded(0), 0), settings());
    assert_eq!((log.end_offset(), log.flushed_offset(), log.start_offset()), (82, 82, 0));
    assert!(recovered.scanned_bytes < 400, "only what follows the last index entry");
    assert_eq!(contents(&log), bytes);
    assert_eq!(*log.epochs(), epochs);
    assert_eq!(log.topic_id().map(|id| id.0.as_u128()), Some(7));
    assert!(log.append_as_leader(&idempotent(0), 2, 0).unwrap().duplicate);
    append(&mut log, 1, 2000);
    assert_eq!(log.end_offset(), 83);
}

#[test]
fn a_flush_covers_what_was_appended_before_it_began() {
    let (disk, mut log) = create(settings());
    append(&mut log, 1, 0);
    let first = log.begin_flush().unwrap();
    first.run().unwrap();
    append(&mut log, 1, 0);
    let cut = disk.power_cut(&crate::base::random::Random::seeded(0), 0);
    assert_eq!((log.flushed(&first), log.end_offset()), (1, 2));
    assert_eq!(recover(&cut, settings(), 1).unwrap().0.end_offset(), 1);
    assert_eq!(flush(&mut log), 2);
    assert!(log.begin_flush().is_none());
}

#[test]
fn nothing_is_appended_after_a_write_failed() {
    let (disk, mut log) = create(settings());
    append(&mut log, 1, 0);
    disk.set_space(200);
    let full = log.append_as_leader(&built(1, 0, 500, &Fields::default()), 0, 0);
    assert!(full.is_err_and(|e| e.is_disk_failure()));
    disk.set_space(1 << 20);
    let after = log.append_as_leader(&built(1, 0, 5, &Fields::default()), 0, 0);
    assert!(matches!(after, Err(AppendError::Storage(_))));
    assert!(log.begin_flush().is_none());
    assert_eq!(headers(&contents(&log)).len(), 1, "what was written stays readable");
    let (log, recovered) = recover(&disk, settings(), 0).unwrap();
    assert_eq!(log.end_offset(), 1);
    assert!(recovered.truncated_bytes > 0);
}

#[test]
fn an_idle_log_has_no_open_files_and_wakes_up_again() {
    let (_, mut log) = create(settings());
    for i in 0..30 {
        append(&mut log, 2, i);
    }
    flush(&mut log);
    log.close_idle_files().unwrap();
    log.close_idle_files().unwrap();
    assert!(log.segments.iter().all(|s| !s.is_open()));
    assert!(log.active.anchor(0).is_none(), "index entries are out of memory");
    assert_eq!(headers(&contents(&log)).len(), 30);
    append(&mut log, 2, 31);
    assert_eq!(log.plan_offset_for_timestamp(31).resolve().unwrap().unwrap().offset, 60);
    assert_eq!(headers(&contents(&log)).len(), 31);
    assert_eq!(log.dir(), std::path::Path::new(DIR));
}

#[test]
fn a_log_that_could_not_be_made_leaves_nothing_and_can_be_made_later() {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    let create = || {
        let topic_id = TopicId(uuid::Uuid::from_u128(7));
        Log::create(Arc::new(disk.clone()), Path::new(DIR), topic_id, settings(), 0)
    };
    disk.set_space(0);
    assert!(create().is_err());
    assert!(!disk.exists(Path::new(DIR)).unwrap());
    disk.set_space(1 << 20);
    assert_eq!(create().unwrap().end_offset(), 0);
}

#[test]
fn names_that_a_killed_broker_never_synced_are_synced_before_they_count() {
    let (disk, log) = create(settings());
    drop(log);
    // As the owner of the log directory does after an unclean stop.
    disk.sync_dir(Path::new("/data")).unwrap();
    let (mut log, _) = recover(&disk, settings(), 0).unwrap();
    assert!(log.tail().is_none(), "a journal cannot vouch for names");
    append(&mut log, 1, 50);
    flush(&mut log);
    let (log, _) = recover(&disk.power_cut(&Random::seeded(1), 0), settings(), 1).unwrap();
    assert_eq!((log.end_offset(), log.topic_id().is_some()), (1, true));
}

/// A record of a transaction of producer 7.
fn transactional() -> Batch {
    let fields = Fields {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..Fields::default()
    };
    built(1, 50, 10, &fields)
}

#[test]
fn an_abort_for_which_no_file_can_be_opened_is_not_written_and_can_be_tried_again() {
    let txn_index_len = |disk: &MemDisk| {
        files(disk).iter().find(|(name, _)| name.ends_with(".txnindex")).map(|(_, bytes)| bytes.len())
    };

    let (disk, mut log) = create(settings());
    log.append_as_leader(&abort(), 0, 0).unwrap();
    assert_eq!(txn_index_len(&disk), None, "there was nothing to abort");
    log.append_as_leader(&transactional(), 0, 0).unwrap();
    disk.fail_opens(1);
    let failed = log.append_as_leader(&abort(), 0, 0).unwrap_err();
    assert!(matches!(failed, AppendError::Storage(_)) && !failed.is_disk_failure());
    assert_eq!((log.end_offset(), headers(&contents(&log)).len()), (2, 2));
    log.append_as_leader(&abort(), 0, 0).unwrap();
    assert_eq!(txn_index_len(&disk), Some(34));

    let (follower_disk, mut follower) = create(settings());
    let bytes = contents(&log);
    let mut rest = Bytes::from(bytes.clone());
    let replicated = [(); 3].map(|()| Batch::split_from(&mut rest).unwrap());
    follower_disk.fail_opens(1);
    assert!(follower.append_as_follower(&replicated, 0).is_err());
    assert_eq!(follower.end_offset(), 0);
    follower.append_as_follower(&replicated, 0).unwrap();
    assert_eq!((txn_index_len(&follower_disk), contents(&follower)), (Some(34), bytes));
}

#[test]
fn a_segment_for_which_no_file_can_be_opened_can_be_rolled_later() {
    let (disk, mut log) = create(settings());
    append(&mut log, 1, 50);
    disk.fail_opens(1);
    let failed = log.roll(0).unwrap_err();
    assert!(!failed.is_disk_failure() && !log.is_poisoned());
    append(&mut log, 1, 50);
    log.roll(0).unwrap();
    append(&mut log, 1, 50);
    assert_eq!((log.segment_count(), headers(&contents(&log)).len()), (2, 3));
}

#[test]
fn an_abort_that_cannot_be_noted_after_it_was_written_ends_the_log() {
    let (disk, mut log) = create(settings());
    log.append_as_leader(&transactional(), 0, 0).unwrap();
    // The index is made, the marker is written, the entry is not.
    disk.fail_after(2);
    log.append_as_leader(&abort(), 0, 0).unwrap_err();
    assert!(log.is_poisoned());
}

#[test]
fn room_set_aside_is_given_back_when_preallocate_was_switched_off() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t-0");
    let disk = Arc::new(StdDisk);
    let settings = |preallocate| Settings { preallocate, segment_bytes: 1 << 20, ..settings() };
    let id = TopicId(uuid::Uuid::from_u128(5));
    let mut log = Log::create(disk, &path, id, settings(true), NOW).unwrap();
    log.update_settings(settings(false));
    log.close().unwrap();
    let blocks = std::fs::metadata(path.join("00000000000000000000.log")).unwrap().blocks();
    assert_eq!(blocks, 0);
}
