//! A log directory with its committer, and the replicas in it that are to be synced some time soon.

use std::io;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::error::Error;
use super::replica::Replica;
use crate::log::committer::Committer;
use crate::log::directory::LogDirectory;

/// A log directory in use.
pub struct Directory {
    log_directory: Arc<LogDirectory>,
    committer: Committer,
    /// Replicas with unsynced bytes that nobody waits for.
    later: Mutex<Vec<Weak<Replica>>>,
}

impl Directory {
    /// Starts the committer of `log_directory`.
    pub fn start(log_directory: LogDirectory) -> io::Result<Arc<Self>> {
        let log_directory = Arc::new(log_directory);
        let failing = log_directory.clone();
        let committer = Committer::start(
            "committer",
            Box::new(move |error| {
                failing.fail(error);
            }),
        )?;
        Ok(Arc::new(Self { log_directory, committer, later: Mutex::default() }))
    }

    /// The directory on disk.
    pub fn log_directory(&self) -> &Arc<LogDirectory> {
        &self.log_directory
    }

    pub(super) fn committer(&self) -> &Committer {
        &self.committer
    }

    pub(super) fn check_online(&self) -> Result<(), Error> {
        if self.log_directory.is_offline() { Err(Error::Storage) } else { Ok(()) }
    }

    /// Has `replica` synced at the next [`Directory::sync_later`].
    pub(super) fn mark_later(&self, replica: &Arc<Replica>) {
        self.later.lock().push(Arc::downgrade(replica));
    }

    /// Puts everything that was marked for later in the committer's queue.
    pub(super) fn sync_later(&self) {
        let marked = std::mem::take(&mut *self.later.lock());
        for replica in marked.iter().filter_map(Weak::upgrade) {
            replica.sync_soon();
        }
    }
}
