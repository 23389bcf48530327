//! Record batches of magic 2, seen in place (`DefaultRecordBatch`).
//!
//! ```text
//!  0  base offset            i64      27  base timestamp    i64
//!  8  length (of the rest)   i32      35  max timestamp     i64
//! 12  partition leader epoch i32      43  producer id       i64
//! 16  magic = 2              i8       51  producer epoch    i16
//! 17  crc32c of 21..         u32      53  base sequence     i32
//! 21  attributes             i16      57  record count      i32
//! 23  last offset delta      i32      61  records
//! ```
//! The CRC covers neither the base offset nor the leader epoch, so both are patched without a new CRC.

use bytes::Bytes;

use super::compress::Codec;
use crate::base::reader::Reader;

/// Bytes before the records.
pub const HEADER_LEN: usize = 61;
/// Bytes that the length field does not count.
pub const LOG_OVERHEAD: usize = 12;
/// The only format that Kafka 4 writes.
pub const MAGIC: i8 = 2;
/// Where the bytes that the CRC covers begin.
pub const CRC_FROM: usize = 21;

pub(super) const COMPRESSION_MASK: i16 = 0x07;
pub(super) const LOG_APPEND_TIME: i16 = 0x08;
/// Attribute of a batch that belongs to a transaction.
pub const TRANSACTIONAL: i16 = 0x10;
pub(super) const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// Why bytes are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a header, or than the header's length field announces.
    #[error("record batch ends early")]
    Truncated,
    /// The length field is too small for a header.
    #[error("record batch length {0} is too small")]
    BadLength(i32),
    /// Not magic 2.
    #[error("record batch has magic {0}")]
    BadMagic(i8),
    /// The CRC does not match the bytes.
    #[error("record batch has crc {stored:#010x}, computed {computed:#010x}")]
    BadCrc {
        /// The header's field.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
}

/// The fields before the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes after this field.
    pub length: i32,
    /// Epoch of the leader that appended the batch, -1 before.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression, timestamp type and flags.
    pub attributes: i16,
    /// Offset of the last record, relative to the base offset; kept when compaction drops that record.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to, in ms; with a delete horizon, that horizon.
    pub base_timestamp: i64,
    /// Largest timestamp in the batch, in ms.
    pub max_timestamp: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// Sequence number of the first record, -1 without idempotence.
    pub base_sequence: i32,
    /// How many records follow.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header from the start of `bytes`; checks magic and length field, but not the CRC and not
    /// that the whole batch is there.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let mut reader = Reader::new(bytes.get(..HEADER_LEN).ok_or(BatchError::Truncated)?);
        let mut read = || -> Result<(i8, Self), crate::base::reader::ReadError> {
            let base_offset = reader.i64()?;
            let length = reader.i32()?;
            let partition_leader_epoch = reader.i32()?;
            let magic = reader.i8()?;
            let header = Self {
                base_offset,
                length,
                partition_leader_epoch,
                crc: reader.u32()?,
                attributes: reader.i16()?,
                last_offset_delta: reader.i32()?,
                base_timestamp: reader.i64()?,
                max_timestamp: reader.i64()?,
                producer_id: reader.i64()?,
                producer_epoch: reader.i16()?,
                base_sequence: reader.i32()?,
                record_count: reader.i32()?,
            };
            Ok((magic, header))
        };
        let (magic, header) = read().map_err(|_| BatchError::Truncated)?;
        if magic != MAGIC {
            return Err(BatchError::BadMagic(magic));
        }
        if usize::try_from(header.length).is_ok_and(|l| l + LOG_OVERHEAD >= HEADER_LEN) {
            Ok(header)
        } else {
            Err(BatchError::BadLength(header.length))
        }
    }

    /// The header as it stands on disk and on the wire.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[8..12].copy_from_slice(&self.length.to_be_bytes());
        out[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        out[16..17].copy_from_slice(&MAGIC.to_be_bytes());
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        out
    }

    /// Sets the CRC of this header in front of `records`.
    pub fn seal(&mut self, records: &[u8]) {
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&self.encode()[CRC_FROM..]);
        digest.update(records);
        self.crc = u32::try_from(digest.finalize()).expect("a 32-bit algorithm gives 32 bits");
    }

    /// Bytes of the whole batch, header included.
    pub fn total_len(&self) -> usize {
        LOG_OVERHEAD + usize::try_from(self.length).expect("checked when parsed: not negative")
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The codec's number, 0 to 7: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub fn codec(&self) -> i16 {
        self.attributes & COMPRESSION_MASK
    }

    /// Whether the broker set the timestamps.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record instead of data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// Sets whether the base timestamp is a delete horizon.
    pub fn set_delete_horizon(&mut self, has_it: bool) {
        self.attributes =
            if has_it { self.attributes | DELETE_HORIZON } else { self.attributes & !DELETE_HORIZON };
    }

    /// Sets the codec.
    pub fn set_codec(&mut self, codec: Codec) {
        self.attributes = self.attributes & !COMPRESSION_MASK | codec.id();
    }

    /// Whether the batch has a producer id.
    pub fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// Sequence number of the last record; after `i32::MAX` comes 0 (`DefaultRecordBatch.incrementSequence`).
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 { -1 } else { add_sequence(self.base_sequence, self.last_offset_delta) }
    }
}

/// `sequence + by`, where 0 follows `i32::MAX`; both must not be negative.
pub fn add_sequence(sequence: i32, by: i32) -> i32 {
    sequence.checked_add(by).unwrap_or_else(|| by - (i32::MAX - sequence) - 1)
}

/// CRC-32C (Castagnoli).
pub fn crc32c(bytes: &[u8]) -> u32 {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
    u32::try_from(crc).expect("a 32-bit algorithm gives 32 bits")
}

/// One whole batch: the bytes as they came, and the header that is to stand before their records.
///
/// The header is the truth: an appender patches it and writes it in place of the first 61 bytes, so the
/// bytes themselves are never copied or changed.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The header, possibly patched.
    pub header: BatchHeader,
    /// The whole batch; its first 61 bytes may be older than `header`.
    pub bytes: Bytes,
}

impl Batch {
    /// Takes the first batch off `bytes` and checks its CRC.
    pub fn split_from(bytes: &mut Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        if header.total_len() > bytes.len() {
            return Err(BatchError::Truncated);
        }
        let bytes = bytes.split_to(header.total_len());
        let computed = crc32c(&bytes[CRC_FROM..]);
        if computed != header.crc {
            return Err(BatchError::BadCrc { stored: header.crc, computed });
        }
        Ok(Self { header, bytes })
    }

    /// The bytes after the header.
    pub fn records(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_wraps_to_zero() {
        assert_eq!(add_sequence(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(add_sequence(i32::MAX, 1), 0);
        assert_eq!(add_sequence(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn crc_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
