//! A log directory with its committer, and the replicas in it that are to be synced some time soon.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::error::Error;
use super::replica::Replica;
use crate::base::clock::Clock;
use crate::base::id::TopicPartition;
use crate::log::checkpoint::Offsets;
use crate::log::committer::Committer;
use crate::log::directory::{LogDirectory, OffsetFile};
use crate::metrics::timers::{self, Timer};

/// A log directory in use.
pub struct Directory {
    log_directory: Arc<LogDirectory>,
    committer: Committer,
    was_clean: bool,
    flush_timer: Timer,
    /// Replicas with unsynced bytes that nobody waits for.
    later: Mutex<Vec<Weak<Replica>>>,
    /// Checkpoint entries of replicas that lie here but could not be opened: what is known of them must outlive
    /// this run.
    kept: Mutex<[Offsets; 3]>,
    /// How many replicas it holds.
    replicas: AtomicUsize,
    /// Whether a log was synced since the checkpoints were written.
    has_progress: AtomicBool,
    /// Hashes of what the three checkpoint files hold, so that an idle broker writes nothing.
    written: Mutex<[Option<u64>; 3]>,
}

fn hash(offsets: &Offsets) -> u64 {
    let mut hasher = DefaultHasher::new();
    offsets.hash(&mut hasher);
    hasher.finish()
}

impl Directory {
    /// Starts the committer of `log_directory`; `was_clean` is whether it had a clean-shutdown marker.
    pub fn start(log_directory: LogDirectory, was_clean: bool, clock: Clock) -> io::Result<Arc<Self>> {
        let log_directory = Arc::new(log_directory);
        let failing = log_directory.clone();
        let committer = Committer::start(
            "committer",
            Box::new(move |error| {
                failing.fail(error);
            }),
        )?;
        Ok(Arc::new(Self {
            log_directory,
            committer,
            was_clean,
            flush_timer: timers::log_flush_time(clock),
            later: Mutex::default(),
            kept: Mutex::default(),
            replicas: AtomicUsize::new(0),
            has_progress: AtomicBool::new(false),
            written: Mutex::default(),
        }))
    }

    /// The directory on disk.
    pub fn log_directory(&self) -> &Arc<LogDirectory> {
        &self.log_directory
    }

    /// Whether the broker that had the directory before stopped cleanly.
    pub(super) fn was_clean(&self) -> bool {
        self.was_clean
    }

    pub(super) fn committer(&self) -> &Committer {
        &self.committer
    }

    /// Times the flushes of the directory's logs.
    pub(super) fn flush_timer(&self) -> &Timer {
        &self.flush_timer
    }

    pub(super) fn check_online(&self) -> Result<(), Error> {
        if self.log_directory.is_offline() { Err(Error::Storage) } else { Ok(()) }
    }

    /// Has `replica` synced at the next [`Directory::sync_later`].
    pub(super) fn mark_later(&self, replica: &Arc<Replica>) {
        self.later.lock().push(Arc::downgrade(replica));
    }

    /// How many replicas it holds.
    pub(super) fn replicas(&self) -> usize {
        self.replicas.load(Ordering::Relaxed)
    }

    pub(super) fn add_replica(&self) {
        self.replicas.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_replica(&self) {
        self.replicas.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that a log was synced.
    pub(super) fn note_progress(&self) {
        self.has_progress.store(true, Ordering::Release);
    }

    /// Whether a log was synced since the last call.
    pub(super) fn take_progress(&self) -> bool {
        self.has_progress.swap(false, Ordering::AcqRel)
    }

    /// Keeps what the checkpoint files say of a replica that cannot be opened.
    pub(super) fn keep(&self, name: &TopicPartition, marks: [i64; 3]) {
        for (kept, mark) in self.kept.lock().iter_mut().zip(marks) {
            kept.insert(name.clone(), mark);
        }
    }

    /// Whether every replica in it could be opened; only then may a clean-shutdown marker vouch for it.
    pub(super) fn is_whole(&self) -> bool {
        self.kept.lock()[0].is_empty()
    }

    /// Writes recovery points, log start offsets and high watermarks, each file only if it changed.
    pub(super) fn write_checkpoints(&self, mut offsets: [Offsets; 3]) -> io::Result<()> {
        for (offsets, kept) in offsets.iter_mut().zip(self.kept.lock().iter()) {
            offsets.extend(kept.iter().map(|(name, mark)| (name.clone(), *mark)));
        }
        let files = [OffsetFile::RecoveryPoint, OffsetFile::LogStartOffset, OffsetFile::HighWatermark];
        let mut written = self.written.lock();
        for ((file, offsets), written) in files.into_iter().zip(offsets).zip(written.iter_mut()) {
            if *written != Some(hash(&offsets)) {
                self.log_directory.write_offsets(file, &offsets)?;
                *written = Some(hash(&offsets));
            }
        }
        Ok(())
    }

    /// Puts everything that was marked for later in the committer's queue.
    pub(super) fn sync_later(&self) {
        let marked = std::mem::take(&mut *self.later.lock());
        for replica in marked.iter().filter_map(Weak::upgrade) {
            replica.sync_soon();
        }
    }
}
