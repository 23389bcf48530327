//! UpdateFeatures: feature levels go up and down, all of a request or none.

use std::path::PathBuf;

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{ApiVersionsRequest, UpdateFeaturesRequest, UpdateFeaturesResponse};

use barnabas::log::disk::StdDisk;
use barnabas::raft::write_bootstrap;
use barnabas::wire::kraft::FeatureLevelRecord;

use super::support::{Broker, Client, Invocation, Records, eventually, has_come, tests_kafka, text};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

fn request(updates: &[(&str, i16, i8)]) -> UpdateFeaturesRequest {
    let update = |(name, level, upgrade_type): &(&str, i16, i8)| {
        FeatureUpdateKey::default()
            .with_feature(text(name))
            .with_max_version_level(*level)
            .with_upgrade_type(*upgrade_type)
    };
    UpdateFeaturesRequest::default().with_feature_updates(updates.iter().map(update).collect())
}

fn update(client: &mut Client, updates: &[(&str, i16, i8)]) -> (i16, Option<String>) {
    let answer: UpdateFeaturesResponse = client.call(&request(updates), 2);
    assert!(answer.results.is_empty());
    (answer.error_code, answer.error_message.map(|message| message.to_string()))
}

fn level(client: &mut Client, feature: &str) -> i16 {
    let introduction = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let answer = client.call(&introduction, 4);
    let found = answer.finalized_features.iter().find(|f| f.name.as_str() == feature);
    found.map_or(0, |f| f.max_version_level)
}

const ALL_OR_NONE: &str =
    "The update failed for all features since the following feature had an error: Invalid update version";

#[test]
fn levels_that_make_no_sense_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id.0;
    let up_only = "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                   unsafe downgrade.";
    let unknown_type = "The controller does not support the given upgrade type.";
    let range = |range: &str| format!("Local controller {node} only supports versions {range}");
    let off = format!("Local controller {node} does not support this feature.");
    let cases: [(&str, i16, i8, String); 9] = [
        ("transaction.version", 1, UPGRADE, up_only.into()),
        ("transaction.version", 99, UPGRADE, range("0-2")),
        ("transaction.version", 99, SAFE_DOWNGRADE, range("0-2")),
        ("group.version", -1, UPGRADE, "A feature version cannot be less than 0.".into()),
        ("group.version", 1, 0, unknown_type.into()),
        ("group.version", 1, 4, unknown_type.into()),
        ("no.such.version", 1, UPGRADE, off),
        ("no.such.version", 0, SAFE_DOWNGRADE, "Feature no.such.version not found.".into()),
        ("metadata.version", 6, SAFE_DOWNGRADE, range("7-30")),
    ];
    for (name, level, upgrade_type, reason) in cases {
        let message = format!("{ALL_OR_NONE} {level} for feature {name}. {reason}");
        assert_eq!(update(&mut client, &[(name, level, upgrade_type)]), (95, Some(message)));
    }
}

#[test]
fn the_metadata_log_does_not_lose_what_it_holds() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let start = "The update failed for all features since the following feature had an error: Unsupported \
                 metadata.version downgrade from 30 to 29.";
    let refused = update(&mut client, &[("metadata.version", 29, SAFE_DOWNGRADE)]);
    let reason = "Refusing to perform the requested downgrade because it might delete metadata information.";
    assert_eq!(refused, (95, Some(format!("{start} {reason}"))));
    let refused = update(&mut client, &[("metadata.version", 29, UNSAFE_DOWNGRADE)]);
    let reason = "Unsafe metadata downgrade is not supported in this version.";
    assert_eq!(refused, (95, Some(format!("{start} {reason}"))));
}

#[test]
fn versions_0_and_1_answer_by_feature() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let up = request(&[("group.version", 1, UPGRADE)]);
    let mut before_types = up.clone();
    before_types.feature_updates[0].upgrade_type = FeatureUpdateKey::default().upgrade_type;
    for (version, request) in [(0, before_types), (1, up)] {
        let answer = client.call(&request, version);
        assert_eq!((answer.error_code, answer.error_message), (0, None));
        let [result] = answer.results.as_slice() else { panic!("{:?}", answer.results) };
        assert_eq!((result.feature.as_str(), result.error_code), ("group.version", 0));
        assert_eq!(result.error_message.as_deref(), Some("NONE"));
    }
    let answer = client.call(&request(&[("group.version", 7, UPGRADE)]), 1);
    assert_eq!((answer.error_code, answer.results.len()), (95, 0));
}

#[test]
fn levels_go_down_and_up_and_outlive_the_process() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let down = ("transaction.version", 1, SAFE_DOWNGRADE);
    assert_eq!(client.call(&request(&[down]).with_validate_only(true), 2).error_code, 0);
    assert_eq!(level(&mut client, "transaction.version"), 2);
    // One that is refused keeps back the other.
    assert_eq!(update(&mut client, &[down, ("group.version", 9, UPGRADE)]).0, 95);
    assert_eq!(level(&mut client, "transaction.version"), 2);
    let elr_down = ("eligible.leader.replicas.version", 0, SAFE_DOWNGRADE);
    assert_eq!(update(&mut client, &[down, elr_down]), (0, None));
    has_come("it is told", || level(&mut client, "transaction.version") == 1);
    has_come("it is told", || level(&mut client, "eligible.leader.replicas.version") == 0);
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    eventually("it is told again", || (level(&mut client, "transaction.version") == 1).then_some(()));
    let up = ("transaction.version", 2, UPGRADE);
    assert_eq!(update(&mut client, &[up]), (0, None));
    has_come("it is told", || level(&mut client, "transaction.version") == 2);
}

#[test]
fn an_upgrade_to_metadata_that_knows_log_directories_registers_them() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let level = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 16 };
    write_bootstrap(&StdDisk, &dir, &[level.into()], 0).unwrap();
    if tests_kafka() {
        return;
    }
    let Some(mut broker) = Broker::start_in(&dir, &[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("before", 1).name;
    let properties = std::fs::read_to_string(dir.join("meta.properties")).unwrap();
    let id = properties.lines().find_map(|line| line.strip_prefix("directory.id=")).unwrap();
    let log = dir.join("__cluster_metadata-0/00000000000000000000.log");
    let dump = || {
        let files = ["dump-log", "--cluster-metadata-decoder", "--files", log.to_str().unwrap()];
        let arguments = files.map(str::to_owned).to_vec();
        let working_directory = PathBuf::from(".");
        Invocation { arguments, working_directory, ..Invocation::default() }.run().out
    };
    let names = |kind: &str| dump().lines().any(|line| line.contains(kind) && line.contains(id));
    assert!(!names(""), "nobody asks for directories at level 16");
    assert_eq!(update(&mut client, &[("metadata.version", 17, UPGRADE)]), (0, None));
    has_come("the directory is registered", || names("REGISTER_BROKER_RECORD"));
    has_come("the replica is in it", || names("PARTITION_CHANGE_RECORD"));
    client.append(&topic, 0, &Records::of(["a"]));
    assert_eq!(broker.stop(), Some(0));
}
