//! The one look at every record of a produced batch.

use super::{
    Arrival, Failure, NO_TIMESTAMP, RECORD_ERRORS_MAX, Reason, RecordError, Rejection, Rules, Scratch,
    TimestampType,
};
use crate::wire::batch::BatchHeader;
use crate::wire::compress::{self, Codec, Decompressor};
use crate::wire::record::{self, Base, Record, Records, Split};

/// What the records said.
pub(super) struct Walked {
    pub(super) max_timestamp: i64,
    pub(super) offsets_in_order: bool,
}

/// Looks at every record once.
pub(super) struct Walk<'a> {
    header: &'a BatchHeader,
    rules: &'a Rules,
    arrival: &'a Arrival<'a>,
    /// The allowed timestamps, besides none.
    timestamp_min: i64,
    timestamp_max: i64,
    index: i32,
    walked: Walked,
    errors: Vec<RecordError>,
    error_count: u32,
    timestamp_error: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(header: &'a BatchHeader, rules: &'a Rules, arrival: &'a Arrival<'a>) -> Self {
        let now = arrival.now_ms;
        let (timestamp_min, timestamp_max) = match rules.timestamp_type {
            TimestampType::CreateTime => (
                now.saturating_sub(rules.timestamp_before_max_ms),
                now.saturating_add(rules.timestamp_after_max_ms),
            ),
            TimestampType::LogAppendTime => (i64::MIN, i64::MAX),
        };
        Self {
            header,
            rules,
            arrival,
            timestamp_min,
            timestamp_max,
            index: 0,
            walked: Walked { max_timestamp: NO_TIMESTAMP, offsets_in_order: true },
            errors: Vec::new(),
            error_count: 0,
            timestamp_error: false,
        }
    }

    pub(super) fn slice(&mut self, records: &[u8]) -> Result<(), Failure> {
        for record in Records::new(self.header, records)? {
            self.record(&record?);
        }
        Ok(())
    }

    /// Walks with a window that holds one step of the codec, or one record if that is longer.
    pub(super) fn stream(
        &mut self,
        codec: Codec,
        input: &[u8],
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        let Scratch { window, contexts } = scratch;
        let base = Base::of(self.header);
        let budget = self.rules.decompressed_bytes_max;
        let mut decompressor = Decompressor::new(codec, input, budget, contexts)?;
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
        let timestamp = record.timestamp;
        self.walked.offsets_in_order &= record.offset == i64::from(self.index);
        self.walked.max_timestamp = self.walked.max_timestamp.max(timestamp);
        let in_range = self.timestamp_min <= timestamp && timestamp <= self.timestamp_max;
        if self.rules.compacted && record.key.is_none() {
            self.keyless();
        } else if !in_range && timestamp != NO_TIMESTAMP {
            self.out_of_range(record);
        }
        self.index += 1;
    }

    #[cold]
    fn keyless(&mut self) {
        let tp = self.arrival.tp;
        self.error(|| format!("Compacted topic cannot accept message without key in topic partition {tp}"));
    }

    #[cold]
    fn out_of_range(&mut self, record: &Record<'_>) {
        self.timestamp_error = true;
        let (now, rules) = (self.arrival.now_ms, self.rules);
        self.error(|| {
            format!(
                "Timestamp {} of message with offset {} is out of range. \
                 The timestamp should be within [{}, {}]",
                record.timestamp,
                record.offset,
                // Wraps as in Java.
                now.wrapping_sub(rules.timestamp_before_max_ms),
                now.wrapping_add(rules.timestamp_after_max_ms),
            )
        });
    }

    fn error(&mut self, message: impl FnOnce() -> String) {
        self.error_count += 1;
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push(RecordError { batch_index: self.index, message: Some(message()) });
        }
    }

    pub(super) fn finish(self) -> Result<Walked, Rejection> {
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
