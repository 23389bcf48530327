//! What of a log may be cleaned, and whether it is worth it (`LogCleanerManager.cleanableOffsets`, `LogToClean`).

use std::io;
use std::sync::Arc;

use crate::log::Log;
use crate::log::segment::Segment;

/// A topic's settings for the cleaner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// `min.compaction.lag.ms`: younger records stay as they are.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older ones are cleaned however few they are.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: the share of dirty bytes above which a log is cleaned.
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`: how long tombstones and markers stay after a cleaning.
    pub delete_retention_ms: i64,
}

/// What may be cleaned of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanable {
    /// Everything below was cleaned before.
    pub first_dirty_offset: i64,
    /// The base offset of the first segment that stays as it is.
    pub end_offset: i64,
    /// Bytes below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes that can be cleaned.
    pub dirty_bytes: u64,
    /// Since when records wait longer than `max.compaction.lag.ms`, in ms ago; 0 if none does.
    pub overdue_ms: i64,
}

impl Cleanable {
    /// The share of dirty bytes.
    pub fn ratio(&self) -> f64 {
        let total = self.clean_bytes.saturating_add(self.dirty_bytes);
        if total == 0 { 0.0 } else { approximate(self.dirty_bytes) / approximate(total) }
    }

    /// Whether it should be cleaned.
    pub fn is_due(&self, rules: &Rules) -> bool {
        self.dirty_bytes > 0 && (self.overdue_ms > 0 || self.ratio() > rules.min_cleanable_dirty_ratio)
    }
}

/// Exact up to 2^32, and to 32 bits beyond.
fn approximate(bytes: u64) -> f64 {
    let high = u32::try_from(bytes >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(bytes & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

impl Log {
    /// What can be cleaned; none if there is but the active segment. `cleaned_up_to` is what the checkpoint has. Only
    /// what is decided and in the log's own files on the device is touched.
    pub fn cleanable(
        &self,
        cleaned_up_to: Option<i64>,
        high_watermark: i64,
        rules: &Rules,
        now_ms: i64,
    ) -> io::Result<Option<Cleanable>> {
        let Some((active, older)) = self.segments.split_last() else { return Ok(None) };
        if older.is_empty() || self.alive().is_err() {
            return Ok(None);
        }
        let first_dirty_offset = cleaned_up_to
            .filter(|offset| (self.start_offset..=self.end_offset).contains(offset))
            .unwrap_or(self.start_offset);
        let stable = self.last_stable_bound().unwrap_or(high_watermark).min(high_watermark);
        let mut bound = stable.min(active.base_offset).min(self.flushed_offset);
        let dirty_from = older.partition_point(|s| s.base_offset <= first_dirty_offset).saturating_sub(1);
        if rules.min_compaction_lag_ms > 0 {
            let youngest = now_ms.saturating_sub(rules.min_compaction_lag_ms);
            for segment in &older[dirty_from..] {
                if segment.largest_timestamp()? > youngest {
                    bound = bound.min(segment.base_offset);
                    break;
                }
            }
        }
        // Segments are cleaned whole or not at all.
        let count = self.segments.partition_point(|s| s.base_offset <= bound).saturating_sub(1);
        let end_offset = self.segments[count].base_offset;
        let sizes = |segments: &[Arc<Segment>]| segments.iter().map(|s| s.size()).sum::<u64>();
        let clean = dirty_from.min(count);
        Ok(Some(Cleanable {
            first_dirty_offset,
            end_offset,
            clean_bytes: sizes(&older[..clean]),
            dirty_bytes: if end_offset > first_dirty_offset { sizes(&older[clean..count]) } else { 0 },
            overdue_ms: overdue_ms(&older[dirty_from..], rules, now_ms)?,
        }))
    }
}

/// By how much the oldest dirty segment is late (`maxCompactionDelay`).
fn overdue_ms(dirty: &[Arc<Segment>], rules: &Rules, now_ms: i64) -> io::Result<i64> {
    let clean_until = now_ms.saturating_sub(rules.max_compaction_lag_ms.max(0));
    if clean_until <= 0 {
        return Ok(0);
    }
    let mut earliest = i64::MAX;
    for segment in dirty {
        let timestamp = segment.first_timestamp()?.filter(|timestamp| *timestamp > 0);
        earliest = earliest.min(timestamp.unwrap_or(i64::MAX));
    }
    Ok(if earliest < clean_until { clean_until - earliest } else { 0 })
}
