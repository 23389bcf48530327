//! What is kept in memory of the segment that grows.

use std::collections::VecDeque;
use std::io;

use super::index::{Anchor, Indexes, OffsetIndex, TimeEntry};
use super::segment::Segment;
use super::walk::{Found, Walk};
use crate::wire::batch::BatchHeader;

/// How many of the last batches are remembered with their places: enough for readers and followers that keep up.
const MARKS_MAX: usize = 32;

/// Where one of the last batches is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) position: u64,
    pub(super) len: u64,
}

/// The active segment's state besides its file.
pub(super) struct Active {
    indexes: Heat,
    /// Oldest first.
    marks: VecDeque<Mark>,
    /// Largest timestamp of the first batch; none if not known yet.
    first_timestamp: Option<i64>,
    created_ms: i64,
}

/// Whether the index entries are in memory.
enum Heat {
    /// The files are behind, or missing.
    Hot(Indexes),
    /// The files have all entries.
    Cold { max: TimeEntry },
}

impl Active {
    /// Of an empty segment.
    pub(super) fn new(base_offset: i64, now_ms: i64) -> Self {
        Self::hot(Indexes::new(base_offset), now_ms)
    }

    /// Of a segment whose index entries are in memory.
    pub(super) fn hot(indexes: Indexes, now_ms: i64) -> Self {
        Self {
            indexes: Heat::Hot(indexes),
            marks: VecDeque::new(),
            first_timestamp: None,
            created_ms: now_ms,
        }
    }

    /// Of a segment whose index files are sound.
    pub(super) fn cold(max: TimeEntry, now_ms: i64) -> Self {
        Self {
            indexes: Heat::Cold { max },
            marks: VecDeque::new(),
            first_timestamp: None,
            created_ms: now_ms,
        }
    }

    /// The largest timestamp of the segment.
    pub(super) fn max(&self) -> TimeEntry {
        match &self.indexes {
            Heat::Hot(indexes) => indexes.max,
            Heat::Cold { max } => *max,
        }
    }

    /// The index entry to start at for `offset`; none if the files have to be asked.
    pub(super) fn anchor(&self, offset: i64) -> Option<Anchor> {
        self.offsets().map(|offsets| offsets.lookup(offset))
    }

    /// The index entries of offsets; none if the files have to be asked.
    pub(super) fn offsets(&self) -> Option<&OffsetIndex> {
        match &self.indexes {
            Heat::Hot(indexes) => Some(&indexes.offsets),
            Heat::Cold { .. } => None,
        }
    }

    /// The time index entry to start at for `timestamp`; none if the files have to be asked.
    pub(super) fn time_entry(&self, timestamp: i64) -> Option<TimeEntry> {
        match &self.indexes {
            Heat::Hot(indexes) => Some(indexes.times.lookup(timestamp)),
            Heat::Cold { .. } => None,
        }
    }

    /// The first batch that ends at or above `offset`, if the remembered ones reach back to it.
    pub(super) fn mark(&self, offset: i64) -> Option<Mark> {
        let at = self.marks.partition_point(|m| m.last_offset < offset);
        let mark = self.marks.get(at)?;
        (at > 0 || mark.base_offset <= offset).then_some(*mark)
    }

    /// The index entries in memory, loaded or built if they are not there.
    pub(super) fn warm_up(&mut self, segment: &Segment, interval_bytes: u32) -> io::Result<&mut Indexes> {
        let is_fit = matches!(self.indexes, Heat::Hot(_)) && !segment.is_misled();
        if !is_fit {
            self.indexes = Heat::Hot(load(segment, self.max(), interval_bytes)?);
        }
        match &mut self.indexes {
            Heat::Hot(indexes) => Ok(indexes),
            Heat::Cold { .. } => unreachable!("made hot above"),
        }
    }

    /// Writes the entries to the files and forgets them; says whether there was something to write.
    pub(super) fn cool_down(&mut self, segment: &Segment) -> io::Result<bool> {
        self.marks = VecDeque::new();
        let Heat::Hot(indexes) = &mut self.indexes else { return Ok(false) };
        segment.write_indexes(indexes)?;
        self.indexes = Heat::Cold { max: indexes.max };
        Ok(true)
    }

    /// Remembers the batch that was written at `position`.
    pub(super) fn add_mark(&mut self, header: &BatchHeader, position: u64) {
        if self.first_timestamp.is_none() && position == 0 {
            self.first_timestamp = Some(header.max_timestamp);
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        let len = Found { position, header: *header }.len();
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        self.marks.push_back(Mark { base_offset, last_offset, position, len });
    }

    /// By how much a batch is later than the segment (`LogSegment.timeWaitedForRoll`): than its first batch, by their
    /// largest timestamps, or if that has none, than the segment's making, by the clock.
    pub(super) fn waited_ms(&mut self, segment: &Segment, timestamp: i64, now_ms: i64) -> io::Result<i64> {
        if self.first_timestamp.is_none() && segment.size() > 0 {
            let first = Walk::new(&*segment.log()?, 0, segment.size()).next()?;
            self.first_timestamp = first.map(|f| f.header.max_timestamp);
        }
        Ok(match self.first_timestamp {
            Some(first) if first >= 0 => timestamp.saturating_sub(first),
            Some(_) | None => now_ms.saturating_sub(self.created_ms),
        })
    }
}

/// Loads the entries from the files, or builds them from the log if those are not sound.
fn load(segment: &Segment, max: TimeEntry, interval_bytes: u32) -> io::Result<Indexes> {
    if !segment.is_misled()
        && let Some(mut indexes) = segment.index_files()?.load(segment.size())?
    {
        indexes.max = if max.timestamp > indexes.max.timestamp { max } else { indexes.max };
        return Ok(indexes);
    }
    segment.build_indexes(interval_bytes)
}
