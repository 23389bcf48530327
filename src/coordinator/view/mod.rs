//! The warm-start view: the state of coordinators as of the last clean shutdown, so that a start need not replay
//! their logs.
//!
//! ```text
//! DIR/manifest   what vouches for the rest, see `manifest`
//! DIR/db         a sled database: a tree per partition, chunks of records by number
//! chunk          offset i64, producer id i64 (-1: none), key length u32, key, value length i32 (-1: none), value; and so on
//! ```
//! It is never the only copy of anything. It is believed only after a clean shutdown, if every file is the one that
//! was written, byte for byte, and if a partition's log ends with the very batch that it ended with then; else it is
//! wiped and the log replayed. sled therefore never opens what sled has not closed itself. Partitions that are
//! replayed in no time have no place in it, so that a small broker never opens one.

mod manifest;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tracing::{debug, info, warn};

use self::manifest::Manifest;
use super::stored::{State, Stored};
use crate::base::id::{Producer, TopicId};
use crate::base::reader::Reader;
use crate::machine::Entry;
use crate::partition::{self, Replica};
use crate::wire::batch::{BatchHeader, HEADER_LEN};

/// Records in a log from which on its partition has a place in the view; fewer are replayed in some milliseconds.
const LOG_RECORDS_MIN: i64 = 10_000;
/// Bytes of a chunk, above which it ends.
const CHUNK_BYTES: usize = 32 << 10;
/// What sled may keep in memory; everything is written once and read once.
const CACHE_BYTES: u64 = 16 << 20;
/// In place of a producer id.
const NO_PRODUCER: i64 = -1;

/// The state of which log a view holds, and how that log ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    pub(super) topic_id: TopicId,
    pub(super) partition: i32,
    /// Of the last batch.
    pub(super) leader_epoch: i32,
    pub(super) end_offset: i64,
    /// Of the last batch.
    pub(super) crc: u32,
}

impl Position {
    /// The end of the replica's log; none if it holds nothing.
    pub(super) fn of(replica: &Replica, epoch: i32) -> Result<Option<Self>, partition::Error> {
        let end_offset = replica.watermarks(epoch)?.log_end_offset;
        let Some(plan) = replica.plan_replay(end_offset - 1, HEADER_LEN, epoch)? else { return Ok(None) };
        let header = || -> io::Result<Option<BatchHeader>> {
            let Some(slice) = plan.resolve()? else { return Ok(None) };
            let mut bytes = [0; HEADER_LEN];
            slice.file.read_exact_at(&mut bytes, slice.position)?;
            Ok(BatchHeader::parse(&bytes).ok())
        };
        let header = header().map_err(|_| partition::Error::Storage)?;
        Ok(header.map(|header| Self {
            topic_id: replica.topic_id(),
            partition: replica.name().partition,
            leader_epoch: header.partition_leader_epoch,
            end_offset,
            crc: header.crc,
        }))
    }

    fn tree(&self) -> String {
        format!("{}-{}", self.topic_id, self.partition)
    }
}

/// What the last shutdown has left.
enum Left {
    /// Not looked at yet.
    Found(Manifest),
    /// Partitions that nobody has asked for yet.
    Open { db: sled::Db, logs: BTreeMap<(TopicId, i32), (Position, u32)> },
    /// Nothing, or nothing any more.
    Nothing,
}

/// What the next start is to find.
#[derive(Default)]
struct Written {
    db: Option<sled::Db>,
    logs: Vec<(Position, u32)>,
}

/// The view of one node.
pub struct View {
    dir: PathBuf,
    left: Mutex<Left>,
    written: Mutex<Written>,
    log_records_min: i64,
}

/// Why a view does not come about.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Sled(#[from] sled::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
}

impl View {
    /// The view in `dir`, for which nothing is opened yet. `was_clean`: whether the last shutdown was, of all log
    /// directories.
    pub fn new(dir: PathBuf, was_clean: bool) -> Self {
        let left = match Manifest::take(&dir.join("manifest")) {
            Ok(Some(manifest)) if was_clean => Left::Found(manifest),
            Ok(None) if !dir.join("db").exists() => Left::Nothing,
            Ok(_) => wipe(&dir, "the last shutdown was not clean"),
            Err(why) => wipe(&dir, why),
        };
        let (left, written) = (Mutex::new(left), Mutex::new(Written::default()));
        Self { dir, left, written, log_records_min: LOG_RECORDS_MIN }
    }

    /// Gives `machine`, which has seen nothing, the state of the log that ends at `at`; none if the view cannot.
    pub(super) fn restore<M: Stored>(&self, mut machine: M, at: &Position) -> Option<M> {
        for chunk in self.take(at)? {
            restore_chunk(&mut machine, &chunk)?;
        }
        Some(machine)
    }

    /// The chunks of a partition, which nobody gets again; the last one wipes the view.
    fn take(&self, at: &Position) -> Option<Vec<sled::IVec>> {
        let mut left = self.left.lock();
        if let Left::Found(manifest) = &mut *left {
            let manifest = std::mem::take(manifest);
            *left = open(&self.dir, manifest).unwrap_or_else(|why| wipe(&self.dir, why));
        }
        let Left::Open { db, logs } = &mut *left else { return None };
        let found = logs.remove(&(at.topic_id, at.partition));
        let taken = match found {
            Some((described, chunks)) if described == *at => read(db, at, chunks),
            Some((described, _)) => {
                info!(?at, ?described, "the view of a coordinator is of another log");
                None
            }
            None => None,
        };
        if logs.is_empty() {
            *left = Left::Nothing;
            remove(&self.dir);
        }
        taken
    }

    /// Keeps the state of a machine whose log ends at `at` and has `log_records` records, for the next start.
    pub(super) fn put<M: Stored>(&self, machine: &M, at: &Position, log_records: i64) {
        if log_records < self.log_records_min {
            return;
        }
        let mut written = self.written.lock();
        if let Err(why) = self.write(&mut written, machine, at) {
            warn!(?at, %why, "no view of a coordinator");
        }
    }

    fn write<M: Stored>(&self, written: &mut Written, machine: &M, at: &Position) -> Result<(), Error> {
        let db = match &written.db {
            Some(db) => db,
            None => {
                *self.left.lock() = Left::Nothing;
                remove(&self.dir);
                fs::create_dir_all(&self.dir)?;
                written.db.insert(config(&self.dir).open()?)
            }
        };
        let tree = db.open_tree(at.tree())?;
        let mut chunks: u32 = 0;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        for stated in machine.state() {
            append::<M>(&stated, &mut chunk);
            if chunk.len() >= CHUNK_BYTES {
                tree.insert(chunks.to_be_bytes(), &*chunk)?;
                chunks += 1;
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            tree.insert(chunks.to_be_bytes(), &*chunk)?;
            chunks += 1;
        }
        written.logs.push((*at, chunks));
        Ok(())
    }

    /// Makes durable what was put, or wipes what is left if that was nothing. Before the logs are closed: the marker
    /// of a clean shutdown vouches for this too.
    pub fn finish(&self) {
        let Written { db, logs } = std::mem::take(&mut *self.written.lock());
        let Some(db) = db else {
            let is_open = !matches!(std::mem::replace(&mut *self.left.lock(), Left::Nothing), Left::Nothing);
            if is_open {
                remove(&self.dir);
            }
            return;
        };
        let finish = || -> Result<(), Error> {
            db.flush()?;
            drop(db);
            let files = self.dir.join("db");
            Manifest::of(&files, logs)?.write(&self.dir.join("manifest"), &files)?;
            Ok(())
        };
        if let Err(why) = finish() {
            warn!(%why, "no view of the coordinators");
            remove(&self.dir);
        }
    }
}

fn config(dir: &Path) -> sled::Config {
    sled::Config::new().path(dir.join("db")).cache_capacity(CACHE_BYTES).flush_every_ms(None)
}

fn open(dir: &Path, manifest: Manifest) -> Result<Left, Error> {
    manifest.verify(&dir.join("db"))?;
    let db = config(dir).open()?;
    let logs = manifest.logs.into_iter();
    Ok(Left::Open {
        db,
        logs: logs.map(|(at, chunks)| ((at.topic_id, at.partition), (at, chunks))).collect(),
    })
}

fn read(db: &sled::Db, at: &Position, chunks: u32) -> Option<Vec<sled::IVec>> {
    let read = db.open_tree(at.tree()).and_then(|tree| tree.iter().values().collect::<Result<Vec<_>, _>>());
    match read {
        Ok(found) if u32::try_from(found.len()) == Ok(chunks) => Some(found),
        Ok(found) => {
            warn!(?at, chunks, found = found.len(), "the view of a coordinator is not whole");
            None
        }
        Err(why) => {
            warn!(?at, %why, "the view of a coordinator cannot be read");
            None
        }
    }
}

fn wipe(dir: &Path, why: impl std::fmt::Display) -> Left {
    info!(%why, "the view of the coordinators is not used, their logs are replayed");
    remove(dir);
    Left::Nothing
}

fn remove(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        debug!(%error, "the view of the coordinators cannot be removed");
    }
}

fn append<M: Stored>(stated: &State<M::Record>, chunk: &mut Vec<u8>) {
    let (producer_id, (key, value)) = match M::encode(&stated.record) {
        Entry::Plain(record) => (NO_PRODUCER, record),
        Entry::Transactional { producer, record } => (producer.id, record),
        // What has ended is no state.
        Entry::End(_) => return,
    };
    let len = |bytes: &[u8]| i32::try_from(bytes.len()).expect("a record is smaller than 2 GiB");
    chunk.extend_from_slice(&stated.offset.to_be_bytes());
    chunk.extend_from_slice(&producer_id.to_be_bytes());
    chunk.extend_from_slice(&len(&key).to_be_bytes());
    chunk.extend_from_slice(&key);
    chunk.extend_from_slice(&value.as_deref().map_or(-1, len).to_be_bytes());
    chunk.extend_from_slice(&value.unwrap_or_default());
}

/// None if the chunk is not one: then the machine is not to be used.
fn restore_chunk<M: Stored>(machine: &mut M, chunk: &[u8]) -> Option<()> {
    let mut reader = Reader::new(chunk);
    while reader.remaining() > 0 {
        let (offset, producer_id) = (reader.i64().ok()?, reader.i64().ok()?);
        let key_len = usize::try_from(reader.i32().ok()?).ok()?;
        let key = reader.take(key_len).ok()?;
        let value_len = usize::try_from(reader.i32().ok()?).ok();
        let value = value_len.map(|len| reader.take(len)).transpose().ok()?;
        let record = (key, value);
        let entry = match producer_id {
            NO_PRODUCER => Entry::Plain(record),
            id => Entry::Transactional { producer: Producer { id, ..Producer::NONE }, record },
        };
        machine.replay(offset, &M::decode(entry).ok()??).ok()?;
    }
    Some(())
}
