//! Topics and their partitions (`TopicsImage`, `PartitionRegistration`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::delta::ReplayError;
use super::map::Map;
use super::{NO_LEADER, directory};
use crate::base::id::{DirectoryId, TopicId};
use crate::wire::kraft::{PartitionChangeRecord, PartitionRecord, Record, TopicRecord};

/// Whether a leader still recovers from having been elected outside the ISR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaderRecoveryState {
    /// Elected from the ISR, or done recovering.
    Recovered,
    /// Elected uncleanly, and not done.
    Recovering,
}

impl LeaderRecoveryState {
    /// The number in records and requests.
    pub fn number(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }

    /// What a number in a record or request means.
    pub fn from_number(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }
}

/// One partition. Node ids are in the order of the records; `directories` is in that of `replicas`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Who has it, preferred leader first.
    pub replicas: Vec<i32>,
    /// In which log directory each of them has it.
    pub directories: Vec<DirectoryId>,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// Who a reassignment takes away.
    pub removing_replicas: Vec<i32>,
    /// Who a reassignment adds.
    pub adding_replicas: Vec<i32>,
    /// Who is outside the ISR and still has everything committed (KIP-966).
    pub elr: Vec<i32>,
    /// The last leader while there is none.
    pub last_known_elr: Vec<i32>,
    /// Who leads, [`NO_LEADER`] if nobody.
    pub leader: i32,
    /// Whether the leader was elected uncleanly.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Grows with every election.
    pub leader_epoch: i32,
    /// Grows with every change.
    pub partition_epoch: i32,
}

impl Partition {
    /// Reads a record that holds a whole partition.
    pub fn from_record(record: &PartitionRecord) -> Result<Self, ReplayError> {
        let bad = |what| ReplayError::BadPartition {
            topic_id: TopicId(record.topic_id),
            partition: record.partition_id,
            what,
        };
        let state = LeaderRecoveryState::from_number(record.leader_recovery_state);
        Ok(Self {
            replicas: record.replicas.clone(),
            directories: directories(&record.directories, record.replicas.len())
                .ok_or_else(|| bad("directories do not match replicas"))?,
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery_state: state.ok_or_else(|| bad("unknown leader recovery state"))?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        })
    }

    /// The record that holds the whole partition.
    pub fn to_record(&self, topic_id: TopicId, partition_id: i32) -> PartitionRecord {
        let unless_empty = |ids: &[i32]| (!ids.is_empty()).then(|| ids.to_vec());
        let migrating = self.directories.iter().all(|id| *id == directory::MIGRATING);
        PartitionRecord {
            partition_id,
            topic_id: topic_id.0,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: if migrating { vec![] } else { self.directories.iter().map(|id| id.0).collect() },
            leader_recovery_state: self.leader_recovery_state.number(),
            eligible_leader_replicas: unless_empty(&self.elr),
            last_known_elr: unless_empty(&self.last_known_elr),
        }
    }

    /// This partition after a change (`PartitionRegistration.merge`).
    pub fn merge(&self, record: &PartitionChangeRecord) -> Result<Self, ReplayError> {
        let bad = |what| ReplayError::BadPartition {
            topic_id: TopicId(record.topic_id),
            partition: record.partition_id,
            what,
        };
        let mut next = self.clone();
        let set = |field: &mut Vec<i32>, change: &Option<Vec<i32>>| {
            if let Some(change) = change {
                field.clone_from(change);
            }
        };
        set(&mut next.replicas, &record.replicas);
        set(&mut next.isr, &record.isr);
        set(&mut next.removing_replicas, &record.removing_replicas);
        set(&mut next.adding_replicas, &record.adding_replicas);
        set(&mut next.elr, &record.eligible_leader_replicas);
        set(&mut next.last_known_elr, &record.last_known_elr);
        let ids: Vec<_> = match &record.directories {
            Some(ids) => ids.clone(),
            None => self.directories.iter().map(|id| id.0).collect(),
        };
        next.directories =
            directories(&ids, next.replicas.len()).ok_or_else(|| bad("directories do not match replicas"))?;
        if record.leader != LEADER_STAYS {
            next.leader = record.leader;
            next.leader_epoch = self.leader_epoch.saturating_add(1);
        }
        if record.leader_recovery_state != RECOVERY_STATE_STAYS {
            next.leader_recovery_state = LeaderRecoveryState::from_number(record.leader_recovery_state)
                .ok_or_else(|| bad("unknown leader recovery state"))?;
        }
        next.partition_epoch = self.partition_epoch.saturating_add(1);
        Ok(next)
    }

    /// Whether somebody leads.
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// Who is to lead when everybody is in sync; [`NO_LEADER`] without replicas.
    pub fn preferred_leader(&self) -> i32 {
        self.replicas.first().copied().unwrap_or(NO_LEADER)
    }

    /// The log directory of `replica`, if it is one.
    pub fn directory_of(&self, replica: i32) -> Option<DirectoryId> {
        let at = self.replicas.iter().position(|id| *id == replica)?;
        self.directories.get(at).copied()
    }

    /// Whether replicas are being added or removed.
    pub fn is_reassigning(&self) -> bool {
        !self.removing_replicas.is_empty() || !self.adding_replicas.is_empty()
    }
}

/// The leader in a change that leaves it as it is (`LeaderConstants.NO_LEADER_CHANGE`).
pub const LEADER_STAYS: i32 = -2;
/// The recovery state in a change that leaves it as it is.
pub const RECOVERY_STATE_STAYS: i8 = -1;

/// One directory per replica; none if their numbers differ. No directory, or only migrating ones, fits any number
/// of replicas.
fn directories(ids: &[uuid::Uuid], replicas: usize) -> Option<Vec<DirectoryId>> {
    if ids.iter().all(|id| DirectoryId(*id) == directory::MIGRATING) {
        return Some(vec![directory::MIGRATING; replicas]);
    }
    (ids.len() == replicas).then(|| ids.iter().copied().map(DirectoryId).collect())
}

/// One topic.
#[derive(Clone, PartialEq, Debug)]
pub struct Topic {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions by index; without gaps once all of its records are replayed.
    pub partitions: Map<i32, Arc<Partition>>,
}

impl Topic {
    /// The partition at `index`.
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(&index)
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// All topics.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Topics {
    by_name: Map<Arc<str>, Arc<Topic>>,
    names: Map<TopicId, Arc<str>>,
}

impl Topics {
    /// The topic of that name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic with that id.
    pub fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_name.get(&**self.names.get(&id)?)
    }

    /// One partition.
    pub fn partition(&self, id: TopicId, index: i32) -> Option<&Arc<Partition>> {
        self.by_id(id)?.partition(index)
    }

    /// All topics by name; `by_name.iter_from` starts in the middle.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// The topics from `name` on, that one included.
    pub fn iter_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter_from(std::ops::Bound::Included(name)).map(|(_, topic)| topic)
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn add(&mut self, record: &TopicRecord) -> Result<(), ReplayError> {
        let id = TopicId(record.topic_id);
        if self.by_name.contains_key(&*record.name) || self.names.contains_key(&id) {
            return Err(ReplayError::DuplicateTopic { name: Arc::clone(&record.name), id });
        }
        let name = Arc::clone(&record.name);
        let topic = Topic { id, name: Arc::clone(&name), partitions: Map::default() };
        self.names.insert(id, Arc::clone(&name));
        self.by_name.insert(name, Arc::new(topic));
        Ok(())
    }

    pub(super) fn remove(&mut self, id: TopicId) -> Result<Arc<Topic>, ReplayError> {
        let name = self.names.remove(&id).ok_or(ReplayError::NoSuchTopic(id))?;
        Ok(self.by_name.remove(&*name).expect("every id has a name"))
    }

    fn topic_mut(&mut self, id: TopicId) -> Result<&mut Topic, ReplayError> {
        let name = self.names.get(&id).ok_or(ReplayError::NoSuchTopic(id))?;
        Ok(Arc::make_mut(self.by_name.get_mut(&**name).expect("every id has a name")))
    }

    pub(super) fn set_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let partition = Partition::from_record(record)?;
        let topic = self.topic_mut(TopicId(record.topic_id))?;
        topic.partitions.insert(record.partition_id, Arc::new(partition));
        Ok(())
    }

    pub(super) fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        let topic_id = TopicId(record.topic_id);
        let topic = self.topic_mut(topic_id)?;
        let partition = topic
            .partitions
            .get_mut(&record.partition_id)
            .ok_or(ReplayError::NoSuchPartition { topic_id, partition: record.partition_id })?;
        *partition = Arc::new(partition.merge(record)?);
        Ok(())
    }

    /// Empties the ELRs of the topic, or of all topics if `name` is empty; the partitions that had one
    /// (`ReplicationControlManager.replay(ClearElrRecord)`).
    pub(super) fn clear_elr(&mut self, name: &str) -> Result<Vec<(TopicId, i32)>, ReplayError> {
        let mut found = Vec::new();
        if name.is_empty() {
            found.extend(self.iter().cloned());
        } else {
            let topic = self.by_name(name).ok_or_else(|| ReplayError::NoSuchTopicName(name.into()))?;
            found.push(Arc::clone(topic));
        }
        let mut cleared = Vec::new();
        for topic in found {
            for (index, partition) in topic.partitions.iter() {
                if partition.elr.is_empty() && partition.last_known_elr.is_empty() {
                    continue;
                }
                self.change_partition(&PartitionChangeRecord {
                    topic_id: topic.id.0,
                    partition_id: *index,
                    eligible_leader_replicas: Some(vec![]),
                    last_known_elr: Some(vec![]),
                    ..PartitionChangeRecord::default()
                })?;
                cleared.push((topic.id, *index));
            }
        }
        Ok(cleared)
    }

    pub(super) fn write(&self, records: &mut Vec<Record>) {
        for topic in self.iter() {
            records.push(TopicRecord { name: Arc::clone(&topic.name), topic_id: topic.id.0 }.into());
            let partitions = topic.partitions.iter();
            records.extend(partitions.map(|(index, p)| Record::from(p.to_record(topic.id, *index))));
        }
    }
}

/// Which topics a delta touched.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TopicChanges {
    /// Topics that are gone, as they were last; some may have been made in the same delta.
    pub deleted: Vec<Arc<Topic>>,
    /// Partitions that are new or changed, by topic; a new topic is here too.
    pub partitions: BTreeMap<TopicId, BTreeSet<i32>>,
}

impl TopicChanges {
    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.partitions.is_empty()
    }

    pub(super) fn touch(&mut self, id: TopicId, partition: i32) {
        self.partitions.entry(id).or_default().insert(partition);
    }

    pub(super) fn delete(&mut self, topic: Arc<Topic>) {
        self.partitions.remove(&topic.id);
        self.deleted.push(topic);
    }
}
