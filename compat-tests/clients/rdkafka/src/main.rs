//! The compatibility program of rdkafka's admin client: `client <bootstrap> <scenario> <suffix>`.
//! The contract (exit codes, topic names, services of the harness) is in compat-tests/README.md.
//!
//! What rdkafka's client does beside that is librdkafka's, which confluent-kafka and kcat play. Its admin client has no
//! incremental alterations, elections, reassignments, ACLs, quotas and credentials.

use std::process::exit;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

type Done = Result<(), String>;

const PATIENCE: Duration = Duration::from_secs(10);
const REPLICATION: TopicReplication<'static> = TopicReplication::Fixed(1);

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, scenario, suffix] = args.as_slice() else {
        eprintln!("usage: client <bootstrap> <scenario> <suffix>");
        exit(2);
    };
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let run = Run {
        admin: config.create().expect("an admin client"),
        producer: config.create().expect("a producer"),
        topic: format!("{scenario}-{suffix}"),
    };
    let done = match scenario.as_str() {
        "admin-topics" => run.topics().await,
        "admin-configs" => run.configs().await,
        "admin-partitions" => run.partitions().await,
        "admin-records" => run.records().await,
        _ => {
            println!("unknown scenario {scenario}");
            exit(77);
        }
    };
    if let Err(reason) = done {
        println!("{}", reason.replace('\n', "; "));
        exit(1);
    }
}

struct Run {
    admin: AdminClient<DefaultClientContext>,
    producer: FutureProducer,
    topic: String,
}

impl Run {
    async fn topics(&self) -> Done {
        let wanted = || {
            NewTopic::new(&self.topic, 3, REPLICATION)
                .set("retention.ms", "123456")
                .set("cleanup.policy", "compact")
        };
        self.create(wanted(), false).await.map_err(told)?;
        refused("second creation", self.create(wanted(), false).await, Code::TopicAlreadyExists)?;
        self.until_partitions(3).await?;
        let topic = ResourceSpecifier::Topic(&self.topic);
        self.configured(topic, "retention.ms", "123456", ConfigSource::DynamicTopic).await?;
        self.configured(topic, "cleanup.policy", "compact", ConfigSource::DynamicTopic).await?;
        self.configured(topic, "max.message.bytes", "1048588", ConfigSource::Default).await?;
        self.grow(NewPartitions::new(&self.topic, 5), false).await.map_err(told)?;
        self.until_partitions(5).await?;
        let fewer = self.grow(NewPartitions::new(&self.topic, 2), false).await;
        refused("5 to 2 partitions", fewer, Code::InvalidPartitions)?;
        let [spaced, empty, unset] = ["-a b", "-zero", "-config"].map(|end| format!("{}{end}", self.topic));
        let named = self.create(NewTopic::new(&spaced, 1, REPLICATION), false).await;
        refused("name with a space", named, Code::InvalidTopic)?;
        let none = self.create(NewTopic::new(&empty, 0, REPLICATION), false).await;
        refused("0 partitions", none, Code::InvalidPartitions)?;
        let abc = NewTopic::new(&unset, 1, REPLICATION).set("retention.ms", "abc");
        refused("retention.ms=abc", self.create(abc, false).await, Code::InvalidConfig)?;
        self.delete().await.map_err(told)?;
        self.until_partitions(0).await?;
        refused("second deletion", self.delete().await, Code::UnknownTopicOrPartition)
    }

    async fn configs(&self) -> Done {
        self.create(NewTopic::new(&self.topic, 1, REPLICATION), false).await.map_err(told)?;
        self.until_partitions(1).await?;
        let name = format!("{}-not", self.topic);
        self.create(NewTopic::new(&name, 2, REPLICATION), true).await.map_err(told)?;
        let abc = NewTopic::new(&name, 2, REPLICATION).set("retention.ms", "abc");
        refused("validate a bad config", self.create(abc, true).await, Code::InvalidConfig)?;
        if self.count(&name)? != 0 {
            return Err("a topic that was only to be validated is there".to_owned());
        }
        let topic = ResourceSpecifier::Topic(&self.topic);
        self.alter(AlterConfig::new(topic).set("cleanup.policy", "compact"), false).await.map_err(told)?;
        self.configured(topic, "cleanup.policy", "compact", ConfigSource::DynamicTopic).await?;
        self.alter(AlterConfig::new(topic).set("max.message.bytes", "2000"), false).await.map_err(told)?;
        self.configured(topic, "max.message.bytes", "2000", ConfigSource::DynamicTopic).await?;
        self.configured(topic, "cleanup.policy", "delete", ConfigSource::Default).await?;
        self.alter(AlterConfig::new(topic), true).await.map_err(told)?;
        self.configured(topic, "max.message.bytes", "2000", ConfigSource::DynamicTopic).await?;
        // rdkafka does not tell whether the broker refused: nothing is changed then.
        self.alter(AlterConfig::new(topic).set("retention.ms", "abc"), false).await.map_err(told)?;
        self.configured(topic, "max.message.bytes", "2000", ConfigSource::DynamicTopic).await?;
        let broker = ResourceSpecifier::Broker(1);
        self.configured(broker, "log.retention.hours", "168", ConfigSource::Default).await
    }

    async fn partitions(&self) -> Done {
        let assigned = NewTopic::new(&self.topic, 2, TopicReplication::Variable(&[&[1], &[1]]));
        self.create(assigned, false).await.map_err(told)?;
        self.until_partitions(2).await?;
        let name = format!("{}-not", self.topic);
        let unknown = self.create(NewTopic::new(&name, 1, TopicReplication::Variable(&[&[2]])), false).await;
        refused("unknown broker", unknown, Code::InvalidReplicaAssignment)?;
        let three = |broker| NewPartitions::new(&self.topic, 3).assign(broker);
        self.grow(three(&[&[1]]), true).await.map_err(told)?;
        refused("unknown broker", self.grow(three(&[&[2]]), false).await, Code::InvalidReplicaAssignment)?;
        self.until_partitions(2).await?;
        self.grow(three(&[&[1]]), false).await.map_err(told)?;
        self.until_partitions(3).await
    }

    async fn records(&self) -> Done {
        self.create(NewTopic::new(&self.topic, 1, REPLICATION), false).await.map_err(told)?;
        self.until_partitions(1).await?;
        for i in 0..10 {
            let value = i.to_string();
            let record = FutureRecord::<(), _>::to(&self.topic).partition(0).payload(&value);
            self.producer.send(record, PATIENCE).await.map_err(|(error, _)| error.to_string())?;
        }
        self.bounds(0, 10)?;
        for (before, low) in [(Offset::Offset(4), 4), (Offset::Offset(2), 4)] {
            self.delete_records(before, low).await.map_err(told)?;
            self.bounds(low, 10)?;
        }
        let beyond = self.delete_records(Offset::Offset(11), 0).await;
        refused("delete beyond the end", beyond, Code::OffsetOutOfRange)?;
        self.delete_records(Offset::End, 10).await.map_err(told)?;
        self.bounds(10, 10)
    }

    async fn create(&self, topic: NewTopic<'_>, validate_only: bool) -> Result<(), Code> {
        only(self.admin.create_topics([&topic], &options(validate_only)).await)
    }

    async fn grow(&self, wanted: NewPartitions<'_>, validate_only: bool) -> Result<(), Code> {
        only(self.admin.create_partitions([&wanted], &options(validate_only)).await)
    }

    async fn delete(&self) -> Result<(), Code> {
        only(self.admin.delete_topics(&[&self.topic], &options(false)).await)
    }

    async fn alter(&self, wanted: AlterConfig<'_>, validate_only: bool) -> Result<(), Code> {
        self.admin.alter_configs([&wanted], &options(validate_only)).await.map_err(code).map(|_| ())
    }

    /// Waits: Apache Kafka answers before its brokers have taken a change over.
    async fn configured(
        &self,
        of: ResourceSpecifier<'_>,
        name: &str,
        value: &str,
        source: ConfigSource,
    ) -> Done {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers =
                self.admin.describe_configs([&of], &options(false)).await.map_err(|e| e.to_string())?;
            let found = answers.into_iter().next().ok_or("no answer")?.map_err(told)?;
            let entry = found.get(name).ok_or_else(|| format!("no config {name}"))?;
            if entry.value.as_deref() == Some(value) && entry.source == source {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{name} is {:?} by {:?}, expected {value:?} by {source:?}",
                    entry.value, entry.source
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn delete_records(&self, before: Offset, low: i64) -> Result<(), Code> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(&self.topic, 0, before).map_err(code)?;
        let answers = self.admin.delete_records(&wanted, &options(false)).await.map_err(code)?;
        let answer = answers.find_partition(&self.topic, 0).ok_or(Code::Fail)?;
        answer.error().map_err(code)?;
        if answer.offset() == Offset::Offset(low) { Ok(()) } else { Err(Code::Fail) }
    }

    fn bounds(&self, earliest: i64, latest: i64) -> Done {
        let found =
            self.admin.inner().fetch_watermarks(&self.topic, 0, PATIENCE).map_err(|e| e.to_string())?;
        let wanted = (earliest, latest);
        if found == wanted { Ok(()) } else { Err(format!("the log is {found:?}, expected {wanted:?}")) }
    }

    /// How many partitions with a leader a topic has.
    fn count(&self, name: &str) -> Result<usize, String> {
        let found = self.admin.inner().fetch_metadata(None, PATIENCE).map_err(|e| e.to_string())?;
        let led = |topic: &rdkafka::metadata::MetadataTopic| {
            topic.partitions().iter().filter(|p| p.leader() >= 0).count()
        };
        Ok(found.topics().iter().find(|topic| topic.name() == name).map_or(0, led))
    }

    async fn until_partitions(&self, wanted: usize) -> Done {
        let deadline = Instant::now() + PATIENCE;
        while self.count(&self.topic)? != wanted {
            if Instant::now() > deadline {
                return Err(format!("not {wanted} partitions within 10 s"));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn options(validate_only: bool) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).validate_only(validate_only)
}

fn only(answer: Result<Vec<TopicResult>, KafkaError>) -> Result<(), Code> {
    match answer.map_err(code)?.into_iter().next() {
        Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => Err(code),
        None => Err(Code::Fail),
    }
}

fn code(error: KafkaError) -> Code {
    match error {
        KafkaError::AdminOp(code) => code,
        other => other.rdkafka_error_code().unwrap_or(Code::Fail),
    }
}

fn told(code: Code) -> String {
    format!("unexpected error {code:?}")
}

fn refused(what: &str, answer: Result<(), Code>, wanted: Code) -> Done {
    match answer {
        Err(found) if found == wanted => Ok(()),
        other => Err(format!("{what}: expected {wanted:?}, found {other:?}")),
    }
}
