//! The checker of transaction histories: `history FILE...` reads what the client programs of torture.py wrote down, one
//! file for each life of a program, prints what it counted and every anomaly, and fails if there is one.
#![expect(clippy::print_stdout, reason = "the findings are printed")]

mod anomaly;
mod circle;
mod event;
mod history;
mod isolation;
mod loops;
#[cfg(test)]
mod model;
mod order;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::anomaly::{Anomaly, Kind};
use crate::history::{History, Outcome};
use crate::view::View;

/// Of each kind; a broken broker shows thousands.
const SHOWN_MAX: usize = 10;

fn main() -> Result<ExitCode> {
    let mut history = History::default();
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        for event in event::parse(&text) {
            history.add(event.with_context(|| path.clone())?);
        }
    }
    println!("{}", counts(&history));
    let found = check(&history);
    let mut shown: BTreeMap<Kind, usize> = BTreeMap::new();
    for anomaly in &found {
        let count = shown.entry(anomaly.kind).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            println!("{anomaly}");
        }
    }
    for (kind, count) in shown {
        println!("{count} x {}", kind.name());
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is wrong with a history.
fn check(history: &History) -> Vec<Anomaly> {
    let view = View::new(history);
    let mut found = Vec::new();
    order::check(&view, &mut found);
    isolation::check(&view, &mut found);
    loops::check(&view, &mut found);
    circle::check(&view, &mut found);
    found
}

fn counts(history: &History) -> String {
    let ended = |outcome| history.txns.iter().filter(|txn| txn.outcome() == outcome).count();
    let acked = history.values.iter().filter(|value| value.is_acked).count();
    let read: usize = history.reads().map(|read| read.records.len()).sum();
    format!(
        "{} transactions committed, {} aborted, {} unknown; {} records sent, {acked} acknowledged, {read} read; \
         {} committed offsets fetched",
        ended(Outcome::Committed),
        ended(Outcome::Aborted),
        ended(Outcome::Unknown),
        history.sends.len(),
        history.positions.len(),
    )
}
