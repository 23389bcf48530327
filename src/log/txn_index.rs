//! The `.txnindex` file of a segment: aborted transactions whose markers the segment holds (`TransactionIndex`).
//!
//! ```text
//!  0  version = 0     i16     18  last offset          i64
//!  2  producer id     i64     26  last stable offset   i64
//! 10  first offset    i64
//! ```
//! Entries stand in the order of their last offsets. The file is made with its first entry: most segments have none.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use super::disk::File;
use super::producers::CompletedTxn;
use crate::base::reader::{ReadError, Reader};

/// The only version of an entry.
pub const VERSION: i16 = 0;
/// Bytes of an entry.
pub const ENTRY_LEN: usize = 34;
const ENTRY_BYTES: u64 = 34;
/// Bytes that are read at once; a multiple of the entry's.
const CHUNK_LEN: usize = ENTRY_LEN * 1_024;

/// An aborted transaction (`AbortedTxn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// The last stable offset after the marker: no later entry concerns offsets below it.
    pub last_stable_offset: i64,
}

impl From<CompletedTxn> for AbortedTxn {
    fn from(txn: CompletedTxn) -> Self {
        Self {
            producer_id: txn.producer_id,
            first_offset: txn.first_offset,
            last_offset: txn.last_offset,
            last_stable_offset: txn.last_stable_offset,
        }
    }
}

impl AbortedTxn {
    fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut out = [0; ENTRY_LEN];
        out[..2].copy_from_slice(&VERSION.to_be_bytes());
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (at, field) in out[2..].chunks_exact_mut(8).zip(fields) {
            at.copy_from_slice(&field.to_be_bytes());
        }
        out
    }

    /// Reads an entry; one of an unknown version is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        if reader.i16()? != VERSION {
            return Err(ReadError::Truncated);
        }
        Ok(Self {
            producer_id: reader.i64()?,
            first_offset: reader.i64()?,
            last_offset: reader.i64()?,
            last_stable_offset: reader.i64()?,
        })
    }
}

/// Why an index is useless; the caller rebuilds it from the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An entry is of an unknown version, or not above the one before.
    #[error("transaction index is corrupt at byte {0}")]
    Corrupt(u64),
}

/// The aborted transactions of one segment.
pub struct TxnIndex {
    file: Arc<dyn File>,
    len: u64,
    last_offset: i64,
}

impl TxnIndex {
    /// Opens an index and checks all of it; a torn last entry is cut off. `base_offset` is the segment's.
    pub fn open(file: Arc<dyn File>, base_offset: i64) -> Result<Self, Error> {
        let torn = file.len()? % ENTRY_BYTES;
        let len = file.len()? - torn;
        if torn > 0 {
            file.set_len(len)?;
        }
        let mut index = Self { file, len, last_offset: base_offset - 1 };
        let mut last_offset = index.last_offset;
        index.walk(|position, txn| {
            if txn.last_offset <= last_offset {
                return Err(Error::Corrupt(position));
            }
            last_offset = txn.last_offset;
            Ok(true)
        })?;
        index.last_offset = last_offset;
        Ok(index)
    }

    /// Adds a transaction, which must have ended after all that are there; not durable before [`TxnIndex::sync`].
    pub fn append(&mut self, txn: &AbortedTxn) -> io::Result<()> {
        assert!(txn.last_offset > self.last_offset, "{txn:?} ended before {}", self.last_offset);
        let entry = txn.encode();
        self.file.write_at(&[IoSlice::new(&entry)], self.len)?;
        self.len += ENTRY_BYTES;
        self.last_offset = txn.last_offset;
        Ok(())
    }

    /// Drops transactions whose marker is at or above `offset`.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), Error> {
        let (mut keep, mut last_offset) = (self.len, -1);
        self.walk(|position, txn| {
            if txn.last_offset >= offset {
                keep = position;
                return Ok(false);
            }
            last_offset = txn.last_offset;
            Ok(true)
        })?;
        if keep < self.len {
            self.file.set_len(keep)?;
            self.len = keep;
            self.last_offset = last_offset;
        }
        Ok(())
    }

    /// Makes what was appended durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shows each entry with its position until `visit` answers false.
    fn walk(&self, visit: impl FnMut(u64, AbortedTxn) -> Result<bool, Error>) -> Result<(), Error> {
        walk(&*self.file, 0..self.len, visit)
    }
}

/// Adds to `found` what of an index overlaps the offsets from `from` up to, and without, `up_to`, in the order of last
/// offsets. Answers false if later segments may hold more. Somebody may be adding to the file: what is not whole yet
/// is above all that may be read, and stays as it is.
pub fn collect(file: &dyn File, from: i64, up_to: i64, found: &mut Vec<AbortedTxn>) -> Result<bool, Error> {
    let count = file.len()? / ENTRY_BYTES;
    let mut complete = false;
    walk(file, first_ending_at(file, count, from)? * ENTRY_BYTES..count * ENTRY_BYTES, |_, txn| {
        if txn.last_offset >= from && txn.first_offset < up_to {
            found.push(txn);
        }
        complete = txn.last_stable_offset >= up_to;
        Ok(!complete)
    })?;
    Ok(complete)
}

/// The bytes of an index with these entries.
pub fn encode(entries: &[AbortedTxn]) -> Vec<u8> {
    entries.iter().flat_map(AbortedTxn::encode).collect()
}

/// All entries; a torn one at the end is corrupt.
pub fn entries(file: &dyn File) -> Result<Vec<AbortedTxn>, Error> {
    let len = file.len()?;
    let whole = len - len % ENTRY_BYTES;
    let mut entries = Vec::new();
    walk(file, 0..whole, |_, txn| {
        entries.push(txn);
        Ok(true)
    })?;
    if whole < len { Err(Error::Corrupt(whole)) } else { Ok(entries) }
}

/// The first of `count` entries that ends at or above `offset`.
fn first_ending_at(file: &dyn File, count: u64, offset: i64) -> Result<u64, Error> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut entry = [0; ENTRY_LEN];
        file.read_exact_at(&mut entry, middle * ENTRY_BYTES)?;
        let txn = AbortedTxn::decode(&entry).map_err(|_| Error::Corrupt(middle * ENTRY_BYTES))?;
        if txn.last_offset < offset {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Shows the entries at `positions`, each with its own, until `visit` answers false.
fn walk(
    file: &dyn File,
    positions: Range<u64>,
    mut visit: impl FnMut(u64, AbortedTxn) -> Result<bool, Error>,
) -> Result<(), Error> {
    let Range { start: mut position, end } = positions;
    let mut chunk = vec![0; CHUNK_LEN.min(usize::try_from(end - position).unwrap_or(CHUNK_LEN))];
    while position < end {
        let left = usize::try_from(end - position).unwrap_or(CHUNK_LEN);
        let chunk_len = left.min(chunk.len());
        let bytes = &mut chunk[..chunk_len];
        file.read_exact_at(bytes, position)?;
        for entry in bytes.chunks_exact(ENTRY_LEN) {
            let txn = AbortedTxn::decode(entry).map_err(|_| Error::Corrupt(position))?;
            if !visit(position, txn)? {
                return Ok(());
            }
            position += ENTRY_BYTES;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::disk::{Disk, MemDisk, Mode};

    fn txn(first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTxn {
        AbortedTxn { producer_id: 7, first_offset, last_offset, last_stable_offset }
    }

    fn index(file: &Arc<dyn File>) -> TxnIndex {
        TxnIndex::open(Arc::clone(file), 0).unwrap()
    }

    fn filled() -> (Arc<dyn File>, TxnIndex) {
        let file = MemDisk::new().open(Path::new("/0.txnindex"), Mode::Create).unwrap();
        let mut index = index(&file);
        for txn in [txn(0, 10, 5), txn(5, 20, 21), txn(30, 40, 41)] {
            index.append(&txn).unwrap();
        }
        (file, index)
    }

    fn collect(index: &TxnIndex, from: i64, up_to: i64) -> (Vec<i64>, bool) {
        let mut found = Vec::new();
        let complete = super::collect(&*index.file, from, up_to, &mut found).unwrap();
        (found.iter().map(|txn| txn.last_offset).collect(), complete)
    }

    #[test]
    fn all_transactions_that_overlap_the_range_are_found() {
        let (file, written) = filled();
        for index in [written, index(&file)] {
            assert_eq!(collect(&index, 0, 5), (vec![10], true), "no later entry can be below 5");
            assert_eq!(collect(&index, 10, 21), (vec![10, 20], true));
            assert_eq!(collect(&index, 11, 31), (vec![20, 40], true));
            assert_eq!(collect(&index, 21, 30), (vec![], true));
            assert_eq!(collect(&index, 0, 42), (vec![10, 20, 40], false), "the next segment may hold more");
        }
    }

    #[test]
    fn truncation_drops_transactions_whose_marker_is_cut_off() {
        let (file, mut index) = filled();
        index.truncate_to(41).unwrap();
        assert_eq!(file.len().unwrap(), 102);
        index.truncate_to(20).unwrap();
        assert_eq!(file.len().unwrap(), 34);
        index.append(&txn(12, 15, 16)).unwrap();
        index.truncate_to(0).unwrap();
        assert!(index.is_empty());
        index.append(&txn(0, 0, 1)).unwrap();
    }

    #[test]
    fn a_torn_entry_is_cut_off_and_a_corrupt_one_refused() {
        let (file, index) = filled();
        drop(index);
        file.set_len(102 - 1).unwrap();
        assert_eq!(collect(&self::index(&file), 0, 100).0, [10, 20]);
        assert_eq!(file.len().unwrap(), 68);
        file.write_at(&[IoSlice::new(&[0, 1])], 34).unwrap();
        assert!(matches!(TxnIndex::open(Arc::clone(&file), 0), Err(Error::Corrupt(34))));
        assert!(matches!(TxnIndex::open(file, 11), Err(Error::Corrupt(0))), "below the segment's base");
    }

    #[test]
    fn more_entries_than_are_read_at_once_are_all_seen() {
        let file = MemDisk::new().open(Path::new("/0.txnindex"), Mode::Create).unwrap();
        let mut written = index(&file);
        for offset in 0..3_000 {
            written.append(&txn(offset, offset, offset + 1)).unwrap();
        }
        assert_eq!(collect(&index(&file), 2_998, 5_000).0, [2_998, 2_999]);
    }
}
