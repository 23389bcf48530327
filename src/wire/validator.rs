//! Checks what a client produced to one partition, before any lock, and makes it a batch to append
//! (`ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`).
//!
//! Every record is walked and every compressed batch decompressed: offsets, the producer's sequence and the
//! consumers rely on it. The bytes are passed through unless the topic's `compression.type` names another
//! codec, or the offset deltas are not 0, 1, 2, ... (Kafka repairs those in compressed batches). Stricter
//! than Kafka, because no client does it: bytes after the batch, a client's LogAppendTime or delete horizon,
//! negative producer epochs, transactions without a producer id, timestamps that overflow, and streams that end
//! early or late are refused.

mod header;
mod rewrite;
mod walk;

use std::fmt;

use bytes::Bytes;

use self::header::{check_envelope, check_header};
use self::rewrite::{check_rewritten_size, in_place, plain_records, recompress, stamp};
use self::walk::Walk;
use super::batch::{Batch, HEADER_LEN};
use super::compress::{self, Codec, Compression, Contexts};
use super::record;
use crate::base::id::TopicPartition;

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

/// A record without a timestamp (`RecordBatch.NO_TIMESTAMP`).
const NO_TIMESTAMP: i64 = -1;
/// Largest window that is kept for the next batch.
const WINDOW_KEPT: usize = 1 << 20;

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

/// Memory that validation reuses; between batches at most 5 MiB.
///
/// There should be as many as threads that validate at once, not one for each connection.
#[derive(Default)]
pub struct Scratch {
    window: Vec<u8>,
    contexts: Contexts,
}

impl Scratch {
    /// Nothing allocated yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn trim(&mut self) {
        self.window.clear();
        self.window.shrink_to(WINDOW_KEPT);
        self.contexts.trim();
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

impl fmt::Display for RecordError {
    /// As `ProduceResponse.RecordError` prints itself into the message that clients see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "RecordError(batchIndex={}, message='{message}')", self.batch_index),
            None => write!(f, "RecordError(batchIndex={}, message=null)", self.batch_index),
        }
    }
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

/// Does the work of writing a batch anew, which takes from microseconds to seconds, for records of so many bytes as they
/// came, compressed or not.
pub type Rewriting<'a> = dyn Fn(Codec, usize, &mut dyn FnMut()) + 'a;

/// Checks the `records` of one partition in a Produce request. What has to be written anew is, within `rewriting`.
pub fn validate_produce(
    bytes: Bytes,
    rules: &Rules,
    arrival: &Arrival<'_>,
    scratch: &mut Scratch,
    rewriting: &Rewriting<'_>,
) -> Result<Validated, Rejection> {
    let validated = validate(bytes, rules, arrival, scratch, rewriting);
    scratch.trim();
    validated
}

fn validate(
    bytes: Bytes,
    rules: &Rules,
    arrival: &Arrival<'_>,
    scratch: &mut Scratch,
    rewriting: &Rewriting<'_>,
) -> Result<Validated, Rejection> {
    let header = check_envelope(&bytes, rules, arrival)?;
    let codec = Codec::from_id(header.codec())
        .map_err(|error| reject(Reason::UnsupportedCompressionType, error.to_string()))?;
    check_header(&header, arrival.tp)?;

    let mut walk = Walk::new(&header, rules, arrival);
    let records = &bytes[HEADER_LEN..];
    let walked = match codec {
        Codec::None => walk.slice(records),
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => walk.stream(codec, records, scratch),
    };
    walked.map_err(|failure| failure.reject(arrival.tp))?;
    let walked = walk.finish()?;

    let (stamped, log_append_time_ms) = stamp(&header, rules, arrival.now_ms, &walked);
    let target = rules.compression.unwrap_or_else(|| codec.into());
    let batch = if target.codec() == codec && walked.offsets_in_order {
        in_place(bytes, &header, stamped)
    } else {
        let mut rewritten = None;
        rewriting(codec, records.len(), &mut || {
            let plain = plain_records(&header, records, &walked, rules, &mut scratch.window);
            rewritten = Some(plain.and_then(|plain| recompress(stamped, target, &plain)));
        });
        let batch = rewritten.expect("the work is done").map_err(|failure| failure.reject(arrival.tp))?;
        check_rewritten_size(&batch, rules, arrival.tp)?;
        batch
    };
    Ok(Validated { log_append_time_ms, record_count: batch.header.record_count, batch })
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

#[cfg(test)]
mod tests;
