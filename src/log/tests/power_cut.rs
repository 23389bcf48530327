//! Power cuts at every change of the disk, with all, none and some of what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk};
use crate::log::epochs::LeaderEpochs;
use crate::log::producers::snapshot;
use crate::log::testing::{
    DIR, abort, append, built, contents, files, flush, headers, open, recover, settings,
};
use crate::log::{Log, Opening};
use crate::wire::batch::Batch;
use crate::wire::builder::Fields;

/// What the log was at an end offset.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    len: usize,
    producers: Vec<u8>,
    epochs: LeaderEpochs,
    /// First offset of the oldest open transaction.
    undecided: Option<i64>,
    /// First and last offset of every aborted transaction, by the indexes.
    aborted: Vec<(i64, i64)>,
}

/// What a history got to.
#[derive(Default)]
struct Progress {
    /// Ends of flushes that succeeded.
    flushed: Vec<i64>,
    /// By end offset.
    seen: BTreeMap<i64, Seen>,
}

fn seen(log: &Log) -> Seen {
    let mut epochs = log.epochs().clone();
    epochs.truncate_from_end(log.end_offset());
    let len = usize::try_from(log.size_bytes()).unwrap();
    let producers = snapshot::encode(log.producers());
    Seen {
        len,
        producers,
        epochs,
        undecided: log.producers().first_undecided_offset(),
        aborted: aborted(log),
    }
}

/// What readers of committed data are told, from segment to segment.
fn aborted(log: &Log) -> Vec<(i64, i64)> {
    let mut found = BTreeSet::new();
    let mut from = 0;
    while from < log.end_offset() {
        let plan = log.plan_read(from, usize::MAX, i64::MAX, true).unwrap().unwrap();
        let slice = plan.resolve().unwrap().unwrap();
        found.extend(plan.aborted(&slice).unwrap().iter().map(|txn| (txn.first_offset, txn.last_offset)));
        from = headers(&slice.read().unwrap()).last().unwrap().next_offset();
    }
    found.into_iter().collect()
}

/// A batch of one of four producers; `sequence` is the producer's next one.
fn batch_of(producer: usize, sequence: i32, timestamp: i64) -> Batch {
    let fields = match producer {
        0 => Fields { producer_id: 5, producer_epoch: 0, base_sequence: sequence, ..Fields::default() },
        1 => Fields { producer_id: 6, producer_epoch: 1, base_sequence: sequence, ..Fields::default() },
        2 => Fields {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: sequence,
            transactional: true,
            ..Fields::default()
        },
        _ => Fields::default(),
    };
    built(2, timestamp, 40, &fields)
}

/// Appends of four producers over four epochs and several segments, with a flush now and then. Ends at the first error.
fn history(disk: &MemDisk, progress: &mut Progress) -> Option<Log> {
    let topic_id = TopicId(uuid::Uuid::from_u128(7));
    let mut log = Log::create(Arc::new(disk.clone()), Path::new(DIR), topic_id, settings(), 0).ok()?;
    let mut sequences = [0; 4];
    for step in 0..40 {
        let batch = if step % 9 == 8 {
            abort()
        } else {
            let producer = usize::try_from(step % 4).unwrap();
            sequences[producer] += 2;
            batch_of(producer, sequences[producer] - 2, 1000 + i64::from(step))
        };
        log.append_as_leader(&batch, step / 10, 0).ok()?;
        progress.seen.insert(log.end_offset(), seen(&log));
        if step % 5 == 2 || step % 11 == 7 {
            let flush = log.begin_flush()?;
            flush.run().ok()?;
            progress.flushed.push(log.flushed(&flush));
        }
    }
    Some(log)
}

fn new_disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// Recovers what a cut has left and checks it against the whole history.
fn check(disk: &MemDisk, recovery_point: i64, acked: i64, whole: &Progress, bytes: &[u8]) {
    let (log, _) = recover(disk, settings(), recovery_point).unwrap();
    let end_offset = log.end_offset();
    assert!(end_offset >= acked, "{acked} was acknowledged, {end_offset} is left");
    let left = contents(&log);
    assert_eq!(left, bytes[..left.len()]);
    if end_offset > 0 {
        assert_eq!(seen(&log), whole.seen[&end_offset], "state at {end_offset}");
    }
    drop(log);
    let after_first = files(disk);
    let (mut log, second) = recover(disk, settings(), recovery_point).unwrap();
    assert_eq!((second.flaw, second.truncated_bytes), (None, 0));
    assert_eq!(files(disk), after_first, "a second recovery changes nothing");
    append(&mut log, 1, 9000);
    flush(&mut log);
    let cut = disk.power_cut(&Random::seeded(1), 0);
    let (mut log, _) = recover(&cut, settings(), end_offset + 1).unwrap();
    assert_eq!((log.end_offset(), contents(&log).len() > left.len()), (end_offset + 1, true));
    log.close().unwrap();
    let opening =
        Opening { recovery_point: end_offset + 1, log_start_offset: 0, clean: true, is_checkpointed: true };
    let (log, _) = open(&cut.power_cut(&Random::seeded(1), 0), settings(), opening).unwrap();
    assert_eq!(contents(&log)[..left.len()], left);
}

#[test]
fn whatever_a_power_cut_leaves_no_flushed_record_is_lost_and_no_other_is_invented() {
    let disk = new_disk();
    let before = disk.changes();
    let mut whole = Progress::default();
    let log = history(&disk, &mut whole).unwrap();
    let bytes = contents(&log);
    assert!(log.segment_count() > 2 && headers(&bytes).len() == 40);
    let changes = disk.changes() - before;
    for cut_after in 0..changes {
        let disk = new_disk();
        disk.fail_after(cut_after);
        let mut progress = Progress::default();
        assert!(history(&disk, &mut progress).is_none());
        let acked = progress.flushed.last().copied().unwrap_or(0);
        let before = progress.flushed.iter().rev().nth(1).copied().unwrap_or(0);
        for (seed, keep_percent) in [(1, 0), (2, 100), (3, 50), (4, 50), (5, 90), (6, 20)] {
            let left = disk.power_cut(&Random::seeded(cut_after * 10 + seed), keep_percent);
            if acked == 0 && !left.exists(&Path::new(DIR).join("00000000000000000000.log")).unwrap() {
                continue;
            }
            let recovery_point = [acked, before, 0][usize::try_from(seed % 3).unwrap()];
            check(&left, recovery_point, acked, &whole, &bytes);
        }
    }
}
