//! Commands that wait for a broker: what run.py times from outside.

use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;

use crate::admin::{self, LATEST};
use crate::args::Args;
use crate::batch;
use crate::connection::Connection;
use crate::fetch::{self, Isolation, Position};
use crate::produce;
use crate::report::{Report, float};

const GIVE_UP: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_micros(500);

/// Tries again and again, with a new connection after each failure.
fn insist<T>(bootstrap: &str, mut attempt: impl FnMut(&mut Connection) -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + GIVE_UP;
    let mut connection = None;
    let mut problem = None;
    while Instant::now() < deadline {
        if connection.is_none() {
            connection = Connection::open(bootstrap).ok();
        }
        let outcome = match &mut connection {
            None => Ok(None),
            Some(connection) => attempt(connection),
        };
        match outcome {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => (connection, problem) = (None, Some(error)),
        }
        sleep(PAUSE);
    }
    Err(problem.unwrap_or_else(|| anyhow::anyhow!("not there")).context(format!("gave up on {bootstrap}")))
}

fn milliseconds(since: Instant) -> Report {
    let mut report = Report::default();
    report.set("ms", since.elapsed().as_secs_f64() * 1000.0);
    report
}

/// `first-ack --topic T`: waits for the broker, has the topic created by a metadata request, and produces a record.
pub(crate) fn first_ack(args: &Args) -> Result<Report> {
    let start = Instant::now();
    let name = args.text("topic")?;
    let body = batch::build(&[batch::noise(1, 1024)], false)?;
    insist(args.bootstrap()?, |connection| {
        let Ok(topic) = admin::look_up(connection, name, true)? else { return Ok(None) };
        let head = produce::request_head(topic.id, 0, -1, body.len())?;
        connection.write(&[&head, &body, &produce::REQUEST_TAIL])?;
        let code = produce::error_code(connection.read()?)?;
        Ok((code == 0).then_some(()))
    })?;
    Ok(milliseconds(start))
}

/// `readable --topic T`: waits until the last record of every partition, whose offsets are in `--ends a,b,c`, is read.
pub(crate) fn readable(args: &Args) -> Result<Report> {
    let start = Instant::now();
    let name = args.text("topic")?;
    let ends: Vec<i64> = args.text("ends")?.split(',').map(str::parse).collect::<Result<_, _>>()?;
    for (partition, end) in (0..).zip(ends) {
        insist(args.bootstrap()?, |connection| {
            let Ok(topic) = admin::look_up(connection, name, false)? else { return Ok(None) };
            let position = Position { partition, offset: end - 1, end };
            connection.write(&[&fetch::request(topic, &[position], 0, 1 << 20, Isolation::Uncommitted)?])?;
            let read = fetch::each_partition(connection.read()?, |_, _| Ok(()))?;
            Ok((read > 0).then_some(()))
        })?;
    }
    Ok(milliseconds(start))
}

/// `served --topic T [--topics N] --partitions P`: waits until every partition answers; prints the sum of end offsets.
pub(crate) fn served(args: &Args) -> Result<Report> {
    let start = Instant::now();
    let partitions = args.number("partitions", 1)?;
    let mut ends = Vec::new();
    for name in admin::names(args)? {
        let offsets =
            insist(args.bootstrap()?, |connection| admin::offsets(connection, &name, partitions, LATEST))?;
        ensure!(offsets.len() == partitions.unsigned_abs() as usize, "{} partitions answered", offsets.len());
        ends.extend(offsets);
    }
    let mut report = milliseconds(start);
    report.set("records", float(ends.iter().map(|end| end.unsigned_abs()).sum()));
    for (partition, end) in ends.iter().enumerate().take(16) {
        report.set(&format!("end_{partition}"), float(end.unsigned_abs()));
    }
    Ok(report)
}

/// `idle --connections N`: opens them, says so, and keeps them until stdin ends.
pub(crate) fn idle(args: &Args) -> Result<Report> {
    let start = Instant::now();
    let count: usize = args.number("connections", 5000)?;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("load"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    let mut connections = Vec::with_capacity(count);
    for i in 0..count {
        let mut connection =
            Connection::open(args.bootstrap()?).with_context(|| format!("connection {i}"))?;
        let code = connection.call(&request, 3)?.error_code;
        if code != 0 {
            bail!("api versions: error {code}");
        }
        connections.push(connection);
    }
    println!("{}", milliseconds(start));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(Report::default())
}
