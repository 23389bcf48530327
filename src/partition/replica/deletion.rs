//! The end of a replica: its directory gets another name, to be removed or for the trash.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::warn;
use uuid::Uuid;

use super::{Replica, State};
use crate::log;
use crate::log::directory::{PartitionDir, Purpose};
use crate::log::error::is_out_of_descriptors;
use crate::log::trash::Trashed;
use crate::partition::directory::Directory;

impl Replica {
    /// Stops serving and renames the log's directory, for the trash if there is something to be said of it there. Gives
    /// the log directory, and the new name. The caller makes that durable.
    pub(in crate::partition) fn delete(
        &self,
        trashed: Option<&mut Trashed>,
        unique: Uuid,
    ) -> Result<(Arc<Directory>, PathBuf), log::Error> {
        // A sync under way would look for files that are gone.
        let _syncing = self.syncing.lock();
        let mut state = self.state.lock();
        state.deleted = true;
        state.forget_moving(&self.name);
        state.release_all();
        let directory = self.directory();
        let purpose = if trashed.is_some() { Purpose::Stray } else { Purpose::Delete };
        if let Some(trashed) = trashed {
            self.say_where_it_ends(&mut state, &directory, trashed);
        }
        let set_aside = state.log.set_aside(purpose, unique)?;
        drop(state);
        directory.remove_replica();
        Ok((directory, set_aside))
    }

    /// Writes the file to where it lies; gives the log directory, and its directory there.
    pub(in crate::partition) fn mark_for_trash(
        &self,
        trashed: &Trashed,
    ) -> io::Result<(Arc<Directory>, PathBuf)> {
        // It is neither deleted meanwhile, and its name another one's, nor moved.
        let _syncing = self.syncing.lock();
        if self.state.lock().deleted {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is deleted"));
        }
        let directory = self.directory();
        let path = self.write_trashed(&directory, trashed)?;
        Ok((directory, path))
    }

    /// Writes the file; gives the directory that it is in.
    fn write_trashed(&self, directory: &Directory, trashed: &Trashed) -> io::Result<PathBuf> {
        let log_directory = directory.log_directory();
        let path = log_directory.partition_path(&PartitionDir::current(self.name.clone()));
        log_directory.ensure_online()?;
        trashed.write(&**log_directory.disk(), &path)?;
        Ok(path)
    }

    /// Makes durable what came after the mark: the journal does not vouch for a log of another name.
    fn say_where_it_ends(&self, state: &mut State, directory: &Directory, trashed: &mut Trashed) {
        if let Some(flush) = state.log.begin_flush() {
            match flush.run() {
                Ok(()) => drop(state.log.flushed(&flush)),
                Err(why) if is_out_of_descriptors(&why) => {
                    warn!(tp = %self.name, %why, "the newest records are not synced in the trash");
                }
                Err(why) => drop(directory.log_directory().fail(why)),
            }
        }
        let marks = state.checkpoint_marks();
        let cleaned_up_to = self.cleaned_up_to().unwrap_or(-1);
        let said = (trashed.log_start_offset, trashed.recovery_point, trashed.cleaned_up_to);
        if said == (marks.log_start, marks.recovery_point, cleaned_up_to) {
            return;
        }
        (trashed.log_start_offset, trashed.recovery_point) = (marks.log_start, marks.recovery_point);
        trashed.cleaned_up_to = cleaned_up_to;
        if let Err(error) = self.write_trashed(directory, trashed) {
            warn!(tp = %self.name, %error, "the trash file is that of the mark");
        }
    }
}
