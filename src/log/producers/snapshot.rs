//! The `.snapshot` file: producer state at an offset (`ProducerSnapshot.json`, version 1).
//!
//! ```text
//! 0  version = 1           i16
//! 2  crc32c of 6..         u32
//! 6  count of entries      i32
//! then per entry, 46 bytes:
//!  0  producer id          i64     26  timestamp               i64
//!  8  epoch                i16     34  coordinator epoch       i32
//! 10  last sequence        i32     38  first offset of the
//! 14  last offset          i64         open transaction, or -1 i64
//! 22  offset delta         i32
//! ```
//! Only the last batch of a producer is kept, so duplicates of older ones are not recognised after a restart that
//! replays nothing; Apache Kafka has it so too.

use std::collections::HashSet;

use super::{Entry, ProducerStates, RecentBatch};
use crate::base::reader::{ReadError, Reader};
use crate::wire::batch::crc32c;

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const ENTRIES_FROM: usize = 6;
const HEADER_LEN: usize = 10;
const ENTRY_LEN: usize = 46;

/// Largest snapshot that is read, in bytes: some 5.8 million producers.
pub const BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why a file is no snapshot. The caller deletes it and takes an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes end before the entries that the count announces.
    #[error("producer snapshot is truncated")]
    Truncated,
    /// Not version 1.
    #[error("producer snapshot has version {0}")]
    Version(i16),
    /// The CRC does not match the entries.
    #[error("producer snapshot has crc {stored:#010x}, computed {computed:#010x}")]
    Crc {
        /// The file's field.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The count does not match the length.
    #[error("producer snapshot of {len} bytes announces {count} entries")]
    Count {
        /// The file's field.
        count: i32,
        /// The file's length.
        len: usize,
    },
    /// A field has a value that no broker writes.
    #[error("producer snapshot has an impossible entry for producer {producer_id}")]
    Entry {
        /// Whose entry.
        producer_id: i64,
    },
}

impl From<ReadError> for SnapshotError {
    fn from(_: ReadError) -> Self {
        Self::Truncated
    }
}

/// Name of the snapshot file of an offset (`LogFileUtils.producerSnapshotFile`).
pub fn file_name(offset: i64) -> String {
    format!("{offset:020}.snapshot")
}

/// The file's bytes.
pub fn encode(states: &ProducerStates) -> Vec<u8> {
    let entries = states.sorted();
    let mut out = Vec::with_capacity(HEADER_LEN + entries.len() * ENTRY_LEN);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; ENTRIES_FROM - CRC_AT]);
    out.extend_from_slice(&i32::try_from(entries.len()).unwrap_or(i32::MAX).to_be_bytes());
    for (producer_id, entry) in entries {
        encode_entry(&mut out, producer_id, entry);
    }
    let crc = crc32c(&out[ENTRIES_FROM..]);
    out[CRC_AT..ENTRIES_FROM].copy_from_slice(&crc.to_be_bytes());
    out
}

fn encode_entry(out: &mut Vec<u8>, producer_id: i64, entry: &Entry) {
    let last = entry.recent().last();
    out.extend_from_slice(&producer_id.to_be_bytes());
    out.extend_from_slice(&entry.producer_epoch.to_be_bytes());
    out.extend_from_slice(&entry.last_sequence().to_be_bytes());
    out.extend_from_slice(&last.map_or(-1, |b| b.last_offset).to_be_bytes());
    out.extend_from_slice(&last.map_or(0, |b| b.offset_delta).to_be_bytes());
    out.extend_from_slice(&entry.last_timestamp_ms.to_be_bytes());
    out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
    out.extend_from_slice(&entry.txn_first_offset.unwrap_or(-1).to_be_bytes());
}

/// Reads what [`encode`] or Apache Kafka wrote, for [`ProducerStates::restore`].
pub fn decode(bytes: &[u8]) -> Result<Vec<(i64, Entry)>, SnapshotError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let stored = reader.u32()?;
    let computed = crc32c(reader.rest());
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    let count = reader.i32()?;
    let wrong_count = SnapshotError::Count { count, len: bytes.len() };
    let entries = usize::try_from(count).map_err(|_| wrong_count)?;
    if entries.checked_mul(ENTRY_LEN) != Some(reader.remaining()) {
        return Err(wrong_count);
    }
    let mut seen = HashSet::with_capacity(entries);
    let mut decoded = Vec::with_capacity(entries);
    for _ in 0..entries {
        let (producer_id, entry) = decode_entry(&mut reader)?;
        if !seen.insert(producer_id) {
            return Err(SnapshotError::Entry { producer_id });
        }
        decoded.push((producer_id, entry));
    }
    Ok(decoded)
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<(i64, Entry), SnapshotError> {
    let producer_id = reader.i64()?;
    let producer_epoch = reader.i16()?;
    let last_sequence = reader.i32()?;
    let last_offset = reader.i64()?;
    let offset_delta = reader.i32()?;
    let timestamp_ms = reader.i64()?;
    let coordinator_epoch = reader.i32()?;
    let txn_first_offset = Some(reader.i64()?).filter(|offset| *offset >= 0);
    if producer_id < 0 || last_sequence < -1 || offset_delta < 0 {
        return Err(SnapshotError::Entry { producer_id });
    }
    let mut entry = Entry::new(producer_epoch, coordinator_epoch, timestamp_ms, txn_first_offset);
    if last_offset >= 0 {
        entry.add(producer_epoch, RecentBatch { last_sequence, offset_delta, last_offset, timestamp_ms });
    }
    Ok((producer_id, entry))
}
