//! Isolation and durability: who may see a value, and what has to be there at the end.

use std::collections::HashSet;

use crate::anomaly::{Anomaly, Kind};
use crate::event::Level;
use crate::history::Outcome;
use crate::view::View;

pub(crate) fn check(view: &View<'_>, found: &mut Vec<Anomaly>) {
    reads(view, found);
    writes(view, found);
    ends(view, found);
}

fn reads(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let mut told = HashSet::new();
    for read in view.history.reads().filter(|read| read.level == Level::Committed) {
        let reader = view.history.process_names.name(read.process);
        for record in &read.records {
            let Some(writer) = view.writer(record.value) else { continue };
            let txn = &view.history.txns[writer];
            let kind = if read.txn == Some(writer) || txn.commit_asked_at.is_some_and(|asked| asked > read.at)
            {
                Kind::PrecommittedRead
            } else if txn.outcome() == Outcome::Aborted {
                Kind::AbortedRead
            } else {
                continue;
            };
            if told.insert((record.value, kind)) {
                found.push(Anomaly::new(kind, format!("{reader} read {}", view.describe(record.value))));
            }
        }
    }
}

/// Everything acknowledged, and everything of a transaction that committed, is stored and seen.
fn writes(view: &View<'_>, found: &mut Vec<Anomaly>) {
    let mut torn = HashSet::new();
    for value in &view.history.sends {
        let known = &view.history.values[*value];
        let Some(sent) = &known.sent else { continue };
        let must_be_there = match sent.txn {
            None => known.is_acked,
            Some(txn) => view.is_committed[txn] && !known.has_failed,
        };
        if !must_be_there || (view.is_stored[*value] && view.is_seen[*value]) {
            continue;
        }
        let what = view.describe(*value);
        let was_read_to_its_end = view.end[sent.tp].is_some() && view.stable_end[sent.tp].is_some();
        if was_read_to_its_end && !view.is_stored[*value] {
            found.push(Anomaly::new(Kind::LostWrite, what));
        } else if let Some(txn) = sent.txn.filter(|txn| is_partly_seen(view, *txn)) {
            if torn.insert(txn) {
                found.push(Anomaly::new(Kind::TornTransaction, format!("{what} is not seen, others are")));
            }
        } else {
            found.push(Anomaly::new(Kind::Unseen, what));
        }
    }
}

fn is_partly_seen(view: &View<'_>, txn: usize) -> bool {
    view.history.txns[txn].sends.iter().any(|value| view.is_seen[*value])
}

fn ends(view: &View<'_>, found: &mut Vec<Anomaly>) {
    for (tp, (stable, end)) in view.stable_end.iter().zip(&view.end).enumerate() {
        if stable < end {
            let name = view.history.tp_names.name(tp);
            let what = format!("{name} ends at {end:?}, with read_committed at {stable:?}");
            found.push(Anomaly::new(Kind::StuckTransaction, what));
        }
    }
}
