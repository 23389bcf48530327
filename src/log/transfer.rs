//! A copy of a log in another directory, which takes the log's place when it has all of it.
//!
//! The batches are checked on the way, and keep their offsets and segments; indexes are made anew. Readers of the log
//! are not disturbed, not even by the change: they find their segments under the new name of the old directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::disk::Disk;
use super::error::AppendError;
use super::log::Log;
use super::names::Kind;
use super::producers::{ProducerStates, snapshot};
use super::segment::Segment;
use super::{replay, walk};
use crate::wire::batch::{Batch, BatchError, BatchHeader};

/// How much is read at once, unless a single batch is larger.
const READ_BYTES: usize = 1 << 20;

/// Why a log cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read, or what it holds makes no sense.
    #[error("{} cannot be copied from byte {position} on: {source}", path.display())]
    Source {
        /// The segment's file.
        path: PathBuf,
        /// Where the trouble begins.
        position: u64,
        /// What is wrong.
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error("{}: {source}", path.display())]
    Target {
        /// The directory of the copy.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// The copy is not wanted any more.
    #[error("the copy is given up")]
    GivenUp,
}

/// Called with the bytes that were copied; false ends the copying.
pub type Pace<'a> = dyn FnMut(usize) -> bool + 'a;

/// The segments of a log at some moment. The last one may grow further.
#[derive(Clone)]
pub struct Extent(Arc<Vec<Arc<Segment>>>);

impl Log {
    /// What there is to be copied.
    pub fn extent(&self) -> Extent {
        Extent(self.segments.clone())
    }

    /// Renames the log's directory, not durably. Everything must be flushed.
    fn rename(&mut self, to: &Path) -> io::Result<()> {
        let (from, to): (_, Arc<Path>) = (self.dir.clone(), Arc::from(to));
        Segment::relocate(&self.segments, &to, || self.disk.rename(&from, &to))?;
        self.dir = to;
        Ok(())
    }
}

/// A copy that is behind its log.
pub struct Transfer {
    log: Log,
    /// The source's segment that is being copied, and the byte up to which it is.
    at: (i64, u64),
    now_ms: i64,
}

impl Transfer {
    /// Makes an empty copy of `source` in the directory `dir` on `disk`, which does not exist yet.
    pub fn begin(source: &Log, disk: Arc<dyn Disk>, dir: &Path, now_ms: i64) -> Result<Self, Error> {
        let first = source.segments.first().expect("a log always has a segment").base_offset;
        let made = disk.create_dir_all(dir).and_then(|()| empty_copy(source, disk, dir, first, now_ms));
        let log = made.map_err(|source| Error::Target { path: dir.to_owned(), source })?;
        Ok(Self { log, at: (i64::MIN, 0), now_ms })
    }

    /// Has the copy, which is empty, begin at another offset.
    fn begin_at(&mut self, base_offset: i64) -> io::Result<()> {
        self.log.active_segment().remove()?;
        let (disk, dir) = (self.log.disk.clone(), self.log.dir.clone());
        self.log = empty_copy(&self.log, disk, &dir, base_offset, self.now_ms)?;
        Ok(())
    }

    /// The directory of the copy.
    pub fn dir(&self) -> &Path {
        self.log.dir()
    }

    /// The offset after the last batch that is copied.
    pub fn end_offset(&self) -> i64 {
        self.log.end_offset()
    }

    /// Bytes of the copy.
    pub fn size_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// How many bytes the segments have that the copy does not.
    pub fn bytes_behind(&self, extent: &Extent) -> u64 {
        let (at, copied) = self.at;
        let left = extent.0.iter().filter(|segment| segment.base_offset >= at);
        left.map(|s| if s.base_offset == at { s.size().saturating_sub(copied) } else { s.size() }).sum()
    }

    /// Copies what the segments have that the copy does not. Nothing may replace or remove segments from the first
    /// call to the last.
    pub fn copy(&mut self, extent: &Extent, pace: &mut Pace<'_>) -> Result<(), Error> {
        let from = self.at.0;
        for segment in extent.0.iter().filter(|segment| segment.base_offset >= from) {
            if self.at.0 != segment.base_offset {
                self.enter(segment)?;
                self.at = (segment.base_offset, 0);
            }
            self.copy_segment(segment, pace)?;
        }
        Ok(())
    }

    /// Begins the copy of a segment, with the producers that are known where it begins.
    fn enter(&mut self, segment: &Arc<Segment>) -> Result<(), Error> {
        let base_offset = segment.base_offset;
        let is_first = self.at.0 == i64::MIN;
        // While the move waited, retention may have taken away the segment with which the log began then.
        if is_first && self.log.active_segment().base_offset != base_offset {
            self.begin_at(base_offset).map_err(|e| self.target(e))?;
        }
        let snapshot = segment.path(Kind::Log).with_file_name(snapshot::file_name(base_offset));
        let entries = match replay::read_snapshot(segment.disk(), &snapshot) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            read => read.map_err(|source| Error::Source { path: snapshot, position: 0, source })?,
        };
        if let Some(entries) = entries {
            let expiration_ms = self.log.settings.producer_id_expiration_ms;
            self.log.producers = ProducerStates::restore(entries, base_offset, self.now_ms, expiration_ms);
        }
        if is_first {
            self.log.producers.set_end_offset(base_offset);
            return self.log.write_snapshot().map_err(|e| self.target(e));
        }
        // Else a large log would be written back, and synced, all at once at the end.
        self.flush()?;
        self.log.segments.iter().for_each(|copied| copied.close());
        self.log.end_offset = self.log.end_offset.max(base_offset);
        if self.log.active_segment().base_offset < base_offset {
            self.log.roll_at(base_offset, self.now_ms).map_err(|e| self.target(e))?;
        }
        Ok(())
    }

    fn copy_segment(&mut self, segment: &Segment, pace: &mut Pace<'_>) -> Result<(), Error> {
        while self.at.1 < segment.size() {
            let position = self.at.1;
            let at = |source| Error::Source { path: segment.path(Kind::Log), position, source };
            let batches = read_batches(segment, position).map_err(at)?;
            let len: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
            if let Err(error) = self.log.append_as_follower(&batches, self.now_ms) {
                return Err(match error {
                    AppendError::Storage(error) => self.target(error),
                    // Its batches are out of order.
                    other @ (AppendError::Producer(_)
                    | AppendError::Marker(_)
                    | AppendError::TooLarge { .. }
                    | AppendError::UnexpectedOffset { .. }
                    | AppendError::OffsetsExhausted { .. }) => at(walk::invalid(other)),
                });
            }
            self.at.1 += u64::try_from(len).unwrap_or(u64::MAX);
            if !pace(len) {
                return Err(Error::GivenUp);
            }
        }
        Ok(())
    }

    /// Makes durable what is copied.
    pub fn flush(&mut self) -> Result<(), Error> {
        if let Some(flush) = self.log.begin_flush() {
            flush.run().map_err(|e| self.target(e))?;
            self.log.flushed(&flush);
        }
        Ok(())
    }

    /// Brings the copy to where `source` is, durably: the rest of its batches, and what it knows besides them.
    /// Nobody may append to `source` from here on until the copy has taken its place.
    pub fn complete(&mut self, source: &Log) -> Result<(), Error> {
        self.copy(&source.extent(), &mut |_| true)?;
        self.log.end_offset = source.end_offset;
        self.log.start_offset = source.start_offset;
        self.log.epochs = source.epochs.clone();
        self.log.unflushed.epochs();
        self.flush()
    }

    /// Renames the copy's directory to `dir`, durably: from here on it counts, whatever comes.
    pub fn take_name(&mut self, dir: &Path) -> Result<(), Error> {
        let renamed = self.log.rename(dir).and_then(|()| sync_parent(&self.log));
        renamed.map_err(|e| self.target(e))
    }

    /// The log in place of `source`, whose directory is renamed to `set_aside`, durably. After an error both are there,
    /// and neither may be written.
    pub fn replace(mut self, source: &mut Log, set_aside: &Path) -> Result<Log, Error> {
        let renamed = source.rename(set_aside).and_then(|()| sync_parent(source));
        let position = 0;
        renamed.map_err(|error| Error::Source { path: set_aside.to_owned(), position, source: error })?;
        source.poison();
        // They may have been changed since the copy was begun.
        self.log.update_settings(source.settings);
        // With what is only in memory: who may go on with a transaction, and who was heard of lately.
        std::mem::swap(&mut self.log.producers, &mut source.producers);
        Ok(self.log)
    }

    fn target(&self, source: io::Error) -> Error {
        Error::Target { path: self.log.dir().to_owned(), source }
    }
}

/// An empty log for what `source` holds, in the directory `dir`, which is there.
fn empty_copy(source: &Log, disk: Arc<dyn Disk>, dir: &Path, first: i64, now_ms: i64) -> io::Result<Log> {
    let mut log = Log::create_in(disk, dir, source.topic_id, source.settings, first, now_ms)?;
    log.write_metadata()?;
    log.unflushed.new_directory();
    Ok(log)
}

fn sync_parent(log: &Log) -> io::Result<()> {
    log.dir().parent().map_or(Ok(()), |parent| log.disk.sync_dir(parent))
}

/// The whole batches in the bytes from `position` on, at least one.
fn read_batches(segment: &Segment, position: u64) -> io::Result<Vec<Batch>> {
    let file = segment.log()?;
    let left = usize::try_from(segment.size() - position).unwrap_or(usize::MAX);
    let mut len = READ_BYTES.min(left);
    loop {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, position)?;
        let mut bytes = Bytes::from(bytes);
        let first_len = BatchHeader::parse(&bytes).map_err(walk::invalid)?.total_len();
        if first_len > left {
            return Err(walk::invalid(BatchError::Truncated));
        }
        if first_len > len {
            len = first_len;
            continue;
        }
        let mut batches = Vec::new();
        loop {
            match Batch::split_from(&mut bytes) {
                Ok(batch) => batches.push(batch),
                Err(BatchError::Truncated) if !batches.is_empty() => return Ok(batches),
                Err(error) => return Err(walk::invalid(error)),
            }
        }
    }
}
