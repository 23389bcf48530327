//! Deleted topics that can be brought back, for `barnabas.topic.trash.ms`.
//!
//! A deletion goes through these steps, and a crash after any of them leaves what the next start understands:
//! 1. [`Set::mark_for_trash`] writes [`Trashed`] into every replica's directory;
//! 2. the controller's record makes the deletion true;
//! 3. what was appended or deleted meanwhile becomes durable, and the file says so;
//! 4. the directories are renamed, here or, after a crash, when what the metadata does not know is set aside.
//!
//! A restore: the controller's records make the topic again, under its id, and whoever makes the replicas finds them in
//! the trash: here, or after a crash at the start. What a step leaves behind in a replica in use is settled at the start.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::retention::is_synced;
use super::{Parts, Set, Settings};
use crate::base::id::{DirectoryId, TopicId, TopicPartition};
use crate::log::directory::{OffsetFile, PartitionDir, Purpose};
use crate::log::trash::{self, Trashed};
use crate::meta::configs::Entries;
use crate::meta::topics::Topic;
use crate::partition::directory::Directory;
use crate::partition::open;
use crate::partition::replica::Replica;

/// Longest time until what is in the trash is looked at again: what keeps it there may be over, and clocks are set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What is in the trash of all directories, and how long it stays there, in ms.
#[derive(Default)]
pub(super) struct Trash {
    state: Mutex<State>,
    kept_ms: AtomicI64,
    /// Held while marks are written, or taken away from restored replicas: not the newer one. Taken before `state`.
    files: Mutex<()>,
}

#[derive(Default)]
struct State {
    replicas: BTreeMap<(TopicId, i32), InTrash>,
    /// Topics whose deletion was asked for, with what goes to the trash.
    marked: HashMap<TopicId, Vec<(Arc<Directory>, PathBuf, Trashed)>>,
    /// Topics that somebody restores right now.
    wanted: HashSet<TopicId>,
    restored: Vec<Restored>,
}

/// A directory that was taken back and still has the file.
type Restored = (TopicId, Arc<Directory>, PathBuf);

struct InTrash {
    directory: Arc<Directory>,
    path: PathBuf,
    trashed: Trashed,
}

/// A topic in the trash with all of its partitions; until it is dropped, its time is not over.
pub struct Restorable {
    set: Arc<Set>,
    /// Its id.
    pub topic_id: TopicId,
    /// Its partitions by index, each with the id of its log directory.
    pub partitions: Vec<(Trashed, DirectoryId)>,
}

impl Drop for Restorable {
    fn drop(&mut self) {
        self.set.trash.state.lock().wanted.remove(&self.topic_id);
    }
}

/// Before anything is opened: brings together what trash files of replicas in use and the checkpoints say, of which
/// either may be the newer one, for a restore or a deletion that did not come to its end. Gives the replicas whose
/// files can go if they stay in use.
pub(super) fn settle(parts: &Parts) -> Vec<Restored> {
    let mut settled = Vec::new();
    for directory in parts.directories.iter().filter(|directory| !directory.log_directory().is_offline()) {
        match settle_in(directory) {
            Ok(found) => settled.extend(found),
            Err(error) => {
                let dir = directory.log_directory().path().display();
                warn!(%dir, %error, "trash files of replicas in use cannot be settled");
            }
        }
    }
    settled
}

fn settle_in(directory: &Arc<Directory>) -> std::io::Result<Vec<Restored>> {
    let log_directory = directory.log_directory();
    let disk = log_directory.disk();
    let mut found = trash::in_use(&**disk, log_directory.path())?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    for file in [OffsetFile::RecoveryPoint, OffsetFile::LogStartOffset, OffsetFile::CleanedUpTo] {
        let mut offsets = log_directory.read_offsets(file)?;
        for (_, trashed) in &mut found {
            let tp = TopicPartition { topic: trashed.topic.clone(), partition: trashed.partition };
            let mark = match file {
                OffsetFile::RecoveryPoint => &mut trashed.recovery_point,
                OffsetFile::CleanedUpTo => &mut trashed.cleaned_up_to,
                OffsetFile::LogStartOffset | OffsetFile::HighWatermark => &mut trashed.log_start_offset,
            };
            if *mark < 0 && !offsets.contains_key(&tp) {
                continue;
            }
            let checkpointed = offsets.entry(tp).or_insert(*mark);
            *mark = (*checkpointed).max(*mark);
        }
        log_directory.write_offsets(file, &offsets)?;
    }
    let mut settled = Vec::new();
    for (path, trashed) in found {
        trashed.write(&**disk, &path)?;
        settled.push((trashed.topic_id, directory.clone(), path));
    }
    Ok(settled)
}

impl Set {
    /// Finds what is in the trash; to be called when all that the metadata does not know is set aside. Whatever was
    /// `restored`, or never deleted, is known by the checkpoints.
    pub(super) fn load_trash(&self, restored: Vec<Restored>) {
        let mut state = self.trash.state.lock();
        for directory in &self.parts.directories {
            let log_directory = directory.log_directory();
            let disk = log_directory.disk();
            if log_directory.is_offline() {
                continue;
            }
            match trash::list(&**disk, log_directory.path()) {
                Ok(found) => {
                    for (path, trashed) in found {
                        let key = (trashed.topic_id, trashed.partition);
                        let directory = directory.clone();
                        state.replicas.insert(key, InTrash { directory, path, trashed });
                    }
                }
                Err(error) => {
                    warn!(dir = %log_directory.path().display(), %error, "trash cannot be read");
                }
            }
        }
        state.restored = restored;
        drop(state);
        self.forget_restored();
    }

    /// Writes into the directories of a topic that is about to be deleted what is needed to undo that. A replica for
    /// which that fails is deleted for good: a full disk must not keep topics from being deleted.
    pub fn mark_for_trash(&self, topic: &Topic, configs: Option<&Entries>, now_ms: i64) {
        let here =
            topic.partitions.iter().filter_map(|(i, partition)| Some((self.get(topic.id, *i)?, partition)));
        let here: Vec<_> = here.collect();
        // The deletion itself, for which everybody waits, then has little left to do.
        for (replica, _) in here.iter().filter(|(replica, _)| !is_synced(replica)) {
            warn!(tp = %replica.name(), "replica is marked for the trash before it is synced");
        }
        let _files = self.trash.files.lock();
        let mut marked = Vec::new();
        for (replica, partition) in here {
            let marks = replica.checkpoint_marks();
            let configs = configs.into_iter().flat_map(|entries| entries.iter());
            let trashed = Trashed {
                topic: topic.name.clone(),
                topic_id: topic.id,
                partition: replica.name().partition,
                partitions: topic.partition_count(),
                leader_epoch: partition.leader_epoch,
                partition_epoch: partition.partition_epoch,
                deleted_ms: now_ms,
                log_start_offset: marks.log_start,
                recovery_point: marks.recovery_point,
                cleaned_up_to: replica.cleaned_up_to().unwrap_or(-1),
                configs: configs.map(|(key, value)| (key.clone(), value.clone())).collect(),
            };
            match replica.mark_for_trash(&trashed) {
                Ok((directory, path)) => marked.push((directory, path, trashed)),
                Err(error) => warn!(tp = %replica.name(), %error, "replica will be deleted for good"),
            }
        }
        self.trash.state.lock().marked.insert(topic.id, marked);
        // Nobody takes what comes after the deletion that another client has asked for.
        if !self.topics.load().contains_key(&topic.id) {
            self.trash.state.lock().marked.remove(&topic.id);
        }
    }

    /// The topic was not deleted after all.
    pub fn unmark_for_trash(&self, topic: TopicId) {
        let marked = self.trash.state.lock().marked.remove(&topic).unwrap_or_default();
        for (directory, path, _) in marked {
            if let Err(error) = Trashed::forget(&**directory.log_directory().disk(), &path) {
                warn!(dir = %path.display(), %error, "trash file cannot be removed");
            }
        }
    }

    /// What of a deleted topic is to be kept, taken from the marks.
    pub(super) fn take_marked(&self, topic: TopicId) -> HashMap<i32, Trashed> {
        let marked = self.trash.state.lock().marked.remove(&topic).unwrap_or_default();
        marked.into_iter().map(|(_, _, trashed)| (trashed.partition, trashed)).collect()
    }

    /// Takes note of a replica whose directory was renamed.
    pub(super) fn put_into_trash(&self, directory: Arc<Directory>, path: PathBuf, trashed: Trashed) {
        let key = (trashed.topic_id, trashed.partition);
        let in_trash = InTrash { directory, path, trashed };
        self.trash.state.lock().replicas.insert(key, in_trash);
        self.leaves.notify_waiters();
    }

    /// The newest topic of that name in the trash, or the one with that id. The text says why it cannot be had.
    pub fn find_in_trash(self: &Arc<Self>, name: &str, id: Option<TopicId>) -> Result<Restorable, String> {
        let mut state = self.trash.state.lock();
        let named = state.replicas.values().filter(|r| &*r.trashed.topic == name);
        let newest = named
            .filter(|r| id.is_none_or(|id| r.trashed.topic_id == id))
            .max_by_key(|r| (r.trashed.deleted_ms, r.trashed.topic_id));
        let Some(newest) = newest else { return Err(format!("Topic '{name}' is not in the trash.")) };
        let (topic_id, count) = (newest.trashed.topic_id, newest.trashed.partitions);
        let mut partitions = Vec::new();
        for index in 0..count {
            let Some(found) = state.replicas.get(&(topic_id, index)) else {
                return Err(format!("Partition {index} of topic '{name}' is not in the trash."));
            };
            partitions.push((found.trashed.clone(), found.directory.log_directory().id()));
        }
        if !state.wanted.insert(topic_id) {
            return Err(format!("Topic '{name}' is being restored."));
        }
        Ok(Restorable { set: self.clone(), topic_id, partitions })
    }

    /// Takes a replica that is to be made from the trash, if it is there. None in the place of a replica says that it
    /// could not be opened.
    pub(super) fn restored(
        &self,
        name: &TopicPartition,
        topic_id: TopicId,
        settings: &Settings,
    ) -> Option<Option<Arc<Replica>>> {
        let key = (topic_id, name.partition);
        let InTrash { directory, path, trashed } = self.trash.state.lock().replicas.remove(&key)?;
        // Whoever does not find it there makes an empty one, maybe in another directory.
        let put_back = |path: PathBuf| {
            let in_trash = InTrash { directory: directory.clone(), path, trashed: trashed.clone() };
            self.trash.state.lock().replicas.insert(key, in_trash);
            self.leaves.notify_waiters();
            Some(None)
        };
        if !self.settle_checkpoints(&directory) {
            return put_back(path);
        }
        let log_directory = directory.log_directory();
        let to = log_directory.partition_path(&PartitionDir::current(name.clone()));
        let disk = log_directory.disk();
        let renamed = log_directory.guard_anew(|| {
            // It was renamed already when it could not be opened the last time.
            if path != to {
                disk.rename(&path, &to)?;
            }
            disk.sync_dir(log_directory.path())
        });
        if let Err(error) = renamed {
            warn!(tp = %name, %error, "replica cannot be taken from the trash");
            let is_renamed = disk.exists(&to).unwrap_or(false);
            return put_back(if is_renamed { to } else { path });
        }
        let marks = [trashed.recovery_point, trashed.log_start_offset, trashed.log_start_offset];
        let found = open::Found::with_marks(directory.clone(), name.clone(), topic_id, marks);
        let replica = open::open(&self.parts, &found, settings.clone());
        info!(tp = %name, is_open = replica.is_some(), "replica restored from the trash");
        let Some(restored) = &replica else { return put_back(to) };
        if trashed.cleaned_up_to >= 0 {
            restored.set_cleaned_up_to(trashed.cleaned_up_to);
        }
        self.trash.state.lock().restored.push((topic_id, directory, to));
        self.leaves.notify_waiters();
        Some(replica)
    }

    /// Waits until [`Set::empty_trash`] has something to do.
    pub async fn trash_is_due(&self) {
        loop {
            let told = self.leaves.notified();
            match self.trash_due_in() {
                Some(Duration::ZERO) => return,
                Some(time) => drop(tokio::time::timeout(time, told).await),
                None => told.await,
            }
        }
    }

    /// In what time the first replica's time in the trash is over, as far as it can be known; none if it is empty.
    fn trash_due_in(&self) -> Option<Duration> {
        let (now_ms, kept_ms, topics) = (self.parts.clock.now_ms(), self.trash_kept_ms(), self.topics.load());
        let state = self.trash.state.lock();
        if !state.restored.is_empty() {
            return Some(Duration::ZERO);
        }
        let due_in = |((topic_id, _), in_trash): (&(TopicId, i32), &InTrash)| {
            if state.wanted.contains(topic_id) || topics.contains_key(topic_id) {
                return LOOK_AGAIN;
            }
            let due_ms = in_trash.trashed.deleted_ms.saturating_add(kept_ms);
            Duration::from_millis(u64::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(0)).min(LOOK_AGAIN)
        };
        state.replicas.iter().map(due_in).min()
    }

    /// Removes what has been in the trash for `kept_ms`.
    pub fn empty_trash(&self, now_ms: i64, kept_ms: i64) {
        if !self.trash.state.lock().restored.is_empty() {
            self.checkpoint(true);
            self.checkpoint_cleaned();
            self.forget_restored();
        }
        self.remove_trash(|trashed| now_ms.saturating_sub(trashed.deleted_ms) >= kept_ms);
    }

    /// Removes all topics of that name, or the one with that id, from the trash before their time; gives what was
    /// there, one after the other.
    pub fn purge_trash(&self, name: &str, id: Option<TopicId>) -> Vec<Trashed> {
        self.remove_trash(|trashed| &*trashed.topic == name && id.is_none_or(|id| id == trashed.topic_id))
    }

    /// Nothing of a topic that is there again: its replica may wait for a directory that has failed.
    fn remove_trash(&self, is_over: impl Fn(&Trashed) -> bool) -> Vec<Trashed> {
        let mut over = Vec::new();
        {
            // Or a topic could come meanwhile.
            let _changing = self.changing.lock();
            let topics = self.topics.load();
            let mut state = self.trash.state.lock();
            let State { replicas, wanted, .. } = &mut *state;
            replicas.retain(|(topic_id, _), in_trash| {
                if !is_over(&in_trash.trashed) || wanted.contains(topic_id) || topics.contains_key(topic_id) {
                    return true;
                }
                let InTrash { directory, path, trashed } = in_trash;
                over.push((directory.clone(), path.clone(), trashed.clone()));
                false
            });
        }
        for (directory, path, trashed) in &over {
            let own_name = path.file_name().and_then(|name| PartitionDir::parse(name.to_str()?));
            let Some(PartitionDir { tp, .. }) = own_name else { continue };
            let deleted = PartitionDir::beside(tp.clone(), Purpose::Delete, self.parts.random.uuid());
            let log_directory = directory.log_directory();
            let to = log_directory.partition_path(&deleted);
            let renamed = log_directory.ensure_online().and_then(|()| log_directory.disk().rename(path, &to));
            match renamed {
                Ok(()) => {
                    info!(%tp, topic_id = %trashed.topic_id, "replica removed from the trash");
                    directory.remove_set_aside(vec![to]);
                }
                // The next start finds it, if it is there.
                Err(error) => warn!(%tp, %error, "replica in the trash cannot be removed"),
            }
        }
        over.into_iter().map(|(_, _, trashed)| trashed).collect()
    }

    /// Sets how long deleted topics are kept, in ms, those in the trash too (`barnabas.topic.trash.ms`).
    pub fn keep_trash(&self, kept_ms: i64) {
        self.trash.kept_ms.store(kept_ms, Ordering::Relaxed);
        self.leaves.notify_waiters();
    }

    /// How long deleted topics are kept, in ms; 0 for not at all.
    pub fn trash_kept_ms(&self) -> i64 {
        self.trash.kept_ms.load(Ordering::Relaxed)
    }

    /// Takes the file away from replicas that the checkpoints know. Those in a directory that has failed are for the
    /// next start.
    fn forget_restored(&self) {
        let _files = self.trash.files.lock();
        let known: Vec<Restored> = {
            let mut state = self.trash.state.lock();
            let State { restored, marked, .. } = &mut *state;
            restored.retain(|(_, directory, _)| !directory.log_directory().is_offline());
            let known = restored.extract_if(.., |(_, directory, _)| !directory.owes_any_checkpoint());
            known.filter(|(topic_id, _, _)| !marked.contains_key(topic_id)).collect()
        };
        for (_, directory, path) in known {
            if let Err(error) = Trashed::forget(&**directory.log_directory().disk(), &path) {
                warn!(dir = %path.display(), %error, "trash file cannot be removed");
            }
        }
    }
}
