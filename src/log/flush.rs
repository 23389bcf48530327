//! Making a log durable: what is to be synced is noted under the lock and synced without it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint;
use super::disk::{Disk, Mode};
use super::epochs::LeaderEpochs;
use super::log::Log;
use super::segment::Segment;
use super::tail::{Durable, Place};

/// What was changed since it was last synced. Each thing is noted with the number of the flush that will cover it, and
/// forgotten when that flush, or a later one, has succeeded; so one that never ran does no harm.
#[derive(Default)]
pub(super) struct Unflushed {
    /// The flush that the next [`Log::begin_flush`] makes.
    number: u64,
    /// Offset order.
    segments: Vec<(u64, Arc<Segment>)>,
    files: Vec<(u64, PathBuf)>,
    names: Option<u64>,
    directory: Option<u64>,
    epochs: Option<u64>,
    /// Flushes before this one may not say that an offset is durable: the log was cut since.
    cut: u64,
    /// How often the log was cut.
    cuts: u64,
}

impl Unflushed {
    /// Bytes were written to a segment.
    pub(super) fn segment(&mut self, segment: &Arc<Segment>) {
        match self.segments.last_mut() {
            Some((number, last)) if Arc::ptr_eq(last, segment) => *number = self.number,
            Some(_) | None => self.segments.push((self.number, segment.clone())),
        }
    }

    /// A small file was written.
    pub(super) fn file(&mut self, path: PathBuf) {
        self.files.retain(|(_, known)| *known != path);
        self.files.push((self.number, path));
        self.names();
    }

    /// Names in the directory came or went.
    pub(super) fn names(&mut self) {
        self.names = Some(self.number);
    }

    /// The directory itself is new.
    pub(super) fn new_directory(&mut self) {
        self.directory = Some(self.number);
    }

    /// The leader epochs are not those in their file.
    pub(super) fn epochs(&mut self) {
        self.epochs = Some(self.number);
    }

    /// The log was cut: segments from `base_offset` on are gone.
    pub(super) fn cut(&mut self, base_offset: i64) {
        self.segments.retain(|(_, s)| s.base_offset < base_offset);
        self.cut = self.number;
        self.cuts += 1;
    }

    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Whether nothing was changed but bytes of `segment`.
    pub(super) fn is_only_bytes_of(&self, segment: &Arc<Segment>) -> bool {
        self.segments.iter().all(|(_, changed)| Arc::ptr_eq(changed, segment))
            && self.files.is_empty()
            && self.names.or(self.directory).or(self.epochs).is_none()
    }

    fn is_empty(&self) -> bool {
        self.segments.is_empty()
            && self.files.is_empty()
            && self.names.or(self.directory).or(self.epochs).is_none()
    }

    fn forget(&mut self, done: u64) {
        self.segments.retain(|(number, _)| *number > done);
        self.files.retain(|(number, _)| *number > done);
        for number in [&mut self.names, &mut self.directory, &mut self.epochs] {
            *number = number.filter(|n| *n > done);
        }
    }
}

/// A flush that was begun: everything that was appended before.
pub struct Flush {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    number: u64,
    offset: i64,
    place: Place,
    segments: Vec<Arc<Segment>>,
    files: Vec<PathBuf>,
    names: bool,
    directory: bool,
    epochs: Option<LeaderEpochs>,
}

impl Flush {
    /// Everything below is durable when [`Flush::run`] has succeeded.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// How many files are synced.
    pub fn file_count(&self) -> usize {
        self.segments.len() + self.files.len()
    }

    /// Syncs. To be called without the log's lock, by one thread at a time. After an error nobody knows what is on the device: the log has to
    /// be poisoned and its directory taken offline, and the flush not be tried again.
    pub fn run(&self) -> io::Result<()> {
        // Oldest first, and names last: what a power cut leaves is then a beginning of the log.
        for segment in &self.segments {
            segment.log()?.sync_data()?;
        }
        for file in &self.files {
            match self.disk.open(file, Mode::Read) {
                Ok(file) => file.sync_data()?,
                // It was removed meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        if let Some(epochs) = &self.epochs {
            let path = self.dir.join(checkpoint::LEADER_EPOCH_FILE);
            checkpoint::write_epochs(&*self.disk, &path, epochs)?;
        }
        if self.names {
            self.disk.sync_dir(&self.dir)?;
        }
        match self.dir.parent().filter(|_| self.directory) {
            Some(parent) => self.disk.sync_dir(parent),
            None => Ok(()),
        }
    }
}

impl Log {
    /// What has to be synced; none if everything is. Report the end of it to [`Log::flushed`] or [`Log::poison`].
    pub fn begin_flush(&mut self) -> Option<Flush> {
        let active = self.active_segment();
        let place = Place { base_offset: active.base_offset, position: active.size() };
        let unflushed = &mut self.unflushed;
        if self.poisoned || unflushed.is_empty() {
            return None;
        }
        let number = unflushed.number;
        unflushed.number += 1;
        Some(Flush {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            number,
            offset: self.end_offset,
            place,
            segments: unflushed.segments.iter().map(|(_, s)| s.clone()).collect(),
            files: unflushed.files.iter().map(|(_, f)| f.clone()).collect(),
            names: unflushed.names.is_some(),
            directory: unflushed.directory.is_some(),
            epochs: unflushed.epochs.map(|_| self.epochs.clone()),
        })
    }

    /// Takes note that `flush` has succeeded, and gives the flushed offset.
    pub fn flushed(&mut self, flush: &Flush) -> i64 {
        self.unflushed.forget(flush.number);
        if flush.number >= self.unflushed.cut && !self.poisoned {
            self.flushed_offset = self.flushed_offset.max(flush.offset);
            if flush.offset >= self.durable.offset {
                self.durable = Durable { offset: flush.offset, place: Some(flush.place) };
            }
        }
        self.flushed_offset
    }
}
