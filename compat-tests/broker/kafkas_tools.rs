//! Apache Kafka's own eyes on the files of a barnabas; left out unless `KAFKA_LIB` names its jars.

use std::path::{Path, PathBuf};
use std::process::Command;

use barnabas::wire::compress::Codec;
use kafka_protocol::messages::{InitProducerIdRequest, TopicName};

use super::support::{Broker, Records, eventually, values_in};
use super::{client_quotas, scram_credentials};

/// Runs a class of Apache Kafka; what it printed.
fn kafka(lib: &str, class: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", &format!("{lib}/*"), class]).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn files(dir: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)))
        .collect();
    found.sort();
    found
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(",")
}

#[test]
fn dump_log_segments_reads_every_file_and_finds_nothing_wrong() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let configs = [("segment.bytes", "1048576"), ("index.interval.bytes", "500")];
    let topic = client.create_with("dumped", 1, &configs);
    let id = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).producer_id.0;
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for number in 0..200 {
        let codec = codecs[usize::try_from(number).unwrap() % codecs.len()];
        let records = Records::of_size(20_000).codec(codec).producer(id, 0, number);
        client.append(&topic.name, 0, &records);
    }
    assert_eq!(broker.stop(), Some(0));
    let dir = broker.dir.join(format!("{}-0", topic.name()));
    let logs = files(&dir, &["log"]);
    assert!(logs.len() > 1, "{logs:?}");
    let said =
        kafka(&lib, "org.apache.kafka.tools.DumpLogSegments", &["--deep-iteration", "--files", &list(&logs)]);
    assert_eq!(said.matches("isvalid: true").count(), 200, "{said}");
    assert!(said.contains("baseOffset: 199 lastOffset: 199"), "{said}");
    for wrong in ["isvalid: false", "Found", "Mismatch", "mismatch", "invalid", "Invalid"] {
        assert!(!said.contains(wrong), "{wrong:?} in {said}");
    }
    // The sanity check compares every entry with the log.
    let indexes = files(&dir, &["index", "timeindex"]);
    let said = kafka(
        &lib,
        "org.apache.kafka.tools.DumpLogSegments",
        &["--index-sanity-check", "--files", &list(&indexes)],
    );
    assert_eq!(said.matches("passed sanity check").count(), indexes.len(), "{said}");
    let said = kafka(&lib, "org.apache.kafka.tools.DumpLogSegments", &["--files", &list(&indexes)]);
    assert!(!said.contains("ismatch") && !said.contains("Found"), "{said}");
    let snapshots = files(&dir, &["snapshot"]);
    let said = kafka(&lib, "org.apache.kafka.tools.DumpLogSegments", &["--files", &list(&snapshots)]);
    assert!(said.contains(&format!("producerId: {id} producerEpoch: 0")), "{said}");
}

#[test]
fn dump_log_segments_decodes_the_metadata_log() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let topic = broker.connect().create("decoded", 3);
    assert_eq!(broker.stop(), Some(0));
    let logs = files(&broker.dir.join("__cluster_metadata-0"), &["log"]);
    let said = kafka(
        &lib,
        "org.apache.kafka.tools.DumpLogSegments",
        &["--cluster-metadata-decoder", "--files", &list(&logs)],
    );
    for part in ["TOPIC_RECORD", "PARTITION_RECORD", "REGISTER_BROKER_RECORD", topic.name()] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    for wrong in ["isvalid: false", "rror", "Could not"] {
        assert!(!said.contains(wrong), "{wrong:?} in {said}");
    }
}

#[test]
fn the_metadata_shell_reads_a_snapshot() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let often = "metadata.log.max.record.bytes.between.snapshots=100";
    let Some(mut broker) = Broker::barnabas(&[often]) else { return };
    let mut client = broker.connect();
    let topic = client.create("shown", 3);
    let dir = broker.dir.join("__cluster_metadata-0");
    let newest = || files(&dir, &["checkpoint"]).pop();
    let before = newest();
    eventually("there is a newer snapshot", || {
        client.create("more", 1);
        (newest() != before).then_some(())
    });
    assert_eq!(broker.stop(), Some(0));
    let snapshot = newest().unwrap().display().to_string();
    let partition = format!("/image/topics/byName/{}/2", topic.name());
    let arguments = ["--snapshot", &snapshot, "cat", &partition];
    let said = kafka(&lib, "org.apache.kafka.shell.MetadataShell", &arguments);
    assert!(said.contains("PartitionRegistration(replicas=[1]"), "{said}");
}

/// Appends to the topic through whichever broker this is, and checks everything that is in it.
fn reads_all_and_appends(broker: &Broker, topic: &TopicName, before: i64) {
    let mut client = broker.connect();
    let end = eventually("it is led", || {
        Some(client.list_offset(topic, 0, -1)).filter(|answer| answer.error_code == 0)
    });
    assert_eq!(end.offset, before);
    for offset in 0..before {
        let records = client.fetch(topic, 0, offset).records.unwrap();
        assert_eq!(values_in(&records)[0], (offset, format!("value {offset}")));
    }
    let appended = eventually("it takes records", || {
        let produced = client.produce(topic, 0, Records::of([format!("value {before}")]).bytes());
        (produced.error_code == 0).then_some(produced.base_offset)
    });
    assert_eq!(appended, before);
}

#[test]
fn a_directory_changes_hands_both_ways() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut barnabas) = Broker::barnabas(&[]) else { return };
    let topic = barnabas.connect().create("handed-over", 1);
    reads_all_and_appends(&barnabas, &topic.name, 0);
    for round in 0..2 {
        assert_eq!(barnabas.stop(), Some(0));
        let mut kafka = Broker::apache_kafka_in(&lib, &barnabas.dir);
        reads_all_and_appends(&kafka, &topic.name, 2 * round + 1);
        kafka.stop();
        barnabas.restart();
        assert_eq!(barnabas.connect().describe(&topic.name).topic_id, topic.id);
        reads_all_and_appends(&barnabas, &topic.name, 2 * round + 2);
    }
}

#[test]
fn quotas_and_credentials_change_hands_both_ways() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    // In snapshots, too.
    let settings = ["metadata.log.max.record.bytes.between.snapshots=100"];
    let Some(mut barnabas) = Broker::barnabas(&settings) else { return };
    let give = |broker: &Broker, user: &str| {
        let mut client = broker.connect();
        client_quotas::give(&mut client, user);
        scram_credentials::give(&mut client, user);
    };
    let await_given = |broker: &Broker, user: &str| {
        let mut client = broker.connect();
        client_quotas::await_given(&mut client, user);
        scram_credentials::await_given(&mut client, user);
    };
    give(&barnabas, "from-barnabas");
    assert_eq!(barnabas.stop(), Some(0));
    let mut kafka = Broker::apache_kafka_in(&lib, &barnabas.dir);
    await_given(&kafka, "from-barnabas");
    give(&kafka, "from-kafka");
    await_given(&kafka, "from-kafka");
    kafka.stop();
    barnabas.restart();
    await_given(&barnabas, "from-barnabas");
    await_given(&barnabas, "from-kafka");
}
