//! Builds the batches that the broker itself writes: metadata, offsets, transaction state, control records
//! (`MemoryRecordsBuilder`). What clients send is validated in place instead and never comes here, except
//! to repair wrong offset deltas.

use bytes::Bytes;

use super::batch::{Batch, BatchHeader, CONTROL, HEADER_LEN, LOG_APPEND_TIME, LOG_OVERHEAD, TRANSACTIONAL};
use super::compress::{self, Compression};
use super::record::{Header, Record};

/// The header fields that the records do not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Epoch of the leader that appends the batch.
    pub partition_leader_epoch: i32,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// -1 without idempotence, and for control records.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether the batch holds control records.
    pub control: bool,
    /// Sets the timestamp of all records, in ms (`LogAppendTime`).
    pub log_append_time_ms: Option<i64>,
}

impl Default for Fields {
    /// A plain batch at offset 0 in no epoch.
    fn default() -> Self {
        Self {
            base_offset: 0,
            partition_leader_epoch: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            transactional: false,
            control: false,
            log_append_time_ms: None,
        }
    }
}

/// What a control record says; its number stands in the record's key (`ControlRecordType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// A transaction was aborted.
    Abort,
    /// A transaction was committed.
    Commit,
    /// The first record of a leader's epoch in the metadata log.
    LeaderChange,
    /// The first record of a snapshot.
    SnapshotHeader,
    /// The last record of a snapshot.
    SnapshotFooter,
    /// The `kraft.version` of a quorum with dynamic voters.
    KraftVersion,
    /// The voters of such a quorum.
    KraftVoters,
}

impl ControlRecord {
    const ALL: [(i16, Self); 7] = [
        (0, Self::Abort),
        (1, Self::Commit),
        (2, Self::LeaderChange),
        (3, Self::SnapshotHeader),
        (4, Self::SnapshotFooter),
        (5, Self::KraftVersion),
        (6, Self::KraftVoters),
    ];

    /// The key of the record: `i16` version 0, `i16` type.
    pub fn key(self) -> [u8; 4] {
        let (id, _) = Self::ALL.into_iter().find(|(_, kind)| *kind == self).expect("all kinds are listed");
        let [high, low] = id.to_be_bytes();
        [0, 0, high, low]
    }

    /// The kind that a key tells, `None` for keys and kinds that this broker does not know.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let [version_high, _, high, low, ..] = *key else { return None };
        let id = i16::from_be_bytes([high, low]);
        ALL_KEYS_FROM.contains(&version_high).then_some(())?;
        Self::ALL.into_iter().find(|(known, _)| *known == id).map(|(_, kind)| kind)
    }
}

/// First bytes of a key whose version is not negative; newer versions only append fields.
const ALL_KEYS_FROM: std::ops::RangeInclusive<u8> = 0..=0x7f;

/// Collects records and makes one batch of them.
#[derive(Clone, Debug, Default)]
pub struct BatchBuilder {
    records: Vec<u8>,
    count: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new() -> Self {
        Self { records: Vec::new(), count: 0, base_timestamp: None, max_timestamp: -1 }
    }

    /// An empty batch whose timestamps are relative to this one instead of the first record's.
    pub fn relative_to(base_timestamp: i64) -> Self {
        Self { base_timestamp: Some(base_timestamp), ..Self::new() }
    }

    /// Adds a record at the next offset; `timestamp` in ms, -1 for none.
    pub fn push(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) {
        let mut encoded = Vec::new();
        for header in headers {
            put_nullable(&mut encoded, Some(header.key));
            put_nullable(&mut encoded, header.value);
        }
        self.push_record(&Record {
            attributes: 0,
            timestamp,
            offset: 0,
            key,
            value,
            header_count: headers.len(),
            headers: &encoded,
        });
    }

    /// Adds a copy of `record` at the next offset, with its headers byte for byte.
    pub(super) fn push_record(&mut self, record: &Record<'_>) {
        self.push_at(record, self.count);
    }

    /// Adds a copy of `record` at an offset relative to the batch's, which is above that of the record before.
    pub fn push_at(&mut self, record: &Record<'_>, offset_delta: i32) {
        let base = *self.base_timestamp.get_or_insert(record.timestamp);
        let timestamp_delta = record.timestamp.saturating_sub(base);
        let length = 1
            + varlong_len(timestamp_delta)
            + varlong_len(i64::from(offset_delta))
            + nullable_len(record.key)
            + nullable_len(record.value)
            + varlong_len(len_i64(record.header_count))
            + record.headers.len();
        let out = &mut self.records;
        put_varlong(out, len_i64(length));
        out.push(record.attributes.cast_unsigned());
        put_varlong(out, timestamp_delta);
        put_varlong(out, i64::from(offset_delta));
        put_nullable(out, record.key);
        put_nullable(out, record.value);
        put_varlong(out, len_i64(record.header_count));
        out.extend_from_slice(record.headers);
        self.count = self.count.checked_add(1).expect("a batch holds fewer than 2^31 records");
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
    }

    /// How many records there are.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch if it is not compressed.
    pub fn len(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    /// Whether there is no record yet, and so nothing to build.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records alone, not compressed.
    pub(super) fn into_records(self) -> Vec<u8> {
        self.records
    }

    /// The records, possibly none, under a header that is there already; its codec, length and CRC are made right.
    pub fn build_as(
        self,
        mut header: BatchHeader,
        compression: Compression,
    ) -> Result<Batch, compress::Error> {
        header.set_codec(compression.codec());
        let records = match compression {
            Compression::None => self.records,
            Compression::Gzip(_) | Compression::Snappy | Compression::Lz4(_) | Compression::Zstd(_) => {
                compress::compress(compression, &self.records)?
            }
        };
        Ok(assemble(header, &records))
    }

    /// The batch, with a valid CRC. There must be a record.
    pub fn build(self, fields: &Fields, compression: Compression) -> Result<Batch, compress::Error> {
        assert!(!self.is_empty(), "a batch has at least one record");
        let flag = |set: bool, bit: i16| if set { bit } else { 0 };
        let header = BatchHeader {
            base_offset: fields.base_offset,
            length: 0,
            partition_leader_epoch: fields.partition_leader_epoch,
            crc: 0,
            attributes: compression.codec().id()
                | flag(fields.log_append_time_ms.is_some(), LOG_APPEND_TIME)
                | flag(fields.transactional, TRANSACTIONAL)
                | flag(fields.control, CONTROL),
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp.expect("set by the first record"),
            max_timestamp: fields.log_append_time_ms.unwrap_or(self.max_timestamp),
            producer_id: fields.producer_id,
            producer_epoch: fields.producer_epoch,
            base_sequence: fields.base_sequence,
            record_count: self.count,
        };
        let records = match compression {
            Compression::None => self.records,
            Compression::Gzip(_) | Compression::Snappy | Compression::Lz4(_) | Compression::Zstd(_) => {
                compress::compress(compression, &self.records)?
            }
        };
        Ok(assemble(header, &records))
    }
}

/// Puts `header`, with its length and CRC made right, in front of `records`.
pub(super) fn assemble(mut header: BatchHeader, records: &[u8]) -> Batch {
    let length = HEADER_LEN - LOG_OVERHEAD + records.len();
    header.length = i32::try_from(length).expect("a batch that the broker writes is smaller than 2 GiB");
    header.seal(records);
    let mut bytes = Vec::with_capacity(HEADER_LEN + records.len());
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(records);
    Batch { header, bytes: Bytes::from(bytes) }
}

fn len_i64(len: usize) -> i64 {
    i64::try_from(len).expect("no slice is longer than i64::MAX")
}

/// A varint and a varlong of one number have the same bytes.
fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = zig_zag(value);
    while rest > 0x7f {
        out.push(rest.to_be_bytes()[7] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_be_bytes()[7]);
}

fn varlong_len(value: i64) -> usize {
    let bits = u64::BITS - zig_zag(value).leading_zeros();
    usize::try_from(bits.max(1).div_ceil(7)).expect("at most ten")
}

fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varlong(out, bytes.map_or(-1, |bytes| len_i64(bytes.len())));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varlong_len(len_i64(bytes.len())) + bytes.len())
}

#[cfg(test)]
mod tests;
