//! Order: what lies where in a partition, and in which order producers wrote and readers read it.

use std::collections::{HashMap, HashSet};

use crate::anomaly::{Anomaly, Kind};
use crate::event::Level;
use crate::history::{Read, Step};
use crate::view::View;

pub(crate) fn check(view: &View<'_>, found: &mut Vec<Anomaly>) {
    places(view, found);
    phantoms(view, found);
    sends(view, found);
    polls(view, found);
}

fn places(view: &View<'_>, found: &mut Vec<Anomaly>) {
    for (tp, log) in view.log.iter().enumerate() {
        for (offset, values) in log.iter().filter(|(_, values)| values.len() > 1) {
            let names: Vec<&str> = values.iter().map(|v| view.history.value_names.name(*v)).collect();
            let what = format!("{}@{offset} holds {}", view.history.tp_names.name(tp), names.join(" and "));
            found.push(Anomaly::new(Kind::InconsistentOffsets, what));
        }
    }
    for (value, offsets) in view.offsets.iter().enumerate().filter(|(_, offsets)| offsets.len() > 1) {
        found.push(Anomaly::new(
            Kind::Duplicate,
            format!("{}, also at {:?}", view.describe(value), &offsets[1..]),
        ));
    }
}

fn phantoms(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let mut told = HashSet::new();
    for record in view.history.reads().flat_map(|read| &read.records) {
        let value = &view.history.values[record.value];
        let is_sent = value.sent.as_ref().is_some_and(|sent| sent.tp == record.tp) && !value.has_failed;
        if !is_sent && told.insert(record.value) {
            let tp = view.history.tp_names.name(record.tp);
            let what = format!("{} was read from {tp}@{}", view.describe(record.value), record.offset);
            found.push(Anomaly::new(Kind::Phantom, what));
        }
    }
}

fn sends(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let mut last: HashMap<(usize, usize), (i64, usize)> = HashMap::new();
    for value in &view.history.sends {
        let Some(sent) = &view.history.values[*value].sent else { continue };
        let Some(offset) = view.offsets[*value].first() else { continue };
        let before = last.insert((sent.process, sent.tp), (*offset, *value));
        if let Some((_, earlier)) = before.filter(|(before, _)| before >= offset) {
            let what = format!("{} was sent after {}", view.describe(*value), view.describe(earlier));
            found.push(Anomaly::new(Kind::NonmonotonicSend, what));
        }
    }
}

/// Offsets of each partition that a reader may not pass over.
fn to_be_seen(view: &View<'_>, level: Level) -> Vec<Vec<i64>> {
    let is_seen = |values: &[usize]| match level {
        Level::Committed => values.iter().any(|value| view.is_seen[*value]),
        Level::Uncommitted => true,
    };
    let offsets = |log: &std::collections::BTreeMap<i64, Vec<usize>>| {
        log.iter().filter(|(_, values)| is_seen(values)).map(|(offset, _)| *offset).collect()
    };
    view.log.iter().map(offsets).collect()
}

fn polls(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let committed = to_be_seen(view, Level::Committed);
    let uncommitted = to_be_seen(view, Level::Uncommitted);
    let mut last: HashMap<(usize, usize), i64> = HashMap::new();
    for step in &view.history.steps {
        match step {
            Step::Assign { process, tps } => {
                for tp in tps {
                    last.remove(&(*process, *tp));
                }
            }
            Step::Read(read) => {
                let visible = match read.level {
                    Level::Committed => &committed,
                    Level::Uncommitted => &uncommitted,
                };
                poll(view, read, visible, &mut last, found);
            }
        }
    }
}

fn poll(
    view: &View<'_>,
    read: &Read,
    visible: &[Vec<i64>],
    last: &mut HashMap<(usize, usize), i64>,
    found: &mut Vec<Anomaly>,
) {
    for record in &read.records {
        let Some(before) = last.insert((read.process, record.tp), record.offset) else { continue };
        let who = view.history.process_names.name(read.process);
        let place = format!("{}@{}", view.history.tp_names.name(record.tp), record.offset);
        if record.offset <= before {
            let what = format!("{who} read {place} after {before}");
            found.push(Anomaly::new(Kind::NonmonotonicPoll, what));
            continue;
        }
        let offsets = &visible[record.tp];
        let next = offsets[offsets.partition_point(|offset| *offset <= before)..].first();
        if let Some(skipped) = next.filter(|next| **next < record.offset) {
            let what = format!("{who} read {place} after {before}, and not {skipped}");
            found.push(Anomaly::new(Kind::PollSkip, what));
        }
    }
}
