//! DescribeLogDirs, versions 1 to 4 (`ReplicaManager.describeLogDirs`).
//!
//! 3     top-level error.
//! 4     total and usable bytes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use crate::base::id::DirectoryId;
use crate::partition::{Directory, Replica};

type Asked = Option<HashMap<String, HashSet<i32>>>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeLogDirsRequest>,
) -> DescribeLogDirsResponse {
    let asked: Asked = request.body.topics.map(|topics| {
        let mut asked: HashMap<String, HashSet<i32>> = HashMap::new();
        for topic in topics {
            asked.entry(topic.topic.to_string()).or_default().extend(topic.partitions);
        }
        asked
    });
    let mut by_directory: HashMap<DirectoryId, Vec<Arc<Replica>>> = HashMap::new();
    for replica in context.partitions.all() {
        let name = replica.name();
        let is_asked = asked
            .as_ref()
            .is_none_or(|asked| asked.get(&*name.topic).is_some_and(|only| only.contains(&name.partition)));
        if is_asked {
            by_directory.entry(replica.directory().log_directory().id()).or_default().push(replica);
        }
    }
    let describe = |directory: &Arc<Directory>| {
        let here = by_directory.remove(&directory.log_directory().id()).unwrap_or_default();
        described(directory, &here, request.header.api_version)
    };
    DescribeLogDirsResponse::default()
        .with_results(context.partitions.directories().iter().map(describe).collect())
}

fn described(directory: &Directory, here: &[Arc<Replica>], version: i16) -> DescribeLogDirsResult {
    let log_directory = directory.log_directory();
    let path = std::path::absolute(log_directory.path()).unwrap_or_else(|_| log_directory.path().to_owned());
    let mut out = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(path.display().to_string()))
        .with_total_bytes(-1)
        .with_usable_bytes(-1);
    if version < 4 {
        out = DescribeLogDirsResult::default().with_log_dir(out.log_dir);
    }
    if log_directory.is_offline() {
        out.error_code = Code::KafkaStorageError.code();
        return out;
    }
    if version >= 4
        && let Ok(space) = log_directory.space()
    {
        out.total_bytes = i64::try_from(space.total).unwrap_or(i64::MAX);
        out.usable_bytes = i64::try_from(space.usable).unwrap_or(i64::MAX);
    }
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in here {
        let partition = DescribeLogDirsPartition::default()
            .with_partition_index(replica.name().partition)
            .with_partition_size(i64::try_from(replica.size_bytes()).unwrap_or(i64::MAX))
            .with_offset_lag(replica.offset_lag());
        topics.entry(replica.name().topic.clone()).or_default().push(partition);
    }
    let topic = |(name, mut partitions): (Arc<str>, Vec<DescribeLogDirsPartition>)| {
        partitions.sort_by_key(|p| p.partition_index);
        DescribeLogDirsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_string())))
            .with_partitions(partitions)
    };
    out.topics = topics.into_iter().map(topic).collect();
    out
}
