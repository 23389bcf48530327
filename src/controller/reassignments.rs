//! Partitions are moved to other replicas (KIP-455, `ReplicationControlManager`).
//!
//! A move begins with a partition that has both its old and its new replicas, and ends by itself once the new ones are in
//! sync (`Change::build`). One that only changes the order, as every one on a single node, ends at once.

use std::collections::BTreeSet;

use super::change::Election;
use super::error::{Error, Kind};
use super::isr::too_large;
use super::request::{AlterPartitionReassignments, Reassignment};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::meta::{Partition, Topic};
use crate::wire::kraft::{PartitionChangeRecord, Record};

impl Controller {
    pub(super) fn alter_reassignments(
        &mut self,
        request: &AlterPartitionReassignments,
    ) -> Outcome<Result<Vec<Result<(), Error>>, Error>> {
        let mut records = Vec::new();
        let mut seen = BTreeSet::new();
        let mut alter = |reassignment: &Reassignment| {
            if !seen.insert((reassignment.topic.clone(), reassignment.partition)) {
                // Decided on an image without the first, the second one would contradict it.
                let message = "Each partition must appear at most once.";
                return Err(Error::new(Kind::InvalidRequest, message));
            }
            let record = self.alter_reassignment(reassignment, request.allow_replication_factor_change)?;
            records.extend(record.map(Record::from));
            Ok(())
        };
        let answers = request.partitions.iter().map(&mut alter).collect();
        if records.len() > REQUEST_RECORDS_MAX {
            return (vec![], Err(too_large()));
        }
        (records, Ok(answers))
    }

    fn alter_reassignment(
        &self,
        reassignment: &Reassignment,
        may_change_factor: bool,
    ) -> Result<Option<PartitionChangeRecord>, Error> {
        let Reassignment { topic: name, partition: index, replicas } = reassignment;
        let unknown = |message: String| Error::new(Kind::UnknownTopicOrPartition, message);
        let topic = self.image().topics.by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partition(*index);
        let partition =
            partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        match replicas {
            None => self.cancel(topic, *index, partition),
            Some(replicas) => {
                self.check_assignment(replicas, None)?;
                if !may_change_factor {
                    check_factor(partition, replicas.len())?;
                }
                Ok(self.begin(topic, *index, partition, replicas))
            }
        }
    }

    /// `changePartitionReassignment`.
    fn begin(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        target: &[i32],
    ) -> Option<PartitionChangeRecord> {
        let without = |ids: &[i32], others: &[i32]| -> Vec<i32> {
            let ids: BTreeSet<i32> = ids.iter().copied().filter(|id| !others.contains(id)).collect();
            ids.into_iter().collect()
        };
        // Whom a move under way was adding still has to come; Kafka compares with all replicas, and such a move that is
        // turned to others may never end.
        let before = without(&partition.replicas, &partition.adding_replicas);
        let (removing, adding) = (without(&partition.replicas, target), without(target, &before));
        let replicas = [target, &removing].concat();
        let mut change = self.change(topic, partition, self.policy(topic));
        change.election = Election::Online;
        change.reassign(replicas, removing, adding);
        change.build(topic.id, index)
    }

    /// Back to the replicas before the move (`cancelPartitionReassignment`, `PartitionReassignmentRevert`).
    fn cancel(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
    ) -> Result<Option<PartitionChangeRecord>, Error> {
        if !partition.is_reassigning() {
            return Err(Kind::NoReassignmentInProgress.into());
        }
        let original = |ids: &[i32]| -> Vec<i32> {
            ids.iter().copied().filter(|id| !partition.adding_replicas.contains(id)).collect()
        };
        let (replicas, mut isr) = (original(&partition.replicas), original(&partition.isr));
        let policy = self.policy(topic);
        if isr.is_empty() {
            let refuse = |message: String| Err(Error::new(Kind::InvalidReplicaAssignment, message));
            let Some(first) = replicas.first() else {
                return refuse("Invalid replica assignment: addingReplicas contains all replicas.".into());
            };
            if !policy.unclean {
                return refuse(format!(
                    "Unable to revert partition assignment for {}:{index} because it would require an unclean \
                     leader election.",
                    topic.name
                ));
            }
            isr.push(*first);
        }
        let mut change = self.change(topic, partition, policy);
        change.isr = isr;
        change.reassign(replicas, vec![], vec![]);
        Ok(change.build(topic.id, index))
    }
}

/// `validatePartitionReplicationFactorUnchanged`.
fn check_factor(partition: &Partition, target: usize) -> Result<(), Error> {
    let mut current: BTreeSet<i32> =
        partition.replicas.iter().chain(&partition.adding_replicas).copied().collect();
    current.retain(|id| !partition.removing_replicas.contains(id));
    if current.len() == target {
        return Ok(());
    }
    let message = format!("The replication factor is changed from {} to {target}", current.len());
    Err(Error::new(Kind::InvalidReplicationFactor, message))
}
