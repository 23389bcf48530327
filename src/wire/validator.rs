//! Checks what a client produced to one partition, before any lock, and makes it a batch to append
//! (`ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`).
//!
//! Every record is walked and every compressed batch decompressed: offsets, the producer's sequence and the
//! consumers rely on it. The bytes are passed through unless the topic's `compression.type` names another
//! codec, or the offset deltas are not 0, 1, 2, ... (Kafka repairs those in compressed batches). Stricter
//! than Kafka, because no client does it: bytes after the batch, a client's LogAppendTime or delete horizon,
//! negative producer epochs, timestamps that overflow, and streams that end early or late are refused.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::batch::{
    Batch, BatchHeader, COMPRESSION_MASK, CRC_FROM, HEADER_LEN, LOG_APPEND_TIME, LOG_OVERHEAD, MAGIC, crc32c,
};
use super::builder::{BatchBuilder, assemble};
use super::compress::{self, Codec, Compression, Decompressor};
use super::record::{self, Base, Record, Records, Split};
use crate::base::id::TopicPartition;
use crate::base::reader::Reader;

/// Ratio of the decompression budget to `max.message.bytes`.
///
/// Kafka has no limit, so anything a client may honestly send must pass. JSON compresses 4 to 30 times;
/// only constant bytes go past 100, and a producer that meets the limit is told MESSAGE_TOO_LARGE, on which
/// Java splits the batch and retries. Without a limit 128 KiB of zstd buy 4 GiB of output.
pub const DECOMPRESSION_RATIO_MAX: usize = 100;
/// Smallest decompression budget, so that a small `max.message.bytes` does not refuse constant bytes.
pub const DECOMPRESSION_BUDGET_MIN: usize = 64 << 20;
/// Largest decompression budget: about a second of one core, and one record may need all of it as memory.
pub const DECOMPRESSION_BUDGET_MAX: usize = 1 << 30;

/// How many bytes a batch may decompress to on a topic with this `max.message.bytes`.
pub fn decompression_budget(message_bytes_max: usize) -> usize {
    message_bytes_max
        .saturating_mul(DECOMPRESSION_RATIO_MAX)
        .clamp(DECOMPRESSION_BUDGET_MIN, DECOMPRESSION_BUDGET_MAX)
}

/// How many refused records are named to the client. Kafka names all; a compressed batch of 1 MB can hold
/// millions, and Java gives the records that are not named a general message.
pub const RECORD_ERRORS_MAX: usize = 1000;

/// The first Produce version that allows zstd (KIP-110).
const ZSTD_PRODUCE_VERSION_MIN: i16 = 7;
/// `LegacyRecord.RECORD_OVERHEAD_V0`: what the length field of any batch must reach.
const LENGTH_MIN: i32 = 14;
/// Memory that is kept for the next batch.
const SCRATCH_KEPT: usize = 1 << 20;

/// `message.timestamp.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's timestamps.
    CreateTime,
    /// The broker's clock at the append.
    LogAppendTime,
}

/// What the topic's configuration asks of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `max.message.bytes`, of the whole batch as it is stored.
    pub message_bytes_max: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` contains `compact`.
    pub compacted: bool,
    /// `compression.type` with its level; `None` is `producer`.
    pub compression: Option<Compression>,
    /// How many bytes a batch may decompress to, see [`decompression_budget`].
    pub decompressed_bytes_max: usize,
}

/// What is known about the request that brought the batch.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Where it is to go, for messages.
    pub tp: &'a TopicPartition,
    /// Version of the Produce request.
    pub produce_version: i16,
    /// The wall clock.
    pub now_ms: i64,
}

/// Memory that validation reuses; bounded between batches.
#[derive(Debug, Default)]
pub struct Scratch {
    window: Vec<u8>,
}

impl Scratch {
    /// Nothing allocated yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A batch that may be appended.
#[derive(Clone, Debug)]
pub struct Validated {
    /// With base offset 0 and the client's leader epoch, both for the appender to patch.
    pub batch: Batch,
    /// For the response: -1 unless the topic has LogAppendTime.
    pub log_append_time_ms: i64,
    /// How many records it holds.
    pub record_count: i32,
}

/// The error code that a rejection becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// CORRUPT_MESSAGE: the bytes are not what the client meant to send; clients retry.
    CorruptMessage,
    /// INVALID_RECORD.
    InvalidRecord,
    /// INVALID_TIMESTAMP.
    InvalidTimestamp,
    /// MESSAGE_TOO_LARGE: clients split the batch.
    MessageTooLarge,
    /// UNSUPPORTED_COMPRESSION_TYPE.
    UnsupportedCompressionType,
}

/// One record that a rejection is due to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Index of the record in the batch.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: Option<String>,
}

/// Why a batch is refused.
///
/// Kafka puts the message into the response only together with record errors; otherwise it is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// What kind of error it is.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// At most [`RECORD_ERRORS_MAX`].
    pub record_errors: Vec<RecordError>,
}

fn reject(reason: Reason, message: impl Into<String>) -> Rejection {
    Rejection { reason, message: message.into(), record_errors: Vec::new() }
}

/// Checks the `records` of one partition in a Produce request.
pub fn validate_produce(
    bytes: Bytes,
    rules: &Rules,
    arrival: &Arrival<'_>,
    scratch: &mut Scratch,
) -> Result<Validated, Rejection> {
    let validated = validate(bytes, rules, arrival, &mut scratch.window);
    scratch.window.clear();
    scratch.window.shrink_to(SCRATCH_KEPT);
    validated
}

fn validate(
    bytes: Bytes,
    rules: &Rules,
    arrival: &Arrival<'_>,
    window: &mut Vec<u8>,
) -> Result<Validated, Rejection> {
    let header = check_envelope(&bytes, rules, arrival)?;
    let codec = Codec::from_id(header.codec())
        .map_err(|error| reject(Reason::UnsupportedCompressionType, error.to_string()))?;
    check_header(&header, arrival.tp)?;

    let mut walk = Walk::new(&header, rules, arrival);
    let records = &bytes[HEADER_LEN..];
    let walked = match codec {
        Codec::None => walk.slice(records),
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => walk.stream(codec, records, window),
    };
    walked.map_err(|failure| failure.reject(arrival.tp))?;
    let walked = walk.finish()?;

    let (stamped, log_append_time_ms) = stamp(&header, rules, arrival.now_ms, &walked);
    let target = rules.compression.unwrap_or_else(|| codec.into());
    let batch = if target.codec() == codec && walked.offsets_in_order {
        in_place(bytes, &header, stamped)
    } else {
        let plain = plain_records(&header, records, &walked, rules, window);
        let batch = plain.and_then(|plain| recompress(stamped, target, &plain));
        let batch = batch.map_err(|failure| failure.reject(arrival.tp))?;
        check_rewritten_size(&batch, rules, arrival.tp)?;
        batch
    };
    Ok(Validated { log_append_time_ms, record_count: batch.header.record_count, batch })
}

/// Exactly one batch of magic 2, allowed in this request, not too large, and with a good CRC.
fn check_envelope(bytes: &Bytes, rules: &Rules, arrival: &Arrival<'_>) -> Result<BatchHeader, Rejection> {
    let tp = arrival.tp;
    let invalid = |what: String| reject(Reason::InvalidRecord, what);
    let corrupt = |what: String| reject(Reason::CorruptMessage, what);
    let no_batch = || invalid(format!("no whole record batch for {tp}"));

    let (length, magic) = peek(bytes).ok_or_else(no_batch)?;
    if length < LENGTH_MIN {
        return Err(corrupt(format!("record batch for {tp} has length {length}")));
    }
    if !(0..=MAGIC).contains(&magic) {
        return Err(corrupt(format!("record batch for {tp} has magic {magic}")));
    }
    let total = usize::try_from(length).map_or(usize::MAX, |length| length + LOG_OVERHEAD);
    if bytes.len() < total {
        return Err(no_batch());
    }
    if magic != MAGIC {
        return Err(invalid(format!("record batch for {tp} has magic {magic} instead of {MAGIC}")));
    }
    let header = BatchHeader::parse(bytes).map_err(|error| corrupt(format!("{error} for {tp}")))?;
    if arrival.produce_version < ZSTD_PRODUCE_VERSION_MIN && header.codec() == Codec::Zstd.id() {
        let version = arrival.produce_version;
        let what = format!("Produce requests with version {version} may not use zstd");
        return Err(reject(Reason::UnsupportedCompressionType, what));
    }
    if bytes.len() > total {
        return Err(invalid(format!("more than one record batch for {tp}")));
    }
    if header.base_offset != 0 {
        let offset = header.base_offset;
        return Err(invalid(format!(
            "base offset of the record batch for {tp} should be 0, but is {offset}"
        )));
    }
    if total > rules.message_bytes_max {
        let max = rules.message_bytes_max;
        let what = format!("record batch for {tp} has {total} bytes, more than the allowed {max}");
        return Err(reject(Reason::MessageTooLarge, what));
    }
    let computed = crc32c(&bytes[CRC_FROM..]);
    if computed != header.crc {
        let stored = header.crc;
        return Err(corrupt(format!(
            "record batch for {tp} has crc {stored:#010x}, computed {computed:#010x}"
        )));
    }
    Ok(header)
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
fn check_header(header: &BatchHeader, tp: &TopicPartition) -> Result<(), Rejection> {
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

/// Why the records cannot be read or written.
enum Failure {
    Record(record::Error),
    Compress(compress::Error),
}

impl From<record::Error> for Failure {
    fn from(error: record::Error) -> Self {
        Self::Record(error)
    }
}

impl From<compress::Error> for Failure {
    fn from(error: compress::Error) -> Self {
        Self::Compress(error)
    }
}

impl Failure {
    /// The CRC was good, so that the client would fail again: nothing here may be a retriable error.
    fn reject(self, tp: &TopicPartition) -> Rejection {
        match self {
            Self::Record(error) => {
                reject(Reason::InvalidRecord, format!("{error} in the record batch for {tp}"))
            }
            Self::Compress(error) => {
                let reason = match &error {
                    compress::Error::UnknownCodec(_) => Reason::UnsupportedCompressionType,
                    compress::Error::Corrupt { .. } => Reason::InvalidRecord,
                    compress::Error::OverBudget { .. } => Reason::MessageTooLarge,
                };
                reject(reason, format!("{error} in the record batch for {tp}"))
            }
        }
    }
}

/// What the records said.
struct Walked {
    max_timestamp: i64,
    offsets_in_order: bool,
}

/// Looks at every record once.
struct Walk<'a> {
    header: &'a BatchHeader,
    rules: &'a Rules,
    arrival: &'a Arrival<'a>,
    index: i32,
    walked: Walked,
    errors: Vec<RecordError>,
    error_count: u32,
    timestamp_error: bool,
}

impl<'a> Walk<'a> {
    fn new(header: &'a BatchHeader, rules: &'a Rules, arrival: &'a Arrival<'a>) -> Self {
        let walked = Walked { max_timestamp: -1, offsets_in_order: true };
        let errors = Vec::new();
        Self { header, rules, arrival, index: 0, walked, errors, error_count: 0, timestamp_error: false }
    }

    fn slice(&mut self, records: &[u8]) -> Result<(), Failure> {
        for record in Records::new(self.header, records)? {
            self.record(&record?);
        }
        Ok(())
    }

    /// Walks with a window that holds one step of the codec, or one record if that is longer.
    fn stream(&mut self, codec: Codec, input: &[u8], window: &mut Vec<u8>) -> Result<(), Failure> {
        let base = Base::of(self.header);
        let budget = self.rules.decompressed_bytes_max;
        let mut decompressor = Decompressor::new(codec, input, budget)?;
        let mut from = 0;
        while self.index < self.header.record_count {
            match base.split(&window[from..])? {
                Split::Whole { record, rest } => {
                    let rest = rest.len();
                    self.record(&record);
                    from = window.len() - rest;
                }
                Split::Partial { missing } if missing > decompressor.budget_left() => {
                    return Err(compress::Error::OverBudget { budget }.into());
                }
                Split::Partial { missing: _ } => {
                    window.drain(..from);
                    from = 0;
                    if !decompressor.step(window)? {
                        return Err(record::Error::Truncated.into());
                    }
                }
            }
        }
        window.drain(..from);
        while window.is_empty() && decompressor.step(window)? {}
        if window.is_empty() { Ok(()) } else { Err(record::Error::Trailing.into()) }
    }

    fn record(&mut self, record: &Record<'_>) {
        if record.offset != i64::from(self.index) {
            self.walked.offsets_in_order = false;
        }
        self.walked.max_timestamp = self.walked.max_timestamp.max(record.timestamp);
        if self.rules.compacted && record.key.is_none() {
            let tp = self.arrival.tp;
            self.error(|| {
                format!("Compacted topic cannot accept message without key in topic partition {tp}")
            });
        } else if !self.timestamp_allowed(record.timestamp) {
            self.timestamp_error = true;
            let (now, rules) = (self.arrival.now_ms, self.rules);
            self.error(|| {
                format!(
                    "Timestamp {} of message with offset {} is out of range. \
                     The timestamp should be within [{}, {}]",
                    record.timestamp,
                    record.offset,
                    now.wrapping_sub(rules.timestamp_before_max_ms),
                    now.wrapping_add(rules.timestamp_after_max_ms),
                )
            });
        }
        self.index += 1;
    }

    fn timestamp_allowed(&self, timestamp: i64) -> bool {
        if self.rules.timestamp_type == TimestampType::LogAppendTime || timestamp == -1 {
            return true;
        }
        let age = i128::from(self.arrival.now_ms) - i128::from(timestamp);
        age <= i128::from(self.rules.timestamp_before_max_ms)
            && -age <= i128::from(self.rules.timestamp_after_max_ms)
    }

    fn error(&mut self, message: impl FnOnce() -> String) {
        self.error_count += 1;
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push(RecordError { batch_index: self.index, message: Some(message()) });
        }
    }

    fn finish(self) -> Result<Walked, Rejection> {
        if self.errors.is_empty() {
            return Ok(self.walked);
        }
        let (reason, message) = if self.timestamp_error {
            let message = "One or more records have been rejected due to invalid timestamp".to_owned();
            (Reason::InvalidTimestamp, message)
        } else {
            (Reason::InvalidRecord, self.summary())
        };
        Err(Rejection { reason, message, record_errors: self.errors })
    }

    fn summary(&self) -> String {
        let shown: Vec<String> = self.errors.iter().take(3).map(ToString::to_string).collect();
        format!(
            "One or more records have been rejected due to {} record errors in total, \
             and only showing the first three errors at most: [{}]",
            self.error_count,
            shown.join(", "),
        )
    }
}

impl fmt::Display for RecordError {
    /// As `ProduceResponse.RecordError` prints itself into the message that clients see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "RecordError(batchIndex={}, message='{message}')", self.batch_index),
            None => write!(f, "RecordError(batchIndex={}, message=null)", self.batch_index),
        }
    }
}

/// The header with its timestamp type and max timestamp made true, and the response's log append time.
fn stamp(header: &BatchHeader, rules: &Rules, now_ms: i64, walked: &Walked) -> (BatchHeader, i64) {
    let mut stamped = *header;
    match rules.timestamp_type {
        TimestampType::CreateTime => {
            stamped.max_timestamp = walked.max_timestamp;
            (stamped, -1)
        }
        TimestampType::LogAppendTime => {
            stamped.attributes |= LOG_APPEND_TIME;
            stamped.max_timestamp = now_ms;
            (stamped, now_ms)
        }
    }
}

/// The client's bytes behind the `stamped` header, which gets a new CRC only if it changed.
fn in_place(bytes: Bytes, header: &BatchHeader, mut stamped: BatchHeader) -> Batch {
    if stamped != *header {
        stamped.seal(&bytes[HEADER_LEN..]);
    }
    Batch { header: stamped, bytes }
}

/// The records of an already validated batch, decompressed and with the offset deltas 0, 1, 2, ...
fn plain_records<'a>(
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

fn recompress(mut header: BatchHeader, target: Compression, plain: &[u8]) -> Result<Batch, Failure> {
    header.attributes = (header.attributes & !COMPRESSION_MASK) | target.codec().id();
    Ok(assemble(header, &compress::compress(target, plain)?))
}

fn check_rewritten_size(batch: &Batch, rules: &Rules, tp: &TopicPartition) -> Result<(), Rejection> {
    let (len, max) = (batch.bytes.len(), rules.message_bytes_max);
    if len <= max {
        return Ok(());
    }
    let what =
        format!("record batch for {tp} has {len} bytes when recompressed, more than the allowed {max}");
    Err(reject(Reason::MessageTooLarge, what))
}

#[cfg(test)]
mod tests;
