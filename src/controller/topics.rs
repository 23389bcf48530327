//! Topics are made and deleted (`ReplicationControlManager`, `ControllerApis`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Kind};
use super::names::CLUSTER_METADATA;
use super::partitions::{all_inactive, duplicate_answers, named_twice, nobody_active};
use super::request::{
    ByTopic, ConfigChange, ConfigEntry, ConfigOp, CreateTopics, CreatedTopic, DeleteTopics, DeletedTopic,
    NewTopic, TopicRef,
};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX, isr};
use crate::base::id::TopicId;
use crate::meta::{Partition, Resource, ResourceKind};
use crate::wire::kraft::{Record, RemoveTopicRecord, TopicRecord};

impl Controller {
    pub(super) fn create_topics(&mut self, request: &CreateTopics) -> Outcome<ByTopic<CreatedTopic>> {
        if let Err(error) = self.check_partition_total(request) {
            return (vec![], Err(error));
        }
        let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(request.topics.len());
        for (position, topic) in (0u64..).zip(&request.topics) {
            if twice.contains(&topic.name) {
                continue;
            }
            let result = self.create_topic(topic, request.seed.wrapping_add(position));
            let result = result.map(|(new, created)| {
                records.extend(new);
                created
            });
            answers.push((Arc::clone(&topic.name), result));
        }
        answers.extend(duplicate_answers(&twice));
        if request.validate_only {
            records.clear();
        }
        (records, Ok(answers))
    }

    /// Refuses what would not fit in one batch, before anything is made for it.
    fn check_partition_total(&self, request: &CreateTopics) -> Result<(), Error> {
        let mut total = 0usize;
        for topic in &request.topics {
            let asked = match topic.partitions {
                _ if !topic.assignments.is_empty() => topic.assignments.len(),
                -1 => usize::try_from(self.settings.num_partitions).unwrap_or(0),
                partitions => usize::try_from(partitions).unwrap_or(0),
            };
            total = total.saturating_add(asked);
            if total > REQUEST_RECORDS_MAX {
                let message = "Excessively large number of partitions per request.";
                return Err(Error::new(Kind::PolicyViolation, message));
            }
        }
        Ok(())
    }

    fn create_topic(&self, topic: &NewTopic, seed: u64) -> Result<(Vec<Record>, CreatedTopic), Error> {
        let name = &topic.name;
        if &**name == CLUSTER_METADATA {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err(Error::new(Kind::InvalidRequest, message));
        }
        if self.image().topics.by_name(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(Error::new(Kind::TopicAlreadyExists, message));
        }
        self.names.check(name)?;
        let configs = self.new_topic_configs(topic)?;
        let partitions = if topic.assignments.is_empty() {
            self.placed_partitions(topic, seed)?
        } else {
            self.assigned_partitions(topic)?
        };
        let created = CreatedTopic {
            id: topic.id,
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: partitions
                .first()
                .map_or(0, |first| i16::try_from(first.replicas.len()).unwrap_or(i16::MAX)),
        };
        let mut records = Vec::with_capacity(1 + configs.len() + partitions.len());
        records.push(TopicRecord { name: Arc::clone(name), topic_id: topic.id.0 }.into());
        records.extend(configs);
        let indexed = (0..).zip(&partitions);
        records.extend(indexed.map(|(index, new)| Record::from(new.to_record(topic.id, index))));
        Ok((records, created))
    }

    fn new_topic_configs(&self, topic: &NewTopic) -> Result<Vec<Record>, Error> {
        let is_null = |(_, value): &&ConfigEntry| value.is_none();
        let nulls: Vec<&str> = topic.configs.iter().filter(is_null).map(|(name, _)| &**name).collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(Error::new(Kind::InvalidConfig, message));
        }
        // The last value of a key counts, as in Kafka's map.
        let by_key: BTreeMap<_, _> = topic.configs.iter().cloned().collect();
        let set = |(name, value)| ConfigChange { name, op: ConfigOp::Set, value };
        let changes: Vec<ConfigChange> = by_key.into_iter().map(set).collect();
        let resource = Resource::new(ResourceKind::Topic, Arc::clone(&topic.name));
        self.config_records(&resource, &changes, true)
    }

    fn assigned_partitions(&self, topic: &NewTopic) -> Result<Vec<Partition>, Error> {
        let invalid = |message: &'static str| Error::new(Kind::InvalidRequest, message);
        let refuse = |message: String| Error::new(Kind::InvalidReplicaAssignment, message);
        if topic.replication_factor != -1 {
            return Err(invalid(
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ));
        }
        if topic.partitions != -1 {
            return Err(invalid(
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ));
        }
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for (index, replicas) in &topic.assignments {
            if partitions.contains_key(index) {
                return Err(refuse(format!(
                    "Found multiple manual partition assignments for partition {index}"
                )));
            }
            self.check_assignment(replicas, replication_factor)?;
            replication_factor = Some(replicas.len());
            let isr = self.initial_isr(replicas);
            if isr.is_empty() {
                return Err(all_inactive(*index));
            }
            partitions.insert(*index, self.new_partition(replicas.clone(), isr));
        }
        if !partitions.keys().copied().eq((0..).take(partitions.len())) {
            return Err(refuse("partitions should be a consecutive 0-based integer sequence".into()));
        }
        Ok(partitions.into_values().collect())
    }

    fn placed_partitions(&self, topic: &NewTopic, seed: u64) -> Result<Vec<Partition>, Error> {
        let (partitions, factor) = (topic.partitions, topic.replication_factor);
        if factor < -1 || factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(Error::new(Kind::InvalidReplicationFactor, message));
        }
        if partitions < -1 || partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(Error::new(Kind::InvalidPartitions, message));
        }
        let partitions = if partitions == -1 { self.settings.num_partitions } else { partitions };
        let factor = if factor == -1 { self.settings.default_replication_factor } else { factor };
        let mut placer = self.placer(seed);
        let place = |_| {
            let replicas = placer.place(factor).map_err(|error| {
                let message = format!("Unable to replicate the partition {factor} time(s): {error}");
                Error::new(Kind::InvalidReplicationFactor, message)
            })?;
            let isr = self.initial_isr(&replicas);
            if isr.is_empty() {
                return Err(nobody_active(factor));
            }
            Ok(self.new_partition(replicas, isr))
        };
        (0..partitions).map(place).collect()
    }

    pub(super) fn delete_topics(
        &mut self,
        request: &DeleteTopics,
    ) -> Outcome<Result<Vec<DeletedTopic>, Error>> {
        if !self.settings.delete_topic_enable {
            return (vec![], Err(Kind::TopicDeletionDisabled.into()));
        }
        if request.topics.len() > REQUEST_RECORDS_MAX {
            return (vec![], Err(isr::too_large()));
        }
        let mut answers = self.resolve(&request.topics);
        let mut ids = BTreeSet::new();
        for answer in answers.iter_mut().filter(|answer| answer.result.is_ok()) {
            if !ids.insert(answer.id) {
                let message = "The provided topic name maps to an ID that was already supplied.";
                answer.result = Err(Error::new(Kind::InvalidRequest, message));
            }
        }
        let twice: BTreeSet<TopicId> = answers
            .iter()
            .filter(|answer| matches!(&answer.result, Err(error) if error.kind == Kind::InvalidRequest))
            .map(|answer| answer.id)
            .collect();
        // A topic that was named both ways is not deleted at all, and answered once.
        answers.retain(|answer| answer.result.is_err() || !twice.contains(&answer.id));
        let deleted = answers.iter().filter(|answer| answer.result.is_ok());
        let records = deleted.map(|answer| RemoveTopicRecord { topic_id: answer.id.0 }.into()).collect();
        (records, Ok(answers))
    }

    /// Which topics are meant; names and ids that are given twice are refused and answered once.
    fn resolve(&self, topics: &[TopicRef]) -> Vec<DeletedTopic> {
        let refused =
            |name: Option<&Arc<str>>, id, error| DeletedTopic { name: name.cloned(), id, result: Err(error) };
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<&TopicRef> = topics.iter().filter(|topic| !seen.insert(*topic)).collect();
        let duplicates = twice.iter().map(|topic| match topic {
            TopicRef::Name(name) => {
                let error = Error::new(Kind::InvalidRequest, "Duplicate topic name.");
                refused(Some(name), TopicId::ZERO, error)
            }
            TopicRef::Id(id) => refused(None, *id, Error::new(Kind::InvalidRequest, "Duplicate topic id.")),
        });
        let once = topics.iter().filter(|topic| !twice.contains(topic)).map(|topic| {
            let (found, missing) = match topic {
                TopicRef::Name(name) => (
                    self.image().topics.by_name(name),
                    refused(Some(name), TopicId::ZERO, Kind::UnknownTopicOrPartition.into()),
                ),
                TopicRef::Id(id) => {
                    (self.image().topics.by_id(*id), refused(None, *id, Kind::UnknownTopicId.into()))
                }
            };
            found.map_or(missing, |topic| DeletedTopic {
                name: Some(Arc::clone(&topic.name)),
                id: topic.id,
                result: Ok(()),
            })
        });
        duplicates.chain(once).collect()
    }
}
