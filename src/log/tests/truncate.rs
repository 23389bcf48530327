//! Cutting a log at its end and its start.

use std::path::Path;

use proptest::prelude::*;

use crate::base::random::Random;
use crate::log::Settings;
use crate::log::disk::Disk;
use crate::log::producers::snapshot;
use crate::log::testing::{NOW, append, built, contents, create, files, flush, headers, recover, settings};
use crate::wire::builder::Fields;

proptest! {
    #[test]
    fn a_truncated_log_is_as_if_the_rest_had_never_been(
        steps in prop::collection::vec((0..6i64, 1..4i32, 0..100i64), 1..60),
        seed in 0..1000u64,
    ) {
        let (disk, mut log) = create(settings());
        let mut kept: Vec<(i32, i64, i32)> = Vec::new();
        for (epoch, (what, count, at)) in (0..).zip(&steps) {
            if *what > 0 {
                let fields = Fields { producer_id: *what, producer_epoch: 0, base_sequence: -1, ..Fields::default() };
                log.append_leading(
                    &built(*count, *at, 50, &fields),
                    crate::log::Leading { origin: crate::log::producers::Origin::Coordinator, ..crate::log::Leading::plain(epoch / 5) },
                    NOW,
                ).unwrap();
                kept.push((*count, *what, epoch / 5));
                continue;
            }
            let target = at % (log.end_offset() + 1);
            let (mut end, mut keep) = (0, 0);
            for (count, _, _) in &kept {
                if end + i64::from(*count) > target {
                    break;
                }
                end += i64::from(*count);
                keep += 1;
            }
            kept.truncate(keep);
            prop_assert_eq!(log.truncate_to(target, NOW).unwrap(), end);
        }
        let bytes = contents(&log);
        let read = headers(&bytes);
        let expected: Vec<_> = kept.iter().map(|(count, producer, epoch)| (*count, *producer, *epoch)).collect();
        let found: Vec<_> = read.iter().map(|h| (h.record_count, h.producer_id, h.partition_leader_epoch)).collect();
        prop_assert_eq!(found, expected);
        let last_epoch = read.last().map(|h| h.partition_leader_epoch);
        prop_assert_eq!(log.latest_epoch(), last_epoch);
        let producers = snapshot::encode(log.producers());
        let flushed = flush(&mut log);
        prop_assert_eq!(flushed, log.end_offset());
        let (again, _) = recover(&disk.power_cut(&Random::seeded(seed), 50), settings(), flushed).unwrap();
        prop_assert_eq!(contents(&again), bytes);
        prop_assert_eq!(snapshot::encode(again.producers()), producers);
        prop_assert_eq!(again.epochs(), log.epochs());
    }
}

#[test]
fn segments_that_were_cut_do_not_come_back() {
    let settings = Settings { compact: true, ..settings() };
    let (disk, mut log) = create(settings);
    for i in 0..60 {
        append(&mut log, 1, i);
    }
    flush(&mut log);
    log.truncate_to(5, NOW).unwrap();
    for seed in 0..50 {
        let (log, _) = recover(&disk.power_cut(&Random::seeded(seed), 50), settings, 5).unwrap();
        assert_eq!(log.end_offset(), 5);
    }
}

#[test]
fn a_flush_that_began_before_a_cut_says_nothing_about_what_came_after() {
    let (_, mut log) = create(settings());
    for i in 0..5 {
        append(&mut log, 1, i);
    }
    let before = log.begin_flush().unwrap();
    log.truncate_to(2, NOW).unwrap();
    append(&mut log, 1, 9);
    before.run().unwrap();
    assert_eq!(log.flushed(&before), 0);
    assert_eq!(flush(&mut log), 3);
}

#[test]
fn a_log_starts_anew_at_any_offset() {
    let (disk, mut log) = create(settings());
    for i in 0..60 {
        append(&mut log, 1, i);
    }
    log.truncate_fully_and_start_at(1000, NOW).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), log.segment_count()), (1000, 1000, 1));
    assert_eq!(log.latest_epoch(), None);
    append(&mut log, 2, 1);
    flush(&mut log);
    let (log, _) = recover(&disk.power_cut(&Random::seeded(1), 0), settings(), 1002).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (1000, 1002));
}

#[test]
fn whole_segments_below_the_start_go_with_their_files() {
    let (disk, mut log) = create(settings());
    for i in 0..60 {
        append(&mut log, 1, i);
    }
    assert!(!log.advance_start(61) && log.advance_start(45) && !log.advance_start(44));
    let before = log.segment_count();
    let gone = log.remove_segments_below_start().unwrap();
    assert!(gone > 0 && gone < before);
    let first = log.segments[0].base_offset;
    assert!(
        first <= 45
            && files(&disk).keys().all(|n| n.parse::<i64>().is_ok_and(|o| o >= first)
                || !n.starts_with('0')
                || n[..20].parse::<i64>().unwrap() >= first)
    );
    assert_eq!((log.start_offset(), log.end_offset()), (45, 60));
    assert_eq!(log.remove_segments_below_start().unwrap(), 0);
}

#[test]
fn a_deleted_log_gives_its_name_free_at_once() {
    let (disk, mut log) = create(settings());
    append(&mut log, 1, 1);
    let gone = log.set_aside(crate::log::directory::Purpose::Delete, uuid::Uuid::from_u128(0xabc)).unwrap();
    assert_eq!(gone, Path::new("/data/t-0.00000000000000000000000000000abc-delete"));
    assert!(disk.exists(&gone.join("00000000000000000000.log")).unwrap());
    assert!(!disk.exists(Path::new("/data/t-0")).unwrap());
    assert!(log.append_as_leader(&built(1, 1, 1, &Fields::default()), 0, 0).is_err());
}
