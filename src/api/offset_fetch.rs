//! OffsetFetch, versions 1 to 10 (`KafkaApis.handleOffsetFetchRequest`).
//!
//! 2     all offsets of a group; errors of the group as a whole.
//! 7     only offsets that no open transaction may change.
//! 8     several groups.
//! 9     members of consumer groups.
//! 10    topic ids.
//!
//! What nobody committed is no error: it is offset -1.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::groups;
use crate::base::id::TopicId;
use crate::coordinator::Unavailable;
use crate::group::OffsetFetch;
use crate::meta::Image;
use crate::wire::offset_fetch::{
    FetchGroup, FetchTopic, FetchedGroup, FetchedPartition, FetchedTopic, OffsetFetchRequest,
    OffsetFetchResponse,
};

/// The first version with errors of a whole group.
const GROUP_ERRORS: i16 = 2;
/// The first version that names topics by id.
const TOPIC_IDS: i16 = 10;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<OffsetFetchRequest>,
) -> OffsetFetchResponse {
    let mut answers = Vec::new();
    // All offsets of a group are told once, however often they are asked for.
    let mut whole = HashSet::new();
    for group in std::mem::take(&mut request.body.groups) {
        if group.topics.is_none() && !whole.insert(group.group_id.clone()) {
            continue;
        }
        answers.push(fetch(&context, &request, group).await);
    }
    OffsetFetchResponse { groups: answers }
}

async fn fetch(
    context: &Arc<Context>,
    request: &Request<OffsetFetchRequest>,
    mut group: FetchGroup,
) -> FetchedGroup {
    let version = request.version();
    let image = context.quorum.image();
    let mut unknown = Vec::new();
    if version >= TOPIC_IDS
        && let Some(topics) = &mut group.topics
    {
        name_topics(&image, topics);
        unknown = topics.extract_if(.., |topic| topic.name.is_empty()).collect();
    }
    let id = group.group_id.clone();
    let body = OffsetFetch { group: group.clone(), require_stable: request.body.require_stable };
    let mut fetched = match context.groups.ask(&id, groups::ask_with(context, request, body)).await {
        Ok(fetched) if fetched.error_code == NONE => fetched,
        Ok(fetched) => return failed(group, fetched.error_code, version),
        Err(unavailable) => return failed(group, code(unavailable).code(), version),
    };
    if version >= TOPIC_IDS {
        // A topic that is gone has no id by which it could be told.
        fetched.topics.retain_mut(|topic| {
            topic.topic_id = image.topics.by_name(&topic.name).map_or(topic.topic_id, |found| found.id.0);
            !topic.topic_id.is_nil()
        });
    }
    fetched.topics.extend(unknown.iter().map(|topic| refused(topic, Code::UnknownTopicId.code())));
    fetched
}

fn name_topics(image: &Image, topics: &mut [FetchTopic]) {
    for topic in topics {
        let found = image.topics.by_id(TopicId(topic.topic_id));
        topic.name = found.map(|t| StrBytes::from_string(t.name.to_string())).unwrap_or_default();
    }
}

/// Consumers before 3.9 do not know COORDINATOR_NOT_AVAILABLE here.
fn code(unavailable: Unavailable) -> Code {
    match unavailable {
        Unavailable::NotAvailable => Code::NotCoordinator,
        Unavailable::NotCoordinator | Unavailable::LoadInProgress | Unavailable::Refused(_) => {
            groups::code(unavailable)
        }
    }
}

/// The whole group failed; version 1 has no place for that but the partitions.
fn failed(group: FetchGroup, code: i16, version: i16) -> FetchedGroup {
    if version >= GROUP_ERRORS {
        return FetchedGroup { group_id: group.group_id, topics: Vec::new(), error_code: code };
    }
    let topics = group.topics.unwrap_or_default();
    let topics = topics.iter().map(|topic| refused(topic, code)).collect();
    FetchedGroup { group_id: group.group_id, topics, error_code: NONE }
}

fn refused(topic: &FetchTopic, code: i16) -> FetchedTopic {
    let partition = |index: &i32| FetchedPartition {
        partition_index: *index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: StrBytes::default(),
        error_code: code,
    };
    FetchedTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
    }
}
