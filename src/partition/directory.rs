//! A log directory with its committer, and the replicas in it that are to be synced some time soon.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tracing::{info, warn};

use super::error::Error;
use super::replica::Home;
use crate::base::clock::Clock;
use crate::base::id::TopicPartition;
use crate::base::random::Random;
use crate::log::checkpoint::Offsets;
use crate::log::committer::{Committer, Journalling};
use crate::log::directory::{LogDirectory, OffsetFile};
use crate::log::journal::{self, Replayed};
use crate::metrics::timers::{self, Timer};

/// What is written together.
const CHECKPOINTS: [OffsetFile; 3] =
    [OffsetFile::RecoveryPoint, OffsetFile::LogStartOffset, OffsetFile::HighWatermark];

/// A log directory in use.
pub struct Directory {
    log_directory: Arc<LogDirectory>,
    committer: Committer,
    was_clean: bool,
    flush_timer: Timer,
    /// Replicas with unsynced bytes that nobody waits for.
    later: Mutex<Vec<Weak<Home>>>,
    /// Of replicas that lie here but could not be opened, or closed: what is known of them must outlive this run.
    kept: Mutex<BTreeMap<TopicPartition, Entries>>,
    /// Of replicas that are about to move here.
    incoming: Mutex<BTreeMap<TopicPartition, Entries>>,
    /// Whether it takes no new replicas (`cordoned.log.dirs`, KIP-1066).
    is_cordoned: AtomicBool,
    /// How many replicas it holds.
    replicas: AtomicUsize,
    /// Whether a log was synced since the checkpoints were written.
    has_progress: AtomicBool,
    removal: Mutex<Removal>,
    /// What the checkpoint files hold.
    written: Mutex<[Written; 4]>,
}

/// Checkpoint entries of a replica that is not in use in a directory.
#[derive(Clone, Copy)]
pub(super) struct Entries {
    /// Recovery point, log start offset and high watermark.
    pub(super) marks: [i64; 3],
    /// How far its log was cleaned.
    pub(super) cleaned_up_to: Option<i64>,
}

/// What a checkpoint file holds.
#[derive(Clone, Copy, Default)]
struct Written {
    /// Of its entries, if they are known to be there, so that an idle broker writes nothing.
    hash: Option<u64>,
    /// Whether it could not be written when it should have been.
    is_owed: bool,
}

fn place_of(file: OffsetFile) -> usize {
    match file {
        OffsetFile::RecoveryPoint => 0,
        OffsetFile::LogStartOffset => 1,
        OffsetFile::HighWatermark => 2,
        OffsetFile::CleanedUpTo => 3,
    }
}

/// Directories of deleted replicas, and whether a thread removes them.
#[derive(Default)]
struct Removal {
    set_aside: VecDeque<PathBuf>,
    is_running: bool,
}

fn hash(offsets: &Offsets) -> u64 {
    let mut hasher = DefaultHasher::new();
    offsets.hash(&mut hasher);
    hasher.finish()
}

/// Makes the logs whole from the journal that an unclean stop has left, before any of them is opened.
fn recover_journal(directory: &LogDirectory, was_clean: bool) -> io::Result<()> {
    let (disk, path) = (directory.disk(), directory.path());
    directory.guard(|| {
        if was_clean {
            // Whoever stopped cleanly was another broker, for this one leaves no journal then.
            if journal::discard(disk, path)? {
                warn!(dir = %path.display(), "journal of an earlier unclean stop is discarded");
            }
        } else if let Some(Replayed { entries, logs, restored_bytes, walked_bytes }) =
            journal::replay(disk, path)?
        {
            info!(dir = %path.display(), entries, logs, restored_bytes, walked_bytes, "journal replayed");
        }
        Ok(())
    })
}

impl Directory {
    /// Replays the journal if there is one and starts the committer of `log_directory`; `was_clean` is whether it had a clean-shutdown marker.
    pub fn start(
        log_directory: LogDirectory,
        was_clean: bool,
        clock: Clock,
        random: &Random,
    ) -> io::Result<Arc<Self>> {
        let log_directory = Arc::new(log_directory);
        if !log_directory.is_offline()
            && let Err(error) = recover_journal(&log_directory, was_clean)
        {
            warn!(dir = %log_directory.path().display(), %error, "journal cannot be replayed");
        }
        let failing = log_directory.clone();
        let (disk, dir) = (log_directory.disk().clone(), log_directory.path().to_owned());
        let journalling = Journalling::lazy(disk, dir, random.clone());
        let committer = Committer::start(
            "committer",
            Some(journalling),
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
            incoming: Mutex::default(),
            is_cordoned: AtomicBool::new(false),
            replicas: AtomicUsize::new(0),
            has_progress: AtomicBool::new(false),
            removal: Mutex::default(),
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

    /// Has the replica of `home` synced at the next [`Directory::sync_later`].
    pub(super) fn mark_later(&self, home: Weak<Home>) {
        self.later.lock().push(home);
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

    /// Keeps what the checkpoint files say of a replica that cannot be opened, or closed.
    pub(super) fn keep(&self, name: &TopicPartition, marks: [i64; 3]) {
        self.kept.lock().insert(name.clone(), Entries { marks, cleaned_up_to: None });
    }

    /// Adds what the checkpoint files say of a replica that is about to move here; none takes it out again.
    pub(super) fn expect(&self, name: &TopicPartition, expected: Option<Entries>) {
        let mut incoming = self.incoming.lock();
        match expected {
            Some(expected) => drop(incoming.insert(name.clone(), expected)),
            None => drop(incoming.remove(name)),
        }
    }

    /// Raises where the log of a replica begins that is about to move here.
    pub(super) fn raise_expected_start(&self, name: &TopicPartition, offset: i64) {
        if let Some(Entries { marks: [_, log_start, _], .. }) = self.incoming.lock().get_mut(name) {
            *log_start = offset.max(*log_start);
        }
    }

    /// The checkpoint entries, as they are in recovery points, log start offsets and high watermarks, of replicas that
    /// are not in use here. To be taken before those of the replicas that are, for one may come to be.
    pub(super) fn other_offsets(&self) -> [Offsets; 3] {
        let mut offsets = <[Offsets; 3]>::default();
        for (name, Entries { marks, .. }) in self.others() {
            for (offsets, mark) in offsets.iter_mut().zip(marks) {
                offsets.insert(name.clone(), mark);
            }
        }
        offsets
    }

    /// How far the logs of such replicas were cleaned; to be taken at the same time.
    pub(super) fn other_cleaned(&self) -> Offsets {
        let cleaned = |(name, entries): (_, Entries)| entries.cleaned_up_to.map(|offset| (name, offset));
        self.others().into_iter().filter_map(cleaned).collect()
    }

    fn others(&self) -> BTreeMap<TopicPartition, Entries> {
        let mut others = self.incoming.lock().clone();
        others.extend(self.kept.lock().iter().map(|(name, entries)| (name.clone(), *entries)));
        others
    }

    /// Whether it takes no new replicas.
    pub fn is_cordoned(&self) -> bool {
        self.is_cordoned.load(Ordering::Relaxed)
    }

    /// Sets whether it takes no new replicas.
    pub fn set_cordoned(&self, is_cordoned: bool) {
        self.is_cordoned.store(is_cordoned, Ordering::Relaxed);
    }

    /// Whether every replica in it could be opened, and closed; only then may a clean-shutdown marker vouch for it.
    pub(super) fn is_whole(&self) -> bool {
        self.kept.lock().is_empty()
    }

    /// Writes recovery points, log start offsets and high watermarks, each file only if it changed.
    pub(super) fn write_checkpoints(&self, offsets: [Offsets; 3]) -> io::Result<()> {
        let written = CHECKPOINTS.into_iter().zip(offsets).map(|(file, of)| self.write_checkpoint(file, &of));
        // Each of them is owed if it cannot be written.
        written.collect::<Vec<_>>().into_iter().collect()
    }

    /// Writes one of the checkpoint files, if it changed.
    pub(super) fn write_checkpoint(&self, file: OffsetFile, offsets: &Offsets) -> io::Result<()> {
        let hash = Some(hash(offsets));
        let written = &mut self.written.lock()[place_of(file)];
        if written.hash == hash {
            return Ok(());
        }
        // Whatever is there after an error.
        *written = Written { hash: None, is_owed: true };
        self.log_directory.write_offsets(file, offsets)?;
        *written = Written { hash, is_owed: false };
        Ok(())
    }

    /// Whether a checkpoint file could not be written when it should have been, and still is an older one.
    pub(super) fn owes(&self, file: OffsetFile) -> bool {
        self.written.lock()[place_of(file)].is_owed
    }

    /// Whether it owes one of those with recovery points, log start offsets and high watermarks.
    pub(super) fn owes_checkpoints(&self) -> bool {
        CHECKPOINTS.into_iter().any(|file| self.owes(file))
    }

    /// Whether it owes one of those or the one with how far logs are cleaned.
    pub(super) fn owes_any_checkpoint(&self) -> bool {
        self.owes_checkpoints() || self.owes(OffsetFile::CleanedUpTo)
    }

    /// Takes note of what a checkpoint file holds, and keeps what it says of replicas that cannot be opened. One that says
    /// nothing may be broken, and is to be written again.
    pub(super) fn has_read_cleaned(&self, offsets: &Offsets) {
        for (name, entries) in self.kept.lock().iter_mut() {
            entries.cleaned_up_to = offsets.get(name).copied().or(entries.cleaned_up_to);
        }
        let file = self.log_directory.path().join(OffsetFile::CleanedUpTo.name());
        let is_useless = offsets.is_empty() && self.log_directory.disk().exists(&file).unwrap_or(true);
        self.written.lock()[place_of(OffsetFile::CleanedUpTo)].hash = (!is_useless).then(|| hash(offsets));
    }

    /// Whether something was marked for later, or synced since the last checkpoint, or a checkpoint is owed.
    pub(super) fn has_to_sync(&self) -> bool {
        self.has_progress.load(Ordering::Acquire)
            || !self.later.lock().is_empty()
            || self.committer.has_postponed()
            || (!self.log_directory.is_offline() && self.may_owe())
    }

    /// Does not wait for one that is being written, which may yet fail.
    fn may_owe(&self) -> bool {
        self.written.try_lock().is_none_or(|written| written.iter().any(|file| file.is_owed))
    }

    /// Has the committer sync everything that was marked for later.
    pub(super) fn sync_later(&self) {
        let marked = std::mem::take(&mut *self.later.lock());
        // Before the syncs: what is appended during one is marked again.
        marked.iter().filter_map(Weak::upgrade).for_each(|home| home.is_taken());
        self.committer.settle(marked);
    }

    /// Makes the renaming of deleted replicas' directories durable and has them removed in the background: large ones
    /// take a while, and nobody waits for it. What is left is removed at the next start.
    pub(super) fn remove_set_aside(self: &Arc<Self>, set_aside: Vec<PathBuf>) {
        if set_aside.is_empty() {
            return;
        }
        let (disk, path) = (self.log_directory.disk(), self.log_directory.path());
        if let Err(error) = self.log_directory.guard_anew(|| disk.sync_dir(path)) {
            warn!(dir = %path.display(), %error, "deleted replicas are not removed");
            return;
        }
        let mut removal = self.removal.lock();
        removal.set_aside.extend(set_aside);
        if !removal.is_running {
            let directory = self.clone();
            let thread = std::thread::Builder::new().name("log-deletion".to_owned());
            match thread.spawn(move || directory.remove_all()) {
                Ok(_) => removal.is_running = true,
                Err(error) => warn!(%error, "deleted replicas are removed later"),
            }
        }
    }

    fn remove_all(&self) {
        loop {
            let next = {
                let mut removal = self.removal.lock();
                let next = removal.set_aside.pop_front();
                removal.is_running = next.is_some();
                next
            };
            let Some(dir) = next else { return };
            if let Err(error) = self.log_directory.disk().remove_dir_all(&dir) {
                warn!(dir = %dir.display(), %error, "deleted replica cannot be removed");
            }
        }
    }

    /// Removes the journal after every log was closed.
    pub(super) fn remove_journal(&self) -> io::Result<()> {
        self.log_directory.guard(|| self.committer.remove_journal())
    }
}
