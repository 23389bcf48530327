//! The cleaner over all replicas: the dirtiest log first (`LogCleaner`, `LogCleanerManager`).

mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::Set;
use super::retention::is_synced;
use crate::base::id::TopicPartition;
use crate::log::cleaner::Cleanable;
use crate::log::directory::OffsetFile;
use crate::log::error::is_disk_failure;
use crate::metrics;
use crate::partition::directory::Directory;
use crate::partition::replica::{Done, Means, Replica};

pub use settings::CleanerSettings;

/// How long a log is left alone after a cleaning that failed, in ms: a full disk may have room by then.
const PAUSE_AFTER_FAILURE_MS: i64 = 10 * 60_000;
/// Longest wait at a time for the limit on the cleaner's I/O.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Shorter waits are put off.
const WAIT_MIN: Duration = Duration::from_millis(5);

/// What a thread that cleans works with.
pub struct CleanerMeans {
    /// The settings of the moment: they may change during a cleaning.
    pub settings: Box<dyn Fn() -> CleanerSettings + Send + Sync>,
    /// Waits so long, or less if the broker stops, and says whether it goes on.
    pub wait: Box<dyn Fn(Duration) -> bool + Send + Sync>,
}

/// The logs that are being cleaned, and what the last cleanings did.
#[derive(Default)]
pub(super) struct Cleaners {
    /// By the name of their directories.
    under_way: Mutex<HashSet<TopicPartition>>,
    seen: Mutex<Seen>,
}

/// For the metrics.
#[derive(Default)]
struct Seen {
    /// When somebody last looked for dirty logs, in ms.
    looked_ms: Option<i64>,
    /// The largest share of dirty bytes that was found.
    max_dirty_ratio: f64,
    /// The last cleaning of each thread.
    last: Vec<metrics::Cleaning>,
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
            self.replica.mark_uncleanable(self.now_ms.saturating_add(PAUSE_AFTER_FAILURE_MS));
        }
        self.cleaners.under_way.lock().remove(self.replica.name());
    }
}

/// The log to be cleaned next.
struct Dirtiest {
    replica: Arc<Replica>,
    cleanable: Cleanable,
    /// The longest that records of any log are overdue, in ms.
    overdue_ms: i64,
}

impl Set {
    /// Cleans the log with the largest share of dirty bytes, if one has enough; says whether one had. Takes its time;
    /// several threads may be at it, each with its number.
    pub fn clean_dirtiest(&self, thread: usize, means: &CleanerMeans) -> bool {
        let now_ms = self.parts.clock.now_ms();
        let Some(Dirtiest { replica, cleanable, overdue_ms }) = self.dirtiest(now_ms) else { return false };
        let _under_way = UnderWay { cleaners: &self.cleaners, replica: replica.clone(), now_ms };
        // What decides over records that go must outlive them: markers, and each producer's last batch.
        if !is_synced(&replica) {
            return false;
        }
        // Before a segment is replaced: recovery and the journal's replay keep off what is below.
        self.checkpoint(true);
        if replica.directory().owes_any_checkpoint() {
            return false;
        }
        let begun = self.parts.clock.elapsed();
        let mut done = Done::default();
        let cleaned = self.clean(&replica, &cleanable, means, now_ms, &mut done);
        let last = metrics::Cleaning {
            bytes_read: done.bytes_before,
            bytes_written: done.bytes_after,
            buffer_utilization: done.buffer_utilization,
            time: self.parts.clock.elapsed().saturating_sub(begun),
            compaction_delay_ms: overdue_ms,
        };
        let is_cleaned = done.cleaned_up_to.is_some();
        self.note_cleaned(&replica, done);
        match cleaned {
            Ok(()) if is_cleaned => self.cleaners.note(thread, last),
            // It was given up, for the replica was deleted or is moving.
            Ok(()) => {}
            Err(error) => self.cleaning_failed(&replica, error),
        }
        true
    }

    /// A full disk or a damaged batch is the log's own trouble, and it stays as it is; another failure of the disk
    /// concerns the whole directory.
    fn cleaning_failed(&self, replica: &Replica, error: io::Error) {
        // A replica that was deleted meanwhile has no files any more.
        if error.kind() == io::ErrorKind::Interrupted || replica.observe().is_none() {
            return;
        }
        replica.mark_uncleanable(self.parts.clock.now_ms().saturating_add(PAUSE_AFTER_FAILURE_MS));
        warn!(tp = %replica.name(), %error, "log cannot be cleaned and is marked as uncleanable");
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if !is_full && is_disk_failure(&error) {
            replica.directory().log_directory().fail(error);
        }
    }

    fn dirtiest(&self, now_ms: i64) -> Option<Dirtiest> {
        let mut under_way = self.cleaners.under_way.lock();
        let (mut dirtiest, mut max_dirty_ratio, mut overdue_ms) = (None, 0.0_f64, 0);
        for replica in self.all() {
            if under_way.contains(replica.name()) {
                continue;
            }
            let found = match replica.log_to_clean(now_ms) {
                Ok(found) => found,
                Err(error) => {
                    if replica.uncleanable_bytes().is_none() {
                        self.cleaning_failed(&replica, error);
                    }
                    continue;
                }
            };
            let Some(found) = found.filter(|found| !found.is_uncleanable) else { continue };
            let ratio = found.cleanable.ratio();
            max_dirty_ratio = max_dirty_ratio.max(ratio);
            overdue_ms = overdue_ms.max(found.cleanable.overdue_ms);
            let most = dirtiest.as_ref().map_or(-1.0, |(_, most): &(_, Cleanable)| most.ratio());
            if found.is_due && ratio > most {
                dirtiest = Some((replica, found.cleanable));
            }
        }
        let mut seen = self.cleaners.seen.lock();
        (seen.looked_ms, seen.max_dirty_ratio) = (Some(now_ms), max_dirty_ratio);
        let (replica, cleanable) = dirtiest?;
        under_way.insert(replica.name().clone());
        Some(Dirtiest { replica, cleanable, overdue_ms })
    }

    fn clean(
        &self,
        replica: &Replica,
        cleanable: &Cleanable,
        means: &CleanerMeans,
        now_ms: i64,
        done: &mut Done,
    ) -> io::Result<()> {
        let settings = (means.settings)();
        let threads = settings.threads.max(1);
        let [a, b] = [self.parts.random.uuid(), self.parts.random.uuid()].map(|uuid| uuid.as_u64_pair());
        let mut behind = Duration::ZERO;
        let mut pace = |bytes: usize| {
            let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
            let share = (means.settings)().io_bytes_per_second_max_of_thread();
            behind += Duration::try_from_secs_f64(bytes / share).unwrap_or(WAIT_MAX);
            loop {
                let wait = if behind < WAIT_MIN { Duration::ZERO } else { behind.min(WAIT_MAX) };
                if !(means.wait)(wait) {
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
            note: &|| {
                self.checkpoint_cleaned();
                !replica.directory().owes(OffsetFile::CleanedUpTo)
            },
        };
        replica.clean(cleanable, means, now_ms, done)
    }

    fn note_cleaned(&self, replica: &Arc<Replica>, done: Done) {
        let Done { bytes_before, bytes_after, cleaned_up_to, replaced, buffer_utilization: _ } = done;
        self.remove_later(replica, replaced);
        let Some(cleaned_up_to) = cleaned_up_to else { return };
        info!(tp = %replica.name(), cleaned_up_to, bytes_before, bytes_after, "log cleaned");
        self.checkpoint_cleaned();
    }

    /// What the cleaner's metrics show.
    pub fn observe_cleaner(&self) -> metrics::Cleaner {
        let now_ms = self.parts.clock.now_ms();
        let mut directories: Vec<_> = self.parts.directories.iter().map(uncleanable_of).collect();
        for replica in self.all() {
            let Some(bytes) = replica.uncleanable_bytes() else { continue };
            let at = self.parts.directories.iter().position(|d| Arc::ptr_eq(d, &replica.directory()));
            if let Some(directory) = at.map(|at| &mut directories[at]) {
                directory.partitions += 1;
                directory.bytes = directory.bytes.saturating_add(bytes);
            }
        }
        let seen = self.cleaners.seen.lock();
        metrics::Cleaner {
            since_last_run_ms: now_ms.saturating_sub(seen.looked_ms.unwrap_or(now_ms)),
            max_dirty_ratio: seen.max_dirty_ratio,
            last: seen.last.clone(),
            directories,
        }
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
            let mut cleaned = directory.other_cleaned();
            for replica in self.replicas_in(directory) {
                match replica.cleaned_up_to() {
                    Some(offset) => drop(cleaned.insert(replica.name().clone(), offset)),
                    None => drop(cleaned.remove(replica.name())),
                }
            }
            directory.write_checkpoint(OffsetFile::CleanedUpTo, &cleaned)
        });
    }
}

impl Cleaners {
    fn note(&self, thread: usize, cleaning: metrics::Cleaning) {
        let last = &mut self.seen.lock().last;
        if last.len() <= thread {
            last.resize(thread + 1, metrics::Cleaning::default());
        }
        last[thread] = cleaning;
    }
}

fn uncleanable_of(directory: &Arc<Directory>) -> metrics::Uncleanable {
    let path = directory.log_directory().path().display().to_string();
    metrics::Uncleanable { directory: path, partitions: 0, bytes: 0 }
}
