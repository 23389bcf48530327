//! CreatePartitions, versions 0 to 3 (`ControllerApis.createPartitions`).
//!
//! The response names every topic that was asked for.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use kafka_protocol::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error;
use crate::controller;
use crate::controller::request::{CreatePartitions, MorePartitions};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<CreatePartitionsRequest>,
) -> CreatePartitionsResponse {
    let body = request.body;
    let asked = CreatePartitions {
        topics: body.topics.iter().map(more_partitions).collect(),
        validate_only: body.validate_only,
        seed: u64::from(context.random.below(u32::MAX)),
    };
    let results = match context.ask(asked).await {
        Ok(results) => {
            results.into_iter().map(|(name, r)| result(name.to_string(), r.err().as_ref())).collect()
        }
        Err(error) => body.topics.iter().map(|t| result(t.name.to_string(), Some(&error))).collect(),
    };
    CreatePartitionsResponse::default().with_results(results)
}

fn more_partitions(topic: &CreatePartitionsTopic) -> MorePartitions {
    let assignments = topic.assignments.as_ref();
    MorePartitions {
        name: topic.name.as_str().into(),
        count: topic.count,
        assignments: assignments
            .map(|a| a.iter().map(|a| a.broker_ids.iter().map(|b| b.0).collect()).collect()),
    }
}

fn result(name: String, error: Option<&controller::Error>) -> CreatePartitionsTopicResult {
    let (error_code, message) = error::outcome(error);
    CreatePartitionsTopicResult::default()
        .with_name(TopicName(StrBytes::from_string(name)))
        .with_error_code(error_code)
        .with_error_message(message)
}
