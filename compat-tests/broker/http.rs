//! `/livez`, `/readyz` and `/metrics`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId, OffsetCommitRequest, TopicName};

use super::support::{Broker, Client, PATIENCE, Records, eventually, now_ms, text};

/// Status, headers and body.
fn request(broker: &Broker, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.metrics_port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

pub fn metrics(broker: &Broker) -> String {
    let (status, head, body) = request(broker, "GET", "/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    body
}

/// The value of the first series that has all these words.
pub fn value(metrics: &str, words: &[&str]) -> f64 {
    let line =
        metrics.lines().find(|line| !line.starts_with('#') && words.iter().all(|word| line.contains(word)));
    let line = line.unwrap_or_else(|| panic!("no series with {words:?} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_broker_that_runs_is_live_and_ready() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    for path in ["/livez", "/readyz"] {
        assert_eq!(request(&broker, "GET", path).0, 200, "{path}");
        assert_eq!(request(&broker, "HEAD", path).0, 200, "{path}");
    }
    assert_eq!(request(&broker, "GET", "/nothing").0, 404);
    assert_eq!(request(&broker, "POST", "/metrics").0, 405);
}

#[test]
fn what_goes_through_is_counted() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("counted", 1);
    let records = Records::of(["a", "b", "c"]);
    for _ in 0..10 {
        client.append(&topic.name, 0, &records);
    }
    client.fetch(&topic.name, 0, 0);
    let metrics = metrics(&broker);
    let name = format!("topic=\"{}\"", topic.name());
    let of_topic = |metric: &str| value(&metrics, &[metric, &name]);
    assert_eq!(of_topic("kafka_server_brokertopicmetrics_messagesin_total"), 30.0);
    let size = 10 * records.bytes().len();
    assert_eq!(of_topic("kafka_server_brokertopicmetrics_bytesin_total"), size as f64);
    assert_eq!(of_topic("kafka_server_brokertopicmetrics_bytesout_total"), size as f64);
    assert_eq!(of_topic("kafka_log_log_logendoffset"), 30.0);
    assert_eq!(of_topic("kafka_log_log_size"), size as f64);
    let produces = ["kafka_network_requestmetrics_requests_total", "request=\"Produce\""];
    assert_eq!(value(&metrics, &produces), 10.0);
}

/// Commits from outside of the group, as soon as there is a coordinator.
fn commit(client: &mut Client, topic: &TopicName, offsets: &[(i32, i64)]) {
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("behind")]);
    eventually("a coordinator", || (client.call(&find, 4).coordinators[0].error_code == 0).then_some(()));
    let partition = |(index, offset): &(i32, i64)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("")))
    };
    let partitions = offsets.iter().map(partition).collect();
    let of_topic = OffsetCommitRequestTopic::default().with_name(topic.clone()).with_partitions(partitions);
    let request =
        OffsetCommitRequest::default().with_group_id(GroupId(text("behind"))).with_topics(vec![of_topic]);
    eventually("committed offsets", || {
        let response = client.call(&request, 9);
        response.topics[0].partitions.iter().all(|p| p.error_code == 0).then_some(())
    });
}

#[test]
fn lag_is_told_in_records_and_in_seconds() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("consumed", 2);
    let minute_ago = now_ms() - 60_000;
    for partition in 0..2 {
        client.append(&topic.name, partition, &Records::of(["a"]).at([minute_ago - 3_600_000]));
        client.append(&topic.name, partition, &Records::of(["b", "c"]).at([minute_ago, minute_ago + 1]));
    }
    commit(&mut client, &topic.name, &[(0, 1), (1, 3)]);
    let metrics = metrics(&broker);
    let series = |name: &str, partition: &str| {
        let (name, partition) = (format!("{name}{{"), format!("partition=\"{partition}\""));
        value(&metrics, &[&name, "consumergroup=\"behind\"", &partition])
    };
    assert_eq!(series("kafka_consumergroup_current_offset", "0"), 1.0);
    assert_eq!(series("kafka_consumergroup_lag", "0"), 2.0);
    let seconds = series("kafka_consumergroup_lag_seconds", "0");
    assert!((60.0..60.0 + PATIENCE.as_secs_f64()).contains(&seconds), "{seconds} s");
    assert_eq!(series("kafka_consumergroup_lag", "1"), 0.0);
    assert_eq!(series("kafka_consumergroup_lag_seconds", "1"), 0.0);
    assert_eq!(value(&metrics, &["kafka_consumergroup_lag_sum{"]), 2.0);
    assert_eq!(value(&metrics, &["kafka_consumergroup_members{"]), 0.0);
}

#[test]
fn lag_has_as_many_series_as_it_may() {
    let Some(broker) = Broker::barnabas(&["metrics.consumer.group.partitions.max=1"]) else { return };
    let mut client = broker.connect();
    let topic = client.create("consumed", 2);
    commit(&mut client, &topic.name, &[(0, 0), (1, 0)]);
    let metrics = metrics(&broker);
    let lines = metrics.lines().filter(|line| line.starts_with("kafka_consumergroup_lag{"));
    assert_eq!(lines.count(), 1);
    assert_eq!(value(&metrics, &["barnabas_metrics_consumer_group_partitions_without_series"]), 1.0);
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("checked", 2);
    client.append(&topic.name, 0, &Records::of(["a"]));
    client.fetch(&topic.name, 0, 0);
    client.fetch(&topic.name, 0, 99);
    let text = metrics(&broker);
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("left out: promtool is not installed");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // Its names and labels are those that dashboards of Apache Kafka ask for.
    let given = ["kafka_log_logcleanermanager_", "kafka_log_logmanager_"];
    let own: Vec<&str> = said.lines().filter(|l| !given.iter().any(|start| l.starts_with(start))).collect();
    assert!(own.is_empty(), "{own:#?}");
}

#[test]
fn a_deleted_topic_leaves_no_series_behind() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("gone", 1);
    client.append(&topic.name, 0, &Records::of(["a"]));
    assert!(metrics(&broker).contains(topic.name()));
    let delete = kafka_protocol::messages::DeleteTopicsRequest::default()
        .with_topic_names(vec![topic.name.clone()])
        .with_timeout_ms(10_000);
    client.call(&delete, 5);
    super::support::has_come("no series of it", || !metrics(&broker).contains(topic.name()));
}

#[test]
fn the_pages_can_be_switched_off() {
    let Some(broker) = Broker::barnabas(&["metrics.listener="]) else { return };
    assert_eq!(broker.metrics_port, 0);
    assert_eq!(broker.connect().metadata(Some(&[])).brokers.len(), 1);
}

#[test]
fn odd_http_is_answered_or_closed_and_the_next_client_is_served() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [&b"\0\0\0\x12\0\x12\0\0\0\0\0\x01"[..], b"GET\r\n\r\n", long.as_bytes()] {
        let mut stream = TcpStream::connect(("127.0.0.1", broker.metrics_port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(request(&broker, "GET", "/livez").0, 200);
    assert!(broker.is_running());
}
