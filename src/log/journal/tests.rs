//! Power cuts at every change of the disk while several logs share a journal, and journals that are not what they were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Weak;

use parking_lot::Mutex;
use uuid::Uuid;

use super::entry::{HEADER_LEN, Header};
use super::*;
use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::committer::rounds::{Rounds, Written};
use crate::log::committer::{Dirty, Synced, Ticket};
use crate::log::disk::MemDisk;
use crate::log::names::Kind;
use crate::log::testing::{self, NOW, built, contents};
use crate::log::{Log, Opening, Settings, Tail, checkpoint};
use crate::wire::builder::Fields;

const DATA: &str = "/data";
/// Three entries.
const HALF: u64 = 3 * 4096;

/// Segments of a few batches.
fn settings() -> Settings {
    Settings { segment_bytes: 600, ..testing::settings() }
}

fn topic(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

/// A log with what a replica adds to it.
struct Slot {
    ticket: Ticket,
    log: Mutex<Log>,
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
        Ok(Synced::All { bytes: 0 })
    }

    fn tail(&self) -> Option<Tail> {
        self.log.lock().tail()
    }

    fn journalled(&self, tail: &Tail) {
        self.log.lock().journalled(tail);
    }
}

/// What is known of one incarnation of a log at the end of a history.
#[derive(Clone, Default, Debug)]
struct Known {
    /// Durable as far as its owner was told.
    acked: i64,
    /// Flushed, first and last.
    flushed: Vec<i64>,
    bytes: Vec<u8>,
    is_deleted: bool,
}

/// Several logs, their journal, and what was promised.
struct Node {
    disk: Arc<dyn Disk>,
    slots: Vec<Arc<Slot>>,
    rounds: Option<Rounds>,
    to_settle: Vec<Weak<dyn Dirty>>,
    known: BTreeMap<TopicId, Known>,
    /// Entries and direct syncs.
    counts: (usize, usize),
    /// Makes every batch another one.
    clock: i64,
}

impl Node {
    fn new(disk: &MemDisk) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let (slots, to_settle, known) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { disk, slots, rounds: None, to_settle, known, counts: (0, 0), clock: 0 }
    }

    fn create(&mut self, name: &str, topic_id: TopicId) -> Option<Arc<Slot>> {
        let dir = Path::new(DATA).join(name);
        let mut log = Log::create(self.disk.clone(), &dir, topic_id, settings(), NOW).ok()?;
        log.begin_epoch(0);
        self.known.insert(topic_id, Known::default());
        Some(Arc::new(Slot { ticket: Ticket::default(), log: Mutex::new(log) }))
    }

    fn append(&mut self, slot: usize, records: i32) -> Option<()> {
        self.clock += 1;
        let batch = built(records, self.clock, 10, &Fields::default());
        self.slots[slot].log.lock().append_as_leader(&batch, 0, NOW).ok().map(drop)
    }

    fn sync(&mut self, slot: &Arc<dyn Dirty>) -> Option<()> {
        self.counts.1 += 1;
        slot.sync().ok().map(drop)
    }

    /// One round of the committer.
    fn commit(&mut self, slots: &[usize]) -> Option<()> {
        let mut small = VecDeque::new();
        for slot in slots {
            let slot: Arc<dyn Dirty> = self.slots[*slot].clone();
            match slot.tail() {
                Some(tail) if self.rounds.is_some() => small.push_back((slot, tail)),
                Some(_) | None => self.sync(&slot)?,
            }
        }
        while !small.is_empty() {
            let is_other_settled = self.to_settle.is_empty();
            let written = self.rounds.as_mut()?.write(&mut small, is_other_settled).ok()?;
            self.written(written)?;
        }
        self.take_note();
        Some(())
    }

    fn written(&mut self, written: Written) -> Option<()> {
        self.counts.0 += usize::from(!written.done.is_empty());
        for slot in &written.unwritten {
            self.sync(slot)?;
        }
        self.to_settle.extend(written.to_settle.into_iter().flatten());
        Some(())
    }

    /// Syncs one of those whose own files are behind.
    fn settle_one(&mut self) -> Option<()> {
        let Some(slot) = self.to_settle.pop() else { return Some(()) };
        slot.upgrade().map_or(Some(()), |slot| self.sync(&slot))
    }

    fn take_note(&mut self) {
        for slot in &self.slots {
            let log = slot.log.lock();
            let known = self.known.get_mut(&log.topic_id().unwrap()).unwrap();
            known.acked = log.durable_offset();
            if known.flushed.last() != Some(&log.flushed_offset()) {
                known.flushed.push(log.flushed_offset());
            }
        }
    }

    fn note_bytes(&mut self, slot: usize) {
        let log = self.slots[slot].log.lock();
        self.known.get_mut(&log.topic_id().unwrap()).unwrap().bytes = contents(&log);
    }
}

/// Four logs that roll now and then, one of which is deleted and made again; rounds of one to three of them; the files
/// of a half that was left are synced one by one, sometimes too late.
fn history(node: &mut Node) -> Option<()> {
    for (index, name) in ["a-0", "a-1", "b-0", "c-0"].into_iter().enumerate() {
        let slot = node.create(name, topic(index as u128 + 1))?;
        node.slots.push(slot);
    }
    node.commit(&[0, 1, 2, 3])?;
    let journal = Journal::create(&*node.disk, Path::new(DATA), HALF, &Random::seeded(1), &|| true).ok()?;
    node.rounds = Some(Rounds::new(journal));
    for step in 0..28_usize {
        let those: &[usize] = [&[0][..], &[0, 1], &[1, 2, 3], &[2], &[3, 0]][step % 5];
        for slot in those {
            node.append(*slot, 1 + i32::try_from((step + slot) % 4).unwrap())?;
        }
        node.commit(those)?;
        if step % 7 != 3 {
            node.settle_one()?;
        }
        if step == 13 {
            node.note_bytes(2);
            node.known.get_mut(&topic(3)).unwrap().is_deleted = true;
            node.slots[2]
                .log
                .lock()
                .set_aside(crate::log::directory::Purpose::Delete, Uuid::from_u128(77))
                .ok()?;
            node.slots[2] = node.create("b-0", topic(33))?;
            node.commit(&[2])?;
        }
    }
    (0..4).for_each(|slot| node.note_bytes(slot));
    Some(())
}

fn new_disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DATA)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn shared(disk: &MemDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &MemDisk, name: &str, recovery_point: i64) -> Log {
    let opening = Opening { recovery_point, log_start_offset: 0, clean: false, is_checkpointed: true };
    Log::open(shared(disk), &Path::new(DATA).join(name), settings(), opening, NOW).unwrap().0
}

fn incarnation(disk: &MemDisk, name: &str) -> Option<TopicId> {
    let file = Path::new(DATA).join(name).join(checkpoint::PARTITION_METADATA_FILE);
    checkpoint::read_partition_metadata(disk, &file).ok().flatten()
}

/// Holds what a replay has left against what was promised (unless `damaged`) and against what was ever written.
fn check(disk: &MemDisk, whole: &Node, promised: &BTreeMap<TopicId, Known>, pick: usize, damaged: bool) {
    assert!(!disk.exists(&path(Path::new(DATA))).unwrap());
    let found: BTreeMap<TopicId, &str> = ["a-0", "a-1", "b-0", "c-0"]
        .into_iter()
        .filter_map(|name| Some((incarnation(disk, name)?, name)))
        .collect();
    for (id, known) in promised {
        let Some(name) = found.get(id) else {
            assert!(known.acked == 0 || known.is_deleted, "{id} is gone: {known:?}");
            continue;
        };
        let recovery_point = known.flushed.iter().rev().nth(pick).copied().unwrap_or(0);
        let log = open(disk, name, recovery_point);
        assert!(damaged || log.end_offset() >= known.acked, "{name} ends at {}: {known:?}", log.end_offset());
        let left = contents(&log);
        assert_eq!(left, whole.known[id].bytes[..left.len()], "{name} is what was written");
    }
}

/// The whole history once, and what every cut of it leaves.
fn each_cut(mut then: impl FnMut(&Node, &Node, MemDisk, u64)) {
    let disk = new_disk();
    let before = disk.changes();
    let mut whole = Node::new(&disk);
    history(&mut whole).unwrap();
    assert!(whole.counts.0 > 10 && whole.counts.1 > 10, "both ways are used: {:?}", whole.counts);
    let segments = whole.slots.iter().map(|slot| slot.log.lock().segment_count()).max();
    assert!(segments > Some(1), "a log has rolled");
    for cut_after in 0..disk.changes() - before {
        let disk = new_disk();
        disk.fail_after(cut_after);
        let mut node = Node::new(&disk);
        assert!(history(&mut node).is_none());
        then(&whole, &node, disk, cut_after);
    }
}

#[test]
fn what_the_journal_took_survives_every_power_cut_and_every_cut_of_the_replay() {
    each_cut(|whole, node, disk, cut_after| {
        for (seed, keep_percent) in [(1, 0), (2, 100), (3, 50), (4, 90), (5, 15)] {
            let left = disk.power_cut(&Random::seeded(cut_after * 10 + seed), keep_percent);
            let pick = usize::try_from((cut_after + seed) % 3).unwrap();
            if (cut_after + seed) % 5 == 0 {
                for replay_cut in 0.. {
                    let left = left.power_cut(&Random::seeded(1), 100);
                    left.fail_after(replay_cut);
                    let done = replay(&shared(&left), Path::new(DATA)).is_ok();
                    let left = left.power_cut(&Random::seeded(cut_after + replay_cut), 50);
                    replay(&shared(&left), Path::new(DATA)).unwrap();
                    check(&left, whole, &node.known, pick, false);
                    if done {
                        break;
                    }
                }
            }
            replay(&shared(&left), Path::new(DATA)).unwrap();
            // It must be in the logs' own files, for the journal is gone.
            let left = left.power_cut(&Random::seeded(1), 0);
            check(&left, whole, &node.known, pick, false);
        }
    });
}

#[test]
fn a_damaged_or_stale_journal_invents_nothing_and_harms_no_flushed_record() {
    let mut older: Option<Vec<u8>> = None;
    each_cut(|whole, node, disk, cut_after| {
        let file = path(Path::new(DATA));
        let random = Random::seeded(cut_after);
        for turn in 0..4 {
            let left = disk.power_cut(&random, 50);
            let Ok(journal) = left.open(&file, Mode::Write) else { continue };
            let mut bytes = vec![0; usize::try_from(journal.len().unwrap()).unwrap()];
            journal.read_exact_at(&mut bytes, 0).unwrap();
            match (turn, &older) {
                (0, Some(older)) => journal.write_at(&[IoSlice::new(older)], 0).unwrap(),
                (1, Some(older)) => journal.write_at(&[IoSlice::new(&older[..older.len() / 2])], 0).unwrap(),
                _ => {
                    let at = random.below(u32::try_from(bytes.len().max(1)).unwrap());
                    let flipped = bytes.get(at as usize).map_or(0, |byte| byte ^ (1 << random.below(8)));
                    journal.write_at(&[IoSlice::new(&[flipped])], u64::from(at)).unwrap();
                }
            }
            if turn == 3 && cut_after % 20 == 0 {
                older = Some(bytes);
            }
            replay(&shared(&left), Path::new(DATA)).unwrap();
            check(&left, whole, &node.known, 0, true);
        }
    });
}

/// A node with logs `a-0`, `a-1` and so on, a journal, and nothing in them.
fn node_of(disk: &MemDisk, logs: u32) -> Node {
    let mut node = Node::new(disk);
    for index in 0..logs {
        let slot = node.create(&format!("a-{index}"), topic(u128::from(index) + 1)).unwrap();
        node.slots.push(slot);
    }
    let slots: Vec<usize> = (0..node.slots.len()).collect();
    node.commit(&slots).unwrap();
    let journal = Journal::create(&*node.disk, Path::new(DATA), HALF, &Random::seeded(1), &|| true).unwrap();
    node.rounds = Some(Rounds::new(journal));
    node
}

/// The log `name` after a power cut that takes all that was not synced.
fn after_cut(disk: &MemDisk, name: &str) -> Log {
    let left = disk.power_cut(&Random::seeded(1), 0);
    replay(&shared(&left), Path::new(DATA)).unwrap();
    open(&left, name, 0)
}

#[test]
fn a_half_is_not_written_again_before_all_it_speaks_of_was_synced() {
    let disk = new_disk();
    let mut node = node_of(&disk, 2);
    node.append(1, 1).unwrap();
    node.commit(&[1]).unwrap();
    let syncs = node.counts.1;
    for _ in 0..12 {
        node.append(0, 1).unwrap();
        node.commit(&[0]).unwrap();
        assert_eq!((after_cut(&disk, "a-1").end_offset(), node.slots[1].log.lock().flushed_offset()), (1, 0));
    }
    assert!(node.counts.1 > syncs, "with both halves full logs are synced themselves");
    while !node.to_settle.is_empty() {
        node.settle_one().unwrap();
    }
    let entries = node.counts.0;
    node.append(0, 1).unwrap();
    node.commit(&[0]).unwrap();
    assert_eq!(node.counts.0, entries + 1, "and then the journal goes on");
    assert_eq!(after_cut(&disk, "a-1").end_offset(), 1);
    assert_eq!(after_cut(&disk, "a-0").end_offset(), 13);
}

#[test]
fn a_truncated_log_does_not_come_back_from_the_journal_nor_from_what_a_later_turn_left_of_an_earlier_one() {
    let disk = new_disk();
    let mut node = node_of(&disk, 2);
    // First turn: the other log, this one, the other one; the half is full.
    for slot in [1, 0, 1] {
        node.append(slot, 2).unwrap();
        node.commit(&[slot]).unwrap();
    }
    let log = node.slots[0].clone();
    assert!(log.log.lock().truncate_to(1, NOW).is_err(), "the journal still speaks of it");
    node.sync(&(log.clone() as Arc<dyn Dirty>)).unwrap();
    let written = node.rounds.as_mut().unwrap().forget(topic(1), "a-0", true).unwrap().unwrap();
    node.written(written).unwrap();
    log.log.lock().forgotten_by_journal();
    log.log.lock().truncate_to(0, NOW).unwrap();
    assert_eq!(after_cut(&disk, "a-0").end_offset(), 0);
    // The second turn ends, and the third overwrites the first entry of the first one.
    for _ in 0..3 {
        while !node.to_settle.is_empty() {
            node.settle_one().unwrap();
        }
        node.append(1, 2).unwrap();
        node.commit(&[1]).unwrap();
        assert_eq!(after_cut(&disk, "a-0").end_offset(), 0);
    }
    assert_eq!(node.counts.0, 6);
}

#[test]
fn a_topic_that_was_made_again_does_not_get_the_bytes_of_its_namesake() {
    let disk = new_disk();
    let mut node = node_of(&disk, 1);
    node.append(0, 3).unwrap();
    node.commit(&[0]).unwrap();
    assert_eq!((node.counts.0, after_cut(&disk, "a-0").end_offset()), (1, 3));
    node.slots[0].log.lock().set_aside(crate::log::directory::Purpose::Delete, Uuid::from_u128(77)).unwrap();
    node.slots[0] = node.create("a-0", topic(99)).unwrap();
    node.commit(&[0]).unwrap();
    assert_eq!(after_cut(&disk, "a-0").end_offset(), 0);
}

#[test]
fn an_entry_that_is_not_whole_ends_the_log_that_it_speaks_of_and_hides_no_other() {
    for (logs, damaged, entries, ends) in [
        ([0, 0, 1], &[1][..], 2, [1, 1]),
        ([0, 0, 0], &[1], 2, [1, 0]),
        ([0, 0, 1], &[2], 2, [2, 0]),
        ([0, 0, 1], &[0, 1], 0, [0, 0]),
    ] {
        let disk = new_disk();
        let mut node = node_of(&disk, 2);
        for log in logs {
            node.append(log, 1).unwrap();
            node.commit(&[log]).unwrap();
        }
        let journal = disk.open(&path(Path::new(DATA)), Mode::Write).unwrap();
        for entry in damaged {
            let (mut byte, at) = ([0], 4096 * entry + 100);
            journal.read_exact_at(&mut byte, at).unwrap();
            journal.write_at(&[IoSlice::new(&[byte[0] ^ 1])], at).unwrap();
        }
        journal.sync_data().unwrap();
        let left = disk.power_cut(&Random::seeded(1), 0);
        let replayed = replay(&shared(&left), Path::new(DATA)).unwrap().unwrap();
        assert_eq!(replayed.entries, entries, "{logs:?} {damaged:?}");
        assert_eq!(["a-0", "a-1"].map(|name| open(&left, name, 0).end_offset()), ends);
        assert_eq!(replay(&shared(&left), Path::new(DATA)).unwrap(), None, "once");
    }
}

#[test]
fn bytes_of_a_record_are_never_taken_for_an_entry_of_a_later_turn() {
    let disk = new_disk();
    let mut node = node_of(&disk, 2);
    let mut forged = Entry::new();
    forged.forget(topic(2), "a-1");
    // An entry of two blocks, the second of which begins with one of the third turn.
    let forged = forged.seal(3, 1).to_vec();
    let value = |padding: usize| [vec![0; padding], forged.clone(), vec![0; 2000]].concat();
    let batch = |padding| {
        let mut builder = crate::wire::builder::BatchBuilder::new();
        builder.push(1, None, Some(&value(padding)), &[]);
        builder.build(&Fields::default(), crate::wire::compress::Compression::None).unwrap()
    };
    node.slots[0].log.lock().update_settings(Settings { segment_bytes: 1 << 20, ..settings() });
    let before = HEADER_LEN + 42 + batch(4000).bytes.windows(4).position(|at| at == &forged[..4]).unwrap();
    node.slots[0].log.lock().append_as_leader(&batch(4000 - (before - 4096)), 0, NOW).unwrap();
    node.commit(&[0]).unwrap();
    let mut bytes = vec![0; forged.len()];
    disk.open(&path(Path::new(DATA)), Mode::Read).unwrap().read_exact_at(&mut bytes, 4096).unwrap();
    assert_eq!(bytes, forged, "it lies where an entry may begin");
    for turn in 1..=5 {
        if turn == 5 {
            while !node.to_settle.is_empty() {
                node.settle_one().unwrap();
            }
        }
        node.append(1, 1).unwrap();
        node.commit(&[1]).unwrap();
    }
    assert_eq!(node.counts.0, 6, "the last entry is the first of the third turn");
    assert_eq!(after_cut(&disk, "a-1").end_offset(), 5);
}

#[test]
fn a_log_that_somebody_else_went_on_with_is_left_alone() {
    let disk = new_disk();
    let mut node = node_of(&disk, 1);
    node.append(0, 3).unwrap();
    node.commit(&[0]).unwrap();
    let left = disk.power_cut(&Random::seeded(1), 0);
    let mut other = open(&left, "a-0", 0);
    let batch = built(1, 77, 10, &Fields::default());
    other.append_as_leader(&batch, 0, NOW).unwrap();
    let bytes = contents(&other);
    replay(&shared(&left), Path::new(DATA)).unwrap();
    assert_eq!(contents(&open(&left, "a-0", 0)), bytes);
}

#[test]
fn an_entry_with_any_bit_flipped_is_none() {
    let mut entry = Entry::new();
    entry.forget(topic(7), "a-0");
    let sealed = entry.seal(3, 1).to_vec();
    let is_whole = |bytes: &[u8]| {
        let header = Header::parse(bytes.first_chunk().unwrap());
        header.is_some_and(|h| bytes.len() == HEADER_LEN + h.body_len && h.fits(bytes))
    };
    assert!(is_whole(&sealed));
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_whole(&flipped), "bit {bit}");
    }
}

proptest::proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        drop(entry::records(&body));
    }
}

/// A log of three batches, the last two of which are in the journal and in its own file, and its file's content.
fn journalled_and_flushed() -> (MemDisk, Node, Vec<u8>) {
    let disk = new_disk();
    let mut node = node_of(&disk, 1);
    node.append(0, 1).unwrap();
    node.sync(&(node.slots[0].clone() as Arc<dyn Dirty>)).unwrap();
    for records in [2, 3] {
        node.append(0, records).unwrap();
        node.commit(&[0]).unwrap();
    }
    node.sync(&(node.slots[0].clone() as Arc<dyn Dirty>)).unwrap();
    let bytes = contents(&node.slots[0].log.lock());
    (disk, node, bytes)
}

fn write(disk: &MemDisk, file: &Path, bytes: &[u8]) {
    let file = disk.open(file, Mode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
    file.sync_data().unwrap();
}

#[test]
fn without_a_recovery_point_the_journal_does_not_write_into_a_segment_that_was_compacted() {
    let (disk, _, bytes) = journalled_and_flushed();
    let name = Path::new(DATA).join("a-0").join(Kind::Log.name(0));
    write(&disk, &Path::new(DATA).join(checkpoint::RECOVERY_POINT_FILE), b"nonsense");
    let headers = testing::headers(&bytes);
    let len = |index: usize| headers[index].total_len();
    // Batches that a compaction has left, each of another size than before: one that reaches over where the second began;
    // one, so that the third would be far behind the end; one that ends where the third began.
    let compacted = |lens: &[(i32, usize)]| {
        let batch = |(offset, len): &(i32, usize)| {
            let fields = Fields { base_offset: i64::from(*offset), ..Fields::default() };
            let least = built(1, 7, 0, &fields).bytes.len();
            built(1, 7, len - least, &fields).bytes.to_vec()
        };
        lens.iter().flat_map(batch).collect::<Vec<u8>>()
    };
    for left in [
        compacted(&[(0, len(0) + 30)]),
        compacted(&[(0, len(0) + len(1) + 10)]),
        compacted(&[(5, len(0) + len(1))]),
        compacted(&[(0, len(0) - 2), (5, len(0) + 4)]),
        compacted(&[(5, len(0))]),
    ] {
        write(&disk, &name, &left);
        let left_over = disk.power_cut(&Random::seeded(1), 100);
        replay(&shared(&left_over), Path::new(DATA)).unwrap();
        let file = left_over.open(&name, Mode::Read).unwrap();
        let mut after = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut after, 0).unwrap();
        assert_eq!(after, left);
    }
}

#[test]
fn the_journal_writes_into_no_segment_that_the_log_has_left_behind() {
    let (disk, node, bytes) = journalled_and_flushed();
    let mut node = node;
    // The next segment is in the journal too, so the one before was synced before.
    while node.slots[0].log.lock().segment_count() == 1 {
        node.append(0, 4).unwrap();
        node.commit(&[0]).unwrap();
    }
    node.append(0, 1).unwrap();
    node.commit(&[0]).unwrap();
    let name = Path::new(DATA).join("a-0").join(Kind::Log.name(0));
    // As if compacted to its first batch.
    let first = testing::headers(&bytes)[0].total_len();
    write(&disk, &name, &bytes[..first]);
    let left = disk.power_cut(&Random::seeded(1), 0);
    let restored = replay(&shared(&left), Path::new(DATA)).unwrap().unwrap().restored_bytes;
    assert!(restored > 0, "the active segment is made whole");
    assert_eq!(left.file_len(&name).unwrap(), first as u64);
}

#[test]
fn without_a_recovery_point_what_was_cleaned_is_known_to_be_flushed() {
    let (disk, _, bytes) = journalled_and_flushed();
    let name = Path::new(DATA).join("a-0").join(Kind::Log.name(0));
    let first = testing::headers(&bytes)[0].total_len();
    write(&disk, &name, &bytes[..first]);
    let cleaned = BTreeMap::from([(crate::base::id::TopicPartition::new("a", 0), 6)]);
    checkpoint::write_offsets(&disk, &Path::new(DATA).join(checkpoint::CLEANED_UP_TO_FILE), &cleaned)
        .unwrap();
    replay(&shared(&disk), Path::new(DATA)).unwrap();
    assert_eq!(disk.file_len(&name).unwrap(), first as u64);
}

#[test]
fn a_segment_below_the_recovery_point_may_have_become_another_file_since() {
    let disk = new_disk();
    let mut node = node_of(&disk, 1);
    for _ in 0..3 {
        node.append(0, 1).unwrap();
        node.commit(&[0]).unwrap();
    }
    let log = node.slots[0].clone();
    node.sync(&(log.clone() as Arc<dyn Dirty>)).unwrap();
    node.append(0, 1).unwrap();
    node.commit(&[0]).unwrap();
    let points = BTreeMap::from([(crate::base::id::TopicPartition::new("a", 0), 3)]);
    checkpoint::write_offsets(&disk, &Path::new(DATA).join(checkpoint::RECOVERY_POINT_FILE), &points)
        .unwrap();
    let name = Path::new(DATA).join("a-0").join(Kind::Log.name(0));
    let before = disk.power_cut(&Random::seeded(1), 100);
    // As if compacted: of the three batches one is left, and the journal's places are within others or behind the end.
    let file = before.open(&name, Mode::Write).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let one = crate::wire::batch::BatchHeader::parse(&bytes).unwrap().total_len();
    for kept in [2 * one, one] {
        file.set_len(u64::try_from(kept).unwrap()).unwrap();
        file.sync_data().unwrap();
        let left = before.power_cut(&Random::seeded(1), 100);
        replay(&shared(&left), Path::new(DATA)).unwrap();
        let after = left.file_len(&name).unwrap();
        assert_eq!(after, u64::try_from(kept).unwrap(), "nothing below the recovery point is put back");
    }
}

#[test]
fn a_log_is_gone_over_only_if_it_misses_bytes_of_the_journal() {
    let (disk, _, bytes) = journalled_and_flushed();
    let walked = |disk: &MemDisk| {
        let replayed = replay(&shared(disk), Path::new(DATA)).unwrap().unwrap();
        (replayed.restored_bytes, replayed.walked_bytes)
    };
    assert_eq!(walked(&disk.power_cut(&Random::seeded(1), 100)), (0, 0));
    let torn = disk.power_cut(&Random::seeded(1), 100);
    let name = Path::new(DATA).join("a-0").join(Kind::Log.name(0));
    write(&torn, &name, &bytes[..bytes.len() - 1]);
    assert!(walked(&torn).1 > 0);
    assert_eq!(contents(&open(&torn, "a-0", 0)), bytes);
}
