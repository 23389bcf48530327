//! What OffsetCommit and TxnOffsetCommit share: offsets of partitions that do not exist are refused before a coordinator
//! hears of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::error::Code;
use crate::base::id::TopicId;
use crate::meta::{Image, Topic};
use crate::wire::offset_commit::{CommitTopic, CommittedTopic};

/// What exists, with names and ids both, and answers for the rest.
pub(super) fn split(
    image: &Image,
    by_id: bool,
    topics: Vec<CommitTopic>,
) -> (Vec<CommitTopic>, Vec<CommittedTopic>) {
    let mut known = Vec::new();
    let mut answers = Vec::new();
    for topic in topics {
        sort(image, by_id, topic, &mut known, &mut answers);
    }
    (known, answers)
}

fn sort(
    image: &Image,
    by_id: bool,
    mut topic: CommitTopic,
    known: &mut Vec<CommitTopic>,
    answers: &mut Vec<CommittedTopic>,
) {
    let Some(found) = find(image, by_id, &topic) else {
        let code = if by_id { Code::UnknownTopicId } else { Code::UnknownTopicOrPartition };
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

fn find<'a>(image: &'a Image, by_id: bool, topic: &CommitTopic) -> Option<&'a Arc<Topic>> {
    if by_id { image.topics.by_id(TopicId(topic.topic_id)) } else { image.topics.by_name(&topic.name) }
}

/// An answer with this code for each partition.
pub(super) fn refused(topic: &CommitTopic, code: Code) -> CommittedTopic {
    let partitions = topic.partitions.iter().map(|p| (p.partition_index, code.code())).collect();
    CommittedTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

/// Adds answers; each topic stands once.
pub(super) fn merge(answers: &mut Vec<CommittedTopic>, more: Vec<CommittedTopic>) {
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
