//! End to end, open loop: records are due at fixed times, whether or not the broker keeps up, and each is one request.
//!
//! `open-loop --topic T --rate 5000 --seconds S [--record-bytes 1024] [--warm-up-seconds 2]`
//! The latency runs from the time a record was due to the moment the consumer holds it, so that a stall counts
//! for every record that it delayed; `ack_` figures run to the answer of its Produce request instead. Time between due and sent is part of it.

use std::fs;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::admin::{self, LATEST};
use crate::args::Args;
use crate::batch;
use crate::connection::{Connection, write_all};
use crate::fetch::{self, Isolation, Position};
use crate::produce;
use crate::report::{Report, float, histogram};

/// The due time sits at the end of the value; a byte "no headers" follows it.
const STAMP_FROM_END: usize = 9;

struct Plan {
    period: Duration,
    count: u64,
    /// Records of the warm-up, which are not counted.
    skipped: u64,
    topic: admin::Topic,
    batch: Vec<u8>,
    /// When the first record is due.
    epoch: Instant,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let mut connection = Connection::open(args.bootstrap()?)?;
    let topic_name = args.text("topic")?;
    let topic = admin::topic(&mut connection, topic_name)?;
    let from = admin::offsets(&mut connection, topic_name, 1, LATEST)?.context("offsets")?[0];
    let rate: f64 = args.number("rate", 5000.0)?;
    let warm_up: f64 = args.number("warm-up-seconds", 2.0)?;
    let seconds: f64 = args.number("seconds", 20.0)?;
    let value = batch::noise(7, args.number("record-bytes", 1024)?);
    let plan = Plan {
        period: Duration::from_secs_f64(1.0 / rate),
        count: whole((warm_up + seconds) * rate),
        skipped: whole(warm_up * rate),
        topic,
        batch: batch::build(&[value], false)?,
        epoch: Instant::now() + Duration::from_millis(200),
    };
    let mut reader = Connection::open(args.bootstrap()?)?;
    let mut acks = Connection::open(args.bootstrap()?)?;
    let out = acks.writer()?;
    let (latency, acked) = std::thread::scope(|scope| {
        let acks = scope.spawn(|| drain(&mut acks, &plan));
        let sender = scope.spawn(|| send(out, &plan));
        let latency = receive(&mut reader, &plan, from);
        sender.join().expect("no panic in the sender")?;
        let acked = acks.join().expect("no panic in the reader of answers")?;
        latency.map(|latency| (latency, acked))
    })?;
    let mut report = Report::default();
    report.set("records", float(latency.len()));
    report.set("seconds", seconds);
    report.set("gb", float(plan.count) * float(plan.batch.len() as u64) / 1e9);
    report.latencies(&latency);
    report.set("ack_p50_ms", float(acked.value_at_quantile(0.5)) / 1000.0);
    report.set("ack_p99_ms", float(acked.value_at_quantile(0.99)) / 1000.0);
    Ok(report)
}

/// Sends every record when it is due, or at once if it is late.
fn send(mut out: TcpStream, plan: &Plan) -> Result<()> {
    sharpen_sleep();
    let mut batch = plan.batch.clone();
    let stamp_at = batch.len() - STAMP_FROM_END;
    for i in 0..plan.count {
        let due = plan.period.mul_f64(float(i));
        if let Some(wait) = due.checked_sub(plan.epoch.elapsed()).filter(|w| !w.is_zero()) {
            sleep(wait);
        }
        batch[stamp_at..stamp_at + 8].copy_from_slice(&u64::try_from(due.as_nanos())?.to_be_bytes());
        batch::seal(&mut batch);
        let head = produce::request_head(plan.topic.id, 0, -1, batch.len())?;
        write_all(&mut out, &[&head, &batch, &produce::REQUEST_TAIL])?;
    }
    Ok(())
}

/// The time from due to acknowledged.
fn drain(connection: &mut Connection, plan: &Plan) -> Result<Histogram<u64>> {
    let mut latency = histogram();
    for i in 0..plan.count {
        let code = produce::error_code(connection.read()?)?;
        ensure!(code == 0, "produce: error {code}");
        if i >= plan.skipped {
            let late = plan.epoch.elapsed().saturating_sub(plan.period.mul_f64(float(i)));
            latency.saturating_record(u64::try_from(late.as_micros())?);
        }
    }
    Ok(latency)
}

fn receive(connection: &mut Connection, plan: &Plan, from: i64) -> Result<Histogram<u64>> {
    let mut latency = histogram();
    let mut position = Position { partition: 0, offset: from, end: i64::MAX };
    let mut seen = 0;
    while seen < plan.count {
        connection.write(&[&fetch::request(
            plan.topic,
            std::slice::from_ref(&position),
            500,
            1 << 20,
            Isolation::Uncommitted,
        )?])?;
        let frame = connection.read()?;
        let now = plan.epoch.elapsed();
        fetch::each_partition(frame, |_, records| {
            fetch::each_batch(records, |base, batch| {
                position.offset = base + 1;
                seen += 1;
                if seen > plan.skipped {
                    let stamp = batch[batch.len() - STAMP_FROM_END..][..8].try_into()?;
                    let due = Duration::from_nanos(u64::from_be_bytes(stamp));
                    latency.saturating_record(u64::try_from(now.saturating_sub(due).as_micros())?);
                }
                Ok(())
            })
        })?;
    }
    Ok(latency)
}

/// Linux lets a sleep end 50 microseconds late; this thread asks for 1 nanosecond. Without the file nothing is lost
/// but precision.
fn sharpen_sleep() {
    let thread = fs::read_link("/proc/thread-self").ok();
    if let Some(id) = thread.as_deref().and_then(|path| path.file_name()).and_then(|id| id.to_str()) {
        let _ = fs::write(format!("/proc/{id}/timerslack_ns"), "1");
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of records, far below 2^52"
)]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}
