//! Layer 2: metrics, under the names that Apache Kafka's have behind the usual Prometheus exporter rules
//! (`kafka_server_brokertopicmetrics_bytesin_total`), so that existing dashboards read them.
//!
//! What is counted while requests run goes through handles: [`Topic`] and [`Api`], and the functions of
//! [`gauges`] and [`timers`] over the `metrics` facade. What is simply true at the moment of a scrape, such as
//! the offsets of each partition, comes in as a [`State`] and is written straight to text: it costs nothing
//! in between, and a deleted topic leaves no series behind.
//!
//! Knows no broker: callers hand in numbers and names. Label values are bounded: APIs, versions, error names
//! and listeners by what exists, topics and partitions by [`TOPIC_SERIES_MAX`] and [`PARTITION_SERIES_MAX`].

mod cleaner;
pub mod gauges;
mod groups;
mod process;
mod recorder;
mod requests;
mod state;
mod summary;
mod text;
pub mod timers;
mod topics;

use std::sync::Arc;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use self::process::Process;
use self::recorder::Recorder;
use self::summary::Summaries;
use self::text::Text;
use self::topics::Topics;
use crate::base::clock::Clock;

pub use self::cleaner::{Cleaner, Cleaning, Uncleanable};
pub use self::groups::{ConsumedPartition, ConsumerGroup};
pub use self::requests::{Api, NO_ERROR};
pub use self::state::{BrokerState, LogDirectory, Partition, State};
pub use self::topics::Topic;

/// Most topics with series of their own at a time; records of further topics count for the whole broker only.
pub const TOPIC_SERIES_MAX: usize = 1_000;

/// Most partitions with series of their own in one scrape.
pub const PARTITION_SERIES_MAX: usize = 10_000;

/// `Content-Type` of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Something else in this process records metrics already.
#[derive(Debug, thiserror::Error)]
#[error("a metrics recorder is installed already")]
pub struct AlreadyInstalled;

/// Where everything is counted and rendered; clones are the same place.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    exporter: PrometheusHandle,
    summaries: Summaries,
    topics: Topics,
    process: Process,
    clock: Clock,
}

/// Makes this process's metrics. Handles that were taken from the facade before do nothing.
pub fn install(clock: Clock) -> Result<Metrics, AlreadyInstalled> {
    let (recorder, metrics) = create(clock);
    metrics::set_global_recorder(recorder).map_err(|_| AlreadyInstalled)?;
    describe();
    Ok(metrics)
}

fn create(clock: Clock) -> (Recorder, Metrics) {
    let exporter = PrometheusBuilder::new().build_recorder();
    let (handle, summaries) = (exporter.handle(), Summaries::default());
    let inner = Inner {
        exporter: handle,
        summaries: summaries.clone(),
        topics: Topics::default(),
        process: Process::new(clock.now_ms()),
        clock,
    };
    (Recorder::new(exporter, summaries), Metrics(Arc::new(inner)))
}

fn describe() {
    gauges::describe();
    requests::describe();
    timers::describe();
}

impl Metrics {
    /// Metrics beside the installed ones, for tests: what goes through the facade is not in them.
    pub fn detached(clock: Clock) -> Self {
        create(clock).1
    }

    /// The counters of one topic; the same ones for as long as anybody holds them.
    pub fn topic(&self, name: &Arc<str>) -> Topic {
        self.0.topics.topic(name)
    }

    /// Counters for what belongs to no topic that exists.
    pub fn no_topic(&self) -> Topic {
        self.0.topics.no_topic()
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self, state: &State) -> String {
        let inner = &*self.0;
        gauges::set_all(state);
        let mut text = Text::new(inner.exporter.render());
        inner.summaries.write(inner.clock.elapsed(), &mut text);
        inner.topics.write(&mut text);
        state.write(&mut text);
        inner.process.write(&mut text);
        text.into_string()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    fn consumed(partition: i32, lag: Option<i64>) -> ConsumedPartition {
        let lag_ms = lag.map(|lag| lag.unsigned_abs() * 500);
        ConsumedPartition { topic: "t".into(), partition, offset: 7, lag, lag_ms }
    }

    fn state() -> State {
        State {
            broker_state: BrokerState::Running,
            leader_count: 2,
            partition_count: 2,
            active_controller: true,
            global_topic_count: 1,
            global_partition_count: 2,
            brokers: vec![(1, "localhost:9092".into())],
            connections: vec![("PLAINTEXT".into(), 3)],
            topics: vec![("a\"b".into(), 2)],
            partitions: vec![Partition {
                topic: "a\"b".into(),
                partition: 1,
                size_bytes: 100,
                log_start_offset: 5,
                log_end_offset: 9,
                high_watermark: 8,
                replica_count: 3,
                in_sync_replica_count: 2,
            }],
            consumer_groups: vec![ConsumerGroup {
                group: "g".into(),
                members: 4,
                partitions: vec![consumed(0, Some(3)), consumed(1, Some(4)), consumed(2, None)],
            }],
            ..State::default()
        }
    }

    /// Renders what one busy minute leaves behind.
    fn rendered() -> String {
        let (recorder, metrics) = create(Clock::manual(0));
        metrics::with_local_recorder(&recorder, || {
            describe();
            let topic = metrics.topic(&"a\"b".into());
            topic.messages_in(10);
            topic.bytes_in(1_000);
            metrics.no_topic().failed_produce_requests(1);
            let api = Api::new("Produce", 3..=13);
            api.received(9);
            api.answered(Duration::from_micros(1_500));
            api.error(NO_ERROR, 2);
            api.error("MESSAGE_TOO_LARGE", 1);
            timers::log_flush_time(Clock::manual(0)).time(|| ());
            metrics.render(&state())
        })
    }

    #[test]
    fn series_have_the_names_and_labels_that_dashboards_read() {
        let text = rendered();
        for line in [
            "kafka_server_brokertopicmetrics_messagesin_total 10",
            "kafka_server_brokertopicmetrics_messagesin_total{topic=\"a\\\"b\"} 10",
            "kafka_server_brokertopicmetrics_failedproducerequests_total 1",
            "kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"} 1",
            "kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"NONE\"} 2",
            "kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"MESSAGE_TOO_LARGE\"} 1",
            "kafka_log_logflushstats_logflushrateandtimems_count 1",
            "kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"} 1",
            "kafka_server_kafkaserver_brokerstate 3",
            "kafka_server_replicamanager_leadercount 2",
            "kafka_controller_kafkacontroller_activecontrollercount 1",
            "kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\"} 3",
            "kafka_log_log_logendoffset{topic=\"a\\\"b\",partition=\"1\"} 9",
            "kafka_topic_partition_current_offset{topic=\"a\\\"b\",partition=\"1\"} 8",
            "kafka_cluster_partition_replicascount{topic=\"a\\\"b\",partition=\"1\"} 3",
            "kafka_cluster_partition_underreplicated{topic=\"a\\\"b\",partition=\"1\"} 1",
            "kafka_topic_partitions{topic=\"a\\\"b\"} 2",
            "kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"2\"} 7",
            "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"1\"} 4",
            "kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"t\",partition=\"0\"} 1.5",
            "kafka_consumergroup_current_offset_sum{consumergroup=\"g\",topic=\"t\"} 21",
            "kafka_consumergroup_lag_sum{consumergroup=\"g\",topic=\"t\"} 7",
            "kafka_consumergroup_members{consumergroup=\"g\"} 4",
            "kafka_brokers 1",
            "kafka_broker_info{id=\"1\",address=\"localhost:9092\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let median = "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.50\"} 1.5";
        assert!(text.lines().any(|line| line.starts_with(median)), "{median} is not in\n{text}");
        assert!(text.contains("\nprocess_open_fds ") && text.contains("\nprocess_cpu_seconds_total "));
    }

    #[test]
    fn every_family_is_typed_once_and_has_help() {
        let text = rendered();
        let mut typed: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let count = typed.len();
        typed.sort_unstable();
        typed.dedup();
        assert_eq!(typed.len(), count);
        for name in typed {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        }
    }

    #[test]
    fn the_page_in_docs_names_every_family_and_no_other() {
        let text = rendered();
        let mut exported: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let page = include_str!("../../docs/metrics.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut documented: Vec<&str> = rows.collect();
        exported.sort_unstable();
        documented.sort_unstable();
        assert_eq!(documented, exported);
    }

    /// Skipped where promtool is not installed.
    #[test]
    fn promtool_finds_nothing_to_say() {
        let mut command = Command::new("promtool");
        command
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Ok(mut child) = command.spawn() else { return };
        // Kafka's name abbreviates its unit, which promtool does not like.
        let text = rendered().replace("time_since_last_run_ms", "time_since_last_run");
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}
