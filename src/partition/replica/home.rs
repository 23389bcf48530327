//! Where a replica lives, and how what is appended there becomes durable.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tracing::warn;

use super::Replica;
use crate::log::Tail;
use crate::log::committer::{Dirty, Synced, Ticket};
use crate::log::error::is_out_of_descriptors;
use crate::partition::directory::Directory;

/// A replica in a log directory. Once it has moved to another one, what is still queued here does nothing.
pub(in crate::partition) struct Home {
    replica: Weak<Replica>,
    directory: Arc<Directory>,
    /// The replica's place in the committer's queue.
    ticket: Ticket,
    /// Whether the replica is on the directory's list for later.
    is_marked_later: AtomicBool,
}

impl Home {
    pub(super) fn new(replica: Weak<Replica>, directory: Arc<Directory>) -> Self {
        Self { replica, directory, ticket: Ticket::default(), is_marked_later: AtomicBool::new(false) }
    }

    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(super) fn replica(&self) -> &Weak<Replica> {
        &self.replica
    }

    /// Takes note that the replica was taken off its directory's list for later.
    pub(in crate::partition) fn is_taken(&self) {
        self.is_marked_later.store(false, Ordering::Release);
    }

    /// Has the log's own files synced with the next round of those that nobody waits for.
    fn sync_later(self: &Arc<Self>) {
        if !self.is_marked_later.swap(true, Ordering::AcqRel) {
            self.directory.mark_later(Arc::downgrade(self));
        }
    }

    fn is_home_of(&self, replica: &Replica) -> bool {
        std::ptr::eq(self, &raw const **replica.home.load())
    }
}

impl Replica {
    /// Has the committer make durable what is appended.
    pub(super) fn sync_soon(&self) {
        let home = self.home.load();
        home.directory.committer().mark(&home);
    }

    /// Has the log's own files synced with the next round of those that nobody waits for.
    pub(super) fn sync_later(&self) {
        self.home.load().sync_later();
    }

    /// Syncs the log's own files.
    pub(in crate::partition) fn sync(&self) -> io::Result<Synced> {
        let _syncing = self.syncing.lock();
        self.sync_files()
    }

    /// The caller holds `syncing`.
    fn sync_files(&self) -> io::Result<Synced> {
        let (flush, bytes) = {
            let mut state = self.state.lock();
            let nothing = Synced::All { bytes: 0 };
            if state.deleted {
                return Ok(nothing);
            }
            match state.log.begin_flush() {
                Some(flush) => (flush, std::mem::take(&mut state.unflushed_bytes)),
                // What the journal holds of it has to stay there until the next start.
                None if state.log.is_poisoned() => return Ok(Synced::Postponed),
                None => return Ok(nothing),
            }
        };
        let directory = self.directory();
        match directory.flush_timer().time(|| flush.run()) {
            Ok(()) => {}
            Err(why) if is_out_of_descriptors(&why) => return self.sync_again(&why),
            Err(why) => {
                self.state.lock().log.poison();
                return Err(why);
            }
        }
        let mut state = self.state.lock();
        state.log.flushed(&flush);
        let wakes = state.advance();
        drop(state);
        wakes.wake();
        directory.note_progress();
        Ok(Synced::All { bytes })
    }

    /// Tries a sync that found no free file descriptor again with the next round.
    fn sync_again(&self, why: &io::Error) -> io::Result<Synced> {
        warn!(tp = %self.name, %why, "sync is tried again");
        self.sync_later();
        Ok(Synced::Postponed)
    }
}

impl Dirty for Home {
    fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    fn sync(&self) -> io::Result<Synced> {
        let Some(replica) = self.replica.upgrade() else { return Ok(Synced::All { bytes: 0 }) };
        let _syncing = replica.syncing.lock();
        if self.is_home_of(&replica) { replica.sync_files() } else { Ok(Synced::All { bytes: 0 }) }
    }

    fn tail(&self) -> Option<Tail> {
        let replica = self.replica.upgrade()?;
        let mut state = replica.state.lock();
        if state.deleted || !self.is_home_of(&replica) { None } else { state.log.tail() }
    }

    fn journalled(&self, tail: &Tail) {
        let Some(replica) = self.replica.upgrade() else { return };
        let mut state = replica.state.lock();
        // This directory's journal does not vouch for what is in another one.
        if !self.is_home_of(&replica) {
            return;
        }
        state.log.journalled(tail);
        let wakes = state.advance();
        drop(state);
        wakes.wake();
        replica.sync_later();
    }
}
