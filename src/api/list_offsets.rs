//! ListOffsets, versions 1 to 10 (`KafkaApis.handleListOffsetRequest`, `ReplicaManager.fetchOffset`).
//!
//! 2     isolation level.
//! 4     leader epochs.
//! 7     -3, the record with the largest timestamp.
//! 8     -4, earliest local offset: the log start offset, as nothing is tiered.
//! 9     -5, latest tiered offset: -1, as nothing is tiered.
//! 10    a timeout for remote look-ups, which there are none of.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::resolve;
use crate::log::TimestampOffset;
use crate::partition::{Isolation, Replica, Target};

const NOTHING: TimestampOffset = TimestampOffset { timestamp: -1, offset: -1, leader_epoch: -1 };

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ListOffsetsRequest>,
) -> ListOffsetsResponse {
    let version = request.version();
    let isolation =
        if request.body.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &request.body.topics {
        for partition in &topic.partitions {
            let key = (topic.name.clone(), partition.partition_index);
            if !seen.insert(key.clone()) {
                twice.insert(key);
            }
        }
    }
    let mut response = ListOffsetsResponse::default();
    for topic in request.body.topics {
        let mut out = ListOffsetsTopicResponse::default().with_name(topic.name.clone());
        for partition in topic.partitions {
            let result = if twice.contains(&(topic.name.clone(), partition.partition_index)) {
                Err(Code::InvalidRequest)
            } else {
                resolve::replica_by_name(&context, &topic.name, partition.partition_index)
                    .and_then(|replica| find(&replica, &partition, version, isolation))
            };
            out.partitions.push(answer(&partition, version, result));
        }
        response.topics.push(out);
    }
    response
}

fn find(
    replica: &Replica,
    asked: &ListOffsetsPartition,
    version: i16,
    isolation: Isolation,
) -> Result<TimestampOffset, Code> {
    let target = match asked.timestamp {
        LATEST => Target::Latest,
        EARLIEST => Target::Earliest,
        MAX_TIMESTAMP if version >= 7 => Target::MaxTimestamp,
        EARLIEST_LOCAL if version >= 8 => Target::Earliest,
        LATEST_TIERED if version >= 9 => return Ok(NOTHING),
        timestamp if timestamp < 0 => return Err(Code::UnsupportedVersion),
        timestamp => Target::Timestamp(timestamp),
    };
    let found =
        replica.offset_for(target, isolation, asked.current_leader_epoch).map_err(|e| Code::from(&e))?;
    Ok(found.unwrap_or(NOTHING))
}

fn answer(
    asked: &ListOffsetsPartition,
    version: i16,
    result: Result<TimestampOffset, Code>,
) -> ListOffsetsPartitionResponse {
    let (code, found) = match result {
        Ok(found) => (NONE, found),
        Err(code) => (code.code(), NOTHING),
    };
    let mut out = ListOffsetsPartitionResponse::default()
        .with_partition_index(asked.partition_index)
        .with_error_code(code)
        .with_timestamp(found.timestamp)
        .with_offset(found.offset);
    if version >= 4 {
        out.leader_epoch = found.leader_epoch;
    }
    out
}
