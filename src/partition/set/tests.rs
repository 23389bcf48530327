//! A set of one replica on a disk in memory, with a clock that the test moves.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::cleaning::tests::cleaner;
use super::{Parts, Set, Settings};
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, NodeId, TopicId};
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::config::layers::Input as ConfigInput;
use crate::log::committer::Dirty;
use crate::log::directory::Claimed;
use crate::log::disk::{Disk, MemDisk};
use crate::meta::{Delta, Image};
use crate::metrics::Metrics;
use crate::partition::replica::Replica;
use crate::partition::{self, Directory};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::{PartitionRecord, Record, TopicRecord};

const NODE: NodeId = NodeId(1);
const TOPIC: TopicId = TopicId(Uuid::from_u128(7));
const NOW: i64 = 1_000_000;
const DELAY_MS: i64 = 60_000;

fn image() -> Image {
    let mut delta = Delta::new(Image::empty());
    let topic = TopicRecord { name: "t".into(), topic_id: TOPIC.0 };
    let partition = PartitionRecord {
        topic_id: TOPIC.0,
        partition_id: 0,
        replicas: vec![NODE.0],
        isr: vec![NODE.0],
        leader: NODE.0,
        leader_epoch: 3,
        partition_epoch: 0,
        ..PartitionRecord::default()
    };
    delta.replay(&Record::from(topic)).unwrap();
    delta.replay(&Record::from(partition)).unwrap();
    delta.image().clone()
}

fn set_of(clock: &Clock, change: impl Fn(&mut Settings) + Send + Sync + 'static) -> (MemDisk, Arc<Set>) {
    let (disk, random) = (MemDisk::new(), Random::seeded(7));
    let config = Arc::new(Config::load(&ConfigInput::default(), &|_| Ok(None)).unwrap());
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let claimed = Claimed::claim(shared, Path::new("/data")).unwrap();
    let directory = claimed.open("c", NODE, DirectoryId(random.uuid())).unwrap();
    let parts = Parts {
        node: NODE,
        directories: vec![Directory::start(directory, true, clock.clone()).unwrap()],
        settings: Box::new(move |image, topic| {
            let mut settings = partition::Settings::of_topic(&config, image, NODE, topic);
            settings.log.file_delete_delay_ms = DELAY_MS;
            change(&mut settings);
            settings
        }),
        metrics: Metrics::detached(clock.clone()),
        clock: clock.clone(),
        random,
    };
    (disk, Set::open(parts, &image(), 1))
}

/// A segment for each of `count` batches with the same key.
fn write(replica: &Arc<Replica>, count: usize) {
    for _ in 0..count {
        let mut builder = BatchBuilder::new();
        builder.push(NOW, Some(b"key"), Some(&[0; 100]), &[]);
        let batch = builder.build(&Fields::default(), Compression::None).unwrap();
        replica.append(&batch, None, true, NOW).unwrap();
    }
    replica.sync().unwrap();
}

#[test]
fn files_that_a_long_cleaning_has_replaced_stay_for_readers_who_came_before_its_end() {
    let clock = Clock::manual(NOW);
    let (_, set) = set_of(&clock, |settings| {
        settings.log.segment_bytes = 200;
        settings.log.compact = true;
        settings.cleaner.min_cleanable_dirty_ratio = 0.0;
    });
    write(&set.get(TOPIC, 0).unwrap(), 3);
    let end_ms = NOW + 2 * DELAY_MS;
    let moved = clock.clone();
    let means = cleaner(move |_| {
        moved.set(end_ms);
        true
    });
    assert!(set.clean_dirtiest(0, &means));
    let is_removed_at = |now_ms| {
        clock.set(now_ms);
        set.has_segments_to_remove()
    };
    assert!(!is_removed_at(end_ms + DELAY_MS - 1));
    assert!(is_removed_at(end_ms + DELAY_MS));
}
