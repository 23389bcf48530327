//! Transactions in a closed loop: each producer begins the next one when its commit is answered.
//!
//! `transactions --topic T --producers N --records K --partitions P --seconds S [--generation 1|2] [--record-bytes 1024]`:
//! each transaction has K records, spread over P partitions. `--loop SOURCE` makes each producer a loop that reads a batch
//! of SOURCE's partition of its number with read_committed, writes it to T, and commits its offset in the transaction.
//! Prints transactions a second, the time from EndTxn to its answer (`p50_ms`...), and that of whole transactions.

mod producer;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use self::producer::{Generation, Producer};
use crate::admin::{self, Topic};
use crate::args::Args;
use crate::batch;
use crate::connection::Connection;
use crate::fetch::{self, Isolation, Position};
use crate::report::{Report, float, histogram, record};

const FETCH_WAIT_MS: i32 = 500;

/// A topic by name and as the hot path needs it.
#[derive(Clone)]
struct Place {
    name: String,
    topic: Topic,
}

struct Plan {
    target: Place,
    /// What loops read; none for producers that write of their own accord.
    source: Option<(Place, Vec<i64>)>,
    generation: Generation,
    partitions: usize,
    /// One batch for each partition of a transaction, and its records.
    batches: Vec<(Vec<u8>, i32)>,
    until: Duration,
}

#[derive(Clone)]
struct Tally {
    commits: Histogram<u64>,
    whole: Histogram<u64>,
    retries: u64,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let bootstrap = args.bootstrap()?;
    let plan = &Plan::new(args, &mut Connection::open(bootstrap)?)?;
    let producers: u32 = args.number("producers", 1)?;
    let mut opened = (0..producers)
        .map(|index| Producer::open(bootstrap, &format!("load-{index}"), plan.generation))
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(&mut opened)
            .map(|(index, producer)| scope.spawn(move || drive(plan, producer, index, start)))
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic in a producer")).collect::<Result<Vec<Tally>>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut sum = Tally { commits: histogram(), whole: histogram(), retries: 0 };
    for tally in &tallies {
        sum.commits.add(&tally.commits)?;
        sum.whole.add(&tally.whole)?;
        sum.retries += tally.retries;
    }
    let mut report = Report::default();
    let transactions = float(sum.commits.len());
    report.set("transactions", transactions);
    report.set("tx_per_s", transactions / seconds);
    report.latencies(&sum.commits);
    report.set("whole_p50_ms", float(sum.whole.value_at_quantile(0.5)) / 1000.0);
    report.set("whole_p99_ms", float(sum.whole.value_at_quantile(0.99)) / 1000.0);
    report.set("retries", float(sum.retries));
    Ok(report)
}

impl Plan {
    fn new(args: &Args, connection: &mut Connection) -> Result<Self> {
        let mut place = |name: &str| {
            Ok::<_, anyhow::Error>(Place { name: name.to_owned(), topic: admin::topic(connection, name)? })
        };
        let target = place(args.text("topic")?)?;
        let source = args.text("loop").ok().map(&mut place).transpose()?;
        let source = match source {
            None => None,
            Some(source) => {
                let (name, partitions) = (&source.name, source.topic.partitions);
                let ends = admin::offsets(connection, name, partitions, admin::LATEST)?.context("offsets")?;
                Some((source, ends))
            }
        };
        let partitions: usize = args.number("partitions", 1)?;
        let records: usize = args.number("records", 1)?;
        let bytes = args.number("record-bytes", 1024)?;
        let batches = (0..partitions)
            .map(|number| {
                let count = (records + number) / partitions;
                ensure!(count > 0, "fewer records than partitions");
                let values: Vec<Vec<u8>> = (0..count).map(|i| batch::noise(i as u64 + 1, bytes)).collect();
                Ok((batch::build(&values, false)?, i32::try_from(count)?))
            })
            .collect::<Result<_>>()?;
        let generation = match args.number("generation", 2)? {
            1 => Generation::One,
            _ => Generation::Two,
        };
        let until = Duration::from_secs_f64(args.number("seconds", 10.0)?);
        Ok(Self { target, source, generation, partitions, batches, until })
    }
}

fn drive(plan: &Plan, producer: &mut Producer, index: u32, start: Instant) -> Result<Tally> {
    let mut tally = Tally { commits: histogram(), whole: histogram(), retries: 0 };
    let all = plan.target.topic.partitions.unsigned_abs();
    let mut first = index * u32::try_from(plan.partitions)? % all;
    let mut input = plan.source.as_ref().map(|(place, ends)| Input::new(place, ends, index)).transpose()?;
    let group = format!("loop-{index}");
    if input.is_some() {
        producer.find_group(&group)?;
    }
    while start.elapsed() < plan.until {
        let began = Instant::now();
        let batches = match &mut input {
            None => plan.batches.clone(),
            Some(input) => vec![input.read(producer)?],
        };
        let partitions: Vec<i32> =
            (0..).zip(&batches).map(|(i, _)| ((first + i) % all).cast_signed()).collect();
        producer.write(&plan.target, &partitions, batches)?;
        if let Some(input) = &input {
            producer.send_offset(&group, &input.place.name, &input.position)?;
        }
        let asked = Instant::now();
        producer.commit()?;
        record(&mut tally.commits, asked);
        record(&mut tally.whole, began);
        // Producers do not meet in a partition, as far as there are enough of them.
        first = if plan.partitions > 1 { (first + 1) % all } else { first };
    }
    tally.retries = producer.retries;
    Ok(tally)
}

/// What a loop reads: its partition from start to end, again and again.
struct Input {
    place: Place,
    position: Position,
}

impl Input {
    fn new(place: &Place, ends: &[i64], index: u32) -> Result<Self> {
        let partition = usize::try_from(index)? % ends.len();
        ensure!(ends[partition] > 0, "partition {partition} of the source is empty");
        let position = Position { partition: i32::try_from(partition)?, offset: 0, end: ends[partition] };
        Ok(Self { place: place.clone(), position })
    }

    /// The next batch and its records.
    fn read(&mut self, producer: &mut Producer) -> Result<(Vec<u8>, i32)> {
        if self.position.offset >= self.position.end {
            self.position.offset = 0;
        }
        let ask = std::slice::from_ref(&self.position);
        let request = fetch::request(self.place.topic, ask, FETCH_WAIT_MS, 1, Isolation::Committed)?;
        let mut first = None;
        fetch::each_partition(producer.exchange(&request)?, |_, records| {
            fetch::each_batch(records, |base, batch| {
                if first.is_none() {
                    first = Some((base, batch.to_vec()));
                }
                Ok(())
            })
        })?;
        let (base, batch) = first.context("the source gave nothing")?;
        let records = batch::count(&batch)?;
        self.position.offset = base + i64::from(records);
        Ok((batch, records))
    }
}
