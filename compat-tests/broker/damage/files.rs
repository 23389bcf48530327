//! The files of the matrix: where they are, and what damage to them may do.

use std::path::{Path, PathBuf};

use super::world::partition_dir;

/// The directory of the metadata log.
pub const METADATA: &str = "__cluster_metadata-0";
/// Says whose the log directory is.
pub const META_PROPERTIES: &str = "meta.properties";

/// What damage to a file may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The file is made anew and nothing else changes.
    Derived,
    /// The partition may be offline or end early, but never with other records.
    Log(&'static str, i32),
    /// As with those, but the file is left as it is.
    Unneeded,
    /// A log that ends below its recovery point has lost records, or the recovery point is wrong: it is offline then.
    RecoveryPoints,
    /// Nobody else knows what the file says: records that were deleted may come back, and nothing else changes.
    LogStarts,
    /// The broker may refuse to start, with the file's name or its directory's; else nothing changes.
    Vital,
}

/// Where a file is under the home of both log directories, and what it may be mistaken for.
pub type Find = fn(&Path) -> Option<(PathBuf, Option<PathBuf>)>;

/// A file of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct File {
    pub name: &'static str,
    pub find: Find,
    pub rule: Rule,
}

/// The files with this ending, in order.
fn ending(dir: &Path, end: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(end)))
        .collect();
    found.sort();
    found
}

/// The `at`-th file of a partition, counted from the end if negative, and the same of another partition.
fn of_partition(
    home: &Path,
    partition: (&str, i32),
    end: &str,
    at: isize,
) -> Option<(PathBuf, Option<PathBuf>)> {
    let pick = |partition| {
        let files = ending(&partition_dir(home, partition), end);
        let at = if at < 0 { files.len().checked_sub(at.unsigned_abs())? } else { at.unsigned_abs() };
        files.get(at).cloned()
    };
    let other = if partition == ("plain", 1) { ("plain", 0) } else { ("plain", 1) };
    Some((pick(partition)?, pick(other)))
}

/// A file of the directory with the metadata, and the same of the other one.
fn of_directory(home: &Path, name: &str) -> Option<(PathBuf, Option<PathBuf>)> {
    let [one, two] = ["one", "two"].map(|dir| home.join(dir).join(name));
    one.exists().then_some((one, Some(two)))
}

fn of_metadata(home: &Path, end: &str, at: isize) -> Option<(PathBuf, Option<PathBuf>)> {
    let files = ending(&home.join("one").join(METADATA), end);
    let at = if at < 0 { files.len().checked_sub(at.unsigned_abs())? } else { at.unsigned_abs() };
    Some((files.get(at)?.clone(), None))
}

const fn file(name: &'static str, rule: Rule, find: Find) -> File {
    File { name, find, rule }
}

/// Files in the directories of partitions that can be made anew.
pub const OF_PARTITIONS: [File; 9] = [
    file("closed index", Rule::Derived, |home| of_partition(home, ("plain", 0), ".index", 1)),
    file("active index", Rule::Derived, |home| of_partition(home, ("plain", 0), ".index", -1)),
    file("closed timeindex", Rule::Derived, |home| of_partition(home, ("plain", 0), ".timeindex", 1)),
    file("active timeindex", Rule::Derived, |home| of_partition(home, ("plain", 0), ".timeindex", -1)),
    file("txnindex", Rule::Derived, |home| of_partition(home, ("txn", 0), ".txnindex", 0)),
    file("snapshot", Rule::Derived, |home| of_partition(home, ("plain", 0), ".snapshot", -1)),
    file("older snapshot", Rule::Derived, |home| of_partition(home, ("plain", 0), ".snapshot", -2)),
    file("epochs", Rule::Derived, |home| of_partition(home, ("plain", 0), "leader-epoch-checkpoint", 0)),
    file("partition.metadata", Rule::Derived, |home| of_partition(home, ("txn", 0), "partition.metadata", 0)),
];
/// Logs.
pub const OF_LOGS: [File; 4] = [
    file("closed log", Rule::Log("plain", 0), |home| of_partition(home, ("plain", 0), ".log", 1)),
    file("active log", Rule::Log("plain", 0), |home| of_partition(home, ("plain", 0), ".log", -1)),
    file("closed log of transactions", Rule::Log("txn", 0), |home| of_partition(home, ("txn", 0), ".log", 1)),
    file("only log", Rule::Log("calm", 0), |home| of_partition(home, ("calm", 0), ".log", 0)),
];
/// Files of a log directory.
pub const OF_DIRECTORIES: [File; 6] = [
    file("recovery points", Rule::RecoveryPoints, |home| {
        of_directory(home, "recovery-point-offset-checkpoint")
    }),
    file("high watermarks", Rule::Derived, |home| of_directory(home, "replication-offset-checkpoint")),
    file("log starts", Rule::LogStarts, |home| {
        let dir = partition_dir(home, ("plain", 1));
        let file = dir.parent()?.join("log-start-offset-checkpoint");
        Some((file, None))
    }),
    file("cleaned", Rule::Derived, |home| {
        let dir = partition_dir(home, ("compacted", 0));
        Some((dir.parent()?.join("cleaner-offset-checkpoint"), None))
    }),
    file("clean stop", Rule::Derived, |home| of_directory(home, ".kafka_cleanshutdown")),
    file(META_PROPERTIES, Rule::Vital, |home| of_directory(home, META_PROPERTIES)),
];
/// The journal of a log directory.
pub const OF_JOURNALS: [File; 1] =
    [file("journal", Rule::Derived, |home| of_directory(home, ".barnabas-journal"))];
/// Files of the metadata log, and those of topics that were deleted.
pub const OF_METADATA: [File; 5] = [
    file("metadata log", Rule::Vital, |home| of_metadata(home, ".log", -1)),
    file("metadata snapshot", Rule::Vital, |home| of_metadata(home, ".checkpoint", -1)),
    file("quorum-state", Rule::Vital, |home| of_metadata(home, "quorum-state", 0)),
    file("metadata recovery point", Rule::Vital, |home| {
        of_metadata(home, "recovery-point-offset-checkpoint", 0)
    }),
    file("trash", Rule::Unneeded, |home| {
        let dirs = ["one", "two"].map(|dir| home.join(dir));
        let strays = dirs.iter().flat_map(|dir| ending(dir, "-stray")).map(|dir| dir.join("topic.trash"));
        strays.into_iter().next().map(|file| (file, None))
    }),
];
