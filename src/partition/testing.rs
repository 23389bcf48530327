//! Sets of replicas on disks in memory, as tests want them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CleanerMeans, CleanerSettings, Directory, Parts, Set, Settings};
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, NodeId, TopicId};
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::config::layers::Input;
use crate::log::directory::Claimed;
use crate::log::disk::{Disk, MemDisk};
use crate::meta::{Delta, Image};
use crate::metrics::Metrics;
use crate::wire::kraft::{PartitionRecord, Record, TopicRecord};

/// The node that has everything, and leads it in epoch 3.
pub(crate) const NODE: NodeId = NodeId(1);

pub(crate) fn config() -> Arc<Config> {
    Arc::new(Config::load(&Input::default(), &|_| Ok(None)).unwrap())
}

/// A topic with one partition.
pub(crate) fn add_topic(delta: &mut Delta, name: &str, id: TopicId, directory: DirectoryId) {
    let partition = PartitionRecord {
        topic_id: id.0,
        partition_id: 0,
        replicas: vec![NODE.0],
        isr: vec![NODE.0],
        leader: NODE.0,
        leader_epoch: 3,
        partition_epoch: 0,
        directories: vec![directory.0],
        ..PartitionRecord::default()
    };
    delta.replay(&Record::from(TopicRecord { name: name.into(), topic_id: id.0 })).unwrap();
    delta.replay(&Record::from(partition)).unwrap();
}

/// Disks with a log directory each, for the topics of a set.
pub(crate) struct Disks {
    pub(crate) disks: Vec<MemDisk>,
    pub(crate) ids: Vec<DirectoryId>,
    pub(crate) paths: Vec<PathBuf>,
    /// Whether the broker is taken to have stopped cleanly.
    pub(crate) are_clean: bool,
    pub(crate) move_threads: usize,
    pub(crate) random: Random,
}

impl Disks {
    pub(crate) fn new(count: usize) -> Self {
        let random = Random::seeded(7);
        let ids = (0..count).map(|_| DirectoryId(random.uuid())).collect();
        let paths = vec![PathBuf::from("/data"); count];
        let disks = (0..count).map(|_| MemDisk::new()).collect();
        Self { disks, ids, paths, are_clean: true, move_threads: count, random }
    }

    /// One disk with several log directories.
    pub(crate) fn sharing(disk: &MemDisk, count: usize) -> Self {
        let paths = (0..count).map(|number| PathBuf::from(format!("/data-{number}"))).collect();
        Self { disks: vec![disk.clone(); count], paths, ..Self::new(count) }
    }

    /// The set of the image's topics; `change` has the last word on the settings of each.
    pub(crate) fn open(
        &self,
        clock: &Clock,
        image: &Image,
        change: impl Fn(&mut Settings) + Send + Sync + 'static,
    ) -> Arc<Set> {
        let config = config();
        let directories = self.disks.iter().zip(&self.ids).zip(&self.paths).map(|((disk, id), path)| {
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let directory = Claimed::claim(shared, path).unwrap().open("c", NODE, *id).unwrap();
            Directory::start(directory, self.are_clean, clock.clone(), &self.random).unwrap()
        });
        let parts = Parts {
            node: NODE,
            directories: directories.collect(),
            move_threads: self.move_threads,
            settings: Box::new(move |image, topic| {
                let mut settings = Settings::of_topic(&config, image, NODE, topic);
                change(&mut settings);
                settings
            }),
            metrics: Metrics::detached(clock.clone()),
            clock: clock.clone(),
            random: self.random.clone(),
        };
        Set::open(parts, image, 1)
    }
}

/// A set of one topic with one partition, on one disk.
pub(crate) fn one_topic(
    clock: &Clock,
    name: &str,
    id: TopicId,
    change: impl Fn(&mut Settings) + Send + Sync + 'static,
) -> (MemDisk, Delta, Arc<Set>) {
    let disks = Disks::new(1);
    let mut delta = Delta::new(Image::empty());
    add_topic(&mut delta, name, id, disks.ids[0]);
    delta.take_changes();
    let set = disks.open(clock, delta.image(), change);
    (disks.disks[0].clone(), delta, set)
}

/// A cleaner with nothing to hold it back but `wait`.
pub(crate) fn cleaner(wait: impl Fn(Duration) -> bool + Send + Sync + 'static) -> CleanerMeans {
    let settings = CleanerSettings {
        dedupe_buffer_bytes: 1 << 20,
        threads: 1,
        load_factor: 0.9,
        io_bytes_per_second_max: f64::MAX,
        backoff: Duration::ZERO,
    };
    CleanerMeans { settings: Box::new(move || settings), wait: Box::new(wait) }
}
