//! A replica moves to another log directory: a copy catches up with it and takes its place.
//!
//! ```text
//! B/t-0.<id>-future                    the copy; at a start it is removed, and made again
//! B/t-0.<id>-future/.barnabas-replaces complete, and durable
//! B/t-0                                both are there: the one that is longer counts, B's if they are equal
//! A/t-0.<id>-delete                    the move is done
//! ```
//! The first renaming is what makes the copy count. If it or what follows fails, neither of the two is written any
//! more until the next start has looked at both.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::warn;
use uuid::Uuid;

use super::{Home, Replica, State};
use crate::base::id::TopicPartition;
use crate::log::checkpoint;
use crate::log::directory::{LogDirectory, PartitionDir, Purpose};
use crate::log::error::is_disk_failure;
use crate::log::transfer::{self, Extent, Transfer};
use crate::log::trash::Trashed;
use crate::partition::directory::{Directory, Entries};
use crate::partition::error::Error;

/// In the directory of a copy that is complete: the path of what it replaces, for whoever looks.
pub(in crate::partition) const REPLACES_FILE: &str = ".barnabas-replaces";

/// Most that is copied while appends wait, in bytes: what comes while a round of copying is synced has to fit, which on a
/// slow disk may be 50 ms.
const REST_BYTES_MAX: u64 = 4 << 20;

/// Rounds of copying after which somebody should know that the move is no faster than the appends.
const ROUNDS_BETWEEN_WARNINGS: u64 = 100;

/// A move under way (`Partition.futureLog`).
pub(in crate::partition) struct Moving {
    directory: Arc<Directory>,
    /// The copy, until somebody works on it.
    transfer: Mutex<Option<Transfer>>,
    dir: PathBuf,
    wish: Mutex<Wish>,
    /// Told when the wish changes.
    told: Condvar,
    end_offset: AtomicI64,
    size_bytes: AtomicU64,
}

impl Moving {
    /// Where the replica goes.
    pub(in crate::partition) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    fn end(&self, wish: Wish) {
        *self.wish.lock() = wish;
        self.told.notify_all();
    }

    /// Whether nobody wants it any more.
    pub(in crate::partition) fn is_given_up(&self) -> bool {
        *self.wish.lock() != Wish::Wanted || self.directory.log_directory().is_offline()
    }

    /// Waits, but not when it is given up.
    pub(in crate::partition) fn wait(&self, time: Duration) {
        let mut wish = self.wish.lock();
        if *wish == Wish::Wanted {
            self.told.wait_for(&mut wish, time);
        }
    }

    fn note(&self, transfer: &Transfer) {
        self.end_offset.store(transfer.end_offset(), Ordering::Relaxed);
        self.size_bytes.store(transfer.size_bytes(), Ordering::Relaxed);
    }
}

/// What is to become of a move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Wanted,
    /// The broker stops.
    Suspended,
    /// Another directory is wanted, or the replica is deleted.
    GivenUp,
}

/// The copy of a replica that is moving, as it is shown.
pub struct FutureReplica {
    /// Where it is.
    pub directory: Arc<Directory>,
    /// Bytes of its segments.
    pub size_bytes: u64,
    /// How many records it is behind.
    pub offset_lag: i64,
}

impl State {
    pub(super) fn give_up_moving(&mut self) {
        if let Some(moving) = self.moving.take() {
            moving.end(Wish::GivenUp);
        }
    }

    /// Fails if the checkpoints of two directories may count.
    pub(super) fn check_where_it_lies(&self) -> Result<(), Error> {
        if self.may_have_moved { Err(Error::Storage) } else { Ok(()) }
    }

    /// Has the checkpoint of the new directory say where the log begins.
    pub(super) fn tell_new_directory(&self, name: &TopicPartition) {
        if let Some(moving) = &self.moving {
            moving.directory.raise_expected_start(name, self.log.start_offset());
        }
    }

    /// Gives up the move of a replica that is deleted: what the new directory expects of it must not meet another
    /// one of its name.
    pub(super) fn forget_moving(&mut self, name: &TopicPartition) {
        if let Some(moving) = &self.moving {
            moving.directory.expect(name, None);
        }
        self.give_up_moving();
    }

    /// The next start goes on with it.
    pub(super) fn suspend_moving(&mut self) {
        if let Some(moving) = self.moving.take() {
            moving.end(Wish::Suspended);
        }
    }
}

/// What a move needs besides the replica.
pub(in crate::partition) struct Route<'a> {
    /// Tells apart several directories.
    pub(in crate::partition) unique: Uuid,
    /// Called with the bytes that were copied.
    pub(in crate::partition) pace: &'a mut dyn FnMut(usize),
    /// Writes the checkpoints of the log directories.
    pub(in crate::partition) checkpoint: &'a dyn Fn(),
}

/// Why a move did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(in crate::partition) enum MoveError {
    /// The copy.
    #[error(transparent)]
    Transfer(#[from] transfer::Error),
    /// The new directory.
    #[error("the new log directory has failed: {0}")]
    Directory(#[source] io::Error),
    /// There are no descriptors or no memory for the new directory's checkpoints.
    #[error("the checkpoints of the new log directory cannot be written")]
    Checkpoints,
}

/// Fails the directory of a copy that could not be written, unless the disk is only full, or too many files are open:
/// a move can be given up, and the directory goes on without it. Not so if the copy is taking the replica's place.
fn fail_target(target: &LogDirectory, error: &transfer::Error, is_taking_place: bool) {
    let transfer::Error::Target { source, .. } = error else { return };
    let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if is_taking_place || (is_disk_failure(source) && !is_full) {
        target.fail(io::Error::new(source.kind(), source.to_string()));
    }
}

/// A topic that is marked for the trash is, wherever its replica comes to lie.
fn take_mark_along(old: &Home, moving: &Moving, name: &TopicPartition) -> Result<(), transfer::Error> {
    let (from, to) = (old.directory().log_directory(), moving.directory.log_directory());
    let path = from.path().join(name.to_string());
    let source = |source| transfer::Error::Source { path: path.clone(), position: 0, source };
    let Some(trashed) = Trashed::read(&**from.disk(), &path).map_err(source)? else { return Ok(()) };
    let written = trashed.write(&**to.disk(), &moving.dir);
    written.map_err(|source| transfer::Error::Target { path: moving.dir.clone(), source })
}

/// Removes a copy that is not wanted any more. One that cannot be removed is at the next start.
fn remove_copy(target: &LogDirectory, dir: &Path) {
    if !target.is_offline()
        && let Err(error) = target.disk().remove_dir_all(dir)
    {
        warn!(dir = %dir.display(), %error, "copy of a replica cannot be removed");
    }
}

impl Replica {
    /// Wants the replica in `directory`; gives the move if there is one to be made. Another one is given up. The
    /// directory of the copy is there when this returns, so that the next start knows of the move.
    pub(in crate::partition) fn begin_move(
        &self,
        directory: &Arc<Directory>,
        unique: Uuid,
        now_ms: i64,
    ) -> Result<Option<Arc<Moving>>, Error> {
        let mut state = self.state.lock();
        self.check_online()?;
        if state.deleted {
            return Err(Error::UnknownTopicOrPartition);
        }
        if state.moving.as_ref().is_some_and(|moving| Arc::ptr_eq(&moving.directory, directory)) {
            return Ok(None);
        }
        state.give_up_moving();
        if Arc::ptr_eq(&self.directory(), directory) {
            return Ok(None);
        }
        let target = directory.log_directory();
        let dir = PartitionDir::beside(self.name.clone(), Purpose::Future, unique);
        let dir = target.partition_path(&dir);
        let begun = Transfer::begin(&state.log, target.disk().clone(), &dir, now_ms);
        let transfer = begun.map_err(|error| {
            warn!(tp = %self.name, %error, "replica cannot be moved");
            fail_target(target, &error, false);
            remove_copy(target, &dir);
            Error::Storage
        })?;
        let moving = Arc::new(Moving {
            directory: directory.clone(),
            transfer: Mutex::new(Some(transfer)),
            dir,
            wish: Mutex::new(Wish::Wanted),
            told: Condvar::new(),
            end_offset: AtomicI64::new(state.log.start_offset()),
            size_bytes: AtomicU64::new(0),
        });
        state.moving = Some(moving.clone());
        Ok(Some(moving))
    }

    /// The copy that will take the replica's place.
    pub fn future(&self) -> Option<FutureReplica> {
        let state = self.state.lock();
        let moving = state.moving.as_ref()?;
        Some(FutureReplica {
            directory: moving.directory.clone(),
            size_bytes: moving.size_bytes.load(Ordering::Relaxed),
            offset_lag: state.log.end_offset() - moving.end_offset.load(Ordering::Relaxed),
        })
    }

    /// Makes the move, and gives the old directory under its new name, none if the move was given up. Takes as long as
    /// the copying does; the last bit of it is copied while appends wait.
    pub(in crate::partition) fn carry_out(
        &self,
        moving: &Moving,
        mut route: Route<'_>,
    ) -> Result<Option<PathBuf>, MoveError> {
        // The segments stay as they are meanwhile, but for the last.
        let _changing = self.cleaning.changing.lock();
        let target = moving.directory.log_directory();
        let mut is_taking_place = false;
        let moved = self.copy_and_replace(moving, &mut route, &mut is_taking_place);
        let mut state = self.state.lock();
        // What may have the replica's name is looked at by the next start, which needs to know of it.
        if !state.deleted && (moved.is_ok() || !is_taking_place) {
            moving.directory.expect(&self.name, None);
        }
        if state.moving.as_ref().is_some_and(|current| std::ptr::eq(&raw const **current, moving)) {
            state.moving = None;
        }
        drop(state);
        if let Err(MoveError::Transfer(error)) = &moved {
            fail_target(target, error, is_taking_place);
        }
        let wish = *moving.wish.lock();
        let is_left = match &moved {
            Ok(_) => false,
            Err(MoveError::Transfer(transfer::Error::GivenUp)) => wish == Wish::GivenUp,
            // The next start goes on with one that is suspended.
            Err(_) => !is_taking_place && wish != Wish::Suspended,
        };
        if is_left {
            remove_copy(target, &moving.dir);
        }
        match moved {
            Err(MoveError::Transfer(transfer::Error::GivenUp)) => Ok(None),
            moved => moved.map(Some),
        }
    }

    /// Sets `is_taking_place` when the copy may have the replica's name from there on.
    fn copy_and_replace(
        &self,
        moving: &Moving,
        route: &mut Route<'_>,
        is_taking_place: &mut bool,
    ) -> Result<PathBuf, MoveError> {
        let target = moving.directory.log_directory();
        let own_name = self.name.to_string();
        let transfer = moving.transfer.lock().take();
        let mut transfer = transfer.ok_or(transfer::Error::GivenUp)?;
        self.catch_up(moving, &mut transfer, route)?;
        // The replica may have lived there before, and the journal still speak of it.
        moving.directory.committer().forget(self.topic_id, &own_name).map_err(MoveError::Directory)?;
        {
            // Whoever deletes the replica takes them away.
            let state = self.state.lock();
            if state.deleted {
                return Err(transfer::Error::GivenUp.into());
            }
            let marks = state.checkpoint_marks();
            let marks = [transfer.end_offset(), marks.log_start, marks.high_watermark];
            let expected = Entries { marks, cleaned_up_to: self.cleaned_up_to() };
            moving.directory.expect(&self.name, Some(expected));
        }
        (route.checkpoint)();
        if moving.directory.owes_any_checkpoint() {
            return Err(MoveError::Checkpoints);
        }
        let is_complete = target.ensure_online().and_then(|()| {
            let source = self.directory().log_directory().path().display().to_string();
            checkpoint::write_text(&**target.disk(), &moving.dir.join(REPLACES_FILE), &source)
        });
        is_complete.map_err(|source| transfer::Error::Target { path: moving.dir.clone(), source })?;
        let set_aside = self.replace(moving, transfer, route, is_taking_place)?;
        let file = target.path().join(&own_name).join(REPLACES_FILE);
        if let Err(error) = target.guard(|| target.disk().remove_file(&file)) {
            return Err(MoveError::Directory(error));
        }
        Ok(set_aside)
    }

    /// Copies until there is little left. Where more is appended than is copied this never comes to its end: the move
    /// goes on until it is given up, as in Kafka.
    fn catch_up(
        &self,
        moving: &Moving,
        transfer: &mut Transfer,
        route: &mut Route<'_>,
    ) -> Result<(), MoveError> {
        let mut rounds = 0_u64;
        loop {
            transfer.copy(&self.extent(moving)?, &mut |bytes| {
                (route.pace)(bytes);
                !moving.is_given_up()
            })?;
            moving.note(transfer);
            transfer.flush()?;
            if transfer.bytes_behind(&self.extent(moving)?) <= REST_BYTES_MAX {
                return Ok(());
            }
            rounds += 1;
            if rounds.is_multiple_of(ROUNDS_BETWEEN_WARNINGS) {
                warn!(tp = %self.name, rounds, "replica is copied no faster than it is written");
            }
        }
    }

    fn extent(&self, moving: &Moving) -> Result<Extent, transfer::Error> {
        let state = self.state.lock();
        self.check_wanted(moving, &state)?;
        Ok(state.log.extent())
    }

    /// Fails if there is nothing more to move, or nobody wants it.
    fn check_wanted(&self, moving: &Moving, state: &State) -> Result<(), transfer::Error> {
        let is_over = state.deleted || state.log.is_poisoned() || self.check_online().is_err();
        if is_over || moving.is_given_up() { Err(transfer::Error::GivenUp) } else { Ok(()) }
    }

    /// Puts the copy in the log's place.
    fn replace(
        &self,
        moving: &Moving,
        mut transfer: Transfer,
        route: &mut Route<'_>,
        is_taking_place: &mut bool,
    ) -> Result<PathBuf, MoveError> {
        // No sync is under way, and nobody appends.
        let (_syncing, mut state) = loop {
            let syncing = self.syncing.lock();
            let state = self.state.lock();
            if transfer.bytes_behind(&state.log.extent()) <= REST_BYTES_MAX {
                break (syncing, state);
            }
            drop((state, syncing));
            self.catch_up(moving, &mut transfer, route)?;
        };
        let old = self.home.load_full();
        self.check_wanted(moving, &state)?;
        transfer.complete(&state.log)?;
        take_mark_along(&old, moving, &self.name)?;
        let path = moving.directory.log_directory().path().join(self.name.to_string());
        let set_aside = PartitionDir::beside(self.name.clone(), Purpose::Delete, route.unique);
        let set_aside = old.directory().log_directory().partition_path(&set_aside);
        *is_taking_place = true;
        let taken = transfer.take_name(&path).and_then(|()| transfer.replace(&mut state.log, &set_aside));
        let log = taken.inspect_err(|_| {
            state.log.poison();
            state.may_have_moved = true;
            state.release_all();
        })?;
        state.log = log;
        state.unflushed_bytes = 0;
        state.flush_barrier = None;
        let me = old.replica().clone();
        self.home.store(Arc::new(Home::new(me, moving.directory.clone())));
        old.directory().remove_replica();
        moving.directory.add_replica();
        let wakes = state.advance();
        drop(state);
        wakes.wake();
        Ok(set_aside)
    }
}
