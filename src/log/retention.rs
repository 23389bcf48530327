//! Retention: which segments a log need not keep any longer, and their way out (`UnifiedLog.deleteOldSegments`).
//!
//! So that no crash brings back what is gone or takes what is not, the caller keeps to this order:
//! 1. [`Log::retire_segments`], under the log's lock: the segments are out of the log, their files untouched.
//! 2. A flush, then the checkpoint of the log's start: both durable. The next start begins where the log begins now.
//! 3. [`Retired::set_aside`] renames the files, for those who still read them; after `file.delete.delay.ms`
//!    [`Retired::remove`] takes them away. What a crash leaves of them is removed when the log is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::error::Error;
use super::log::Log;
use super::names::DELETED;
use super::producers::snapshot;
use super::segment::Segment;

/// Segments that are no longer part of their log.
pub struct Retired {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    segments: Vec<Arc<Segment>>,
    /// Why they had to go.
    pub breached: Breached,
    /// The log's new start.
    pub start_offset: i64,
}

/// How many segments broke which rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breached {
    /// They were below the log's start.
    pub log_start: usize,
    /// The log had more than `retention.bytes`.
    pub size: usize,
    /// All their records were older than `retention.ms`.
    pub time: usize,
}

impl Breached {
    /// All of them.
    pub fn count(&self) -> usize {
        self.log_start + self.size + self.time
    }
}

impl Log {
    /// Takes the oldest segments out of the log that its settings do not keep, none with a record at or above
    /// `high_watermark`. If the active segment is one of them, a new one is rolled.
    pub fn retire_segments(&mut self, high_watermark: i64, now_ms: i64) -> Result<Option<Retired>, Error> {
        if self.alive().is_err() {
            return Ok(None);
        }
        let breached = self.breached(high_watermark, now_ms).map_err(|e| Error::io(&self.dir, e))?;
        let count = breached.count();
        if count == 0 {
            return Ok(None);
        }
        if count == self.segments.len() {
            self.roll(now_ms)?;
        }
        let start_offset = self.segments[count].base_offset;
        assert!(start_offset <= high_watermark, "{start_offset} is not committed");
        self.advance_start(start_offset);
        let segments = Arc::make_mut(&mut self.segments).drain(..count).collect();
        // The start is checkpointed only after a flush has seen that the log can begin there.
        self.unflushed.names();
        Ok(Some(Retired { breached, ..self.retired(segments) }))
    }

    /// Segments that something else has replaced.
    pub(super) fn retired(&self, segments: Vec<Arc<Segment>>) -> Retired {
        let (disk, dir, start_offset) = (self.disk.clone(), self.dir.clone(), self.start_offset);
        Retired { disk, dir, segments, breached: Breached::default(), start_offset }
    }

    /// Looks at no more than the first segment that stays, and the sizes.
    fn breached(&self, high_watermark: i64, now_ms: i64) -> io::Result<Breached> {
        let mut breached = Breached::default();
        while self.is_below_start(breached.count()) && self.may_go(breached.count(), high_watermark) {
            breached.log_start += 1;
        }
        if !self.settings.delete {
            return Ok(breached);
        }
        if let Ok(retention_bytes) = u64::try_from(self.settings.retention_bytes) {
            let sizes: u64 = self.segments.iter().skip(breached.count()).map(|s| s.size()).sum();
            let mut excess = sizes.saturating_sub(retention_bytes);
            while self.may_go(breached.count(), high_watermark)
                && sizes >= retention_bytes
                && self.segments[breached.count()].size() <= excess
            {
                excess -= self.segments[breached.count()].size();
                breached.size += 1;
            }
        }
        if self.settings.retention_ms >= 0 {
            while self.may_go(breached.count(), high_watermark)
                && now_ms.saturating_sub(self.largest_timestamp(breached.count())?)
                    > self.settings.retention_ms
            {
                breached.time += 1;
            }
        }
        Ok(breached)
    }

    fn is_below_start(&self, at: usize) -> bool {
        self.segments.get(at + 1).is_some_and(|next| next.base_offset <= self.start_offset)
    }

    /// Whether everything in a segment is committed. An empty active one is needed.
    fn may_go(&self, at: usize, high_watermark: i64) -> bool {
        match (self.segments.get(at), self.segments.get(at + 1)) {
            (Some(_), Some(next)) => next.base_offset <= high_watermark,
            (Some(active), None) => active.size() > 0 && self.end_offset <= high_watermark,
            (None, _) => false,
        }
    }

    fn largest_timestamp(&self, at: usize) -> io::Result<i64> {
        let segment = &self.segments[at];
        if at + 1 < self.segments.len() {
            return segment.largest_timestamp();
        }
        let max = self.active.max().timestamp;
        if max >= 0 { Ok(max) } else { segment.modified_ms() }
    }
}

impl Retired {
    /// Gives the files names under which they are removed after a crash. Only when the log's new start is durable.
    pub fn set_aside(&self) -> io::Result<()> {
        for segment in &self.segments {
            segment.set_aside()?;
            let snapshot = self.snapshot(segment);
            unless_missing(self.disk.rename(&snapshot, &deleted(&snapshot)))?;
        }
        Ok(())
    }

    /// Removes the files.
    pub fn remove(&self) -> io::Result<()> {
        for segment in &self.segments {
            segment.remove()?;
            unless_missing(self.disk.remove_file(&deleted(&self.snapshot(segment))))?;
        }
        Ok(())
    }

    /// Bytes of the segments' logs.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.size()).sum()
    }

    fn snapshot(&self, segment: &Segment) -> PathBuf {
        self.dir.join(snapshot::file_name(segment.base_offset))
    }
}

fn deleted(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(DELETED);
    PathBuf::from(name)
}

/// The topic may have been deleted meanwhile.
fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
