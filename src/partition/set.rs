//! All replicas on this node, kept as the metadata image says.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tracing::{error, info};

use super::directory::Directory;
use super::open;
use super::replica::Replica;
use super::settings::Settings;
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, NodeId, TopicId, TopicPartition};
use crate::base::random::Random;
use crate::log::directory::OffsetFile;
use crate::log::{self, Log};
use crate::meta::Image;
use crate::meta::topics::{Partition, Topic};
use crate::replication::Leadership;

type Topics = HashMap<TopicId, Arc<Replicas>>;

/// The replicas of one topic on this node.
struct Replicas {
    name: Arc<str>,
    by_index: BTreeMap<i32, Arc<Replica>>,
}

/// Gives a topic's settings from its configuration in an image.
pub type SettingsOf = Box<dyn Fn(&Image, &str) -> Settings + Send + Sync>;

/// What a set works with.
pub struct Parts {
    /// This node.
    pub node: NodeId,
    /// Where replicas may be.
    pub directories: Vec<Arc<Directory>>,
    /// Log settings by topic.
    pub settings: SettingsOf,
    /// The clock.
    pub clock: Clock,
    /// For names of directories that are set aside.
    pub random: Random,
}

/// All replicas on this node.
pub struct Set {
    pub(super) parts: Parts,
    topics: ArcSwap<Topics>,
    /// Held by whoever changes `topics`.
    changing: Mutex<()>,
}

impl Set {
    /// Opens every replica that `image` places here. After an unclean stop logs are recovered, several at a
    /// time. A replica that cannot be opened is left out.
    pub fn open(parts: Parts, image: &Image, was_clean: bool, threads: usize) -> Arc<Self> {
        let set = Self { parts, topics: ArcSwap::default(), changing: Mutex::new(()) };
        let found = open::all(&set.parts, image, was_clean, threads);
        let mut topics: HashMap<TopicId, Replicas> = HashMap::new();
        for replica in found {
            let topic = topics.entry(replica.topic_id()).or_insert_with(|| Replicas {
                name: replica.name().topic.clone(),
                by_index: BTreeMap::new(),
            });
            topic.by_index.insert(replica.name().partition, replica);
        }
        set.topics.store(Arc::new(topics.into_iter().map(|(id, t)| (id, Arc::new(t))).collect()));
        let all: Vec<TopicId> = image.topics.iter().map(|t| t.id).collect();
        set.apply(image, &all);
        Arc::new(set)
    }

    /// The replica of partition `index` of `topic`, if it is here.
    pub fn get(&self, topic: TopicId, index: i32) -> Option<Arc<Replica>> {
        self.topics.load().get(&topic)?.by_index.get(&index).cloned()
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

    /// Brings the replicas of `changed` topics in line with `image`: makes, leads, follows, deletes.
    pub fn apply(&self, image: &Image, changed: &[TopicId]) {
        let _changing = self.changing.lock();
        let mut topics: Topics = Topics::clone(&self.topics.load());
        for id in changed {
            match image.topics.by_id(*id) {
                Some(topic) => {
                    let replicas = self.topic_changed(image, topic, topics.get(id).map(|r| &**r));
                    topics.insert(*id, Arc::new(replicas));
                }
                None => {
                    if let Some(gone) = topics.remove(id) {
                        self.topic_deleted(&gone);
                    }
                }
            }
        }
        self.topics.store(Arc::new(topics));
    }

    fn topic_changed(&self, image: &Image, topic: &Topic, before: Option<&Replicas>) -> Replicas {
        let mut by_index = before.map(|r| r.by_index.clone()).unwrap_or_default();
        let settings = (self.parts.settings)(image, &topic.name);
        for (index, partition) in topic.partitions.iter() {
            if !partition.replicas.contains(&self.parts.node.0) {
                continue;
            }
            if !by_index.contains_key(index) {
                let name = TopicPartition { topic: topic.name.clone(), partition: *index };
                match self.create(&name, topic.id, partition, settings.clone()) {
                    Ok(replica) => drop(by_index.insert(*index, replica)),
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
        let directory = self.place(partition);
        let path = directory.log_directory().path().join(name.to_string());
        let disk = directory.log_directory().disk().clone();
        let log = Log::create(disk, &path, topic_id, settings.log, self.parts.clock.now_ms())?;
        Ok(Replica::new(name.clone(), topic_id, directory, log, 0, settings))
    }

    /// The directory that the metadata names, else the online one with the fewest replicas.
    fn place(&self, partition: &Partition) -> Arc<Directory> {
        let named = partition.directory_of(self.parts.node.0);
        let directories = &self.parts.directories;
        if let Some(directory) = directories.iter().find(|d| Some(d.log_directory().id()) == named) {
            return directory.clone();
        }
        let mut counts: HashMap<DirectoryId, usize> = HashMap::new();
        for replica in self.all() {
            *counts.entry(replica.directory().log_directory().id()).or_default() += 1;
        }
        let online = directories.iter().filter(|d| !d.log_directory().is_offline());
        let fewest = online.min_by_key(|d| counts.get(&d.log_directory().id()).copied().unwrap_or(0));
        fewest.or(directories.first()).expect("a broker has a log directory").clone()
    }

    fn topic_deleted(&self, gone: &Replicas) {
        info!(topic = %gone.name, partitions = gone.by_index.len(), "topic deleted");
        for replica in gone.by_index.values() {
            if let Err(error) = replica.delete(self.parts.random.uuid()) {
                error!(tp = %replica.name(), %error, "replica cannot be deleted");
            }
        }
    }

    /// Writes the recovery points, log start offsets and high watermarks of every directory.
    pub fn checkpoint(&self) -> io::Result<()> {
        let all = self.all();
        for directory in &self.parts.directories {
            let log_directory = directory.log_directory();
            if log_directory.is_offline() {
                continue;
            }
            let here = all.iter().filter(|r| Arc::ptr_eq(r.directory(), directory));
            let mut files = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
            for replica in here {
                let marks = replica.checkpoint_marks();
                for (file, offset) in files.iter_mut().zip([marks.recovery_point, marks.log_start, marks.high_watermark])
                {
                    file.insert(replica.name().clone(), offset);
                }
            }
            let [recovery_points, log_starts, high_watermarks] = files;
            log_directory.write_offsets(OffsetFile::RecoveryPoint, &recovery_points)?;
            log_directory.write_offsets(OffsetFile::LogStartOffset, &log_starts)?;
            log_directory.write_offsets(OffsetFile::HighWatermark, &high_watermarks)?;
        }
        Ok(())
    }

    /// Hands everything that was marked for later to the committers.
    pub fn sync_later(&self) {
        for directory in &self.parts.directories {
            directory.sync_later();
        }
    }

    /// Closes files that were not used since the last call.
    pub fn close_idle_files(&self) {
        for replica in self.all() {
            replica.close_idle_files();
        }
    }

    /// Syncs and closes every log, writes the checkpoints and, where all went well, the clean-shutdown marker.
    pub fn close(&self, broker_epoch: i64) {
        let all = self.all();
        for replica in &all {
            replica.close();
        }
        if let Err(error) = self.checkpoint() {
            error!(%error, "checkpoints cannot be written");
        }
        for directory in &self.parts.directories {
            let log_directory = directory.log_directory();
            if !log_directory.is_offline()
                && let Err(error) = log_directory.write_clean_shutdown(broker_epoch)
            {
                error!(dir = %log_directory.path().display(), %error, "clean-shutdown marker cannot be written");
            }
        }
    }
}
