//! Segments go as their settings say, and no crash brings them back or takes others with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk};
use crate::log::retention::{Breached, Retired};
use crate::log::testing::{DIR, NOW, append, batch, contents, create, files, flush, headers, open, settings};
use crate::log::{Log, Opening, Settings};

/// A log of segments with two batches of ten records each, every batch with its timestamp.
fn log_of(settings: Settings, timestamps: &[i64]) -> (MemDisk, Log) {
    let len = u32::try_from(batch(10, 0).len()).unwrap();
    let (disk, mut log) = create(Settings { segment_bytes: 2 * len, ..settings });
    for timestamp in timestamps {
        append(&mut log, 10, *timestamp);
    }
    (disk, log)
}

fn retire_at(log: &mut Log, high_watermark: i64, now_ms: i64) -> Option<Retired> {
    let expired_up_to = log.plan_expiry().resolve(now_ms).unwrap();
    log.retire_segments(high_watermark, expired_up_to, now_ms).unwrap()
}

fn retire(log: &mut Log, high_watermark: i64) -> Breached {
    retire_at(log, high_watermark, NOW).map(|retired| retired.breached).unwrap_or_default()
}

fn by_time(retention_ms: i64) -> Settings {
    Settings { retention_ms, ..settings() }
}

fn by_size(segments: i64) -> Settings {
    let retention_bytes = segments * 2 * i64::try_from(batch(10, 0).len()).unwrap();
    Settings { retention_ms: -1, retention_bytes, ..settings() }
}

#[test]
fn a_segment_stays_until_its_latest_record_is_too_old_and_holds_those_after_it() {
    let old = NOW - 101;
    let (_, mut log) = log_of(by_time(100), &[old, old - 50, old, NOW - 100, old, old, NOW, NOW]);
    assert_eq!(retire(&mut log, 80), Breached { time: 1, ..Breached::default() });
    assert_eq!((log.start_offset(), log.segment_count()), (20, 3));
    assert_eq!(retire(&mut log, 80).count(), 0);
    let (_, mut log) = log_of(by_time(100), &[old, NOW + 1_000_000, old, old]);
    assert_eq!(retire(&mut log, 40).count(), 0, "the future keeps what follows");
    let (_, mut log) = log_of(by_time(-1), &[0; 6]);
    assert_eq!(retire(&mut log, 60).count(), 0);
}

#[test]
fn a_segment_that_was_cut_is_as_old_as_what_it_has_now() {
    let (_, mut log) = log_of(by_time(100), &[0, NOW - 100, 0, 0]);
    assert_eq!((retire(&mut log, 40).count(), log.segments[0].first_timestamp().unwrap()), (0, Some(0)));
    log.truncate_to(0, NOW).unwrap();
    for timestamp in [5, 5, 5] {
        append(&mut log, 10, timestamp);
    }
    assert_eq!(log.segments[0].first_timestamp().unwrap(), Some(5));
    assert_eq!(retire(&mut log, 20).time, 1);
}

#[test]
fn records_without_a_timestamp_are_as_old_as_their_file() {
    let (disk, mut log) = log_of(by_time(100), &[-1; 3]);
    disk.set_modified_ms(NOW - 100);
    assert_eq!(retire(&mut log, 30).count(), 0);
    disk.set_modified_ms(NOW - 101);
    assert_eq!(retire(&mut log, 30).time, 2);
}

#[test]
fn what_the_log_has_too_much_goes_as_long_as_a_whole_segment_fits_in_that() {
    let (_, mut log) = log_of(by_size(2), &[0; 7]);
    assert_eq!(retire(&mut log, 70), Breached { size: 1, ..Breached::default() });
    assert_eq!((log.start_offset(), log.segment_count()), (20, 3), "half a segment too much stays");
    let (_, mut log) = log_of(by_size(0), &[0; 7]);
    assert_eq!(retire(&mut log, 70).size, 4);
    assert_eq!((log.start_offset(), log.end_offset(), log.segment_count()), (70, 70, 1));
}

#[test]
fn nothing_goes_that_is_not_committed() {
    let (_, mut log) = log_of(by_time(0), &[0; 6]);
    assert_eq!(retire(&mut log, 39).count(), 1);
    assert_eq!(retire(&mut log, 59).count(), 1, "the active segment has one record more");
    assert_eq!((log.start_offset(), log.segment_count()), (40, 1));
}

#[test]
fn an_active_segment_that_is_too_old_is_rolled_once() {
    let (disk, mut log) = log_of(by_time(100), &[0; 5]);
    let retired = retire_at(&mut log, 50, NOW).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), log.segment_count()), (50, 50, 1));
    assert!(retire_at(&mut log, 50, NOW).is_none(), "an empty one stays");
    flush(&mut log);
    retired.set_aside().unwrap();
    let is_left = |name: &&String| name.starts_with('0') && !name.ends_with(".deleted");
    let left: Vec<_> = files(&disk).into_keys().collect();
    let left: Vec<_> = left.iter().filter(is_left).collect();
    assert_eq!(left, ["00000000000000000050.log", "00000000000000000050.snapshot"]);
    retired.remove().unwrap();
    assert!(files(&disk).keys().all(|name| !name.contains("deleted")));
    append(&mut log, 3, NOW);
    assert_eq!(log.end_offset(), 53);
}

#[test]
fn only_deletion_looks_at_time_and_size_but_the_start_counts_for_every_log() {
    let kept = Settings { delete: false, retention_bytes: 0, ..by_time(0) };
    let (_, mut log) = log_of(kept, &[0; 6]);
    assert_eq!(retire(&mut log, 60).count(), 0);
    log.advance_start(39);
    assert_eq!(retire(&mut log, 60).log_start, 1);
    log.advance_start(60);
    assert_eq!(retire(&mut log, 60).log_start, 1, "the active segment is not below the start");
    assert_eq!((log.start_offset(), log.segment_count()), (60, 1));
}

#[test]
fn who_has_planned_a_read_still_reads_what_is_set_aside() {
    let (disk, mut log) = log_of(by_time(100), &[0; 5]);
    log.close_idle_files().unwrap();
    flush(&mut log);
    log.close_idle_files().unwrap();
    log.close_idle_files().unwrap();
    let plan = log.plan_read(15, 1_000, 50, true).unwrap().unwrap();
    let times = log.plan_offset_for_timestamp(0);
    let retired = retire_at(&mut log, 50, NOW).unwrap();
    flush(&mut log);
    retired.set_aside().unwrap();
    let before = files(&disk);
    let read = plan.resolve().unwrap().unwrap().read().unwrap();
    assert_eq!(headers(&read)[0].base_offset, 10);
    assert_eq!(times.resolve().unwrap().map(|found| found.offset), Some(0));
    assert_eq!(files(&disk), before, "no index is made for it");
}

/// What the log directory's checkpoints hold.
#[derive(Clone, Copy, Debug, Default)]
struct Checkpoint {
    recovery_point: i64,
    log_start_offset: i64,
}

/// What a history got to, besides the disk.
#[derive(Default)]
struct Progress {
    checkpoint: Checkpoint,
    acked: i64,
    /// The first batch that the log kept, by end offset.
    batches: BTreeMap<i64, i64>,
}

/// Appends, flushes, deletes records, retires segments and removes them, each in the order that the owner keeps to. Ends
/// at the first error.
fn history(disk: &MemDisk, progress: &mut Progress) -> Option<()> {
    let topic_id = TopicId(uuid::Uuid::from_u128(7));
    let settings = Settings { retention_ms: 25, ..settings() };
    let mut log = Log::create(Arc::new(disk.clone()), Path::new(DIR), topic_id, settings, 0).ok()?;
    let mut removed = Vec::new();
    let mut high_watermark = 0;
    for step in 0..60_i64 {
        let built = crate::log::testing::built(3, step, 60, &crate::wire::builder::Fields::default());
        let appended = log.append_as_leader(&built, i32::try_from(step / 10).unwrap(), step).ok()?;
        progress.batches.insert(appended.first_offset, appended.last_offset);
        if step % 4 == 3 {
            run_flush(&mut log)?;
            progress.acked = log.flushed_offset();
            high_watermark = progress.acked;
        }
        if step % 17 == 16 {
            log.advance_start(high_watermark - 2);
        }
        if step % 7 == 6 || step == 59 {
            let now = if step == 59 { 1_000 } else { step };
            if step == 59 {
                run_flush(&mut log)?;
                high_watermark = log.end_offset();
            }
            let expired_up_to = log.plan_expiry().resolve(now).ok()?;
            let retired = log.retire_segments(high_watermark, expired_up_to, now).ok()?;
            run_flush(&mut log)?;
            // As durable as a file that is written, synced and renamed.
            disk.sync_dir(Path::new("/data")).ok()?;
            progress.checkpoint =
                Checkpoint { recovery_point: log.flushed_offset(), log_start_offset: log.start_offset() };
            if let Some(retired) = retired {
                retired.set_aside().ok()?;
                removed.push(retired);
            }
        }
        if step % 14 == 13 {
            removed.drain(..).try_for_each(|retired| retired.remove()).ok()?;
        }
    }
    Some(())
}

fn run_flush(log: &mut Log) -> Option<()> {
    if let Some(flush) = log.begin_flush() {
        flush.run().ok()?;
        log.flushed(&flush);
    }
    Some(())
}

fn new_disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn check(left: &MemDisk, progress: &Progress, recovery_point: i64) {
    let log_start_offset = progress.checkpoint.log_start_offset;
    let opening = Opening { recovery_point, log_start_offset, clean: false, is_checkpointed: true };
    for clean in [false, true] {
        let (log, _) = open(left, settings(), Opening { clean, ..opening }).unwrap();
        assert!(log.end_offset() >= progress.acked, "{} is left of {}", log.end_offset(), progress.acked);
        assert_eq!(log.start_offset(), log_start_offset, "the log starts elsewhere");
        let mut next = None;
        for header in headers(&contents(&log)) {
            assert_eq!(Some(header.base_offset), next.or(Some(header.base_offset)), "records are missing");
            assert_eq!(progress.batches[&header.base_offset], header.last_offset());
            next = Some(header.next_offset());
        }
        assert_eq!(next.unwrap_or(log.end_offset()), log.end_offset());
        assert!(log.segments[0].base_offset <= log.start_offset());
        assert!(log.epochs().earliest().is_none_or(|e| e.start_offset >= log_start_offset));
        let names = files(left);
        assert!(names.keys().all(|n| !n.ends_with(".deleted")), "{:?}", names.keys());
        let mut log = log;
        log.close().unwrap();
    }
}

#[test]
fn no_crash_brings_records_back_that_were_deleted_or_takes_others() {
    let disk = new_disk();
    let before = disk.changes();
    let mut whole = Progress::default();
    history(&disk, &mut whole).unwrap();
    assert_eq!(whole.checkpoint.log_start_offset, 180, "all was too old in the end");
    let changes = disk.changes() - before;
    for cut_after in 0..changes {
        let disk = new_disk();
        disk.fail_after(cut_after);
        let mut progress = Progress::default();
        assert!(history(&disk, &mut progress).is_none());
        for (seed, keep_percent) in [(1, 0), (2, 100), (3, 50), (4, 80), (5, 20)] {
            let left = disk.power_cut(&Random::seeded(cut_after * 10 + seed), keep_percent);
            if progress.acked == 0 && !left.exists(&Path::new(DIR).join("00000000000000000000.log")).unwrap()
            {
                continue;
            }
            check(&left, &progress, progress.checkpoint.recovery_point);
        }
    }
}

#[test]
fn a_plan_holds_for_the_retention_it_was_made_under() {
    let (_disk, mut log) = log_of(by_time(1_000), &[NOW]);
    let plan = log.plan_expiry();
    assert!(plan.is_current(&log));
    for settings in [by_time(2_000), Settings { delete: false, ..by_time(1_000) }] {
        log.update_settings(settings);
        assert!(!plan.is_current(&log));
    }
}
