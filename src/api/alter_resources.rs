//! What AlterConfigs and IncrementalAlterConfigs share: which resources this broker refuses before it asks the
//! controller (`ConfigAdminManager.preprocess`), and the order of the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::error::{Code, controller_code};
use crate::config::dynamic::{Layers, Overrides};
use crate::config::live;
use crate::controller::{self, Kind};
use crate::meta::{Resource, ResourceKind};

/// Why a resource is not changed: the code and its message.
pub(super) type Refusal = (Code, StrBytes);

/// `ConfigResource.Type.BROKER_LOGGER`.
pub(super) const BROKER_LOGGER: i8 = 8;

/// INVALID_REQUEST with a message.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    (Code::InvalidRequest, StrBytes::from_string(message.into()))
}

/// The resource that the controller is asked about; otherwise the refusal, or none if there is nothing to ask it.
pub(super) type Outcome = Result<Resource, Option<Refusal>>;

/// Type and name of a resource that a request names.
pub(super) type Named<'a> = (i8, &'a str);

/// Sorts what a request names into what the controller is asked and, for each in order, the resource or why it is not
/// asked; `accept` looks at one that is named once.
pub(super) fn sort<'a, Asked, Entry>(
    named: &[Named<'a>],
    asked: &[Asked],
    mut accept: impl FnMut(Named<'a>, &Asked) -> Result<(Resource, Entry), Option<Refusal>>,
) -> (Vec<(Resource, Entry)>, Vec<Outcome>) {
    let mut seen = BTreeSet::new();
    let duplicates: BTreeSet<Named<'a>> = named.iter().filter(|one| !seen.insert(**one)).copied().collect();
    let mut resources = Vec::new();
    let mut outcomes = Vec::new();
    for (at, asked) in named.iter().zip(asked) {
        let accepted = if duplicates.contains(at) {
            Err(Some(invalid("Each resource must appear at most once.")))
        } else {
            accept(*at, asked)
        };
        outcomes.push(accepted.map(|(resource, entry)| {
            resources.push((resource.clone(), entry));
            resource
        }));
    }
    (resources, outcomes)
}

/// The keys of one resource, each once and with a value where it needs one.
pub(super) fn check_keys<'a>(keys: impl Iterator<Item = (&'a StrBytes, bool)>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let mut missing = Vec::new();
    for (key, has_value) in keys {
        if !seen.insert(key.as_str()) {
            return Err(invalid("Error due to duplicate config keys"));
        }
        if !has_value {
            missing.push(key.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("Null value not supported for : {}", missing.join(", "))))
}

/// The resource that a request names; broker loggers are none that is kept.
pub(super) fn resource(context: &Context, (kind, name): Named<'_>) -> Result<Resource, Refusal> {
    let unknown = || invalid(format!("Unknown resource type {kind}"));
    let kind = ResourceKind::from_number(kind).ok_or_else(unknown)?;
    if kind == ResourceKind::Broker && !name.is_empty() {
        check_node(context, name, "Unexpected broker id, expected")?;
    }
    Ok(Resource::new(kind, name))
}

/// Whether `name` is this node's id.
pub(super) fn check_node(context: &Context, name: &str, unexpected: &str) -> Result<(), Refusal> {
    let id: i32 =
        name.parse().map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))?;
    if id == context.node.0 {
        return Ok(());
    }
    Err(invalid(format!("{unexpected} {}, but received {name}", context.node)))
}

/// Whether a broker may have what comes out.
pub(super) fn check_broker(
    context: &Context,
    resource: &Resource,
    entries: &Overrides,
) -> Result<(), Refusal> {
    let check = |layers: &Layers<'_>| live::check_change(layers, entries, !resource.name.is_empty());
    context.quorum.image().configs.with_layers(&context.config, context.node, check).map_err(invalid)
}

/// The answers to each of `named`: what was refused here, and what the controller said of the others.
pub(super) fn answers(
    named: Vec<Named<'_>>,
    refused: Vec<Outcome>,
    altered: controller::request::ByResource,
) -> Vec<Answer> {
    let altered = altered.map(BTreeMap::from_iter);
    let outcome = |resource: &Resource| -> Option<Refusal> {
        let error = match &altered {
            Err(error) => error,
            Ok(altered) => match altered.get(resource) {
                Some(Ok(())) => return None,
                Some(Err(error)) => error,
                None => &controller::Error::from(Kind::UnknownServerError),
            },
        };
        Some((controller_code(error), StrBytes::from_string(error.message.to_string())))
    };
    let answer = |((kind, name), refused): (Named<'_>, Outcome)| Answer {
        kind,
        name: StrBytes::from_string(name.to_owned()),
        refusal: refused.map_or_else(|refusal| refusal, |resource| outcome(&resource)),
    };
    named.into_iter().zip(refused).map(answer).collect()
}

/// What became of one resource.
pub(super) struct Answer {
    /// Its type on the wire.
    pub(super) kind: i8,
    pub(super) name: StrBytes,
    /// None if it is changed.
    pub(super) refusal: Option<Refusal>,
}

impl Answer {
    pub(super) fn code(&self) -> i16 {
        self.refusal.as_ref().map_or(super::error::NONE, |(code, _)| code.code())
    }

    pub(super) fn message(&self) -> Option<StrBytes> {
        self.refusal.as_ref().map(|(_, message)| message.clone())
    }
}

/// What is set for a broker now.
pub(super) fn broker_entries(context: &Context, name: &str) -> Overrides {
    context.quorum.image().configs.overrides(ResourceKind::Broker, name)
}

/// A text of a request as the controller takes it.
pub(super) fn text(text: &StrBytes) -> Arc<str> {
    text.as_str().into()
}
