//! Finding offsets by time (ListOffsets), without the log's lock.

use std::io;
use std::sync::Arc;

use super::index::{Anchor, TimeEntry};
use super::log::Log;
use super::segment::Segment;
use super::walk::{Found, Walk};

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

/// A view of the log at one moment.
pub struct Timestamps {
    segments: Arc<Vec<Arc<Segment>>>,
    start_offset: i64,
    /// Of the active segment.
    max: TimeEntry,
    size: u64,
}

impl Timestamps {
    pub(super) fn of(log: &Log) -> Self {
        Self {
            segments: log.segments.clone(),
            start_offset: log.start_offset,
            max: log.active.max(),
            size: log.active_segment().size(),
        }
    }
}
