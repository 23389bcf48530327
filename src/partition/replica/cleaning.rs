//! Compaction of one replica's log.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use super::Replica;
use crate::log;
use crate::log::cleaner::{Cleanable, Cleaned, Cleaning, OffsetMap, Pace};
use crate::log::retention::Retired;
use crate::partition::Settings;

/// Where a replica stands with the cleaner.
pub(super) struct Progress {
    /// Held while old segments are replaced or retired, so that nobody else changes them.
    pub(super) changing: Mutex<()>,
    /// Everything below was cleaned; -1 for never. Set before the log loses its first record to a cleaning.
    cleaned_up_to: AtomicI64,
    /// The last attempt has failed.
    uncleanable: Mutex<Option<Uncleanable>>,
}

/// A log of which an attempt to clean it has failed (`LogCleanerManager.uncleanablePartitions`).
#[derive(Clone, Copy)]
struct Uncleanable {
    /// No further attempt before this time, in ms.
    until_ms: i64,
    /// Bytes that wait for it.
    bytes: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { changing: Mutex::new(()), cleaned_up_to: AtomicI64::new(-1), uncleanable: Mutex::new(None) }
    }
}

/// What a cleaning may use.
pub(in crate::partition) struct Means<'a> {
    /// Bytes of the map.
    pub(in crate::partition) memory: usize,
    /// How full it may be.
    pub(in crate::partition) load_factor: f64,
    /// The secret of its hash.
    pub(in crate::partition) secret: [u64; 4],
    /// Slows it down, or ends it.
    pub(in crate::partition) pace: &'a mut Pace<'a>,
    /// Makes durable how far each log was cleaned; false if that cannot be.
    pub(in crate::partition) note: &'a dyn Fn() -> bool,
}

/// What of a log can be cleaned.
pub(in crate::partition) struct LogToClean {
    pub(in crate::partition) cleanable: Cleanable,
    /// Whether it should be.
    pub(in crate::partition) is_due: bool,
    /// Whether it is left alone after an attempt that failed.
    pub(in crate::partition) is_uncleanable: bool,
}

/// What a cleaning did.
#[derive(Default)]
pub(in crate::partition) struct Done {
    /// The share of the map that was taken.
    pub(in crate::partition) buffer_utilization: f64,
    pub(in crate::partition) bytes_before: u64,
    pub(in crate::partition) bytes_after: u64,
    /// Everything below is clean now; none if the cleaning was given up.
    pub(in crate::partition) cleaned_up_to: Option<i64>,
    /// The segments that were replaced, to be removed later.
    pub(in crate::partition) replaced: Vec<Retired>,
}

impl Replica {
    /// What of the log can be cleaned, if the topic is compacted. Reads files, without the log's lock.
    pub(in crate::partition) fn log_to_clean(&self, now_ms: i64) -> io::Result<Option<LogToClean>> {
        // Else retention is at it; the next round comes to it.
        let Some(_changing) = self.cleaning.changing.try_lock() else { return Ok(None) };
        let (plan, rules) = {
            let state = self.state.lock();
            let Settings { cleaner, log: log::Settings { compact, .. }, .. } = &state.settings;
            if !compact || state.deleted || state.moving.is_some() || self.check_online().is_err() {
                self.cleaning.uncleanable.lock().take();
                return Ok(None);
            }
            (state.log.plan_cleaning(self.cleaned_up_to(), state.high_watermark()), *cleaner)
        };
        let Some(plan) = plan else { return Ok(None) };
        let cleanable = match plan.resolve(&rules, now_ms) {
            Err(_) if self.state.lock().deleted => return Ok(None),
            resolved => resolved?,
        };
        let mut uncleanable = self.cleaning.uncleanable.lock();
        let is_uncleanable = uncleanable.as_mut().is_some_and(|uncleanable| {
            uncleanable.bytes = cleanable.dirty_bytes;
            uncleanable.until_ms > now_ms
        });
        Ok(Some(LogToClean { cleanable, is_due: cleanable.is_due(&rules), is_uncleanable }))
    }

    /// Everything below was cleaned, as far as is known.
    pub(in crate::partition) fn cleaned_up_to(&self) -> Option<i64> {
        Some(self.cleaning.cleaned_up_to.load(Ordering::Acquire)).filter(|offset| *offset >= 0)
    }

    /// Takes over what the checkpoint has. An offset above the log's end is about another log of the name.
    pub(in crate::partition) fn set_cleaned_up_to(&self, offset: i64) {
        if offset <= self.state.lock().log.end_offset() {
            self.cleaning.cleaned_up_to.store(offset, Ordering::Release);
        }
    }

    /// Leaves the log alone until then: an attempt to clean it has failed.
    pub(in crate::partition) fn mark_uncleanable(&self, until_ms: i64) {
        let mut uncleanable = self.cleaning.uncleanable.lock();
        let bytes = uncleanable.map_or(0, |before| before.bytes);
        *uncleanable = Some(Uncleanable { until_ms, bytes });
    }

    /// Bytes that wait to be cleaned since an attempt has failed.
    pub(in crate::partition) fn uncleanable_bytes(&self) -> Option<u64> {
        self.cleaning.uncleanable.lock().map(|uncleanable| uncleanable.bytes)
    }

    /// Cleans the log. The checkpointed recovery point must not be below the end of what is cleanable.
    pub(in crate::partition) fn clean(
        &self,
        cleanable: &Cleanable,
        means: Means<'_>,
        now_ms: i64,
        done: &mut Done,
    ) -> io::Result<()> {
        // While the replica moves its segments stay.
        let Some(_changing) = self.cleaning.changing.try_lock() else { return Ok(()) };
        let Means { memory, load_factor, secret, pace, note } = means;
        let mut cleaning: Cleaning = {
            let state = self.state.lock();
            if !state.settings.log.compact {
                return Ok(());
            }
            let high_watermark = state.high_watermark();
            state.log.begin_cleaning(cleanable, high_watermark, &state.settings.cleaner, now_ms)
        };
        let mut map = OffsetMap::new(memory, load_factor, cleaning.dirty_records_max(), secret);
        cleaning.map(&mut map, pace)?;
        done.buffer_utilization = map.utilization();
        for group in cleaning.groups(&map) {
            let cleaned = cleaning.copy(&group, &map, pace)?;
            if done.replaced.is_empty() && !self.note_compacted(note) {
                cleaned.discard();
                return Ok(());
            }
            let Some(replaced) = self.swap(&cleaned)? else {
                // They may be in the directory of the next topic of that name.
                cleaned.discard();
                return Ok(());
            };
            done.bytes_before += cleaned.bytes_before();
            done.bytes_after += cleaned.bytes_after();
            done.replaced.push(replaced);
        }
        let cleaned_up_to = map.latest_offset() + 1;
        self.cleaning.cleaned_up_to.store(cleaned_up_to, Ordering::Release);
        self.cleaning.uncleanable.lock().take();
        done.cleaned_up_to = Some(cleaned_up_to);
        Ok(())
    }

    /// From the first swap on the log has gaps, however the cleaning ends and whatever the topic's policy becomes.
    fn note_compacted(&self, note: &dyn Fn() -> bool) -> bool {
        let start_offset = self.state.lock().log.start_offset();
        self.cleaning.cleaned_up_to.fetch_max(start_offset, Ordering::AcqRel);
        note()
    }

    /// None if the replica was deleted, for its name may belong to another one by now, or if the topic is not compacted
    /// any more.
    fn swap(&self, cleaned: &Cleaned) -> io::Result<Option<Retired>> {
        // A sync under way may want the old files.
        let _syncing = self.syncing.lock();
        {
            let state = self.state.lock();
            if state.deleted || state.log.is_poisoned() || !state.settings.log.compact {
                return Ok(None);
            }
        }
        let swap = cleaned.begin_swap()?;
        self.directory().log_directory().guard(|| swap.run())?;
        Ok(Some(self.state.lock().log.replace(cleaned)))
    }
}
