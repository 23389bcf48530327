//! The cleaner over a real replica on a disk in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, NodeId, TopicId};
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::config::layers::Input;
use crate::log::directory::Claimed;
use crate::log::disk::{Disk, MemDisk};
use crate::meta::{Delta, Image};
use crate::metrics::Metrics;
use crate::partition::{Directory, Parts, Settings};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::{PartitionRecord, Record, TopicRecord};

const NODE: NodeId = NodeId(1);
const TOPIC: TopicId = TopicId(Uuid::from_u128(7));

fn image() -> Arc<Image> {
    let mut delta = Delta::new(Image::empty());
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
    delta.replay(&Record::from(TopicRecord { name: "t".into(), topic_id: TOPIC.0 })).unwrap();
    delta.replay(&Record::from(partition)).unwrap();
    Arc::new(delta.image().clone())
}

/// One compacted log, a segment for each batch.
fn set(clock: &Clock) -> Arc<Set> {
    let random = Random::seeded(7);
    let config = Config::load(&Input::default(), &|_| Ok(None)).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let directory = Claimed::claim(disk, Path::new("/data")).unwrap();
    let directory = directory.open("c", NODE, DirectoryId(random.uuid())).unwrap();
    let settings = move |image: &Image, topic: &str| {
        let mut settings = Settings::of_topic(&config, image, NODE, topic);
        (settings.log.compact, settings.log.segment_bytes) = (true, 100);
        settings
    };
    let parts = Parts {
        node: NODE,
        directories: vec![Directory::start(directory, true, clock.clone()).unwrap()],
        settings: Box::new(settings),
        metrics: Metrics::detached(clock.clone()),
        clock: clock.clone(),
        random,
    };
    Set::open(parts, &image(), 1)
}

fn cleaner(wait: impl Fn(Duration) -> bool + Send + Sync + 'static) -> CleanerSettings {
    CleanerSettings {
        dedupe_buffer_bytes: 1 << 16,
        threads: 1,
        load_factor: 0.9,
        io_bytes_per_second_max: f64::MAX,
        wait: Box::new(wait),
    }
}

#[test]
fn a_log_whose_cleaning_panicked_is_left_alone_for_a_while_and_cleaned_then() {
    let clock = Clock::manual(1_000_000);
    let set = set(&clock);
    let replica = set.get(TOPIC, 0).unwrap();
    for _ in 0..4 {
        let mut builder = BatchBuilder::new();
        builder.push(1_000_000, Some(b"key"), Some(b"value"), &[]);
        let batch = builder.build(&Fields::default(), Compression::None).unwrap();
        replica.append(&batch, None, true, clock.now_ms()).unwrap();
    }
    replica.sync().unwrap();
    let panicking = cleaner(|_| panic!("as the test wants it"));
    assert!(catch_unwind(AssertUnwindSafe(|| set.clean_dirtiest(&panicking))).is_err());
    let sound = cleaner(|_| true);
    assert!(!set.clean_dirtiest(&sound), "it would only panic again");
    clock.set(clock.now_ms() + PAUSE_AFTER_FAILURE_MS);
    assert!(set.clean_dirtiest(&sound));
    assert_eq!(replica.cleaned_up_to(), Some(3));
    assert!(!set.clean_dirtiest(&sound), "it is clean");
}
