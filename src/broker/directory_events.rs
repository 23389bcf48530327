//! What happens to log directories while the broker runs: the controller is told where replicas are and which
//! directories have failed or are cordoned (`AssignmentsManager`, `LogDirFailureHandler`).

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::directories::Directories;
use super::registration::Registered;
use crate::base::id::{DirectoryId, NodeId};
use crate::config::broker::Config;
use crate::controller::request::{AssignReplicas, Assignment};
use crate::meta::Image;
use crate::meta::configs::ResourceKind;
use crate::partition::{Directory, Set};
use crate::raft::Quorum;

/// Replicas in one request to the controller (`AssignReplicasToDirsRequest.MAX_ASSIGNMENTS_PER_REQUEST`).
const ASSIGNMENTS_MAX: usize = 2250;
/// All directories.
const ALL: &str = "*";
/// A broker key that exists only dynamically.
const MOVE_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// Takes over what a change of the configuration says of directories.
pub(super) fn follow(config: &Config, image: &Image, partitions: &Set) {
    cordon(config, partitions.directories());
    begin(config, image, partitions);
    partitions.note_directories_changed();
}

/// Takes over which directories are cordoned.
pub(super) fn cordon(config: &Config, directories: &[Arc<Directory>]) {
    let cordoned = config.values.list("cordoned.log.dirs");
    let is_all = cordoned.iter().any(|dir| dir == ALL);
    for directory in directories {
        let path = directory.log_directory().path();
        directory.set_cordoned(is_all || cordoned.iter().any(|dir| path.as_os_str() == dir.as_str()));
    }
}

/// Takes over how long deleted topics are kept, and how fast replicas may be moved.
pub(super) fn begin(config: &Config, image: &Image, partitions: &Set) {
    partitions.keep_trash(config.values.long("barnabas.topic.trash.ms"));
    limit_moves(config.node_id, image, partitions);
}

fn limit_moves(node: NodeId, image: &Image, partitions: &Set) {
    let of = |name: &str| image.configs.overrides(ResourceKind::Broker, name).remove(MOVE_RATE);
    let rate = of(&node.to_string()).or_else(|| of("")).and_then(|rate| rate.parse::<u64>().ok());
    partitions.limit_moves(rate.filter(|rate| i64::try_from(*rate).is_ok_and(|rate| rate != i64::MAX)));
}

/// How many replicas move at a time (`KafkaConfig.getNumReplicaAlterLogDirsThreads`).
pub(super) fn move_threads(config: &Config) -> usize {
    let set = config.values.maybe_int("num.replica.alter.log.dirs.threads");
    set.map_or(config.logs.dirs.len(), |threads| usize::try_from(threads).unwrap_or(0).max(1))
}

/// Tells the controller what is to be told.
pub(super) async fn report(partitions: &Set, quorum: &Quorum, registered: &Registered) -> Result<()> {
    let image = quorum.image();
    if !image.features.has_directory_assignment() {
        return Ok(());
    }
    let misplaced = partitions.misplaced(&image).into_iter();
    let mut assignments: Vec<Assignment> = misplaced
        .map(|(directory, topic_id, partition)| Assignment { directory, topic_id, partition })
        .collect();
    while !assignments.is_empty() {
        let rest = assignments.split_off(assignments.len().min(ASSIGNMENTS_MAX));
        let (broker_id, broker_epoch) = (registered.id, registered.epoch);
        let first = std::mem::replace(&mut assignments, rest);
        super::registration::ask(quorum, AssignReplicas { broker_id, broker_epoch, assignments: first })
            .await?;
    }
    let ids = |is_meant: fn(&Directory) -> bool| -> Vec<DirectoryId> {
        let meant = partitions.directories().iter().filter(|directory| is_meant(directory));
        meant.map(|directory| directory.log_directory().id()).collect()
    };
    let cordoned = ids(|directory| directory.is_cordoned());
    let known = image.cluster.broker(registered.id);
    let is_news = !cordoned.is_empty() || known.is_some_and(|broker| broker.cordoned_log_dirs.is_some());
    let offline = ids(|directory| directory.log_directory().is_offline());
    if is_news || !offline.is_empty() {
        registered.heartbeat(quorum, offline, is_news.then_some(cordoned)).await?;
    }
    Ok(())
}

/// Goes on reporting until the broker stops. Cancels `failed` when it cannot go on.
pub(super) fn watch(
    partitions: &Arc<Set>,
    directories: &Arc<Directories>,
    quorum: &Quorum,
    registered: &Registered,
    stop: &CancellationToken,
) -> CancellationToken {
    let failed = CancellationToken::new();
    let (partitions, directories, quorum) = (partitions.clone(), directories.clone(), quorum.clone());
    let (registered, stop, told) = (registered.clone(), stop.clone(), failed.clone());
    tokio::spawn(async move {
        loop {
            if let Err(why) = check(&directories) {
                error!("{why:#}");
                return told.cancel();
            }
            if let Err(error) = report(&partitions, &quorum, &registered).await {
                warn!(%error, "the controller does not know the state of the log directories");
            }
            let changed = async {
                tokio::select! {
                    () = partitions.directories_changed() => {}
                    () = directories.metadata_failed() => {}
                }
            };
            if stop.run_until_cancelled(changed).await.is_none() {
                return;
            }
        }
    });
    failed
}

/// Fails if the broker cannot work with what is left (`ReplicaManager.handleLogDirFailure`).
fn check(directories: &Directories) -> Result<()> {
    if directories.is_metadata_offline() {
        bail!(
            "Shutdown broker because the metadata log dir {} has failed",
            super::shown(&directories.metadata)
        );
    }
    if directories.all.iter().all(|directory| directory.log_directory().is_offline()) {
        let all: Vec<String> =
            directories.all.iter().map(|d| super::shown(d.log_directory().path())).collect();
        bail!("Shutdown broker because all log dirs in {} have failed", all.join(", "));
    }
    Ok(())
}
