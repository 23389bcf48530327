//! DescribeClientQuotas, versions 0 and 1 (`ClientQuotasImage.describe`).
//!
//! Answered from the image, like every read of metadata. Quotas are kept and shown; none is enforced.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_client_quotas_request::{ComponentData, DescribeClientQuotasRequest};
use kafka_protocol::messages::describe_client_quotas_response::{
    DescribeClientQuotasResponse, EntityData, EntryData, ValueData,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use crate::meta::quotas::{self, Entity};

/// What is asked of one type's name (`DescribeClientQuotasRequest.MATCH_TYPE_*`).
enum Match<'a> {
    /// That name; none for the default.
    Exactly(Option<&'a str>),
    /// Any.
    Specified,
}

/// What is asked of each type, each once.
type Filter<'a> = BTreeMap<&'a str, Match<'a>>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeClientQuotasRequest>,
) -> DescribeClientQuotasResponse {
    let body = &request.body;
    let filter = match filter(&body.components) {
        Ok(filter) => filter,
        Err((code, message)) => {
            return DescribeClientQuotasResponse::default()
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_string(message)))
                .with_entries(None);
        }
    };
    let image = context.quorum.image();
    let found = image.quotas.by_entity.iter().filter(|(entity, _)| matches(entity, &filter, body.strict));
    let entries = found.map(|(entity, values)| entry(entity, values)).collect();
    DescribeClientQuotasResponse::default().with_entries(Some(entries))
}

fn filter(components: &[ComponentData]) -> Result<Filter<'_>, (Code, String)> {
    let mut filter = Filter::new();
    let invalid = |message: String| Err((Code::InvalidRequest, message));
    for component in components {
        let kind = component.entity_type.as_str();
        if kind.is_empty() {
            return invalid("Invalid empty entity type.".to_owned());
        }
        if filter.contains_key(kind) {
            return invalid(format!("Entity type {kind} cannot appear more than once in the filter."));
        }
        if ![quotas::USER, quotas::CLIENT_ID, quotas::IP].contains(&kind) {
            return Err((Code::UnsupportedVersion, format!("Unsupported entity type {kind}")));
        }
        let wanted = match (component.match_type, component._match.as_deref()) {
            (0, Some(name)) => Match::Exactly(Some(name)),
            (0, None) => {
                return invalid(
                    "Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned(),
                );
            }
            (1, None) => Match::Exactly(None),
            (2, None) => Match::Specified,
            (kind @ (1 | 2), Some(_)) => {
                let name = if kind == 1 { "DEFAULT" } else { "SPECIFIED" };
                return invalid(format!(
                    "Request specified MATCH_TYPE_{name}, but also specified a match string."
                ));
            }
            (other, _) => return invalid(format!("Unknown match type {other}")),
        };
        filter.insert(kind, wanted);
    }
    if filter.contains_key(quotas::IP) && filter.len() > 1 {
        return invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or \
             clientId filter component."
                .to_owned(),
        );
    }
    Ok(filter)
}

/// Whether an entity has everything that is asked for, and with `strict` nothing else.
fn matches(entity: &Entity, filter: &Filter<'_>, strict: bool) -> bool {
    let has = |(kind, wanted): (&&str, &Match<'_>)| {
        let Some((_, name)) = entity.iter().find(|(of, _)| &**of == *kind) else { return false };
        match wanted {
            Match::Exactly(wanted) => name.as_deref() == *wanted,
            Match::Specified => true,
        }
    };
    filter.iter().all(has) && (!strict || entity.len() == filter.len())
}

fn entry(entity: &Entity, values: &BTreeMap<Arc<str>, f64>) -> EntryData {
    let text = |text: &Arc<str>| StrBytes::from_string(text.to_string());
    let parts = entity.iter().map(|(kind, name)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.as_ref().map(text))
    });
    let values =
        values.iter().map(|(key, value)| ValueData::default().with_key(text(key)).with_value(*value));
    EntryData::default().with_entity(parts.collect()).with_values(values.collect())
}
