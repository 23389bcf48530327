//! One log directory (an entry of `log.dirs`): who may use it, what lies in it, and whether it still works.
//!
//! ```text
//! .lock                              held while a broker uses the directory
//! meta.properties                    whose directory it is
//! .kafka_cleanshutdown               only between a clean shutdown and the next start
//! recovery-point-offset-checkpoint   log-start-offset-checkpoint   replication-offset-checkpoint
//! cleaner-offset-checkpoint
//! <topic>-<partition>/               one per replica; with a suffix if set aside
//! ```
//! After the first failed write or sync nothing is written again: what the page cache holds is not what is on the
//! device. The directory is offline until the broker starts anew.

mod clean_shutdown;
mod lock;
mod names;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tracing::{error, warn};

use super::checkpoint::{self, Offsets};
use super::disk::{Disk, Space};
use super::error::is_want_of_resources;
use super::meta_properties::{self, MetaProperties};
use crate::base::id::{DirectoryId, NodeId};

pub use clean_shutdown::CleanShutdown;
pub use lock::Lock;
pub(in crate::log) use names::is_topic_name;
pub use names::{PartitionDir, Purpose};

/// Whether the log directory `dir`, which nobody has opened since, was shut down cleanly.
pub fn was_shut_down_cleanly(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    clean_shutdown::exists(disk, dir)
}

/// Why a directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk's fault.
    #[error("cannot open log directory {}: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// Another broker uses it.
    #[error(
        "Failed to acquire lock on file .lock in {}. A Kafka instance in another process or thread is using \
         this directory.",
        dir.display()
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// It belongs to somebody else, or its `meta.properties` is broken.
    #[error(transparent)]
    MetaProperties(#[from] meta_properties::Error),
}

/// One of the files that hold an offset for each partition of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetFile {
    /// Up to where each log is durable: recovery reads on from there.
    RecoveryPoint,
    /// Where each log begins.
    LogStartOffset,
    /// Each replica's high watermark.
    HighWatermark,
    /// Up to where each log was cleaned.
    CleanedUpTo,
}

impl OffsetFile {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => checkpoint::RECOVERY_POINT_FILE,
            Self::LogStartOffset => checkpoint::LOG_START_OFFSET_FILE,
            Self::HighWatermark => checkpoint::HIGH_WATERMARK_FILE,
            Self::CleanedUpTo => checkpoint::CLEANED_UP_TO_FILE,
        }
    }
}

/// What lies in a directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// Partitions, sorted by name.
    pub partitions: Vec<PartitionDir>,
    /// Names of directories that no broker made; they are left alone.
    pub foreign: Vec<String>,
}

/// A directory that is locked and whose owner is known, but that is not in use yet: a broker reads all of its
/// directories before it decides which cluster it belongs to.
pub struct Claimed {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    lock: Lock,
    properties: Option<MetaProperties>,
}

impl Claimed {
    /// Makes the directory if it is missing, locks it and reads `meta.properties`.
    pub fn claim(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { dir: path.to_owned(), source };
        create_durably(&*disk, path).map_err(io)?;
        let lock = Lock::acquire(&*disk, path).map_err(|source| {
            let is_held = source.kind() == io::ErrorKind::WouldBlock;
            if is_held { OpenError::Locked { dir: path.to_owned() } } else { io(source) }
        })?;
        let properties = MetaProperties::read(&*disk, path)?;
        Ok(Self { disk, path: path.to_owned(), lock, properties })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is; none for a new directory.
    pub fn properties(&self) -> Option<&MetaProperties> {
        self.properties.as_ref()
    }

    /// Takes the directory into use for a node of a cluster. A directory without an id gets `fresh_id`.
    /// The caller has checked [`meta_properties::verify`].
    pub fn open(
        self,
        cluster_id: &str,
        node_id: NodeId,
        fresh_id: DirectoryId,
    ) -> Result<LogDirectory, OpenError> {
        let id = self.properties.as_ref().and_then(|p| p.directory_id).unwrap_or(fresh_id);
        let properties = MetaProperties {
            version: meta_properties::VERSION,
            cluster_id: Some(cluster_id.to_owned()),
            node_id: Some(node_id),
            directory_id: Some(id),
        };
        if self.properties.as_ref() != Some(&properties) {
            properties
                .write(&*self.disk, &self.path)
                .map_err(|source| OpenError::Io { dir: self.path.clone(), source })?;
        }
        let Self { disk, path, lock, .. } = self;
        Ok(LogDirectory {
            disk,
            path,
            id,
            failure: OnceLock::new(),
            on_failure: OnceLock::new(),
            _lock: Some(lock),
        })
    }
}

/// Makes a directory and its parents, and their names durable.
fn create_durably(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut parents = Vec::new();
    for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
        if disk.exists(dir)? {
            break;
        }
        parents.push(dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    }
    disk.create_dir_all(path)?;
    parents.into_iter().try_for_each(|parent| disk.sync_dir(parent))
}

/// Called once when a directory goes offline.
pub type OnFailure = Box<dyn Fn(&LogDirectory) + Send + Sync>;

/// A log directory in use; locked as long as it lives.
pub struct LogDirectory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    id: DirectoryId,
    /// The first error, as text: an `io::Error` cannot be handed out twice.
    failure: OnceLock<(io::ErrorKind, String)>,
    on_failure: OnceLock<OnFailure>,
    _lock: Option<Lock>,
}

impl LogDirectory {
    /// A directory that cannot be opened, for `error`: it is offline from the start.
    pub fn unopened(disk: Arc<dyn Disk>, path: &Path, id: DirectoryId, error: io::Error) -> Self {
        let directory = Self {
            disk,
            path: path.to_owned(),
            id,
            failure: OnceLock::new(),
            on_failure: OnceLock::new(),
            _lock: None,
        };
        directory.fail(error);
        directory
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, as clients name it.
    pub fn absolute_path(&self) -> PathBuf {
        std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    /// Its id; that of a directory which could not be opened says nothing.
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    /// The file system it is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Where a partition's files are.
    pub fn partition_path(&self, dir: &PartitionDir) -> PathBuf {
        self.path.join(&dir.name)
    }

    /// The directories in it; files are not listed.
    pub fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in self.disk.list(&self.path)?.into_iter().filter(|e| e.is_dir) {
            match PartitionDir::parse(&entry.name) {
                Some(dir) => listing.partitions.push(dir),
                None => listing.foreign.push(entry.name),
            }
        }
        Ok(listing)
    }

    /// Reads the clean-shutdown marker and takes it away durably: to be called before any log is opened.
    pub fn take_clean_shutdown(&self) -> io::Result<Option<CleanShutdown>> {
        self.guard(|| clean_shutdown::take(&*self.disk, &self.path))
    }

    /// Writes the clean-shutdown marker: the last thing after all logs are synced and closed and all checkpoints
    /// written. Refused when the directory is offline, for then nothing of this is known.
    pub fn write_clean_shutdown(&self, broker_epoch: i64) -> io::Result<()> {
        self.guard(|| clean_shutdown::write(&*self.disk, &self.path, broker_epoch))
    }

    /// Reads an offset checkpoint. A corrupt file counts as empty, with a warning: its offsets can be found again,
    /// though at a cost.
    pub fn read_offsets(&self, which: OffsetFile) -> io::Result<Offsets> {
        match checkpoint::read_offsets(&*self.disk, &self.path.join(which.name())) {
            Ok(offsets) => Ok(offsets),
            Err(error @ checkpoint::Error::Corrupt { .. }) => {
                warn!(%error, "offset checkpoint is ignored");
                Ok(Offsets::new())
            }
            Err(checkpoint::Error::Io { source, .. }) => Err(self.fail(source)),
        }
    }

    /// Replaces an offset checkpoint; durable when this returns. Without descriptors or memory for it the old one may
    /// still be there, and the directory goes on: the caller writes it again.
    pub fn write_offsets(&self, which: OffsetFile, offsets: &Offsets) -> io::Result<()> {
        self.guard_anew(|| checkpoint::write_offsets(&*self.disk, &self.path.join(which.name()), offsets))
    }

    /// Size and free bytes of its file system.
    pub fn space(&self) -> io::Result<Space> {
        self.disk.space(&self.path)
    }

    /// Runs what writes to the directory: not at all if it is offline, and an error takes it offline.
    pub fn guard<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.ensure_online()?;
        write().map_err(|error| self.fail(error))
    }

    /// Runs what writes to the directory and can be done anew as a whole: an error for want of descriptors or memory is
    /// the caller's, and any other one takes the directory offline.
    pub fn guard_anew<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.ensure_online()?;
        write().map_err(|error| if is_want_of_resources(&error) { error } else { self.fail(error) })
    }

    /// Fails if the directory is offline, with the error that made it so.
    pub fn ensure_online(&self) -> io::Result<()> {
        match self.failure.get() {
            None => Ok(()),
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
        }
    }

    /// Whether writes have failed.
    pub fn is_offline(&self) -> bool {
        self.failure.get().is_some()
    }

    /// What failed first.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(|(_, text)| text.as_str())
    }

    /// Takes the directory offline because of `error`, which is handed back. Only the first one is kept and logged.
    pub fn fail(&self, error: io::Error) -> io::Error {
        let mut is_first = false;
        self.failure.get_or_init(|| {
            is_first = true;
            (error.kind(), error.to_string())
        });
        if is_first {
            error!(dir = %self.path.display(), %error, "log directory is offline");
            if let Some(on_failure) = self.on_failure.get() {
                on_failure(self);
            }
        }
        error
    }

    /// Sets what is called, once and on the thread that met the error, when the directory goes offline. To be set
    /// before the first write.
    pub fn on_failure(&self, call: OnFailure) {
        let was_unset = self.on_failure.set(call).is_ok();
        assert!(was_unset, "a log directory has one failure hook");
    }
}
