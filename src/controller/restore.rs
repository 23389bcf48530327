//! A deleted topic comes back as it was, under its id; Apache Kafka has no such thing.

use std::sync::Arc;

use super::error::{Error, Kind};
use super::isr;
use super::request::{ConfigChange, ConfigOp, CreatedTopic, RestoreTopic};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::meta::{Partition, Resource, ResourceKind};
use crate::wire::kraft::{Record, TopicRecord};

impl Controller {
    pub(super) fn restore_topic(&mut self, request: &RestoreTopic) -> Outcome<Result<CreatedTopic, Error>> {
        match self.restored(request) {
            Ok((_, created)) if request.validate_only => (vec![], Ok(created)),
            Ok((records, created)) => (records, Ok(created)),
            Err(error) => (vec![], Err(error)),
        }
    }

    fn restored(&self, request: &RestoreTopic) -> Result<(Vec<Record>, CreatedTopic), Error> {
        let name = &request.name;
        let topics = &self.image().topics;
        if topics.by_name(name).is_some() || topics.by_id(request.id).is_some() {
            return Err(Error::new(Kind::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        if request.partitions.is_empty() {
            return Err(Kind::InvalidPartitions.into());
        }
        if request.partitions.len() > REQUEST_RECORDS_MAX {
            return Err(isr::too_large());
        }
        self.names.check(name)?;
        let set = |(name, value): &(Arc<str>, Arc<str>)| ConfigChange {
            name: Arc::clone(name),
            op: ConfigOp::Set,
            value: Some(Arc::clone(value)),
        };
        let changes: Vec<ConfigChange> = request.configs.iter().map(set).collect();
        let resource = Resource::new(ResourceKind::Topic, Arc::clone(name));
        let mut records = vec![TopicRecord { name: Arc::clone(name), topic_id: request.id.0 }.into()];
        records.extend(self.config_records(&resource, &changes, true)?);
        let replicas = vec![request.broker_id];
        self.check_assignment(&replicas, None)?;
        let broker = self.image().cluster.broker(request.broker_id);
        for (index, before) in (0..).zip(&request.partitions) {
            if !broker.is_some_and(|broker| broker.has_online(before.directory)) {
                let why =
                    format!("Partition {index} of topic '{name}' is in no log directory that is online.");
                return Err(Error::new(Kind::InvalidReplicaAssignment, why));
            }
            let partition = Partition {
                directories: vec![before.directory],
                // Beyond those in the log, and those that clients remember.
                leader_epoch: before.leader_epoch.saturating_add(1),
                partition_epoch: before.partition_epoch.saturating_add(1),
                ..self.new_partition(replicas.clone(), replicas.clone())
            };
            records.push(partition.to_record(request.id, index).into());
        }
        let partitions = i32::try_from(request.partitions.len()).unwrap_or(i32::MAX);
        Ok((records, CreatedTopic { id: request.id, partitions, replication_factor: 1 }))
    }
}
