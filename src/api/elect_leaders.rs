//! ElectLeaders, versions 0 to 2 (`ControllerApis.handleElectLeaders`, `ReplicationControlManager.electLeaders`).
//!
//! 0     preferred leaders only.
//! 1     an error for the whole answer.
//!
//! Who asks for all partitions is told of those that needed an election, and of every topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::elect_leaders_request::ElectLeadersRequest;
use kafka_protocol::messages::elect_leaders_response::{
    ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use kafka_protocol::protocol::StrBytes;

use super::alter_resources::text;
use super::context::Context;
use super::dispatch::Request;
use super::error::{NONE, controller_code};
use crate::controller::request::{ElectLeaders, ElectedLeader};
use crate::controller::{self, Kind};

/// `ElectionType.PREFERRED`.
const PREFERRED: i8 = 0;
/// `ElectionType.UNCLEAN`.
const UNCLEAN: i8 = 1;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ElectLeadersRequest>,
) -> ElectLeadersResponse {
    let body = &request.body;
    let partitions: Option<Vec<(Arc<str>, i32)>> = body.topic_partitions.as_ref().map(|topics| {
        let of = |topic: &TopicName, indexes: &[i32]| -> Vec<_> {
            indexes.iter().map(|index| (text(topic), *index)).collect()
        };
        topics.iter().flat_map(|topic| of(&topic.topic, &topic.partitions)).collect()
    });
    let elected = match body.election_type {
        PREFERRED | UNCLEAN => {
            let unclean = body.election_type == UNCLEAN;
            context.ask(ElectLeaders { unclean, partitions: partitions.clone() }).await
        }
        other => {
            let message = format!("Unknown election type {other}");
            Err(controller::Error::new(Kind::InvalidRequest, message))
        }
    };
    let (error_code, elected) = match elected {
        Ok(elected) => (NONE, elected),
        Err(error) => (controller_code(&error).code(), refused(partitions.as_deref(), &error)),
    };
    let topics = match &body.topic_partitions {
        Some(topics) => topics.iter().map(|topic| topic.topic.clone()).collect(),
        None if error_code != NONE => Vec::new(),
        None => {
            let image = context.quorum.image();
            image.topics.iter().map(|t| TopicName(StrBytes::from_string(t.name.to_string()))).collect()
        }
    };
    let response = ElectLeadersResponse::default().with_replica_election_results(results(topics, elected));
    if request.version() >= 1 { response.with_error_code(error_code) } else { response }
}

fn refused(partitions: Option<&[(Arc<str>, i32)]>, error: &controller::Error) -> Vec<ElectedLeader> {
    let of = |(topic, partition): &(Arc<str>, i32)| ElectedLeader {
        topic: Arc::clone(topic),
        partition: *partition,
        result: Err(error.clone()),
    };
    partitions.unwrap_or_default().iter().map(of).collect()
}

/// What was elected, by topic and in the order of `topics`.
fn results(topics: Vec<TopicName>, elected: Vec<ElectedLeader>) -> Vec<ReplicaElectionResult> {
    let mut by_topic: BTreeMap<Arc<str>, Vec<PartitionResult>> = BTreeMap::new();
    for one in elected {
        let error = one.result.err();
        // Here Kafka says in words, too, what the code says.
        let message = error.as_ref().map(|e| StrBytes::from_string(e.message.to_string()));
        let result = PartitionResult::default()
            .with_partition_id(one.partition)
            .with_error_code(error.map_or(NONE, |e| controller_code(&e).code()))
            .with_error_message(message);
        by_topic.entry(one.topic).or_default().push(result);
    }
    let of_topic = |topic: TopicName| {
        let results = by_topic.remove(topic.as_str()).unwrap_or_default();
        ReplicaElectionResult::default().with_topic(topic).with_partition_result(results)
    };
    topics.into_iter().map(of_topic).collect()
}
