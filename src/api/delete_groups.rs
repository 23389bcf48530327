//! DeleteGroups, versions 0 to 3 (`GroupCoordinatorService.deleteGroups`).
//!
//! 3     a message with each error.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::NONE;
use super::groups;
use crate::group::DeleteGroups;
use crate::wire::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse, DeletedGroup};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DeleteGroupsRequest>,
) -> DeleteGroupsResponse {
    let mut seen = BTreeSet::new();
    let ids: Vec<StrBytes> =
        request.body.group_ids.iter().filter(|id| seen.insert((*id).clone())).cloned().collect();
    let mut results = Vec::new();
    for (partition, ids) in groups::by_partition(&context, &ids) {
        let asked = groups::ask_with(&context, &request, DeleteGroups(ids.clone()));
        match context.groups.ask_partition(partition, asked).await {
            Ok(answers) => results.extend(answers.iter().map(|(id, outcome)| {
                result(id, outcome.as_ref().map_or_else(|code| code.code(), |()| NONE))
            })),
            Err(unavailable) => {
                let code = groups::code(unavailable).code();
                results.extend(ids.iter().map(|id| result(id, code)));
            }
        }
    }
    DeleteGroupsResponse { results }
}

fn result(id: &str, error_code: i16) -> DeletedGroup {
    DeletedGroup { group_id: StrBytes::from_string(id.to_owned()), error_code, error_message: None }
}
