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
    let mut alterations = Vec::with_capacity(body.entries.len());
    for entry in &body.entries {
        alterations.push(alteration(entry).await);
    }
    let entities: Vec<Entity> = alterations.iter().map(|a| a.entity.clone()).collect();
    let altered = context.ask(AlterClientQuotas { alterations, validate_only: body.validate_only }).await;
    let answers = match altered {
        Ok(answers) => {
            answers.into_iter().map(|(entity, result)| answer(&entity, result.err().as_ref())).collect()
        }
        Err(error) => entities.iter().map(|entity| answer(entity, Some(&error))).collect(),
    };
    AlterClientQuotasResponse::default().with_entries(answers)
}

async fn alteration(entry: &EntryData) -> QuotaAlteration {
    // Of a type that is there twice the last name counts, as in Kafka's map.
    let parts =
        entry.entity.iter().map(|part| (text(&part.entity_type), part.entity_name.as_ref().map(text)));
    let entity: Entity = BTreeMap::from_iter(parts).into_iter().collect();
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
