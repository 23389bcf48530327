//! Finding offsets by time (ListOffsets): planned under the log's lock, carried out without it.

use std::cmp::Reverse;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::disk::File;
use super::index::{Anchor, TimeEntry};
use super::log::Log;
use super::segment::Segment;
use super::walk::{Found, Walk, invalid};
use crate::wire::batch::HEADER_LEN;
use crate::wire::compress::{Codec, Decompressor, LOGGED_BYTES_MAX};
use crate::wire::record::{Base, Error as RecordError, Record, Split};

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's own timestamp, in ms.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
    /// Epoch of the leader that appended it, -1 if unknown.
    pub leader_epoch: i32,
}

/// A search to be carried out.
pub struct TimestampPlan {
    segments: Arc<Vec<Arc<Segment>>>,
    start_offset: i64,
    /// The first record with at least this timestamp; none for the first with the largest.
    target: Option<i64>,
    /// Largest timestamp and length of the active segment.
    active_max: TimeEntry,
    active_size: u64,
    /// Where to start in the active segment, if memory knows.
    active_start: Option<Start>,
}

/// Where the search in a segment starts.
#[derive(Clone, Copy)]
struct Start {
    /// No earlier batch can be the one.
    offset: i64,
    anchor: Anchor,
}

impl Log {
    /// Plans to find the first record from the log's start on whose timestamp is at least `timestamp`.
    pub fn plan_offset_for_timestamp(&self, timestamp: i64) -> TimestampPlan {
        self.plan_timestamp(Some(timestamp))
    }

    /// Plans to find the first record from the log's start on with the largest timestamp.
    pub fn plan_offset_of_max_timestamp(&self) -> TimestampPlan {
        self.plan_timestamp(None)
    }

    fn plan_timestamp(&self, target: Option<i64>) -> TimestampPlan {
        let active_max = self.active.max();
        let entry = target.map_or(Some(active_max), |timestamp| self.active.time_entry(timestamp));
        let offset = entry.map(|e| e.offset.max(self.start_offset));
        let start = offset.and_then(|offset| Some(Start { offset, anchor: self.active.anchor(offset)? }));
        TimestampPlan {
            segments: self.segments.clone(),
            start_offset: self.start_offset,
            target,
            active_max,
            active_size: self.active_segment().size(),
            active_start: start,
        }
    }
}

impl TimestampPlan {
    /// Searches; reads indexes, headers, and the records of the batch that is it. None if there is no such record.
    pub fn resolve(&self) -> io::Result<Option<TimestampOffset>> {
        match self.target {
            Some(target) => self.find_at_least(target),
            None => self.find_largest(),
        }
    }

    fn find_at_least(&self, target: i64) -> io::Result<Option<TimestampOffset>> {
        for at in self.first()..self.segments.len() {
            if self.max_of(at)?.timestamp < target {
                continue;
            }
            let matches = |r: &Record<'_>| r.timestamp >= target && r.offset >= self.start_offset;
            let start = self.start_in(at, target)?;
            if let Some(found) = self.search(at, start, target, matches)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn find_largest(&self) -> io::Result<Option<TimestampOffset>> {
        let maxima = (self.first()..self.segments.len()).map(|at| Ok((at, self.max_of(at)?)));
        let mut maxima: Vec<(usize, TimeEntry)> = maxima.collect::<io::Result<_>>()?;
        maxima.retain(|(_, max)| max.timestamp >= 0);
        // Of equals the first.
        maxima.sort_by_key(|(_, max)| Reverse(max.timestamp));
        let Some(&(at, max)) = maxima.first() else { return Ok(None) };
        let start = match self.active_start.filter(|_| self.is_active(at)) {
            Some(start) => start,
            None => {
                let offset = max.offset.max(self.start_offset);
                Start { offset, anchor: self.segments[at].anchor(offset)? }
            }
        };
        let matches = |r: &Record<'_>| r.timestamp == max.timestamp && r.offset >= self.start_offset;
        if let Some(found) = self.search(at, start, max.timestamp, matches)? {
            return Ok(Some(found));
        }
        // The cleaner has emptied that batch, or what it was about is below the log's start.
        let mut best = None;
        for (at, max) in maxima {
            if is_better((max.timestamp, self.segments[at].base_offset), best) {
                self.improve(at, &mut best)?;
            }
        }
        Ok(best)
    }

    /// Looks for something better in every batch of a segment that may have it.
    fn improve(&self, at: usize, best: &mut Option<TimestampOffset>) -> io::Result<()> {
        let (segment, offset) = (&self.segments[at], self.start_offset);
        let (anchor, end) = if self.is_active(at) {
            (Anchor::START, self.active_size)
        } else {
            (segment.anchor(offset)?, segment.size())
        };
        let Some(first) = segment.locate(offset, anchor, end)? else { return Ok(()) };
        let log = segment.log()?;
        let mut walk = Walk::new(&*log, first.position, end);
        while let Some(found) = walk.next()? {
            let header = &found.header;
            if !is_better((header.max_timestamp, header.base_offset), *best) {
                continue;
            }
            visit(&*log, &found, |record| {
                let Record { timestamp, offset, .. } = *record;
                if offset >= self.start_offset && is_better((timestamp, offset), *best) {
                    let leader_epoch = header.partition_leader_epoch;
                    *best = Some(TimestampOffset { timestamp, offset, leader_epoch });
                }
                ControlFlow::<()>::Continue(())
            })?;
        }
        Ok(())
    }

    /// The segment that holds the log's start.
    fn first(&self) -> usize {
        self.segments.partition_point(|s| s.base_offset <= self.start_offset).saturating_sub(1)
    }

    fn is_active(&self, at: usize) -> bool {
        at + 1 == self.segments.len()
    }

    fn max_of(&self, at: usize) -> io::Result<TimeEntry> {
        if self.is_active(at) { Ok(self.active_max) } else { self.segments[at].max_time() }
    }

    fn start_in(&self, at: usize, target: i64) -> io::Result<Start> {
        if let Some(start) = self.active_start.filter(|_| self.is_active(at)) {
            return Ok(start);
        }
        let segment = &self.segments[at];
        let offset = segment.time_entry(target)?.offset.max(self.start_offset);
        Ok(Start { offset, anchor: segment.anchor(offset)? })
    }

    /// The first record that matches, in batches whose largest timestamp is at least `timestamp`.
    fn search(
        &self,
        at: usize,
        start: Start,
        timestamp: i64,
        matches: impl Fn(&Record<'_>) -> bool,
    ) -> io::Result<Option<TimestampOffset>> {
        let segment = &self.segments[at];
        let end = if self.is_active(at) { self.active_size } else { segment.size() };
        let Some(first) = segment.locate(start.offset, start.anchor, end)? else { return Ok(None) };
        let log = segment.log()?;
        let mut walk = Walk::new(&*log, first.position, end);
        while let Some(found) = walk.next()? {
            if found.header.max_timestamp < timestamp {
                continue;
            }
            let first = visit(&*log, &found, |record| {
                let Record { timestamp, offset, .. } = *record;
                let leader_epoch = found.header.partition_leader_epoch;
                let found = TimestampOffset { timestamp, offset, leader_epoch };
                if matches(record) { ControlFlow::Break(found) } else { ControlFlow::Continue(()) }
            })?;
            if first.is_some() {
                return Ok(first);
            }
        }
        Ok(None)
    }
}

/// Whether a timestamp and its offset are a larger timestamp, or the same one earlier.
fn is_better((timestamp, offset): (i64, i64), best: Option<TimestampOffset>) -> bool {
    timestamp >= 0 && best.is_none_or(|b| (timestamp, Reverse(offset)) > (b.timestamp, Reverse(b.offset)))
}

/// Shows the records of a batch to `look` until it breaks off.
fn visit<B>(
    log: &dyn File,
    found: &Found,
    mut look: impl FnMut(&Record<'_>) -> ControlFlow<B>,
) -> io::Result<Option<B>> {
    if found.header.record_count == 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; found.header.total_len()];
    log.read_exact_at(&mut bytes, found.position)?;
    let records = &bytes[HEADER_LEN..];
    let base = Base::of(&found.header);
    let codec = Codec::from_id(found.header.codec()).map_err(invalid)?;
    let mut contexts = crate::wire::compress::Contexts::default();
    let mut stream = Decompressor::new(codec, records, LOGGED_BYTES_MAX, &mut contexts).map_err(invalid)?;
    let mut window = Vec::new();
    let (mut from, mut left) = (0, found.header.record_count);
    while left > 0 {
        match base.split(&window[from..]).map_err(invalid)? {
            Split::Whole { record, rest } => {
                if let ControlFlow::Break(value) = look(&record) {
                    return Ok(Some(value));
                }
                from = window.len() - rest.len();
                left -= 1;
            }
            Split::Partial { missing } if missing > stream.budget_left() => {
                return Err(invalid(RecordError::Truncated));
            }
            Split::Partial { missing: _ } => {
                window.drain(..from);
                from = 0;
                if !stream.step(&mut window).map_err(invalid)? {
                    return Err(invalid(RecordError::Truncated));
                }
            }
        }
    }
    Ok(None)
}
