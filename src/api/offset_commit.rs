//! OffsetCommit, versions 2 to 10 (`KafkaApis.handleOffsetCommitRequest`).
//!
//! 7     static members.
//! 9     members of consumer groups.
//! 10    topic ids.
//!
//! The answer comes when the offsets are committed to disk. Offsets of partitions that do not exist are refused here;
//! the coordinator hears of the others only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;
use crate::base::id::TopicId;
use crate::meta::{Image, Topic};
use crate::wire::offset_commit::{CommitTopic, CommittedTopic, OffsetCommitRequest, OffsetCommitResponse};

/// The first version that names topics by id.
const TOPIC_IDS: i16 = 10;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<OffsetCommitRequest>,
) -> OffsetCommitResponse {
    let image = context.quorum.image();
    let version = request.version();
    let mut known = Vec::new();
    let mut answers = Vec::new();
    for topic in std::mem::take(&mut request.body.topics) {
        sort(&image, version, topic, &mut known, &mut answers);
    }
    if !known.is_empty() {
        request.body.topics = known;
        let asked = groups::ask(&context, &request);
        match context.groups.ask(&request.body.group_id, asked).await {
            Ok(response) => merge(&mut answers, response.topics),
            Err(unavailable) => {
                let code = groups::code(unavailable);
                let failed = request.body.topics.iter().map(|topic| refused(topic, code)).collect();
                merge(&mut answers, failed);
            }
        }
    }
    OffsetCommitResponse { topics: answers }
}

/// Adds what of `topic` exists to `known`, and answers for the rest.
fn sort(
    image: &Image,
    version: i16,
    mut topic: CommitTopic,
    known: &mut Vec<CommitTopic>,
    answers: &mut Vec<CommittedTopic>,
) {
    let Some(found) = find(image, version, &topic) else {
        let code = if version >= TOPIC_IDS { Code::UnknownTopicId } else { Code::UnknownTopicOrPartition };
        answers.push(refused(&topic, code));
        return;
    };
    topic.name = StrBytes::from_string(found.name.to_string());
    topic.topic_id = found.id.0;
    let (here, missing) =
        topic.partitions.drain(..).partition(|p| found.partition(p.partition_index).is_some());
    let topic_with =
        |partitions| CommitTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions };
    let (here, missing): (CommitTopic, CommitTopic) = (topic_with(here), topic_with(missing));
    if !missing.partitions.is_empty() {
        merge(answers, vec![refused(&missing, Code::UnknownTopicOrPartition)]);
    }
    if !here.partitions.is_empty() {
        known.push(here);
    }
}

fn find<'a>(image: &'a Image, version: i16, topic: &CommitTopic) -> Option<&'a Arc<Topic>> {
    if version >= TOPIC_IDS {
        image.topics.by_id(TopicId(topic.topic_id))
    } else {
        image.topics.by_name(&topic.name)
    }
}

fn refused(topic: &CommitTopic, code: Code) -> CommittedTopic {
    let partitions = topic.partitions.iter().map(|p| (p.partition_index, code.code())).collect();
    CommittedTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

/// Adds answers; each topic stands once.
fn merge(answers: &mut Vec<CommittedTopic>, more: Vec<CommittedTopic>) {
    let key = |topic: &CommittedTopic| (topic.name.clone(), topic.topic_id);
    let mut places: HashMap<_, _> = answers.iter().enumerate().map(|(at, topic)| (key(topic), at)).collect();
    for topic in more {
        match places.entry(key(&topic)) {
            Entry::Occupied(place) => answers[*place.get()].partitions.extend(topic.partitions),
            Entry::Vacant(place) => {
                place.insert(answers.len());
                answers.push(topic);
            }
        }
    }
}
