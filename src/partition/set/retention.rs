//! The rounds of retention over all replicas (`LogManager.cleanupLogs`), and the checkpoint of log starts.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::Set;
use crate::log::committer::Synced;
use crate::log::directory::OffsetFile;
use crate::log::retention::Retired;
use crate::partition::directory::Directory;
use crate::partition::replica::Replica;

/// Segments on their way out.
#[derive(Default)]
pub(super) struct Leaving {
    /// Out of their logs; whether the logs can do without them after a crash is not known yet.
    retired: Mutex<Vec<(Arc<Replica>, Retired)>>,
    /// Renamed; to be removed at a time, in ms.
    set_aside: Mutex<Vec<(i64, Arc<Directory>, Retired)>>,
}

impl Set {
    /// Deletes what the topics' settings do not keep. Reads and writes files; one call at a time.
    pub fn delete_old_segments(&self) {
        let now_ms = self.parts.clock.now_ms();
        let mut retired = std::mem::take(&mut *self.leaving.retired.lock());
        retired.extend(self.all().into_iter().filter_map(|replica| {
            let retired = replica.retire_segments(now_ms)?;
            let (segments, start_offset) = (retired.breached.count(), retired.start_offset);
            info!(tp = %replica.name(), segments, bytes = retired.size_bytes(), start_offset,
                breached = ?retired.breached, "old segments deleted");
            Some((replica, retired))
        }));
        if retired.is_empty() {
            return;
        }
        // The next start must find a log that begins where this one does now: first the log, then its start.
        let (synced, postponed): (Vec<_>, Vec<_>) =
            retired.into_iter().partition(|(replica, _)| is_synced(replica));
        self.checkpoint(true);
        let (owed, checkpointed): (Vec<_>, Vec<_>) =
            synced.into_iter().partition(|(replica, _)| replica.directory().owes_checkpoints());
        self.leaving.retired.lock().extend(postponed.into_iter().chain(owed));
        for (replica, retired) in checkpointed {
            match replica.set_aside(&retired) {
                Ok(true) => self.remove_later(&replica, vec![retired]),
                Ok(false) => {}
                Err(error) => warn!(tp = %replica.name(), %error, "old segments stay until the next start"),
            }
        }
    }

    /// Has files removed that were renamed, `file.delete.delay.ms` from now: readers may have come up to now.
    pub(super) fn remove_later(&self, replica: &Replica, renamed: Vec<Retired>) {
        let now_ms = self.parts.clock.now_ms();
        let due_ms = now_ms.saturating_add(replica.file_delete_delay_ms());
        let directory = replica.directory();
        self.leaving.set_aside.lock().extend(renamed.into_iter().map(|r| (due_ms, directory.clone(), r)));
        self.leaves.notify_waiters();
    }

    /// Waits until segments or directories wait for their removal.
    pub async fn files_leave(&self) {
        loop {
            let told = self.leaves.notified();
            if !self.leaving.set_aside.lock().is_empty() || self.has_left_directories() {
                return;
            }
            told.await;
        }
    }

    /// Whether [`Set::remove_old_segments`] has something to do.
    pub fn has_segments_to_remove(&self) -> bool {
        let now_ms = self.parts.clock.now_ms();
        self.leaving.set_aside.lock().iter().any(|(due_ms, _, _)| *due_ms <= now_ms)
    }

    /// Removes the files whose time has come.
    pub fn remove_old_segments(&self) {
        let now_ms = self.parts.clock.now_ms();
        let due: Vec<_> =
            self.leaving.set_aside.lock().extract_if(.., |(due_ms, _, _)| *due_ms <= now_ms).collect();
        for (_, directory, retired) in due {
            if let Err(error) = directory.log_directory().guard(|| retired.remove()) {
                warn!(dir = %directory.log_directory().path().display(), %error, "old segments stay until the next start");
            }
        }
    }

    /// Makes durable where each log starts; [`super::Replica::low_watermark`] tells of one for which that failed. The
    /// write of one directory covers all who came before it.
    pub fn checkpoint_log_starts(&self) {
        self.checkpoint_each(|directory| {
            let [_, mut starts, _] = directory.other_offsets();
            let here = self.replicas_in(directory);
            starts.extend(here.map(|r| (r.name().clone(), r.checkpoint_marks().log_start)));
            directory.write_checkpoint(OffsetFile::LogStartOffset, &starts)
        });
    }
}

/// Syncs the log's own files.
pub(super) fn is_synced(replica: &Arc<Replica>) -> bool {
    match replica.sync() {
        Ok(Synced::All { .. }) => true,
        Ok(Synced::Postponed) => false,
        Err(error) => {
            replica.directory().log_directory().fail(error);
            false
        }
    }
}
