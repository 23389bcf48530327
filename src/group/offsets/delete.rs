//! OffsetDelete, and offsets that go with their group or topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequest, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::expire::TOMBSTONES_MAX;
use super::table::Offset;
use crate::base::id::TopicId;
use crate::group::request::{Ask, Reply};
use crate::group::timers::Timer;
use crate::group::{Code, DECISION_BYTES_MAX, Group, Groups, OFFSET_BYTES_MAX, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

/// What deletes one offset.
pub(super) fn tombstone(group: &Arc<str>, topic: &Arc<str>, partition: i32) -> Record {
    Record::OffsetCommit { group: group.clone(), topic: topic.clone(), partition, value: None }
}

impl Groups {
    /// `OffsetMetadataManager.deleteOffsets`.
    pub(in crate::group) fn offset_delete(
        &mut self,
        _: Moment,
        token: Token,
        ask: Ask<OffsetDeleteRequest>,
    ) -> Outcome {
        let (response, records) = match self.delete(&ask.body) {
            Ok(deleted) => deleted,
            Err(code) => (OffsetDeleteResponse::default().with_error_code(code.code()), vec![]),
        };
        Decision::answer(token, Reply::OffsetDelete(response), records)
    }

    fn delete(&self, request: &OffsetDeleteRequest) -> Result<(OffsetDeleteResponse, Vec<Record>), Code> {
        let (name, group) = self.groups.get_key_value(&**request.group_id).ok_or(Code::GroupIdNotFound)?;
        match group {
            Group::Classic(group) => group.validate_offset_delete()?,
            Group::Consumer(group) => group.validate_offset_delete()?,
        }
        let pending: BTreeSet<_> = self.offsets.pending.of_group(name).collect();
        let mut records = Vec::new();
        let mut deleted = BTreeSet::new();
        let mut delete = |topic: &OffsetDeleteRequestTopic| {
            let topic_name: Arc<str> = Arc::from(&**topic.name);
            let is_subscribed = group.is_subscribed_to(&topic_name);
            let partitions = topic.partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let is_there = self.offsets.committed.get(name, &topic_name, index).is_some()
                    || pending.contains(&(&topic_name, index));
                if is_there && !is_subscribed && deleted.insert((topic_name.clone(), index)) {
                    records.push(tombstone(name, &topic_name, index));
                }
                let code = if is_subscribed { Code::GroupSubscribedToTopic.code() } else { 0 };
                OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
        };
        let topics = request.topics.iter().map(&mut delete).collect();
        if records.len().saturating_mul(name.len() + OFFSET_BYTES_MAX) > DECISION_BYTES_MAX {
            return Err(Code::UnknownServerError);
        }
        Ok((OffsetDeleteResponse::default().with_topics(topics), records))
    }

    /// What deletes all offsets of `group` (`OffsetMetadataManager.deleteAllOffsets`).
    pub(in crate::group) fn delete_all_offsets(&self, group: &str) -> Vec<Record> {
        let group: Arc<str> = group.into();
        let committed = self.offsets.committed.group(&group).into_iter().flatten();
        let committed = committed
            .flat_map(|(topic, partitions)| partitions.iter().map(move |(partition, _)| (topic, partition)));
        let keys: BTreeSet<_> = committed.chain(self.offsets.pending.of_group(&group)).collect();
        keys.into_iter().map(|(topic, partition)| tombstone(&group, topic, partition)).collect()
    }

    /// What deletes the offsets of topics that are gone (`OffsetMetadataManager.onTopicsDeleted`). The image is the
    /// one without them. If there are many, the others follow with the timer.
    pub(in crate::group) fn delete_topic_offsets(&mut self, topics: &[Arc<str>]) -> Vec<Record> {
        self.offsets.deleted_topics.extend(topics.iter().cloned());
        let records = self.offsets_of_deleted_topics();
        if !self.offsets.deleted_topics.is_empty() {
            self.timers.arm(0, Timer::OffsetsExpiry);
        }
        records
    }

    /// The next of them, no more than a batch takes.
    pub(super) fn offsets_of_deleted_topics(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some(topic) = self.offsets.deleted_topics.first() {
            let keys = self.gone(topic);
            records.extend(keys.take(TOMBSTONES_MAX - records.len()));
            if records.len() == TOMBSTONES_MAX {
                break;
            }
            self.offsets.deleted_topics.pop_first();
        }
        records
    }

    /// A topic of the same name may have come since: what was committed for that one stays.
    fn gone<'a>(&'a self, topic: &'a Arc<str>) -> impl Iterator<Item = Record> + 'a {
        let is_gone = |offset: &Offset| {
            offset.topic_id.is_nil() || self.image.topics.by_id(TopicId(offset.topic_id)).is_none()
        };
        let committed = self.offsets.committed.groups().flat_map(move |(group, topics)| {
            let partitions = topics.get(topic).into_iter().flat_map(|partitions| partitions.iter());
            partitions.map(move |(partition, offset)| (group, partition, offset))
        });
        let pending = self.offsets.pending.iter().filter(move |(_, (_, name, _), _)| name == topic);
        let pending = pending.map(|(_, (group, _, partition), offset)| (group, *partition, offset));
        committed
            .chain(pending)
            .filter(move |(_, _, offset)| is_gone(offset))
            .map(|(group, partition, _)| tombstone(group, topic, partition))
    }
}
