//! A log that is cleaned, cut by power and opened again is still what its readers take it for.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::{Cleanable, OffsetMap, Rules};
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk};
use crate::log::producers::Origin;
use crate::log::testing::{self, DIR, create, flush, headers, open};
use crate::log::{Leading, Log, Opening, Settings};
use crate::wire::batch::{Batch, BatchHeader, HEADER_LEN};
use crate::wire::builder::{BatchBuilder, ControlRecord, Fields};
use crate::wire::compress::{Codec, Compression, decompress};
use crate::wire::record::{Header, Records};

const RULES: Rules = Rules {
    min_compaction_lag_ms: 0,
    max_compaction_lag_ms: i64::MAX,
    min_cleanable_dirty_ratio: 0.0,
    delete_retention_ms: 100,
};

fn settings() -> Settings {
    Settings {
        compact: true,
        delete: false,
        segment_bytes: 1200,
        verify_transactions: false,
        ..testing::settings()
    }
}

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: i64,
    /// Keys and values of the headers.
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What was written, and what the checkpoints of its log directory have.
#[derive(Clone, Debug, Default)]
struct Model {
    /// All records of data by offset, with the first offset of their transaction.
    written: BTreeMap<i64, (Seen, Option<usize>)>,
    /// Whether each transaction was committed; none if it is open.
    ends: Vec<Option<bool>>,
    /// The open transaction of each producer.
    open: [Option<usize>; 3],
    sequences: [i32; 3],
    recovery_point: i64,
    cleaned_up_to: Option<i64>,
    now_ms: i64,
}

impl Model {
    /// Keys with their last committed values.
    fn state(&self, up_to: i64) -> BTreeMap<Vec<u8>, (i64, Option<Vec<u8>>)> {
        let mut state = BTreeMap::new();
        for (offset, (seen, txn)) in self.written.range(..up_to) {
            if txn.is_none_or(|txn| self.ends[txn] == Some(true)) {
                state.insert(seen.key.clone(), (*offset, seen.value.clone()));
            }
        }
        state
    }

    fn forget_from(&mut self, end_offset: i64) {
        self.written.split_off(&end_offset);
    }
}

fn records_of(header: &BatchHeader, bytes: &[u8]) -> Vec<(i64, Seen)> {
    let mut records = Vec::new();
    decompress(Codec::from_id(header.codec()).unwrap(), &bytes[HEADER_LEN..], 1 << 20, &mut records).unwrap();
    let seen = Records::new(header, &records).unwrap().map(|record| {
        let record = record.unwrap();
        let headers = record.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec)));
        let seen = Seen {
            key: record.key.unwrap_or_default().to_vec(),
            value: record.value.map(<[u8]>::to_vec),
            timestamp: record.timestamp,
            headers: headers.collect(),
        };
        (record.offset, seen)
    });
    seen.collect()
}

/// What a consumer of committed data gets to see, as clients find it out: batch by batch, with the list of aborted
/// transactions of each fetch.
fn committed(log: &Log, up_to: i64) -> BTreeMap<i64, Seen> {
    let mut visible = BTreeMap::new();
    let mut from = log.start_offset();
    while from < up_to
        && let Some(plan) = log.plan_read(from, 4000, up_to, true).unwrap()
        && let Some(slice) = plan.resolve().unwrap()
    {
        let mut aborted = plan.aborted(&slice).unwrap();
        aborted.reverse();
        let bytes = slice.read().unwrap();
        let mut open = HashSet::new();
        let (mut at, mut next) = (0, from);
        for header in headers(&bytes) {
            let batch = &bytes[at..at + header.total_len()];
            at += header.total_len();
            assert!(header.base_offset >= next || header.last_offset() >= from, "offsets go back");
            next = header.next_offset();
            while aborted.last().is_some_and(|txn| txn.first_offset <= header.last_offset()) {
                open.insert(aborted.pop().unwrap().producer_id);
            }
            if header.is_control() {
                if header.record_count > 0 && batch[HEADER_LEN..].windows(4).any(|w| w == [0, 0, 0, 0]) {
                    open.remove(&header.producer_id);
                }
            } else if !(header.is_transactional() && open.contains(&header.producer_id)) {
                visible.extend(records_of(&header, batch).into_iter().filter(|(offset, _)| *offset >= from));
            }
        }
        assert!(next > from, "the reader does not come on");
        from = next;
    }
    visible
}

/// What is undecided or not below.
fn stable(log: &Log) -> i64 {
    log.last_stable_bound().unwrap_or(log.end_offset())
}

fn check(log: &Log, model: &Model) {
    let up_to = stable(log);
    let visible = committed(log, up_to);
    for (offset, seen) in &visible {
        let (written, txn) = &model.written[offset];
        assert_eq!(seen, written, "at {offset}");
        assert!(txn.is_none_or(|txn| model.ends[txn] == Some(true)), "{offset} was aborted and is seen");
    }
    let mut latest: BTreeMap<&[u8], (i64, &Option<Vec<u8>>)> = BTreeMap::new();
    latest.extend(visible.iter().map(|(offset, seen)| (&seen.key[..], (*offset, &seen.value))));
    for (key, (offset, value)) in model.state(up_to) {
        let found = latest.get(&key[..]);
        if value.is_some() {
            assert_eq!(found, Some(&(offset, &value)), "key {key:?}");
        } else {
            assert!(found.is_none_or(|(_, value)| value.is_none()), "key {key:?} is back");
        }
    }
    // What was not cleaned is all there.
    let dirty = model.cleaned_up_to.unwrap_or(0);
    for (offset, (_, txn)) in model.written.range(dirty..up_to) {
        let is_visible = txn.is_none_or(|txn| model.ends[txn] == Some(true));
        assert_eq!(visible.contains_key(offset), is_visible, "{offset} is above {dirty}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Records of some keys, by a producer of transactions or none.
    Write {
        producer: usize,
        keys: Vec<(u8, bool)>,
        codec: u8,
    },
    End {
        producer: usize,
        commit: bool,
    },
    Clean {
        memory: usize,
        seed: u64,
    },
    /// How long.
    Wait(i64),
    Flush,
    Roll,
    Reopen,
    /// A power cut: the random seed and how much of the unsynced is kept.
    Cut(u64, u32),
}

fn op() -> impl Strategy<Value = Op> {
    let write = (0..6usize, prop::collection::vec((0..6u8, prop::bool::weighted(0.2)), 1..5), 0..4u8)
        .prop_map(|(producer, keys, codec)| Op::Write { producer, keys, codec });
    prop_oneof![
        12 => write,
        4 => (0..3usize, any::<bool>()).prop_map(|(producer, commit)| Op::End { producer, commit }),
        3 => (prop::sample::select(vec![24 * 4, 24 * 8, 1 << 16]), any::<u64>())
            .prop_map(|(memory, seed)| Op::Clean { memory, seed }),
        2 => (0..80i64).prop_map(Op::Wait),
        2 => Just(Op::Flush),
        1 => Just(Op::Roll),
        1 => Just(Op::Reopen),
        1 => (any::<u64>(), 0..101u32).prop_map(|(seed, keep)| Op::Cut(seed, keep)),
    ]
}

fn compression(codec: u8) -> Compression {
    match codec {
        1 => Codec::Gzip.into(),
        2 => Codec::Lz4.into(),
        3 => Codec::Zstd.into(),
        _ => Compression::None,
    }
}

struct World {
    disk: MemDisk,
    log: Log,
    model: Model,
}

impl World {
    fn new() -> Self {
        let (disk, mut log) = create(settings());
        flush(&mut log);
        Self { disk, log, model: Model { now_ms: 1_000, ..Model::default() } }
    }

    fn write(&mut self, producer: usize, keys: &[(u8, bool)], codec: u8) {
        let Self { log, model, .. } = self;
        let mut fields = Fields::default();
        let mut txn = None;
        if let Some(open) = model.open.get_mut(producer) {
            txn = Some(*open.get_or_insert_with(|| {
                model.ends.push(None);
                model.ends.len() - 1
            }));
            fields = Fields {
                producer_id: i64::try_from(producer).unwrap() + 10,
                producer_epoch: 0,
                base_sequence: model.sequences[producer],
                transactional: true,
                ..fields
            };
            model.sequences[producer] += i32::try_from(keys.len()).unwrap();
        }
        let mut builder = BatchBuilder::new();
        let mut seen = Vec::new();
        for (at, (key, is_tombstone)) in keys.iter().enumerate() {
            let value = format!("{}-{at}-{}", log.end_offset(), "v".repeat(40));
            let value = (!is_tombstone).then(|| value.into_bytes());
            let timestamp = model.now_ms - i64::try_from(at).unwrap() * 3;
            // The same key twice, and out of order.
            let headers = [
                Header { key: b"b", value: Some(&[*key]) },
                Header { key: b"a", value: None },
                Header { key: b"b", value: Some(b"") },
            ];
            builder.push(timestamp, Some(&[*key]), value.as_deref(), &headers);
            let headers = headers.map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).to_vec();
            seen.push(Seen { key: vec![*key], value, timestamp, headers });
        }
        let batch = builder.build(&fields, compression(codec)).unwrap();
        let first = self.append(&batch, Origin::Client);
        for (offset, seen) in (first..).zip(seen) {
            self.model.written.insert(offset, (seen, txn));
        }
    }

    fn append(&mut self, batch: &Batch, origin: Origin) -> i64 {
        let leading = Leading { origin, ..Leading::plain(0) };
        self.log.append_leading(batch, leading, self.model.now_ms).unwrap().first_offset
    }

    fn end(&mut self, producer: usize, commit: bool) {
        let Some(txn) = self.model.open[producer].take() else { return };
        let fields = Fields {
            producer_id: i64::try_from(producer).unwrap() + 10,
            producer_epoch: 0,
            transactional: true,
            control: true,
            ..Fields::default()
        };
        let mut builder = BatchBuilder::new();
        let control = if commit { ControlRecord::Commit } else { ControlRecord::Abort };
        builder.push(self.model.now_ms, Some(&control.key()), Some(&[0, 0, 0, 0, 0, 3]), &[]);
        let batch = builder.build(&fields, Compression::None).unwrap();
        self.append(&batch, Origin::Coordinator);
        self.model.ends[txn] = Some(commit);
        // Its marker is below the high watermark.
        let end = self.log.end_offset();
        self.log.producers_mut().high_watermark_advanced(end);
    }

    /// As the owner of the log does it. Ends at the first error of the disk.
    fn clean(&mut self, memory: usize, seed: u64) -> io::Result<Option<Cleanable>> {
        let Self { log, model, .. } = self;
        let high_watermark = log.end_offset();
        let found = log.cleanable(model.cleaned_up_to, high_watermark, &RULES, model.now_ms)?;
        let Some(cleanable) = found.filter(|found| found.is_due(&RULES)) else { return Ok(None) };
        assert!(cleanable.end_offset <= log.flushed_offset());
        model.recovery_point = log.flushed_offset();
        let mut cleaning = log.begin_cleaning(&cleanable, high_watermark, &RULES, model.now_ms)?;
        let mut map = OffsetMap::new(memory, 0.9, cleaning.dirty_records_max(), [seed, 1, 2, 3]);
        let pace = &mut |_: usize| Ok(());
        cleaning.map(&mut map, pace)?;
        for group in cleaning.groups(&map) {
            let cleaned = cleaning.copy(&group, &map, pace)?;
            cleaned.begin_swap()?.run()?;
            log.replace(&cleaned).remove()?;
        }
        assert!(map.latest_offset() >= cleanable.first_dirty_offset, "a cleaning comes on");
        model.cleaned_up_to = Some(map.latest_offset() + 1);
        Ok(Some(cleanable))
    }

    /// What the cleaning of an earlier topic of the name may leave.
    fn leave_cleaned(&self) {
        for name in ["00000000000000000000.txnindex.cleaned", "00000000000000000001.log.cleaned"] {
            testing::write_file(&self.disk, name, b"foreign");
        }
        self.disk.sync_dir(Path::new(DIR)).unwrap();
    }

    /// Until tombstones and markers whose time comes are gone.
    fn clean_for_long(&mut self) {
        for _ in 0..3 {
            self.run(&Op::Wait(150));
            // Else nothing is dirty the second time.
            self.write(5, &[(9, false)], 0);
            self.run(&Op::Roll);
            self.run(&Op::Flush);
            self.run(&Op::Clean { memory: 1 << 16, seed: 7 });
            check(&self.log, &self.model);
        }
    }

    /// Opens what is left; the producers' open transactions are those that the log has.
    fn reopen(&mut self, disk: MemDisk, clean: bool) {
        let recovery_point = self.model.recovery_point;
        let opening = Opening { recovery_point, log_start_offset: 0, clean, is_checkpointed: true };
        let (log, _) = open(&disk, settings(), opening).unwrap();
        (self.disk, self.log) = (disk, log);
        let end = self.log.end_offset();
        self.log.producers_mut().high_watermark_advanced(end);
        self.model.forget_from(end);
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Write { producer, keys, codec } => self.write(*producer, keys, *codec),
            Op::End { producer, commit } => self.end(*producer, *commit),
            Op::Clean { memory, seed } => drop(self.clean(*memory, *seed).unwrap()),
            Op::Wait(ms) => self.model.now_ms += ms,
            Op::Flush => drop(flush(&mut self.log)),
            Op::Roll => self.log.roll(self.model.now_ms).unwrap(),
            Op::Reopen => {
                self.log.close().unwrap();
                self.model.recovery_point = self.log.flushed_offset();
                self.reopen(self.disk.clone(), true);
            }
            Op::Cut(seed, keep_percent) => {
                // What is not durable is not promised, and transactions would be half there: so all is durable.
                flush(&mut self.log);
                let disk = self.disk.power_cut(&Random::seeded(*seed), *keep_percent);
                self.reopen(disk, false);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 10_000 }))]
    #[test]
    fn after_any_cleanings_and_restarts_the_last_value_of_every_key_is_there_and_nothing_aborted(
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            if matches!(op, Op::Clean { .. } | Op::Reopen | Op::Cut(..)) {
                check(&world.log, &world.model);
            }
        }
        flush(&mut world.log);
        world.clean_for_long();
        // Deleted by producers who have aborted in what is clean now.
        for (producer, key) in [(0, 0), (1, 2), (2, 4)] {
            world.write(producer, &[(key, true), (key + 1, true)], 0);
            world.end(producer, true);
        }
        world.clean_for_long();
    }
}

#[test]
fn what_a_producer_commits_counts_though_it_has_aborted_in_the_clean_part() {
    let mut world = World::new();
    world.write(5, &[(1, false)], 0);
    world.write(0, &[(2, false)], 0);
    world.end(0, false);
    world.clean_for_long();
    world.write(0, &[(1, true)], 0);
    world.end(0, true);
    world.clean_for_long();
    let left = committed(&world.log, world.log.end_offset());
    assert!(left.values().all(|seen| seen.key == [9]), "{left:?}");
}

/// A history with all that a cleaner meets.
fn story() -> World {
    let mut world = World::new();
    for round in 0..12_u8 {
        world.write(5, &[(round % 3, false), (4, round % 4 == 1)], round % 4);
        world.write(usize::from(round % 3), &[(round % 5, false), (5, false)], 0);
        if round % 2 == 1 {
            world.end(usize::from(round % 3), round % 4 == 1);
        }
    }
    (0..3).for_each(|producer| world.end(producer, producer != 1));
    world.run(&Op::Roll);
    flush(&mut world.log);
    world
}

#[test]
fn a_power_cut_at_any_step_of_a_cleaning_leaves_the_log_before_or_after() {
    let before = story();
    let changes = {
        let mut world = story();
        world.leave_cleaned();
        let from = world.disk.changes();
        assert!(world.clean(1 << 16, 1).unwrap().is_some());
        world.disk.changes() - from
    };
    assert!(changes > 30, "several groups are swapped");
    for cut_after in 0..changes {
        for (seed, keep_percent) in [(1, 0), (2, 100), (3, 50), (4, 80)] {
            let mut world = story();
            world.leave_cleaned();
            world.disk.fail_after(cut_after);
            assert!(world.clean(1 << 16, 1).is_err());
            let left = world.disk.power_cut(&Random::seeded(cut_after * 10 + seed), keep_percent);
            world.model.cleaned_up_to = Some(world.log.end_offset());
            world.reopen(left, seed % 2 == 0);
            assert_eq!(world.log.end_offset(), before.log.end_offset());
            check(&world.log, &world.model);
            let names: BTreeSet<String> =
                world.disk.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
            assert!(
                names.iter().all(|name| !name.contains("swap") && !name.contains(".cleaned")),
                "{names:?}"
            );
            // And it can be done again.
            world.model.cleaned_up_to = None;
            world.clean(1 << 16, 2).unwrap();
            check(&world.log, &world.model);
        }
    }
}

#[test]
fn a_cleaning_that_finds_no_descriptor_left_to_replace_files_changes_none_and_can_be_tried_again() {
    let mut world = story();
    let log = &world.log;
    let (end, now_ms) = (log.end_offset(), world.model.now_ms);
    let cleanable = log.cleanable(world.model.cleaned_up_to, end, &RULES, now_ms).unwrap().unwrap();
    let mut cleaning = log.begin_cleaning(&cleanable, end, &RULES, now_ms).unwrap();
    let mut map = OffsetMap::new(1 << 16, 0.9, cleaning.dirty_records_max(), [1, 1, 2, 3]);
    let pace = &mut |_: usize| Ok(());
    cleaning.map(&mut map, pace).unwrap();
    let before = testing::files(&world.disk);
    let group = cleaning.groups(&map).into_iter().next().unwrap();
    let cleaned = cleaning.copy(&group, &map, pace).unwrap();
    assert_ne!(testing::files(&world.disk), before);
    world.disk.fail_opens(1);
    assert!(cleaned.begin_swap().is_err());
    assert_eq!(testing::files(&world.disk), before);
    assert!(world.clean(1 << 16, 1).unwrap().is_some());
    check(&world.log, &world.model);
}

#[test]
fn tombstones_and_markers_stay_for_the_retention_time_after_the_cleaning_that_found_them_over() {
    let mut world = World::new();
    world.write(5, &[(1, false)], 0);
    world.write(5, &[(1, true)], 0);
    world.write(0, &[(2, false)], 0);
    world.end(0, false);
    world.write(0, &[(3, false)], 0);
    world.end(0, true);
    world.run(&Op::Roll);
    flush(&mut world.log);
    let offsets = |world: &World| {
        let headers = headers(&testing::contents(&world.log));
        headers.iter().map(|h| h.base_offset).collect::<Vec<_>>()
    };
    assert!(world.clean(1 << 16, 1).unwrap().is_some());
    assert_eq!(offsets(&world), [1, 3, 4, 5]);
    let header = headers(&testing::contents(&world.log))[0];
    assert!(header.has_delete_horizon());
    assert_eq!((header.base_timestamp, header.max_timestamp), (1_100, 1_000));
    let mut clean_at = |now_ms: i64| {
        world.model.now_ms = now_ms;
        world.write(5, &[(9, false)], 0);
        world.run(&Op::Roll);
        flush(&mut world.log);
        world.clean(1 << 16, 1).unwrap().unwrap();
        check(&world.log, &world.model);
        offsets(&world)
    };
    assert_eq!(clean_at(1_050), [1, 3, 4, 5, 6], "the marker's time begins when its data is gone");
    assert_eq!(clean_at(1_100), [3, 4, 5, 7]);
    assert_eq!(clean_at(1_149), [3, 4, 5, 8]);
    assert_eq!(clean_at(1_150), [4, 5, 9], "the other marker has data");
}

#[test]
fn the_last_batch_of_a_producer_and_of_the_log_stay_without_their_records() {
    let mut world = World::new();
    world.write(0, &[(1, false), (2, false)], 1);
    world.end(0, false);
    world.write(5, &[(1, false)], 0);
    world.write(5, &[(1, true)], 0);
    world.run(&Op::Roll);
    flush(&mut world.log);
    world.clean(1 << 16, 1).unwrap().unwrap();
    world.model.now_ms += 200;
    world.model.cleaned_up_to = None;
    world.clean(1 << 16, 1).unwrap().unwrap();
    let left = headers(&testing::contents(&world.log));
    let seen: Vec<_> = left.iter().map(|h| (h.base_offset, h.last_offset(), h.record_count)).collect();
    assert_eq!(seen, [(0, 1, 0), (2, 2, 1), (4, 4, 0)]);
    assert_eq!((left[0].base_sequence, left[0].last_sequence(), left[0].codec()), (0, 1, 0));
    check(&world.log, &world.model);
    let end_offset = world.log.end_offset();
    world.run(&Op::Reopen);
    assert_eq!(world.log.end_offset(), end_offset);
}

#[test]
fn nothing_is_cleaned_that_is_open_young_unflushed_or_active() {
    let mut world = World::new();
    let bound = |world: &World, rules: &Rules| {
        let end = world.log.end_offset();
        world.log.cleanable(None, end, rules, world.model.now_ms).unwrap().map(|found| found.end_offset)
    };
    world.write(5, &[(1, false)], 0);
    assert_eq!(bound(&world, &RULES), None, "there is but the active segment");
    world.run(&Op::Roll);
    world.write(0, &[(1, false)], 0);
    world.run(&Op::Roll);
    world.model.now_ms += 100;
    world.write(5, &[(1, false)], 0);
    world.run(&Op::Roll);
    assert_eq!(bound(&world, &RULES), Some(0), "nothing is flushed");
    flush(&mut world.log);
    assert_eq!(bound(&world, &RULES), Some(1), "a transaction is open");
    world.end(0, true);
    world.run(&Op::Roll);
    flush(&mut world.log);
    assert_eq!(bound(&world, &RULES), Some(4));
    assert_eq!(bound(&world, &Rules { min_compaction_lag_ms: 50, ..RULES }), Some(2));
    let found = world.log.cleanable(Some(2), 4, &RULES, 2_000).unwrap().unwrap();
    assert!(found.clean_bytes > 0 && found.ratio() > 0.3 && found.ratio() < 0.7);
    let rules = Rules { min_cleanable_dirty_ratio: 0.9, max_compaction_lag_ms: 500, ..RULES };
    let late = world.log.cleanable(Some(2), 4, &rules, 1_601).unwrap().unwrap();
    assert!(late.is_due(&rules) && late.overdue_ms == 1);
    assert!(!world.log.cleanable(Some(2), 4, &rules, 1_600).unwrap().unwrap().is_due(&rules));
}

#[test]
fn a_damaged_batch_is_not_taken_for_one_that_may_go() {
    let mut world = story();
    let name = "00000000000000000000.log";
    let mut bytes = testing::read_file(&world.disk, name);
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    testing::write_file(&world.disk, name, &bytes);
    let error = world.clean(1 << 16, 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(testing::read_file(&world.disk, name), bytes, "and nothing was changed");
}

#[test]
fn producer_snapshots_of_merged_segments_go_with_them() {
    let mut world = story();
    let snapshots = |world: &World| {
        let snapshots = Log::snapshots(&world.disk, Path::new(DIR)).unwrap();
        snapshots.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>()
    };
    let before = snapshots(&world);
    world.clean(1 << 16, 1).unwrap().unwrap();
    // What is small now fits together.
    world.model.cleaned_up_to = None;
    world.clean(1 << 16, 1).unwrap().unwrap();
    let bases: Vec<i64> = world.log.segments.iter().skip(1).map(|segment| segment.base_offset).collect();
    assert!(!bases.is_empty() && bases.len() < before.len());
    assert_eq!(snapshots(&world), bases);
}

#[test]
fn a_cleaned_segment_is_as_old_as_the_last_of_its_sources() {
    let mut world = World::new();
    world.write(5, &[(1, false)], 0);
    world.run(&Op::Roll);
    flush(&mut world.log);
    world.disk.set_modified_ms(500);
    let modified_ms = |world: &World| world.log.segments[0].modified_ms().unwrap();
    assert_eq!(modified_ms(&world), 500);
    let cleanable = world.log.cleanable(None, 1, &RULES, 1_000).unwrap().unwrap();
    let mut cleaning = world.log.begin_cleaning(&cleanable, 1, &RULES, 1_000).unwrap();
    let mut map = OffsetMap::new(1 << 16, 0.9, cleaning.dirty_records_max(), [1; 4]);
    cleaning.map(&mut map, &mut |_| Ok(())).unwrap();
    let cleaned = cleaning.copy(&[0], &map, &mut |_| Ok(())).unwrap();
    world.disk.set_modified_ms(9_000);
    cleaned.begin_swap().unwrap().run().unwrap();
    world.log.replace(&cleaned).remove().unwrap();
    assert_eq!(modified_ms(&world), 500);
}
