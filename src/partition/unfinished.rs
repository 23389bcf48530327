//! What moves between log directories have left when the broker stopped in the middle.
//!
//! A copy that is not complete is removed, and the move is made anew. Of two that are both complete the one that
//! reaches further is the replica: the new one, unless the old one was written to again when the directory of the new
//! one had failed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{info, warn};

use super::directory::Directory;
use super::open::Found;
use super::replica::REPLACES_FILE;
use super::set::Parts;
use crate::base::id::TopicId;
use crate::log::Log;
use crate::log::directory::{PartitionDir, Purpose};
use crate::meta::Image;

/// A copy that was to become the replica.
pub(super) struct Copy {
    pub(super) directory: Arc<Directory>,
    pub(super) dir: PartitionDir,
    /// As its `partition.metadata` says.
    pub(super) topic_id: Option<TopicId>,
}

/// A move to be made anew.
pub(super) struct Unfinished {
    /// Where the replica was to go.
    pub(super) directory: Arc<Directory>,
    pub(super) topic_id: TopicId,
    pub(super) partition: i32,
}

/// Clears the copies away, and gives the moves that they were for. One that the metadata already takes for the replica
/// is added to `found` if there is no other (`LogManager.recoverAbandonedFutureLogs`).
pub(super) fn clear(
    parts: &Parts,
    image: &Image,
    copies: Vec<Copy>,
    found: &mut Vec<Found>,
    take: impl Fn(&Arc<Directory>, PartitionDir) -> Option<Found>,
) -> Vec<Unfinished> {
    let mut unfinished = Vec::new();
    for copy in copies {
        let (tp, log_directory) = (&copy.dir.tp, copy.directory.log_directory());
        let path = log_directory.partition_path(&copy.dir);
        let topic = image.topics.by_name(&tp.topic).filter(|t| copy.topic_id.is_none_or(|id| id == t.id));
        let Some(topic) = topic else {
            remove(&copy.directory, &path);
            continue;
        };
        let is_it = |found: &&Found| found.topic_id == topic.id && found.name.partition == tp.partition;
        if found.iter().any(|found| is_it(&found)) {
            remove(&copy.directory, &path);
            let (topic_id, partition) = (topic.id, tp.partition);
            unfinished.push(Unfinished { directory: copy.directory, topic_id, partition });
            continue;
        }
        let named = topic.partition(tp.partition).and_then(|p| p.directory_of(parts.node.0));
        if named != Some(log_directory.id()) {
            warn!(dir = %path.display(), "copy of a replica that is in no log directory is left alone");
            continue;
        }
        let current = PartitionDir::current(tp.clone());
        let to = log_directory.partition_path(&current);
        let renamed = log_directory.guard(|| {
            log_directory.disk().rename(&path, &to)?;
            log_directory.disk().sync_dir(log_directory.path())
        });
        match renamed {
            Ok(()) => {
                info!(%tp, dir = %to.display(), "copy becomes the replica, as the metadata says");
                found.extend(take(&copy.directory, current));
            }
            Err(error) => warn!(%tp, %error, "copy cannot be renamed"),
        }
    }
    unfinished
}

/// Ends the moves of replicas that are in two directories, as far as they are known to be moves.
pub(super) fn settle(parts: &Parts, image: &Image, found: &mut Vec<Found>) {
    let is_marked = |one: &Found| {
        let marker = path(one).join(REPLACES_FILE);
        one.directory.log_directory().disk().exists(&marker).unwrap_or(false)
    };
    let marked: Vec<usize> = (0..found.len()).filter(|at| is_marked(&found[*at])).collect();
    let mut lost = Vec::new();
    for new in marked {
        let is_same = |at: &usize| {
            *at != new
                && found[*at].topic_id == found[new].topic_id
                && found[*at].name.partition == found[new].name.partition
        };
        let others: Vec<usize> = (0..found.len()).filter(is_same).collect();
        let lesser = match others[..] {
            [] => None,
            [old] => match lesser_of(parts, image, &found[old], &found[new]) {
                Some(is_old) => Some(if is_old { old } else { new }),
                None => continue,
            },
            _ => continue,
        };
        if let Some(at) = lesser {
            let path = path(&found[at]);
            if !set_aside(parts, &found[at]) {
                continue;
            }
            info!(dir = %path.display(), "replica has moved, what it leaves behind is removed");
            lost.push(at);
        }
        if lesser != Some(new) {
            let marker = path(&found[new]).join(REPLACES_FILE);
            let log_directory = found[new].directory.log_directory();
            if let Err(error) = log_directory.guard(|| log_directory.disk().remove_file(&marker)) {
                warn!(file = %marker.display(), %error, "file cannot be removed");
            }
        }
    }
    lost.sort_unstable();
    lost.into_iter().rev().for_each(|at| drop(found.remove(at)));
}

/// Whether the old one is to go, or else the new one; none if one of them cannot be read.
fn lesser_of(parts: &Parts, image: &Image, old: &Found, new: &Found) -> Option<bool> {
    let end_of = |one: &Found| {
        let settings = (parts.settings)(image, &one.name.topic).log;
        let disk = one.directory.log_directory().disk().clone();
        let opened = Log::open(disk, &path(one), settings, one.opening(), parts.clock.now_ms());
        opened.inspect_err(|error| warn!(tp = %one.name, %error, "replica cannot be opened")).ok()
    };
    Some(end_of(old)?.0.end_offset() <= end_of(new)?.0.end_offset())
}

fn path(found: &Found) -> PathBuf {
    found.directory.log_directory().path().join(found.name.to_string())
}

/// Takes its name from a replica's directory, durably, and then its files.
fn set_aside(parts: &Parts, found: &Found) -> bool {
    let log_directory = found.directory.log_directory();
    let gone = PartitionDir::beside(found.name.clone(), Purpose::Delete, parts.random.uuid());
    let to = log_directory.partition_path(&gone);
    let renamed = log_directory.guard(|| {
        log_directory.disk().rename(&path(found), &to)?;
        log_directory.disk().sync_dir(log_directory.path())
    });
    match renamed {
        Ok(()) => remove(&found.directory, &to),
        Err(ref error) => warn!(tp = %found.name, %error, "replica cannot be set aside"),
    }
    renamed.is_ok()
}

fn remove(directory: &Directory, path: &std::path::Path) {
    let removed: io::Result<()> = directory.log_directory().disk().remove_dir_all(path);
    if let Err(error) = removed {
        warn!(dir = %path.display(), %error, "what a move has left cannot be removed");
    }
}
