//! The committer with a journal, on real logs and a disk in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use parking_lot::Condvar;
use uuid::Uuid;

use super::*;
use crate::base::random::Random;
use crate::log::disk::{Disk, MemDisk};
use crate::log::testing::{NOW, built, settings};
use crate::log::{Log, Opening};
use crate::wire::builder::Fields;

const DATA: &str = "/data";

/// A log, and who waits for it.
struct Slot {
    ticket: Ticket,
    log: Mutex<Log>,
    acked: Condvar,
    /// How many of its tails went through the journal.
    tails: Mutex<usize>,
    me: Weak<Slot>,
}

impl Slot {
    fn create(disk: &MemDisk, index: u32) -> Arc<Self> {
        let dir = Path::new(DATA).join(format!("a-{index}"));
        let topic_id = TopicId(Uuid::from_u128(7));
        let mut log = Log::create(Arc::new(disk.clone()), &dir, topic_id, settings(), NOW).unwrap();
        log.begin_epoch(0);
        Arc::new_cyclic(|me| Self {
            ticket: Ticket::default(),
            log: Mutex::new(log),
            acked: Condvar::new(),
            tails: Mutex::default(),
            me: me.clone(),
        })
    }

    fn append(self: &Arc<Self>, committer: &Committer) -> i64 {
        let mut log = self.log.lock();
        let batch = built(1, 1000, 10, &Fields::default());
        let appended = log.append_as_leader(&batch, 0, NOW).unwrap();
        committer.mark(self);
        appended.last_offset
    }

    fn append_durably(self: &Arc<Self>, committer: &Committer) {
        let offset = self.append(committer);
        let mut log = self.log.lock();
        while log.durable_offset() <= offset {
            self.acked.wait(&mut log);
        }
    }
}

impl Dirty for Slot {
    fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    fn sync(&self) -> io::Result<Synced> {
        let mut log = self.log.lock();
        if let Some(flush) = log.begin_flush() {
            flush.run()?;
            log.flushed(&flush);
        }
        self.acked.notify_all();
        Ok(Synced::All { bytes: 1 })
    }

    fn tail(&self) -> Option<Tail> {
        self.log.lock().tail()
    }

    fn journalled(&self, tail: &Tail) {
        self.log.lock().journalled(tail);
        *self.tails.lock() += 1;
        self.acked.notify_all();
        assert!(self.me.upgrade().is_some());
    }
}

/// A node with `logs` logs that makes a journal at once, with halves of `half_bytes`.
fn start(logs: u32, half_bytes: u64) -> (MemDisk, Committer, Vec<Arc<Slot>>, Receiver<String>) {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DATA)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let journalling = Journalling {
        disk: Arc::new(disk.clone()),
        dir: DATA.into(),
        after_syncs: 1,
        half_bytes,
        random: Random::seeded(1),
    };
    let (errors, receiver) = channel();
    let on_error = Box::new(move |error: io::Error| errors.send(error.to_string()).unwrap());
    let committer = Committer::start("test", Some(journalling), on_error).unwrap();
    let slots: Vec<_> = (0..logs).map(|index| Slot::create(&disk, index)).collect();
    // Each is flushed once; then the journal comes into use some time.
    while slots.iter().any(|slot| *slot.tails.lock() == 0) {
        slots.iter().for_each(|slot| slot.append_durably(&committer));
    }
    (disk, committer, slots, receiver)
}

fn is_there(disk: &MemDisk) -> bool {
    disk.exists(&Path::new(DATA).join(journal::FILE)).unwrap()
}

/// The ends of the logs after a power cut.
fn ends_after_cut(disk: &MemDisk, logs: u32, seed: u64) -> Vec<i64> {
    let random = Random::seeded(seed);
    let left = disk.power_cut(&random, random.below(101));
    let disk: Arc<dyn Disk> = Arc::new(left);
    journal::replay(&disk, Path::new(DATA)).unwrap();
    let opening = Opening { recovery_point: 0, log_start_offset: 0, clean: false, is_checkpointed: true };
    let open = |index| {
        let dir = Path::new(DATA).join(format!("a-{index}"));
        Log::open(disk.clone(), &dir, settings(), opening, NOW).unwrap().0.end_offset()
    };
    (0..logs).map(open).collect()
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_time_while_halves_come_and_go() {
    const LOGS: u32 = 40;
    let (disk, committer, slots, errors) = start(LOGS, 8 * 4096);
    let producing = |slots: &[Arc<Slot>]| {
        for turn in 0..200 {
            let offsets: Vec<_> = slots.iter().map(|slot| slot.append(&committer)).collect();
            for (slot, offset) in slots.iter().zip(offsets) {
                let mut log = slot.log.lock();
                while log.durable_offset() <= offset {
                    slot.acked.wait(&mut log);
                }
            }
            if turn % 5 == 0 {
                committer.settle(slots.iter().map(Arc::downgrade));
            }
        }
    };
    thread::scope(|scope| {
        let producers: Vec<_> = slots.chunks(10).map(|some| scope.spawn(|| producing(some))).collect();
        let mut cuts = 0;
        while cuts < 30 || producers.iter().any(|producer| !producer.is_finished()) {
            let acked: Vec<_> = slots.iter().map(|slot| slot.log.lock().durable_offset()).collect();
            let ends = ends_after_cut(&disk, LOGS, cuts);
            assert!(
                acked.iter().zip(&ends).all(|(acked, end)| acked <= end),
                "cut {cuts}: {acked:?}, {ends:?}"
            );
            cuts += 1;
        }
    });
    assert!(slots.iter().all(|slot| *slot.tails.lock() > 10));
    assert!(errors.try_recv().is_err());
}

#[test]
fn a_journal_is_removed_once_and_then_every_log_is_synced_itself() {
    let (disk, committer, slots, _errors) = start(2, 8 * 4096);
    assert!(is_there(&disk));
    for slot in &slots {
        slot.sync().unwrap();
    }
    committer.remove_journal().unwrap();
    assert!(!is_there(&disk.power_cut(&Random::seeded(1), 0)));
    committer.remove_journal().unwrap();
    slots[0].append_durably(&committer);
    let log = slots[0].log.lock();
    assert_eq!(log.flushed_offset(), log.end_offset());
    assert!(!is_there(&disk));
}

#[test]
fn a_failed_write_to_the_journal_is_reported_once_and_acknowledges_nothing() {
    let (disk, committer, slots, errors) = start(2, 8 * 4096);
    let before: BTreeSet<_> = slots.iter().map(|slot| slot.log.lock().durable_offset()).collect();
    disk.fail_syncs(1);
    for slot in &slots {
        slot.append(&committer);
    }
    assert_eq!(errors.recv().unwrap(), "the disk was told to fail a sync");
    for slot in &slots {
        slot.append(&committer);
    }
    assert!(committer.forget(TopicId(Uuid::from_u128(7)), "a-0").is_err());
    committer.stop();
    let after: BTreeSet<_> = slots.iter().map(|slot| slot.log.lock().durable_offset()).collect();
    assert_eq!(before, after);
    assert!(errors.recv().is_err(), "no second error");
}

#[test]
fn a_log_can_be_cut_once_the_journal_has_forgotten_it_even_when_both_halves_were_full() {
    let (disk, committer, slots, _errors) = start(3, 4096);
    for _ in 0..10 {
        slots.iter().for_each(|slot| slot.append_durably(&committer));
    }
    let slot = &slots[1];
    slot.sync().unwrap();
    committer.forget(TopicId(Uuid::from_u128(7)), "a-1").unwrap();
    slot.log.lock().forgotten_by_journal();
    slot.log.lock().truncate_to(1, NOW).unwrap();
    let ends = ends_after_cut(&disk, 3, 1);
    assert_eq!((ends[1], ends[0]), (1, slots[0].log.lock().durable_offset()));
}

#[test]
fn without_room_on_the_disk_there_is_no_journal_and_logs_are_synced_all_the_same() {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DATA)).unwrap();
    disk.set_space(1 << 20);
    let journalling = Journalling {
        disk: Arc::new(disk.clone()),
        dir: DATA.into(),
        after_syncs: 1,
        half_bytes: 1 << 19,
        random: Random::seeded(1),
    };
    let committer = Committer::start("test", Some(journalling), Box::new(|_| ())).unwrap();
    let slot = Slot::create(&disk, 0);
    for _ in 0..50 {
        slot.append_durably(&committer);
    }
    committer.stop();
    assert_eq!((is_there(&disk), *slot.tails.lock()), (false, 0));
}
