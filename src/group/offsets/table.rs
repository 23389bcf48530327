//! Offsets by group, topic and partition, small in memory: a million of them are nothing unusual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::wire::group_records::OffsetCommitValue;

/// One offset as it was committed (`OffsetAndMetadata`).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offset {
    /// The next offset to consume.
    pub(super) offset: i64,
    /// When it was committed, in ms since 1970.
    pub(super) commit_ms: i64,
    /// Where its record is in the log: the later of two is true.
    pub(super) record_offset: i64,
    /// Epoch of the last record consumed, -1 if unknown.
    pub(super) leader_epoch: i32,
    /// The topic's id, zero if unknown.
    pub(super) topic_id: Uuid,
    rare: Option<Box<Rare>>,
}

/// What few offsets have.
#[derive(Clone, Debug, PartialEq)]
struct Rare {
    metadata: Arc<str>,
    expire_ms: i64,
}

impl Offset {
    pub(super) fn of(record_offset: i64, value: &OffsetCommitValue) -> Self {
        let is_plain = value.metadata.is_empty() && value.expire_timestamp == -1;
        let rare = Rare { metadata: value.metadata.clone(), expire_ms: value.expire_timestamp };
        Self {
            offset: value.offset,
            commit_ms: value.commit_timestamp,
            record_offset,
            leader_epoch: value.leader_epoch,
            topic_id: value.topic_id,
            rare: (!is_plain).then(|| Box::new(rare)),
        }
    }

    /// As its record says it.
    pub(super) fn value(&self) -> OffsetCommitValue {
        OffsetCommitValue {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.rare.as_ref().map_or_else(Arc::default, |rare| rare.metadata.clone()),
            commit_timestamp: self.commit_ms,
            expire_timestamp: self.expire_ms().unwrap_or(-1),
            topic_id: self.topic_id,
        }
    }

    /// What the client wants to keep.
    pub(super) fn metadata(&self) -> &str {
        self.rare.as_ref().map_or("", |rare| &rare.metadata)
    }

    /// When it expires whatever the group does, in ms since 1970, if it was committed with such a time.
    pub(super) fn expire_ms(&self) -> Option<i64> {
        self.rare.as_ref().map(|rare| rare.expire_ms).filter(|expire_ms| *expire_ms != -1)
    }
}

/// The offsets of one topic, by partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Partitions(Vec<(i32, Offset)>);

impl Partitions {
    fn find(&self, partition: i32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&partition, |(index, _)| *index)
    }

    pub(super) fn get(&self, partition: i32) -> Option<&Offset> {
        self.find(partition).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, &Offset)> {
        self.0.iter().map(|(partition, offset)| (*partition, offset))
    }

    fn put(&mut self, partition: i32, offset: Offset) {
        match self.find(partition) {
            Ok(at) => self.0[at].1 = offset,
            Err(at) => {
                if self.0.len() == self.0.capacity() {
                    // Doubling would leave half of the memory unused.
                    self.0.reserve_exact(1 + self.0.len() / 4);
                }
                self.0.insert(at, (partition, offset));
            }
        }
    }

    fn remove(&mut self, partition: i32) {
        if let Ok(at) = self.find(partition) {
            self.0.remove(at);
        }
    }
}

/// The offsets of one group, by topic.
pub(super) type Topics = BTreeMap<Arc<str>, Partitions>;

/// The offsets of all groups. No level of it is ever empty.
#[derive(Debug, Default)]
pub(super) struct Table {
    groups: BTreeMap<Arc<str>, Topics>,
    /// One copy of each topic's name, for all groups.
    names: BTreeSet<Arc<str>>,
}

impl Table {
    pub(super) fn group(&self, group: &str) -> Option<&Topics> {
        self.groups.get(group)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Topics)> {
        self.groups.iter()
    }

    /// Everything, by group, topic and partition.
    pub(super) fn iter(&self) -> impl Iterator<Item = ((&Arc<str>, &Arc<str>, i32), &Offset)> {
        self.groups.iter().flat_map(|(group, topics)| {
            topics.iter().flat_map(move |(topic, partitions)| {
                partitions.iter().map(move |(partition, offset)| ((group, topic, partition), offset))
            })
        })
    }

    pub(super) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Offset> {
        self.groups.get(group)?.get(topic)?.get(partition)
    }

    pub(super) fn put(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32, offset: Offset) {
        let topics = match self.groups.get_mut(group) {
            Some(topics) => topics,
            None => self.groups.entry(group.clone()).or_default(),
        };
        let partitions = match topics.get_mut(topic) {
            Some(partitions) => partitions,
            None => {
                let name = match self.names.get(topic) {
                    Some(name) => name.clone(),
                    None => {
                        self.names.insert(topic.clone());
                        topic.clone()
                    }
                };
                topics.entry(name).or_default()
            }
        };
        partitions.put(partition, offset);
    }

    pub(super) fn remove(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.groups.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        partitions.remove(partition);
        if !partitions.0.is_empty() {
            return;
        }
        topics.remove(topic);
        if topics.is_empty() {
            self.groups.remove(group);
        }
        if self.names.get(topic).is_some_and(|name| Arc::strong_count(name) == 1) {
            self.names.remove(topic);
        }
    }
}
