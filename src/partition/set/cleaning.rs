//! The cleaner over all replicas: the dirtiest log first (`LogCleaner`, `LogCleanerManager`).

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::Set;
use crate::base::id::TopicPartition;
use crate::log::cleaner::Cleanable;
use crate::log::directory::OffsetFile;
use crate::partition::replica::{Done, Means, Replica};

/// How long a log is left alone after a cleaning that failed, in ms.
const PAUSE_AFTER_FAILURE_MS: i64 = 10 * 60_000;
/// Longest wait at a time for the limit on the cleaner's I/O.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Shorter waits are put off.
const WAIT_MIN: Duration = Duration::from_millis(5);

/// How the cleaner works (`CleanerConfig`).
pub struct CleanerSettings {
    /// `log.cleaner.dedupe.buffer.size`, over all threads.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.threads`.
    pub threads: usize,
    /// `log.cleaner.io.buffer.load.factor`.
    pub load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`, over all threads.
    pub io_bytes_per_second_max: f64,
    /// Waits so long, or less if the broker stops, and says whether it goes on.
    pub wait: Box<dyn Fn(Duration) -> bool + Send + Sync>,
}

/// The logs that are being cleaned, by the name of their directories.
#[derive(Default)]
pub(super) struct Cleaners {
    under_way: Mutex<HashSet<TopicPartition>>,
}

/// Ends with the cleaning, however that does.
struct UnderWay<'a> {
    cleaners: &'a Cleaners,
    replica: Arc<Replica>,
    now_ms: i64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.replica.do_not_clean_before(self.now_ms.saturating_add(PAUSE_AFTER_FAILURE_MS));
        }
        self.cleaners.under_way.lock().remove(self.replica.name());
    }
}

impl Set {
    /// Cleans the log with the largest share of dirty bytes, if one has enough; says whether one had. Takes its time;
    /// several threads may be at it.
    pub fn clean_dirtiest(&self, settings: &CleanerSettings) -> bool {
        let now_ms = self.parts.clock.now_ms();
        let Some((replica, cleanable)) = self.dirtiest(now_ms) else { return false };
        let _under_way = UnderWay { cleaners: &self.cleaners, replica: replica.clone(), now_ms };
        // Before a segment is replaced: recovery and the journal's replay keep off what is below.
        self.checkpoint(true);
        let mut done = Done::default();
        let cleaned = self.clean(&replica, &cleanable, settings, now_ms, &mut done);
        self.note_cleaned(&replica, done);
        if let Err(error) = cleaned {
            let now_ms = self.parts.clock.now_ms();
            replica.do_not_clean_before(now_ms.saturating_add(PAUSE_AFTER_FAILURE_MS));
            // A replica that was deleted meanwhile has no files any more.
            if error.kind() != io::ErrorKind::Interrupted && replica.observe().is_some() {
                warn!(tp = %replica.name(), %error, "log cannot be cleaned");
            }
        }
        true
    }

    fn dirtiest(&self, now_ms: i64) -> Option<(Arc<Replica>, Cleanable)> {
        let mut under_way = self.cleaners.under_way.lock();
        let mut dirtiest: Option<(Arc<Replica>, Cleanable)> = None;
        for replica in self.all() {
            if under_way.contains(replica.name()) {
                continue;
            }
            match replica.cleanable(now_ms) {
                Ok(Some(found)) => {
                    if dirtiest.as_ref().is_none_or(|(_, most)| found.ratio() > most.ratio()) {
                        dirtiest = Some((replica, found));
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    warn!(tp = %replica.name(), %error, "log cannot be cleaned");
                    replica.do_not_clean_before(now_ms.saturating_add(PAUSE_AFTER_FAILURE_MS));
                }
            }
        }
        if let Some((replica, _)) = &dirtiest {
            under_way.insert(replica.name().clone());
        }
        dirtiest
    }

    fn clean(
        &self,
        replica: &Replica,
        cleanable: &Cleanable,
        settings: &CleanerSettings,
        now_ms: i64,
        done: &mut Done,
    ) -> io::Result<()> {
        let threads = settings.threads.max(1);
        let [a, b] = [self.parts.random.uuid(), self.parts.random.uuid()].map(|uuid| uuid.as_u64_pair());
        let share = settings.io_bytes_per_second_max / f64::from(u32::try_from(threads).unwrap_or(u32::MAX));
        let mut behind = Duration::ZERO;
        let mut pace = |bytes: usize| {
            let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
            behind += Duration::try_from_secs_f64(bytes / share).unwrap_or(WAIT_MAX);
            loop {
                let wait = if behind < WAIT_MIN { Duration::ZERO } else { behind.min(WAIT_MAX) };
                if !(settings.wait)(wait) {
                    return Err(io::Error::new(io::ErrorKind::Interrupted, "the broker stops"));
                }
                if wait.is_zero() {
                    return Ok(());
                }
                behind -= wait;
            }
        };
        let means = Means {
            memory: settings.dedupe_buffer_bytes / threads,
            load_factor: settings.load_factor,
            secret: [a.0, a.1, b.0, b.1],
            pace: &mut pace,
        };
        replica.clean(cleanable, means, now_ms, done)
    }

    fn note_cleaned(&self, replica: &Arc<Replica>, done: Done) {
        let Done { bytes_before, bytes_after, cleaned_up_to, replaced } = done;
        self.remove_later(replica, replaced);
        let Some(cleaned_up_to) = cleaned_up_to else { return };
        info!(tp = %replica.name(), cleaned_up_to, bytes_before, bytes_after, "log cleaned");
        self.checkpoint_cleaned();
    }

    /// Takes over how far logs were cleaned by an earlier run, and what of it is still true.
    pub(super) fn load_cleaned(&self) {
        for directory in &self.parts.directories {
            let log_directory = directory.log_directory();
            let Ok(offsets) = log_directory.read_offsets(OffsetFile::CleanedUpTo) else { continue };
            directory.has_read_cleaned(&offsets);
            for replica in self.replicas_in(directory) {
                if let Some(offset) = offsets.get(replica.name()) {
                    replica.set_cleaned_up_to(*offset);
                }
            }
        }
    }

    /// Writes how far each log is cleaned, where it changed: before a topic is followed by another one of its name.
    pub(super) fn checkpoint_cleaned(&self) {
        self.checkpoint_each(|directory| {
            let cleaned =
                self.replicas_in(directory).filter_map(|r| Some((r.name().clone(), r.cleaned_up_to()?)));
            directory.write_checkpoint(OffsetFile::CleanedUpTo, cleaned.collect())
        });
    }
}
