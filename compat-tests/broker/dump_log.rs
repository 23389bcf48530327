//! `barnabas dump-log` beside Apache Kafka's DumpLogSegments, over the directories of both brokers; left out unless
//! `KAFKA_LIB` names the jars.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, DeleteTopicsRequest};

use barnabas::wire::compress::Codec;

use super::support::groups::{Member, group};
use super::support::{Broker, Client, Invocation, Records, stranger, text};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// A subscription of version 3 (`ConsumerProtocolSubscription`): to one topic, with an owned partition and a rack.
fn subscription(topic: &str) -> Bytes {
    let mut out = BytesMut::new();
    let length = i16::try_from(topic.len()).unwrap();
    out.put_i16(3);
    out.put_i32(1);
    out.put_i16(length);
    out.put_slice(topic.as_bytes());
    out.put_i32(-1);
    out.put_i32(1);
    out.put_i16(length);
    out.put_slice(topic.as_bytes());
    out.put_i32(1);
    out.put_i32(0);
    out.put_i32(7);
    out.put_i16(1);
    out.put_slice(b"r");
    out.freeze()
}

/// Something of everything that a log can hold.
fn fill(client: &mut Client) {
    let topic =
        client.create_with("filled", 1, &[("segment.bytes", "1048576"), ("index.interval.bytes", "100")]);
    for (number, codec) in (0..).zip(CODECS.into_iter().cycle().take(60)) {
        let values = ["a value", "\u{e9}", "\"quoted\"\n"];
        let records = Records::of(values).key(1, "a key").codec(codec).at([number, number * 1000, 5]);
        client.append(&topic.name, 0, &records);
    }
    client.append(&topic.name, 0, &Records::of_size(700_000));
    client.append(&topic.name, 0, &Records::of_size(700_000));
    let stamped = client.create_with("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    client.append(&stamped.name, 0, &Records::of(["b"]));
    for (verdict, id) in [(true, "committer"), (false, "aborter"), (false, "aborter")] {
        let txn = client.init(id);
        client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["in a transaction"]));
        client.finish(&txn, verdict);
    }
    let id = group("classic");
    client.await_coordinator(&id);
    let mut member = Member::of(&id);
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(subscription(topic.name()));
    let request = |member: &Member| {
        let request = member.join_request().with_protocol_type(text("consumer"));
        request.with_protocols(vec![protocol.clone()])
    };
    let first = client.call(&request(&member), 5);
    member.id = first.member_id;
    member.joined(&client.call(&request(&member), 5));
    let synced = client.call(&member.sync_request(&[(&member, "not an assignment")]), 4);
    assert_eq!(synced.error_code, 0, "{synced:?}");
    assert_eq!(client.commit(&member, &topic.name, 0, 3), 0);
    let modern = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("modern"))
        .with_member_id(text(&stranger().to_string()))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![topic.name.clone()]))
        .with_topic_partitions(Some(vec![]));
    assert_eq!(client.call(&modern, 1).error_code, 0);
    let gone = client.create_with("gone", 2, &[("retention.ms", "12345")]);
    let gone = DeleteTopicState::default().with_name(Some(gone.name));
    client.call(&DeleteTopicsRequest::default().with_topics(vec![gone]).with_timeout_ms(10_000), 6);
}

/// The files below `dir` whose names end so, sorted; `of` is a part of the path.
fn files(dir: &Path, of: &str, suffixes: &[&str]) -> Vec<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(std::fs::read_dir(&entry).unwrap().map(|file| file.unwrap().path()));
        }
    }
    let mut found: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
    found.retain(|path| path.contains(of) && suffixes.iter().any(|suffix| path.ends_with(suffix)));
    found.sort();
    assert!(!found.is_empty(), "{of} has nothing that ends with {suffixes:?}");
    found
}

/// What both tools say of the same files, stdout and stderr, has to be equal.
fn compare(lib: &str, options: &[&str], files: &[String]) {
    let mut arguments: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    arguments.extend(["--files".to_owned(), files.join(",")]);
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-Xmx256M", "-cp", &format!("{lib}/*")]);
    java.arg("org.apache.kafka.tools.DumpLogSegments").args(&arguments);
    let theirs = java.output().unwrap();
    let tool =
        Invocation { arguments: [vec!["dump-log".to_owned()], arguments].concat(), ..Invocation::default() };
    let ours = Invocation { working_directory: PathBuf::from("."), ..tool }.run();
    let out = String::from_utf8_lossy(&theirs.stdout);
    for (number, (theirs, ours)) in out.lines().zip(ours.out.lines()).enumerate() {
        assert_eq!(theirs, ours, "line {number} of {options:?}");
    }
    assert_eq!(out.lines().count(), ours.out.lines().count(), "{options:?}: {}", ours.err);
    // Findings come in an order of Java's hash map.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&String::from_utf8_lossy(&theirs.stderr)), sorted(&ours.err), "{options:?}");
    assert_eq!(theirs.status.code(), ours.code, "{options:?}");
}

fn compare_all(lib: &str, dir: &Path) {
    let of = |part: &str, suffixes: &[&str]| files(dir, part, suffixes);
    compare(lib, &["--print-data-log"], &of("", &[".log"]));
    compare(lib, &["--deep-iteration", "--max-bytes", "300"], &of("", &[".log"]));
    compare(lib, &["--offsets-decoder"], &of("__consumer_offsets", &[".log"]));
    compare(lib, &["--transaction-log-decoder"], &of("__transaction_state", &[".log"]));
    let metadata = of("__cluster_metadata", &[".log", ".checkpoint"]);
    compare(lib, &["--cluster-metadata-decoder"], &metadata);
    compare(lib, &["--cluster-metadata-decoder", "--skip-record-metadata"], &metadata);
    // Kafka's tool fails on the index of an empty segment that was not closed.
    let indexes = of("/filled", &[".index", ".timeindex"]);
    compare(lib, &[], &indexes);
    compare(lib, &["--verify-index-only"], &indexes);
    compare(lib, &["--index-sanity-check"], &indexes);
    compare(lib, &[], &of("", &[".snapshot", ".txnindex", "partition.metadata", "leader-epoch-checkpoint"]));
}

#[test]
fn the_dump_is_apache_kafkas_over_files_of_both_brokers() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut barnabas) = Broker::barnabas(&["offsets.topic.num.partitions=3"]) else { return };
    fill(&mut barnabas.connect());
    assert_eq!(barnabas.stop(), Some(0));
    compare_all(&lib, &barnabas.dir);
    let scratch = tempfile::tempdir().unwrap();
    let mut kafka = Broker::apache_kafka_in(&lib, &scratch.path().join("data"));
    fill(&mut kafka.connect());
    kafka.stop();
    compare_all(&lib, &kafka.dir);
}
