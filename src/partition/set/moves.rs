//! Which log directory a replica is in: where a new one goes, and how one moves to another
//! (`LogManager.nextLogDirs`, `ReplicaManager.alterReplicaLogDirs`, `ReplicaAlterLogDirsThread`).

mod rate;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{error, info, warn};

use self::rate::Rate;
use super::Set;
use crate::base::id::{DirectoryId, TopicId, TopicPartition};
use crate::meta::Image;
use crate::meta::topics::Partition;
use crate::partition::directory::Directory;
use crate::partition::error::Error;
use crate::partition::replica::{Moving, Replica, Route};
use crate::partition::unfinished::Unfinished;

/// How many wishes of clients are kept for replicas that do not exist yet.
const PREFERRED_MAX: usize = 10_000;

/// How long a throttled move waits before it looks whether it is still wanted, and how fast.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Why a replica is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterLogDirError {
    /// The path is none of `log.dirs`.
    #[error("there is no such log directory")]
    NoSuchDirectory,
    /// The directory, that of the replica, or any other one has failed.
    #[error("a log directory is offline")]
    Offline,
    /// The directory takes no new replicas.
    #[error("the log directory is cordoned")]
    Cordoned,
    /// There is no such replica here yet; when it is made it goes to the directory.
    #[error("there is no such replica yet")]
    NoReplica,
}

/// Moves under way and to come.
#[derive(Default)]
pub(super) struct Moves {
    waiting: Mutex<Waiting>,
    /// Where clients want replicas that do not exist yet.
    preferred: Mutex<HashMap<TopicPartition, DirectoryId>>,
    /// Whether a replica was placed where the metadata does not know it.
    has_placed: AtomicBool,
    /// What all moves may copy together.
    rate: Mutex<Rate>,
    /// Old directories of replicas that have moved, each to be removed at a time, in ms.
    left: Mutex<Vec<(i64, Arc<Directory>, PathBuf)>>,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<(Arc<Replica>, Arc<Moving>)>,
    threads: usize,
}

impl Set {
    /// Where a new replica goes: to where a client wants it, to where the metadata says, else to the online directory
    /// with the fewest replicas, cordoned ones last.
    pub(super) fn place(&self, name: &TopicPartition, partition: &Partition) -> Arc<Directory> {
        let directories = &self.parts.directories;
        let online = || directories.iter().filter(|d| !d.log_directory().is_offline());
        let find = |id: DirectoryId| online().find(|d| d.log_directory().id() == id);
        let named = partition.directory_of(self.parts.node.0);
        let preferred = self.moves.preferred.lock().get(name).copied();
        if let Some(directory) = preferred.and_then(find).or_else(|| named.and_then(find)) {
            if preferred.is_some() {
                self.moves.has_placed.store(true, Ordering::Relaxed);
            }
            return directory.clone();
        }
        self.moves.has_placed.store(true, Ordering::Relaxed);
        let fewest = online().filter(|d| !d.is_cordoned()).min_by_key(|d| d.replicas());
        let any = || online().next().or(directories.first());
        fewest.or_else(any).expect("a broker has a log directory").clone()
    }

    /// The replica is made: the client's wish is fulfilled, or cannot be.
    pub(super) fn forget_wish(&self, name: &TopicPartition) {
        self.moves.preferred.lock().remove(name);
    }

    /// Wants the replica of `name`, which is partition of the topic `topic` if there is one, in the log directory `path`.
    pub fn alter_log_dir(
        self: &Arc<Self>,
        name: &TopicPartition,
        topic: Option<TopicId>,
        path: &str,
    ) -> Result<(), AlterLogDirError> {
        let directories = &self.parts.directories;
        let directory = directories
            .iter()
            .find(|d| d.log_directory().absolute_path().as_os_str() == path)
            .ok_or(AlterLogDirError::NoSuchDirectory)?;
        if directory.log_directory().is_offline() {
            return Err(AlterLogDirError::Offline);
        }
        if directory.is_cordoned() {
            return Err(AlterLogDirError::Cordoned);
        }
        let Some(replica) = topic.and_then(|id| self.get(id, name.partition)) else {
            if topic.is_some_and(|id| self.unopened.contains(&(id, name.partition))) {
                return Err(AlterLogDirError::Offline);
            }
            let mut preferred = self.moves.preferred.lock();
            if preferred.len() < PREFERRED_MAX || preferred.contains_key(name) {
                preferred.insert(name.clone(), directory.log_directory().id());
            }
            return Err(AlterLogDirError::NoReplica);
        };
        self.move_replica(&replica, directory)
    }

    fn move_replica(
        self: &Arc<Self>,
        replica: &Arc<Replica>,
        directory: &Arc<Directory>,
    ) -> Result<(), AlterLogDirError> {
        let goes = !Arc::ptr_eq(&replica.directory(), directory);
        if goes && self.parts.directories.iter().any(|d| d.log_directory().is_offline()) {
            // It could have been moved to just that one before.
            return Err(AlterLogDirError::Offline);
        }
        let (unique, now_ms) = (self.parts.random.uuid(), self.parts.clock.now_ms());
        match replica.begin_move(directory, unique, now_ms) {
            Ok(None) => Ok(()),
            Ok(Some(moving)) => {
                let to = directory.log_directory().path().display();
                info!(tp = %replica.name(), %to, "replica moves to another log directory");
                self.enqueue(replica.clone(), moving);
                Ok(())
            }
            Err(Error::UnknownTopicOrPartition) => Err(AlterLogDirError::NoReplica),
            Err(_) => Err(AlterLogDirError::Offline),
        }
    }

    fn enqueue(self: &Arc<Self>, replica: Arc<Replica>, moving: Arc<Moving>) {
        let mut waiting = self.moves.waiting.lock();
        waiting.queue.push_back((replica, moving));
        if waiting.threads >= self.parts.move_threads {
            return;
        }
        let set = self.clone();
        match std::thread::Builder::new().name("alter-log-dirs".to_owned()).spawn(move || set.work_off()) {
            Ok(_) => waiting.threads += 1,
            Err(error) => warn!(%error, "cannot start another thread"),
        }
    }

    fn work_off(&self) {
        loop {
            let next = {
                let mut waiting = self.moves.waiting.lock();
                let next = waiting.queue.pop_front();
                if next.is_none() {
                    waiting.threads -= 1;
                }
                next
            };
            let Some((replica, moving)) = next else { return };
            self.carry_out(&replica, &moving);
        }
    }

    fn carry_out(&self, replica: &Arc<Replica>, moving: &Moving) {
        let from = replica.directory();
        let route = Route {
            unique: self.parts.random.uuid(),
            pace: &mut |bytes| self.throttle(bytes, moving),
            checkpoint: &|| {
                self.checkpoint(true);
                self.checkpoint_cleaned();
            },
        };
        let moved = replica.carry_out(moving, route);
        // Without the marks that the new directory expected, or with those of the replica.
        self.checkpoint(true);
        self.checkpoint_cleaned();
        match moved {
            Ok(Some(left)) => {
                let to = moving.directory().log_directory().path().display();
                info!(tp = %replica.name(), %to, "replica has moved");
                self.directories_changed.notify_one();
                // Readers may have come up to now.
                let due_ms = self.parts.clock.now_ms().saturating_add(replica.file_delete_delay_ms());
                self.moves.left.lock().push((due_ms, from, left));
                self.leaves.notify_waiters();
            }
            Ok(None) => info!(tp = %replica.name(), "replica stays in its log directory"),
            Err(error) if !moving.directory().log_directory().is_offline() => {
                warn!(tp = %replica.name(), %error, "replica stays in its log directory");
            }
            Err(error) => error!(tp = %replica.name(), %error, "replica cannot be moved"),
        }
    }

    /// Makes moves that an earlier run did not bring to an end, anew.
    pub(super) fn resume_moves(self: &Arc<Self>, unfinished: Vec<Unfinished>) {
        for Unfinished { directory, topic_id, partition } in unfinished {
            let Some(replica) = self.get(topic_id, partition) else { continue };
            if let Err(error) = self.move_replica(&replica, &directory) {
                warn!(tp = %replica.name(), %error, "replica is not moved any further");
            }
        }
    }

    /// Lets all moves together copy so many bytes per second, none for no limit
    /// (`replica.alter.log.dirs.io.max.bytes.per.second`).
    pub fn limit_moves(&self, bytes_per_second: Option<u64>) {
        self.moves.rate.lock().set(bytes_per_second, self.parts.clock.elapsed());
    }

    fn throttle(&self, bytes: usize, moving: &Moving) {
        let clock = &self.parts.clock;
        let turn = self.moves.rate.lock().ask(bytes, clock.elapsed());
        loop {
            let wait = self.moves.rate.lock().wait(turn, clock.elapsed());
            if wait.is_zero() || moving.is_given_up() {
                return;
            }
            moving.wait(wait.min(WAIT_MAX));
        }
    }

    pub(super) fn has_left_directories(&self) -> bool {
        !self.moves.left.lock().is_empty()
    }

    /// Whether [`Set::remove_left_directories`] has something to do.
    pub fn has_directories_to_remove(&self) -> bool {
        let now_ms = self.parts.clock.now_ms();
        self.moves.left.lock().iter().any(|(due_ms, _, _)| *due_ms <= now_ms)
    }

    /// Removes the old directories of replicas that moved `file.delete.delay.ms` ago.
    pub fn remove_left_directories(&self) {
        let now_ms = self.parts.clock.now_ms();
        let due: Vec<_> = self.moves.left.lock().extract_if(.., |(due_ms, _, _)| *due_ms <= now_ms).collect();
        for (_, directory, path) in due {
            directory.remove_set_aside(vec![path]);
        }
    }

    /// Waits until a replica is where the metadata does not know it, or a directory has failed.
    pub async fn directories_changed(&self) {
        self.directories_changed.notified().await;
    }

    /// Has the controller told of what was placed, now that everybody can see it.
    pub(super) fn note_placed(&self) {
        if self.moves.has_placed.swap(false, Ordering::Relaxed) {
            self.directories_changed.notify_one();
        }
    }

    /// Lets [`Set::directories_changed`] come back.
    pub fn note_directories_changed(&self) {
        self.directories_changed.notify_one();
    }

    /// Replicas that are in another directory than `image` says, with the one that they are in.
    pub fn misplaced(&self, image: &Image) -> Vec<(DirectoryId, TopicId, i32)> {
        let mut misplaced = Vec::new();
        for replica in self.all() {
            let (topic, index) = (replica.topic_id(), replica.name().partition);
            let Some(partition) = image.topics.partition(topic, index) else { continue };
            let actual = replica.directory().log_directory().id();
            if partition.directory_of(self.parts.node.0).is_some_and(|named| named != actual) {
                misplaced.push((actual, topic, index));
            }
        }
        misplaced
    }
}
