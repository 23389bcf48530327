//! The command line, the layers of configuration, and starts that must fail.

use std::path::Path;

use barnabas::log::disk::StdDisk;
use barnabas::wire::kraft::FeatureLevelRecord;
use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;

use super::support::{Broker, Invocation, Records, eventually, free_port, tests_kafka, text};

/// What every file must say.
const COMBINED: &str = "process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.voters=1@localhost:19093
";

/// Every entry of a directory.
fn entries(dir: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// How many partitions a topic gets that is made on the way.
fn partitions_of_a_new_topic(broker: &Broker) -> usize {
    let mut client = broker.connect();
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text("made-on-the-way"))));
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    eventually("the topic", || Some(client.call(&request, 12).topics[0].partitions.len()).filter(|n| *n > 0))
}

fn arguments(dir: &Path, arguments: &[&str]) -> Invocation {
    Invocation {
        working_directory: dir.to_owned(),
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        ..Invocation::default()
    }
}

#[test]
fn version_and_help_are_told_and_nothing_is_started() {
    if tests_kafka() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let version = arguments(temp.path(), &["--version"]).run();
    assert_eq!(version.code, Some(0));
    assert!(version.out.starts_with(env!("CARGO_PKG_VERSION")), "{version:?}");
    let help = arguments(temp.path(), &["--help"]).run();
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("--override key=value"), "{help:?}");
    for wrong in [&["--verbose"][..], &["--override"], &["a.properties", "b.properties"]] {
        let ended = arguments(temp.path(), wrong).run();
        assert_eq!(ended.code, Some(1), "{wrong:?}");
        assert!(ended.err.contains("Usage"), "{ended:?}");
    }
    assert!(entries(temp.path()).is_empty());
}

#[test]
fn a_bad_value_is_told_with_file_line_and_reason_and_nothing_is_written() {
    if tests_kafka() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("server.properties");
    std::fs::write(&file, format!("# a comment\n\n{COMBINED}num.partitions=many\n")).unwrap();
    let ended = arguments(temp.path(), &["server.properties"]).run();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    for part in ["server.properties", "line 7", "num.partitions", "many", "Not a number of type INT"] {
        assert!(ended.err.contains(part), "{part:?} is not in {}", ended.err);
    }
    assert_eq!(entries(temp.path()), ["server.properties"]);

    let ended = Invocation::in_directory(temp.path()).and(&["num.partitions=0"]).run();
    assert_eq!(ended.code, Some(1));
    for part in ["num.partitions", "Value must be at least 1"] {
        assert!(ended.err.contains(part), "{part:?} is not in {}", ended.err);
    }
    assert_eq!(entries(temp.path()), ["server.properties"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    if tests_kafka() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let ended = arguments(temp.path(), &["absent.properties"]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("absent.properties"), "{ended:?}");
}

#[test]
fn without_any_configuration_the_data_is_in_the_working_directory() {
    let temp = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::invoked(Invocation::in_directory(temp.path())) else { return };
    let mut client = broker.connect();
    let topic = client.create("first", 1);
    client.append(&topic.name, 0, &Records::of(["x"]));
    assert_eq!(entries(temp.path()), ["data"]);
    assert!(temp.path().join("data").join(format!("{}-0", topic.name())).is_dir());
}

#[test]
fn overrides_win_over_the_environment_and_that_over_the_file() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("server.properties"), format!("{COMBINED}num.partitions=2\n")).unwrap();
    let with_file = || {
        let listeners = "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0";
        let mut invocation = Invocation::in_directory(temp.path()).and(&[listeners]);
        invocation.arguments.insert(0, "server.properties".to_owned());
        invocation
    };
    let layers = [
        (with_file(), 2),
        (with_file().environment("KAFKA_NUM_PARTITIONS", "3"), 3),
        (with_file().environment("KAFKA_NUM_PARTITIONS", "3").and(&["num.partitions=4"]), 4),
    ];
    for (number, (invocation, expected)) in layers.into_iter().enumerate() {
        let dirs = format!("log.dirs={}", temp.path().join(format!("data-{number}")).display());
        let Some(broker) = Broker::invoked(invocation.and(&[&dirs])) else { return };
        assert_eq!(partitions_of_a_new_topic(&broker), expected);
    }
}

#[test]
fn unknown_keys_are_one_line_of_the_log() {
    let Some(mut broker) = Broker::barnabas(&["no.such.key=1", "another.one=2"]) else { return };
    let line = broker.await_log("no.such.key");
    assert!(line.contains("another.one") && line.contains("INFO"), "{line}");
}

/// With the controller's listener, quorum voters and all.
#[test]
fn a_file_for_apache_kafkas_combined_mode_starts_as_it_is() {
    let free = free_port();
    for quorum in [
        format!("controller.quorum.voters=7@localhost:{free}"),
        format!("controller.quorum.bootstrap.servers=localhost:{free}"),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let file = format!(
            "process.roles=broker,controller\nnode.id=7\n{quorum}\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{free}\n\
             inter.broker.listener.name=PLAINTEXT\nadvertised.listeners=PLAINTEXT://localhost:9092\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n\
             num.network.threads=3\nlog.dirs={}\nnum.partitions=5\nlog.retention.hours=168\n\
             offsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n",
            temp.path().join("logs").display()
        );
        std::fs::write(temp.path().join("server.properties"), file).unwrap();
        let invocation = arguments(temp.path(), &["server.properties", "--override", "metrics.listener="]);
        let Some(broker) = Broker::invoked(invocation) else { return };
        assert_eq!(broker.connect().metadata(Some(&[])).brokers[0].node_id.0, 7);
        assert_eq!(partitions_of_a_new_topic(&broker), 5);
    }
}

#[test]
fn a_formatted_directory_keeps_its_cluster_id() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("formatted");
    std::fs::create_dir(&dir).unwrap();
    let meta =
        "#\nversion=1\nnode.id=1\ncluster.id=5L6g3nShT-eMCtK--X86sw\ndirectory.id=cVBpfqYwSQOMXdSZO7UMNg\n";
    std::fs::write(dir.join("meta.properties"), meta).unwrap();
    let Some(mut broker) = Broker::start_in(&dir, &[]) else { return };
    if tests_kafka() {
        return;
    }
    let cluster_id = |broker: &Broker| broker.connect().metadata(Some(&[])).cluster_id.unwrap().to_string();
    assert_eq!(cluster_id(&broker), "5L6g3nShT-eMCtK--X86sw");
    broker.stop();
    broker.restart();
    assert_eq!(cluster_id(&broker), "5L6g3nShT-eMCtK--X86sw");
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    broker.stop();
    std::fs::rename(&broker.dir, &dir).unwrap();
    let ended = Invocation::over(&dir, &["node.id=2"]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("meta.properties") && ended.err.contains("node"), "{ended:?}");
}

#[test]
fn a_directory_of_a_newer_kafka_is_refused_and_left_as_it_is() {
    if tests_kafka() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let newer = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 99 };
    barnabas::raft::write_bootstrap(&StdDisk, &data, &[newer.into()], 0).unwrap();
    let ended = arguments(temp.path(), &[]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("has metadata.version at level 99"), "{ended:?}");
    assert_eq!(entries(&data), ["bootstrap.checkpoint"]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    if tests_kafka() {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let temp = tempfile::tempdir().unwrap();
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    let ended = Invocation::over(&temp.path().join("data"), &[&listeners]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(&port.to_string()), "{ended:?}");
}
