//! CreateDelegationToken and DescribeDelegationToken, versions 1 to 3, RenewDelegationToken and ExpireDelegationToken,
//! versions 1 and 2 (`KafkaApis.allowTokenRequests`).
//!
//! Tokens are for clients that have authenticated. On a PLAINTEXT listener nobody has, so Kafka refuses before it looks
//! whether the feature is on; this broker has no other listeners.

use std::sync::Arc;

use kafka_protocol::messages::create_delegation_token_request::CreateDelegationTokenRequest;
use kafka_protocol::messages::create_delegation_token_response::CreateDelegationTokenResponse;
use kafka_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenRequest;
use kafka_protocol::messages::describe_delegation_token_response::DescribeDelegationTokenResponse;
use kafka_protocol::messages::expire_delegation_token_request::ExpireDelegationTokenRequest;
use kafka_protocol::messages::expire_delegation_token_response::ExpireDelegationTokenResponse;
use kafka_protocol::messages::renew_delegation_token_request::RenewDelegationTokenRequest;
use kafka_protocol::messages::renew_delegation_token_response::RenewDelegationTokenResponse;
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;

const REFUSED: Code = Code::DelegationTokenRequestNotAllowed;
/// When something happens to a token that is none (`DelegationTokenManager.ERROR_TIMESTAMP`).
const NEVER: i64 = -1;
/// Who a client is that has not authenticated (`KafkaPrincipal.ANONYMOUS`).
const ANONYMOUS: (StrBytes, StrBytes) =
    (StrBytes::from_static_str("User"), StrBytes::from_static_str("ANONYMOUS"));

pub(super) async fn create(
    _: Arc<Context>,
    request: Request<CreateDelegationTokenRequest>,
) -> CreateDelegationTokenResponse {
    let version = request.version();
    let body = request.body;
    let owner = match (body.owner_principal_type, body.owner_principal_name) {
        (kind, Some(name)) if !name.is_empty() => (kind.unwrap_or_default(), name),
        _ => ANONYMOUS,
    };
    let response = CreateDelegationTokenResponse::default()
        .with_error_code(REFUSED.code())
        .with_principal_type(owner.0)
        .with_principal_name(owner.1)
        .with_issue_timestamp_ms(NEVER)
        .with_expiry_timestamp_ms(NEVER)
        .with_max_timestamp_ms(NEVER);
    if version < 3 {
        return response;
    }
    response.with_token_requester_principal_type(ANONYMOUS.0).with_token_requester_principal_name(ANONYMOUS.1)
}

pub(super) async fn renew(
    _: Arc<Context>,
    _: Request<RenewDelegationTokenRequest>,
) -> RenewDelegationTokenResponse {
    RenewDelegationTokenResponse::default().with_error_code(REFUSED.code()).with_expiry_timestamp_ms(NEVER)
}

pub(super) async fn expire(
    _: Arc<Context>,
    _: Request<ExpireDelegationTokenRequest>,
) -> ExpireDelegationTokenResponse {
    ExpireDelegationTokenResponse::default().with_error_code(REFUSED.code()).with_expiry_timestamp_ms(NEVER)
}

pub(super) async fn describe(
    _: Arc<Context>,
    _: Request<DescribeDelegationTokenRequest>,
) -> DescribeDelegationTokenResponse {
    DescribeDelegationTokenResponse::default().with_error_code(REFUSED.code())
}
