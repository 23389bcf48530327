//! OffsetCommit (`OffsetMetadataManager.commitOffset`).

use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::group::request::{Ask, Reply};
use crate::group::{Code, DECISION_BYTES_MAX, Group, Groups, OFFSET_RECORD_BYTES, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::{OffsetCommitValue, Record};
use crate::wire::offset_commit::{
    CommitPartition, CommitTopic, CommittedTopic, OffsetCommitRequest, OffsetCommitResponse,
};

/// From this version on a group that is not there is called so.
const VERSION_GROUP_NOT_FOUND: i16 = 9;
/// `retention.ms` of a request that leaves it to the broker.
const DEFAULT_RETENTION: i64 = -1;

impl Groups {
    pub(in crate::group) fn offset_commit(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<OffsetCommitRequest>,
    ) -> Outcome {
        let request = &ask.body;
        let is_valid = fits(&request.group_id, &request.topics);
        if let Err(code) = is_valid.and_then(|()| self.validate_commit(request, ask.version)) {
            let refused = |topic: &CommitTopic| committed(topic, |_| code.code());
            let response = OffsetCommitResponse { topics: request.topics.iter().map(refused).collect() };
            return Decision::answer(token, Reply::OffsetCommit(response), vec![]);
        }
        // A commit keeps the session of a classic member; those of consumer groups have to heartbeat.
        if let Some(Group::Classic(_)) = self.groups.get(&*request.group_id) {
            self.classic_member_seen(at, &request.group_id, &request.member_id);
        }
        let group = self.name_of(&request.group_id);
        let mut records = Vec::new();
        let mut commit = |topic: &CommitTopic| {
            let name: Arc<str> = Arc::from(&*topic.name);
            committed(topic, |partition| {
                if self.is_too_large(partition.committed_metadata.as_ref()) {
                    return Code::OffsetMetadataTooLarge.code();
                }
                records.push(Record::OffsetCommit {
                    group: group.clone(),
                    topic: name.clone(),
                    partition: partition.partition_index,
                    value: Some(value(at.now_ms, request, topic, partition)),
                });
                0
            })
        };
        let response = OffsetCommitResponse { topics: request.topics.iter().map(&mut commit).collect() };
        Decision::answer(token, Reply::OffsetCommit(response), records)
    }

    /// `OffsetMetadataManager.validateOffsetCommit`. A commit from outside of all groups makes a group for itself.
    fn validate_commit(&self, request: &OffsetCommitRequest, version: i16) -> Result<(), Code> {
        let (member, epoch) = (&*request.member_id, request.generation_id_or_member_epoch);
        let instance = request.group_instance_id.as_deref();
        match self.groups.get(&*request.group_id) {
            Some(Group::Classic(group)) => group.validate_offset_commit(member, instance, epoch, false),
            Some(Group::Consumer(group)) => {
                group.validate_offset_commit(member, instance, epoch, false, version)?;
                // One partition that the member must not commit refuses all, as in Kafka.
                request.topics.iter().try_for_each(|topic| {
                    let id = self.image.topics.by_name(&topic.name).map(|topic| topic.id.0);
                    let mut partitions = topic.partitions.iter().map(|partition| partition.partition_index);
                    partitions.try_for_each(|index| group.validate_partition_commit(member, epoch, id, index))
                })
            }
            None if self.is_other(&request.group_id) => Err(Code::GroupIdNotFound),
            None if epoch < 0 => Ok(()),
            None if version >= VERSION_GROUP_NOT_FOUND => Err(Code::GroupIdNotFound),
            None => Err(Code::IllegalGeneration),
        }
    }

    /// The copy of a group's id that is kept anyway.
    pub(super) fn name_of(&self, group: &str) -> Arc<str> {
        self.groups.get_key_value(group).map_or_else(|| Arc::from(group), |(name, _)| name.clone())
    }

    /// Kafka counts UTF-16 units, of which UTF-8 never has fewer bytes.
    pub(super) fn is_too_large(&self, metadata: Option<&StrBytes>) -> bool {
        let max = self.settings.offset_metadata_bytes_max;
        metadata.is_some_and(|text| text.len() > max && text.encode_utf16().count() > max)
    }
}

/// Whether the log takes it: each offset repeats the names of group and topic.
pub(super) fn fits(group: &str, topics: &[CommitTopic]) -> Result<(), Code> {
    let of_topic = |topic: &CommitTopic| {
        let names = group.len() + topic.name.len() + OFFSET_RECORD_BYTES;
        let metadata = topic.partitions.iter().filter_map(|p| p.committed_metadata.as_ref());
        topic.partitions.len().saturating_mul(names).saturating_add(metadata.map(|text| text.len()).sum())
    };
    let bytes = topics.iter().map(of_topic).fold(0, usize::saturating_add);
    if bytes <= DECISION_BYTES_MAX { Ok(()) } else { Err(Code::UnknownServerError) }
}

pub(super) fn committed(topic: &CommitTopic, code: impl FnMut(&CommitPartition) -> i16) -> CommittedTopic {
    let mut code = code;
    let partitions = topic.partitions.iter().map(|p| (p.partition_index, code(p))).collect();
    CommittedTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

fn value(
    now_ms: i64,
    request: &OffsetCommitRequest,
    topic: &CommitTopic,
    partition: &CommitPartition,
) -> OffsetCommitValue {
    let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
    let value = OffsetCommitValue {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: Arc::from(metadata),
        commit_timestamp: now_ms,
        expire_timestamp: -1,
        topic_id: topic.topic_id,
    };
    if request.retention_time_ms == DEFAULT_RETENTION {
        return value;
    }
    // The one version of the record that has a time of expiry has neither an epoch nor an id.
    let expire_timestamp = now_ms.saturating_add(request.retention_time_ms);
    OffsetCommitValue { expire_timestamp, leader_epoch: -1, topic_id: Uuid::nil(), ..value }
}
