//! FindCoordinator, versions 0 to 6 (`KafkaApis.handleFindCoordinatorRequest`).
//!
//! 1     key types; before, every key is a group.
//! 4     several keys at once.
//! 6     share coordinator.
//!
//! The topic of the groups, or of the transactions, is made when the first of them is looked for, before the answer. Gap:
//! there is no coordinator of share groups yet, so their keys get COORDINATOR_NOT_AVAILABLE, which clients retry.

use std::sync::Arc;

use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::create_topics::create_automatically;
use super::dispatch::Request;
use super::endpoints::{self, Reachable};
use super::error::{Code, NONE};
use crate::coordinator::{Groups, Transactions};

/// `CoordinatorType.GROUP`.
const GROUP: i8 = 0;
/// `CoordinatorType.TRANSACTION`.
const TRANSACTION: i8 = 1;
/// `CoordinatorType.SHARE`.
const SHARE: i8 = 2;
/// The first version with share coordinators.
const SHARE_VERSION: i16 = 6;
/// No node.
const NOBODY: BrokerId = BrokerId(-1);

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<FindCoordinatorRequest>,
) -> FindCoordinatorResponse {
    let version = request.version();
    let body = &request.body;
    let kind = if version >= 1 { body.key_type } else { GROUP };
    let is_known = check_kind(kind, version);
    if let Some(topic) = topic_of(kind).filter(|_| is_known == Ok(())) {
        ensure_topic(&context, topic).await;
    }
    let listener = &request.peer.listener;
    let find = |key: &StrBytes| is_known.and_then(|()| find(&context, listener, kind, key));
    if version >= 4 {
        let coordinators = body.coordinator_keys.iter().map(|key| coordinator(key, find(key)));
        return FindCoordinatorResponse::default().with_coordinators(coordinators.collect());
    }
    single(version, find(&body.key))
}

fn check_kind(kind: i8, version: i16) -> Result<(), Code> {
    match kind {
        GROUP | TRANSACTION => Ok(()),
        SHARE if version >= SHARE_VERSION => Ok(()),
        _ => Err(Code::InvalidRequest),
    }
}

/// The topic whose partitions' leaders are the coordinators.
fn topic_of(kind: i8) -> Option<&'static str> {
    match kind {
        GROUP => Some(Groups::TOPIC),
        TRANSACTION => Some(Transactions::TOPIC),
        _ => None,
    }
}

/// Makes the topic if there is none.
async fn ensure_topic(context: &Arc<Context>, topic: &'static str) {
    if context.quorum.image().topics.by_name(topic).is_none() {
        let name = TopicName(StrBytes::from_static_str(topic));
        // Whether it is there now is seen below.
        let _ = create_automatically(context, vec![name]).await;
    }
}

fn find(context: &Context, listener: &str, kind: i8, key: &str) -> Result<Reachable, Code> {
    if kind == SHARE && !is_share_key(key) {
        return Err(Code::InvalidRequest);
    }
    let index = if kind == TRANSACTION {
        context.transactions.partition_of(key)
    } else {
        context.groups.partition_of(key)
    };
    let image = context.quorum.image();
    let topic = topic_of(kind).and_then(|name| image.topics.by_name(name));
    let partition = topic.ok_or(Code::CoordinatorNotAvailable)?.partition(index);
    let leader = partition.and_then(|partition| image.cluster.broker(partition.leader));
    let leader = leader.filter(|broker| broker.is_active());
    leader.and_then(|broker| endpoints::of(broker, listener)).ok_or(Code::CoordinatorNotAvailable)
}

/// `group:topic id:partition` (`SharePartitionKey.validate`).
fn is_share_key(key: &str) -> bool {
    let parts: Vec<&str> = key.split(':').collect();
    let [group, topic, partition] = parts[..] else { return false };
    !group.trim().is_empty()
        && crate::base::id::uuid_from_text(topic).is_ok()
        && partition.parse::<i32>().is_ok()
}

fn coordinator(key: &StrBytes, found: Result<Reachable, Code>) -> Coordinator {
    let out = Coordinator::default().with_key(key.clone()).with_error_message(Some(StrBytes::default()));
    match found {
        Ok(node) => out.with_error_code(NONE).with_node_id(node.id).with_host(node.host).with_port(node.port),
        Err(code) => out.with_error_code(code.code()).with_node_id(NOBODY).with_port(-1),
    }
}

fn single(version: i16, found: Result<Reachable, Code>) -> FindCoordinatorResponse {
    let out = FindCoordinatorResponse::default();
    let (mut out, message) = match found {
        Ok(node) => (
            out.with_error_code(NONE).with_node_id(node.id).with_host(node.host).with_port(node.port),
            // Kafka's text of no error.
            "NONE",
        ),
        Err(code) => (out.with_error_code(code.code()).with_node_id(NOBODY).with_port(-1), message(code)),
    };
    if version >= 1 {
        out.error_message = Some(StrBytes::from_static_str(message));
    }
    out
}

fn message(code: Code) -> &'static str {
    if code == Code::InvalidRequest {
        return "This most likely occurs because of a request being malformed by the client library or the message was \
                sent to an incompatible broker. See the broker logs for more details.";
    }
    "The coordinator is not available."
}
