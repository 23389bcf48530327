//! A deleted topic comes back from the trash: a CreateTopics request whose topic has the configuration
//! `barnabas.topic.restore`, which Apache Kafka refuses as unknown. Its value is the topic's id, or empty for the newest
//! topic of the name. Partitions, assignments and other configurations of the request are not looked at.

use std::sync::Arc;

use kafka_protocol::messages::create_topics_request::CreatableTopic;

use super::context::Context;
use crate::base::id::{TopicId, uuid_from_text};
use crate::config::dynamic::Overrides;
use crate::controller::request::{CreatedTopic, DeletedPartition, RestoreTopic};
use crate::controller::{Error, Kind};

/// The configuration that asks for it.
pub const KEY: &str = "barnabas.topic.restore";

/// Whether the topic is to be restored instead of made.
pub(super) fn is_asked(topic: &CreatableTopic) -> bool {
    topic.configs.iter().any(|config| &*config.name == KEY)
}

/// Restores one topic; gives it with the configuration that it has.
pub(super) async fn restore(
    context: &Arc<Context>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(CreatedTopic, Overrides), Error> {
    let value =
        topic.configs.iter().find(|config| &*config.name == KEY).and_then(|config| config.value.clone());
    let id = match value.as_deref().unwrap_or_default() {
        "" => None,
        text => {
            let id = uuid_from_text(text);
            Some(TopicId(id.map_err(|why| Error::new(Kind::InvalidConfig, why.to_string()))?))
        }
    };
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
