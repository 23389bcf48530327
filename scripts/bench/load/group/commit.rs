//! Offset commits of many groups at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::link::Link;
use super::{NONE, NOT_YET, NOT_YET_PAUSE, coordinator, runtime};
use crate::args::Args;
use crate::connection::frame;
use crate::report::{Report, float, histogram, record};

const VERSION: i16 = 9;

/// `group-commit --groups N --in-flight K --topic T --partitions P --seconds S [--rate R]`: each group has one
/// connection, which commits the offset of one partition a request, in turns; at most R commits a second together.
pub(crate) fn run(args: &Args) -> Result<Report> {
    let bootstrap: Arc<str> = args.bootstrap()?.into();
    let plan = Plan {
        topic: args.text("topic")?.into(),
        partitions: args.number("partitions", 1)?,
        in_flight: args.number("in-flight", 1)?,
        seconds: args.number("seconds", 5.0)?,
    };
    let groups: u32 = args.number("groups", 100)?;
    runtime()?.block_on(async move {
        coordinator(&bootstrap, "commit-0").await?;
        let begin = Instant::now();
        let tasks: Vec<_> = (0..groups)
            .map(|index| tokio::spawn(commit(bootstrap.clone(), format!("commit-{index}"), plan.clone())))
            .collect();
        let mut latencies = histogram();
        for task in tasks {
            latencies.add(task.await??)?;
        }
        let mut report = Report::default();
        let requests = float(latencies.len());
        report.set("requests", requests);
        report.set("commits_per_s", requests / begin.elapsed().as_secs_f64());
        report.latencies(&latencies);
        Ok(report)
    })
}

#[derive(Clone)]
struct Plan {
    topic: Arc<str>,
    partitions: i32,
    in_flight: usize,
    seconds: f64,
}

async fn commit(bootstrap: Arc<str>, group: String, plan: Plan) -> Result<Histogram<u64>> {
    let mut link = Link::open(&bootstrap).await?;
    while NOT_YET.contains(&error_code(&link.call(&request(&group, &plan, 0), VERSION).await?)?) {
        tokio::time::sleep(NOT_YET_PAUSE).await;
    }
    let mut latencies = histogram();
    let mut sent = VecDeque::new();
    let deadline = Instant::now() + Duration::from_secs_f64(plan.seconds);
    let mut offset = 0;
    while Instant::now() < deadline || !sent.is_empty() {
        while sent.len() < plan.in_flight && Instant::now() < deadline {
            sent.push_back(Instant::now());
            link.send(&frame(&request(&group, &plan, offset), VERSION)?).await?;
            offset += 1;
        }
        let answer = link.receive::<OffsetCommitRequest>(VERSION).await?;
        let code = error_code(&answer)?;
        ensure!(code == NONE, "commit of {group}: error {code}");
        record(&mut latencies, sent.pop_front().context("an answer to nothing")?);
    }
    Ok(latencies)
}

fn error_code(answer: &OffsetCommitResponse) -> Result<i16> {
    let topic = answer.topics.first().context("no answer")?;
    Ok(topic.partitions.first().context("no answer")?.error_code)
}

fn request(group: &str, plan: &Plan, offset: i32) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(offset % plan.partitions)
        .with_committed_offset(offset.into())
        .with_committed_metadata(Some(StrBytes::default()));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(StrBytes::from_string(plan.topic.to_string())))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}
