//! Closed-loop fetch: every connection reads its partitions from start to end, again and again (`--once 1`: once).
//!
//! `fetch --topic T --connections 4 --seconds S [--partition-bytes 1048576]`
//! Prints the rate of record bytes (batches as stored).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::admin::{self, LATEST, Topic};
use crate::args::Args;
use crate::connection::{Connection, Fields, put_varint};
use crate::report::{Report, float};

const FETCH_BYTES_MAX: i32 = 50 << 20;

pub(crate) fn run(args: &Args) -> Result<Report> {
    let bootstrap = args.bootstrap()?;
    let topic_name = args.text("topic")?;
    let mut connection = Connection::open(bootstrap)?;
    let topic = admin::topic(&mut connection, topic_name)?;
    let ends = admin::offsets(&mut connection, topic_name, topic.partitions, LATEST)?.context("offsets")?;
    let connections: usize = args.number("connections", 4)?;
    let partition_bytes = args.number("partition-bytes", 1 << 20)?;
    let until = Duration::from_secs_f64(args.number("seconds", 10.0)?);
    let once = args.number("once", 0)? != 0;
    let start = Instant::now();
    let read = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|c| {
                let mine: Vec<Position> = (0..topic.partitions)
                    .zip(&ends)
                    .skip(c)
                    .step_by(connections)
                    .map(|(partition, end)| Position { partition, offset: 0, end: *end })
                    .collect();
                scope.spawn(move || {
                    drive(bootstrap, topic, mine, partition_bytes, once, || start.elapsed() >= until)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic in a reader")).collect::<Result<Vec<u64>>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = float(read.iter().sum());
    let mut report = Report::default();
    report.set("seconds", seconds);
    report.set("gb", bytes / 1e9);
    report.set("mb_per_s", bytes / 1e6 / seconds);
    Ok(report)
}

/// Where a reader stands in a partition.
pub(crate) struct Position {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Exclusive; the reader starts over when it gets there.
    pub(crate) end: i64,
}

fn drive(
    bootstrap: &str,
    topic: Topic,
    mut positions: Vec<Position>,
    partition_bytes: i32,
    once: bool,
    expired: impl Fn() -> bool,
) -> Result<u64> {
    let mut connection = Connection::open(bootstrap)?;
    let mut bytes = 0;
    while !expired() && !positions.is_empty() {
        connection.write(&[&request(topic, &positions, 500, partition_bytes, Isolation::Uncommitted)?])?;
        let frame = connection.read()?;
        let got = each_partition(frame, |partition, records| {
            let position =
                positions.iter_mut().find(|p| p.partition == partition).context("a foreign partition")?;
            if let Some(next) = next_offset(records)? {
                position.offset = if next >= position.end { 0 } else { next };
            }
            Ok(())
        })?;
        ensure!(got > 0, "an empty answer");
        if once {
            positions.retain(|p| p.offset > 0);
        }
        bytes += got;
    }
    Ok(bytes)
}

/// What a reader gets to see.
#[derive(Clone, Copy)]
pub(crate) enum Isolation {
    Uncommitted = 0,
    Committed = 1,
}

/// Fetch 17 without a session.
pub(crate) fn request(
    topic: Topic,
    positions: &[Position],
    wait_ms: i32,
    partition_bytes: i32,
    isolation: Isolation,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + positions.len() * 33);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&1_i16.to_be_bytes()); // Fetch
    out.extend_from_slice(&17_i16.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[0, 4, b'l', b'o', b'a', b'd', 0]);
    out.extend_from_slice(&wait_ms.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes()); // min bytes
    out.extend_from_slice(&FETCH_BYTES_MAX.to_be_bytes());
    out.push(isolation as u8);
    out.extend_from_slice(&0_i32.to_be_bytes());
    out.extend_from_slice(&(-1_i32).to_be_bytes()); // no session
    out.push(2);
    out.extend_from_slice(&topic.id);
    put_varint(&mut out, u32::try_from(positions.len() + 1)?);
    for position in positions {
        out.extend_from_slice(&position.partition.to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&position.offset.to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        out.extend_from_slice(&partition_bytes.to_be_bytes());
        out.push(0);
    }
    out.extend_from_slice(&[0, 1, 1, 0]); // topic tags, nothing forgotten, no rack, tags
    let length = u32::try_from(out.len() - 4)?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}

/// Calls back for each partition of a Fetch answer; the sum of the record bytes.
pub(crate) fn each_partition(frame: &[u8], mut each: impl FnMut(i32, &[u8]) -> Result<()>) -> Result<u64> {
    let mut fields = Fields(frame);
    fields.i32()?;
    fields.skip_tags()?;
    fields.i32()?;
    let code = fields.i16()?;
    ensure!(code == 0, "fetch: error {code}");
    fields.i32()?;
    let mut total = 0;
    for _ in 0..fields.length()? {
        fields.bytes(16)?;
        for _ in 0..fields.length()? {
            let partition = fields.i32()?;
            let code = fields.i16()?;
            ensure!(code == 0, "fetch of partition {partition}: error {code}");
            fields.bytes(24)?; // high watermark, last stable offset, log start
            for _ in 0..fields.length()? {
                fields.bytes(16)?; // an aborted transaction
                fields.skip_tags()?;
            }
            fields.i32()?;
            let size = fields.length()?;
            let records = fields.bytes(size)?;
            fields.skip_tags()?;
            total += records.len() as u64;
            each(partition, records)?;
        }
        fields.skip_tags()?;
    }
    Ok(total)
}

/// The offset after the last whole batch.
fn next_offset(records: &[u8]) -> Result<Option<i64>> {
    let mut next = None;
    each_batch(records, |base, batch| {
        next = Some(base + i64::from(Fields(&batch[23..]).i32()?) + 1);
        Ok(())
    })?;
    Ok(next)
}

/// Calls back with the base offset and the bytes of each whole batch.
pub(crate) fn each_batch(mut records: &[u8], mut each: impl FnMut(i64, &[u8]) -> Result<()>) -> Result<()> {
    while records.len() >= crate::batch::HEADER_BYTES {
        let mut head = Fields(records);
        let base = head.i64()?;
        let size = 12 + usize::try_from(head.i32()?)?;
        let Some((batch, rest)) = records.split_at_checked(size) else { break };
        each(base, batch)?;
        records = rest;
    }
    Ok(())
}
