//! Reads a segment from end to end and checks every byte of it: what recovery trusts.

use std::io;
use std::ops::Range;

use crc_fast::CrcAlgorithm;

use super::disk::File;
use super::walk::Found;
use crate::base::reader::Reader;
use crate::wire::batch::{BatchError, BatchHeader, CRC_FROM, HEADER_LEN};

/// How much is read at once: few calls, and it stays in a core's cache until its CRC is computed.
const READ_BYTES: usize = 256 * 1024;

/// What is wrong with the bytes where a batch should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No batch, or one with a wrong CRC.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A sound message of a format from before Apache Kafka 0.11: nothing that a crash leaves, and nothing that is read.
    #[error("message format {0} is not read")]
    OldFormat(i8),
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
            Err(e) => return Ok(Step::Bad(self.old_format()?.map_or(e.into(), Flaw::OldFormat))),
        };
        let found = Found { position: self.position, header };
        if let Some(flaw) = self.flaw_of(&found) {
            return Ok(Step::Bad(flaw));
        }
        let computed = self.checksum(CrcAlgorithm::Crc32Iscsi, CRC_FROM..found.header.total_len())?;
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

    /// The format of the message at the position, if it is one of magic 0 or 1 with a CRC that is right.
    ///
    /// ```text
    /// 0 offset i64    8 length i32    12 crc of 16..  u32    16 magic i8    17 attributes, timestamp, key, value
    /// ```
    fn old_format(&mut self) -> io::Result<Option<i8>> {
        const LENGTH_AT: usize = 8;
        const CRC_AT: usize = 12;
        const MAGIC_AT: usize = 16;
        // Magic, attributes, and the lengths of key and value.
        const BODY_LEN_MIN: usize = 1 + 1 + 4 + 4;
        let mut reader = Reader::new(self.rest().get(LENGTH_AT..=MAGIC_AT).unwrap_or(&[]));
        let (Ok(length), Ok(crc), Ok(magic @ 0..=1)) = (reader.i32(), reader.u32(), reader.i8()) else {
            return Ok(None);
        };
        let len = usize::try_from(length).ok().and_then(|length| length.checked_add(CRC_AT));
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let Some(len) = len.filter(|len| (MAGIC_AT + BODY_LEN_MIN..=left).contains(len)) else {
            return Ok(None);
        };
        let computed = self.checksum(CrcAlgorithm::Crc32IsoHdlc, MAGIC_AT..len)?;
        Ok((computed == crc).then_some(magic))
    }

    /// The checksum of some of the bytes from `position` on, the first of which are in the buffer.
    fn checksum(&mut self, algorithm: CrcAlgorithm, of: Range<usize>) -> io::Result<u32> {
        let Range { start, end: len } = of;
        self.fill(len)?;
        if let Some(whole) = self.rest().get(start..len) {
            return Ok(u32::try_from(crc_fast::checksum(algorithm, whole)).unwrap_or(u32::MAX));
        }
        let mut digest = crc_fast::Digest::new(algorithm);
        digest.update(&self.rest()[start..]);
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
