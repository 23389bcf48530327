//! Bytes that were cut, flipped, lost or left over.

use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk};
use crate::log::testing::{
    abort, append, built, contents, create, files, flush, headers, open, read_file, recover, remove_file,
    reopen, settings, write_file,
};
use crate::log::txn_index::ENTRY_LEN;
use crate::log::{Error, Log, Opening};
use crate::wire::builder::Fields;

const LAST: &str = "00000000000000000024.log";

/// Three segments of 12 batches with one record each, all flushed.
fn three_segments() -> (MemDisk, Vec<u8>) {
    let (disk, mut log) = create(settings());
    for i in 0..36 {
        if i % 12 == 0 {
            log.roll(0).unwrap();
        }
        append(&mut log, 1, 100 + i);
    }
    flush(&mut log);
    assert!(files(&disk).contains_key(LAST));
    (disk.clone(), contents(&log))
}

fn kill(disk: &MemDisk) -> MemDisk {
    disk.power_cut(&Random::seeded(0), 100)
}

/// Appends, and lets the log survive a crash and a clean stop.
fn use_and_restart_twice(disk: &MemDisk, mut log: Log) {
    let end_offset = log.end_offset();
    append(&mut log, 1, 500);
    flush(&mut log);
    let bytes = contents(&log);
    let disk = disk.power_cut(&Random::seeded(0), 0);
    let (mut log, _) = recover(&disk, settings(), end_offset + 1).unwrap();
    assert_eq!(contents(&log), bytes);
    append(&mut log, 1, 501);
    log.close().unwrap();
    let opening =
        Opening { recovery_point: end_offset + 2, log_start_offset: 0, clean: true, is_checkpointed: true };
    let (log, _) = open(&disk.power_cut(&Random::seeded(0), 0), settings(), opening).unwrap();
    assert_eq!(contents(&log)[..bytes.len()], bytes);
}

#[test]
fn the_last_segment_cut_at_any_byte_keeps_its_whole_batches() {
    let (disk, bytes) = three_segments();
    let last = read_file(&disk, LAST);
    let batch_len = last.len() / 12;
    for len in 0..last.len() {
        let disk = kill(&disk);
        write_file(&disk, LAST, &last[..len]);
        let whole = len / batch_len;
        let lost = recover(&disk, settings(), 36);
        assert!(
            matches!(lost, Err(Error::Damaged { .. } | Error::Short { .. })),
            "flushed bytes are missing"
        );
        assert_eq!(read_file(&disk, LAST).len(), len, "and not cut");
        let (log, recovered) = recover(&disk, settings(), 24).unwrap();
        assert_eq!(contents(&log), bytes[..bytes.len() - (12 - whole) * batch_len]);
        assert_eq!(recovered.truncated_bytes, u64::try_from(len % batch_len).unwrap());
        use_and_restart_twice(&disk, log);
    }
}

#[test]
fn a_flipped_bit_ends_the_log_there_or_keeps_it_offline_if_it_was_flushed() {
    let (disk, bytes) = three_segments();
    let last = read_file(&disk, LAST);
    let batch_len = last.len() / 12;
    for at in 0..last.len() {
        // The leader epoch is in no CRC.
        if (12..16).contains(&(at % batch_len)) {
            continue;
        }
        let disk = kill(&disk);
        let mut flipped = last.clone();
        flipped[at] ^= 1 << (at % 8);
        write_file(&disk, LAST, &flipped);
        let offset = 24 + i64::try_from(at / batch_len).unwrap();
        if at % batch_len >= 8 {
            let lost = recover(&disk, settings(), offset + 1);
            assert!(matches!(lost, Err(Error::Damaged { offset: o, .. }) if o == offset), "byte {at}");
            assert_eq!(read_file(&disk, LAST), flipped, "nothing is cut");
        }
        let (log, recovered) = recover(&disk, settings(), 24).unwrap();
        let keep = bytes.len() - last.len() + at / batch_len * batch_len;
        assert_eq!((contents(&log), log.end_offset()), (bytes[..keep].to_vec(), offset), "byte {at}");
        assert!(recovered.flaw.is_some());
        use_and_restart_twice(&disk, log);
    }
}

#[test]
fn damage_before_the_last_segment_takes_later_segments_with_it_only_if_nothing_was_flushed() {
    let (disk, bytes) = three_segments();
    let mut middle = read_file(&disk, "00000000000000000012.log");
    middle[100] ^= 1;
    let disk = kill(&disk);
    write_file(&disk, "00000000000000000012.log", &middle);
    assert!(matches!(recover(&disk, settings(), 20), Err(Error::Damaged { offset: 13, .. })));
    assert!(files(&disk).contains_key(LAST));
    let (log, recovered) = recover(&disk, settings(), 12).unwrap();
    assert_eq!((log.end_offset(), recovered.segments_removed), (13, 1));
    assert_eq!(contents(&log), bytes[..bytes.len() / 36 * 13]);
    use_and_restart_twice(&disk, log);
}

#[test]
fn offsets_that_a_compaction_took_once_are_no_damage_to_a_log_whose_checkpoint_is_lost() {
    let (disk, mut log) = create(settings());
    for base_offset in [0, 5, 20, 30] {
        if base_offset == 20 {
            log.roll(0).unwrap();
        }
        let fields = Fields { base_offset, ..Fields::default() };
        log.append_as_follower(&[built(1, 0, 10, &fields)], 0).unwrap();
    }
    flush(&mut log);
    let unknown = Opening { recovery_point: 0, log_start_offset: 0, clean: false, is_checkpointed: false };
    let (recovered, _) = open(&kill(&disk), settings(), unknown).unwrap();
    assert_eq!(contents(&recovered), contents(&log));
    let fresh = Opening { is_checkpointed: true, ..unknown };
    assert_eq!(open(&kill(&disk), settings(), fresh).unwrap().0.end_offset(), 1, "writes that were lost");
}

#[test]
fn after_a_clean_stop_damage_is_no_torn_tail() {
    let (disk, bytes) = three_segments();
    let (mut log, _) = recover(&disk, settings(), 36).unwrap();
    log.close().unwrap();
    let clean = Opening { recovery_point: 36, log_start_offset: 0, clean: true, is_checkpointed: true };
    let last = read_file(&disk, LAST);
    for (at, len) in [(last.len() - 1, last.len()), (last.len() - 50, last.len()), (0, last.len() - 1)] {
        let disk = kill(&disk);
        let mut broken = last[..len].to_vec();
        broken[at] ^= u8::from(at > 0);
        write_file(&disk, LAST, &broken);
        assert!(matches!(open(&disk, settings(), clean), Err(Error::Damaged { .. })));
        assert_eq!(read_file(&disk, LAST), broken);
    }
    assert_eq!(contents(&open(&disk, settings(), clean).unwrap().0), bytes);
}

#[test]
fn flushed_records_that_are_gone_are_noticed() {
    let (disk, _) = three_segments();
    for name in files(&disk).keys() {
        remove_file(&disk, name);
    }
    assert!(matches!(recover(&disk, settings(), 36), Err(Error::Short { end_offset: 0, .. })));
    assert_eq!(recover(&disk, settings(), 0).unwrap().0.end_offset(), 0, "nothing was ever flushed");
}

#[test]
fn a_log_start_behind_the_end_of_a_log_that_was_closed_empties_nothing() {
    let (disk, bytes) = three_segments();
    let (mut log, _) = recover(&disk, settings(), 36).unwrap();
    log.close().unwrap();
    let opening = Opening { recovery_point: 36, log_start_offset: 76, clean: true, is_checkpointed: true };
    let (log, _) = open(&kill(&disk), settings(), opening).unwrap();
    assert_eq!((log.start_offset(), contents(&log)), (0, bytes));
}

type Change = fn(&[u8], &[u8]) -> Option<Vec<u8>>;

/// What may happen to an index file: given its bytes and those of an older version.
const CHANGES: &[(&str, Change)] = &[
    ("missing", |_, _| None),
    ("empty", |_, _| Some(Vec::new())),
    ("torn", |now, _| Some(now[..now.len() - 3].to_vec())),
    ("stale", |_, old| Some(old.to_vec())),
    ("zeros", |now, _| Some(vec![0; now.len()])),
    ("preallocated", |now, _| Some([now, &[0; 240]].concat())),
    ("garbage", |now, _| Some(vec![0x5a; now.len()])),
    ("backwards", |now, _| {
        Some(now.rchunks(if now.len() % 8 == 0 { 8 } else { 12 }).flatten().copied().collect())
    }),
];

#[test]
fn no_index_is_believed() {
    let (disk, bytes) = three_segments();
    let (mut log, _) = recover(&disk, settings(), 36).unwrap();
    log.close().unwrap();
    let kinds = [
        "00000000000000000012.index",
        "00000000000000000012.timeindex",
        "00000000000000000024.index",
        "00000000000000000024.timeindex",
    ];
    for name in kinds {
        let now = read_file(&disk, name);
        let entry_len = if name.ends_with(".index") { 8 } else { 12 };
        for (what, change) in CHANGES {
            for clean in [true, false] {
                let disk = kill(&disk);
                match change(&now, &now[..entry_len]) {
                    Some(bytes) => write_file(&disk, name, &bytes),
                    None => remove_file(&disk, name),
                }
                let opening =
                    Opening { recovery_point: 36, log_start_offset: 0, clean, is_checkpointed: true };
                let (mut log, _) = open(&disk, settings(), opening).unwrap();
                assert_eq!(contents(&log), bytes, "{what} {name}");
                for offset in 0..36 {
                    let slice =
                        log.plan_read(offset, 1, 36, true).unwrap().unwrap().resolve().unwrap().unwrap();
                    assert_eq!(headers(&slice.read().unwrap())[0].base_offset, offset, "{what} {name}");
                    let found = log.plan_offset_for_timestamp(100 + offset).resolve().unwrap();
                    let found = found.map(|f| (f.offset, f.timestamp));
                    assert_eq!(found, Some((offset, 100 + offset)), "{what} {name}");
                }
                assert_eq!(log.plan_offset_of_max_timestamp().resolve().unwrap().unwrap().offset, 35);
                append(&mut log, 1, 200);
                log.close().unwrap();
                let (log, _) = open(&disk, settings(), Opening { clean: true, ..opening }).unwrap();
                assert_eq!(contents(&log)[..bytes.len()], bytes, "{what} {name}");
            }
        }
    }
}

#[test]
fn an_index_that_points_elsewhere_is_noticed_when_it_is_used() {
    let (disk, bytes) = three_segments();
    let (mut log, _) = recover(&disk, settings(), 36).unwrap();
    log.close().unwrap();
    let name = "00000000000000000012.index";
    let sound = read_file(&disk, name);
    // Into a batch, and to the start of the next one.
    for shift in [1, u32::try_from(bytes.len() / 36).unwrap()] {
        let mut shifted = sound.clone();
        // All but the last entry, which is looked at when the file is opened.
        for entry in shifted[..sound.len() - 8].chunks_exact_mut(8) {
            let position = u32::from_be_bytes(entry[4..].try_into().unwrap());
            entry[4..].copy_from_slice(&(position + shift).to_be_bytes());
        }
        write_file(&disk, name, &shifted);
        let (log, _) = recover(&disk, settings(), 36).unwrap();
        for offset in 12..24 {
            let slice = log.plan_read(offset, 1, 36, true).unwrap().unwrap().resolve().unwrap().unwrap();
            assert_eq!(headers(&slice.read().unwrap())[0].base_offset, offset);
        }
        assert_eq!(contents(&log), bytes);
        assert_ne!(read_file(&disk, name), shifted, "it was made anew");
    }
}

#[test]
fn derived_files_are_rebuilt_from_the_log() {
    let (disk, mut log) = create(settings());
    for step in 0..30 {
        let fields = Fields { producer_id: 3, producer_epoch: 0, base_sequence: step, ..Fields::default() };
        log.append_as_leader(&built(1, 50, 10, &fields), step / 10, 0).unwrap();
    }
    log.close().unwrap();
    let (epochs, producers) = (log.epochs().clone(), log.producers().get(3).cloned());
    for clean in [true, false] {
        for damage in [None, Some(&b""[..]), Some(b"garbage")] {
            let disk = kill(&disk);
            for name in files(&disk).keys().filter(|n| !n.ends_with("log")) {
                match damage {
                    Some(bytes) => write_file(&disk, name, bytes),
                    None => remove_file(&disk, name),
                }
            }
            let opening = Opening { recovery_point: 30, log_start_offset: 0, clean, is_checkpointed: true };
            let (log, _) = open(&disk, settings(), opening).unwrap();
            assert_eq!((log.epochs(), log.topic_id()), (&epochs, None));
            assert_eq!(
                log.producers().get(3).map(|e| e.last_sequence()),
                producers.as_ref().map(|e| e.last_sequence())
            );
        }
    }
}

#[test]
fn foreign_files_stay_and_leftovers_of_a_cleaner_are_finished() {
    let (disk, bytes) = three_segments();
    let disk = kill(&disk);
    let middle = read_file(&disk, "00000000000000000012.log");
    let foreign = ["notes.txt", "12.log", "x.swap", "00000000000000000012.log.bak"];
    for name in foreign {
        write_file(&disk, name, b"mine");
    }
    write_file(&disk, "00000000000000000000.log.cleaned", b"half");
    write_file(&disk, "00000000000000000003.log.deleted", b"old");
    write_file(&disk, "00000000000000000099.index", b"orphan");
    assert_eq!(contents(&recover(&disk, settings(), 36).unwrap().0), bytes);
    // A swap of the first two segments, complete but for the last renames.
    let swapped = [read_file(&disk, "00000000000000000000.log"), middle].concat();
    write_file(&disk, "00000000000000000000.log.swap", &swapped);
    let (log, _) = recover(&disk, settings(), 36).unwrap();
    assert_eq!((contents(&log), log.segment_count()), (bytes, 2));
    let names = files(&disk);
    for name in foreign {
        assert_eq!(names[name], b"mine");
    }
    assert!(!names.keys().any(|n| n.ends_with(".cleaned") || n.ends_with(".deleted") || n.contains("99.")));
}

/// A message as brokers before Apache Kafka 0.11 have it, without a key.
fn old_message(magic: u8, offset: i64, value: &[u8]) -> Vec<u8> {
    let mut body = vec![magic, 0];
    if magic == 1 {
        body.extend(100_i64.to_be_bytes());
    }
    body.extend((-1_i32).to_be_bytes());
    body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend(value);
    let crc = u32::try_from(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &body)).unwrap();
    let length = u32::try_from(4 + body.len()).unwrap();
    [&offset.to_be_bytes()[..], &length.to_be_bytes(), &crc.to_be_bytes(), &body].concat()
}

#[test]
fn messages_of_an_old_format_are_no_torn_end_and_stay_as_they_are() {
    // Shorter than a header of today, and larger than what is read at once.
    for (magic, len) in [(0, 3), (1, 3), (1, 100), (0, 300_000)] {
        let (disk, _) = three_segments();
        let old = [old_message(magic, 24, &vec![7; len]), old_message(magic, 25, b"x")].concat();
        write_file(&disk, LAST, &old);
        let unknown =
            Opening { recovery_point: 0, log_start_offset: 0, clean: false, is_checkpointed: false };
        for opening in
            [unknown, Opening { is_checkpointed: true, ..unknown }, Opening { clean: true, ..unknown }]
        {
            let error = open(&kill(&disk), settings(), opening).err().expect("nobody reads it");
            assert!(error.to_string().contains(&format!("message format {magic} is not read")), "{error}");
            assert_eq!(read_file(&disk, LAST), old);
        }
        // With a wrong CRC it is as good as any other garbage.
        let mut torn = old.clone();
        *torn.last_mut().unwrap() ^= 1;
        torn[17] ^= 1;
        let disk = kill(&disk);
        write_file(&disk, LAST, &torn);
        assert_eq!(open(&disk, settings(), unknown).unwrap().0.end_offset(), 24);
    }
}

#[test]
fn messages_of_an_old_format_in_an_older_segment_are_refused_to_readers_and_the_rest_is_served() {
    let (disk, _) = three_segments();
    let middle = "00000000000000000012.log";
    let old: Vec<u8> = (12..24).flat_map(|offset| old_message(1, offset, b"old")).collect();
    write_file(&disk, middle, &old);
    let (mut log, _) = recover(&kill(&disk), settings(), 36).unwrap();
    for (offset, is_read) in [(0, true), (11, true), (12, false), (23, false), (24, true), (35, true)] {
        let plan = log.plan_read(offset, 1, 36, true).unwrap().unwrap();
        let read = plan.resolve().map(|slice| slice.is_some()).map_err(|e| e.kind());
        assert_eq!(read, if is_read { Ok(true) } else { Err(std::io::ErrorKind::InvalidData) }, "{offset}");
    }
    assert!(log.plan_offset_for_timestamp(150).resolve().is_err());
    append(&mut log, 1, 500);
}

const ABORTED: &str = "00000000000000000000.txnindex";

/// Transactions of producer 7 that were aborted, one record and its marker each, with a gap before each.
fn aborted(count: i64) -> (MemDisk, Vec<u8>) {
    let (disk, mut log) = create(settings());
    for at in 0..count {
        let fields = Fields {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: i32::try_from(at).unwrap(),
            transactional: true,
            base_offset: at * 10 + 5,
            ..Fields::default()
        };
        log.append_as_follower(&[built(1, 0, 10, &fields)], 0).unwrap();
        log.append_as_leader(&abort(), 0, 0).unwrap();
    }
    log.close().unwrap();
    let index = read_file(&disk, ABORTED);
    assert_eq!(index.len(), ENTRY_LEN * usize::try_from(count).unwrap());
    (disk, index)
}

fn closed() -> Opening {
    Opening { recovery_point: 0, log_start_offset: 0, clean: true, is_checkpointed: true }
}

#[test]
fn a_transaction_index_is_never_gone_whatever_befalls_its_repair() {
    let (disk, sound) = aborted(3);
    let mut broken = sound.clone();
    broken[ENTRY_LEN + 9] ^= 1;
    for changes in 0..12 {
        for keep_percent in [0, 100] {
            let disk = kill(&disk);
            write_file(&disk, ABORTED, &broken);
            disk.fail_after(changes);
            let _ = open(&disk, settings(), closed());
            let disk = disk.power_cut(&Random::seeded(changes), keep_percent);
            let left = read_file(&disk, ABORTED);
            assert!(left == broken || left == sound, "after {changes} changes: {left:?}");
            let _ = reopen(&disk, settings());
            assert_eq!(read_file(&disk, ABORTED), sound);
        }
    }
}

#[test]
fn a_broken_transaction_index_on_a_full_disk_keeps_its_log_offline_and_no_other() {
    let (disk, sound) = aborted(3);
    let mut broken = sound.clone();
    broken[ENTRY_LEN + 9] ^= 1;
    write_file(&disk, ABORTED, &broken);
    let space = disk.space(std::path::Path::new("/data")).unwrap();
    disk.set_space(space.total - space.usable + 1);
    let error = open(&disk, settings(), closed()).err().expect("its readers would be shown aborted records");
    assert!(!error.is_disk_failure() && error.to_string().contains(ABORTED), "{error}");
    assert_eq!(read_file(&disk, ABORTED), broken);
    disk.set_space(space.total);
    let _ = reopen(&disk, settings());
    assert_eq!(read_file(&disk, ABORTED), sound);
}

#[test]
fn a_transaction_index_whose_first_records_a_cleaner_took_stays_as_it_is() {
    let (disk, mut index) = aborted(3);
    // Of the second transaction there was a record before the one that is left.
    let first_offset = ENTRY_LEN + 10..ENTRY_LEN + 18;
    assert_eq!(index[first_offset.clone()], 15_i64.to_be_bytes());
    index[first_offset].copy_from_slice(&13_i64.to_be_bytes());
    write_file(&disk, ABORTED, &index);
    let _ = reopen(&disk, settings());
    assert_eq!(read_file(&disk, ABORTED), index);
}
