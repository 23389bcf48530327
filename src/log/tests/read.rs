//! Reads against a list of batches.

use std::io::{self, ErrorKind};
use std::path::Path;

use proptest::prelude::*;

use crate::log::disk::Disk;
use crate::log::testing::{
    DIR, abort, append, built, contents, create, files, flush, headers, read_file, remove_file, reopen,
    settings, write_file,
};
use crate::log::{Log, ReadError, Settings};
use crate::wire::batch::Batch;
use crate::wire::builder::Fields;

#[derive(Clone, Debug)]
struct Model {
    /// First and last offset, largest timestamp, position in `bytes`, length, segment.
    batches: Vec<(i64, i64, i64, usize, usize, usize)>,
    bytes: Vec<u8>,
}

fn model(log: &Log) -> Model {
    let bytes = contents(log);
    let mut position = 0;
    let batches = headers(&bytes).into_iter().map(|h| {
        let segment = log.floor_segment(h.base_offset).unwrap();
        position += h.total_len();
        (h.base_offset, h.last_offset(), h.max_timestamp, position - h.total_len(), h.total_len(), segment)
    });
    Model { batches: batches.collect(), bytes: bytes.clone() }
}

impl Model {
    fn read(&self, from: i64, bytes_max: usize, up_to: i64, whole_first_batch: bool) -> Vec<u8> {
        let readable = self.batches.iter().take_while(|b| b.1 < up_to);
        let rest: Vec<_> = readable.filter(|b| b.1 >= from).collect();
        let Some(first) = rest.first().filter(|_| from < up_to) else { return Vec::new() };
        if first.4 > bytes_max && !whole_first_batch {
            return Vec::new();
        }
        let in_segment = rest.iter().take_while(|b| b.5 == first.5);
        let len: usize = in_segment.map(|b| b.4).sum();
        self.bytes[first.3..first.3 + len.min(bytes_max.max(first.4))].to_vec()
    }

    fn at_least(&self, timestamp: i64) -> Option<(i64, i64)> {
        self.batches.iter().find(|b| b.2 >= timestamp).map(|b| (b.2, b.0))
    }

    fn largest(&self) -> Option<(i64, i64)> {
        let max = self.batches.iter().map(|b| b.2).max().filter(|t| *t >= 0)?;
        self.at_least(max)
    }
}

fn read(log: &Log, from: i64, bytes_max: usize, up_to: i64, whole_first_batch: bool) -> Vec<u8> {
    let plan = log.plan_read(from, bytes_max, up_to, whole_first_batch).unwrap();
    plan.and_then(|p| p.resolve().unwrap()).map_or(Vec::new(), |s| s.read().unwrap())
}

fn check(log: &Log, model: &Model, queries: &[(i64, usize, i64, bool)]) {
    for (from, bytes_max, up_to, whole) in queries {
        let (from, up_to) = (from % (log.end_offset() + 1), up_to % (log.end_offset() + 3));
        let expected = model.read(from, *bytes_max, up_to, *whole);
        assert_eq!(
            read(log, from, *bytes_max, up_to, *whole),
            expected,
            "{from} {bytes_max} {up_to} {whole}"
        );
        let timestamp = up_to;
        let found = log.plan_offset_for_timestamp(timestamp).resolve().unwrap();
        assert_eq!(found.map(|f| (f.timestamp, f.offset)), model.at_least(timestamp), "time {timestamp}");
    }
    let largest = log.plan_offset_of_max_timestamp().resolve().unwrap();
    assert_eq!(largest.map(|f| (f.timestamp, f.offset)), model.largest());
}

/// Count of records, bytes of each, timestamp, offsets that are missing before.
fn batches() -> impl Strategy<Value = Vec<(i32, usize, i64, i64)>> {
    prop::collection::vec((1..4, 0..300usize, -1..60i64, prop_oneof![4 => Just(0), 1 => 1..9i64]), 1..60)
}

fn queries() -> impl Strategy<Value = Vec<(i64, usize, i64, bool)>> {
    prop::collection::vec((0..200i64, 0..3000usize, 0..200i64, any::<bool>()), 1..60)
}

proptest! {
    #[test]
    fn reads_and_searches_by_time_find_what_a_linear_scan_finds(batches in batches(), queries in queries()) {
        let settings = Settings { compact: true, ..settings() };
        let (disk, mut log) = create(settings);
        for (count, len, timestamp, missing) in batches {
            let mut batch = built(count, timestamp, len, &Fields::default());
            batch.header.base_offset = log.end_offset() + missing;
            log.append_as_follower(&[batch], 0).unwrap();
        }
        let model = model(&log);
        check(&log, &model, &queries);
        flush(&mut log);
        log.close_idle_files().unwrap();
        log.close_idle_files().unwrap();
        check(&log, &model, &queries);
        log.close().unwrap();
        let (log, _) = reopen(&disk, settings);
        check(&log, &model, &queries);
    }
}

#[test]
fn offsets_outside_of_the_log_are_out_of_range_and_its_end_is_empty() {
    let (_, mut log) = create(settings());
    append(&mut log, 5, 1);
    log.advance_start(3);
    let range = |offset| ReadError::OffsetOutOfRange { offset, start_offset: 3, end_offset: 5 };
    assert_eq!(log.plan_read(2, 100, 5, true).err(), Some(range(2)));
    assert_eq!(log.plan_read(6, 100, 5, true).err(), Some(range(6)));
    assert!(log.plan_read(5, 100, 5, true).unwrap().is_none());
    assert_eq!(headers(&read(&log, 3, 1, 5, true))[0].base_offset, 0, "the batch that holds the offset");
}

#[test]
fn a_plan_reads_what_was_there_when_it_was_made() {
    let (_, mut log) = create(settings());
    append(&mut log, 1, 1);
    let plan = log.plan_read(0, 10_000, i64::MAX, true).unwrap().unwrap();
    for i in 0..50 {
        append(&mut log, 1, i);
    }
    assert!(log.segment_count() > 1);
    assert_eq!(headers(&plan.resolve().unwrap().unwrap().read().unwrap()).len(), 1);
    let plan = log.plan_read(0, 10_000, i64::MAX, true).unwrap().unwrap();
    log.advance_start(40);
    let slice = plan.resolve().unwrap().unwrap();
    assert!(log.remove_segments_below_start().unwrap() > 0);
    assert!(!headers(&slice.read().unwrap()).is_empty(), "an open file outlives its name");
    assert!(log.plan_read(40, 10_000, i64::MAX, true).unwrap().unwrap().resolve().unwrap().is_some());
}

#[test]
fn a_search_by_time_looks_into_compressed_batches_and_heeds_the_logs_start() {
    use crate::wire::builder::BatchBuilder;
    use crate::wire::compress::Compression;
    let (_, mut log) = create(settings());
    for compression in [
        Compression::None,
        Compression::Gzip(6),
        Compression::Snappy,
        Compression::Lz4(9),
        Compression::Zstd(3),
    ] {
        let mut builder = BatchBuilder::new();
        for timestamp in [10, 30, 20] {
            builder.push(timestamp, None, Some(&[7; 200]), &[]);
        }
        let batch: Batch = builder.build(&Fields::default(), compression).unwrap();
        log.append_as_leader(&batch, 0, 0).unwrap();
    }
    let find =
        |log: &Log, t| log.plan_offset_for_timestamp(t).resolve().unwrap().map(|f| (f.timestamp, f.offset));
    assert_eq!(find(&log, 11), Some((30, 1)));
    assert_eq!(find(&log, 31), None);
    for start in 2..15 {
        log.advance_start(start);
        let next = if start % 3 == 2 { (20, start) } else { (30, start / 3 * 3 + 1) };
        let expected = if start % 3 == 0 { (30, start + 1) } else { next };
        assert_eq!(find(&log, 15), Some(expected), "from {start}");
    }
}

#[test]
fn the_largest_timestamp_is_one_that_can_be_read() {
    let settings = Settings { segment_bytes: 400, ..settings() };
    let (disk, mut log) = create(settings);
    for timestamp in [90, 70, 80, 70, 99, 80, 50] {
        let mut batch = built(1, timestamp, 40, &Fields::default());
        // As the cleaner leaves it.
        batch.header.record_count = i32::from(timestamp != 99);
        log.append_as_leader(&batch, 0, 0).unwrap();
    }
    assert_eq!(log.segment_count(), 3);
    let check = |log: &mut Log, what: &str| {
        let of_starts = [(0, 90, 0), (1, 80, 2), (3, 80, 5), (6, 50, 6)];
        let of_starts = of_starts.map(|(start, timestamp, offset)| (start, Some((timestamp, offset))));
        for (start, expected) in of_starts.into_iter().chain([(7, None)]) {
            log.advance_start(start);
            let found = log.plan_offset_of_max_timestamp().resolve().unwrap();
            assert_eq!(found.map(|f| (f.timestamp, f.offset)), expected, "{what}, from {start}");
        }
    };
    check(&mut log, "in memory");
    log.close().unwrap();
    check(&mut reopen(&disk, settings).0, "in the files");
}

/// A record of a transaction of producer 7.
fn transactional(sequence: i32) -> Batch {
    let fields = Fields {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        transactional: true,
        ..Fields::default()
    };
    built(1, 1, 10, &fields)
}

#[test]
fn aborted_transactions_are_told_to_whoever_reads_over_them() {
    let settings = Settings { segment_bytes: 800, ..settings() };
    let (disk, mut log) = create(settings);
    // Transactions of two segments and more: data at 0 and 20, markers at 19 and 39.
    for (sequence, at) in [(0, 0), (1, 20)] {
        assert_eq!(log.append_as_leader(&transactional(sequence), 0, 0).unwrap().first_offset, at);
        for _ in 0..18 {
            append(&mut log, 1, 1);
        }
        log.append_as_leader(&abort(), 0, 0).unwrap();
    }
    let aborted = |log: &Log, from, up_to| {
        let plan = log.plan_read(from, 100, up_to, true).unwrap().unwrap();
        let slice = plan.resolve().unwrap().unwrap();
        let found: Vec<_> =
            plan.aborted(&slice).unwrap().iter().map(|t| (t.first_offset, t.last_offset)).collect();
        found
    };
    assert!(log.segment_count() > 2);
    for is_lost in [false, true] {
        if is_lost {
            for name in files(&disk).keys().filter(|name| name.ends_with(".txnindex")) {
                remove_file(&disk, name);
            }
            log = crate::log::testing::recover(&disk, settings, 0).unwrap().0;
        }
        assert_eq!(aborted(&log, 0, 40), [(0, 19)], "the marker is in a later segment");
        assert_eq!(aborted(&log, 19, 20), [(0, 19)]);
        assert_eq!(aborted(&log, 25, 40), [(20, 39)]);
        flush(&mut log);
        log = crate::log::testing::recover(&disk, settings, 0).unwrap().0;
    }
    log.truncate_to(39, 0).unwrap();
    assert_eq!(aborted(&log, 25, 40), []);
    log.producers_mut().high_watermark_advanced(39);
    assert_eq!(log.last_stable_bound(), Some(20));
}

/// Reads from every offset of a log that begins with forty aborted transactions, each two offsets long.
fn check_told_of_what_is_read(log: &Log, what: &str) {
    let end_offset = 80;
    for (from, bytes_max) in (0..end_offset).flat_map(|from| [1, 300, 1000].map(|len| (from, len))) {
        let plan = log.plan_read(from, bytes_max, end_offset, true).unwrap().unwrap();
        let slice = plan.resolve().unwrap().unwrap();
        let read_up_to = from + i64::try_from(bytes_max / 60).unwrap() + 1;
        let told: Vec<_> = plan.aborted(&slice).unwrap().iter().map(|t| t.first_offset).collect();
        let overlapping: Vec<_> =
            headers(&slice.read().unwrap()).iter().map(|h| h.base_offset / 2 * 2).collect();
        assert!(overlapping.iter().all(|txn| told.contains(txn)), "{what}: {from}, {bytes_max}: {told:?}");
        let most = read_up_to + INDEX_STEP;
        assert!(told.iter().all(|txn| *txn < most), "{what}: {from}, {bytes_max}: {told:?}");
    }
}

/// At least the offsets between three index entries.
const INDEX_STEP: i64 = 10;

#[test]
fn a_reader_is_told_of_the_aborted_transactions_in_what_it_reads_and_not_in_all_of_the_segment() {
    let settings = Settings { segment_bytes: 1 << 20, ..settings() };
    let (disk, mut log) = create(settings);
    for sequence in 0..40 {
        log.append_as_leader(&transactional(sequence), 0, 0).unwrap();
        log.append_as_leader(&abort(), 0, 0).unwrap();
    }
    check_told_of_what_is_read(&log, "in memory");
    log.close().unwrap();
    let (mut log, _) = reopen(&disk, settings);
    check_told_of_what_is_read(&log, "in the files");
    log.roll(0).unwrap();
    append(&mut log, 1, 1);
    check_told_of_what_is_read(&log, "in a closed segment");
    log.close().unwrap();

    // An entry in the middle names an offset that is long before its batch.
    let name = "00000000000000000000.index";
    let mut index = read_file(&disk, name);
    let (entries, _) = index.as_chunks_mut::<8>();
    let middle = entries.len() / 2;
    let before = u32::from_be_bytes(entries[middle - 1][..4].try_into().unwrap());
    entries[middle][..4].copy_from_slice(&(before + 1).to_be_bytes());
    let position = u32::from_be_bytes(entries[middle][4..].try_into().unwrap());
    write_file(&disk, name, &index);
    let (log, _) = reopen(&disk, settings);
    let len = usize::try_from(position).unwrap();
    let plan = log.plan_read(0, len, 80, true).unwrap().unwrap();
    let slice = plan.resolve().unwrap().unwrap();
    let count = headers(&slice.read().unwrap()).len();
    assert!(plan.aborted(&slice).unwrap().len() >= count.div_ceil(2), "{count}");
}

#[test]
fn a_reader_whose_files_have_gone_is_not_told_that_nothing_was_aborted() {
    let aborted_txn = || {
        let (disk, mut log) = create(settings());
        log.append_as_leader(&transactional(0), 0, 0).unwrap();
        log.append_as_leader(&abort(), 0, 0).unwrap();
        let plan = log.plan_read(0, 1000, 2, true).unwrap().unwrap();
        let slice = plan.resolve().unwrap().unwrap();
        (disk, log, plan, slice)
    };
    let kind_of = |result: io::Result<Vec<_>>| result.map_err(|e| e.kind());

    let (disk, mut log, plan, slice) = aborted_txn();
    let renamed = log.set_aside(crate::log::directory::Purpose::Delete, uuid::Uuid::from_u128(1)).unwrap();
    assert_eq!(kind_of(plan.aborted(&slice)), Err(ErrorKind::NotFound));
    disk.rename(&renamed, Path::new(DIR)).unwrap();
    assert_eq!(plan.aborted(&slice).unwrap().len(), 1, "nothing was remembered");

    let (_, mut log, plan, slice) = aborted_txn();
    log.roll(0).unwrap();
    log.advance_start(2);
    log.remove_segments_below_start().unwrap();
    assert_eq!(kind_of(plan.aborted(&slice)), Err(ErrorKind::NotFound));
}
