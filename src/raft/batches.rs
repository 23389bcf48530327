//! Batches of the metadata log and of its snapshots: never compressed, either all metadata or all control records.

use crate::wire::batch::{Batch, BatchError};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::control::{self, ControlRecord};
use crate::wire::kraft::{self, Record};
use crate::wire::record::{self, Records};

/// Why a batch is none of a metadata log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Its header or CRC.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A record's frame.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// A metadata record.
    #[error(transparent)]
    Metadata(#[from] kraft::Error),
    /// A control record.
    #[error(transparent)]
    Control(#[from] control::Error),
    /// Kafka compresses no metadata.
    #[error("a metadata batch is compressed (codec {0})")]
    Compressed(i16),
    /// Offsets are missing.
    #[error("a batch with {record_count} records ends at offset delta {last_offset_delta}")]
    Sparse {
        /// How many records it has.
        record_count: i32,
        /// The header's field.
        last_offset_delta: i32,
    },
    /// A batch does not begin where the one before ends.
    #[error("a batch begins at offset {base_offset} instead of {expected}")]
    OutOfPlace {
        /// Where it begins.
        base_offset: i64,
        /// Where it should.
        expected: i64,
    },
}

/// One record of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// For the machine.
    Data(Record),
    /// For the quorum.
    Control(ControlRecord),
}

/// The records of a batch, which begins at `expected`.
pub(super) fn decode(batch: &Batch, expected: i64) -> Result<Vec<Entry>, Malformed> {
    let header = &batch.header;
    let (record_count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if header.base_offset != expected {
        return Err(Malformed::OutOfPlace { base_offset: header.base_offset, expected });
    }
    if header.codec() != 0 {
        return Err(Malformed::Compressed(header.codec()));
    }
    if record_count < 1 || last_offset_delta != record_count - 1 {
        return Err(Malformed::Sparse { record_count, last_offset_delta });
    }
    let mut entries = Vec::new();
    for record in Records::new(header, batch.records())? {
        let record = record?;
        // A missing key or value fails as an empty one does.
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        entries.push(if header.is_control() {
            Entry::Control(ControlRecord::decode(key, value)?)
        } else {
            Entry::Data(Record::decode(value)?)
        });
    }
    Ok(entries)
}

/// Where a batch goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Offset of the first record.
    pub(super) base_offset: i64,
    /// The leader's epoch.
    pub(super) epoch: i32,
    /// Timestamp of all records, in ms.
    pub(super) timestamp_ms: i64,
}

/// One batch of metadata records, of which there is at least one.
pub(super) fn of_records(records: &[Record], place: Place) -> Batch {
    let mut builder = BatchBuilder::new();
    let mut value = Vec::new();
    for record in records {
        value.clear();
        record.encode(&mut value);
        builder.push(place.timestamp_ms, None, Some(&value), &[]);
    }
    build(builder, place, false)
}

/// One batch of control records, of which there is at least one.
pub(super) fn of_control(records: &[ControlRecord], place: Place) -> Batch {
    let mut builder = BatchBuilder::new();
    let mut value = Vec::new();
    for record in records {
        value.clear();
        record.encode_value(&mut value);
        builder.push(place.timestamp_ms, Some(&record.key()), Some(&value), &[]);
    }
    build(builder, place, true)
}

/// The batch of what is in `builder`.
pub(super) fn build(builder: BatchBuilder, place: Place, control: bool) -> Batch {
    let fields = Fields {
        base_offset: place.base_offset,
        partition_leader_epoch: place.epoch,
        control,
        ..Fields::default()
    };
    builder.build(&fields, Compression::None).expect("only compression fails")
}
