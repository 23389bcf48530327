//! IncrementalAlterConfigs, versions 0 and 1 (`ConfigAdminManager`, `ConfigurationControlManager`).
//!
//! Each resource is changed as a whole or not at all. Log levels are not kept: they end with the process.

use std::sync::Arc;

use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use super::alter_resources::{self, BROKER_LOGGER, Named, Refusal, invalid, text};
use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use crate::config::broker_keys;
use crate::config::dynamic::Overrides;
use crate::config::value::Type;
use crate::controller::edited_list;
use crate::controller::request::{ConfigChange, ConfigOp, IncrementalAlterConfigs};
use crate::meta::{Resource, ResourceKind};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<IncrementalAlterConfigsRequest>,
) -> IncrementalAlterConfigsResponse {
    let body = &request.body;
    let named: Vec<Named<'_>> =
        body.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str())).collect();
    let (resources, outcomes) = alter_resources::sort(&named, &body.resources, |at, asked| {
        accept(&context, at, asked, body.validate_only)
    });
    let altered = if resources.is_empty() {
        Ok(Vec::new())
    } else {
        context.ask(IncrementalAlterConfigs { resources, validate_only: body.validate_only }).await
    };
    let answers = alter_resources::answers(named, outcomes, altered).into_iter().map(|answer| {
        AlterConfigsResourceResponse::default()
            .with_error_code(answer.code())
            .with_error_message(answer.message())
            .with_resource_type(answer.kind)
            .with_resource_name(answer.name)
    });
    IncrementalAlterConfigsResponse::default().with_responses(answers.collect())
}

/// What the controller is to be asked; otherwise the refusal, or none if there is nothing to ask it.
fn accept(
    context: &Context,
    named: Named<'_>,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(Resource, Vec<ConfigChange>), Option<Refusal>> {
    let keys = asked.configs.iter().map(|c| (&c.name, c.value.is_some() || c.config_operation == 1));
    alter_resources::check_keys(keys).map_err(Some)?;
    if named.0 == BROKER_LOGGER {
        return Err(super::broker_loggers::alter(context, asked, validate_only).err());
    }
    let resource = alter_resources::resource(context, named).map_err(Some)?;
    let changes = asked.configs.iter().map(change).collect::<Result<Vec<_>, _>>().map_err(Some)?;
    if resource.kind == ResourceKind::Broker {
        let mut entries = alter_resources::broker_entries(context, &resource.name);
        changes.iter().try_for_each(|change| apply(&mut entries, change)).map_err(Some)?;
        alter_resources::check_broker(context, &resource, &entries).map_err(Some)?;
    }
    Ok((resource, changes))
}

fn change(config: &AlterableConfig) -> Result<ConfigChange, Refusal> {
    let op = match config.config_operation {
        0 => ConfigOp::Set,
        1 => ConfigOp::Delete,
        2 => ConfigOp::Append,
        3 => ConfigOp::Subtract,
        other => return Err(invalid(format!("Unknown operations type {other}"))),
    };
    Ok(ConfigChange { name: text(&config.name), op, value: config.value.as_ref().map(text) })
}

/// What a broker's entries become; the controller edits lists in the same way.
fn apply(entries: &mut Overrides, change: &ConfigChange) -> Result<(), Refusal> {
    let name = change.name.to_string();
    match change.op {
        ConfigOp::Delete => drop(entries.remove(&name)),
        ConfigOp::Set => {
            entries.insert(name, change.value.as_deref().unwrap_or_default().to_owned());
        }
        ConfigOp::Append | ConfigOp::Subtract => {
            let config = |message: String| (Code::InvalidConfig, message.into());
            let key =
                broker_keys::find(&name).ok_or_else(|| config(format!("Unknown config name: {name}")))?;
            if key.kind != Type::List {
                let op = if change.op == ConfigOp::Append { "append" } else { "subtract" };
                return Err(config(format!("Config value {op} is not allowed for config key: {name}")));
            }
            let default = || key.default_value().map(|value| value.text()).unwrap_or_default();
            let base = entries.get(&name).cloned().unwrap_or_else(default);
            entries.insert(name, edited_list(&base, change));
        }
    }
    Ok(())
}
