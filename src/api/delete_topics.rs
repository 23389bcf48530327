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

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE, controller_code};
use crate::base::id::TopicId;
use crate::controller::request::{DeleteTopics, DeletedTopic, TopicRef};

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
    let refs = good.iter().map(|t| match &t.name {
        Some(name) => TopicRef::Name(name.as_str().into()),
        None => TopicRef::Id(TopicId(t.topic_id)),
    });
    match context.ask(DeleteTopics { topics: refs.collect() }).await {
        Ok(answers) => results.extend(answers.into_iter().map(|a| answered(a, version))),
        Err(error) => {
            let code = controller_code(&error);
            results.extend(good.iter().map(|t| refused(t, code, Some(&error.message), version)));
        }
    }
    respond(results)
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
