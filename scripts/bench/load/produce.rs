//! Closed-loop produce: every connection keeps a fixed number of requests in flight.
//!
//! `produce --topic T --connections 4 --in-flight 5 --records-per-batch N --record-bytes 1024 --bytes MAX --seconds MAX
//!  [--acks -1] [--codec none|lz4] [--idempotent 1] [--single-partition 1]`
//! Prints rates over the time from the first request to the last answer, and the time from request to answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::admin::{self, Topic};
use crate::args::Args;
use crate::batch;
use crate::connection::{Connection, Fields, put_varint};
use crate::report::{Report, float, histogram, record};

/// Different batches, so that no two in a row are the same bytes.
const VARIETY: u64 = 4;

pub(crate) struct Plan {
    pub(crate) topic: Topic,
    in_flight: usize,
    acks: i16,
    records_per_batch: i32,
    /// Uncompressed record values of one batch.
    payload_bytes: u64,
    batches: Vec<Vec<u8>>,
    idempotent: bool,
    bytes_max: u64,
    until: Duration,
    /// Payload bytes sent by all connections.
    sent: AtomicU64,
}

struct Tally {
    requests: u64,
    latency: Histogram<u64>,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let bootstrap = args.bootstrap()?;
    let mut connection = Connection::open(bootstrap)?;
    let plan = Plan::new(args, admin::topic(&mut connection, args.text("topic")?)?)?;
    let connections: u32 = args.number("connections", 4)?;
    let start = Instant::now();
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|c| {
                scope.spawn({
                    let plan = &plan;
                    move || drive(plan, bootstrap, c, connections, start)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic in a sender")).collect::<Result<Vec<Tally>>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut latency = histogram();
    let mut requests = 0;
    for tally in &tallies {
        requests += tally.requests;
        latency.add(&tally.latency)?;
    }
    let payload = float(requests * plan.payload_bytes);
    let mut report = Report::default();
    report.set("seconds", seconds);
    report.set("gb", payload / 1e9);
    report.set("mb_per_s", payload / 1e6 / seconds);
    report.set("requests", float(requests));
    report.set("acks_per_s", float(requests) / seconds);
    report.latencies(&latency);
    Ok(report)
}

impl Plan {
    fn new(args: &Args, topic: Topic) -> Result<Self> {
        let records_per_batch: u64 = args.number("records-per-batch", 1)?;
        let record_bytes = args.number("record-bytes", 1024)?;
        let lz4 = args.text_or("codec", "none") == "lz4";
        let row = if lz4 { batch::json } else { batch::noise };
        let mut payload_bytes = 0;
        let mut batches = Vec::new();
        for seed in 0..VARIETY {
            let values: Vec<Vec<u8>> =
                (0..records_per_batch).map(|i| row(seed * records_per_batch + i + 1, record_bytes)).collect();
            payload_bytes = values.iter().map(|v| v.len() as u64).sum();
            batches.push(batch::build(&values, lz4)?);
        }
        Ok(Self {
            topic: Topic { partitions: args.number("only-partitions", topic.partitions)?, ..topic },
            in_flight: args.number("in-flight", 5)?,
            acks: args.number("acks", -1)?,
            records_per_batch: i32::try_from(records_per_batch)?,
            payload_bytes,
            batches,
            idempotent: args.number("idempotent", 0)? != 0,
            bytes_max: args.number("bytes", u64::MAX)?,
            until: Duration::from_secs_f64(args.number("seconds", 10.0)?),
            sent: AtomicU64::new(0),
        })
    }

    fn exhausted(&self, start: Instant) -> bool {
        self.sent.fetch_add(self.payload_bytes, Ordering::Relaxed) >= self.bytes_max
            || start.elapsed() >= self.until
    }
}

/// One connection's life: partitions c, c + connections, ... in turn, or all of them if there are fewer.
fn drive(plan: &Plan, bootstrap: &str, index: u32, connections: u32, start: Instant) -> Result<Tally> {
    let mut connection = Connection::open(bootstrap)?;
    let step = if plan.topic.partitions.unsigned_abs() >= connections { connections } else { 1 };
    let first = index % step.min(plan.topic.partitions.unsigned_abs());
    let partitions: Vec<i32> = (first.cast_signed()..plan.topic.partitions).step_by(step as usize).collect();
    let mut identity =
        if plan.idempotent { Some(Identity::new(&mut connection, partitions.len())?) } else { None };
    let mut tally = Tally { requests: 0, latency: histogram() };
    let mut open: VecDeque<Instant> = VecDeque::new();
    let mut batches = plan.batches.clone();
    let mut turn = index as usize;
    let mut ending = false;
    loop {
        while !ending && open.len() < plan.in_flight {
            ending = plan.exhausted(start);
            if ending {
                break;
            }
            let slot = turn % partitions.len();
            let variant = turn % batches.len();
            let body = &mut batches[variant];
            if let Some(identity) = &mut identity {
                identity.stamp(slot, body, plan.records_per_batch);
            }
            open.push_back(Instant::now());
            send(&mut connection, plan.topic.id, partitions[slot], plan.acks, body)?;
            turn += 1;
        }
        let Some(sent) = open.pop_front() else { break };
        check(connection.read()?)?;
        record(&mut tally.latency, sent);
        tally.requests += 1;
    }
    Ok(tally)
}

struct Identity {
    producer_id: i64,
    epoch: i16,
    /// The next sequence number of each of the connection's partitions.
    sequences: Vec<i32>,
}

impl Identity {
    fn new(connection: &mut Connection, partitions: usize) -> Result<Self> {
        let (producer_id, epoch) = admin::producer_id(connection)?;
        Ok(Self { producer_id, epoch, sequences: vec![0; partitions] })
    }

    fn stamp(&mut self, slot: usize, body: &mut [u8], records: i32) {
        batch::stamp(body, self.producer_id, self.epoch, self.sequences[slot]);
        self.sequences[slot] += records;
    }
}

/// Produce 13 with one batch for one partition.
fn send(connection: &mut Connection, topic: [u8; 16], partition: i32, acks: i16, body: &[u8]) -> Result<()> {
    connection.write(&[&request_head(topic, partition, acks, body.len())?, body, &REQUEST_TAIL])
}

/// No tags on the partition, the topic and the request.
pub(crate) const REQUEST_TAIL: [u8; 3] = [0; 3];

/// Everything of a Produce request before the batch, with the frame's length.
pub(crate) fn request_head(topic: [u8; 16], partition: i32, acks: i16, body_bytes: usize) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(80);
    head.extend_from_slice(&[0; 4]);
    head.extend_from_slice(&0_i16.to_be_bytes()); // Produce
    head.extend_from_slice(&13_i16.to_be_bytes());
    head.extend_from_slice(&[0; 4]); // correlation id: answers come in order
    head.extend_from_slice(&[0, 4, b'l', b'o', b'a', b'd', 0]);
    head.push(0); // no transactional id
    head.extend_from_slice(&acks.to_be_bytes());
    head.extend_from_slice(&30_000_i32.to_be_bytes());
    head.push(2);
    head.extend_from_slice(&topic);
    head.push(2);
    head.extend_from_slice(&partition.to_be_bytes());
    put_varint(&mut head, u32::try_from(body_bytes + 1)?);
    let length = u32::try_from(head.len() - 4 + body_bytes + REQUEST_TAIL.len())?;
    head[..4].copy_from_slice(&length.to_be_bytes());
    Ok(head)
}

/// The error code of a Produce answer with one partition.
pub(crate) fn error_code(frame: &[u8]) -> Result<i16> {
    let mut fields = Fields(frame);
    fields.i32()?;
    fields.skip_tags()?;
    ensure!(fields.length()? == 1, "an answer for one topic was expected");
    fields.bytes(16)?;
    ensure!(fields.length()? == 1, "an answer for one partition was expected");
    fields.i32()?;
    fields.i16()
}

fn check(frame: &[u8]) -> Result<()> {
    let code = error_code(frame).context("produce answer")?;
    ensure!(code == 0, "produce: error {code}");
    Ok(())
}
