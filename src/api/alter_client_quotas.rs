//! AlterClientQuotas, versions 0 and 1 (`ControllerApis.handleAlterClientQuotas`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use kafka_protocol::messages::alter_client_quotas_request::{AlterClientQuotasRequest, EntryData};
use kafka_protocol::messages::alter_client_quotas_response::{
    AlterClientQuotasResponse, EntityData, EntryData as Answer,
};
use kafka_protocol::protocol::StrBytes;

use super::alter_resources::text;
use super::context::Context;
use super::dispatch::Request;
use super::error;
use crate::controller;
use crate::controller::request::{AlterClientQuotas, QuotaAlteration};
use crate::meta::quotas::{Entity, IP};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AlterClientQuotasRequest>,
) -> AlterClientQuotasResponse {
    let body = &request.body;
    let answers = match alter(&context, body).await {
        Ok(answers) => {
            answers.into_iter().map(|(entity, result)| answer(&entity, result.err().as_ref())).collect()
        }
        Err(error) => body.entries.iter().map(|entry| answer(&entity(entry), Some(&error))).collect(),
    };
    AlterClientQuotasResponse::default().with_entries(answers)
}

async fn alter(
    context: &Context,
    body: &AlterClientQuotasRequest,
) -> Result<controller::request::ByEntity, controller::Error> {
    // Before names are looked up: each may take seconds.
    if body.entries.len() > controller::REQUEST_RECORDS_MAX {
        return Err(controller::too_large());
    }
    let mut alterations = Vec::with_capacity(body.entries.len());
    for entry in &body.entries {
        alterations.push(alteration(entry).await);
    }
    context.ask(AlterClientQuotas { alterations, validate_only: body.validate_only }).await
}

/// Of a type that is there twice the last name counts, as in Kafka's map.
fn entity(entry: &EntryData) -> Entity {
    let parts =
        entry.entity.iter().map(|part| (text(&part.entity_type), part.entity_name.as_ref().map(text)));
    BTreeMap::from_iter(parts).into_iter().collect()
}

async fn alteration(entry: &EntryData) -> QuotaAlteration {
    let entity = entity(entry);
    let ops = entry.ops.iter().map(|op| (text(&op.key), (!op.remove).then_some(op.value))).collect();
    let host_is_known = match entity.as_slice() {
        [(kind, Some(host))] if &**kind == IP => is_known(host).await,
        _ => true,
    };
    QuotaAlteration { entity, ops, host_is_known }
}

/// Whether `host` is an address, or a name that has one (`InetAddress.getByName`).
async fn is_known(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || tokio::net::lookup_host((host, 0)).await.is_ok()
}

fn answer(entity: &Entity, error: Option<&controller::Error>) -> Answer {
    let (error_code, message) = error::outcome(error);
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let part = |(kind, name): &(Arc<str>, Option<Arc<str>>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.as_deref().map(text))
    };
    Answer::default()
        .with_error_code(error_code)
        .with_error_message(message)
        .with_entity(entity.iter().map(part).collect())
}
