//! Who is in sync and who leads, for partitions that exist (`ReplicationControlManager`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Change, Election, Exceptions};
use super::error::{Error, Kind};
use super::request::{AlterPartition, AlteredPartition, ElectLeaders, ElectedLeader, ProposedIsr};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::meta::{LeaderRecoveryState, Partition, ResourceKind, Topic};
use crate::wire::kraft::{PartitionChangeRecord, Record};

/// What the configuration says about a topic's elections.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    min_insync_replicas: i32,
    pub(super) unclean: bool,
}

impl Controller {
    pub(super) fn policy(&self, topic: &Topic) -> Policy {
        let (rules, configs) = (&self.settings.config_rules, &self.image().configs);
        Policy {
            min_insync_replicas: rules.min_insync_replicas(configs, &topic.name),
            unclean: rules.unclean_leader_election(configs, &topic.name),
        }
    }

    pub(super) fn change<'a>(
        &'a self,
        topic: &Topic,
        partition: &'a Partition,
        policy: Policy,
    ) -> Change<'a> {
        let image = self.image();
        // A minimum beyond the number of replicas means all of them (`getTopicEffectiveMinIsr`).
        let replicas = topic.partition(0).map_or(0, |first| first.replicas.len());
        let min_isr = usize::try_from(policy.min_insync_replicas).unwrap_or(0).min(replicas);
        let mut change = Change::of(partition, &image.cluster, &image.features, min_isr);
        if policy.unclean {
            change.election = Election::Unclean;
        }
        change
    }

    /// What follows for the chosen partitions when brokers come and go (`generateLeaderAndIsrUpdates`).
    pub(super) fn isr_updates(
        &self,
        exceptions: Exceptions,
        choose: impl Fn(&Partition) -> bool,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        // Topics without a configuration of their own have one policy, so it is asked for once: at a start all
        // topics come through here.
        let mut common = None;
        for topic in self.image().topics.iter() {
            let mut chosen = topic.partitions.iter().filter(|(_, found)| choose(found)).peekable();
            if chosen.peek().is_none() {
                continue;
            }
            let policy = if self.image().configs.of(ResourceKind::Topic, &topic.name).is_some() {
                self.policy(topic)
            } else {
                *common.get_or_insert_with(|| self.policy(topic))
            };
            for (index, partition) in chosen {
                let mut change = self.change(topic, partition, policy);
                change.exceptions = exceptions;
                change.isr.retain(|id| Some(*id) != exceptions.leaving && Some(*id) != exceptions.unclean);
                records.extend(change.build(topic.id, *index).map(Record::from));
            }
        }
        records
    }

    pub(super) fn alter_partition(
        &mut self,
        request: &AlterPartition,
    ) -> Outcome<Result<Vec<Result<AlteredPartition, Error>>, Error>> {
        if let Err(error) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            return (vec![], Err(error));
        }
        let mut records = Vec::new();
        let mut changed = BTreeSet::new();
        let mut answers = Vec::with_capacity(request.partitions.len());
        for proposed in &request.partitions {
            if !changed.insert((proposed.topic_id, proposed.partition)) {
                // Decided on an image without the first proposal, the second one is out of date.
                answers.push(Err(Kind::InvalidUpdateVersion.into()));
                continue;
            }
            let answer = self.alter_one(request.broker_id, proposed);
            answers.push(answer.map(|(record, altered)| {
                let moved = record.as_ref().is_some_and(|change| {
                    change.leader != crate::meta::topics::LEADER_STAYS && change.leader != request.broker_id
                });
                records.extend(record.map(Record::from));
                // The change ended a reassignment that takes the leader away: it has to look again.
                if moved { Err(Kind::NewLeaderElected.into()) } else { Ok(altered) }
            }));
        }
        (records, Ok(answers.into_iter().map(|answer| answer.and_then(|inner| inner)).collect()))
    }

    fn alter_one(
        &self,
        broker_id: i32,
        proposed: &ProposedIsr,
    ) -> Result<(Option<PartitionChangeRecord>, AlteredPartition), Error> {
        let topic = self.image().topics.by_id(proposed.topic_id).ok_or(Kind::UnknownTopicId)?;
        let partition = topic.partition(proposed.partition).ok_or(Kind::UnknownTopicOrPartition)?;
        self.check_proposed(broker_id, partition, proposed)?;
        let mut change = self.change(topic, partition, self.policy(topic));
        change.isr = proposed.isr.iter().map(|(id, _)| *id).collect();
        change.leader_recovery_state = proposed.leader_recovery_state;
        // A retry of what is already so makes no record, and succeeds (KAFKA-14144).
        let record = change.build(topic.id, proposed.partition);
        let after = match &record {
            None => Arc::clone(partition),
            Some(record) => Arc::new(partition.merge(record).expect("a change that was just built")),
        };
        let altered = AlteredPartition {
            topic_id: proposed.topic_id,
            partition: proposed.partition,
            leader: after.leader,
            leader_epoch: after.leader_epoch,
            isr: after.isr.clone(),
            leader_recovery_state: after.leader_recovery_state,
            partition_epoch: after.partition_epoch,
        };
        Ok((record, altered))
    }

    /// Whether the leader knows what it is talking about, and whom (`validateAlterPartitionData`).
    fn check_proposed(
        &self,
        broker_id: i32,
        partition: &Partition,
        proposed: &ProposedIsr,
    ) -> Result<(), Kind> {
        // The leader knows more than this node does, which can then not be the active controller.
        if proposed.leader_epoch > partition.leader_epoch
            || proposed.partition_epoch > partition.partition_epoch
        {
            return Err(Kind::NotController);
        }
        if proposed.leader_epoch < partition.leader_epoch {
            return Err(Kind::FencedLeaderEpoch);
        }
        if broker_id != partition.leader {
            return Err(Kind::InvalidRequest);
        }
        if proposed.partition_epoch < partition.partition_epoch {
            return Err(Kind::InvalidUpdateVersion);
        }
        let isr: BTreeSet<i32> = proposed.isr.iter().map(|(id, _)| *id).collect();
        let recovering = LeaderRecoveryState::Recovering;
        if isr.len() != proposed.isr.len()
            || !isr.iter().all(|id| partition.replicas.contains(id))
            || !isr.contains(&partition.leader)
            || (proposed.leader_recovery_state == recovering
                && (isr.len() > 1 || partition.leader_recovery_state != recovering))
        {
            return Err(Kind::InvalidRequest);
        }
        let eligible = |(id, epoch): &(i32, i64)| {
            let broker = self.image().cluster.broker(*id);
            broker.is_some_and(|broker| broker.is_active() && (*epoch == -1 || *epoch == broker.epoch))
        };
        if proposed.isr.iter().all(eligible) { Ok(()) } else { Err(Kind::IneligibleReplica) }
    }

    pub(super) fn elect_leaders(
        &mut self,
        request: &ElectLeaders,
    ) -> Outcome<Result<Vec<ElectedLeader>, Error>> {
        let everything = || {
            let topics = self.image().topics.iter();
            let of = |topic: &Arc<Topic>| -> Vec<(Arc<str>, i32)> {
                topic.partitions.keys().map(|index| (Arc::clone(&topic.name), *index)).collect()
            };
            topics.flat_map(of).collect()
        };
        let partitions: Vec<_> = request.partitions.clone().unwrap_or_else(everything);
        let mut records = Vec::new();
        let mut elected = Vec::new();
        let mut results: BTreeMap<(Arc<str>, i32), Result<(), Error>> = BTreeMap::new();
        for (topic, partition) in partitions {
            // Who asks twice is told twice what became of the one election.
            let result = results.entry((Arc::clone(&topic), partition)).or_insert_with(|| {
                let elected = self.elect_leader(&topic, partition, request.unclean);
                elected.map(|record| records.push(Record::from(record)))
            });
            let needless = matches!(&result, Err(error) if error.kind == Kind::ElectionNotNeeded);
            if !needless || request.partitions.is_some() {
                elected.push(ElectedLeader { topic, partition, result: result.clone() });
            }
        }
        if records.len() > REQUEST_RECORDS_MAX {
            return (vec![], Err(too_large()));
        }
        (records, Ok(elected))
    }

    fn elect_leader(&self, name: &str, index: i32, unclean: bool) -> Result<PartitionChangeRecord, Error> {
        let unknown = |message: String| Error::new(Kind::UnknownTopicOrPartition, message);
        let topic = self.image().topics.by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        let partition = topic.partition(index);
        let partition = partition.ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
        let needless =
            if unclean { partition.has_leader() } else { partition.leader == partition.preferred_leader() };
        if needless {
            return Err(Kind::ElectionNotNeeded.into());
        }
        let mut change = self.change(topic, partition, self.policy(topic));
        change.election = if unclean { Election::Unclean } else { Election::Preferred };
        let nobody =
            if unclean { Kind::EligibleLeadersNotAvailable } else { Kind::PreferredLeaderNotAvailable };
        change.build(topic.id, index).ok_or_else(|| nobody.into())
    }
}

/// A request that would make more records than fit in one.
pub fn too_large() -> Error {
    Error::new(Kind::PolicyViolation, "Unable to perform excessively large batch operation.")
}
