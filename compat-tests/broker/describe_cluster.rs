//! DescribeCluster and FindCoordinator: who is there.

use kafka_protocol::messages::DescribeClusterRequest;

use super::support::Broker;

#[test]
fn the_cluster_is_the_one_that_metadata_tells_of() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let metadata = client.metadata(Some(&[]));
    for version in 0..=2 {
        let request = DescribeClusterRequest::default().with_endpoint_type(1);
        let cluster = client.call(&request, version);
        assert_eq!((cluster.error_code, cluster.endpoint_type), (0, 1));
        assert_eq!(Some(cluster.cluster_id), metadata.cluster_id);
        assert_eq!(cluster.brokers.len(), 1);
        let (listed, told) = (&cluster.brokers[0], &metadata.brokers[0]);
        assert_eq!((listed.broker_id, &listed.host, listed.port), (told.node_id, &told.host, told.port));
        assert_eq!(cluster.controller_id, listed.broker_id);
        assert!(!listed.is_fenced);
        assert_eq!(cluster.cluster_authorized_operations, i32::MIN);
    }
}

#[test]
fn authorized_operations_are_told_when_asked_for() {
    let broker = Broker::shared();
    let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    let cluster = broker.connect().call(&request, 2);
    assert_eq!(cluster.cluster_authorized_operations, super::metadata::CLUSTER_OPERATIONS);
}

#[test]
fn controllers_are_not_described_by_a_broker() {
    let broker = Broker::shared();
    let cluster = broker.connect().call(&DescribeClusterRequest::default().with_endpoint_type(2), 2);
    assert_eq!(cluster.error_code, 114);
    let cluster = broker.connect().call(&DescribeClusterRequest::default().with_endpoint_type(9), 2);
    assert_eq!(cluster.error_code, 115);
}
