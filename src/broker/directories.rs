//! Claiming the log directories and finding out which cluster they belong to.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tracing::info;

use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, uuid_to_text};
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::controller;
use crate::log::directory::{Claimed, CleanShutdown};
use crate::log::disk::{Disk, StdDisk};
use crate::log::meta_properties;
use crate::partition::Directory;
use crate::raft;

/// Every directory of this node, in use.
pub(super) struct Directories {
    pub(super) cluster_id: Arc<str>,
    pub(super) all: Vec<Arc<Directory>>,
    /// Where `__cluster_metadata-0` is.
    pub(super) metadata: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    /// The broker epoch in the clean-shutdown markers, if every directory had one.
    pub(super) previous_epoch: Option<i64>,
}

impl Directories {
    /// Locks every directory before anything is written to one, so that a refusal leaves all as they were.
    pub(super) fn open(config: &Config, clock: &Clock, random: &Random) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(StdDisk);
        let claimed: Vec<Claimed> = config
            .logs
            .dirs
            .iter()
            .map(|dir| {
                Claimed::claim(disk.clone(), dir).with_context(|| format!("log.dirs: {}", super::shown(dir)))
            })
            .collect::<Result<_>>()?;
        let owners = claimed.iter().filter_map(|c| Some((c.path(), c.properties()?)));
        let known = meta_properties::verify(owners, config.cluster_id.as_deref(), config.node_id)?;
        let cluster_id: Arc<str> = match known.or_else(|| config.cluster_id.clone()) {
            Some(id) => id.into(),
            None => {
                let id = uuid_to_text(random.uuid());
                info!(cluster = %id, "new cluster");
                id.into()
            }
        };
        let mut all = Vec::new();
        let mut markers: Vec<Option<CleanShutdown>> = Vec::new();
        for claimed in claimed {
            let fresh = DirectoryId(random.uuid());
            let directory = claimed.open(&cluster_id, config.node_id, fresh)?;
            // Before any log is opened for writing: the marker vouches for the last stop only.
            let marker = directory.take_clean_shutdown()?;
            markers.push(marker);
            all.push(Directory::start(directory, marker.is_some(), clock.clone())?);
        }
        let epochs: Option<Vec<i64>> =
            markers.iter().map(|m| m.as_ref().map(|m| m.broker_epoch.unwrap_or(-1))).collect();
        let previous_epoch = epochs.and_then(|epochs| epochs.into_iter().min());
        Ok(Self { cluster_id, all, metadata: config.logs.metadata_dir.clone(), disk, previous_epoch })
    }

    /// Where coordinators keep their state over a clean shutdown. Apache Kafka refuses a log directory with folders
    /// in it that are no partitions, but does not mind folders in those.
    pub(super) fn view(&self, coordinator: &str) -> PathBuf {
        self.metadata.join(raft::PARTITION_DIR).join(coordinator)
    }

    pub(super) fn quorum_parts(&self, config: &Arc<Config>, clock: &Clock) -> raft::Parts {
        let controller = controller::Settings {
            cluster_id: self.cluster_id.clone(),
            node_id: config.node_id.0,
            session_timeout_ms: i64::from(config.values.int("broker.session.timeout.ms")),
            num_partitions: config.topic_creation.num_partitions,
            default_replication_factor: i16::try_from(config.topic_creation.replication_factor).unwrap_or(1),
            delete_topic_enable: config.topic_creation.delete_enabled,
            config_rules: Box::new(controller::TableRules::new(config.clone())),
        };
        let metadata = self.all.iter().find(|d| d.log_directory().path() == self.metadata);
        let log = &config.metadata_log;
        raft::Parts {
            directory_id: metadata.map_or(DirectoryId::ZERO, |d| d.log_directory().id()),
            settings: raft::Settings {
                segment_bytes: log.segment_bytes,
                segment_ms: log.segment_ms,
                snapshot_bytes: u64::try_from(log.record_bytes_between_snapshots_max).unwrap_or(u64::MAX),
                snapshot_interval_ms: log.snapshot_interval_ms_max,
            },
            on_failure: {
                let metadata = metadata.cloned();
                Box::new(move |failure| {
                    if let Some(directory) = metadata {
                        directory.log_directory().fail(std::io::Error::other(failure.to_string()));
                    }
                })
            },
            ..raft::Parts::new(self.disk.clone(), &self.metadata, controller, clock.clone())
        }
    }
}
