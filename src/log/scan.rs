//! Reads a segment from end to end and checks every byte of it: what recovery trusts.

use std::io;

use super::disk::File;
use super::walk::Found;
use crate::wire::batch::{BatchError, BatchHeader, CRC_FROM, HEADER_LEN, crc32c};

/// How much is read at once: few calls, and it stays in a core's cache until its CRC is computed.
const READ_BYTES: usize = 256 * 1024;

/// What is wrong with the bytes where a batch should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No batch, or one with a wrong CRC.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Offsets do not grow, or some are missing that may not be.
    #[error("base offset {base_offset} is below {expected}")]
    BaseOffset {
        /// The header's field.
        base_offset: i64,
        /// What follows the batch before, or the segment's base offset.
        expected: i64,
    },
    /// The last offset is below the first, or too far from the segment's base for an index.
    #[error("last offset delta {last_offset_delta} is out of range")]
    LastOffsetDelta {
        /// The header's field.
        last_offset_delta: i32,
    },
    /// A negative number of records.
    #[error("record count {record_count} is negative")]
    RecordCount {
        /// The header's field.
        record_count: i32,
    },
    /// The segment follows another one that does not reach it.
    #[error("the segment starts at {base_offset}, the one before ends at {expected}")]
    Gap {
        /// The segment's base offset.
        base_offset: i64,
        /// Where the one before ends.
        expected: i64,
    },
}

/// What is at the next position.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A sound batch.
    Batch(Found),
    /// The end of the file.
    End,
    /// Something else.
    Bad(Flaw),
}

/// One pass over a segment.
pub(super) struct Scan<'a> {
    file: &'a dyn File,
    base_offset: i64,
    /// The lowest offset that may follow.
    expected: i64,
    /// From this offset on no offset may be missing.
    gapless_from: i64,
    position: u64,
    end: u64,
    buf: Vec<u8>,
    buf_position: u64,
}

impl<'a> Scan<'a> {
    /// Scans the batches of the segment at `base_offset` from `position` to `end`.
    pub(super) fn new(file: &'a dyn File, base_offset: i64, position: u64, end: u64) -> Self {
        let (expected, gapless_from) = (base_offset, i64::MAX);
        Self {
            file,
            base_offset,
            expected,
            gapless_from,
            position,
            end,
            buf: Vec::new(),
            buf_position: position,
        }
    }

    /// Takes a missing offset for a flaw, from `offset` on.
    pub(super) fn gapless_from(mut self, offset: i64) -> Self {
        self.gapless_from = offset;
        self
    }

    /// The byte after the last sound batch.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The offset after the last sound batch.
    pub(super) fn expected(&self) -> i64 {
        self.expected
    }

    /// Checks the next batch; a flaw does not move the scan on.
    pub(super) fn next(&mut self) -> io::Result<Step> {
        if self.position >= self.end {
            return Ok(Step::End);
        }
        self.fill(HEADER_LEN)?;
        let header = match BatchHeader::parse(self.rest()) {
            Ok(header) => header,
            Err(e) => return Ok(Step::Bad(e.into())),
        };
        let found = Found { position: self.position, header };
        if let Some(flaw) = self.flaw_of(&found) {
            return Ok(Step::Bad(flaw));
        }
        let computed = self.crc(found.header.total_len())?;
        if computed != header.crc {
            return Ok(Step::Bad(BatchError::BadCrc { stored: header.crc, computed }.into()));
        }
        self.position = found.end();
        self.expected = header.next_offset();
        Ok(Step::Batch(found))
    }

    /// The batch that was found last; only its beginning if it is larger than the buffer.
    pub(super) fn bytes_of(&self, found: &Found) -> &[u8] {
        let bytes = self.from(found.position);
        &bytes[..bytes.len().min(found.header.total_len())]
    }

    fn flaw_of(&self, found: &Found) -> Option<Flaw> {
        let BatchHeader { base_offset, last_offset_delta, record_count, .. } = found.header;
        let reach = i64::from(last_offset_delta).checked_add(base_offset);
        let fits = reach
            .and_then(|last| last.checked_sub(self.base_offset))
            .is_some_and(|d| i32::try_from(d).is_ok());
        if found.end() > self.end {
            Some(BatchError::Truncated.into())
        } else if base_offset < self.expected
            || (base_offset > self.expected && self.expected >= self.gapless_from)
        {
            Some(Flaw::BaseOffset { base_offset, expected: self.expected })
        } else if last_offset_delta < 0 || !fits {
            Some(Flaw::LastOffsetDelta { last_offset_delta })
        } else if record_count < 0 {
            Some(Flaw::RecordCount { record_count })
        } else {
            None
        }
    }

    /// Lets the buffer hold `len` bytes from `position` on, or as many as it may or the file has.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        if self.rest().len() >= len.min(READ_BYTES) {
            return Ok(());
        }
        let have = self.rest().len();
        self.buf.drain(..self.buf.len() - have);
        self.buf_position = self.position;
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        self.buf.resize(left.min(READ_BYTES).max(have), 0);
        let at = self.position + u64::try_from(have).unwrap_or(u64::MAX);
        let read = self.file.read_at(&mut self.buf[have..], at)?;
        self.buf.truncate(have + read);
        Ok(())
    }

    /// What the buffer holds from `position` on.
    fn rest(&self) -> &[u8] {
        self.from(self.position)
    }

    fn from(&self, position: u64) -> &[u8] {
        let from = usize::try_from(position.wrapping_sub(self.buf_position)).unwrap_or(usize::MAX);
        self.buf.get(from..).unwrap_or(&[])
    }

    fn crc(&mut self, len: usize) -> io::Result<u32> {
        self.fill(len)?;
        if let Some(batch) = self.rest().get(..len) {
            return Ok(crc32c(&batch[CRC_FROM..]));
        }
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&self.rest()[CRC_FROM..]);
        let mut done = self.rest().len();
        let mut chunk = vec![0; READ_BYTES];
        while done < len {
            let count = chunk.len().min(len - done);
            let at = self.position + u64::try_from(done).unwrap_or(u64::MAX);
            self.file.read_exact_at(&mut chunk[..count], at)?;
            digest.update(&chunk[..count]);
            done += count;
        }
        Ok(u32::try_from(digest.finalize()).unwrap_or(u32::MAX))
    }
}
