//! Goes from batch to batch of a segment by their headers.

use std::io;

use super::disk::File;
use crate::wire::batch::{BatchHeader, HEADER_LEN};

/// How much is read at once; small batches share a read.
const READ_BYTES: usize = 4096;

/// A batch and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its first byte.
    pub(super) position: u64,
    pub(super) header: BatchHeader,
}

impl Found {
    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.header.total_len()).unwrap_or(u64::MAX)
    }

    /// The byte after it.
    pub(super) fn end(&self) -> u64 {
        self.position.saturating_add(self.len())
    }
}

/// The batches from one position to another. A batch that is not wholly before the end, or whose header is broken,
/// is an `InvalidData` error.
pub(super) struct Walk<'a> {
    file: &'a dyn File,
    position: u64,
    end: u64,
    buf: Vec<u8>,
    buf_position: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(file: &'a dyn File, position: u64, end: u64) -> Self {
        Self { file, position, end, buf: Vec::new(), buf_position: 0 }
    }

    /// Where the next batch starts.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let header = BatchHeader::parse(self.header_bytes()?).map_err(invalid)?;
        let found = Found { position: self.position, header };
        if found.end() > self.end {
            return Err(invalid(crate::wire::batch::BatchError::Truncated));
        }
        self.position = found.end();
        Ok(Some(found))
    }

    fn header_bytes(&mut self) -> io::Result<&[u8]> {
        let offset_in = |from: u64, at: u64| usize::try_from(at.checked_sub(from)?).ok();
        let has = |from: usize, len: usize| len.checked_sub(from).is_some_and(|rest| rest >= HEADER_LEN);
        if !offset_in(self.buf_position, self.position).is_some_and(|from| has(from, self.buf.len())) {
            let rest = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            self.buf.resize(rest.min(READ_BYTES), 0);
            let read = self.file.read_at(&mut self.buf, self.position)?;
            self.buf.truncate(read);
            self.buf_position = self.position;
        }
        let from = usize::try_from(self.position - self.buf_position).unwrap_or(usize::MAX);
        Ok(self.buf.get(from..).unwrap_or(&[]))
    }
}

/// Bytes of a segment that make no sense.
pub(super) fn invalid(what: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
