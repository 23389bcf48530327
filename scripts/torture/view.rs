//! What follows from a history: the log of each partition, what was visible at the end, and who must have committed.

use std::collections::{BTreeMap, HashMap};

use crate::event::Level;
use crate::history::{History, Outcome};

pub(crate) struct View<'h> {
    pub(crate) history: &'h History,
    /// Partition to offset to the values that somebody saw or was told to be there.
    pub(crate) log: Vec<BTreeMap<i64, Vec<usize>>>,
    /// Value to its offsets, ascending.
    pub(crate) offsets: Vec<Vec<i64>>,
    /// Value to whether the final reader of read_committed, of read_uncommitted, has it.
    pub(crate) is_seen: Vec<bool>,
    pub(crate) is_stored: Vec<bool>,
    /// Partition to the position that the final readers reached.
    pub(crate) stable_end: Vec<Option<i64>>,
    pub(crate) end: Vec<Option<i64>>,
    /// Transaction to whether it must have committed.
    pub(crate) is_committed: Vec<bool>,
}

impl<'h> View<'h> {
    pub(crate) fn new(history: &'h History) -> Self {
        let (log, offsets) = places(history);
        let (stable_end, is_seen) = finals(history, Level::Committed);
        let (end, is_stored) = finals(history, Level::Uncommitted);
        let is_committed = committed(history);
        Self { history, log, offsets, is_seen, is_stored, stable_end, end, is_committed }
    }

    /// A value and where it is, for people.
    pub(crate) fn describe(&self, value: usize) -> String {
        let history = self.history;
        let name = history.value_names.name(value);
        let Some(sent) = &history.values[value].sent else { return name.to_owned() };
        let tp = history.tp_names.name(sent.tp);
        let at = self.offsets[value].first().map_or("?".to_owned(), i64::to_string);
        match sent.txn {
            None => format!("{name} at {tp}@{at}"),
            Some(txn) => format!("{name} at {tp}@{at} of {}", self.describe_txn(txn)),
        }
    }

    pub(crate) fn describe_txn(&self, txn: usize) -> String {
        format!("{} ({:?})", self.history.txn_names.name(txn), self.history.txns[txn].outcome())
    }

    /// The transaction that wrote a value.
    pub(crate) fn writer(&self, value: usize) -> Option<usize> {
        self.history.values[value].sent.as_ref()?.txn
    }
}

type Places = (Vec<BTreeMap<i64, Vec<usize>>>, Vec<Vec<i64>>);

fn places(history: &History) -> Places {
    let mut log = vec![BTreeMap::new(); history.tp_names.len()];
    let mut offsets = vec![Vec::new(); history.values.len()];
    let mut note = |tp: usize, offset: i64, value: usize| {
        let there: &mut Vec<usize> = log[tp].entry(offset).or_default();
        if !there.contains(&value) {
            there.push(value);
        }
        let its: &mut Vec<i64> = &mut offsets[value];
        if let Err(at) = its.binary_search(&offset) {
            its.insert(at, offset);
        }
    };
    for record in history.reads().flat_map(|read| &read.records) {
        note(record.tp, record.offset, record.value);
    }
    for (number, value) in history.values.iter().enumerate() {
        if let (Some(sent), Some(offset)) = (&value.sent, value.acked_at) {
            note(sent.tp, offset, number);
        }
    }
    (log, offsets)
}

/// How far the final readers of a level came in each partition, and which values they have.
fn finals(history: &History, level: Level) -> (Vec<Option<i64>>, Vec<bool>) {
    let mut ends = vec![None; history.tp_names.len()];
    let mut readers = vec![false; history.process_names.len()];
    for last in history.finals.iter().filter(|last| last.level == level) {
        ends[last.tp] = ends[last.tp].max(Some(last.end));
        readers[last.process] = true;
    }
    let mut seen = vec![false; history.values.len()];
    for read in history.reads().filter(|read| readers[read.process] && read.level == level) {
        for record in &read.records {
            seen[record.value] = true;
        }
    }
    (ends, seen)
}

/// Acknowledged commits, and those asked for whose values or offsets somebody got to see.
fn committed(history: &History) -> Vec<bool> {
    let mut committed: Vec<bool> =
        history.txns.iter().map(|txn| txn.outcome() == Outcome::Committed).collect();
    let is_unknown = |txn: usize| history.txns[txn].outcome() == Outcome::Unknown;
    for read in history.reads().filter(|read| read.level == Level::Committed) {
        for record in &read.records {
            let writer = history.values[record.value].sent.as_ref().and_then(|sent| sent.txn);
            if let Some(txn) = writer.filter(|txn| is_unknown(*txn)) {
                committed[txn] = true;
            }
        }
    }
    let mut offered: HashMap<(usize, usize, i64), Vec<usize>> = HashMap::new();
    for (number, txn) in history.txns.iter().enumerate() {
        if txn.outcome() != Outcome::Aborted {
            for offset in &txn.offsets {
                offered.entry(*offset).or_default().push(number);
            }
        }
    }
    for position in &history.positions {
        // With two that offered the same offset, either may have been the one.
        if let Some([txn]) = offered.get(&(position.group, position.tp, position.offset)).map(Vec::as_slice) {
            committed[*txn] = true;
        }
    }
    committed
}
