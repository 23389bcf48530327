//! Delegation tokens are for clients that have authenticated, which none has on a PLAINTEXT listener.

use bytes::Bytes;
use kafka_protocol::messages::create_delegation_token_request::CreatableRenewers;
use kafka_protocol::messages::{
    CreateDelegationTokenRequest, DescribeDelegationTokenRequest, ExpireDelegationTokenRequest,
    RenewDelegationTokenRequest,
};

use super::support::{Broker, text};

/// DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
const REFUSED: i16 = 64;

#[test]
fn who_has_not_authenticated_gets_no_token() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let renewer =
        CreatableRenewers::default().with_principal_type(text("User")).with_principal_name(text("alice"));
    let request =
        CreateDelegationTokenRequest::default().with_renewers(vec![renewer]).with_max_lifetime_ms(60_000);
    for version in 1..=3 {
        let answer = client.call(&request, version);
        assert_eq!((answer.error_code, answer.principal_type.as_str()), (REFUSED, "User"));
        assert_eq!((answer.principal_name.as_str(), answer.token_id.as_str()), ("ANONYMOUS", ""));
        let times = [answer.issue_timestamp_ms, answer.expiry_timestamp_ms, answer.max_timestamp_ms];
        assert_eq!((times, answer.hmac), ([-1; 3], Bytes::new()));
        if version >= 3 {
            assert_eq!(answer.token_requester_principal_type.as_str(), "User");
            assert_eq!(answer.token_requester_principal_name.as_str(), "ANONYMOUS");
        }
    }
    let for_bob =
        request.with_owner_principal_type(Some(text("User"))).with_owner_principal_name(Some(text("bob")));
    let answer = client.call(&for_bob, 3);
    assert_eq!((answer.error_code, answer.principal_name.as_str()), (REFUSED, "bob"));
    assert_eq!(answer.token_requester_principal_name.as_str(), "ANONYMOUS");
}

#[test]
fn nor_hears_of_one_or_changes_one() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in 1..=2 {
        let renewed = client.call(&RenewDelegationTokenRequest::default(), version);
        assert_eq!((renewed.error_code, renewed.expiry_timestamp_ms), (REFUSED, -1));
        let expired = client.call(&ExpireDelegationTokenRequest::default(), version);
        assert_eq!((expired.error_code, expired.expiry_timestamp_ms), (REFUSED, -1));
    }
    for version in 1..=3 {
        let described = client.call(&DescribeDelegationTokenRequest::default(), version);
        assert_eq!((described.error_code, described.tokens.len()), (REFUSED, 0));
    }
}
