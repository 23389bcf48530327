//! OffsetFetch (`OffsetMetadataManager.fetchOffsets`, `fetchAllOffsets`).

use std::collections::BTreeSet;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::table::{Offset, Topics};
use crate::group::request::{Ask, OffsetFetch, Reply};
use crate::group::{Code, Group, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::offset_fetch::{FetchGroup, FetchTopic, FetchedGroup, FetchedPartition, FetchedTopic};

/// In place of an offset that nobody committed.
const NO_OFFSET: i64 = -1;

/// The topics and partitions whose offsets an open transaction may change.
type Unstable = BTreeSet<(StrBytes, i32)>;

impl Groups {
    pub(in crate::group) fn offset_fetch(
        &mut self,
        _: Moment,
        token: Token,
        ask: Ask<OffsetFetch>,
    ) -> Outcome {
        let wanted = ask.body.group;
        let (topics, error_code) = match self.validate_fetch(&wanted) {
            Ok(()) => (self.fetched(&wanted, ask.body.require_stable), 0),
            Err(code) => (Vec::new(), code.code()),
        };
        let fetched = FetchedGroup { group_id: wanted.group_id, topics, error_code };
        Decision::answer(token, Reply::OffsetFetch(fetched), vec![])
    }

    /// A group that is not there has no offsets, which is no error.
    fn validate_fetch(&self, wanted: &FetchGroup) -> Result<(), Code> {
        let (member, epoch) = (wanted.member_id.as_deref(), wanted.member_epoch);
        match self.groups.get(&*wanted.group_id) {
            Some(Group::Classic(group)) => group.validate_offset_fetch(member, epoch),
            Some(Group::Consumer(group)) => group.validate_offset_fetch(member, epoch),
            None => Ok(()),
        }
    }

    fn fetched(&self, wanted: &FetchGroup, require_stable: bool) -> Vec<FetchedTopic> {
        let unstable = if require_stable { self.unstable(&wanted.group_id) } else { Unstable::new() };
        let offsets = self.offsets.committed.group(&wanted.group_id);
        match (&wanted.topics, offsets) {
            (Some(topics), offsets) => topics.iter().map(|topic| some(topic, offsets, &unstable)).collect(),
            (None, Some(offsets)) => all(offsets, &unstable),
            (None, None) => Vec::new(),
        }
    }

    fn unstable(&self, group: &str) -> Unstable {
        let group = group.into();
        let pending = self.offsets.pending.of_group(&group);
        pending.map(|(topic, partition)| (text(topic), partition)).collect()
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn some(wanted: &FetchTopic, offsets: Option<&Topics>, unstable: &Unstable) -> FetchedTopic {
    let offsets = offsets.and_then(|topics| topics.get(&*wanted.name));
    let is_of_topic = |offset: &&Offset| {
        wanted.topic_id.is_nil() || offset.topic_id.is_nil() || wanted.topic_id == offset.topic_id
    };
    let partition = |index: &i32| {
        // The offset of an earlier topic of the same name is none.
        let offset = offsets.and_then(|partitions| partitions.get(*index)).filter(is_of_topic);
        fetched(*index, offset, unstable.contains(&(wanted.name.clone(), *index)))
    };
    let partitions = wanted.partition_indexes.iter().map(partition).collect();
    FetchedTopic { name: wanted.name.clone(), topic_id: wanted.topic_id, partitions }
}

fn all(offsets: &Topics, unstable: &Unstable) -> Vec<FetchedTopic> {
    let topic = |(name, partitions): (&std::sync::Arc<str>, &super::table::Partitions)| {
        let name = text(name);
        let partition =
            |(index, offset)| fetched(index, Some(offset), unstable.contains(&(name.clone(), index)));
        let partitions = partitions.iter().map(partition).collect();
        FetchedTopic { name: name.clone(), topic_id: Uuid::nil(), partitions }
    };
    offsets.iter().map(topic).collect()
}

fn fetched(partition_index: i32, offset: Option<&Offset>, is_unstable: bool) -> FetchedPartition {
    let none = FetchedPartition {
        partition_index,
        committed_offset: NO_OFFSET,
        committed_leader_epoch: -1,
        metadata: StrBytes::default(),
        error_code: 0,
    };
    match offset {
        _ if is_unstable => FetchedPartition { error_code: Code::UnstableOffsetCommit.code(), ..none },
        None => none,
        Some(offset) => FetchedPartition {
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            metadata: text(offset.metadata()),
            ..none
        },
    }
}
