//! One snapshot file: `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint` (`Snapshots`, `RecordsSnapshotWriter`).
//!
//! ```text
//! control batch   SnapshotHeader, and with dynamic voters KRaftVersion and KRaftVoters
//! data batches    the records of an image
//! control batch   SnapshotFooter; without it the file is torn
//! ```
//! Offsets in it count from 0; every batch has the epoch of the last record that the image contains.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use super::batch_file::{BatchFile, Unreadable};
use super::batches::{self, Entry, Place};
use super::error::Error;
use super::membership::Membership;
use crate::log::disk::{Disk, File, Mode};
use crate::meta::Image;
use crate::wire::batch::Batch;
use crate::wire::builder::BatchBuilder;
use crate::wire::kraft::Record;
use crate::wire::kraft::control::{ControlRecord, SnapshotFooter, SnapshotHeader};

/// Ends the name of a snapshot.
const SUFFIX: &str = ".checkpoint";
/// Ends the name of a snapshot that is being written.
const PARTIAL_SUFFIX: &str = ".checkpoint.part";
/// Ends the name of a snapshot that Kafka is about to remove.
const DELETED_SUFFIX: &str = ".checkpoint.deleted";
const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;
/// A batch of a snapshot is ended when it is so long.
const BATCH_LEN: usize = 256 * 1024;

/// What a snapshot contains: everything below an offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SnapshotId {
    /// The first offset that is not in it.
    pub(super) end_offset: i64,
    /// Epoch of the last record that is.
    pub(super) epoch: i32,
}

impl SnapshotId {
    /// The file in `dir`.
    pub(super) fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:020}-{:010}{SUFFIX}", self.end_offset, self.epoch))
    }

    /// What the name of a file says, if it is a snapshot's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let digits = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(offset, OFFSET_DIGITS) || !digits(epoch, EPOCH_DIGITS) {
            return None;
        }
        Some(Self { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// Removes the snapshots in `dir` that were half written or half removed.
pub(super) fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    for entry in disk.list(dir).map_err(|e| Error::io(dir, e))? {
        if entry.name.ends_with(PARTIAL_SUFFIX) || entry.name.ends_with(DELETED_SUFFIX) {
            super::remove_if_there(disk, &dir.join(&entry.name))?;
        }
    }
    Ok(())
}

/// What a snapshot says beside its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    /// When the last record in it was appended, in ms.
    pub(super) timestamp_ms: i64,
    /// Who voted.
    pub(super) membership: Membership,
}

/// Reads a snapshot, or a bootstrap file, and hands its records to `apply`, which says what is wrong with one.
pub(super) fn read(
    disk: &dyn Disk,
    path: &Path,
    apply: impl FnMut(Record) -> Result<(), String>,
) -> Result<Summary, Error> {
    let file = BatchFile::open(disk, path).map_err(|e| Error::io(path, e))?;
    let mut reader = Reader { path, file, offset: 0, apply, state: State::Empty };
    reader.read()
}

/// How far a reader has come.
enum State {
    Empty,
    Begun(Summary),
    Ended(Summary),
}

struct Reader<'a, Apply> {
    path: &'a Path,
    file: BatchFile,
    offset: i64,
    apply: Apply,
    state: State,
}

impl<Apply: FnMut(Record) -> Result<(), String>> Reader<'_, Apply> {
    fn read(&mut self) -> Result<Summary, Error> {
        while let Some(batch) = self.next_batch()? {
            let entries = batches::decode(&batch, self.offset).map_err(|e| self.broken(&e))?;
            self.offset = batch.header.next_offset();
            for entry in entries {
                self.take(entry).map_err(|reason| self.broken(&reason))?;
            }
        }
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Ended(summary) => Ok(summary),
            State::Empty | State::Begun(_) => Err(self.broken(&"it ends without a footer")),
        }
    }

    fn broken(&self, reason: &impl ToString) -> Error {
        Error::Snapshot { path: self.path.to_owned(), reason: reason.to_string() }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        self.file.next().map_err(|error| match error {
            Unreadable::Io(error) => Error::io(self.path, error),
            Unreadable::Malformed(why) => self.broken(&why),
        })
    }

    fn take(&mut self, entry: Entry) -> Result<(), String> {
        let begun = match (&mut self.state, entry) {
            (State::Empty, Entry::Control(ControlRecord::SnapshotHeader(header))) => {
                let timestamp_ms = header.last_contained_log_timestamp;
                self.state = State::Begun(Summary { timestamp_ms, membership: Membership::default() });
                return Ok(());
            }
            (State::Empty, _) => return Err("it does not begin with a header".to_owned()),
            (State::Ended(_), _) => return Err("it goes on after its footer".to_owned()),
            (State::Begun(_), Entry::Data(record)) => return (self.apply)(record),
            (State::Begun(summary), Entry::Control(record)) => (summary, record),
        };
        match begun {
            (_, ControlRecord::SnapshotHeader(_)) => Err("it has two headers".to_owned()),
            (summary, ControlRecord::SnapshotFooter(_)) => {
                self.state = State::Ended(std::mem::take(summary));
                Ok(())
            }
            (summary, record) => {
                summary.membership.replay(record);
                Ok(())
            }
        }
    }
}

/// What goes into a snapshot, or into a bootstrap file.
pub(super) struct Content<'a> {
    /// Epoch of its batches.
    pub(super) epoch: i32,
    /// When the last record in it was appended, in ms.
    pub(super) timestamp_ms: i64,
    /// Who votes.
    pub(super) membership: &'a Membership,
    /// All else.
    pub(super) records: &'a [Record],
}

/// Writes the snapshot of `image` and gives its length in bytes. It is there, durably, once this has returned.
pub(super) fn write(
    disk: &dyn Disk,
    dir: &Path,
    id: SnapshotId,
    image: &Image,
    membership: &Membership,
) -> Result<u64, Error> {
    let (timestamp_ms, records) = (image.provenance.timestamp_ms, image.records());
    let content = Content { epoch: id.epoch, timestamp_ms, membership, records: &records };
    write_file(disk, &id.path(dir), &content)
}

/// Writes `content` to the file `path`, which is there, whole and durably, once this has returned.
pub(super) fn write_file(disk: &dyn Disk, path: &Path, content: &Content<'_>) -> Result<u64, Error> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let len = write_partial(disk, &partial, content).map_err(|e| Error::io(&partial, e))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    // The name must not point to bytes that a power cut can take back.
    disk.rename(&partial, path).and_then(|()| disk.sync_dir(dir)).map_err(|e| Error::io(path, e))?;
    Ok(len)
}

fn write_partial(disk: &dyn Disk, path: &Path, content: &Content<'_>) -> std::io::Result<u64> {
    let file = disk.open(path, Mode::Create)?;
    file.set_len(0)?;
    let Content { epoch, timestamp_ms, membership, records } = *content;
    let place = Place { base_offset: 0, epoch, timestamp_ms };
    let mut writer = Writer { file: &*file, position: 0, place };
    let header = SnapshotHeader { version: 0, last_contained_log_timestamp: timestamp_ms };
    let mut control = vec![ControlRecord::from(header)];
    control.extend(membership.records());
    writer.append(&batches::of_control(&control, writer.place))?;
    writer.append_records(records)?;
    let footer = [SnapshotFooter { version: 0 }.into()];
    writer.append(&batches::of_control(&footer, writer.place))?;
    file.sync_data()?;
    Ok(writer.position)
}

struct Writer<'a> {
    file: &'a dyn File,
    position: u64,
    place: Place,
}

impl Writer<'_> {
    fn append_records(&mut self, records: &[Record]) -> std::io::Result<()> {
        let mut builder = BatchBuilder::new();
        let mut value = Vec::new();
        for record in records {
            value.clear();
            record.encode(&mut value);
            builder.push(self.place.timestamp_ms, None, Some(&value), &[]);
            if builder.len() >= BATCH_LEN {
                let full = std::mem::take(&mut builder);
                self.append(&batches::build(full, self.place, false))?;
            }
        }
        if builder.is_empty() { Ok(()) } else { self.append(&batches::build(builder, self.place, false)) }
    }

    fn append(&mut self, batch: &Batch) -> std::io::Result<()> {
        self.file.write_at(&[IoSlice::new(&batch.bytes)], self.position)?;
        self.position += u64::try_from(batch.bytes.len()).unwrap_or(u64::MAX);
        self.place.base_offset = batch.header.next_offset();
        Ok(())
    }
}
