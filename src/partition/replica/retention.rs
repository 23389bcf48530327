//! The start of a replica's log moves: by retention, or because a client has its records deleted.

use std::io;

use tracing::error;

use super::Replica;
use crate::log;
use crate::log::directory::OffsetFile;
use crate::log::retention::Retired;
use crate::partition::directory::Directory;
use crate::partition::error::Error;

/// DeleteRecords: everything below the high watermark (`DeleteRecordsRequest.HIGH_WATERMARK`).
const HIGH_WATERMARK: i64 = -1;

impl Replica {
    /// Lets the log begin at `offset`, -1 for the high watermark (`Partition.deleteRecordsOnLeader`). The caller
    /// writes the checkpoint of log starts, and answers with [`Replica::low_watermark`] then.
    pub fn delete_records(&self, offset: i64) -> Result<(), Error> {
        let mut state = self.state.lock();
        self.check_online()?;
        let high_watermark = state.leader_for(-1)?.high_watermark();
        let settings = &state.settings.log;
        if settings.compact && !settings.delete {
            return Err(Error::PolicyViolation);
        }
        let offset = if offset == HIGH_WATERMARK { high_watermark } else { offset };
        if offset < 0 || offset > high_watermark {
            return Err(Error::OffsetOutOfRange);
        }
        state.check_where_it_lies()?;
        state.log.advance_start(offset);
        state.tell_new_directory(&self.name);
        Ok(())
    }

    /// The first offset that no replica has deleted yet; a storage error while no checkpoint says so.
    pub fn low_watermark(&self) -> Result<i64, Error> {
        let state = self.state.lock();
        self.check_online()?;
        state.leader_for(-1)?;
        state.check_where_it_lies()?;
        let is_owed = |directory: &Directory| directory.owes(OffsetFile::LogStartOffset);
        if is_owed(&self.directory())
            || state.moving.as_ref().is_some_and(|moving| is_owed(moving.directory()))
        {
            return Err(Error::Storage);
        }
        Ok(state.log.start_offset())
    }

    /// Takes the segments out of the log that its settings do not keep. They are [set aside](Replica::set_aside)
    /// after a sync and a checkpoint.
    pub(in crate::partition) fn retire_segments(&self, now_ms: i64) -> Option<Retired> {
        // While the log is being cleaned its old segments stay; the next round comes to it.
        let _changing = self.cleaning.changing.try_lock()?;
        let retired = self.try_retire_segments(now_ms);
        retired.unwrap_or_else(|why| {
            // One that was deleted meanwhile has no files any more.
            if !self.state.lock().deleted {
                error!(tp = %self.name, %why, "old segments cannot be deleted");
                if why.is_disk_failure() {
                    self.directory().log_directory().fail(io::Error::other(why.to_string()));
                }
            }
            None
        })
    }

    fn try_retire_segments(&self, now_ms: i64) -> Result<Option<Retired>, log::Error> {
        let plan = {
            let state = self.state.lock();
            if state.deleted || self.check_online().is_err() {
                return Ok(None);
            }
            state.log.plan_expiry()
        };
        let expired_up_to = plan.resolve(now_ms)?;
        let mut state = self.state.lock();
        if state.deleted || self.check_online().is_err() {
            return Ok(None);
        }
        // A setting that came meanwhile may keep what the old one did not; the next round goes by it.
        if !plan.is_current(&state.log) {
            return Ok(None);
        }
        let high_watermark = state.high_watermark();
        state.log.retire_segments(high_watermark, expired_up_to, now_ms)
    }

    /// How long files stay that belong to no segment any more, in ms.
    pub(in crate::partition) fn file_delete_delay_ms(&self) -> i64 {
        self.state.lock().settings.log.file_delete_delay_ms
    }

    /// Renames the files of retired segments; false if the replica was deleted with all its files.
    pub(in crate::partition) fn set_aside(&self, retired: &Retired) -> io::Result<bool> {
        // A sync under way may still want them; and the names may belong to a topic of the same name already.
        let _syncing = self.syncing.lock();
        if self.state.lock().deleted {
            return Ok(false);
        }
        self.directory().log_directory().guard(|| retired.set_aside()).map(|()| true)
    }
}
