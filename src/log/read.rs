//! Reading: planned from memory under the lock, carried out on the files without it.

use std::io;
use std::sync::Arc;

use super::disk::File;
use super::error::ReadError;
use super::index::Anchor;
use super::log::Log;
use super::segment::Segment;
use super::txn_index::AbortedTxn;
use super::walk::invalid;
use crate::wire::batch::BatchError;

/// A run of batches in a file.
#[derive(Clone)]
pub struct Slice {
    /// The segment's file; it stays readable while this is held, whatever becomes of the log.
    pub file: Arc<dyn File>,
    /// Where the first batch starts.
    pub position: u64,
    /// How many bytes; the last batch may be cut.
    pub len: usize,
    /// Where in the plan's list its segment is.
    segment: usize,
}

impl Slice {
    /// Whether the file ends before the slice does.
    fn is_cut_off(&self) -> io::Result<bool> {
        let len = u64::try_from(self.len).unwrap_or(u64::MAX);
        Ok(self.file.len()? < self.position.saturating_add(len))
    }

    /// The bytes. Fails with `UnexpectedEof` if the log was truncated meanwhile.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes)
    }
}

/// A place in a segment, as well as memory knows it.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A batch starts exactly there, so many bytes long.
    Batch { position: u64, len: u64 },
    /// There is nothing more before this byte.
    End(u64),
    /// To be sought from there.
    Near(Anchor),
    /// The index files know.
    Unknown,
}

/// The first index entry behind what is read of the last segment.
#[derive(Clone, Copy, Debug)]
enum Behind {
    /// As memory knows it; there may be none.
    Entry(Option<Anchor>),
    /// The index files know.
    Unknown,
}

/// A read to be carried out.
pub struct ReadPlan {
    segments: Arc<Vec<Arc<Segment>>>,
    /// The segment that may hold `from`.
    at: usize,
    from: i64,
    start: Place,
    /// Exclusive.
    up_to: i64,
    /// Where `up_to` is in the last segment.
    end: Place,
    behind: Behind,
    bytes_max: usize,
    whole_first_batch: bool,
    is_gapless: bool,
}

/// Records are not there, and nobody has taken them away.
#[derive(Debug, thiserror::Error)]
#[error("the records from offset {from} up to {found} are missing")]
struct Missing {
    from: i64,
    found: i64,
}

/// Where a batch is, and its first offset unless memory vouches for that.
struct First {
    base_offset: Option<i64>,
    position: u64,
    len: u64,
}

impl Log {
    /// Plans to read batches from the one that holds `from` on, as long as their records are below `up_to`. Memory
    /// only. None if there is nothing to read.
    ///
    /// The result has at most `bytes_max` bytes, and may end within a batch, as Kafka's; if not even the first batch
    /// fits there is none, but with `whole_first_batch` that one is given whole whatever its size (KIP-74).
    pub fn plan_read(
        &self,
        from: i64,
        bytes_max: usize,
        up_to: i64,
        whole_first_batch: bool,
    ) -> Result<Option<ReadPlan>, ReadError> {
        let (start_offset, end_offset) = (self.start_offset, self.end_offset);
        if from < start_offset || from > end_offset {
            return Err(ReadError::OffsetOutOfRange { offset: from, start_offset, end_offset });
        }
        let up_to = up_to.min(end_offset);
        let Some(at) = self.floor_segment(from) else { return Ok(None) };
        if from >= up_to || (bytes_max == 0 && !whole_first_batch) {
            return Ok(None);
        }
        let is_active = at + 1 == self.segments.len();
        let start = if is_active { self.place_of(from) } else { Place::Unknown };
        let end =
            if up_to == end_offset { Place::End(self.active_segment().size()) } else { self.place_of(up_to) };
        let behind = self.active.offsets().map_or(Behind::Unknown, |offsets| {
            Behind::Entry(offsets.lookup_behind(from, bytes_max).filter(|_| is_active))
        });
        let segments = self.segments.clone();
        Ok(Some(ReadPlan {
            segments,
            at,
            from,
            start,
            up_to,
            end,
            behind,
            bytes_max,
            whole_first_batch,
            is_gapless: false,
        }))
    }

    /// Where in the active segment the batch is that ends at or above `offset`.
    fn place_of(&self, offset: i64) -> Place {
        if let Some(mark) = self.active.mark(offset) {
            return Place::Batch { position: mark.position, len: mark.len };
        }
        self.active.anchor(offset).map_or(Place::Unknown, Place::Near)
    }
}

impl ReadPlan {
    /// Takes offsets that are missing for damage, in a log that was never compacted: its reader is not to go on behind
    /// them as if nothing had been there.
    #[must_use]
    pub fn gapless(mut self) -> Self {
        self.is_gapless = true;
        self
    }

    /// Finds the bytes. Reads headers at most, without any lock of the log. None if there is nothing to read.
    pub fn resolve(&self) -> io::Result<Option<Slice>> {
        for (at, segment) in self.segments.iter().enumerate().skip(self.at) {
            if segment.base_offset >= self.up_to {
                break;
            }
            let end = self.end_in(at, segment)?;
            let start = if at == self.at { self.start } else { Place::Near(Anchor::START) };
            if let Some(First { base_offset, position, len }) = self.first_batch(segment, start, end)? {
                let from = self.from;
                if let Some(found) = base_offset.filter(|base_offset| self.is_gapless && *base_offset > from)
                {
                    return Err(invalid(Missing { from, found }));
                }
                let slice = self.slice(at, position, len, end)?;
                // What is announced to a client has to be there when it is sent. Readers of the end, whom memory has
                // told where it is, are spared the question.
                if base_offset.is_some() && slice.as_ref().map_or(Ok(false), Slice::is_cut_off)? {
                    return Err(invalid(BatchError::Truncated));
                }
                return Ok(slice);
            }
        }
        Ok(None)
    }

    /// The byte of a segment before which everything may be read.
    fn end_in(&self, at: usize, segment: &Segment) -> io::Result<u64> {
        let size = segment.size();
        let place = match self.segments.get(at + 1) {
            Some(next) if next.base_offset <= self.up_to => return Ok(size),
            // The place is known for the last segment of the log only.
            Some(_) => Place::Unknown,
            None => self.end,
        };
        let anchor = match place {
            Place::End(position) | Place::Batch { position, .. } => return Ok(position),
            Place::Near(anchor) => anchor,
            Place::Unknown => segment.anchor(self.up_to)?,
        };
        Ok(segment.locate(self.up_to, anchor, size)?.map_or(size, |found| found.position))
    }

    fn first_batch(&self, segment: &Segment, start: Place, end: u64) -> io::Result<Option<First>> {
        let anchor = match start {
            Place::Batch { position, len } => {
                return Ok((position < end).then_some(First { base_offset: None, position, len }));
            }
            Place::End(_) => return Ok(None),
            Place::Near(anchor) => anchor,
            Place::Unknown => segment.anchor(self.from)?,
        };
        let found = segment.locate(self.from, anchor, end)?;
        Ok(found.map(|found| First {
            base_offset: Some(found.header.base_offset),
            position: found.position,
            len: found.len(),
        }))
    }

    /// The aborted transactions that overlap the slice, and maybe some more up to the next index entry, in the order of
    /// their first offsets: what a reader of committed data has to be told (`LocalLog.collectAbortedTransactions`).
    /// Reads the transaction indexes.
    pub fn aborted(&self, slice: &Slice) -> io::Result<Vec<AbortedTxn>> {
        let mut found = Vec::new();
        let segments = self.segments.iter().skip(slice.segment);
        let mut segments = segments.filter(|segment| segment.may_have_aborted()).peekable();
        if segments.peek().is_none() {
            return Ok(found);
        }
        let up_to = self.upper_bound(slice)?;
        for segment in segments {
            if segment.collect_aborted(self.from, up_to, &mut found)? {
                break;
            }
        }
        found.sort_unstable_by_key(|txn| txn.first_offset);
        Ok(found)
    }

    /// An offset that all records of the slice are below (`LogSegment.fetchUpperBoundOffset`).
    fn upper_bound(&self, slice: &Slice) -> io::Result<i64> {
        let next = self.segments.get(slice.segment + 1);
        let up_to = next.map_or(self.up_to, |next| next.base_offset.min(self.up_to));
        let segment = &self.segments[slice.segment];
        let end = slice.position.saturating_add(u64::try_from(slice.len).unwrap_or(u64::MAX));
        let behind = match (next, self.behind) {
            (None, Behind::Entry(entry)) => entry.filter(|entry| entry.position >= end),
            (None, Behind::Unknown) | (Some(_), _) => segment.anchor_behind(end)?,
        };
        Ok(match behind {
            Some(anchor) if segment.is_sound(anchor)? => anchor.last_offset.map_or(up_to, |o| o.min(up_to)),
            Some(_) | None => up_to,
        })
    }

    fn slice(&self, at: usize, position: u64, first_len: u64, end: u64) -> io::Result<Option<Slice>> {
        let first_len = usize::try_from(first_len).unwrap_or(usize::MAX);
        let readable = usize::try_from(end - position).unwrap_or(usize::MAX);
        let len = match (first_len <= self.bytes_max, self.whole_first_batch) {
            (true, _) => self.bytes_max.min(readable),
            (false, true) => first_len.min(readable),
            (false, false) => return Ok(None),
        };
        Ok(Some(Slice { file: self.segments[at].log()?, position, len, segment: at }))
    }
}
