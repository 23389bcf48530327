//! Every kind of file times every kind of damage, after a clean stop and after `kill -9`: what is derived is made anew,
//! what is not is never silently wrong, and whatever happens happens to the damaged partition alone.
//!
//! `DAMAGE_SEEDS=n` plays the matrix with n seeds; each failure names its own.

mod files;
mod harm;
mod world;

use std::any::Any;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use barnabas::base::random::Random;

use self::files::{
    File, META_PROPERTIES, METADATA, OF_DIRECTORIES, OF_JOURNALS, OF_LOGS, OF_METADATA, OF_PARTITIONS, Rule,
};
use self::harm::Harm;
use self::world::{Batches, Left, Picture, Stop, World, topic, unstarted};
use super::support::{Broker, Client, Records};

/// Brokers at work at the same time, at most.
const AT_ONCE_MAX: usize = 2;
/// Held by the test whose brokers are at work: timing tests run beside these.
static TURN: Mutex<()> = Mutex::new(());

/// What a broker may complain of: the file, what it belongs to, and those who need that.
const COMPLAINTS: [&str; 18] = [
    "clean shutdown file is unreadable",
    "cut the unsynced end off the metadata log",
    "damaged tail cut off above the recovery point",
    "entry of the journal is damaged and passed over",
    "index is broken and made anew",
    "index is missing or broken and made anew",
    "leader epochs are made anew",
    "log cannot be read",
    "log start is behind the log's end and not used",
    "log takes no more appends",
    "offset checkpoint is ignored",
    "partition.metadata cannot be read",
    "passing over a metadata snapshot",
    "producer snapshot is broken and not used",
    "replica is offline",
    "topic id is misspelt",
    "trash file is damaged and left alone",
    "trash file of another replica is left alone",
];

/// One field of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    file: File,
    harm: Harm,
    stop: Stop,
    /// Whether the broker that was stopped is there again when it happens.
    is_running: bool,
    seed: u64,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, harm, stop, is_running, seed } = self;
        write!(f, "{} {harm:?} {stop:?}, running: {is_running} (seed {seed})", file.name)
    }
}

fn seeds() -> u64 {
    std::env::var("DAMAGE_SEEDS").map_or(1, |n| n.parse().expect("DAMAGE_SEEDS is a number"))
}

/// Every kind of damage to some files while no broker runs, after each of these stops.
fn cells(files: &[File], stops: &[Stop]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for seed in 0..seeds() {
        for file in files {
            for stop in stops {
                let is_running = false;
                let cell = |harm| Cell { file: *file, harm, stop: *stop, is_running, seed };
                cells.extend(Harm::ALL.map(cell));
            }
        }
    }
    cells
}

/// Plays every kind of damage to some files while no broker runs.
fn play(files: &[File]) {
    play_all(World::new, &cells(files, &[Stop::Clean, Stop::Killed]));
}

/// Plays cells, several at once, and tells all that went wrong, and which files are never damaged.
fn play_all(fill: fn() -> Option<World>, cells: &[Cell]) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(world) = fill() else { return };
    let (next, wrong, harmed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tried = std::panic::catch_unwind(|| cell.play(&world));
            match tried.unwrap_or_else(|panic| Err(said(&*panic))) {
                Ok(true) => drop(harmed.lock().unwrap().insert(cell.file.name)),
                Ok(false) => {}
                Err(why) => wrong.lock().unwrap().push(format!("{cell}: {why}")),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from).min(AT_ONCE_MAX) {
            scope.spawn(work);
        }
    });
    drop(turn);
    let (wrong, harmed) = (wrong.into_inner().unwrap(), harmed.into_inner().unwrap());
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
    let spared: BTreeSet<_> =
        cells.iter().map(|c| c.file.name).filter(|name| !harmed.contains(name)).collect();
    assert!(spared.is_empty(), "nothing ever happens to {spared:?}");
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&'static str>().map(|said| (*said).to_owned());
    let said = literal.or_else(|| panic.downcast_ref::<String>().cloned());
    said.unwrap_or_else(|| "the test panicked".to_owned())
}

impl Cell {
    /// Whether the file was there and could be damaged like this; an error if something went wrong then.
    fn play(&self, world: &World) -> Result<bool, String> {
        let home = world.copy(self.stop);
        let mut broker = unstarted(home.path()).unwrap();
        for text in COMPLAINTS {
            broker.expect_complaint(text);
        }
        if self.is_running && matches!(self.file.rule, Rule::Log(..)) {
            // At its stop, which cannot close a log that takes no more appends.
            broker.expect_complaint("log is not closed cleanly");
        }
        let played = self.play_in(home.path(), &mut broker, world);
        if played.is_err() {
            // That tells more than a complaint.
            broker.expect_complaint("");
        }
        played
    }

    fn play_in(&self, home: &Path, broker: &mut Broker, world: &World) -> Result<bool, String> {
        let left = world.left(self.stop);
        let Some((path, other)) = (self.file.find)(home) else { return Ok(false) };
        let inside = path.strip_prefix(home).unwrap();
        if self.is_beyond_notice() {
            return Ok(false);
        }
        let random = Random::seeded(self.seed);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if self.is_running && !broker.try_restart() {
            return Err("nothing has happened yet".to_owned());
        }
        if !path.exists() || !self.harm.apply(&path, &world.early().join(inside), other.as_deref(), &random) {
            return Ok(false);
        }
        if !self.is_running && !broker.try_restart() {
            return self.refused(broker, &name).map(|()| true);
        }
        let mut excused = self.excused();
        self.is_as_it_should_be(broker, left, &mut excused, true)?;
        let lines = self.lines(broker, &name)?;
        let files = if self.harm == Harm::Swapped { 2 } else { 1 };
        if lines.len() > files || (lines.is_empty() && !self.is_running && self.must_be_told()) {
            return Err(format!("{} lines: {lines:#?}", lines.len()));
        }
        self.end(broker, &name)?;
        if !broker.try_restart() {
            return Err(format!("the second start fails: {:#?}", broker.logged()));
        }
        self.is_as_it_should_be(broker, left, &mut excused, false)?;
        let again = self.lines(broker, &name)?;
        if self.file.rule == Rule::Derived && !self.is_running && excused.is_empty() && !again.is_empty() {
            return Err(format!("complains again: {again:#?}"));
        }
        self.end(broker, &name).map(|()| true)
    }

    /// Damage that leaves a file as a broker might have written it: here a transaction index of fewer aborts.
    fn is_beyond_notice(&self) -> bool {
        self.file.name == "txnindex" && matches!(self.harm, Harm::Gone | Harm::Stale | Harm::Swapped)
    }

    /// Damage after which a log ends where it once did: told only if a checkpoint was written since, every 5 seconds.
    fn leaves_an_end(&self) -> bool {
        self.file.name == "active log" && matches!(self.harm, Harm::Gone | Harm::Empty | Harm::Stale)
    }

    /// Damage that leaves no file of the kind: the broker says so when it makes the file anew.
    fn must_be_told(&self) -> bool {
        let is_binary = ["index", "snapshot"].iter().any(|end| self.file.name.ends_with(end));
        let is_plain = self.harm == Harm::Garbage || (self.harm == Harm::CutByOne && is_binary);
        let is_always_rebuilt = self.stop == Stop::Killed && self.file.name.contains("active");
        // The newest snapshot of a broker that was killed lies where the scan makes it anew.
        let is_checked = !["clean stop", "journal", "older snapshot"].contains(&self.file.name)
            && (self.file.name, self.stop) != ("snapshot", Stop::Killed);
        self.file.rule == Rule::Derived && is_plain && is_checked && !is_always_rebuilt
    }

    fn end(&self, broker: &mut Broker, name: &str) -> Result<(), String> {
        match self.stop {
            Stop::Clean => {
                let code = broker.stop();
                if code != Some(0) {
                    return Err(format!("stops with {code:?}: {:#?}", broker.logged()));
                }
            }
            Stop::Killed => broker.kill(),
        }
        self.lines(broker, name).map(drop)
    }

    /// A start that is refused is refused with the file's name and code 1, and again the next time.
    fn refused(&self, broker: &mut Broker, name: &str) -> Result<(), String> {
        [METADATA, META_PROPERTIES].iter().for_each(|text| broker.expect_complaint(text));
        let code = broker.wait();
        let lines = broker.logged().join("\n");
        if self.file.rule != Rule::Vital
            || code != Some(1)
            || !(lines.contains(name) || lines.contains(METADATA))
        {
            return Err(format!("refused with {code:?}: {lines}"));
        }
        if broker.try_restart() { Err("refused once and not again".to_owned()) } else { Ok(()) }
    }

    /// Warnings and errors that name the file. Panics of the broker are errors of the cell.
    fn lines(&self, broker: &mut Broker, name: &str) -> Result<Vec<String>, String> {
        let all = broker.logged();
        if let Some(panic) = all.iter().find(|line| line.contains("panicked at")) {
            return Err(panic.clone());
        }
        let complains = |line: &&String| ["] WARN", "] ERROR"].iter().any(|mark| line.contains(mark));
        Ok(all.iter().filter(complains).filter(|line| line.contains(name)).cloned().collect())
    }

    /// Whether all that the damage does not excuse is there; goes on writing. Adds to `excused` what a wrong recovery
    /// point has put offline, and nothing else.
    fn is_as_it_should_be(
        &self,
        broker: &mut Broker,
        left: &Left,
        excused: &mut Vec<(&'static str, i32)>,
        is_first: bool,
    ) -> Result<(), String> {
        let mut client = broker.connect();
        let seen = Picture::of(broker, &mut client);
        if self.file.rule == Rule::RecoveryPoints {
            excused.extend(short_of_recovery_points(broker));
        }
        let is_excused = |partition| excused.contains(&partition);
        // Above the recovery point a log ends where it makes no sense any more.
        let is_cut = self.stop == Stop::Killed
            && (self.leaves_an_end() || broker.logged().iter().any(|l| l.contains("tail cut off")));
        for (partition, (batches, trouble)) in &seen.partitions {
            let (expected, _) = &left.picture.partitions[partition];
            if is_excused(*partition) {
                if self.harm != Harm::Swapped {
                    never_wrong(batches, trouble.is_some() || is_cut || !is_first, expected)?;
                }
                continue;
            }
            let mut found = batches.clone();
            if self.file.rule == Rule::LogStarts && *partition == world::STARTED_LATE {
                found = found.split_off(expected.first_key_value().unwrap().0);
            }
            if !is_first {
                // What this test has written at the end of the first start.
                found.pop_last();
            }
            if trouble.is_some() || found != *expected {
                return Err(format!("{partition:?}: {trouble:?} {}", differ(&found, expected)));
            }
        }
        if !is_excused(("txn", 0)) && is_first && seen.committed_values != left.picture.committed_values {
            return Err(format!("committed: {:?}", seen.committed_values));
        }
        if !is_excused(world::COMPACTED) && seen.last_values != left.picture.last_values {
            return Err(format!("last values: {:?}", seen.last_values));
        }
        if !is_excused(world::OFFSETS) && seen.offset != left.picture.offset {
            return Err(format!("committed offset: {:?}", seen.offset));
        }
        // A sound snapshot of another partition is as good as this one's.
        let is_foreign = self.harm == Harm::Swapped && self.file.name.contains("snapshot");
        if is_first && !is_excused(("plain", 0)) && !is_foreign {
            let again = client.produce(&topic("plain"), 0, left.sent.0.clone());
            if (again.error_code, again.base_offset) != (0, left.sent.1) {
                return Err(format!("the producer's state: {again:?}"));
            }
        }
        if is_first { go_on(&mut client, excused) } else { Ok(()) }
    }

    /// The partitions that need not be as they were.
    fn excused(&self) -> Vec<(&'static str, i32)> {
        match self.file.rule {
            Rule::Log(name, partition) if self.harm == Harm::Swapped => vec![(name, partition), ("plain", 1)],
            Rule::Log(name, partition) => vec![(name, partition)],
            // Whether the files were exchanged or the directories, nobody can tell.
            Rule::Derived if self.harm == Harm::Swapped && self.file.name == "partition.metadata" => {
                vec![("txn", 0), ("plain", 1)]
            }
            Rule::Derived | Rule::Unneeded | Rule::RecoveryPoints | Rule::LogStarts | Rule::Vital => vec![],
        }
    }
}

/// The partitions that are offline because their logs end below what is said to be their recovery points.
fn short_of_recovery_points(broker: &mut Broker) -> Vec<(&'static str, i32)> {
    let mut known = world::PARTITIONS.to_vec();
    known.extend([world::COMPACTED, world::OFFSETS]);
    let lines = broker.logged().iter().filter(|line| line.contains("below its recovery point"));
    let all = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
    known.retain(|(name, partition)| all.contains(&format!("/{name}-{partition} ")));
    known
}

/// Everything that is whole can be written to.
fn go_on(client: &mut Client, excused: &[(&str, i32)]) -> Result<(), String> {
    for (name, partition) in world::PARTITIONS {
        let written = client.produce(&topic(name), partition, Records::of(["more"]).bytes());
        if written.error_code != 0 && !excused.contains(&(name, partition)) {
            return Err(format!("{name}-{partition} takes no more: {written:?}"));
        }
    }
    Ok(())
}

/// What is read of a damaged log is a beginning of what was there, perhaps followed by what came later.
fn never_wrong(found: &Batches, is_told: bool, expected: &Batches) -> Result<(), String> {
    let known = found.values().zip(expected.values()).take_while(|(a, b)| is_same(a, b)).count();
    // No checksum covers the base offset: a reader is where it says, and goes on from there.
    let is_misplaced = found.keys().zip(expected.keys()).take(known).any(|(a, b)| a != b);
    let is_beginning = found.len() - known <= 1 || is_misplaced;
    if !is_beginning || (!is_told && !is_misplaced && known < expected.len()) {
        return Err(format!("wrong: {}", differ(found, expected)));
    }
    Ok(())
}

/// Whether two batches are the same in all that their checksum and their length vouch for.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    const EPOCH_TO: usize = 16;
    one.len() == other.len() && one[EPOCH_TO..] == other[EPOCH_TO..]
}

fn differ(found: &Batches, expected: &Batches) -> String {
    let offsets = |batches: &Batches| batches.keys().copied().collect::<Vec<_>>();
    let same = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
    format!("the first {same} batches of {:?} are as in {:?}", offsets(found), offsets(expected))
}

#[test]
fn damage_to_derived_files_of_a_partition() {
    play(&OF_PARTITIONS);
}

#[test]
fn damage_to_logs() {
    play(&OF_LOGS);
}

#[test]
fn damage_to_files_of_a_log_directory() {
    play(&OF_DIRECTORIES);
}

#[test]
fn damage_to_journals() {
    // A clean stop leaves none.
    play_all(World::with_journals, &cells(&OF_JOURNALS, &[Stop::Killed]));
}

#[test]
fn damage_under_a_running_broker() {
    let harms = [Harm::Empty, Harm::Cut, Harm::CutByOne, Harm::Flip, Harm::ZeroPage, Harm::DoublePage];
    let is_read_later = |file: &File| !["txnindex", "partition.metadata"].contains(&file.name);
    let mut cells = Vec::new();
    for seed in 0..seeds() {
        for file in OF_LOGS.into_iter().chain(OF_PARTITIONS).filter(is_read_later) {
            let stop = Stop::Clean;
            cells.extend(harms.map(|harm| Cell { file, harm, stop, is_running: true, seed }));
        }
    }
    play_all(World::new, &cells);
}

#[test]
fn damage_to_metadata() {
    play(&OF_METADATA);
}
