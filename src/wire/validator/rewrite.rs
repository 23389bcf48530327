//! What is appended: the client's bytes behind a corrected header, or a new batch.

use std::borrow::Cow;

use bytes::Bytes;

use super::walk::Walked;
use super::{Failure, NO_TIMESTAMP, Reason, Rejection, Rules, TimestampType, reject};
use crate::base::id::TopicPartition;
use crate::wire::batch::{Batch, BatchHeader, COMPRESSION_MASK, HEADER_LEN, LOG_APPEND_TIME};
use crate::wire::builder::{BatchBuilder, assemble};
use crate::wire::compress::{self, Codec, Compression};
use crate::wire::record::Records;

/// The header with its timestamp type and max timestamp made true, and the response's log append time.
pub(super) fn stamp(header: &BatchHeader, rules: &Rules, now_ms: i64, walked: &Walked) -> (BatchHeader, i64) {
    let mut stamped = *header;
    match rules.timestamp_type {
        TimestampType::CreateTime => {
            stamped.max_timestamp = walked.max_timestamp;
            (stamped, NO_TIMESTAMP)
        }
        TimestampType::LogAppendTime => {
            stamped.attributes |= LOG_APPEND_TIME;
            stamped.max_timestamp = now_ms;
            (stamped, now_ms)
        }
    }
}

/// The client's bytes behind the `stamped` header, which gets a new CRC only if it changed.
pub(super) fn in_place(bytes: Bytes, header: &BatchHeader, mut stamped: BatchHeader) -> Batch {
    if stamped != *header {
        stamped.seal(&bytes[HEADER_LEN..]);
    }
    Batch { header: stamped, bytes }
}

/// The records of an already validated batch, decompressed and with the offset deltas 0, 1, 2, ...
pub(super) fn plain_records<'a>(
    header: &BatchHeader,
    records: &'a [u8],
    walked: &Walked,
    rules: &Rules,
    window: &'a mut Vec<u8>,
) -> Result<Cow<'a, [u8]>, Failure> {
    let codec = Codec::from_id(header.codec())?;
    let plain = if codec == Codec::None {
        records
    } else {
        window.clear();
        compress::decompress(codec, records, rules.decompressed_bytes_max, window)?;
        &*window
    };
    if walked.offsets_in_order {
        return Ok(Cow::Borrowed(plain));
    }
    let mut builder = BatchBuilder::relative_to(header.base_timestamp);
    for record in Records::new(header, plain)? {
        builder.push_record(&record?);
    }
    Ok(Cow::Owned(builder.into_records()))
}

pub(super) fn recompress(
    mut header: BatchHeader,
    target: Compression,
    plain: &[u8],
) -> Result<Batch, Failure> {
    header.attributes = (header.attributes & !COMPRESSION_MASK) | target.codec().id();
    Ok(assemble(header, &compress::compress(target, plain)?))
}

pub(super) fn check_rewritten_size(
    batch: &Batch,
    rules: &Rules,
    tp: &TopicPartition,
) -> Result<(), Rejection> {
    let (len, max) = (batch.bytes.len(), rules.message_bytes_max);
    if len <= max {
        return Ok(());
    }
    let what =
        format!("record batch for {tp} has {len} bytes when recompressed, more than the allowed {max}");
    Err(reject(Reason::MessageTooLarge, what))
}
