//! DescribeAcls, CreateAcls and DeleteAcls on a broker without an authorizer: refused, never pretended.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::support::{Broker, text};

const ANY: i8 = 1;
const TOPIC: i8 = 2;
const READ: i8 = 3;
const ALLOW: i8 = 3;
const LITERAL: i8 = 3;

#[test]
fn without_an_authorizer_there_are_no_acls_to_describe_make_or_delete() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in 1..=3 {
        let describe = DescribeAclsRequest::default()
            .with_resource_type_filter(ANY)
            .with_pattern_type_filter(ANY)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let described = client.call(&describe, version);
        assert_eq!(
            (described.error_code, described.error_message.as_deref(), described.resources.len()),
            (54, Some("No Authorizer is configured on the broker"), 0)
        );
        let creation = AclCreation::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("orders"))
            .with_resource_pattern_type(LITERAL)
            .with_principal(text("User:alice"))
            .with_host(text("*"))
            .with_operation(READ)
            .with_permission_type(ALLOW);
        let create = CreateAclsRequest::default().with_creations(vec![creation.clone(), creation]);
        let created = client.call(&create, version).results;
        let refused = (54, Some("No Authorizer is configured."));
        let answers: Vec<_> = created.iter().map(|r| (r.error_code, r.error_message.as_deref())).collect();
        assert_eq!(answers, [refused, refused]);
        let filter = DeleteAclsFilter::default()
            .with_resource_type_filter(TOPIC)
            .with_pattern_type_filter(ANY)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let deleted = client.call(&DeleteAclsRequest::default().with_filters(vec![filter]), version);
        let answers: Vec<_> =
            deleted.filter_results.iter().map(|r| (r.error_code, r.error_message.as_deref())).collect();
        assert_eq!(answers, [refused]);
        assert!(deleted.filter_results[0].matching_acls.is_empty());
    }
}
