//! One batch without the records that are not kept (`MemoryRecords.filterTo`).
//!
//! A batch that loses nothing is copied as it is. One that loses records keeps its offsets, its sequence numbers and its
//! producer, so that the gap shows; its records are copied byte for byte, headers and all, and compressed again.

use crate::log::walk::invalid;
use crate::wire::batch::{Batch, BatchHeader, HEADER_LEN};
use crate::wire::builder::BatchBuilder;
use crate::wire::compress::{Codec, Compression, plain_records};
use crate::wire::record::{Record, Records};

/// What is to become of a batch, whatever becomes of its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// All records go.
    pub(super) loses_all: bool,
    /// It stays without records, if none is kept: for its sequence number, or as the last one.
    pub(super) stays_empty: bool,
    /// It is a marker of a transaction of which nothing is left, and may go some time.
    pub(super) is_marker_over: bool,
}

/// What is left of a batch.
#[derive(Debug)]
pub(super) enum Kept {
    /// All of it.
    Whole,
    /// This instead.
    Changed(Batch),
    /// Nothing.
    Nothing,
}

/// Leaves those records of a batch for which `keeps` holds. If it has tombstones, or is a marker that is over, and has no
/// delete horizon yet, it gets `horizon_ms`: from then on they may go (KIP-534).
pub(super) fn filter(
    header: &BatchHeader,
    bytes: &[u8],
    fate: Fate,
    horizon_ms: i64,
    mut keeps: impl FnMut(&Record<'_>) -> bool,
) -> std::io::Result<Kept> {
    let emptied = || if fate.stays_empty { Kept::Changed(empty(header)) } else { Kept::Nothing };
    if fate.loses_all {
        return Ok(emptied());
    }
    let mut decompressed = Vec::new();
    let codec = Codec::from_id(header.codec()).map_err(invalid)?;
    let records = plain_records(codec, &bytes[HEADER_LEN..], &mut decompressed).map_err(invalid)?;
    let mut kept = Vec::new();
    let (mut is_whole, mut has_tombstones) = (true, false);
    for record in Records::new(header, records).map_err(invalid)? {
        let record = record.map_err(invalid)?;
        if keeps(&record) {
            has_tombstones |= record.value.is_none();
            kept.push(record);
        } else {
            is_whole = false;
        }
    }
    if kept.is_empty() {
        return Ok(emptied());
    }
    let needs_horizon = (has_tombstones || fate.is_marker_over) && !header.has_delete_horizon();
    if is_whole && !needs_horizon {
        return Ok(Kept::Whole);
    }
    let horizon_ms = match (needs_horizon, header.has_delete_horizon()) {
        (true, _) => Some(horizon_ms),
        (false, true) => Some(header.base_timestamp),
        (false, false) => None,
    };
    rebuild(header, &kept, horizon_ms, codec.into()).map(Kept::Changed)
}

/// A batch of some records of another one, in its place.
fn rebuild(
    header: &BatchHeader,
    kept: &[Record<'_>],
    horizon_ms: Option<i64>,
    compression: Compression,
) -> std::io::Result<Batch> {
    let first = kept.first().map_or(-1, |record| record.timestamp);
    let base_timestamp = horizon_ms.unwrap_or(first);
    let mut builder = BatchBuilder::relative_to(base_timestamp);
    for record in kept {
        let delta = i32::try_from(record.offset - header.base_offset).map_err(invalid)?;
        builder.push_at(record, delta);
    }
    let mut changed = *header;
    changed.base_timestamp = base_timestamp;
    if !header.is_log_append_time() {
        changed.max_timestamp = kept.iter().map(|record| record.timestamp).max().unwrap_or(-1);
    }
    changed.set_delete_horizon(horizon_ms.is_some());
    changed.record_count = builder.count();
    builder.build_as(changed, compression).map_err(invalid)
}

/// A batch without records in place of another one (`DefaultRecordBatch.writeEmptyHeader`).
fn empty(header: &BatchHeader) -> Batch {
    let mut changed = *header;
    changed.set_codec(Codec::None);
    changed.set_delete_horizon(false);
    changed.base_timestamp = -1;
    changed.record_count = 0;
    BatchBuilder::new()
        .build_as(changed, Compression::None)
        .unwrap_or_else(|_| unreachable!("nothing is compressed"))
}
