//! Claiming the log directories and finding out which cluster they belong to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::sync::Notify;
use tracing::info;

use crate::base::clock::Clock;
use crate::base::id::{DirectoryId, uuid_to_text};
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::controller;
use crate::log::checkpoint;
use crate::log::directory::{Claimed, CleanShutdown, LogDirectory, OpenError, PartitionDir, Purpose};
use crate::log::disk::{Disk, StdDisk};
use crate::log::meta_properties;
use crate::partition::Directory;
use crate::raft::{self, Inspected};

/// Every directory of this node. Those that cannot be used are among them, offline.
pub(super) struct Directories {
    pub(super) cluster_id: Arc<str>,
    pub(super) all: Vec<Arc<Directory>>,
    /// Where `__cluster_metadata-0` is.
    pub(super) metadata: PathBuf,
    /// The same, in use; one of `all`, or another one.
    metadata_directory: Arc<LogDirectory>,
    metadata_failed: Arc<Notify>,
    pub(super) disk: Arc<dyn Disk>,
    /// The broker epoch in the clean-shutdown markers, if every directory had one.
    pub(super) previous_epoch: Option<i64>,
}

/// A directory that is locked and read, or why it cannot be.
type Tried<'a> = (&'a Path, Result<Claimed, io::Error>);

/// Who may use a directory is a matter for a person; that it cannot be read or written at all is a failure of the
/// directory, which the others outlive.
fn only_io<T>(result: Result<T, OpenError>) -> Result<Result<T, io::Error>> {
    match result {
        Ok(opened) => Ok(Ok(opened)),
        Err(OpenError::Io { source, .. }) => Ok(Err(source)),
        Err(OpenError::MetaProperties(meta_properties::Error::Read(checkpoint::Error::Io {
            source,
            ..
        }))) => Ok(Err(source)),
        Err(other) => Err(other.into()),
    }
}

/// Refuses to begin a new cluster where there are replicas, whose metadata must have been lost, and to give a directory
/// with replicas a new identity. Nothing is written.
pub(super) fn check_new(disk: &dyn Disk, config: &Config, inspected: &Inspected) -> Result<()> {
    for dir in &config.logs.dirs {
        // A directory that cannot be read is judged when it is claimed.
        let Ok(entries) = disk.list(dir) else { continue };
        let replica = entries.iter().filter(|entry| entry.is_dir && entry.name != raft::PARTITION_DIR);
        let replica = replica.filter_map(|entry| PartitionDir::parse(&entry.name));
        let Some(replica) = { replica }.find(|replica| replica.purpose == Purpose::Current) else { continue };
        let (shown, name) = (super::shown(dir), replica.name);
        if inspected.is_empty() {
            let metadata = super::shown(&config.logs.metadata_dir);
            bail!(
                "{shown} holds {name}, but there is no metadata log in {metadata}: put {} back from a copy (or correct \
                 metadata.log.dir); to begin a new cluster, remove what is in the log directories",
                raft::PARTITION_DIR
            );
        }
        if !entries.iter().any(|entry| entry.name == meta_properties::FILE) {
            bail!("{shown} holds {name}, but no {}: put it back from a copy", meta_properties::FILE);
        }
    }
    Ok(())
}

impl Directories {
    /// Locks every directory before anything is written to one, so that a refusal leaves all as they were.
    pub(super) fn open(config: &Config, clock: &Clock, random: &Random) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(StdDisk);
        let metadata = &config.logs.metadata_dir;
        let apart = (!config.logs.dirs.contains(metadata)).then_some(metadata);
        let tried: Vec<Tried<'_>> = (config.logs.dirs.iter().chain(apart))
            .map(|dir| {
                let claimed = only_io(Claimed::claim(disk.clone(), dir))
                    .with_context(|| format!("log.dirs: {}", super::shown(dir)))?;
                Ok((dir.as_path(), claimed))
            })
            .collect::<Result<_>>()?;
        if let Some((dir, Err(error))) =
            tried.iter().find(|(dir, claimed)| *dir == metadata && claimed.is_err())
        {
            bail!("Encountered I/O error in metadata log directory {}: {error}", super::shown(dir));
        }
        let owners = tried.iter().filter_map(|(dir, c)| Some((*dir, c.as_ref().ok()?.properties()?)));
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
        let mut metadata_directory = None;
        for (dir, claimed) in tried {
            let fresh = DirectoryId(random.uuid());
            let opened = match claimed {
                Ok(claimed) => only_io(claimed.open(&cluster_id, config.node_id, fresh))?,
                Err(error) => Err(error),
            };
            let directory = match opened {
                Ok(directory) => directory,
                Err(error) if dir == metadata => return Err(error).with_context(|| super::shown(dir)),
                Err(error) => LogDirectory::unopened(disk.clone(), dir, fresh, error),
            };
            if apart.is_some_and(|apart| apart == dir) {
                metadata_directory = Some(Arc::new(directory));
                continue;
            }
            // Before any log is opened for writing: the marker vouches for the last stop only.
            let marker = directory.take_clean_shutdown().unwrap_or(None);
            if !directory.is_offline() {
                markers.push(marker);
            }
            let directory = Directory::start(directory, marker.is_some(), clock.clone(), random)?;
            if dir == metadata {
                metadata_directory = Some(directory.log_directory().clone());
            }
            all.push(directory);
        }
        if all.iter().all(|directory| directory.log_directory().is_offline()) {
            let dirs: Vec<String> = config.logs.dirs.iter().map(|dir| super::shown(dir)).collect();
            bail!(
                "Shutdown broker because none of the specified log dirs from {} can be created or validated",
                dirs.join(", ")
            );
        }
        let epochs: Option<Vec<i64>> =
            markers.iter().map(|m| m.as_ref().map(|m| m.broker_epoch.unwrap_or(-1))).collect();
        let previous_epoch = epochs.and_then(|epochs| epochs.into_iter().min());
        let metadata_directory = metadata_directory.expect("it is one of those that were tried");
        let metadata_failed = Arc::new(Notify::new());
        if apart.is_some() {
            let failed = metadata_failed.clone();
            metadata_directory.on_failure(Box::new(move |_| failed.notify_one()));
        }
        let metadata = metadata.clone();
        Ok(Self { cluster_id, all, metadata, metadata_directory, metadata_failed, disk, previous_epoch })
    }

    /// Those that work.
    pub(super) fn online_ids(&self) -> Vec<DirectoryId> {
        let online = self.all.iter().filter(|directory| !directory.log_directory().is_offline());
        online.map(|directory| directory.log_directory().id()).collect()
    }

    /// Whether the metadata's directory has failed.
    pub(super) fn is_metadata_offline(&self) -> bool {
        self.metadata_directory.is_offline()
    }

    /// Waits until the metadata's directory has failed, unless that holds replicas too.
    pub(super) async fn metadata_failed(&self) {
        self.metadata_failed.notified().await;
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
        let log = &config.metadata_log;
        raft::Parts {
            directory_id: self.metadata_directory.id(),
            settings: raft::Settings {
                segment_bytes: log.segment_bytes,
                segment_ms: log.segment_ms,
                snapshot_bytes: u64::try_from(log.record_bytes_between_snapshots_max).unwrap_or(u64::MAX),
                snapshot_interval_ms: log.snapshot_interval_ms_max,
            },
            on_failure: {
                let metadata = self.metadata_directory.clone();
                Box::new(move |failure| drop(metadata.fail(io::Error::other(failure.to_string()))))
            },
            ..raft::Parts::new(self.disk.clone(), &self.metadata, controller, clock.clone())
        }
    }
}
