//! How clients come to speak the second protocol, and what the topic of the transactions is.

use barnabas::wire::builder::{BatchBuilder, Fields};
use barnabas::wire::compress::Codec;
use barnabas::wire::kraft::control::{ControlRecord, SnapshotFooter, SnapshotHeader};
use barnabas::wire::kraft::{FeatureLevelRecord, Record};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{ApiVersionsRequest, DescribeConfigsRequest, FindCoordinatorRequest};
use kafka_protocol::protocol::StrBytes;

use super::support::transactions::{END_V1, PRODUCE_V1, Txn};
use super::support::{Broker, Client, tests_kafka, text, unique};

/// Key, and highest version that a client may use.
const HIGHEST: [(i16, i16, i16); 8] =
    [(22, 0, 5), (24, 0, 5), (25, 0, 4), (26, 0, 5), (27, 1, 2), (61, 0, 0), (65, 0, 0), (66, 0, 2)];

#[test]
fn clients_are_told_of_the_second_protocol() {
    let broker = Broker::shared();
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let answer = broker.connect().call(&request, 4);
    assert!(answer.finalized_features_epoch >= 0, "clients ignore levels of no epoch");
    let level = answer.finalized_features.iter().find(|f| f.name.as_str() == "transaction.version").unwrap();
    assert_eq!((level.min_version_level, level.max_version_level), (2, 2));
    let known = answer.supported_features.iter().find(|f| f.name.as_str() == "transaction.version").unwrap();
    assert_eq!((known.min_version, known.max_version), (0, 2));
    for (key, min, max) in HIGHEST {
        let served = answer.api_keys.iter().find(|api| api.api_key == key).unwrap();
        assert_eq!((served.min_version, served.max_version), (min, max), "key {key}");
    }
    // Topic ids came with 4.4.
    let commit = answer.api_keys.iter().find(|api| api.api_key == 28).unwrap().max_version;
    assert_eq!(commit, if tests_kafka() { 5 } else { 6 });
}

/// Names and values of a topic's configs.
fn configs_of(client: &mut Client, topic: &str) -> Vec<(String, String)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let found = client.call(&request, 4).results.remove(0);
    found.configs.into_iter().map(|c| (c.name.to_string(), c.value.unwrap_or_default().to_string())).collect()
}

#[test]
fn the_topic_of_the_transactions_is_made_when_somebody_looks_for_a_coordinator() {
    let Some(broker) = Broker::start(&["transaction.state.log.num.partitions=7"]) else { return };
    let mut client = broker.connect();
    for version in [1, 3] {
        let request = FindCoordinatorRequest::default().with_key_type(1).with_key(text(&unique("t")));
        let found = client.settled(|client| {
            let answer = client.call(&request, version);
            (answer.error_code, answer)
        });
        assert_eq!((found.error_code, found.node_id.0), (0, client.metadata(None).brokers[0].node_id.0));
    }
    let keys: Vec<StrBytes> = (0..20).map(|_| text(&unique("t"))).collect();
    let request = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(keys);
    for version in 4..=6 {
        let found = client.call(&request, version).coordinators;
        assert!(found.len() == 20 && found.iter().all(|c| c.error_code == 0), "version {version}");
    }
    let topic = client.describe("__transaction_state");
    assert_eq!((topic.error_code, topic.partitions.len(), topic.is_internal), (0, 7, true));
    let configs = configs_of(&mut client, "__transaction_state");
    for (name, value) in [
        ("cleanup.policy", "compact"),
        ("compression.type", "uncompressed"),
        ("min.insync.replicas", "1"),
        ("segment.bytes", "104857600"),
        ("unclean.leader.election.enable", "false"),
    ] {
        assert!(configs.contains(&(name.to_owned(), value.to_owned())), "{name}: {configs:?}");
    }
}

/// What `kafka-storage format --feature transaction.version=<level>` leaves for a new cluster.
fn bootstrap(level: i16) -> Vec<u8> {
    let control = |record: ControlRecord, base_offset: i64| {
        let mut value = Vec::new();
        record.encode_value(&mut value);
        let mut builder = BatchBuilder::new();
        builder.push(0, Some(&record.key()), Some(&value), &[]);
        let fields = Fields { control: true, base_offset, partition_leader_epoch: 0, ..Fields::default() };
        builder.build(&fields, Codec::None.into()).unwrap().bytes
    };
    let mut builder = BatchBuilder::new();
    for (name, feature_level) in [("metadata.version", 30), ("transaction.version", level)] {
        let mut value = Vec::new();
        Record::from(FeatureLevelRecord { name: name.into(), feature_level }).encode(&mut value);
        builder.push(0, None, Some(&value), &[]);
    }
    let fields = Fields { base_offset: 1, partition_leader_epoch: 0, ..Fields::default() };
    let records = builder.build(&fields, Codec::None.into()).unwrap().bytes;
    let header = SnapshotHeader { version: 0, last_contained_log_timestamp: 0 };
    let footer = SnapshotFooter { version: 0 };
    [&control(header.into(), 0)[..], &records[..], &control(footer.into(), 3)[..]].concat()
}

#[test]
fn a_cluster_of_the_first_protocol_stays_with_it() {
    for level in [0, 1] {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("bootstrap.checkpoint"), bootstrap(level)).unwrap();
        if tests_kafka() {
            return;
        }
        let quick = ["transaction.state.log.num.partitions=2"];
        let Some(mut broker) = Broker::start_in(&dir, &quick) else { return };
        let mut client = broker.connect();
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("test"))
            .with_client_software_version(text("1"));
        let features = client.call(&request, 4).finalized_features;
        let told = features.iter().find(|feature| feature.name.as_str() == "transaction.version");
        assert_eq!(told.map_or(0, |feature| feature.max_version_level), level);

        let topic = client.create("first", 1).name;
        let write = |client: &mut Client, txn: &Txn, sequence: i32| {
            assert_eq!(client.add(txn, &topic, &[0]), [0]);
            let batch = txn.batch(sequence, &[&format!("{}", txn.epoch)]);
            assert_eq!(client.send_in(txn, &topic, 0, &batch, PRODUCE_V1).error_code, 0);
        };
        let first = client.init(&unique("t"));
        write(&mut client, &first, 0);
        assert_eq!(client.end(&first, true, END_V1).error_code, 0);
        write(&mut client, &first, 1);
        let second = client.init(first.id.as_str());
        write(&mut client, &second, 0);
        broker.kill();
        broker.restart();
        let mut client = broker.connect();
        assert_eq!(client.end(&second, true, END_V1).error_code, 0);
        let slow = client.init_with(&unique("t"), 300);
        write(&mut client, &slow, 0);
        client.await_transaction(&slow.id, "CompleteAbort");
        let seen = client.await_stable(&topic, 0);
        assert_eq!((seen.values.len(), seen.aborted.len()), (2, 2), "level {level}");
        assert_eq!(client.end(&slow, true, END_V1).error_code, 90);
    }
}
