//! The end of a log that is not durable yet, as the journal takes it: bytes of one segment, and nothing else.
//!
//! What needs more than bytes to survive a power cut (a new segment's name, an index, the leader epochs) has no tail
//! but is flushed; so a journal never speaks of a file whose name could be gone.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::Error;
use super::log::Log;
use super::segment::Segment;
use crate::base::id::TopicId;

/// Where the durable part of a log ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durable {
    /// Every record below is in the segments on the device, or in the journal.
    pub(super) offset: i64,
    /// The segment that `offset` is in and the byte there; none if only a flush can tell.
    pub(super) place: Option<Place>,
}

/// A byte of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the segment.
    pub(super) base_offset: i64,
    pub(super) position: u64,
}

/// Bytes at the end of a log's active segment that are not durable yet. Whole batches.
pub struct Tail {
    dir: Arc<Path>,
    topic_id: TopicId,
    segment: Arc<Segment>,
    position: u64,
    len: usize,
    offset: i64,
    cuts: u64,
}

impl Tail {
    /// Name of the log's directory.
    pub(super) fn dir_name(&self) -> &str {
        self.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The incarnation of the log's topic.
    pub(super) fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Where the bytes belong.
    pub(super) fn place(&self) -> Place {
        Place { base_offset: self.segment.base_offset, position: self.position }
    }

    /// How many bytes there are; none if the log is durable already.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the log is durable already.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads the bytes: from the page cache, for they were just written.
    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<()> {
        self.segment.log()?.read_exact_at(buf, self.position)
    }
}

impl Log {
    /// What has to be in the journal for everything appended so far to be durable; none if a journal is not enough,
    /// and a flush is needed. From now on the journal may speak of this log, whatever becomes of the tail.
    pub fn tail(&mut self) -> Option<Tail> {
        let segment = self.active_segment().clone();
        let topic_id =
            self.topic_id.filter(|_| !self.poisoned && self.unflushed.is_only_bytes_of(&segment))?;
        let place = self.durable.place.filter(|place| place.base_offset == segment.base_offset)?;
        let len = usize::try_from(segment.size().checked_sub(place.position)?).ok()?;
        self.is_journalled |= len > 0;
        let (dir, position) = (self.dir.clone(), place.position);
        Some(Tail {
            dir,
            topic_id,
            segment,
            position,
            len,
            offset: self.end_offset,
            cuts: self.unflushed.cuts(),
        })
    }

    /// Takes note that the journal holds `tail`, durably.
    pub fn journalled(&mut self, tail: &Tail) {
        if self.poisoned || tail.cuts != self.unflushed.cuts() || tail.offset <= self.durable.offset {
            return;
        }
        let position = tail.position + u64::try_from(tail.len).unwrap_or(u64::MAX);
        let place = Place { position, ..tail.place() };
        self.durable = Durable { offset: tail.offset, place: Some(place) };
    }

    /// Everything below is durable: in the segments on the device, or in the journal.
    pub fn durable_offset(&self) -> i64 {
        self.durable.offset
    }

    /// Whether the journal may speak of this log, so that it has to be told before the log is cut.
    pub fn is_journalled(&self) -> bool {
        self.is_journalled
    }

    /// Takes note that the log is flushed and the journal, durably, has no say over it any more.
    pub fn forgotten_by_journal(&mut self) {
        self.is_journalled = false;
    }

    /// Refuses to cut a log that the journal would make whole again.
    pub(super) fn check_not_journalled(&self) -> Result<(), Error> {
        if self.is_journalled {
            return Err(Error::io(&self.dir, io::Error::other("the journal still speaks of this log")));
        }
        Ok(())
    }
}
