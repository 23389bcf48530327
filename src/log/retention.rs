//! Retention: which segments a log need not keep any longer, and their way out (`UnifiedLog.deleteOldSegments`).
//!
//! So that no crash brings back what is gone or takes what is not, the caller keeps to this order:
//! 1. [`Log::plan_expiry`] and [`Log::retire_segments`], under the log's lock, and between them [`ExpiryPlan::resolve`]
//!    without it, for that reads files: the segments are out of the log, their files untouched.
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

/// A look at the age of segments that is to be taken without the log's lock.
pub struct ExpiryPlan {
    dir: Arc<Path>,
    segments: Arc<Vec<Arc<Segment>>>,
    /// Where the log starts.
    from: usize,
    end_offset: i64,
    /// Largest timestamp of the active segment, -1 for none.
    active_timestamp: i64,
    retention_ms: i64,
}

impl ExpiryPlan {
    /// Whether it was made under the `retention.ms` that `log` has now.
    pub fn is_current(&self, log: &Log) -> bool {
        self.retention_ms == log.settings.expiry_ms()
    }

    /// Every segment that ends at this offset or below is older than `retention.ms`. Nobody may retire or replace
    /// segments meanwhile.
    pub fn resolve(&self, now_ms: i64) -> Result<i64, Error> {
        self.find(now_ms).map_err(|e| Error::io(&self.dir, e))
    }

    fn find(&self, now_ms: i64) -> io::Result<i64> {
        let segments = &self.segments[self.from..];
        if self.retention_ms >= 0 {
            for (at, segment) in segments.iter().enumerate() {
                let is_active = at + 1 == segments.len();
                let timestamp = match is_active.then_some(self.active_timestamp) {
                    None => segment.largest_timestamp()?,
                    Some(-1) => segment.modified_ms()?,
                    Some(timestamp) => timestamp,
                };
                if now_ms.saturating_sub(timestamp) <= self.retention_ms {
                    return Ok(segment.base_offset);
                }
            }
            return Ok(self.end_offset);
        }
        Ok(segments.first().map_or(self.end_offset, |first| first.base_offset))
    }
}

impl Log {
    /// Plans to find the segments that are older than `retention.ms`.
    pub fn plan_expiry(&self) -> ExpiryPlan {
        ExpiryPlan {
            dir: self.dir.clone(),
            segments: self.segments.clone(),
            from: self.floor_segment(self.start_offset).unwrap_or(0),
            end_offset: self.end_offset,
            active_timestamp: self.active.max().timestamp,
            retention_ms: self.settings.expiry_ms(),
        }
    }

    /// Takes the oldest segments out of the log that its settings do not keep, none with a record at or above
    /// `high_watermark`. If the active segment is one of them, a new one is rolled.
    /// `expired_up_to` is what [`ExpiryPlan::resolve`] has found.
    pub fn retire_segments(
        &mut self,
        high_watermark: i64,
        expired_up_to: i64,
        now_ms: i64,
    ) -> Result<Option<Retired>, Error> {
        if self.alive().is_err() {
            return Ok(None);
        }
        let breached = self.breached(high_watermark, expired_up_to);
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

    fn breached(&self, high_watermark: i64, expired_up_to: i64) -> Breached {
        let mut breached = Breached::default();
        while self.is_below_start(breached.count()) && self.may_go(breached.count(), high_watermark) {
            breached.log_start += 1;
        }
        if !self.settings.delete {
            return breached;
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
        while self.may_go(breached.count(), high_watermark) && self.end_of(breached.count()) <= expired_up_to
        {
            breached.time += 1;
        }
        breached
    }

    /// The offset after the last one that a segment may have.
    fn end_of(&self, at: usize) -> i64 {
        self.segments.get(at + 1).map_or(self.end_offset, |next| next.base_offset)
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
