//! DescribeLogDirs, versions 1 to 5 (`ReplicaManager.describeLogDirs`).
//!
//! 3     top-level error.
//! 4     total and usable bytes.
//! 5     whether a directory is cordoned.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use crate::partition::Directory;
use crate::wire::describe_log_dirs::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, LogDir, LogDirPartition,
};

/// By name.
type Topics = BTreeMap<Arc<str>, Vec<LogDirPartition>>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeLogDirsRequest>,
) -> DescribeLogDirsResponse {
    let asked: Option<HashMap<String, HashSet<i32>>> = request.body.topics.map(|topics| {
        let mut asked: HashMap<String, HashSet<i32>> = HashMap::new();
        for (topic, partitions) in topics {
            asked.entry(topic.to_string()).or_default().extend(partitions);
        }
        asked
    });
    let directories = context.partitions.directories();
    let mut by_directory: Vec<Topics> = directories.iter().map(|_| Topics::new()).collect();
    let mut put = |directory: &Arc<Directory>, topic: &Arc<str>, partition| {
        if let Some(at) = directories.iter().position(|known| Arc::ptr_eq(known, directory)) {
            by_directory[at].entry(topic.clone()).or_default().push(partition);
        }
    };
    for replica in context.partitions.all() {
        let name = replica.name();
        let is_asked = asked
            .as_ref()
            .is_none_or(|asked| asked.get(&*name.topic).is_some_and(|only| only.contains(&name.partition)));
        if !is_asked {
            continue;
        }
        let told = |size_bytes: u64, offset_lag: i64, is_future: bool| LogDirPartition {
            index: name.partition,
            size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX),
            offset_lag,
            is_future,
        };
        put(&replica.directory(), &name.topic, told(replica.size_bytes(), replica.offset_lag(), false));
        if let Some(future) = replica.future() {
            put(&future.directory, &name.topic, told(future.size_bytes, future.offset_lag, true));
        }
    }
    let results =
        directories.iter().zip(by_directory).map(|(directory, topics)| described(directory, topics));
    DescribeLogDirsResponse { error_code: 0, results: results.collect() }
}

fn described(directory: &Directory, topics: Topics) -> LogDir {
    let log_directory = directory.log_directory();
    let path = StrBytes::from_string(log_directory.absolute_path().display().to_string());
    let unknown = LogDir { path, total_bytes: -1, usable_bytes: -1, ..LogDir::default() };
    let space = log_directory.ensure_online().and_then(|()| log_directory.space());
    let Ok(space) = space else {
        return LogDir { error_code: Code::KafkaStorageError.code(), ..unknown };
    };
    let topic = |(name, mut partitions): (Arc<str>, Vec<LogDirPartition>)| {
        partitions.sort_by_key(|partition| partition.index);
        (StrBytes::from_string(name.to_string()), partitions)
    };
    LogDir {
        topics: topics.into_iter().map(topic).collect(),
        total_bytes: i64::try_from(space.total).unwrap_or(i64::MAX),
        usable_bytes: i64::try_from(space.usable).unwrap_or(i64::MAX),
        is_cordoned: directory.is_cordoned(),
        ..unknown
    }
}
