//! The control record that ends a transaction (`EndTransactionMarker`).

use crate::base::id::Producer;
use crate::base::reader::{ReadError, Reader};
use crate::wire::batch::{Batch, BatchHeader};
use crate::wire::builder::{BatchBuilder, ControlRecord, Fields};
use crate::wire::compress::Compression;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its records count.
    Commit,
    /// Its records do not count.
    Abort,
}

/// Why a control batch of a producer is no transaction marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// The record ends early or its numbers are broken.
    #[error("transaction marker is malformed: {0}")]
    Malformed(#[from] ReadError),
    /// The control type is neither abort nor commit.
    #[error("transaction marker has control type {0}")]
    Type(i16),
    /// A negative version of key or value.
    #[error("transaction marker has version {0}")]
    Version(i16),
}

/// A transaction marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Commit or abort.
    pub verdict: Verdict,
    /// Epoch of the coordinator that wrote it.
    pub coordinator_epoch: i32,
    /// The record's timestamp, in ms.
    pub timestamp_ms: i64,
}

impl Marker {
    /// Reads the marker of a control batch that has a producer id; `records` is what follows the header.
    /// None if compaction has removed the record, and with it the whole transaction.
    pub fn read(header: &BatchHeader, records: &[u8]) -> Result<Option<Self>, MarkerError> {
        if header.record_count <= 0 {
            return Ok(None);
        }
        let mut reader = Reader::new(records);
        let _length = reader.varint()?;
        let _attributes = reader.i8()?;
        let timestamp_delta = reader.varlong()?;
        let _offset_delta = reader.varint()?;
        let verdict = read_key(field(&mut reader)?)?;
        let coordinator_epoch = read_value(field(&mut reader)?)?;
        let timestamp_ms = if header.is_log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.saturating_add(timestamp_delta)
        };
        Ok(Some(Self { verdict, coordinator_epoch, timestamp_ms }))
    }
}

/// A marker to be written: who ends which producer's transaction, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Whose transaction. From transactions version 2 on its epoch is newer than that of the transaction's batches.
    pub producer: Producer,
    /// Leader epoch of the coordinator's partition.
    pub coordinator_epoch: i32,
    /// Commit or abort.
    pub verdict: Verdict,
}

impl EndTxnMarker {
    /// The control batch, for the offset `base_offset` under the leader's `leader_epoch`.
    pub fn batch(&self, base_offset: i64, leader_epoch: i32, now_ms: i64) -> Batch {
        let kind = match self.verdict {
            Verdict::Commit => ControlRecord::Commit,
            Verdict::Abort => ControlRecord::Abort,
        };
        let mut value = VALUE_VERSION.to_be_bytes().to_vec();
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        let fields = Fields {
            base_offset,
            partition_leader_epoch: leader_epoch,
            producer_id: self.producer.id,
            producer_epoch: self.producer.epoch,
            transactional: true,
            control: true,
            ..Fields::default()
        };
        let mut builder = BatchBuilder::new();
        builder.push(now_ms, Some(&kind.key()), Some(&value), &[]);
        builder.build(&fields, Compression::None).expect("without compression nothing can fail")
    }
}

/// Version of the marker's value (`EndTxnMarker.HIGHEST_SUPPORTED_VERSION`).
const VALUE_VERSION: i16 = 0;

fn field<'a>(reader: &mut Reader<'a>) -> Result<Reader<'a>, ReadError> {
    let len = usize::try_from(reader.varint()?).map_err(|_| ReadError::Truncated)?;
    Ok(Reader::new(reader.take(len)?))
}

fn read_version(reader: &mut Reader<'_>) -> Result<(), MarkerError> {
    let version = reader.i16()?;
    if version < 0 { Err(MarkerError::Version(version)) } else { Ok(()) }
}

fn read_key(mut key: Reader<'_>) -> Result<Verdict, MarkerError> {
    read_version(&mut key)?;
    match key.i16()? {
        0 => Ok(Verdict::Abort),
        1 => Ok(Verdict::Commit),
        other => Err(MarkerError::Type(other)),
    }
}

fn read_value(mut value: Reader<'_>) -> Result<i32, MarkerError> {
    read_version(&mut value)?;
    Ok(value.i32()?)
}
