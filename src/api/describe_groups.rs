//! DescribeGroups, versions 0 to 6 (`GroupCoordinatorService.describeGroups`), for classic groups.
//!
//! 3     authorized operations.
//! 4     static members.
//! 6     a group that does not exist is an error, with a message (KIP-1043).

use std::sync::Arc;

use kafka_protocol::messages::describe_groups_request::DescribeGroupsRequest;
use kafka_protocol::messages::describe_groups_response::{DescribeGroupsResponse, DescribedGroup};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::{groups, operations};
use crate::group::DescribeGroups;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeGroupsRequest>,
) -> DescribeGroupsResponse {
    let version = request.version();
    let ids: Vec<StrBytes> = request.body.groups.iter().map(|id| id.0.clone()).collect();
    let mut described = Vec::new();
    for (partition, ids) in groups::by_partition(&context, &ids) {
        let asked = groups::ask_with(&context, &request, DescribeGroups(ids.clone()));
        match context.groups.ask_partition(partition, asked).await {
            Ok(answers) => described.extend(answers),
            Err(unavailable) => {
                let code = groups::code(unavailable);
                described.extend(ids.iter().map(|id| refused(id, code)));
            }
        }
    }
    for group in &mut described {
        if version < 6 {
            group.error_message = None;
        }
        let asked = version >= 3 && request.body.include_authorized_operations && group.error_code == NONE;
        group.authorized_operations = operations::on_group(asked);
    }
    DescribeGroupsResponse::default().with_groups(described)
}

fn refused(id: &str, code: Code) -> DescribedGroup {
    DescribedGroup::default().with_group_id(groups::group_id(id)).with_error_code(code.code())
}
