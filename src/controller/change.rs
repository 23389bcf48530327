//! How one partition changes: who leads, who is in sync, who stays eligible (`PartitionChangeBuilder`, KIP-966).

use std::collections::BTreeSet;

use crate::base::id::{DirectoryId, TopicId};
use crate::meta::topics::{LEADER_STAYS, RECOVERY_STATE_STAYS};
use crate::meta::{Cluster, Features, LeaderRecoveryState, NO_LEADER, Partition, directory};
use crate::wire::kraft::PartitionChangeRecord;

/// Who may be elected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Election {
    /// The preferred replica if it is in sync, else as [`Election::Online`].
    Preferred,
    /// Somebody from the ISR, or from the ELR if the ISR is empty.
    Online,
    /// Anybody who is online, if nobody else is; records may be lost.
    Unclean,
}

/// Brokers that count other than their registration says, while records about them are being made.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Exceptions {
    /// Leaves, whatever its registration says.
    pub(super) leaving: Option<i32>,
    /// May lead, whatever its registration says.
    pub(super) joining: Option<i32>,
    /// Came back from an unclean shutdown, and may have lost what it had.
    pub(super) unclean: Option<i32>,
}

/// A change in the making: what the partition is to be, before elections and the rules of the ELR.
#[derive(Debug)]
pub(super) struct Change<'a> {
    partition: &'a Partition,
    cluster: &'a Cluster,
    features: &'a Features,
    min_isr: usize,
    pub(super) election: Election,
    pub(super) exceptions: Exceptions,
    pub(super) isr: Vec<i32>,
    pub(super) leader_recovery_state: LeaderRecoveryState,
    replicas: Vec<i32>,
    removing: Vec<i32>,
    adding: Vec<i32>,
    elr: Vec<i32>,
}

/// An election's outcome.
struct Elected {
    leader: i32,
    unclean: bool,
}

impl<'a> Change<'a> {
    /// No change of `partition`, whose ISR is to have `min_isr` members.
    pub(super) fn of(
        partition: &'a Partition,
        cluster: &'a Cluster,
        features: &'a Features,
        min_isr: usize,
    ) -> Self {
        Self {
            partition,
            cluster,
            features,
            min_isr,
            election: Election::Online,
            exceptions: Exceptions::default(),
            isr: partition.isr.clone(),
            leader_recovery_state: partition.leader_recovery_state,
            replicas: partition.replicas.clone(),
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
            elr: partition.elr.clone(),
        }
    }

    /// Moves the partition to `replicas`, which hold those that come and those that go.
    pub(super) fn reassign(&mut self, replicas: Vec<i32>, removing: Vec<i32>, adding: Vec<i32>) {
        (self.replicas, self.removing, self.adding) = (replicas, removing, adding);
    }

    /// The record, if anything changes at all.
    pub(super) fn build(mut self, topic_id: TopicId, partition_id: i32) -> Option<PartitionChangeRecord> {
        let blank = PartitionChangeRecord { topic_id: topic_id.0, partition_id, ..Default::default() };
        let mut record = blank.clone();
        self.complete_reassignment();
        self.populate_elr();
        self.elect(&mut record);
        self.bump_epoch_if_replicas_leave(&mut record);
        self.record_elr(&mut record);
        // Without ELR an ISR is never empty: its last member stays in it, dead or alive.
        let may_set = !self.isr.is_empty() || self.features.elr_enabled();
        if record.isr.is_none() && may_set && self.isr != self.partition.isr {
            record.isr = Some(self.isr.clone());
        }
        self.bump_epoch_if_isr_shrinks(&mut record);
        self.record_last_known_leader(&mut record);
        self.record_assignment(&mut record);
        if self.leader_recovery_state != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.leader_recovery_state.number();
        }
        (record != blank).then_some(record)
    }

    /// Ends a reassignment once the ISR holds what it was for (`PartitionReassignmentReplicas`).
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let stays = |ids: &[i32]| -> Vec<i32> {
            ids.iter().copied().filter(|id| !self.removing.contains(id)).collect()
        };
        let (isr, replicas) = (stays(&self.isr), stays(&self.replicas));
        let holds_all = |wanted: &[i32]| wanted.iter().all(|id| isr.contains(id));
        let shrinks = self.adding.len() < self.removing.len();
        if isr.is_empty()
            || replicas.is_empty()
            || !holds_all(&self.adding)
            // A smaller assignment waits for all of its replicas, or the ISR would shrink for nothing.
            || (shrinks && !holds_all(&replicas))
        {
            return;
        }
        (self.isr, self.replicas) = (isr, replicas);
        (self.removing, self.adding) = (vec![], vec![]);
    }

    /// Whoever leaves an ISR that is at or below its minimum still has everything committed, and stays eligible.
    fn populate_elr(&mut self) {
        if !self.features.elr_enabled() {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.elr = vec![];
            return;
        }
        let candidates: BTreeSet<i32> = self.elr.iter().chain(&self.partition.isr).copied().collect();
        let eligible = |id: &i32| !self.isr.contains(id) && self.exceptions.unclean != Some(*id);
        self.elr = candidates.into_iter().filter(eligible).collect();
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let elected = self.election_outcome();
        if elected.leader == self.partition.leader {
            return;
        }
        record.leader = elected.leader;
        if self.elr.contains(&elected.leader) {
            self.isr = vec![elected.leader];
            self.elr.retain(|id| *id != elected.leader);
        }
        if elected.unclean {
            // Only the new leader is in sync with itself; what the others have more is lost.
            record.isr = Some(vec![elected.leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.number();
            }
        }
    }

    fn election_outcome(&self) -> Elected {
        let clean = |leader| Elected { leader, unclean: false };
        let preferred = self.replicas.first().copied().filter(|_| self.election == Election::Preferred);
        if let Some(leader) = preferred.filter(|id| self.may_lead(*id)) {
            return clean(leader);
        }
        if self.may_lead(self.partition.leader) {
            return clean(self.partition.leader);
        }
        if let Some(leader) = self.replicas.iter().copied().find(|id| self.may_lead(*id)) {
            return clean(leader);
        }
        if let Some(leader) = self.last_known_leader() {
            return Elected { leader, unclean: true };
        }
        if self.election == Election::Unclean
            && let Some(leader) = self.replicas.iter().copied().find(|id| self.is_online(*id))
        {
            return Elected { leader, unclean: true };
        }
        clean(NO_LEADER)
    }

    /// Whether electing `id` loses nothing that was committed.
    fn may_lead(&self, id: i32) -> bool {
        let eligible = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        eligible && self.is_online(id)
    }

    fn is_online(&self, id: i32) -> bool {
        let Exceptions { leaving, joining, unclean } = self.exceptions;
        if leaving == Some(id) || unclean == Some(id) {
            return false;
        }
        let Some(broker) = self.cluster.broker(id) else { return false };
        let in_directory = self.partition.directory_of(id).unwrap_or(directory::UNASSIGNED);
        (joining == Some(id) || broker.is_active()) && broker.has_online(in_directory)
    }

    /// The last leader, once nobody is left who could be elected without loss.
    fn last_known_leader(&self) -> Option<i32> {
        let [last] = self.partition.last_known_elr[..] else { return None };
        let nobody_left = self.elr.is_empty() && self.isr.is_empty();
        (self.features.elr_enabled() && nobody_left && self.is_online(last)).then_some(last)
    }

    /// Setting the leader, even to itself, bumps the leader epoch.
    fn bump_epoch_if_replicas_leave(&self, record: &mut PartitionChangeRecord) {
        let leaves = |id: &i32| !self.replicas.contains(id);
        if record.leader == LEADER_STAYS && self.partition.replicas.iter().any(leaves) {
            record.leader = self.partition.leader;
        }
    }

    /// Followers of old versions do not notice otherwise (KAFKA-15021).
    fn bump_epoch_if_isr_shrinks(&self, record: &mut PartitionChangeRecord) {
        let Some(isr) = &record.isr else { return };
        let shrinks = self.partition.isr.iter().any(|id| !isr.contains(id));
        if self.features.bumps_epoch_on_isr_shrink() && record.leader == LEADER_STAYS && shrinks {
            record.leader = self.partition.leader;
        }
    }

    fn record_elr(&mut self, record: &mut PartitionChangeRecord) {
        let unclean = record.isr.is_some();
        if unclean || !self.features.elr_enabled() {
            self.elr = vec![];
        }
        if self.elr != self.partition.elr {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
    }

    /// Keeps the last leader while there is none.
    fn record_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.features.elr_enabled() {
            return;
        }
        let known = &self.partition.last_known_elr;
        if record.leader == NO_LEADER && known.is_empty() {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && !known.is_empty() {
            record.last_known_elr = Some(vec![]);
        }
    }

    fn record_assignment(&self, record: &mut PartitionChangeRecord) {
        if !self.replicas.is_empty() {
            let directories = self.directories();
            if self.features.has_directory_assignment() && directories != self.partition.directories {
                record.directories = Some(directories.iter().map(|id| id.0).collect());
            }
            if self.replicas != self.partition.replicas {
                record.replicas = Some(self.replicas.clone());
            }
        }
        if self.removing != self.partition.removing_replicas {
            record.removing_replicas = Some(self.removing.clone());
        }
        if self.adding != self.partition.adding_replicas {
            record.adding_replicas = Some(self.adding.clone());
        }
    }

    fn directories(&self) -> Vec<DirectoryId> {
        let of_new = |id| default_directory(self.cluster, id);
        let of = |id: &i32| self.partition.directory_of(*id).unwrap_or_else(|| of_new(*id));
        self.replicas.iter().map(of).collect()
    }
}

/// The directory of a new replica on broker `id`.
pub(super) fn default_directory(cluster: &Cluster, id: i32) -> DirectoryId {
    cluster.broker(id).map_or(directory::UNASSIGNED, |broker| broker.default_directory())
}

/// Checks what a change in the wire form leaves as it is: `blank` above relies on it.
const _: () = assert!(LEADER_STAYS == -2 && RECOVERY_STATE_STAYS == -1);
