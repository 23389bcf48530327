//! A data directory with something of every kind in it, and how to see whether it is still whole.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use barnabas::wire::batch::{BatchHeader, CRC_FROM, crc32c};
use barnabas::wire::compress::Codec;
use bytes::Bytes;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{DeleteTopicsRequest, GroupId, InitProducerIdRequest, TopicName};

use super::super::support::groups::{Member, group};
use super::super::support::transactions::visible;
use super::super::support::{
    Broker, Client, PATIENCE, Records, eventually, fetch_request, header_of, text, values_in,
};
use super::harm;

/// Segments of a few batches each; every batch but a segment's first has an index entry.
const DENSE: [(&str, &str); 2] = [("internal.segment.bytes", "2000"), ("index.interval.bytes", "100")];
const SETTINGS: [&str; 7] = [
    "offsets.topic.num.partitions=1",
    "transaction.state.log.num.partitions=1",
    "log.cleaner.backoff.ms=50",
    "log.segment.delete.delay.ms=0",
    "log.cleaner.dedupe.buffer.size=4194304",
    "barnabas.topic.trash.ms=3600000",
    "metadata.log.max.record.bytes.between.snapshots=1500",
];
/// Every partition that is looked at byte by byte.
pub const PARTITIONS: [(&str, i32); 4] = [("plain", 0), ("plain", 1), ("txn", 0), ("calm", 0)];
/// The partition whose first records were deleted.
pub const STARTED_LATE: (&str, i32) = ("plain", 1);
/// The partition of which only the last values are looked at.
pub const COMPACTED: (&str, i32) = ("compacted", 0);
/// The partition with the offset of the group.
pub const OFFSETS: (&str, i32) = ("__consumer_offsets", 0);
/// A topic that is only there to make small syncs in both log directories.
const BUSY: (&str, i32) = ("busy", 4);
/// Small syncs after which a log directory soon has a journal.
const BUSY_APPENDS: usize = 500;
const JOURNAL: &str = ".barnabas-journal";
const DIRS: [&str; 2] = ["one", "two"];
const TRASHED: &str = "trashed";
/// Below this offset `plain-1` has been emptied by DeleteRecords.
const DELETED_BELOW: i64 = 4;
const COMMITTED: i64 = 17;
const KEYS: usize = 5;

/// How the broker came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Clean,
    Killed,
}

/// What one partition holds: batches by their base offsets, as they are in its log.
pub type Batches = BTreeMap<i64, Bytes>;

/// The filled directories, in the states that they were in.
pub struct World {
    temp: tempfile::TempDir,
    clean: Left,
    killed: Left,
}

/// What a broker has left.
pub struct Left {
    pub picture: Picture,
    /// The last batch of an idempotent producer, and where it went.
    pub sent: (Bytes, i64),
}

/// Everything that can be seen of a broker's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub partitions: BTreeMap<(&'static str, i32), (Batches, Option<Trouble>)>,
    /// Of the transactional topic: what a read_committed consumer sees.
    pub committed_values: Result<Vec<(i64, String)>, Trouble>,
    /// Of the compacted topic.
    pub last_values: Result<BTreeMap<String, String>, Trouble>,
    /// Committed offset of the group.
    pub offset: Result<i64, Trouble>,
}

/// Why a partition is not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody leads it.
    Offline,
    /// An error code in the answer to a fetch.
    Code(i16),
    /// A batch that no consumer would take: its CRC does not fit.
    BadCrc,
}

/// Bytes that have to be free in memory; a broker makes a journal only where there is a lot more room than that takes.
const MEMORY: u64 = 2 << 30;

/// A directory in memory, where there is enough of it: nothing here depends on the device.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory).is_ok_and(|s| s.f_bavail.saturating_mul(s.f_frsize) >= MEMORY);
    if has_room { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Settings over the two log directories in `home`.
pub fn unstarted(home: &Path) -> Option<Broker> {
    let dirs = format!("log.dirs={},{}", home.join("one").display(), home.join("two").display());
    let settings: Vec<&str> = [&dirs[..]].into_iter().chain(SETTINGS).collect();
    Broker::unstarted(home, &settings)
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&source, &target);
        } else {
            harm::write(&target, &fs::read(source).unwrap());
        }
    }
}

impl World {
    /// Fills it; `None` if another broker is under test.
    pub fn new() -> Option<Self> {
        Self::filled(false)
    }

    /// One where a broker that is killed leaves its last appends in a journal of each log directory.
    pub fn with_journals() -> Option<Self> {
        let world = Self::filled(true)?;
        let home = world.copy(Stop::Killed);
        let mut broker = unstarted(home.path())?;
        assert!(broker.try_restart());
        let replayed = |line: &&String| line.contains("journal replayed") && !line.contains("entries=0 ");
        assert_eq!(broker.logged().iter().filter(replayed).count(), DIRS.len(), "{:#?}", broker.logged());
        Some(world)
    }

    fn filled(with_journals: bool) -> Option<Self> {
        let temp = scratch();
        let live = temp.path().join("live");
        let mut broker = unstarted(&live)?;
        assert!(broker.try_restart());
        let mut client = broker.connect();
        let first = Filler::make(&mut client);
        first.fill(&mut client, 0);
        broker.stop();
        copy(&live, &temp.path().join("early"));
        // Another leader epoch.
        assert!(broker.try_restart());
        let mut client = broker.connect();
        first.fill(&mut client, 1);
        first.finish(&mut client);
        eventually("the cleaner has been there", || {
            let found = DIRS.map(|dir| live.join(dir).join("cleaner-offset-checkpoint"));
            let cleaned = |file: &PathBuf| fs::read_to_string(file).is_ok_and(|t| t.contains(COMPACTED.0));
            found.iter().any(cleaned).then_some(())
        });
        let clean = Left { picture: Picture::of(&mut broker, &mut client), sent: first.resend(1) };
        broker.stop();
        copy(&live, &temp.path().join("clean"));
        assert!(broker.try_restart());
        let mut client = broker.connect();
        if with_journals {
            make_journals(&mut client, &live);
            for journal in DIRS.map(|dir| Path::new(dir).join(JOURNAL)) {
                harm::write(
                    &temp.path().join("early").join(&journal),
                    &fs::read(live.join(&journal)).unwrap(),
                );
            }
        }
        first.fill(&mut client, 2);
        let killed = Left { picture: Picture::of(&mut broker, &mut client), sent: first.resend(2) };
        broker.kill();
        copy(&live, &temp.path().join("killed"));
        fs::remove_dir_all(live).unwrap();
        Some(Self { temp, clean, killed })
    }

    /// A copy of what a stop has left.
    pub fn copy(&self, stop: Stop) -> tempfile::TempDir {
        let copied = scratch();
        let from = match stop {
            Stop::Clean => "clean",
            Stop::Killed => "killed",
        };
        copy(&self.temp.path().join(from), copied.path());
        copied
    }

    /// Where an earlier state is.
    pub fn early(&self) -> PathBuf {
        self.temp.path().join("early")
    }

    pub fn left(&self, stop: Stop) -> &Left {
        match stop {
            Stop::Clean => &self.clean,
            Stop::Killed => &self.killed,
        }
    }
}

/// The directory of a partition, in whichever log directory it is.
pub fn partition_dir(home: &Path, partition: (&str, i32)) -> PathBuf {
    let name = format!("{}-{}", partition.0, partition.1);
    let found = DIRS.map(|dir| home.join(dir).join(&name));
    found.into_iter().find(|dir| dir.exists()).expect("it is somewhere")
}

/// Appends to both log directories until all that is appended goes through their journals.
fn make_journals(client: &mut Client, live: &Path) {
    client.create_named(&topic(BUSY.0), BUSY.1, &[]);
    for dir in DIRS.map(|dir| live.join(dir)) {
        let mut partitions = 0..BUSY.1;
        let here = partitions.find(|partition| dir.join(format!("{}-{partition}", BUSY.0)).exists());
        let mut append = || client.append(&topic(BUSY.0), here.unwrap(), &Records::of(["small"]));
        for _ in 0..BUSY_APPENDS {
            append();
        }
        eventually("the journal is written to", || {
            append();
            let mut entry = [0; 4];
            let journal = fs::File::open(dir.join(JOURNAL)).ok()?;
            (journal.read_at(&mut entry, 0).unwrap() == entry.len() && entry != [0; 4]).then_some(())
        });
    }
}

/// Who fills the directory.
struct Filler {
    producer: i64,
}

impl Filler {
    fn make(client: &mut Client) -> Self {
        client.create_named(&topic("plain"), 2, &DENSE);
        client.create_named(&topic("txn"), 1, &DENSE);
        client.create_named(&topic("calm"), 1, &[]);
        let compacted = [&DENSE[..], &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01")]];
        client.create_named(&topic(COMPACTED.0), 1, &compacted.concat());
        client.create_named(&topic(TRASHED), 1, &[]);
        client.append(&topic(TRASHED), 0, &Records::of(["gone"]));
        let init = InitProducerIdRequest::default().with_transactional_id(None);
        let producer =
            eventually("a producer id", || Some(client.call(&init, 4).producer_id.0).filter(|id| *id >= 0));
        Self { producer }
    }

    /// Batch `number` of the idempotent producer.
    fn batch(&self, number: i32) -> Records {
        let codecs = [Codec::None, Codec::Gzip, Codec::Lz4, Codec::Zstd, Codec::Snappy];
        let codec = codecs[usize::try_from(number).unwrap() % codecs.len()];
        let value = format!("{number:-<150}");
        Records::of([&value[..], &value[..100]]).codec(codec).producer(self.producer, 0, 2 * number)
    }

    fn fill(&self, client: &mut Client, round: i32) {
        for number in 20 * round..20 * (round + 1) {
            client.append(&topic("plain"), 0, &self.batch(number));
            let plain = Records::of([format!("{number:=<200}")]);
            client.append(&topic("plain"), 1, &plain);
            let key = format!("k{}", usize::try_from(number).unwrap() % KEYS);
            let keyed = Records::of([format!("{number:+<200}")]).key(0, &key);
            client.append(&topic(COMPACTED.0), 0, &keyed);
        }
        client.append(&topic("calm"), 0, &Records::of([format!("round {round}")]));
        let mut txn = client.init("txn");
        for (number, committed) in [(0, false), (1, true), (2, false), (3, true)] {
            for part in 0..2 {
                let value = format!("{round}.{number}.{part}{}", ".".repeat(400));
                let batch = txn.batch(part, &[&value]);
                client.append_in(&txn, &topic("txn"), 0, &batch);
            }
            txn = client.finish(&txn, committed);
            client.await_stable(&topic("txn"), 0);
        }
        let members = group("group");
        client.await_coordinator(&members);
        assert_eq!(client.commit(&Member::of(&members), &topic("calm"), 0, COMMITTED), 0);
    }

    /// What happens once.
    fn finish(&self, client: &mut Client) {
        super::super::topic_trash::delete_records(client, &topic("plain"), 1, DELETED_BELOW);
        let gone = DeleteTopicState::default().with_name(Some(topic(TRASHED)));
        let timeout_ms = i32::try_from(PATIENCE.as_millis()).unwrap();
        let request = DeleteTopicsRequest::default().with_topics(vec![gone]).with_timeout_ms(timeout_ms);
        assert_eq!(client.call(&request, 6).responses[0].error_code, 0);
    }

    /// The producer's last batch after `round`, and its base offset.
    fn resend(&self, round: i32) -> (Bytes, i64) {
        let number = 20 * (round + 1) - 1;
        (self.batch(number).bytes(), i64::from(2 * number))
    }
}

impl Picture {
    pub fn of(broker: &mut Broker, client: &mut Client) -> Self {
        let partitions = PARTITIONS.map(|partition| (partition, read(broker, client, partition)));
        Self {
            partitions: partitions.into_iter().collect(),
            committed_values: committed_values(broker, client),
            last_values: last_values(broker, client),
            offset: committed_offset(broker, client),
        }
    }
}

fn committed_offset(broker: &mut Broker, client: &mut Client) -> Result<i64, Trouble> {
    if !is_led(broker, client, OFFSETS) {
        return Err(Trouble::Offline);
    }
    let members: GroupId = group("group");
    client.await_coordinator(&members);
    Ok(client.committed_one(&members, &topic("calm"), 0).committed_offset)
}

fn last_values(broker: &mut Broker, client: &mut Client) -> Result<BTreeMap<String, String>, Trouble> {
    let (batches, trouble) = read(broker, client, COMPACTED);
    let mut last = BTreeMap::new();
    for (_, value) in batches.values().flat_map(|batch| values_in(batch)) {
        let number = value.trim_end_matches('+').parse::<usize>().unwrap();
        last.insert(format!("k{}", number % KEYS), value);
    }
    trouble.map_or(Ok(last), Err)
}

fn committed_values(broker: &mut Broker, client: &mut Client) -> Result<Vec<(i64, String)>, Trouble> {
    if !is_led(broker, client, ("txn", 0)) {
        return Err(Trouble::Offline);
    }
    let (mut values, mut next) = (Vec::new(), 0);
    loop {
        let request = fetch_request(&topic("txn"), 0, next).with_isolation_level(1);
        let answer = client.call(&request, 12).responses.remove(0).partitions.remove(0);
        if answer.error_code != 0 {
            return Err(Trouble::Code(answer.error_code));
        }
        let mut records = answer.records.unwrap_or_default();
        if records.is_empty() {
            return Ok(values);
        }
        let aborted = answer.aborted_transactions.iter().flatten();
        let aborted: Vec<(i64, i64)> = aborted.map(|txn| (txn.producer_id.0, txn.first_offset)).collect();
        let mut whole = Vec::new();
        while let Some(batch) = whole_batch(&mut records) {
            if is_damaged(&batch) {
                return Err(Trouble::BadCrc);
            }
            next = header_of(&batch).next_offset();
            whole.extend(batch);
        }
        values.extend(visible(&whole, &aborted));
    }
}

/// Whether the partition is led; waits until that is decided.
fn is_led(broker: &mut Broker, client: &mut Client, (name, partition): (&str, i32)) -> bool {
    let offline = format!("{name}-{partition} ");
    eventually("it is known who leads", || {
        if client.list_offset(&topic(name), partition, -1).error_code == 0 {
            return Some(true);
        }
        let lines = broker.logged().iter();
        let mut said = lines.filter(|line| line.contains("replica is offline") && line.contains(&offline));
        said.next().is_some().then_some(false)
    })
}

/// Reads a partition from its start on, as far as that goes.
pub fn read(
    broker: &mut Broker,
    client: &mut Client,
    (name, partition): (&str, i32),
) -> (Batches, Option<Trouble>) {
    let mut found = Batches::new();
    if !is_led(broker, client, (name, partition)) {
        return (found, Some(Trouble::Offline));
    }
    let mut next = client.list_offset(&topic(name), partition, -2).offset;
    loop {
        let answer = client.fetch(&topic(name), partition, next);
        if answer.error_code != 0 {
            return (found, Some(Trouble::Code(answer.error_code)));
        }
        let mut records = answer.records.unwrap_or_default();
        if records.is_empty() {
            return (found, None);
        }
        while let Some(batch) = whole_batch(&mut records) {
            if is_damaged(&batch) {
                return (found, Some(Trouble::BadCrc));
            }
            let header = header_of(&batch);
            next = header.next_offset();
            found.insert(header.base_offset, batch);
        }
    }
}

/// The next batch, if there is one with a header.
fn whole_batch(records: &mut Bytes) -> Option<Bytes> {
    let header = BatchHeader::parse(records).ok()?;
    (header.total_len() <= records.len()).then(|| records.split_to(header.total_len()))
}

/// Whether no consumer would take the batch.
fn is_damaged(batch: &[u8]) -> bool {
    crc32c(&batch[CRC_FROM..]) != header_of(batch).crc
}
