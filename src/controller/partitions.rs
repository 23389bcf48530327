//! New partitions: where they are put, and whether they may be put there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::default_directory;
use super::error::{Error, Kind};
use super::isr::too_large;
use super::placement::{Candidate, Placer};
use super::request::{ByTopic, CreatePartitions, MorePartitions};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::meta::{LeaderRecoveryState, Partition, Topic};
use crate::wire::kraft::Record;

impl Controller {
    /// A placer over the brokers that can take replicas (`usableBrokers`).
    pub(super) fn placer(&self, seed: u64) -> Placer {
        let brokers = self.image().cluster.brokers.values();
        let usable = brokers.filter(|broker| !broker.in_controlled_shutdown && broker.takes_replicas());
        let candidate = |broker: &Arc<crate::meta::Broker>| Candidate {
            id: broker.id,
            rack: broker.rack.clone(),
            fenced: broker.fenced,
        };
        Placer::new(&usable.map(candidate).collect::<Vec<_>>(), seed)
    }

    /// The active ones among `replicas`, which a new partition starts in sync with.
    pub(super) fn initial_isr(&self, replicas: &[i32]) -> Vec<i32> {
        replicas.iter().copied().filter(|id| self.image().cluster.is_active(*id)).collect()
    }

    /// A partition at its beginning; `isr` is not empty and its first member leads.
    pub(super) fn new_partition(&self, replicas: Vec<i32>, isr: Vec<i32>) -> Partition {
        let cluster = &self.image().cluster;
        Partition {
            directories: replicas.iter().map(|id| default_directory(cluster, *id)).collect(),
            replicas,
            leader: isr[0],
            isr,
            removing_replicas: vec![],
            adding_replicas: vec![],
            elr: vec![],
            last_known_elr: vec![],
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: 0,
            partition_epoch: 0,
        }
    }

    /// Checks replicas that somebody chose (`validateManualPartitionAssignment`).
    pub(super) fn check_assignment(
        &self,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::new(Kind::InvalidReplicaAssignment, message));
        if replicas.is_empty() {
            return refuse("The manual partition assignment includes an empty replica list.".into());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (at, id) in sorted.iter().enumerate() {
            let Some(broker) = self.image().cluster.broker(*id) else {
                return refuse(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                ));
            };
            if !broker.takes_replicas() {
                return refuse(format!(
                    "The manual partition assignment includes broker {id}, but all its log directories are \
                     cordoned."
                ));
            }
            if at > 0 && sorted[at - 1] == *id {
                return refuse(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                ));
            }
        }
        match replication_factor {
            Some(factor) if factor != replicas.len() => refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not \
                 consistent with previous partitions, which have {factor} replica(s).",
                replicas.len()
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn create_partitions(&mut self, request: &CreatePartitions) -> Outcome<ByTopic<()>> {
        let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
        let mut records = Vec::new();
        let mut answers = duplicate_answers(&twice);
        for (position, topic) in (0u64..).zip(&request.topics) {
            if twice.contains(&topic.name) {
                continue;
            }
            let result = self.add_partitions(topic, request.seed.wrapping_add(position));
            let result = result.map(|new| records.extend(new));
            answers.push((Arc::clone(&topic.name), result));
            if records.len() > REQUEST_RECORDS_MAX {
                return (vec![], Err(too_large()));
            }
        }
        if request.validate_only {
            records.clear();
        }
        (records, Ok(answers))
    }

    fn add_partitions(&self, request: &MorePartitions, seed: u64) -> Result<Vec<Record>, Error> {
        let topic = self.image().topics.by_name(&request.name).ok_or(Kind::UnknownTopicOrPartition)?;
        let first = topic.partition_count();
        let added = count_added(topic, request)?;
        let replication_factor = topic.partition(0).map_or(0, |partition| partition.replicas.len());
        let placed: BTreeMap<i32, Vec<i32>> = match &request.assignments {
            Some(assignments) => (first..).zip(assignments.iter().cloned()).collect(),
            None => {
                let mut placer = self.placer(seed);
                let factor = i16::try_from(replication_factor).unwrap_or(i16::MAX);
                let replicas = |index| placer.place(factor).map(|replicas| (index, replicas));
                (first..first.saturating_add(added)).map(replicas).collect::<Result<_, _>>()?
            }
        };
        let mut records = Vec::with_capacity(placed.len());
        for (index, replicas) in placed {
            if request.assignments.is_some() {
                self.check_assignment(&replicas, Some(replication_factor))?;
            }
            let isr = self.initial_isr(&replicas);
            if isr.is_empty() {
                return Err(match request.assignments {
                    Some(_) => all_inactive(index),
                    None => nobody_active(replication_factor),
                });
            }
            records.push(self.new_partition(replicas, isr).to_record(topic.id, index).into());
        }
        Ok(records)
    }
}

/// How many partitions come to a topic.
fn count_added(topic: &Topic, request: &MorePartitions) -> Result<i32, Error> {
    let (first, count) = (topic.partition_count(), request.count);
    if count == first {
        let message = format!("Topic already has {first} partition(s).");
        return Err(Error::new(Kind::InvalidPartitions, message));
    }
    if count < first {
        let message = format!(
            "The topic {} currently has {first} partition(s); {count} would not be an increase.",
            request.name
        );
        return Err(Error::new(Kind::InvalidPartitions, message));
    }
    let added = count - first;
    if let Some(assignments) = &request.assignments
        && i32::try_from(assignments.len()) != Ok(added)
    {
        let message = format!(
            "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
            assignments.len()
        );
        return Err(Error::new(Kind::InvalidReplicaAssignment, message));
    }
    if usize::try_from(added).is_ok_and(|added| added > REQUEST_RECORDS_MAX) {
        return Err(too_large());
    }
    Ok(added)
}

/// Every broker of an assignment is out of service.
pub(super) fn all_inactive(index: i32) -> Error {
    let message = format!(
        "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
         controlled shutdown."
    );
    Error::new(Kind::InvalidReplicaAssignment, message)
}

/// Every broker is out of service.
pub(super) fn nobody_active(replication_factor: impl std::fmt::Display) -> Error {
    let message = format!(
        "Unable to replicate the partition {replication_factor} time(s): All brokers are currently fenced or \
         in controlled shutdown."
    );
    Error::new(Kind::InvalidReplicationFactor, message)
}

/// The names that are there more than once.
pub(super) fn named_twice<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> BTreeSet<Arc<str>> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(Arc::clone(name))).cloned().collect()
}

/// The one answer for each name that is there more than once.
pub(super) fn duplicate_answers<T>(names: &BTreeSet<Arc<str>>) -> Vec<(Arc<str>, Result<T, Error>)> {
    let refused = || Err(Error::new(Kind::InvalidRequest, "Duplicate topic name."));
    names.iter().map(|name| (Arc::clone(name), refused())).collect()
}
