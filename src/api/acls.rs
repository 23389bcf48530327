//! DescribeAcls, CreateAcls and DeleteAcls, versions 1 to 3, as they are without an authorizer (`AclApis`).
//!
//! They refuse: whoever believed that an ACL was made would believe that it protects something.

use std::sync::Arc;

use kafka_protocol::messages::create_acls_request::CreateAclsRequest;
use kafka_protocol::messages::create_acls_response::{AclCreationResult, CreateAclsResponse};
use kafka_protocol::messages::delete_acls_request::DeleteAclsRequest;
use kafka_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsResponse};
use kafka_protocol::messages::describe_acls_request::DescribeAclsRequest;
use kafka_protocol::messages::describe_acls_response::DescribeAclsResponse;
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;

const NO_AUTHORIZER: StrBytes = StrBytes::from_static_str("No Authorizer is configured.");

pub(super) async fn describe(_: Arc<Context>, _: Request<DescribeAclsRequest>) -> DescribeAclsResponse {
    let message = StrBytes::from_static_str("No Authorizer is configured on the broker");
    DescribeAclsResponse::default()
        .with_error_code(Code::SecurityDisabled.code())
        .with_error_message(Some(message))
}

pub(super) async fn create(_: Arc<Context>, request: Request<CreateAclsRequest>) -> CreateAclsResponse {
    let refused = AclCreationResult::default()
        .with_error_code(Code::SecurityDisabled.code())
        .with_error_message(Some(NO_AUTHORIZER));
    CreateAclsResponse::default().with_results(vec![refused; request.body.creations.len()])
}

pub(super) async fn delete(_: Arc<Context>, request: Request<DeleteAclsRequest>) -> DeleteAclsResponse {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(Code::SecurityDisabled.code())
        .with_error_message(Some(NO_AUTHORIZER));
    DeleteAclsResponse::default().with_filter_results(vec![refused; request.body.filters.len()])
}
