//! Cutting a log at either end, and taking its directory away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::active::Active;
use super::directory::{PartitionDir, Purpose};
use super::disk::Disk;
use super::error::Error;
use super::index::Anchor;
use super::log::Log;
use super::segment::Segment;
use super::tail::Durable;
use super::{producers, replay};
use crate::base::id::TopicPartition;

impl Log {
    /// Removes everything from `offset` on, durably, and gives the new end: below `offset` if that is within a batch.
    ///
    /// The checkpointed recovery point must have been lowered to the new end before, durably: a log that ends below it
    /// is taken for damaged. After an error the log is poisoned.
    /// A log that [is journalled](Log::is_journalled) is refused.
    pub fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<i64, Error> {
        self.check_not_journalled()?;
        if offset >= self.end_offset {
            // A leader that appended nothing may have left an epoch.
            if self.epochs.truncate_from_end(self.end_offset) {
                self.unflushed.epochs();
            }
            return Ok(self.end_offset);
        }
        if self.segments.first().is_some_and(|s| s.base_offset > offset) {
            self.truncate_fully_and_start_at(offset, now_ms)?;
            return Ok(offset);
        }
        self.or_poison(|log| log.try_truncate_to(offset, now_ms))?;
        Ok(self.end_offset)
    }

    /// Removes everything, durably, and goes on at `offset`. The checkpointed recovery point must be 0 before.
    pub fn truncate_fully_and_start_at(&mut self, offset: i64, now_ms: i64) -> Result<(), Error> {
        self.check_not_journalled()?;
        self.or_poison(|log| log.try_start_at(offset, now_ms))
    }

    fn or_poison<T>(&mut self, change: impl FnOnce(&mut Self) -> io::Result<T>) -> Result<T, Error> {
        let dir = self.dir.clone();
        self.alive().and_then(|()| change(self)).map_err(|e| {
            self.poison();
            Error::io(&dir, e)
        })
    }

    fn try_truncate_to(&mut self, offset: i64, now_ms: i64) -> io::Result<()> {
        let keep = self.segments.partition_point(|s| s.base_offset <= offset).max(1);
        let removed = Arc::make_mut(&mut self.segments).split_off(keep);
        let segment = self.active_segment().clone();
        self.unflushed.cut(removed.first().map_or(i64::MAX, |s| s.base_offset));
        self.remove_last_first(&removed)?;
        // Only now: a segment that comes back after a power cut must not follow a shorter one.
        let found = segment.locate(offset, Anchor::START, segment.size())?;
        let end_offset = found.map_or(offset, |f| f.header.base_offset.min(offset));
        segment.remove_indexes()?;
        segment.truncate(found.map_or(segment.size(), |f| f.position))?;
        let indexes = segment.build_indexes(self.settings.index_interval_bytes)?;
        segment.truncate_aborted(end_offset)?;
        self.active = Active::hot(indexes, now_ms);
        self.unflushed.segment(&segment);
        self.end_at(end_offset, now_ms)
    }

    fn try_start_at(&mut self, offset: i64, now_ms: i64) -> io::Result<()> {
        for (_, path) in Self::snapshots(&*self.disk, &self.dir)? {
            self.disk.remove_file(&path)?;
        }
        let removed = std::mem::take(Arc::make_mut(&mut self.segments));
        self.unflushed.cut(i64::MIN);
        let removal = self.remove_last_first(&removed);
        let segment = removal.and_then(|()| Segment::create(&self.disk, &self.dir, offset));
        // A log has a segment, even if its file could not be made.
        let segment = match segment {
            Ok(segment) => segment,
            Err(e) => {
                *Arc::make_mut(&mut self.segments) = removed;
                return Err(e);
            }
        };
        Arc::make_mut(&mut self.segments).push(Arc::new(segment));
        self.active = Active::new(offset, now_ms);
        self.epochs.clear();
        self.start_offset = offset;
        self.flushed_offset = offset;
        self.durable.offset = offset;
        self.end_at(offset, now_ms)?;
        self.disk.sync_dir(&self.dir)
    }

    fn remove_last_first(&self, segments: &[Arc<Segment>]) -> io::Result<()> {
        for segment in segments.iter().rev() {
            segment.remove()?;
        }
        if segments.is_empty() { Ok(()) } else { self.disk.sync_dir(&self.dir) }
    }

    /// Brings what is derived from the batches to the new end.
    fn end_at(&mut self, end_offset: i64, now_ms: i64) -> io::Result<()> {
        self.end_offset = end_offset;
        self.start_offset = self.start_offset.min(end_offset);
        self.flushed_offset = self.flushed_offset.min(end_offset);
        self.durable = Durable { offset: self.durable.offset.min(end_offset), place: None };
        self.epochs.truncate_from_end(end_offset);
        self.unflushed.epochs();
        self.unflushed.names();
        let expiry = (now_ms, self.settings.producer_id_expiration_ms);
        let range = (self.start_offset, end_offset);
        self.producers = replay::producers_at(&*self.disk, &self.dir, &self.segments, range, expiry)?;
        Ok(())
    }

    /// Lets readers begin at `offset` (DeleteRecords, or the leader's log start); gives whether that was news. The
    /// caller checkpoints it before it is answered.
    pub fn advance_start(&mut self, offset: i64) -> bool {
        if offset <= self.start_offset || offset > self.end_offset {
            return false;
        }
        self.start_offset = offset;
        if self.epochs.truncate_from_start(offset) {
            self.unflushed.epochs();
        }
        self.producers.log_start_advanced(offset);
        true
    }

    /// Removes the segments that lie wholly below the log's start, and gives how many. The active one stays. A reader
    /// that has planned, but not opened its file, gets `NotFound`.
    pub fn remove_segments_below_start(&mut self) -> Result<usize, Error> {
        let start_offset = self.start_offset;
        let gone = self.segments.windows(2).take_while(|pair| pair[1].base_offset <= start_offset).count();
        if gone == 0 {
            return Ok(0);
        }
        let removed: Vec<_> = Arc::make_mut(&mut self.segments).drain(..gone).collect();
        self.unflushed.names();
        // The first one first: what a crash leaves is then an end of the log.
        self.or_poison(|log| {
            for segment in &removed {
                let snapshot = log.dir.join(producers::snapshot::file_name(segment.base_offset));
                segment.remove()?;
                remove_if_there(&*log.disk, &snapshot)?;
            }
            Ok(())
        })?;
        Ok(gone)
    }

    /// Removes producer snapshots that no restart needs: all but those at a segment's base and the newest.
    pub(super) fn remove_old_snapshots(&self) -> io::Result<()> {
        let mut snapshots = Self::snapshots(&*self.disk, &self.dir)?;
        snapshots.pop();
        for (offset, path) in snapshots {
            if self.segments.binary_search_by_key(&offset, |s| s.base_offset).is_err() {
                self.disk.remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Renames the directory to `<topic>-<partition>.<uuid>` with the purpose's suffix and ends the log; readers keep what
    /// they have open. Gives the new path; the caller syncs the log directory (`LocalLog.logDeleteDirName`).
    pub fn set_aside(&mut self, purpose: Purpose, unique: Uuid) -> Result<PathBuf, Error> {
        let renamed = self.dir.with_file_name(name_aside(&self.dir, purpose, unique));
        let (dir, disk) = (self.dir.clone(), self.disk.clone());
        self.poison();
        self.segments.iter().for_each(|s| s.close());
        disk.rename(&dir, &renamed).map_err(|e| Error::io(&dir, e))?;
        Ok(renamed)
    }
}

fn name_aside(dir: &Path, purpose: Purpose, unique: Uuid) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let (topic, partition) = name.rsplit_once('-').unwrap_or((&name, "0"));
    let tp = TopicPartition::new(topic, partition.parse().unwrap_or(0));
    PartitionDir::beside(tp, purpose, unique).name
}

pub(super) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
