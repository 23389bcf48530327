//! CreateTopics, versions 2 to 7 (`ControllerApis.createTopics`, `ReplicationControlManager`).
//!
//! 4     -1 stands for the broker's default.
//! 5     the response tells counts and configs.
//! 7     the response tells the topic's id.
//!
//! The answer goes out when the topic can be used: its leader is known and its logs are there.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE, controller_code};
use super::{describe_configs, internal_topics, restore_topic};
use crate::base::id::TopicId;
use crate::config::dynamic::Overrides;
use crate::controller::request::{CreateTopics, CreatedTopic, NewTopic};
use crate::controller::{self, Kind};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<CreateTopicsRequest>,
) -> CreateTopicsResponse {
    let version = request.version();
    let mut body = request.body;
    let (to_restore, to_make) = body.topics.into_iter().partition(restore_topic::is_asked);
    body.topics = to_make;
    let restored = restore(&context, to_restore, body.validate_only, version).await;
    if body.topics.is_empty() && !restored.is_empty() {
        return CreateTopicsResponse::default().with_topics(restored);
    }
    let topics: Vec<NewTopic> = body.topics.iter().map(|topic| new_topic(&context, topic)).collect();
    let overrides: Vec<(StrBytes, Overrides)> =
        body.topics.iter().map(|t| (t.name.0.clone(), overrides(t))).collect();
    let names: Vec<TopicName> = body.topics.into_iter().map(|t| t.name).collect();
    let asked = CreateTopics { topics, validate_only: body.validate_only, seed: seed(&context) };
    let results = match context.ask(asked).await {
        Ok(results) => results,
        Err(error) => {
            let results = names.iter().map(|name| failed(name.clone(), &error, version)).chain(restored);
            return CreateTopicsResponse::default().with_topics(results.collect());
        }
    };
    let answers = results.into_iter().map(|(name, result)| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        match result {
            Ok(created) => {
                let overrides = overrides.iter().find(|(n, _)| *n == name.0).map(|(_, o)| o.clone());
                made(&context, name, &created, &overrides.unwrap_or_default(), version)
            }
            Err(error) => failed(name, &error, version),
        }
    });
    CreateTopicsResponse::default().with_topics(answers.chain(restored).collect())
}

async fn restore(
    context: &Arc<Context>,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
    version: i16,
) -> Vec<CreatableTopicResult> {
    let mut results = Vec::with_capacity(topics.len());
    for topic in topics {
        results.push(match restore_topic::carry_out(context, &topic, validate_only).await {
            Ok((created, overrides)) => made(context, topic.name, &created, &overrides, version),
            Err(error) => failed(topic.name, &error, version),
        });
    }
    results
}

/// Makes topics that a client only asked about, with the broker's defaults; gives those that could not be made.
pub(super) async fn create_automatically(
    context: &Arc<Context>,
    names: Vec<TopicName>,
) -> Vec<(TopicName, Code)> {
    let new = |name: &TopicName| {
        if internal_topics::is_internal(name) {
            return internal_topics::new_topic(context, name);
        }
        Some(NewTopic {
            name: name.as_str().into(),
            id: fresh_id(context),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        })
    };
    let topics: Vec<NewTopic> = names.iter().filter_map(new).collect();
    let asked = CreateTopics { topics, validate_only: false, seed: seed(context) };
    let Ok(results) = context.ask(asked).await else { return Vec::new() };
    let failures = results.into_iter().filter_map(|(name, result)| {
        let error = result.err()?;
        if error.kind == Kind::TopicAlreadyExists {
            return None;
        }
        let is_bad_name = error.kind == Kind::InvalidTopic;
        let code = if is_bad_name { Code::InvalidTopicException } else { Code::UnknownTopicOrPartition };
        Some((TopicName(StrBytes::from_string(name.to_string())), code))
    });
    failures.collect()
}

/// The id of a topic to be made.
pub(super) fn fresh_id(context: &Context) -> TopicId {
    TopicId(context.random.uuid())
}

fn seed(context: &Context) -> u64 {
    u64::from(context.random.below(u32::MAX))
}

fn new_topic(context: &Context, topic: &CreatableTopic) -> NewTopic {
    let assignments = topic.assignments.iter();
    let configs = topic.configs.iter();
    NewTopic {
        name: topic.name.as_str().into(),
        id: fresh_id(context),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments
            .map(|a| (a.partition_index, a.broker_ids.iter().map(|b| b.0).collect()))
            .collect(),
        configs: configs
            .map(|c| (c.name.as_str().into(), c.value.as_ref().map(|v| v.as_str().into())))
            .collect(),
    }
}

fn overrides(topic: &CreatableTopic) -> Overrides {
    let pairs = topic.configs.iter();
    pairs.filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string()))).collect()
}

fn failed(name: TopicName, error: &controller::Error, version: i16) -> CreatableTopicResult {
    let mut out = CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(controller_code(error).code())
        .with_error_message(Some(StrBytes::from_string(error.message.to_string())));
    if version >= 5 {
        out.num_partitions = -1;
        out.replication_factor = -1;
        out.configs = Some(Vec::new());
    }
    out
}

fn made(
    context: &Context,
    name: TopicName,
    created: &CreatedTopic,
    overrides: &Overrides,
    version: i16,
) -> CreatableTopicResult {
    let mut out =
        CreatableTopicResult::default().with_name(name).with_error_code(NONE).with_error_message(None);
    if version >= 5 {
        out.num_partitions = created.partitions;
        out.replication_factor = created.replication_factor;
        out.configs = Some(configs(context, overrides));
    }
    if version >= 7 {
        out.topic_id = created.id.0;
    }
    out
}

fn configs(context: &Context, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let mut entries = describe_configs::topic_entries(context, overrides);
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let config = |entry: crate::config::describe::Entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.read_only)
            .with_config_source(entry.source.wire_id())
            .with_is_sensitive(entry.sensitive)
    };
    entries.into_iter().map(config).collect()
}
