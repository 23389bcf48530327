//! Consume-transform-produce loops: a group's offsets and the output go together, and each input is transformed once.

use std::collections::{HashMap, HashSet};

use crate::anomaly::{Anomaly, Kind};
use crate::history::{Outcome, Position};
use crate::view::View;

/// A group and a partition.
type Place = (usize, usize);

pub(crate) fn check(view: &View<'_>, found: &mut Vec<Anomaly>) {
    positions(view, found);
    inputs(view, found);
}

/// Offsets that transactions were acknowledged to have committed: by time, each with the highest until then.
fn acknowledged(view: &View<'_>) -> HashMap<Place, Vec<(i64, i64)>> {
    let mut marks: HashMap<Place, Vec<(i64, i64)>> = HashMap::new();
    for txn in &view.history.txns {
        let Some(at) = txn.committed_at else { continue };
        for (group, tp, offset) in &txn.offsets {
            marks.entry((*group, *tp)).or_default().push((at, *offset));
        }
    }
    for marks in marks.values_mut() {
        marks.sort_unstable();
        let mut highest = i64::MIN;
        for (_, offset) in marks {
            highest = highest.max(*offset);
            *offset = highest;
        }
    }
    marks
}

fn positions(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let acknowledged = acknowledged(view);
    let offered: HashSet<(usize, usize, i64)> = view
        .history
        .txns
        .iter()
        .filter(|txn| txn.outcome() != Outcome::Aborted)
        .flat_map(|txn| txn.offsets.iter().copied())
        .collect();
    for position in &view.history.positions {
        let place = (position.group, position.tp);
        if position.offset >= 0 && !offered.contains(&(position.group, position.tp, position.offset)) {
            let what = format!("{}, which nobody committed", describe(view, position));
            found.push(Anomaly::new(Kind::DirtyOffsets, what));
        }
        let marks = acknowledged.get(&place).map_or(&[][..], Vec::as_slice);
        let before = marks.partition_point(|(at, _)| *at < position.since);
        let floor = marks[..before].last().map_or(i64::MIN, |(_, offset)| *offset);
        if position.offset < floor {
            let what = format!("{}, after {floor} was committed", describe(view, position));
            found.push(Anomaly::new(Kind::LostOffsets, what));
        }
    }
}

fn describe(view: &View<'_>, position: &Position) -> String {
    let (group, tp) =
        (view.history.group_names.name(position.group), view.history.tp_names.name(position.tp));
    format!("{group} is at {tp}@{}", position.offset)
}

fn inputs(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let mut outputs: HashMap<(usize, usize), usize> = HashMap::new();
    for value in view.history.sends.iter().filter(|value| view.is_seen[**value]) {
        let Some(from) = view.history.values[*value].sent.as_ref().and_then(|sent| sent.from) else {
            continue;
        };
        if let Some(other) = outputs.insert(from, *value) {
            let what = format!("{} and {} come from one input", view.describe(other), view.describe(*value));
            found.push(Anomaly::new(Kind::Reprocessed, what));
        }
    }
    for position in view.history.positions.iter().filter(|position| position.is_last) {
        for (offset, values) in &view.log[position.tp] {
            for value in values.iter().filter(|value| view.is_seen[**value]) {
                let output = outputs.get(&(position.group, *value));
                if *offset < position.offset && output.is_none() {
                    let what = format!(
                        "{}, and nothing came of {}",
                        describe(view, position),
                        view.describe(*value)
                    );
                    found.push(Anomaly::new(Kind::SkippedInput, what));
                }
                if let Some(output) = output.filter(|_| *offset >= position.offset) {
                    let what =
                        format!("{}, yet there is {}", describe(view, position), view.describe(*output));
                    found.push(Anomaly::new(Kind::LostOffsets, what));
                }
            }
        }
    }
}
