//! ConsumerGroupDescribe, versions 0 and 1 (`GroupCoordinatorService.consumerGroupDescribe`, KIP-848).
//!
//! 1     whether a member speaks the classic protocol.

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use kafka_protocol::messages::consumer_group_describe_response::{
    ConsumerGroupDescribeResponse, DescribedGroup,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE};
use super::{groups, operations};
use crate::group::ConsumerGroupDescribe;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ConsumerGroupDescribeRequest>,
) -> ConsumerGroupDescribeResponse {
    let ids: Vec<StrBytes> = request.body.group_ids.iter().map(|id| id.0.clone()).collect();
    if !groups::is_consumer_protocol_enabled(&context, &context.quorum.image()) {
        let refused = ids.iter().map(|id| refused(id, Code::UnsupportedVersion)).collect();
        return ConsumerGroupDescribeResponse::default().with_groups(refused);
    }
    let (empty, ids): (Vec<StrBytes>, Vec<StrBytes>) = ids.into_iter().partition(|id| id.is_empty());
    let mut described: Vec<DescribedGroup> =
        empty.iter().map(|id| refused(id, Code::InvalidGroupId)).collect();
    for (partition, ids) in groups::by_partition(&context, &ids) {
        let asked = groups::ask_with(&context, &request, ConsumerGroupDescribe(ids.clone()));
        match context.groups.ask_partition(partition, asked).await {
            Ok(answers) => described.extend(answers),
            Err(unavailable) => {
                let code = groups::code(unavailable);
                described.extend(ids.iter().map(|id| refused(id, code)));
            }
        }
    }
    for group in &mut described {
        let asked = request.body.include_authorized_operations && group.error_code == NONE;
        group.authorized_operations = operations::on_group(asked);
    }
    ConsumerGroupDescribeResponse::default().with_groups(described)
}

fn refused(id: &str, code: Code) -> DescribedGroup {
    DescribedGroup::default().with_group_id(groups::group_id(id)).with_error_code(code.code())
}
