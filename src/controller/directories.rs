//! Which log directory of its broker a replica is in (KIP-858,
//! `ReplicationControlManager.handleAssignReplicasToDirs`).

use super::change::Exceptions;
use super::error::{Error, Kind};
use super::request::{AssignReplicas, Assignment};
use super::{Controller, Outcome};
use crate::meta::Partition;
use crate::wire::kraft::{PartitionChangeRecord, Record};

impl Controller {
    pub(super) fn assign_replicas(&mut self, request: &AssignReplicas) -> Outcome<Result<(), Error>> {
        if !self.image().features.has_directory_assignment() {
            let error = Error::new(Kind::UnsupportedVersion, "Directory assignment is not supported yet.");
            return (vec![], Err(error));
        }
        let id = request.broker_id;
        if let Err(error) = self.check_broker_epoch(id, request.broker_epoch) {
            return (vec![], Err(error));
        }
        let is_online = |assignment: &Assignment| {
            let broker = self.image().cluster.broker(id);
            broker.is_some_and(|broker| broker.has_online(assignment.directory))
        };
        let mut records = Vec::new();
        let mut lost: Vec<&Partition> = Vec::new();
        for assignment in &request.assignments {
            // One that is gone meanwhile needs no directory.
            let found = self.image().topics.partition(assignment.topic_id, assignment.partition);
            let Some(partition) = found.filter(|partition| partition.replicas.contains(&id)) else {
                continue;
            };
            records.extend(assigned(partition, id, assignment));
            if !is_online(assignment) {
                lost.push(partition);
            }
        }
        if !lost.is_empty() {
            let leaving = Exceptions { leaving: Some(id), ..Exceptions::default() };
            let is_lost = |partition: &Partition| lost.iter().any(|lost| std::ptr::eq(*lost, partition));
            records.extend(self.isr_updates(leaving, is_lost));
        }
        (records, Ok(()))
    }
}

fn assigned(partition: &Partition, id: i32, assignment: &Assignment) -> Option<Record> {
    if partition.directory_of(id) == Some(assignment.directory) {
        return None;
    }
    let of = |replica: &i32| {
        let directory =
            if *replica == id { Some(assignment.directory) } else { partition.directory_of(*replica) };
        directory.unwrap_or(crate::meta::directory::UNASSIGNED).0
    };
    let record = PartitionChangeRecord {
        topic_id: assignment.topic_id.0,
        partition_id: assignment.partition,
        directories: Some(partition.replicas.iter().map(of).collect()),
        ..PartitionChangeRecord::default()
    };
    Some(record.into())
}
