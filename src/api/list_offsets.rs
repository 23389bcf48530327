//! ListOffsets, versions 1 to 11 (`KafkaApis.handleListOffsetRequest`, `ReplicaManager.fetchOffset`).
//!
//! 2     isolation level.
//! 4     leader epochs.
//! 7     -3, the record with the largest timestamp.
//! 8     -4, earliest local offset: the log start offset, as nothing is tiered.
//! 9     -5, latest tiered offset: -1, as nothing is tiered.
//! 10    a timeout for remote look-ups, which there are none of.
//! 11    -6, earliest offset that waits for its upload: -1 likewise.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::resolve;
use crate::log::TimestampOffset;
use crate::partition::{Isolation, Replica, Target};
use crate::wire::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};

const NOTHING: TimestampOffset = TimestampOffset { timestamp: -1, offset: -1, leader_epoch: -1 };

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ListOffsetsRequest>,
) -> ListOffsetsResponse {
    let version = request.version();
    let ListOffsetsRequest(body) = request.body;
    let isolation =
        if body.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            let key = (topic.name.clone(), partition.partition_index);
            if !seen.insert(key.clone()) {
                twice.insert(key);
            }
        }
    }
    let mut topics = Vec::with_capacity(body.topics.len());
    for topic in body.topics {
        let mut out = ListOffsetsTopicResponse::default().with_name(topic.name.clone());
        for partition in topic.partitions {
            let result = if twice.contains(&(topic.name.clone(), partition.partition_index)) {
                Err(Code::InvalidRequest)
            } else {
                // What no version of the request can mean is refused wherever it is asked, as Kafka does.
                meaning(partition.timestamp, version).and_then(|meaning| {
                    resolve::replica_by_name(&context, &topic.name, partition.partition_index)
                        .and_then(|replica| find(&replica, &partition, meaning, isolation))
                })
            };
            out.partitions.push(answer(&partition, version, result));
        }
        topics.push(out);
    }
    ListOffsetsResponse(kafka_protocol::messages::ListOffsetsResponse::default().with_topics(topics))
}

/// What a timestamp asks for; none if it can only be answered with "nothing".
fn meaning(timestamp: i64, version: i16) -> Result<Option<Target>, Code> {
    match timestamp {
        LATEST => Ok(Some(Target::Latest)),
        EARLIEST => Ok(Some(Target::Earliest)),
        MAX_TIMESTAMP if version >= 7 => Ok(Some(Target::MaxTimestamp)),
        EARLIEST_LOCAL if version >= 8 => Ok(Some(Target::Earliest)),
        LATEST_TIERED if version >= 9 => Ok(None),
        EARLIEST_PENDING_UPLOAD if version >= 11 => Ok(None),
        timestamp if timestamp < 0 => Err(Code::UnsupportedVersion),
        timestamp => Ok(Some(Target::Timestamp(timestamp))),
    }
}

fn find(
    replica: &Replica,
    asked: &ListOffsetsPartition,
    target: Option<Target>,
    isolation: Isolation,
) -> Result<TimestampOffset, Code> {
    let Some(target) = target else { return Ok(NOTHING) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_timestamp_is_refused_before_the_version_that_brought_it() {
        for (timestamp, first) in
            [(LATEST, 1), (EARLIEST, 1), (MAX_TIMESTAMP, 7), (EARLIEST_LOCAL, 8), (-5, 9), (-6, 11)]
        {
            for version in 1..=11 {
                assert_eq!(meaning(timestamp, version).is_ok(), version >= first, "{timestamp} in {version}");
            }
        }
        assert_eq!(meaning(-7, 11).err(), Some(Code::UnsupportedVersion));
    }
}
