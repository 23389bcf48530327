//! DescribeCluster, versions 0 to 2 (`KafkaApis.handleDescribeCluster`, `AuthHelper.computeDescribeClusterResponse`).
//!
//! 1     endpoint type (KIP-919): only the brokers can be asked for here.
//! 2     fenced brokers, if asked for (KIP-1073).

use std::sync::Arc;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::describe_cluster_request::DescribeClusterRequest;
use kafka_protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::{endpoints, operations};

/// `EndpointType.BROKER`.
const BROKERS: i8 = 1;
/// `EndpointType.CONTROLLER`.
const CONTROLLERS: i8 = 2;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeClusterRequest>,
) -> DescribeClusterResponse {
    let (version, body) = (request.version(), &request.body);
    if version >= 1 && body.endpoint_type != BROKERS {
        return refuse(body.endpoint_type);
    }
    let image = context.quorum.image();
    let with_fenced = version >= 2 && body.include_fenced_brokers;
    let listed = image.cluster.brokers.values().filter(|b| with_fenced || b.is_active());
    let brokers = listed.filter_map(|broker| {
        let at = endpoints::of(broker, &request.peer.listener)?;
        let mut out = DescribeClusterBroker::default()
            .with_broker_id(at.id)
            .with_host(at.host)
            .with_port(at.port)
            .with_rack(at.rack);
        if version >= 2 {
            out.is_fenced = broker.fenced;
        }
        Some(out)
    });
    let mut response = DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(context.cluster_id.to_string()))
        .with_controller_id(BrokerId(context.node.0))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations::on_cluster(
            body.include_cluster_authorized_operations,
        ));
    if version >= 1 {
        response.endpoint_type = BROKERS;
    }
    response
}

fn refuse(endpoint_type: i8) -> DescribeClusterResponse {
    let (code, message) = if endpoint_type == CONTROLLERS {
        (Code::MismatchedEndpointType, "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER".to_owned())
    } else {
        (Code::UnsupportedEndpointType, format!("Unsupported endpoint type {endpoint_type}"))
    };
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_string(message)))
        .with_endpoint_type(endpoint_type)
}
