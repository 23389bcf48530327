use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::support::*;
use crate::base::random::Random;
use crate::log::disk::{Disk as _, MemDisk};
use crate::raft::{Parts, Unavailable, inspect};

#[test]
fn topics_survive_a_stop_and_a_kill() {
    let disk = disk();
    let quorum = run(load(&disk).unwrap());
    register(&quorum).unwrap();
    create(&quorum, 1).unwrap();
    let before = quorum.image();
    assert_eq!(topics(&before)["t1"], WHOLE);
    let killed = load(&killed(&disk)).unwrap();
    assert_eq!(content(&killed.image()), content(&before));
    quorum.stop();
    let again = load(&disk).unwrap();
    assert_eq!(content(&again.image()), content(&before));
    assert_eq!(again.epoch(), quorum.status().leader_epoch + 1);
    // And what is new comes after what was there.
    let quorum = run(again);
    register(&quorum).unwrap();
    create(&quorum, 2).unwrap();
    assert_eq!(topics(&quorum.image()).len(), 2);
    quorum.stop();
    assert_eq!(topics(&load(&disk).unwrap().image()).len(), 2);
}

/// Starts and makes topics until the disk fails; gives the topics whose answers have come.
fn scenario(parts: Parts) -> BTreeSet<String> {
    let mut answered = BTreeSet::new();
    let Ok(loaded) = load_with(parts) else { return answered };
    let quorum = run(loaded);
    if register(&quorum).is_ok() {
        answered
            .extend((0..8).map_while(|number| create(&quorum, number).ok().map(|()| format!("t{number}"))));
    }
    quorum.stop();
    answered
}

/// Lets the disk fail after any number of changes, and the power then.
fn cut_everywhere(parts_on: impl Fn(&MemDisk) -> Parts) -> (usize, usize) {
    let (mut starts, mut most_answered) = (0, 0);
    for changes in 0..400 {
        let random = Random::seeded(changes);
        let disk = disk();
        disk.fail_after(changes);
        let answered = scenario(parts_on(&disk));
        most_answered = most_answered.max(answered.len());
        for keep_percent in [0, 50, 100] {
            let left = disk.power_cut(&random, keep_percent);
            let context = format!("after {changes} changes, {keep_percent} % kept");
            let loaded = load_with(parts_on(&left)).unwrap_or_else(|e| panic!("{context}: {e}"));
            let found = topics(&loaded.image());
            assert!(found.values().all(|shape| *shape == WHOLE), "{context}: {found:?}");
            for name in &answered {
                assert!(found.contains_key(name), "{context}: {name} was answered and is lost");
            }
            // Once more, over what the recovery has written.
            let epoch = loaded.epoch();
            drop(loaded);
            let again = load(&left.power_cut(&random, 0)).unwrap();
            assert_eq!(topics(&again.image()), found, "{context}");
            assert_eq!(again.epoch(), epoch + 1, "{context}");
            starts += 1;
        }
        if answered.len() == 8 && disk.changes() < changes {
            break;
        }
    }
    (starts, most_answered)
}

#[test]
fn a_power_cut_loses_no_answered_change_and_halves_none() {
    let (starts, most_answered) = cut_everywhere(parts);
    assert_eq!(most_answered, 8, "the scenario came to its end");
    assert!(starts > 60, "only {starts} starts");
}

#[test]
fn a_power_cut_around_snapshots_loses_nothing_either() {
    let (_, most_answered) = cut_everywhere(|disk| parts_with_snapshots(disk, 700));
    assert_eq!(most_answered, 8, "the scenario came to its end");
}

#[test]
fn answers_come_after_the_subscriber_has_been_told() {
    let told = Arc::new(Mutex::new(BTreeSet::new()));
    let telling = told.clone();
    let quorum = load(&disk())
        .unwrap()
        .run(Box::new(move |image, changes| {
            for id in changes.topics.partitions.keys() {
                let name = image.topics.by_id(*id).map(|topic| topic.name.to_string());
                telling.lock().extend(name);
            }
        }))
        .unwrap();
    register(&quorum).unwrap();
    for number in 0..50 {
        create(&quorum, number).unwrap();
        assert!(told.lock().contains(&format!("t{number}")));
        assert!(topics(&quorum.image()).contains_key(&format!("t{number}")));
    }
    quorum.stop();
}

#[test]
fn a_failed_sync_fails_everything_for_good() {
    let disk = disk();
    let failures = Arc::new(AtomicU32::new(0));
    let counted = failures.clone();
    let on_failure = Box::new(move |_: &_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let quorum = run(load_with(Parts { on_failure, ..parts(&disk) }).unwrap());
    register(&quorum).unwrap();
    create(&quorum, 1).unwrap();
    disk.fail_syncs(1);
    assert_eq!(create(&quorum, 2), Err(Unavailable));
    assert_eq!(create(&quorum, 3), Err(Unavailable), "the disk would work again, but is not asked");
    assert!(!topics(&quorum.image()).contains_key("t2"));
    quorum.stop();
    assert!(quorum.status().is_closed);
    assert_eq!(failures.load(Ordering::SeqCst), 1);
    assert_eq!(topics(&load(&disk.power_cut(&Random::seeded(1), 0)).unwrap().image()).len(), 1);
}

#[test]
fn a_stopped_quorum_answers_what_was_queued_and_takes_no_more() {
    let disk = disk();
    let quorum = run(load(&disk).unwrap());
    let registered = register(&quorum).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let quorum = quorum.clone();
            std::thread::spawn(move || create(&quorum, number).is_ok())
        })
        .collect();
    let answered = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|ok| *ok).count();
    quorum.stop();
    assert_eq!(answered, 8);
    assert_eq!(create(&quorum, 9), Err(Unavailable));
    let image = load(&disk).unwrap().image();
    assert_eq!(topics(&image).len(), 8);
    assert_eq!(image.cluster.broker(1).unwrap().epoch, registered);
}

#[test]
fn a_handle_that_is_dropped_ends_the_thread() {
    let disk = disk();
    let quorum = run(load(&disk).unwrap());
    let (ended, ends) = std::sync::mpsc::channel::<()>();
    register(&quorum).unwrap();
    quorum.stop();
    let subscriber = Box::new(move |_: &_, _: &_| {
        let _ = &ended;
    });
    drop(load(&disk).unwrap().run(subscriber).unwrap());
    // The channel closes when the thread drops the subscriber.
    assert!(ends.recv().is_err());
    assert!(disk.exists(std::path::Path::new(DIR)).unwrap());
}

#[test]
fn a_start_within_the_millisecond_of_the_last_one_tells_the_time_that_the_log_has() {
    let disk = disk();
    drop(load(&disk).unwrap());
    let told = load(&disk).unwrap().image().provenance;
    assert_eq!(told, inspect(&disk, std::path::Path::new(DIR), 1).unwrap().image.provenance);
}
