//! What the header of a produced batch must say, before its records are looked at.

use bytes::Bytes;

use super::{Arrival, Reason, Rejection, Rules, reject};
use crate::base::id::TopicPartition;
use crate::base::reader::Reader;
use crate::wire::batch::{BatchHeader, CRC_FROM, LOG_OVERHEAD, MAGIC, crc32c};
use crate::wire::compress::Codec;

/// The first Produce version that allows zstd (KIP-110).
const ZSTD_PRODUCE_VERSION_MIN: i16 = 7;
/// `LegacyRecord.RECORD_OVERHEAD_V0`: what the length field of any batch must reach.
const LENGTH_MIN: i32 = 14;
/// Exactly one batch of magic 2, allowed in this request, not too large, and with a good CRC.
pub(super) fn check_envelope(
    bytes: &Bytes,
    rules: &Rules,
    arrival: &Arrival<'_>,
) -> Result<BatchHeader, Rejection> {
    let tp = arrival.tp;
    let header = first_batch(bytes, tp)?;
    if arrival.produce_version < ZSTD_PRODUCE_VERSION_MIN && header.codec() == Codec::Zstd.id() {
        let version = arrival.produce_version;
        let what = format!("Produce requests with version {version} may not use zstd");
        return Err(reject(Reason::UnsupportedCompressionType, what));
    }
    if bytes.len() > header.total_len() {
        return Err(reject(Reason::InvalidRecord, format!("more than one record batch for {tp}")));
    }
    if header.base_offset != 0 {
        let offset = header.base_offset;
        let what = format!("base offset of the record batch for {tp} should be 0, but is {offset}");
        return Err(reject(Reason::InvalidRecord, what));
    }
    if bytes.len() > rules.message_bytes_max {
        let (len, max) = (bytes.len(), rules.message_bytes_max);
        let what = format!("record batch for {tp} has {len} bytes, more than the allowed {max}");
        return Err(reject(Reason::MessageTooLarge, what));
    }
    let (stored, computed) = (header.crc, crc32c(&bytes[CRC_FROM..]));
    if computed != stored {
        let what = format!("record batch for {tp} has crc {stored:#010x}, computed {computed:#010x}");
        return Err(reject(Reason::CorruptMessage, what));
    }
    Ok(header)
}

/// The header of the whole batch that `bytes` start with.
fn first_batch(bytes: &Bytes, tp: &TopicPartition) -> Result<BatchHeader, Rejection> {
    let corrupt = |what: String| reject(Reason::CorruptMessage, what);
    let no_batch = || reject(Reason::InvalidRecord, format!("no whole record batch for {tp}"));

    let (length, magic) = peek(bytes).ok_or_else(no_batch)?;
    if length < LENGTH_MIN {
        return Err(corrupt(format!("record batch for {tp} has length {length}")));
    }
    if !(0..=MAGIC).contains(&magic) {
        return Err(corrupt(format!("record batch for {tp} has magic {magic}")));
    }
    if usize::try_from(length).is_ok_and(|length| bytes.len() < length + LOG_OVERHEAD) {
        return Err(no_batch());
    }
    if magic != MAGIC {
        let what = format!("record batch for {tp} has magic {magic} instead of {MAGIC}");
        return Err(reject(Reason::InvalidRecord, what));
    }
    BatchHeader::parse(bytes).map_err(|error| corrupt(format!("{error} for {tp}")))
}

/// Length field and magic, if the bytes reach that far.
fn peek(bytes: &[u8]) -> Option<(i32, i8)> {
    let mut reader = Reader::new(bytes);
    reader.i64().ok()?;
    let length = reader.i32().ok()?;
    reader.i32().ok()?;
    Some((length, reader.i8().ok()?))
}

/// The header fields that must fit together, and what only a broker may set.
pub(super) fn check_header(header: &BatchHeader, tp: &TopicPartition) -> Result<(), Rejection> {
    let invalid =
        |what: String| Err(reject(Reason::InvalidRecord, format!("{what} in the record batch for {tp}")));
    let (count, last) = (header.record_count, header.last_offset_delta);
    if last < 0 {
        return invalid(format!("last offset delta {last}"));
    }
    if count <= 0 {
        return invalid(format!("record count {count}"));
    }
    if i64::from(last) + 1 != i64::from(count) {
        return invalid(format!("last offset delta {last} with record count {count}"));
    }
    if header.is_control() {
        return invalid("control records, which clients may not write,".to_owned());
    }
    if header.has_delete_horizon() {
        return invalid("a delete horizon, which clients may not set,".to_owned());
    }
    if header.has_producer() && header.base_sequence < 0 {
        return invalid(format!("sequence {} of producer {}", header.base_sequence, header.producer_id));
    }
    if header.has_producer() && header.producer_epoch < 0 {
        return invalid(format!("epoch {} of producer {}", header.producer_epoch, header.producer_id));
    }
    if header.is_transactional() && !header.has_producer() {
        return invalid("a transaction without a producer id".to_owned());
    }
    if header.is_log_append_time() {
        let what = format!("producers may not set LogAppendTime, as in the record batch for {tp}");
        return Err(reject(Reason::InvalidTimestamp, what));
    }
    Ok(())
}
