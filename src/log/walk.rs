//! Goes from batch to batch of a segment by their headers.

use std::io;

use super::disk::File;
use crate::wire::batch::{BatchHeader, HEADER_LEN};

/// How much is read at once to begin with; small batches share a read.
const READ_BYTES: usize = 4096;
/// How much that grows to while one batch after the other begins in what was read.
const READ_BYTES_MAX: usize = 256 * 1024;

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
    read_bytes: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(file: &'a dyn File, position: u64, end: u64) -> Self {
        Self { file, position, end, buf: Vec::new(), buf_position: 0, read_bytes: READ_BYTES }
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
            let is_next = offset_in(self.buf_position, self.position)
                .is_some_and(|from| from > 0 && from <= self.buf.len());
            self.read_bytes = if is_next { READ_BYTES_MAX.min(2 * self.read_bytes) } else { READ_BYTES };
            self.buf.resize(rest.min(self.read_bytes), 0);
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

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::log::disk::{Disk as _, MemDisk, Mode};
    use crate::log::testing;

    /// A file that notes how much was read at once.
    struct Noting(Arc<dyn File>, Mutex<Vec<usize>>);

    impl File for Noting {
        fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
            self.1.lock().push(buf.len());
            self.0.read_at(buf, position)
        }
        fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
            self.0.write_at(parts, position)
        }
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }
        fn as_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
            None
        }
    }

    #[test]
    fn small_batches_are_read_in_large_pieces_and_of_large_ones_the_beginning() {
        let small = testing::batch(1, 7);
        let large = testing::built(1, 7, 100_000, &crate::wire::builder::Fields::default()).bytes.to_vec();
        for (batch, count, reads_max, bytes_max) in
            [(&small[..], 20_000, 15, 1 << 21), (&large[..], 20, 20, 20 * READ_BYTES)]
        {
            let file = MemDisk::new().open(Path::new("/log"), Mode::Create).unwrap();
            file.write_at(&[IoSlice::new(&batch.repeat(count))], 0).unwrap();
            let file = Noting(file, Mutex::default());
            let mut walk = Walk::new(&file, 0, file.len().unwrap());
            let mut found = 0;
            while walk.next().unwrap().is_some() {
                found += 1;
            }
            let reads = file.1.lock();
            assert_eq!(found, count);
            assert!(reads.len() <= reads_max && reads.iter().sum::<usize>() <= bytes_max, "{reads:?}");
        }
    }
}
