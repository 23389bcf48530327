//! Reads the batches of a file one after the other, without an index and without recovery.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::batches::Malformed;
use crate::log::disk::{Disk, File, Mode};
use crate::wire::batch::{Batch, BatchHeader, HEADER_LEN};

/// Why there is no next batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The disk's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes' fault.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A file of batches, and how far it was read.
pub(super) struct BatchFile {
    file: Arc<dyn File>,
    len: u64,
    position: u64,
}

impl BatchFile {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, Mode::Read)?;
        let len = file.len()?;
        Ok(Self { file, len, position: 0 })
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Where the next batch begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at another place.
    pub(super) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// Reads bytes as they are; fewer only at the end of the file.
    pub(super) fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }

    /// The next batch, whose CRC is right; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Batch>, Unreadable> {
        if self.position >= self.len {
            return Ok(None);
        }
        let left = usize::try_from(self.len - self.position).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(HEADER_LEN)];
        self.file.read_exact_at(&mut bytes, self.position)?;
        let header = BatchHeader::parse(&bytes).map_err(Malformed::from)?;
        // The length is believed only as far as the file goes.
        if header.total_len() <= left {
            bytes.resize(header.total_len(), 0);
            self.file.read_exact_at(&mut bytes, self.position)?;
        }
        let batch = Batch::split_from(&mut Bytes::from(bytes)).map_err(Malformed::from)?;
        self.position += u64::try_from(batch.bytes.len()).unwrap_or(u64::MAX);
        Ok(Some(batch))
    }
}
