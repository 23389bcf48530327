//! DeleteTopics, versions 1 to 6 (`ControllerApis.deleteTopics`).
//!
//! 3     TOPIC_DELETION_DISABLED; before, INVALID_REQUEST.
//! 5     error messages.
//! 6     topics by id.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use kafka_protocol::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use tracing::warn;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE, controller_code};
use super::internal_topics;
use crate::base::id::TopicId;
use crate::controller::Kind;
use crate::controller::request::{DeleteTopics, DeletedTopic, TopicRef};
use crate::meta::ResourceKind;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DeleteTopicsRequest>,
) -> DeleteTopicsResponse {
    let version = request.version();
    let topics: Vec<DeleteTopicState> = if version >= 6 {
        request.body.topics
    } else {
        let by_name = |name| DeleteTopicState::default().with_name(Some(name));
        request.body.topic_names.into_iter().map(by_name).collect()
    };
    if !context.config.topic_creation.delete_enabled {
        let code = if version >= 3 { Code::TopicDeletionDisabled } else { Code::InvalidRequest };
        return respond(topics.iter().map(|t| refused(t, code, None, version)).collect());
    }
    let (bad, good): (Vec<_>, Vec<_>) =
        topics.into_iter().partition(|t| t.name.is_some() != t.topic_id.is_nil());
    let message = |t: &DeleteTopicState| {
        if t.name.is_some() {
            "You may not specify both topic name and topic id."
        } else {
            "Neither topic name nor id were specified."
        }
    };
    let mut results: Vec<_> =
        bad.iter().map(|t| refused(t, Code::InvalidRequest, Some(message(t)), version)).collect();
    let marked = mark_for_trash(&context, &good).await;
    let refs = good.iter().map(|t| match &t.name {
        Some(name) => TopicRef::Name(name.as_str().into()),
        None => TopicRef::Id(TopicId(t.topic_id)),
    });
    match context.ask(DeleteTopics { topics: refs.collect() }).await {
        Ok(answers) => {
            unmark(&context, answers.iter().filter(|answer| stays(answer)).map(|answer| answer.id).collect())
                .await;
            results.extend(answers.into_iter().map(|a| answered(a, version)));
        }
        Err(error) => {
            unmark(&context, marked).await;
            let code = controller_code(&error);
            results.extend(good.iter().map(|t| refused(t, code, Some(&error.message), version)));
        }
    }
    respond(results)
}

/// Has written down what a restore needs, before the deletion is decided; gives the topics. What the broker keeps for
/// itself is not worth it: its coordinators begin anew.
async fn mark_for_trash(context: &Arc<Context>, topics: &[DeleteTopicState]) -> Vec<TopicId> {
    if context.partitions.trash_kept_ms() == 0 {
        return Vec::new();
    }
    let image = context.quorum.image();
    let found = topics.iter().filter_map(|topic| match &topic.name {
        Some(name) => image.topics.by_name(name).cloned(),
        None => image.topics.by_id(TopicId(topic.topic_id)).cloned(),
    });
    let found: Vec<_> = found.filter(|topic| !internal_topics::is_internal(&topic.name)).collect();
    let ids = found.iter().map(|topic| topic.id).collect();
    let (partitions, now_ms) = (context.partitions.clone(), context.clock.now_ms());
    let marking = tokio::task::spawn_blocking(move || {
        for topic in found {
            let configs = image.configs.of(ResourceKind::Topic, &topic.name);
            partitions.mark_for_trash(&topic, configs.map(|configs| &**configs), now_ms);
        }
    });
    if let Err(error) = marking.await {
        warn!(%error, "topics will be deleted for good");
    }
    ids
}

/// Whether a topic was not deleted. One that the controller does not know has been, and may still be marked for it.
fn stays(answer: &DeletedTopic) -> bool {
    answer
        .result
        .as_ref()
        .is_err_and(|error| !matches!(error.kind, Kind::UnknownTopicId | Kind::UnknownTopicOrPartition))
}

async fn unmark(context: &Arc<Context>, topics: Vec<TopicId>) {
    if topics.is_empty() {
        return;
    }
    let partitions = context.partitions.clone();
    let unmarking = move || topics.into_iter().for_each(|id| partitions.unmark_for_trash(id));
    if let Err(error) = tokio::task::spawn_blocking(unmarking).await {
        warn!(%error, "trash files stay until the next start");
    }
}

fn respond(results: Vec<DeletableTopicResult>) -> DeleteTopicsResponse {
    DeleteTopicsResponse::default().with_responses(results)
}

fn refused(
    topic: &DeleteTopicState,
    code: Code,
    message: Option<&str>,
    version: i16,
) -> DeletableTopicResult {
    result(topic.name.clone(), TopicId(topic.topic_id), code.code(), message, version)
}

fn answered(topic: DeletedTopic, version: i16) -> DeletableTopicResult {
    let name = topic.name.map(|name| TopicName(StrBytes::from_string(name.to_string())));
    match &topic.result {
        Ok(()) => result(name, topic.id, NONE, None, version),
        Err(error) => result(name, topic.id, controller_code(error).code(), Some(&error.message), version),
    }
}

fn result(
    name: Option<TopicName>,
    id: TopicId,
    code: i16,
    message: Option<&str>,
    version: i16,
) -> DeletableTopicResult {
    let mut out = DeletableTopicResult::default().with_name(name).with_error_code(code);
    if version >= 5 {
        out.error_message = message.map(|m| StrBytes::from_string(m.to_owned()));
    }
    if version >= 6 {
        out.topic_id = id.0;
    } else {
        out.name = out.name.or_else(|| Some(TopicName::default()));
    }
    out
}
