//! Metadata, versions 0 to 13 (`KafkaApis.handleTopicMetadataRequest`).
//!
//! 0     an empty list of topics means all; from 1 on null does.
//! 4     the client says whether missing topics may be made; before, they may.
//! 8     authorized operations (of the cluster up to 10).
//! 10    topic ids in the response.
//! 12    look-up by id.
//! 13    top-level error.
//!
//! A missing topic that may be made is made before the answer, so the client need not ask again.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::internal_topics::is_internal;
use super::{create_topics, endpoints, operations};
use crate::base::id::TopicId;
use crate::controller;
use crate::meta::Image;
use crate::meta::topics::{Partition, Topic};

pub(super) async fn handle(context: Arc<Context>, request: Request<MetadataRequest>) -> MetadataResponse {
    let version = request.version();
    let body = &request.body;
    let asked = body.topics.as_ref().filter(|t| !(version == 0 && t.is_empty()));
    if let Some(asked) = asked
        && version < 12
        && asked.iter().any(|t| t.name.is_none() || !t.topic_id.is_nil())
    {
        return refuse(asked, version);
    }
    let may_create =
        context.config.topic_creation.auto_create && (version < 4 || body.allow_auto_topic_creation);
    let mut failures = Vec::new();
    if let Some(asked) = asked
        && may_create
    {
        failures = create_missing(&context, asked).await;
    }
    let image = context.quorum.image();
    let view = View {
        image: &image,
        listener: &request.peer.listener,
        version,
        operations: body.include_topic_authorized_operations,
    };
    let topics = match asked {
        None => image.topics.iter().map(|topic| view.topic(topic)).collect(),
        Some(asked) => asked.iter().map(|t| view.asked(t, &failures)).collect(),
    };
    let mut response = MetadataResponse::default()
        .with_brokers(endpoints::of_all(&image, &request.peer.listener, broker))
        .with_topics(topics);
    if version >= 1 {
        response.controller_id = BrokerId(context.node.0);
    }
    if version >= 2 {
        response.cluster_id = Some(StrBytes::from_string(context.cluster_id.to_string()));
    }
    if (8..=10).contains(&version) {
        response.cluster_authorized_operations =
            operations::on_cluster(body.include_cluster_authorized_operations);
    }
    response
}

fn refuse(asked: &[MetadataRequestTopic], version: i16) -> MetadataResponse {
    let topic = |t: &MetadataRequestTopic| {
        let name = t.name.clone().or_else(|| Some(TopicName::default()));
        unknown(name, t.topic_id, Code::InvalidRequest, version)
    };
    MetadataResponse::default().with_topics(asked.iter().map(topic).collect())
}

/// The name that a topic is asked for by; whoever gives an id is answered by that, whatever the name says.
fn named(asked: &MetadataRequestTopic) -> Option<&TopicName> {
    asked.name.as_ref().filter(|_| asked.topic_id.is_nil())
}

/// Makes what is missing; gives the topics that could not be made and why.
async fn create_missing(context: &Arc<Context>, asked: &[MetadataRequestTopic]) -> Vec<(TopicName, Code)> {
    let image = context.quorum.image();
    let missing = asked.iter().filter_map(named).filter(|n| image.topics.by_name(n).is_none()).cloned();
    // Each once: the controller refuses names that are given twice.
    let missing: BTreeSet<TopicName> = missing.collect();
    let missing: Vec<TopicName> = missing.into_iter().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    create_topics::create_automatically(context, missing).await
}

fn broker(at: endpoints::Reachable) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(at.id)
        .with_host(at.host)
        .with_port(at.port)
        .with_rack(at.rack)
}

fn unknown(name: Option<TopicName>, id: uuid::Uuid, code: Code, version: i16) -> MetadataResponseTopic {
    let mut out = MetadataResponseTopic::default().with_error_code(code.code()).with_name(name);
    if version >= 10 {
        out.topic_id = id;
    }
    if version >= 8 {
        out.topic_authorized_operations = operations::NOT_ASKED;
    }
    out
}

struct View<'a> {
    image: &'a Image,
    listener: &'a str,
    version: i16,
    operations: bool,
}

impl View<'_> {
    fn asked(&self, asked: &MetadataRequestTopic, failures: &[(TopicName, Code)]) -> MetadataResponseTopic {
        let Some(name) = named(asked) else {
            return match self.image.topics.by_id(TopicId(asked.topic_id)) {
                Some(topic) => self.topic(topic),
                None => unknown(None, asked.topic_id, Code::UnknownTopicId, self.version),
            };
        };
        if let Some(topic) = self.image.topics.by_name(name) {
            return self.topic(topic);
        }
        let failure = failures.iter().find(|(failed, _)| failed == name).map(|(_, code)| *code);
        let is_name = controller::names::validate(name).is_ok();
        let missing = if is_name { Code::UnknownTopicOrPartition } else { Code::InvalidTopicException };
        let code = failure.unwrap_or(missing);
        unknown(Some(name.clone()), uuid::Uuid::nil(), code, self.version)
    }

    fn topic(&self, topic: &Topic) -> MetadataResponseTopic {
        let partitions = topic.partitions.iter().map(|(index, p)| self.partition(*index, p)).collect();
        let name = TopicName(StrBytes::from_string(topic.name.to_string()));
        let mut out = MetadataResponseTopic::default()
            .with_error_code(NONE)
            .with_name(Some(name))
            .with_partitions(partitions);
        if self.version >= 1 {
            out.is_internal = is_internal(&topic.name);
        }
        if self.version >= 10 {
            out.topic_id = topic.id.0;
        }
        if self.version >= 8 {
            out.topic_authorized_operations = operations::on_topic(self.operations);
        }
        out
    }

    fn partition(&self, index: i32, partition: &Partition) -> MetadataResponsePartition {
        let nodes = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        let mut out = MetadataResponsePartition::default()
            .with_error_code(self.leader_error(partition))
            .with_partition_index(index)
            .with_leader_id(BrokerId(partition.leader))
            .with_replica_nodes(nodes(&partition.replicas))
            .with_isr_nodes(nodes(&partition.isr));
        if self.version >= 5 {
            out.offline_replicas = endpoints::offline_replicas(self.image, partition);
        }
        if self.version >= 7 {
            out.leader_epoch = partition.leader_epoch;
        }
        if out.error_code != NONE {
            out.leader_id = BrokerId(-1);
        }
        out
    }

    fn leader_error(&self, partition: &Partition) -> i16 {
        match endpoints::leader_error(self.image, self.listener, partition) {
            // Clients of that age do not know the code.
            Some(Code::ListenerNotFound) if self.version < 6 => Code::LeaderNotAvailable.code(),
            Some(code) => code.code(),
            None => NONE,
        }
    }
}
