//! Moves between directories on disks in memory that fail, and forget what was not synced.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use uuid::Uuid;

use super::*;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::log::committer::Synced;
use crate::log::directory::PartitionDir;
use crate::log::disk::{Disk, MemDisk};
use crate::meta::{Delta, Image};
use crate::partition::replica::MoveError;
use crate::partition::testing::{Disks, add_topic};
use crate::partition::{FetchSpec, Isolation};
use crate::wire::batch::BatchHeader;
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;

const TOPIC: TopicId = TopicId(Uuid::from_u128(7));
const NOW: i64 = 1_000_000;

struct World {
    disk: MemDisk,
    disks: Disks,
    clock: Clock,
    image: Image,
}

impl World {
    /// One disk with two directories; the replica is in the first.
    fn new() -> Self {
        let disk = MemDisk::new();
        let disks = Disks::sharing(&disk, 2);
        Self::of(disk, disks)
    }

    fn of(disk: MemDisk, disks: Disks) -> Self {
        let mut delta = Delta::new(Image::empty());
        add_topic(&mut delta, "t", TOPIC, disks.ids[0]);
        Self { disk, disks, clock: Clock::manual(NOW), image: delta.image().clone() }
    }

    fn open(&self) -> Arc<Set> {
        self.open_with(1000)
    }

    fn open_with(&self, segment_bytes: u32) -> Arc<Set> {
        self.disks.open(&self.clock, &self.image, move |settings| {
            settings.write_caching = false;
            settings.log.segment_bytes = segment_bytes;
            settings.log.verify_transactions = false;
        })
    }

    /// What the next broker finds on the disk.
    fn after_power_cut(&self, random: &Random, keep_percent: u32) -> Self {
        let disk = self.disk.power_cut(random, keep_percent);
        let ids = self.disks.ids.clone();
        let disks = Disks { ids, are_clean: false, ..Disks::sharing(&disk, 2) };
        Self { disk, disks, clock: self.clock.clone(), image: self.image.clone() }
    }

    fn names(&self, directory: usize) -> Vec<String> {
        let dir = format!("/data-{directory}");
        let entries = self.disk.list(Path::new(&dir)).unwrap();
        let parsed = entries.into_iter().filter(|entry| entry.is_dir);
        let kinds = parsed.filter_map(|entry| PartitionDir::parse(&entry.name));
        kinds.map(|dir| format!("{} {:?}", dir.tp, dir.purpose)).collect()
    }
}

/// Appends one record that says `number`; whether it is durable.
fn append(replica: &Arc<Replica>, number: i64) -> bool {
    append_of_size(replica, number, 100)
}

fn append_of_size(replica: &Arc<Replica>, number: i64, bytes: usize) -> bool {
    let mut builder = BatchBuilder::new();
    builder.push(NOW, None, Some(format!("{number:0bytes$}").as_bytes()), &[]);
    let fields = Fields {
        producer_id: 5,
        producer_epoch: 0,
        base_sequence: i32::try_from(number).unwrap(),
        ..Fields::default()
    };
    let batch = builder.build(&fields, Compression::None).unwrap();
    replica.append(&batch, None, true, NOW).is_ok() && matches!(replica.sync(), Ok(Synced::All { .. }))
}

fn filled(set: &Arc<Set>, count: i64) -> Arc<Replica> {
    let replica = set.get(TOPIC, 0).unwrap();
    assert!((0..count).all(|number| append(&replica, number)));
    set.checkpoint(true);
    replica
}

/// Moves the replica, and calls `meanwhile` after each piece that was copied.
fn carry_out(set: &Arc<Set>, replica: &Arc<Replica>, to: usize, mut meanwhile: impl FnMut()) -> bool {
    let Ok(Some(moving)) = replica.begin_move(&set.directories()[to], set.parts.random.uuid(), NOW) else {
        return false;
    };
    let route = Route {
        unique: set.parts.random.uuid(),
        pace: &mut |_| meanwhile(),
        checkpoint: &|| set.checkpoint(true),
    };
    let moved = matches!(replica.carry_out(&moving, route), Ok(Some(_)));
    set.checkpoint(true);
    moved
}

/// Deletes records as DeleteRecords does; whether that is acknowledged.
fn delete_records(set: &Arc<Set>, replica: &Arc<Replica>, offset: i64) -> bool {
    let is_deleted = replica.delete_records(offset).is_ok();
    set.checkpoint_log_starts();
    is_deleted && replica.low_watermark().is_ok_and(|start| start >= offset)
}

/// The number that each record says, by offset.
fn contents(replica: &Replica) -> BTreeMap<i64, i64> {
    let mut found = BTreeMap::new();
    let mut offset = replica.watermarks(-1).unwrap().log_start_offset;
    loop {
        let spec = FetchSpec {
            offset,
            bytes_max: 1 << 20,
            whole_first_batch: true,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            isolation: Isolation::ReadUncommitted,
        };
        let Some(plan) = replica.fetch(spec).unwrap().plan else { return found };
        let bytes = plan.resolve().unwrap().unwrap().read().unwrap();
        let mut rest = &bytes[..];
        while let Ok(header) = BatchHeader::parse(rest) {
            let Some(batch) = rest.get(..header.total_len()) else { break };
            let said = batch.windows(100).rfind(|said| said.iter().all(u8::is_ascii_digit)).unwrap();
            found.insert(header.base_offset, std::str::from_utf8(said).unwrap().parse().unwrap());
            rest = &rest[header.total_len()..];
            offset = header.next_offset();
        }
    }
}

fn expected(from: i64, count: i64) -> BTreeMap<i64, i64> {
    (from..count).map(|number| (number, number)).collect()
}

fn await_moves(set: &Set) {
    while set.moves.waiting.lock().threads > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_replica_moves_while_it_is_written_and_read_and_takes_all_of_it_along() {
    let world = World::new();
    let set = world.open();
    let replica = filled(&set, 40);
    replica.delete_records(13).unwrap();
    let spec = |offset| FetchSpec {
        offset,
        bytes_max: 100,
        whole_first_batch: true,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        isolation: Isolation::ReadUncommitted,
    };
    let planned = replica.fetch(spec(15)).unwrap().plan.unwrap();
    replica.close_idle_files();
    let mut next = 40;
    let moved = carry_out(&set, &replica, 1, || {
        assert!(append(&replica, next));
        next += 1;
    });
    assert!(moved && next > 40);
    assert!(Arc::ptr_eq(&replica.directory(), &set.directories()[1]));
    assert_eq!(contents(&replica), expected(13, next));
    let read = planned.resolve().unwrap().unwrap().read().unwrap();
    assert_eq!(BatchHeader::parse(&read).unwrap().base_offset, 15, "for a reader who came before");
    assert!(append(&replica, next), "the producer's sequence is known");
    assert!(append(&replica, next), "a repetition too");
    assert_eq!(contents(&replica), expected(13, next + 1));
    assert_eq!(world.names(0), ["t-0 Delete"]);
    assert_eq!(world.names(1), ["t-0 Current"]);
    assert_eq!(set.misplaced(&world.image), [(world.disks.ids[1], TOPIC, 0)]);

    let next_world = world.after_power_cut(&Random::seeded(1), 0);
    let set = next_world.open();
    let replica = set.get(TOPIC, 0).unwrap();
    assert_eq!(contents(&replica), expected(13, next + 1));
    assert_eq!(next_world.names(0), [""; 0]);
}

#[test]
fn whenever_the_power_goes_in_a_move_every_acknowledged_record_is_there() {
    let steps = {
        let world = World::new();
        let set = world.open();
        let replica = filled(&set, 12);
        replica.set_cleaned_up_to(5);
        set.checkpoint_cleaned();
        let before = world.disk.changes();
        assert!(carry_out(&set, &replica, 1, || assert!(append(&replica, 12))));
        world.disk.changes() - before
    };
    assert!(steps > 30, "{steps}");
    for step in 0..=steps {
        for keep_percent in [0, 50, 100] {
            let world = World::new();
            let set = world.open();
            let replica = filled(&set, 12);
            replica.set_cleaned_up_to(5);
            set.checkpoint_cleaned();
            let mut acknowledged = 12;
            world.disk.fail_after(step);
            carry_out(&set, &replica, 1, || acknowledged += i64::from(append(&replica, acknowledged)));
            let case = format!("step {step} of {steps}, {keep_percent} %");

            let world = world.after_power_cut(&Random::seeded(step), keep_percent);
            let set = world.open();
            let replica = set.get(TOPIC, 0).unwrap_or_else(|| panic!("{case}: it cannot be opened"));
            let found = contents(&replica);
            let reaches = i64::try_from(found.len()).unwrap();
            assert_eq!(replica.cleaned_up_to(), Some(5), "{case}: it may have gaps");
            assert!(reaches >= acknowledged, "{case}: {reaches} of {acknowledged}");
            assert_eq!(found, expected(0, reaches), "{case}");
            await_moves(&set);
            assert!(append(&replica, reaches), "{case}");
            let whole = ["t-0 Current".to_owned()];
            assert!(
                [world.names(0), world.names(1)].iter().filter(|names| **names == whole).count() == 1,
                "{case}: {:?} {:?}",
                world.names(0),
                world.names(1)
            );
        }
    }
}

#[test]
fn whenever_the_power_goes_in_a_move_no_deleted_record_comes_back() {
    // A deletion with every piece that is copied, two around the checkpoints, and one when it has moved.
    let story = |world: &World, set: &Arc<Set>| {
        let replica = set.get(TOPIC, 0).unwrap();
        let (next, acknowledged) = (Cell::new(1), Cell::new(0));
        let delete = || {
            if delete_records(set, &replica, next.get()) {
                acknowledged.set(next.get());
            }
            next.set(next.get() + 1);
        };
        let to = &set.directories()[1];
        if let Ok(Some(moving)) = replica.begin_move(to, set.parts.random.uuid(), NOW) {
            let checkpoint = || {
                delete();
                set.checkpoint(true);
                delete();
            };
            let unique = set.parts.random.uuid();
            let route = Route { unique, pace: &mut |_| delete(), checkpoint: &checkpoint };
            drop(replica.carry_out(&moving, route));
            delete();
        }
        (world.disk.changes(), acknowledged.get())
    };
    let (steps, deleted) = {
        let world = World::new();
        let set = world.open();
        filled(&set, 12);
        let before = world.disk.changes();
        let (after, deleted) = story(&world, &set);
        (after - before, deleted)
    };
    assert!(steps > 60 && deleted >= 6, "{steps} {deleted}");
    for step in 0..=steps {
        for keep_percent in [0, 50, 100] {
            let world = World::new();
            let set = world.open();
            filled(&set, 12);
            world.disk.fail_after(step);
            let (_, deleted) = story(&world, &set);
            let case = format!("step {step} of {steps}, {keep_percent} %");

            let world = world.after_power_cut(&Random::seeded(step), keep_percent);
            let set = world.open();
            let replica = set.get(TOPIC, 0).unwrap_or_else(|| panic!("{case}: it cannot be opened"));
            let starts = replica.low_watermark().unwrap();
            assert!(starts >= deleted, "{case}: {starts} after {deleted} was acknowledged");
            assert_eq!(contents(&replica), expected(starts, 12), "{case}");
        }
    }
}

#[test]
fn what_is_copied_while_appends_wait_is_little_however_much_came_at_last() {
    let world = World::new();
    let set = world.open_with(64 << 20);
    let replica = filled(&set, 1);
    let moving = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW).unwrap().unwrap();
    let next = Cell::new(1);
    let append_much = || {
        for _ in 0..100 {
            assert!(append_of_size(&replica, next.get(), 60_000));
            next.set(next.get() + 1);
        }
    };
    let mut copied = 0;
    let mut pace = |bytes| {
        copied += bytes;
        // The producers are faster for a while.
        if (101..401).contains(&next.get()) {
            append_much();
        }
    };
    let route = Route { unique: Uuid::from_u128(9), pace: &mut pace, checkpoint: &append_much };
    assert!(replica.carry_out(&moving, route).unwrap().is_some());
    assert!(next.get() > 201);
    let copied = u64::try_from(copied).unwrap();
    assert!(replica.size_bytes() - copied <= 4 << 20, "{copied} of {}", replica.size_bytes());
    assert_eq!(replica.watermarks(-1).unwrap().log_end_offset, next.get());
}

#[test]
fn without_descriptors_nothing_is_acknowledged_that_a_checkpoint_owes_and_no_directory_fails() {
    let world = World::new();
    let set = world.open();
    let replica = filled(&set, 12);
    let moving = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW).unwrap().unwrap();
    let checkpoint = || {
        world.disk.fail_opens(100);
        set.checkpoint(true);
        world.disk.fail_opens(0);
    };
    let route = Route { unique: Uuid::from_u128(9), pace: &mut |_| (), checkpoint: &checkpoint };
    assert!(matches!(replica.carry_out(&moving, route), Err(MoveError::Checkpoints)));
    assert!(Arc::ptr_eq(&replica.directory(), &set.directories()[0]));

    world.disk.fail_opens(100);
    assert!(!delete_records(&set, &replica, 5));
    world.disk.fail_opens(0);
    assert!(set.directories().iter().all(|directory| !directory.log_directory().is_offline()));
    // Nothing was synced since.
    set.sync_and_checkpoint();
    let next = world.after_power_cut(&Random::seeded(6), 0);
    assert_eq!(contents(&next.open().get(TOPIC, 0).unwrap()), expected(5, 12), "it was made good");
    assert!(delete_records(&set, &replica, 6));
    assert!(carry_out(&set, &replica, 1, || ()));
}

#[test]
fn as_many_replicas_move_at_a_time_as_there_are_threads_and_at_the_rate_of_the_moment() {
    let disk = MemDisk::new();
    let disks = Disks { move_threads: 1, ..Disks::sharing(&disk, 2) };
    let mut delta = Delta::new(Image::empty());
    let topics = [("t", TOPIC), ("u", TopicId(Uuid::from_u128(8)))];
    for (name, id) in topics {
        add_topic(&mut delta, name, id, disks.ids[0]);
    }
    let world = World { disk, disks, clock: Clock::manual(NOW), image: delta.image().clone() };
    let set = world.open();
    set.limit_moves(Some(1));
    for (name, id) in topics {
        assert!(append(&set.get(id, 0).unwrap(), 0));
        set.alter_log_dir(&TopicPartition::new(name, 0), Some(id), "/data-1").unwrap();
    }
    assert_eq!(set.moves.waiting.lock().threads, 1);
    // By the clock nothing would ever be copied.
    set.limit_moves(None);
    await_moves(&set);
    assert_eq!(
        (world.names(1), set.moves.waiting.lock().queue.len()),
        (vec!["t-0 Current".into(), "u-0 Current".into()], 0)
    );
}

#[test]
fn a_failing_new_directory_leaves_the_replica_where_it_was_or_nowhere_but_never_with_less() {
    let steps = {
        let disks = Disks::new(2);
        let world = World::of(disks.disks[1].clone(), disks);
        let set = world.open();
        let replica = filled(&set, 12);
        let before = world.disk.changes();
        assert!(carry_out(&set, &replica, 1, || ()));
        world.disk.changes() - before
    };
    let (mut served, mut refused) = (0, 0);
    for step in 0..steps {
        let disks = Disks::new(2);
        let world = World::of(disks.disks[1].clone(), disks);
        let set = world.open();
        let replica = filled(&set, 12);
        world.disk.fail_after(step);
        let moved = carry_out(&set, &replica, 1, || ());
        let is_written = append(&replica, 12);
        *(if is_written { &mut served } else { &mut refused }) += 1;
        let acknowledged = if is_written { 13 } else { 12 };

        // The old directory alone has it all, unless the replica has moved; and so have both together.
        let cut = |at: usize| world.disks.disks[at].power_cut(&Random::seeded(step), 50);
        let disks = |count| Disks {
            disks: (0..count).map(cut).collect(),
            ids: world.disks.ids[..count].to_vec(),
            are_clean: false,
            ..Disks::new(count)
        };
        let both = World { disks: disks(2), ..World::of(MemDisk::new(), Disks::new(2)) };
        let set = both.disks.open(&both.clock, &world.image, |settings| settings.write_caching = false);
        let replica = set.get(TOPIC, 0).unwrap_or_else(|| panic!("step {step}"));
        assert_eq!(contents(&replica), expected(0, acknowledged), "step {step}");
        if !moved && is_written {
            let one = World { disks: disks(1), ..World::of(MemDisk::new(), Disks::new(1)) };
            let set = one.disks.open(&one.clock, &world.image, |settings| settings.write_caching = false);
            assert_eq!(contents(&set.get(TOPIC, 0).unwrap()), expected(0, acknowledged), "step {step}");
        }
    }
    assert!(served > 10 && refused > 0, "{served} served, {refused} refused");
}

#[test]
fn an_unfinished_move_is_made_anew_after_the_start() {
    let world = World::new();
    let set = world.open();
    let replica = filled(&set, 30);
    let moving = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW).unwrap().unwrap();
    let route = Route {
        unique: Uuid::from_u128(9),
        // As if the broker was killed halfway.
        pace: &mut |_| world.disk.fail_after(0),
        checkpoint: &|| (),
    };
    assert!(replica.carry_out(&moving, route).is_err());
    let world = world.after_power_cut(&Random::seeded(3), 100);
    assert_eq!(world.names(1), ["t-0 Future"]);
    let set = world.open();
    await_moves(&set);
    let replica = set.get(TOPIC, 0).unwrap();
    assert!(Arc::ptr_eq(&replica.directory(), &set.directories()[1]));
    assert_eq!(contents(&replica), expected(0, 30));
    assert_eq!(world.names(1), ["t-0 Current"]);
}

#[test]
fn a_move_that_waited_copies_what_the_log_begins_with_by_then() {
    let world = World::new();
    let set = world.open();
    let replica = filled(&set, 40);
    let moving = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW).unwrap().unwrap();
    world.clock.set(NOW + 8 * 24 * 3_600_000);
    set.delete_old_segments();
    assert_eq!(replica.watermarks(-1).unwrap().log_start_offset, 40);
    set.carry_out(&replica, &moving);
    assert!(Arc::ptr_eq(&replica.directory(), &set.directories()[1]));
    let world = world.after_power_cut(&Random::seeded(4), 0);
    let set = world.open();
    let replica = set.get(TOPIC, 0).unwrap();
    assert!(append(&replica, 40));
    assert_eq!(contents(&replica), expected(40, 41));
}

#[test]
fn a_full_disk_ends_the_move_and_not_the_directory() {
    let disks = Disks::new(2);
    let world = World::of(disks.disks[1].clone(), disks);
    let set = world.open();
    let replica = filled(&set, 40);
    let moving = replica.begin_move(&set.directories()[1], Uuid::from_u128(8), NOW).unwrap().unwrap();
    world.disk.set_space(0);
    set.carry_out(&replica, &moving);
    world.disk.set_space(u64::MAX);
    assert!(!set.directories()[1].log_directory().is_offline());
    let left = world.disk.list(Path::new("/data")).unwrap().into_iter().filter(|entry| entry.is_dir);
    assert_eq!(left.count(), 0);
    assert!(append(&replica, 40));
    assert!(carry_out(&set, &replica, 1, || ()), "it can be tried again");
    assert_eq!(contents(&replica), expected(0, 41));
}

#[test]
fn there_and_back_again_with_a_journal_in_between() {
    let world = World::new();
    let set = world.open();
    let replica = filled(&set, 5);
    for (round, to) in [1, 0, 1, 0].into_iter().enumerate() {
        let next = 5 + i64::try_from(round).unwrap();
        assert!(append(&replica, next));
        assert!(carry_out(&set, &replica, to, || ()));
        assert_eq!(contents(&replica), expected(0, next + 1));
    }
    let set = world.after_power_cut(&Random::seeded(5), 0).open();
    assert_eq!(contents(&set.get(TOPIC, 0).unwrap()), expected(0, 9));
}

#[test]
fn new_replicas_go_where_they_are_wanted_and_never_to_a_cordoned_directory_if_there_is_another() {
    let world = World::new();
    let set = world.open();
    let tp = |name: &str| TopicPartition::new(name, 0);
    let mut delta = Delta::new(world.image.clone());
    let mut create = |name: &str, id: u128| {
        delta.take_changes();
        add_topic(&mut delta, name, TopicId(Uuid::from_u128(id)), crate::meta::directory::UNASSIGNED);
        let changes = delta.take_changes();
        set.apply_changes(delta.image(), &changes);
        let directory = set.get(TopicId(Uuid::from_u128(id)), 0).unwrap().directory();
        set.directories().iter().position(|known| Arc::ptr_eq(known, &directory)).unwrap()
    };
    assert_eq!(create("a", 20), 1, "there are fewer");
    set.directories()[1].set_cordoned(true);
    assert_eq!((create("b", 21), create("c", 22)), (0, 0));
    assert_eq!(set.alter_log_dir(&tp("d"), None, "/data-1"), Err(AlterLogDirError::Cordoned));
    set.directories()[1].set_cordoned(false);
    assert_eq!(set.alter_log_dir(&tp("d"), None, "/data-0"), Err(AlterLogDirError::NoReplica));
    assert_eq!(set.alter_log_dir(&tp("d"), None, "/data-2"), Err(AlterLogDirError::NoSuchDirectory));
    assert_eq!((create("d", 23), create("e", 24)), (0, 1));
    for directory in set.directories() {
        directory.set_cordoned(true);
    }
    assert_eq!(create("f", 25), 0);
}
