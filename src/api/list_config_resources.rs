//! ListConfigResources, versions 0 and 1 (`KafkaApis.handleListConfigResources`).
//!
//! 0     client metrics subscriptions.
//! 1     by type, all types if none is named.
//!
//! Groups are those with a configuration of their own.

use std::sync::Arc;

use kafka_protocol::messages::list_config_resources_request::ListConfigResourcesRequest;
use kafka_protocol::messages::list_config_resources_response::{ConfigResource, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;

use super::alter_resources::BROKER_LOGGER;
use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use crate::meta::{Image, ResourceKind};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ListConfigResourcesRequest>,
) -> ListConfigResourcesResponse {
    let metrics = ResourceKind::ClientMetrics.number();
    let all = [
        ResourceKind::Group.number(),
        metrics,
        BROKER_LOGGER,
        ResourceKind::Broker.number(),
        ResourceKind::Topic.number(),
    ];
    let served = if request.version() == 0 { &[metrics][..] } else { &all };
    let asked = &request.body.resource_types;
    if asked.iter().any(|kind| !served.contains(kind)) {
        return ListConfigResourcesResponse::default().with_error_code(Code::UnsupportedVersion.code());
    }
    let image = context.quorum.image();
    let wanted = served.iter().filter(|kind| asked.is_empty() || asked.contains(kind));
    let resources = wanted.flat_map(|kind| {
        names(&image, *kind).into_iter().map(|name| {
            let out = ConfigResource::default().with_resource_name(StrBytes::from_string(name));
            if request.version() >= 1 { out.with_resource_type(*kind) } else { out }
        })
    });
    ListConfigResourcesResponse::default().with_config_resources(resources.collect())
}

fn names(image: &Image, kind: i8) -> Vec<String> {
    let configured = |kind| image.configs.of_kind(kind).keys().map(|name| name.to_string()).collect();
    match ResourceKind::from_number(kind) {
        Some(kind @ (ResourceKind::Group | ResourceKind::ClientMetrics)) => configured(kind),
        Some(ResourceKind::Topic) => image.topics.iter().map(|topic| topic.name.to_string()).collect(),
        Some(ResourceKind::Broker) | None => {
            let brokers = image.cluster.brokers.values().filter(|broker| broker.is_active());
            brokers.map(|broker| broker.id.to_string()).collect()
        }
    }
}
