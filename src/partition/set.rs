//! All replicas on this node, kept as the metadata image says.

mod cleaning;
mod moves;
mod retention;
#[cfg(test)]
mod tests;
mod trash;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::directory::Directory;
use super::open;
use super::parallel;
use super::replica::Replica;
use super::settings::Settings;
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, NodeId, TopicId, TopicPartition};
use crate::base::random::Random;
use crate::log::directory::OffsetFile;
use crate::log::{self, Log};
use crate::meta::Image;
use crate::meta::configs::ResourceKind;
use crate::meta::delta::Changes;
use crate::meta::topics::{Partition, Topic};
use crate::metrics::Metrics;
use crate::replication::Leadership;

pub use cleaning::{CleanerMeans, CleanerSettings};
pub use moves::AlterLogDirError;

type Topics = HashMap<TopicId, Arc<Replicas>>;

/// The replicas of one topic on this node.
struct Replicas {
    name: Arc<str>,
    by_index: BTreeMap<i32, Arc<Replica>>,
}

/// Topics with replicas that could not be made while checkpoints are owed.
#[derive(Default)]
struct Unmade {
    topics: BTreeSet<TopicId>,
    /// The newest that was applied, if there are any.
    image: Option<Image>,
}

/// Gives a topic's settings from its configuration in an image.
pub type SettingsOf = Box<dyn Fn(&Image, &str) -> Settings + Send + Sync>;

/// What a set works with.
pub struct Parts {
    /// This node.
    pub node: NodeId,
    /// Where replicas may be.
    pub directories: Vec<Arc<Directory>>,
    /// How many replicas move to another log directory at a time.
    pub move_threads: usize,
    /// Log settings by topic.
    pub settings: SettingsOf,
    /// The clock.
    pub clock: Clock,
    /// For names of directories that are set aside.
    pub random: Random,
    /// Where topics are counted.
    pub metrics: Metrics,
}

/// How many close logs where one opens them: closing waits for syncs, which share commits of the file system.
const CLOSERS_PER_THREAD: usize = 8;

/// All replicas on this node.
pub struct Set {
    pub(super) parts: Parts,
    topics: ArcSwap<Topics>,
    /// Held by whoever changes `topics`.
    changing: Mutex<Unmade>,
    /// Replicas that are here but could not be opened; they are never made again.
    unopened: HashSet<(TopicId, i32)>,
    /// Held while checkpoints are gathered and written, so that older ones never overtake newer ones.
    checkpointing: Mutex<()>,
    leaving: retention::Leaving,
    cleaners: cleaning::Cleaners,
    moves: moves::Moves,
    trash: trash::Trash,
    /// Told when a replica is where the metadata does not know it, and when a directory has failed.
    directories_changed: Notify,
    /// How many open logs at a time.
    threads: usize,
    /// Tells all who wait that something is on its way out.
    leaves: Notify,
}

/// On a thread of its own: whoever met the error may hold a replica's lock.
fn release_in_background(set: &Weak<Set>, directory: DirectoryId) {
    let set = set.clone();
    let release = move || {
        if let Some(set) = set.upgrade() {
            set.release(directory);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("directory-failure".to_owned()).spawn(release) {
        error!(%error, "waiting requests are not told of the failed directory");
    }
}

impl Set {
    /// Opens every replica that `image` places here. After an unclean stop logs are recovered, several at a
    /// time. A replica that cannot be opened is left out.
    pub fn open(parts: Parts, image: &Image, threads: usize) -> Arc<Self> {
        let restored = trash::settle(&parts);
        let open::All { replicas, mut unopened, unfinished } = open::all(&parts, image, threads);
        let is_anything_offline = parts.directories.iter().any(|d| d.log_directory().is_offline());
        let mut topics: HashMap<TopicId, Replicas> = HashMap::new();
        for replica in replicas {
            let topic = topics.entry(replica.topic_id()).or_insert_with(|| Replicas {
                name: replica.name().topic.clone(),
                by_index: BTreeMap::new(),
            });
            topic.by_index.insert(replica.name().partition, replica);
        }
        if is_anything_offline {
            // What is missing may lie there: it must not be made again, empty, somewhere else.
            for topic in image.topics.iter() {
                let here = topics.get(&topic.id);
                let missing =
                    topic.partitions.keys().filter(|i| here.is_none_or(|t| !t.by_index.contains_key(i)));
                unopened.extend(missing.map(|index| (topic.id, *index)));
            }
        }
        let topics = topics.into_iter().map(|(id, t)| (id, Arc::new(t))).collect();
        let set = Self {
            parts,
            topics: ArcSwap::new(Arc::new(topics)),
            changing: Mutex::default(),
            unopened,
            checkpointing: Mutex::new(()),
            leaving: retention::Leaving::default(),
            cleaners: cleaning::Cleaners::default(),
            moves: moves::Moves::default(),
            trash: trash::Trash::default(),
            directories_changed: Notify::new(),
            threads,
            leaves: Notify::new(),
        };
        let all: Vec<TopicId> = image.topics.iter().map(|t| t.id).collect();
        set.load_cleaned();
        set.load_trash(restored);
        set.apply(image, &all);
        // What the files say of topics that are gone must not meet their successors.
        set.checkpoint(true);
        set.checkpoint_cleaned();
        let set = Arc::new(set);
        for directory in &set.parts.directories {
            let set = Arc::downgrade(&set);
            directory
                .log_directory()
                .on_failure(Box::new(move |failed| release_in_background(&set, failed.id())));
        }
        set.resume_moves(unfinished);
        set
    }

    /// Tells everybody who waits on a replica in `directory` that nothing will come.
    fn release(&self, directory: DirectoryId) {
        for replica in self.all().iter().filter(|r| r.directory().log_directory().id() == directory) {
            replica.release();
        }
        self.directories_changed.notify_one();
    }

    /// The replica of partition `index` of `topic`, if it is here.
    pub fn get(&self, topic: TopicId, index: i32) -> Option<Arc<Replica>> {
        self.topics.load().get(&topic)?.by_index.get(&index).cloned()
    }

    /// Whether the replica is here but cannot be opened.
    pub fn is_offline(&self, topic: TopicId, index: i32) -> bool {
        let in_doubt = || self.parts.directories.iter().any(|d| d.log_directory().is_offline());
        self.unopened.contains(&(topic, index)) || in_doubt()
    }

    /// Every replica, in no order.
    pub fn all(&self) -> Vec<Arc<Replica>> {
        let topics = self.topics.load();
        topics.values().flat_map(|t| t.by_index.values().cloned()).collect()
    }

    /// The log directories.
    pub fn directories(&self) -> &[Arc<Directory>] {
        &self.parts.directories
    }

    /// Follows a metadata change: new, changed and deleted topics, and changed configurations.
    pub fn apply_changes(&self, image: &Image, changes: &Changes) {
        let mut changed: BTreeSet<TopicId> = changes.topics.partitions.keys().copied().collect();
        changed.extend(changes.topics.deleted.iter().map(|t| t.id));
        for resource in &changes.configs {
            match resource.kind {
                ResourceKind::Topic => changed.extend(image.topics.by_name(&resource.name).map(|t| t.id)),
                ResourceKind::Broker => changed.extend(image.topics.iter().map(|t| t.id)),
                ResourceKind::ClientMetrics | ResourceKind::Group => {}
            }
        }
        if !changed.is_empty() {
            self.apply(image, &changed.into_iter().collect::<Vec<_>>());
        }
    }

    /// Brings the replicas of `changed` topics in line with `image`: makes, leads, follows, deletes.
    pub fn apply(&self, image: &Image, changed: &[TopicId]) {
        self.bring_in_line(&mut self.changing.lock(), image, changed);
    }

    fn bring_in_line(&self, unmade: &mut Unmade, image: &Image, changed: &[TopicId]) {
        let mut topics: Topics = Topics::clone(&self.topics.load());
        let (kept, deleted): (Vec<_>, Vec<_>) =
            changed.iter().partition(|id| image.topics.by_id(**id).is_some());
        // First, since a topic may be followed by another one of its name.
        let deleted: Vec<Arc<Replicas>> = deleted.into_iter().filter_map(|id| topics.remove(id)).collect();
        if !deleted.is_empty() {
            self.topics.store(Arc::new(topics.clone()));
            for gone in &deleted {
                self.topic_deleted(gone);
            }
            self.checkpoint(true);
            self.checkpoint_cleaned();
        }
        for id in kept {
            if let Some(topic) = image.topics.by_id(*id) {
                let replicas = self.topic_changed(image, topic, topics.get(id).map(|r| &**r));
                if self.is_to_be_made(topic, &replicas) {
                    unmade.topics.insert(*id);
                } else {
                    unmade.topics.remove(id);
                }
                topics.insert(*id, Arc::new(replicas));
            }
        }
        self.topics.store(Arc::new(topics));
        unmade.topics.retain(|id| image.topics.by_id(*id).is_some());
        unmade.image = (!unmade.topics.is_empty()).then(|| image.clone());
        self.note_placed();
    }

    /// Whether replicas are missing because of checkpoints that are owed.
    fn is_to_be_made(&self, topic: &Topic, replicas: &Replicas) -> bool {
        let is_missing = |index: &i32, partition: &Partition| {
            partition.replicas.contains(&self.parts.node.0)
                && !replicas.by_index.contains_key(index)
                && !self.unopened.contains(&(topic.id, *index))
        };
        let mut owing = self.parts.directories.iter().filter(|d| !d.log_directory().is_offline());
        owing.any(|directory| directory.owes_any_checkpoint())
            && topic.partitions.iter().any(|(index, partition)| is_missing(index, partition))
    }

    /// Makes the replicas that could not be made, once the checkpoints are written.
    fn make_again(&self) {
        let mut unmade = self.changing.lock();
        let Some(image) = unmade.image.take() else { return };
        let topics: Vec<TopicId> = unmade.topics.iter().copied().collect();
        self.bring_in_line(&mut unmade, &image, &topics);
    }

    fn topic_changed(&self, image: &Image, topic: &Topic, before: Option<&Replicas>) -> Replicas {
        let mut by_index = before.map(|r| r.by_index.clone()).unwrap_or_default();
        let settings = (self.parts.settings)(image, &topic.name);
        for (index, partition) in topic.partitions.iter() {
            if !partition.replicas.contains(&self.parts.node.0) {
                continue;
            }
            if !by_index.contains_key(index) && !self.unopened.contains(&(topic.id, *index)) {
                let name = TopicPartition { topic: topic.name.clone(), partition: *index };
                let made = self
                    .restored(&name, topic.id, &settings)
                    .map_or_else(|| self.create(&name, topic.id, partition, settings.clone()).map(Some), Ok);
                match made {
                    Ok(replica) => by_index.extend(replica.map(|replica| (*index, replica))),
                    Err(error) => error!(tp = %name, %error, "replica cannot be made"),
                }
            }
            if let Some(replica) = by_index.get(index) {
                replica.configure(settings.clone());
                self.assume_role(replica, partition);
            }
        }
        Replicas { name: topic.name.clone(), by_index }
    }

    fn assume_role(&self, replica: &Arc<Replica>, partition: &Partition) {
        if partition.leader != self.parts.node.0 {
            replica.follow();
            return;
        }
        replica.lead(|end_offset, high_watermark, min_insync| Leadership {
            node: self.parts.node,
            epoch: partition.leader_epoch,
            start_offset: end_offset,
            isr: partition.isr.iter().map(|id| NodeId(*id)).collect(),
            high_watermark,
            replicas: partition.replicas.len(),
            min_insync,
        });
    }

    fn create(
        &self,
        name: &TopicPartition,
        topic_id: TopicId,
        partition: &Partition,
        settings: Settings,
    ) -> Result<Arc<Replica>, log::Error> {
        let directory = self.place(name, partition);
        if !self.settle_checkpoints(&directory) {
            let path = directory.log_directory().path().to_owned();
            return Err(log::Error::Io {
                path,
                source: io::Error::other("the checkpoints cannot be written"),
            });
        }
        let path = directory.log_directory().path().join(name.to_string());
        let disk = directory.log_directory().disk().clone();
        let log = Log::create(disk, &path, topic_id, settings.log, self.parts.clock.now_ms())?;
        self.forget_wish(name);
        let metrics = self.parts.metrics.topic(&name.topic);
        Ok(Replica::new(name.clone(), topic_id, directory, log, 0, settings, metrics))
    }

    /// Writes what the directory owes; whether it owes nothing now. What the files say of an earlier replica of a name
    /// would be believed of the next one after a crash.
    fn settle_checkpoints(&self, directory: &Directory) -> bool {
        if directory.owes_checkpoints() {
            self.checkpoint(true);
        }
        if directory.owes(OffsetFile::CleanedUpTo) {
            self.checkpoint_cleaned();
        }
        !directory.owes_any_checkpoint()
    }

    fn topic_deleted(&self, gone: &Replicas) {
        info!(topic = %gone.name, partitions = gone.by_index.len(), "topic deleted");
        let mut marked =
            gone.by_index.values().next().map_or_else(HashMap::new, |r| self.take_marked(r.topic_id()));
        let mut for_removal = Vec::new();
        // One that is about to move is where it is when its deletion says so.
        for replica in gone.by_index.values() {
            let mut trashed = marked.remove(&replica.name().partition);
            match (replica.delete(trashed.as_mut(), self.parts.random.uuid()), trashed) {
                (Ok((directory, path)), Some(trashed)) => self.put_into_trash(directory, path, trashed),
                (Ok(deleted), None) => for_removal.push(deleted),
                (Err(error), _) => error!(tp = %replica.name(), %error, "replica cannot be deleted"),
            }
        }
        for directory in &self.parts.directories {
            let here = for_removal.extract_if(.., |(of, _)| Arc::ptr_eq(of, directory));
            directory.remove_set_aside(here.map(|(_, path)| path).collect());
        }
    }

    /// Writes the recovery points, log start offsets and high watermarks of every directory in which a log was
    /// synced, or of all. What could not be written is [owed](Directory::owes_checkpoints) to the next call: who
    /// relies on it has to ask.
    fn checkpoint(&self, always: bool) {
        self.checkpoint_each(|directory| {
            if !(directory.take_progress() || always || directory.owes_checkpoints()) {
                return Ok(());
            }
            let mut offsets = directory.other_offsets();
            for replica in self.replicas_in(directory) {
                let marks = replica.checkpoint_marks();
                let marks = [marks.recovery_point, marks.log_start, marks.high_watermark];
                for (offsets, mark) in offsets.iter_mut().zip(marks) {
                    offsets.insert(replica.name().clone(), mark);
                }
            }
            directory.write_checkpoints(offsets)
        });
    }

    /// Has checkpoint files of each directory written; one call at a time, or an older truth could come last.
    fn checkpoint_each(&self, write: impl Fn(&Arc<Directory>) -> io::Result<()>) {
        let _checkpointing = self.checkpointing.lock();
        for directory in &self.parts.directories {
            if directory.log_directory().is_offline() {
                continue;
            }
            if let Err(error) = write(directory) {
                let dir = directory.log_directory().path().display();
                if directory.log_directory().is_offline() {
                    error!(%dir, %error, "checkpoints cannot be written");
                } else {
                    warn!(%dir, %error, "checkpoints are written later");
                }
            }
        }
    }

    fn replicas_in(&self, directory: &Arc<Directory>) -> impl Iterator<Item = Arc<Replica>> {
        self.all().into_iter().filter(move |replica| Arc::ptr_eq(&replica.directory(), directory))
    }

    /// Whether [`Set::sync_and_checkpoint`] has something to do.
    pub fn has_to_sync(&self) -> bool {
        self.parts.directories.iter().any(|directory| directory.has_to_sync())
            || self.changing.try_lock().is_some_and(|unmade| unmade.image.is_some())
    }

    /// Hands everything that was marked for later to the committers, and writes the checkpoints.
    pub fn sync_and_checkpoint(&self) {
        for directory in &self.parts.directories {
            directory.sync_later();
        }
        self.checkpoint(false);
        if self.parts.directories.iter().any(|directory| directory.owes(OffsetFile::CleanedUpTo)) {
            self.checkpoint_cleaned();
        }
        self.make_again();
    }

    /// Closes files that were not used since the last call.
    pub fn close_idle_files(&self) {
        for replica in self.all() {
            replica.close_idle_files();
        }
    }

    /// Forgets producers that have been idle for `producer.id.expiration.ms`.
    pub fn remove_expired_producers(&self, now_ms: i64) {
        for replica in self.all() {
            replica.remove_expired_producers(now_ms);
        }
    }

    /// Syncs and closes every log and writes the checkpoints.
    pub fn close_logs(&self) {
        parallel::each(self.threads * CLOSERS_PER_THREAD, &self.all(), |replica| replica.close());
        self.checkpoint(true);
        for directory in &self.parts.directories {
            if !directory.log_directory().is_offline()
                && let Err(error) = directory.remove_journal()
            {
                error!(dir = %directory.log_directory().path().display(), %error, "journal cannot be removed");
            }
        }
    }

    /// Vouches for everything that is in the directories; to be called last.
    pub fn write_clean_shutdown(&self, broker_epoch: i64) {
        for directory in &self.parts.directories {
            let log_directory = directory.log_directory();
            if !log_directory.is_offline()
                && directory.is_whole()
                && !directory.owes_checkpoints()
                && let Err(error) = log_directory.write_clean_shutdown(broker_epoch)
            {
                error!(dir = %log_directory.path().display(), %error, "clean-shutdown marker cannot be written");
            }
        }
    }
}
