//! Opening the replicas that lie in the log directories, several at a time.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{error, info, warn};

use super::directory::Directory;
use super::parallel;
use super::replica::Replica;
use super::set::Parts;
use super::settings::Settings;
use super::unfinished::{self, Copy, Unfinished};
use crate::base::id::{TopicId, TopicPartition};
use crate::log::checkpoint::{self, Offsets, PARTITION_METADATA_FILE};
use crate::log::directory::{OffsetFile, PartitionDir, Purpose};
use crate::log::{Flaw, Log, Opening, Recovered};
use crate::meta::Image;
use crate::wire::batch::BatchError;

/// What the checkpoint files of one directory say.
pub(super) struct Checkpoints {
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    /// Whether they were written by a clean stop.
    clean: bool,
}

/// A replica to be opened.
pub(super) struct Found {
    pub(super) directory: Arc<Directory>,
    checkpoints: Arc<Checkpoints>,
    pub(super) name: TopicPartition,
    pub(super) topic_id: TopicId,
    /// Whether the directory says that it is another topic's than its name does.
    is_misnamed: bool,
}

impl Found {
    /// A replica that no checkpoint knows: its recovery point, log start offset and high watermark.
    pub(super) fn with_marks(
        directory: Arc<Directory>,
        name: TopicPartition,
        topic_id: TopicId,
        marks: [i64; 3],
    ) -> Self {
        let [recovery_points, log_starts, high_watermarks] =
            marks.map(|mark| Offsets::from([(name.clone(), mark)]));
        let checkpoints = Checkpoints { recovery_points, log_starts, high_watermarks, clean: false };
        Self { directory, checkpoints: Arc::new(checkpoints), name, topic_id, is_misnamed: false }
    }

    fn path(&self) -> PathBuf {
        self.directory.log_directory().path().join(self.name.to_string())
    }

    /// What its directory's checkpoints say.
    pub(super) fn opening(&self) -> Opening {
        let [recovery_point, log_start_offset, _] = self.checkpoints.of(&self.name);
        let is_checkpointed = self.checkpoints.recovery_points.contains_key(&self.name);
        Opening { recovery_point, log_start_offset, clean: self.checkpoints.clean, is_checkpointed }
    }
}

/// What was opened, and what is here but could not be.
#[derive(Default)]
pub(super) struct All {
    pub(super) replicas: Vec<Arc<Replica>>,
    pub(super) unopened: HashSet<(TopicId, i32)>,
    /// Moves to other log directories that have to be made anew.
    pub(super) unfinished: Vec<Unfinished>,
}

/// Opens what `image` knows; what it does not know is set aside, never deleted here.
pub(super) fn all(parts: &Parts, image: &Image, threads: usize) -> All {
    let mut found = Vec::new();
    let mut copies = Vec::new();
    let mut checkpoints_of = HashMap::new();
    for directory in &parts.directories {
        if directory.log_directory().is_offline() {
            continue;
        }
        let checkpoints = Arc::new(read_checkpoints(directory));
        checkpoints_of.insert(directory.log_directory().id(), checkpoints.clone());
        match directory.log_directory().list() {
            Ok(listing) => {
                if !directory.was_clean() && !listing.partitions.is_empty() {
                    // A broker that was killed may not have come to it, and what lies in them counts from now on.
                    let synced = directory.log_directory().guard(|| {
                        let log_directory = directory.log_directory();
                        log_directory.disk().sync_dir(log_directory.path())
                    });
                    if synced.is_err() {
                        continue;
                    }
                }
                for dir in listing.partitions {
                    if dir.purpose == Purpose::Future {
                        copies.push(copy_in(directory, dir));
                        continue;
                    }
                    found.extend(consider(parts, image, directory, &checkpoints, dir));
                }
            }
            Err(error) => drop(directory.log_directory().fail(error)),
        }
    }
    unfinished::settle(parts, image, &mut found);
    let take = |directory: &Arc<Directory>, dir| {
        let checkpoints = checkpoints_of.get(&directory.log_directory().id())?;
        consider(parts, image, directory, checkpoints, dir)
    };
    let unfinished = unfinished::clear(parts, image, copies, &mut found, take);
    let mut places: HashMap<(TopicId, i32), usize> = HashMap::new();
    for one in &found {
        *places.entry((one.topic_id, one.name.partition)).or_default() += 1;
    }
    let mut settings: HashMap<Arc<str>, Settings> = HashMap::new();
    for one in &found {
        let topic = &one.name.topic;
        settings.entry(topic.clone()).or_insert_with(|| (parts.settings)(image, topic));
    }
    let all = Mutex::new(All { unfinished, ..All::default() });
    parallel::each(threads, &found, |found| {
        let key = (found.topic_id, found.name.partition);
        let opened = if found.is_misnamed {
            let file = found.path().join(PARTITION_METADATA_FILE);
            error!(tp = %found.name, file = %file.display(), "replica is offline: its file names another topic");
            None
        } else if places.get(&key) == Some(&1) {
            settings.get(&found.name.topic).and_then(|settings| open(parts, found, settings.clone()))
        } else {
            error!(tp = %found.name, "replica is offline: it lies in more than one log directory");
            None
        };
        match opened {
            Some(replica) => all.lock().replicas.push(replica),
            None => {
                found.directory.keep(&found.name, found.checkpoints.of(&found.name));
                all.lock().unopened.insert(key);
            }
        }
    });
    all.into_inner()
}

impl Checkpoints {
    fn of(&self, name: &TopicPartition) -> [i64; 3] {
        [&self.recovery_points, &self.log_starts, &self.high_watermarks]
            .map(|offsets| offsets.get(name).copied().unwrap_or(0))
    }
}

fn copy_in(directory: &Arc<Directory>, dir: PartitionDir) -> Copy {
    let log_directory = directory.log_directory();
    let file = log_directory.partition_path(&dir).join(PARTITION_METADATA_FILE);
    let topic_id = checkpoint::read_partition_metadata(&**log_directory.disk(), &file).ok().flatten();
    Copy { directory: directory.clone(), dir, topic_id }
}

fn read_checkpoints(directory: &Directory) -> Checkpoints {
    let read = |which: OffsetFile| {
        directory.log_directory().read_offsets(which).unwrap_or_else(|error| {
            warn!(file = which.name(), %error, "checkpoint cannot be read, everything is scanned");
            Offsets::new()
        })
    };
    Checkpoints {
        recovery_points: read(OffsetFile::RecoveryPoint),
        log_starts: read(OffsetFile::LogStartOffset),
        high_watermarks: read(OffsetFile::HighWatermark),
        clean: directory.was_clean(),
    }
}

fn consider(
    parts: &Parts,
    image: &Image,
    directory: &Arc<Directory>,
    checkpoints: &Arc<Checkpoints>,
    dir: PartitionDir,
) -> Option<Found> {
    let path = directory.log_directory().partition_path(&dir);
    let disk = directory.log_directory().disk();
    match dir.purpose {
        Purpose::Current => {}
        Purpose::Delete => {
            if let Err(error) = disk.remove_dir_all(&path) {
                warn!(dir = %path.display(), %error, "deleted replica cannot be removed");
            }
            return None;
        }
        Purpose::Future | Purpose::Stray => return None,
    }
    if dir.tp.topic.starts_with("__cluster_metadata") {
        return None;
    }
    let metadata = checkpoint::read_partition_metadata(&**disk, &path.join(PARTITION_METADATA_FILE));
    let known = image.topics.by_name(&dir.tp.topic);
    let mut is_misnamed = false;
    let topic_id = match metadata {
        Ok(Some(id)) if image.topics.by_id(id).is_some_and(|topic| topic.name != dir.tp.topic) => {
            is_misnamed = true;
            known?.id
        }
        Ok(Some(id)) => match known {
            Some(topic) if differs_by_a_letter(id, topic.id) => {
                let file = path.join(PARTITION_METADATA_FILE);
                warn!(tp = %dir.tp, file = %file.display(), %id, "topic id is misspelt, the topic's is taken");
                topic.id
            }
            Some(_) | None => id,
        },
        // The file is made durable with the first flush: a replica without it never held a durable record.
        Ok(None) => known?.id,
        Err(error) => {
            warn!(tp = %dir.tp, %error, "partition.metadata cannot be read, the topic's id is taken");
            known?.id
        }
    };
    let partition = image.topics.by_id(topic_id).and_then(|t| t.partition(dir.tp.partition));
    if partition.is_none_or(|p| !p.replicas.contains(&parts.node.0)) {
        set_aside(parts, directory, &path, &dir.tp);
        return None;
    }
    let (directory, checkpoints) = (directory.clone(), checkpoints.clone());
    Some(Found { directory, checkpoints, name: dir.tp, topic_id, is_misnamed })
}

/// Whether one letter makes the difference between two ids: no two that were drawn are so near, a flipped bit leaves
/// one that is. Taken for the id of an earlier topic it would have the replica set aside, and an empty one made.
fn differs_by_a_letter(one: TopicId, other: TopicId) -> bool {
    let (one, other) = (one.to_string(), other.to_string());
    one.bytes().zip(other.bytes()).filter(|(a, b)| a != b).count() == 1
}

fn set_aside(parts: &Parts, directory: &Directory, path: &Path, tp: &TopicPartition) {
    let stray = PartitionDir::beside(tp.clone(), Purpose::Stray, parts.random.uuid());
    warn!(%tp, as_ = %stray.name, "replica is not in the metadata, set aside");
    let to = directory.log_directory().partition_path(&stray);
    if let Err(error) = directory.log_directory().disk().rename(path, &to) {
        warn!(%tp, %error, "stray replica cannot be renamed");
    }
}

/// Opens one replica; what is wrong with it is logged.
pub(super) fn open(parts: &Parts, found: &Found, settings: Settings) -> Option<Arc<Replica>> {
    let Found { directory, checkpoints, name, topic_id, is_misnamed: _ } = found;
    let [_, _, high_watermark] = checkpoints.of(name);
    let opening = found.opening();
    let disk = directory.log_directory().disk().clone();
    let path = found.path();
    match Log::open(disk, &path, settings.log, opening, parts.clock.now_ms()) {
        Ok((mut log, recovered)) => {
            report(name, &recovered, log.end_offset());
            if log.topic_id() != Some(*topic_id)
                && let Err(error) = log.set_topic_id(*topic_id)
            {
                error!(tp = %name, %error, "partition.metadata cannot be written");
                return None;
            }
            if !settings.write_caching
                && let Err(error) = sync(&mut log)
            {
                directory.log_directory().fail(error);
                return None;
            }
            let metrics = parts.metrics.topic(&name.topic);
            Some(Replica::new(
                name.clone(),
                *topic_id,
                directory.clone(),
                log,
                high_watermark,
                settings,
                metrics,
            ))
        }
        Err(error) => {
            error!(tp = %name, %error, "replica is offline");
            if error.is_disk_failure() {
                directory.log_directory().fail(io::Error::other(error.to_string()));
            }
            None
        }
    }
}

/// Makes what was recovered durable, so that the high watermark is where it was before a crash, or beyond.
fn sync(log: &mut Log) -> io::Result<()> {
    if log.flushed_offset() < log.end_offset()
        && let Some(flush) = log.begin_flush()
    {
        flush.run()?;
        log.flushed(&flush);
    }
    Ok(())
}

/// A batch that ends early is what a crash leaves behind; anything else may have been more than that.
fn report(name: &TopicPartition, recovered: &Recovered, end: i64) {
    let bytes = recovered.truncated_bytes;
    match &recovered.flaw {
        None | Some(Flaw::Batch(BatchError::Truncated)) if bytes == 0 => {}
        None | Some(Flaw::Batch(BatchError::Truncated)) => info!(tp = %name, bytes, end, "torn tail cut off"),
        Some(flaw) => warn!(tp = %name, bytes, end, %flaw, "damaged tail cut off above the recovery point"),
    }
}
