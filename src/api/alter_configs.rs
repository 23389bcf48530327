//! AlterConfigs, versions 0 to 2 (`ConfigAdminManager`): replaces everything that is set for a resource.

use std::sync::Arc;

use kafka_protocol::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource};
use kafka_protocol::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use super::alter_resources::{self, Named, Refusal, text};
use super::context::Context;
use super::dispatch::Request;
use crate::controller::request::{AlterConfigs, ConfigEntry};
use crate::meta::{Resource, ResourceKind};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AlterConfigsRequest>,
) -> AlterConfigsResponse {
    let body = &request.body;
    let named: Vec<Named<'_>> =
        body.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str())).collect();
    let (resources, outcomes) =
        alter_resources::sort(&named, &body.resources, |at, asked| accept(&context, at, asked).map_err(Some));
    let altered = if resources.is_empty() {
        Ok(Vec::new())
    } else {
        context.ask(AlterConfigs { resources, validate_only: body.validate_only }).await
    };
    let answers = alter_resources::answers(named, outcomes, altered).into_iter().map(|answer| {
        AlterConfigsResourceResponse::default()
            .with_error_code(answer.code())
            .with_error_message(answer.message())
            .with_resource_type(answer.kind)
            .with_resource_name(answer.name)
    });
    AlterConfigsResponse::default().with_responses(answers.collect())
}

fn accept(
    context: &Context,
    named: Named<'_>,
    asked: &AlterConfigsResource,
) -> Result<(Resource, Vec<ConfigEntry>), Refusal> {
    alter_resources::check_keys(asked.configs.iter().map(|c| (&c.name, c.value.is_some())))?;
    let resource = alter_resources::resource(context, named)?;
    let entries: Vec<ConfigEntry> =
        asked.configs.iter().map(|c| (text(&c.name), c.value.as_ref().map(text))).collect();
    if resource.kind == ResourceKind::Broker {
        let text = |(key, value): &ConfigEntry| Some((key.to_string(), value.as_ref()?.to_string()));
        alter_resources::check_broker(context, &resource, &entries.iter().filter_map(text).collect())?;
    }
    Ok((resource, entries))
}
