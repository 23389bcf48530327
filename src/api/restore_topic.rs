//! A deleted topic comes back from the trash: a CreateTopics request whose topic has the configuration
//! `barnabas.topic.restore`, which Apache Kafka refuses as unknown. Its value is the topic's id, or empty for the newest
//! topic of the name. Partitions, assignments and other configurations of the request are not looked at.
//!
//! With `barnabas.topic.purge` instead the topic is removed from the trash, or all of the name if the value is empty.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_request::CreatableTopic;

use super::context::Context;
use crate::base::id::{TopicId, uuid_from_text};
use crate::config::dynamic::Overrides;
use crate::controller::request::{CreatedTopic, DeletedPartition, RestoreTopic};
use crate::controller::{Error, Kind};

/// The configuration that asks for a topic to come back.
pub const RESTORE: &str = "barnabas.topic.restore";
/// The configuration that asks for a topic to be removed for good.
pub const PURGE: &str = "barnabas.topic.purge";

/// Whether the topic is one in the trash, and not to be made.
pub(super) fn is_asked(topic: &CreatableTopic) -> bool {
    topic.configs.iter().any(|config| [RESTORE, PURGE].contains(&&*config.name))
}

/// Does what is asked with one topic; gives it with the configuration that it has.
pub(super) async fn carry_out(
    context: &Arc<Context>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(CreatedTopic, Overrides), Error> {
    let value = |key: &str| {
        let config = topic.configs.iter().find(|config| &*config.name == key);
        config.map(|config| config.value.clone().unwrap_or_default())
    };
    match (value(PURGE), value(RESTORE)) {
        (Some(id), None) => purge(context, &topic.name, parse_id(&id)?, validate_only).await,
        (None, Some(id)) => restore(context, topic, parse_id(&id)?, validate_only).await,
        (Some(_), Some(_)) | (None, None) => {
            let why = format!("Only one of {RESTORE} and {PURGE} can be asked for.");
            Err(Error::new(Kind::InvalidConfig, why))
        }
    }
}

fn parse_id(text: &str) -> Result<Option<TopicId>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = uuid_from_text(text).map_err(|why| Error::new(Kind::InvalidConfig, why.to_string()))?;
    Ok(Some(TopicId(id)))
}

async fn purge(
    context: &Arc<Context>,
    name: &TopicName,
    id: Option<TopicId>,
    validate_only: bool,
) -> Result<(CreatedTopic, Overrides), Error> {
    if validate_only {
        return Err(Error::new(Kind::InvalidRequest, format!("{PURGE} cannot be validated only.")));
    }
    let (partitions, named) = (context.partitions.clone(), name.to_string());
    let purging = tokio::task::spawn_blocking(move || partitions.purge_trash(&named, id));
    let failed = |error: tokio::task::JoinError| Error::new(Kind::UnknownServerError, error.to_string());
    let purged = purging.await.map_err(failed)?;
    let Some(last) = purged.last() else {
        let why = format!("Topic '{}' is not in the trash.", name.as_str());
        return Err(Error::new(Kind::UnknownTopicOrPartition, why));
    };
    let created = CreatedTopic { id: last.topic_id, partitions: last.partitions, replication_factor: 1 };
    Ok((created, Overrides::new()))
}

async fn restore(
    context: &Arc<Context>,
    topic: &CreatableTopic,
    id: Option<TopicId>,
    validate_only: bool,
) -> Result<(CreatedTopic, Overrides), Error> {
    let refuse = |why: String| Error::new(Kind::UnknownTopicOrPartition, why);
    // Held until the answer, which comes after the replicas: what is being restored does not expire.
    let found = context.partitions.find_in_trash(&topic.name, id).map_err(refuse)?;
    let configs = found.partitions.first().map(|(first, _)| first.configs.clone()).unwrap_or_default();
    let partition = |(trashed, directory): &(crate::log::trash::Trashed, _)| DeletedPartition {
        directory: *directory,
        leader_epoch: trashed.leader_epoch,
        partition_epoch: trashed.partition_epoch,
    };
    let overrides = configs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let asked = RestoreTopic {
        name: topic.name.as_str().into(),
        id: found.topic_id,
        configs,
        partitions: found.partitions.iter().map(partition).collect(),
        broker_id: context.node.0,
        validate_only,
    };
    // Also if the client has gone: what is decided is done before it can expire.
    let asking = {
        let context = context.clone();
        tokio::spawn(async move {
            let answer = context.ask(asked).await;
            drop(found);
            answer
        })
    };
    let created = asking.await.unwrap_or_else(|_| Err(Kind::NotController.into()))?;
    Ok((created, overrides))
}
