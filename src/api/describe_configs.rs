//! DescribeConfigs, versions 1 to 4 (`ConfigHelper.describeConfigs`).
//!
//! 3     types and documentation.
//!
//! Every key of a resource is listed with its default and where its value comes from. Between two resources others have
//! their turn.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::protocol::StrBytes;

use super::alter_resources::BROKER_LOGGER;
use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use crate::config::describe::{
    Entry, describe_broker, describe_broker_default, describe_client_metrics, describe_group,
    describe_logger, describe_topic,
};
use crate::config::dynamic::Overrides;
use crate::controller;
use crate::meta::configs::ResourceKind;
use crate::wire::describe_configs::DescribeConfigsResponse;

/// `ConfigResource.Type.TOPIC`.
const TOPIC: i8 = 2;
/// `ConfigResource.Type.BROKER`.
const BROKER: i8 = 4;
/// `ConfigResource.Type.CLIENT_METRICS`.
const CLIENT_METRICS: i8 = 16;
/// `ConfigResource.Type.GROUP`.
const GROUP: i8 = 32;
/// Resources that one request is answered; every name makes kilobytes, even one that is made up.
const RESOURCES_MAX: usize = 10_000;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeConfigsRequest>,
) -> DescribeConfigsResponse {
    let show = Show {
        version: request.version(),
        synonyms: request.body.include_synonyms,
        documentation: request.body.include_documentation,
    };
    let mut response = DescribeConfigsResponse::new(request.version());
    // Each once: a few bytes that are repeated would make gigabytes.
    let mut seen = HashSet::new();
    let asked = request.body.resources.iter();
    let asked = asked.filter(|asked| seen.insert((asked.resource_type, asked.resource_name.clone())));
    for (at, resource) in asked.enumerate() {
        response.push(&describe(&context, at, resource, &show));
        // Thousands of topics take a second.
        tokio::task::yield_now().await;
    }
    response
}

fn describe(
    context: &Context,
    at: usize,
    resource: &DescribeConfigsResource,
    show: &Show,
) -> DescribeConfigsResult {
    let out = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    let described =
        if at < RESOURCES_MAX { entries(context, resource) } else { refuse("Too many resources") };
    match described {
        Ok(entries) => {
            let keys = resource.configuration_keys.as_deref().unwrap_or_default();
            let wanted = |entry: &Entry| keys.is_empty() || keys.iter().any(|key| key.as_str() == entry.name);
            out.with_error_code(NONE)
                .with_error_message(None)
                .with_configs(entries.into_iter().filter(wanted).map(|e| show.entry(e)).collect())
        }
        Err((code, message)) => {
            out.with_error_code(code.code()).with_error_message(Some(StrBytes::from_string(message)))
        }
    }
}

/// Every key of a topic with these configs of its own.
pub(super) fn topic_entries(context: &Context, overrides: &Overrides) -> Vec<Entry> {
    context
        .quorum
        .image()
        .configs
        .with_layers(&context.config, context.node, |layers| describe_topic(overrides, layers))
}

fn entries(context: &Context, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, (Code, String)> {
    let name = resource.resource_name.as_str();
    let image = context.quorum.image();
    match resource.resource_type {
        TOPIC => {
            controller::names::validate(name)
                .map_err(|error| (Code::InvalidTopicException, error.message.to_string()))?;
            if image.topics.by_name(name).is_none() {
                // Kafka sends no text here, and its tools print none.
                return Err((Code::UnknownTopicOrPartition, String::new()));
            }
            Ok(topic_entries(context, &image.configs.overrides(ResourceKind::Topic, name)))
        }
        BROKER if name.is_empty() => {
            Ok(image.configs.with_layers(&context.config, context.node, describe_broker_default))
        }
        BROKER => {
            check_node(context, name, "expected {} or empty string,")?;
            Ok(image.configs.with_layers(&context.config, context.node, describe_broker))
        }
        BROKER_LOGGER if name.is_empty() => refuse("Broker id must not be empty"),
        BROKER_LOGGER => {
            check_node(context, name, "expected {}")?;
            let loggers = context.loggers.list();
            Ok(loggers.into_iter().map(|(name, level)| describe_logger(&name, level)).collect())
        }
        CLIENT_METRICS if name.is_empty() => refuse("Client metrics subscription name must not be empty"),
        CLIENT_METRICS => {
            Ok(describe_client_metrics(&image.configs.overrides(ResourceKind::ClientMetrics, name)))
        }
        GROUP if name.is_empty() => refuse("Group name must not be empty"),
        GROUP => {
            let own = image.configs.overrides(ResourceKind::Group, name);
            Ok(image
                .configs
                .with_layers(&context.config, context.node, |layers| describe_group(&own, layers)))
        }
        kind => refuse(&format!("Unsupported resource type: {kind}")),
    }
}

fn refuse(message: &str) -> Result<Vec<Entry>, (Code, String)> {
    Err((Code::InvalidRequest, message.to_owned()))
}

/// Whether `name` is this node's id; `expected` has `{}` in its place.
fn check_node(context: &Context, name: &str, expected: &str) -> Result<(), (Code, String)> {
    let invalid = |text: String| (Code::InvalidRequest, text);
    let id: i32 =
        name.parse().map_err(|_| invalid(format!("Broker id must be an integer, but it is: {name}")))?;
    if id == context.node.0 {
        return Ok(());
    }
    let expected = expected.replace("{}", &context.node.to_string());
    Err(invalid(format!("Unexpected broker id, {expected} but received {name}")))
}

struct Show {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Show {
    fn entry(&self, entry: Entry) -> DescribeConfigsResourceResult {
        let text = StrBytes::from_string;
        let mut out = DescribeConfigsResourceResult::default()
            .with_name(text(entry.name))
            .with_value(entry.value.map(text))
            .with_documentation(None)
            .with_read_only(entry.read_only)
            .with_config_source(entry.source.wire_id())
            .with_is_sensitive(entry.sensitive);
        if self.synonyms {
            let synonym = |s: crate::config::describe::Synonym| {
                DescribeConfigsSynonym::default()
                    .with_name(text(s.name))
                    .with_value(s.value.map(text))
                    .with_source(s.source.wire_id())
            };
            out.synonyms = entry.synonyms.into_iter().map(synonym).collect();
        }
        if self.version >= 3 {
            out.config_type = entry.kind.map_or(0, |kind| kind.wire_id());
            if self.documentation {
                out.documentation = entry.documentation.map(StrBytes::from_static_str);
            }
        }
        out
    }
}
