//! A quorum with one registered broker, and what the tests ask of it.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, TopicId};
use crate::base::random::Random;
use crate::controller::request::{BrokerHeartbeat, CreateTopics, NewTopic, RegisterBroker};
use crate::controller::{self, ConfigRules, Request};
use crate::log::disk::{Disk, MemDisk, Mode};
use crate::meta::configs::Entries;
use crate::meta::{Configs, Image, Resource, ResourceKind};
use crate::raft::{Error, Loaded, PARTITION_DIR, Parts, Quorum, Settings, Unavailable, inspect};

pub(super) const DIR: &str = "/data";
pub(super) const PARTITIONS: i32 = 3;

/// Any configuration is fine.
struct Rules;

impl ConfigRules for Rules {
    fn validate(&self, _: &Resource, _: &Entries, _: &Configs) -> Result<(), controller::Error> {
        Ok(())
    }
    fn is_list(&self, _: ResourceKind, _: &str) -> bool {
        false
    }
    fn default_value(&self, _: ResourceKind, _: &str) -> Option<String> {
        None
    }
    fn min_insync_replicas(&self, _: &Configs, _: &str) -> i32 {
        1
    }
    fn static_min_insync_replicas(&self) -> i32 {
        1
    }
    fn unclean_leader_election(&self, _: &Configs, _: &str) -> bool {
        false
    }
}

/// A disk with an empty log directory.
pub(super) fn disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

pub(super) fn parts(disk: &MemDisk) -> Parts {
    let controller = controller::Settings {
        cluster_id: "cluster".into(),
        node_id: 1,
        session_timeout_ms: 9000,
        num_partitions: PARTITIONS,
        default_replication_factor: 1,
        delete_topic_enable: true,
        config_rules: Box::new(Rules),
    };
    Parts::new(Arc::new(disk.clone()), Path::new(DIR), controller, Clock::manual(1_000_000))
}

/// Parts that take a snapshot whenever `bytes` were appended.
pub(super) fn parts_with_snapshots(disk: &MemDisk, bytes: u64) -> Parts {
    let settings = Settings { snapshot_bytes: bytes, snapshot_interval_ms: 0, ..Settings::default() };
    Parts { settings, ..parts(disk) }
}

pub(super) fn load(disk: &MemDisk) -> Result<Loaded, Error> {
    load_with(parts(disk))
}

/// As a start does.
pub(super) fn load_with(parts: Parts) -> Result<Loaded, Error> {
    let inspected = inspect(&*parts.disk, &parts.dir, parts.controller.node_id)?;
    Quorum::load(parts, inspected)
}

pub(super) fn run(loaded: Loaded) -> Quorum {
    loaded.run(Box::new(|_, _| ())).unwrap()
}

pub(super) fn ask<R: Request>(quorum: &Quorum, request: R) -> Result<R::Answer, Unavailable> {
    quorum.submit_blocking(request.into_input()).map(|reply| R::answer(reply).unwrap())
}

/// Registers broker 1 and unfences it.
pub(super) fn register(quorum: &Quorum) -> Result<i64, Unavailable> {
    let registration = RegisterBroker {
        broker_id: 1,
        cluster_id: "cluster".into(),
        incarnation_id: Uuid::from_u128(9000 + u128::from(quorum.status().leader_epoch.unsigned_abs())),
        endpoints: vec![crate::meta::Endpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: crate::meta::features::KNOWN
            .iter()
            .map(|known| (known.name.into(), known.accepted.clone()))
            .collect(),
        rack: None,
        log_dirs: vec![DirectoryId(Uuid::from_u128(500))],
        previous_broker_epoch: -1,
    };
    let broker_epoch = ask(quorum, registration)?.unwrap();
    let heartbeat = BrokerHeartbeat {
        broker_id: 1,
        broker_epoch,
        current_metadata_offset: quorum.image().provenance.offset,
        want_fence: false,
        want_shut_down: false,
        offline_log_dirs: vec![],
        cordoned_log_dirs: None,
    };
    assert!(!ask(quorum, heartbeat)?.unwrap().is_fenced);
    Ok(broker_epoch)
}

/// Makes topic `t<number>`.
pub(super) fn create(quorum: &Quorum, number: u32) -> Result<(), Unavailable> {
    let topic = NewTopic {
        name: format!("t{number}").into(),
        id: TopicId(Uuid::from_u128(1000 + u128::from(number))),
        partitions: PARTITIONS,
        replication_factor: 1,
        assignments: vec![],
        configs: vec![("retention.ms".into(), Some("1".into()))],
    };
    let request = CreateTopics { topics: vec![topic], validate_only: false, seed: 7 };
    for (_, created) in ask(quorum, request)?.unwrap() {
        created.unwrap();
    }
    Ok(())
}

/// Topics with the number of their partitions and configurations.
pub(super) fn topics(image: &Image) -> BTreeMap<String, (usize, usize)> {
    let shape = |topic: &Arc<crate::meta::Topic>| {
        let configs = image.configs.of(ResourceKind::Topic, &topic.name).map_or(0, |entries| entries.len());
        (topic.name.to_string(), (topic.partitions.iter().count(), configs))
    };
    image.topics.iter().map(shape).collect()
}

/// What [`create`] makes.
pub(super) const WHOLE: (usize, usize) = (3, 1);

/// What a killed process leaves.
pub(super) fn killed(disk: &MemDisk) -> MemDisk {
    disk.power_cut(&Random::seeded(0), 100)
}

/// Files of the log's directory whose names end so.
pub(super) fn files(disk: &MemDisk, suffix: &str) -> Vec<PathBuf> {
    let dir = Path::new(DIR).join(PARTITION_DIR);
    let names = disk.list(&dir).unwrap().into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(suffix)).map(|name| dir.join(name)).collect()
}

pub(super) fn read(disk: &MemDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

pub(super) fn write(disk: &MemDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, Mode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
}

/// Flips a bit in the middle of a file.
pub(super) fn damage(disk: &MemDisk, path: &Path) {
    let mut bytes = read(disk, path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(disk, path, &bytes);
}

/// An image without where it was taken.
pub(super) fn content(image: &Image) -> Image {
    Image { provenance: crate::meta::Provenance::NONE, ..image.clone() }
}
