//! DescribeTopicPartitions, version 0 (`DescribeTopicPartitionsRequestHandler`, `KRaftMetadataCache`).
//!
//! Topics come in the order of their names, from the cursor on, up to a limit of partitions; what is left is
//! named by the next cursor.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::internal_topics::is_internal;
use super::{endpoints, operations};
use crate::controller;
use crate::meta::Image;
use crate::meta::topics::{Partition, Topic};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeTopicPartitionsRequest>,
) -> DescribeTopicPartitionsResponse {
    let body = &request.body;
    let image = context.quorum.image();
    let from = body.cursor.as_ref().map_or("", |c| c.topic_name.as_str());
    let is_all = body.topics.is_empty();
    let names: BTreeSet<&str> = if is_all {
        image.topics.iter_from(from).map(|t| &*t.name).collect()
    } else {
        body.topics.iter().map(|t| t.name.as_str()).filter(|n| *n >= from).collect()
    };
    if let Some(cursor) = &body.cursor
        && (cursor.partition_index < 0 || !(is_all || names.contains(from)))
    {
        return refuse(body);
    }
    let limit = body
        .response_partition_limit
        .min(i32::try_from(context.config.requests.partition_count_max).unwrap_or(i32::MAX))
        .max(1);
    let mut page = Page {
        image: &image,
        listener: &request.peer.listener,
        left: limit,
        response: DescribeTopicPartitionsResponse::default(),
    };
    for name in names {
        let start =
            body.cursor.as_ref().filter(|c| c.topic_name.as_str() == name).map_or(0, |c| c.partition_index);
        if !page.add(name, start, is_all) {
            break;
        }
    }
    page.response
}

fn refuse(body: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = body.topics.iter().map(|t| failed(&t.name, Code::InvalidRequest));
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

fn failed(name: &str, code: Code) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.code())
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_is_internal(is_internal(name))
}

struct Page<'a> {
    image: &'a Image,
    listener: &'a str,
    left: i32,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Adds a topic as far as there is room; false when the page is full.
    fn add(&mut self, name: &str, start: i32, is_all: bool) -> bool {
        if self.left == 0 {
            self.end(name, 0);
            return false;
        }
        let Some(topic) = self.image.topics.by_name(name) else {
            if !is_all {
                let is_valid = controller::names::validate(name).is_ok();
                let code = if is_valid { Code::UnknownTopicOrPartition } else { Code::InvalidTopicException };
                self.response.topics.push(failed(name, code));
            }
            return true;
        };
        let end = topic.partition_count().min(start.saturating_add(self.left));
        let partitions: Vec<_> =
            (start..end).filter_map(|i| Some(self.partition(i, topic.partition(i)?))).collect();
        self.left -= i32::try_from(partitions.len()).unwrap_or(self.left);
        self.response.topics.push(described(topic, partitions));
        if end < topic.partition_count() {
            self.end(name, end);
            return false;
        }
        true
    }

    fn end(&mut self, topic: &str, partition: i32) {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        self.response.next_cursor =
            Some(Cursor::default().with_topic_name(name).with_partition_index(partition));
    }

    fn partition(&self, index: i32, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
        let nodes = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        let code = endpoints::leader_error(self.image, self.listener, partition).map_or(NONE, |c| c.code());
        DescribeTopicPartitionsResponsePartition::default()
            .with_error_code(code)
            .with_partition_index(index)
            .with_leader_id(BrokerId(if code == NONE { partition.leader } else { -1 }))
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(nodes(&partition.replicas))
            .with_isr_nodes(nodes(&partition.isr))
            .with_eligible_leader_replicas(Some(nodes(&partition.elr)))
            .with_last_known_elr(Some(nodes(&partition.last_known_elr)))
            .with_offline_replicas(endpoints::offline_replicas(self.image, partition))
    }
}

fn described(
    topic: &Topic,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_topic_id(topic.id.0)
        .with_is_internal(is_internal(&topic.name))
        .with_partitions(partitions)
        .with_topic_authorized_operations(operations::on_topic(true))
}
