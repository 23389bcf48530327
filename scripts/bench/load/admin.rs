//! Topics, their ids and offsets, producer ids: everything that is asked for before the clock runs.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::args::Args;
use crate::connection::Connection;
use crate::report::Report;

const READY_TIMEOUT: Duration = Duration::from_secs(300);
pub(crate) const LATEST: i64 = -1;

/// A topic as the hot path needs it.
#[derive(Clone, Copy)]
pub(crate) struct Topic {
    pub(crate) id: [u8; 16],
    pub(crate) partitions: i32,
}

pub(crate) fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

/// `create --topic NAME --partitions N [--topics COUNT] [--configs a=b,c=d]`: COUNT topics NAME-0.. or one NAME.
/// Ends when every partition is led and answers; `create_ms` is the time until then.
pub(crate) fn create(args: &Args) -> Result<Report> {
    let mut connection = Connection::open(args.bootstrap()?)?;
    let partitions = args.number("partitions", 1)?;
    let configs: Vec<CreatableTopicConfig> = args
        .text_or("configs", "")
        .split_terminator(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(key.to_owned()))
                .with_value(Some(StrBytes::from_string(value.to_owned())))
        })
        .collect();
    let start = Instant::now();
    let names = names(args)?;
    for topic in &names {
        let creatable = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.clone());
        let request = CreateTopicsRequest::default().with_topics(vec![creatable]).with_timeout_ms(60_000);
        let answer = connection.call(&request, 7)?;
        let code = answer.topics.first().context("no answer")?.error_code;
        ensure!(code == 0, "create {topic}: error {code}");
    }
    for topic in &names {
        await_served(&mut connection, topic, partitions)?;
    }
    let mut report = Report::default();
    report.set("create_ms", start.elapsed().as_secs_f64() * 1000.0);
    Ok(report)
}

pub(crate) fn names(args: &Args) -> Result<Vec<String>> {
    let topic = args.text("topic")?;
    Ok(match args.number("topics", 0)? {
        0 => vec![topic.to_owned()],
        count => (0..count).map(|i: u32| format!("{topic}-{i}")).collect(),
    })
}

pub(crate) fn delete(args: &Args) -> Result<Report> {
    let mut connection = Connection::open(args.bootstrap()?)?;
    for topic in names(args)? {
        let state = DeleteTopicState::default().with_name(Some(name(&topic)));
        let request = DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(60_000);
        let code = connection.call(&request, 6)?.responses.first().context("no answer")?.error_code;
        ensure!(code == 0, "delete {topic}: error {code}");
    }
    Ok(Report::default())
}

/// The topic's id and size, or the error code that keeps it from being used.
pub(crate) fn look_up(connection: &mut Connection, topic: &str, create: bool) -> Result<Result<Topic, i16>> {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request =
        MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(create);
    let answer = connection.call(&request, 12)?;
    let found = answer.topics.first().context("no answer for the topic")?;
    if found.error_code != 0 {
        return Ok(Err(found.error_code));
    }
    if let Some(unled) = found.partitions.iter().find(|p| p.error_code != 0 || p.leader_id == BrokerId(-1)) {
        return Ok(Err(unled.error_code));
    }
    let partitions = i32::try_from(found.partitions.len())?;
    Ok(Ok(Topic { id: found.topic_id.into_bytes(), partitions }))
}

pub(crate) fn topic(connection: &mut Connection, topic: &str) -> Result<Topic> {
    match look_up(connection, topic, false)? {
        Ok(found) => Ok(found),
        Err(code) => bail!("topic {topic}: error {code}"),
    }
}

/// Offsets of partitions 0.. at a timestamp; `None` as long as one of them answers with an error.
pub(crate) fn offsets(
    connection: &mut Connection,
    topic: &str,
    partitions: i32,
    at: i64,
) -> Result<Option<Vec<i64>>> {
    let asked = (0..partitions)
        .map(|p| ListOffsetsPartition::default().with_partition_index(p).with_timestamp(at))
        .collect();
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(asked);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    let answer = connection.call(&request, 8)?;
    let answered = &answer.topics.first().context("no answer for the topic")?.partitions;
    let mut offsets = vec![0; answered.len()];
    for partition in answered {
        if partition.error_code != 0 {
            return Ok(None);
        }
        offsets[usize::try_from(partition.partition_index)?] = partition.offset;
    }
    Ok(Some(offsets))
}

/// Waits until every partition of a topic answers.
pub(crate) fn await_served(connection: &mut Connection, topic: &str, partitions: i32) -> Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while Instant::now() < deadline {
        if offsets(connection, topic, partitions, LATEST)?
            .is_some_and(|o| o.len() == partitions.unsigned_abs() as usize)
        {
            return Ok(());
        }
        sleep(Duration::from_millis(2));
    }
    bail!("topic {topic} is not served")
}

/// A producer id with epoch for one idempotent producer.
pub(crate) fn producer_id(connection: &mut Connection) -> Result<(i64, i16)> {
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    for _ in 0..500 {
        let answer = connection.call(&request, 4)?;
        if answer.error_code == 0 {
            return Ok((answer.producer_id.0, answer.producer_epoch));
        }
        sleep(Duration::from_millis(20));
    }
    bail!("no producer id")
}
