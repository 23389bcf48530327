//! G1c: committed transactions that have read from each other in a circle. Only write-read edges count, since Kafka
//! does not isolate writes.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::{Anomaly, Kind};
use crate::event::Level;
use crate::view::View;

pub(crate) fn check(view: &View<'_>, found: &mut Vec<Anomaly>) {
    if let Some(circle) = circle(read_from(view)) {
        let names: Vec<&str> = circle.iter().map(|txn| view.history.txn_names.name(*txn)).collect();
        found.push(Anomaly::new(Kind::Circle, format!("{} read from each other", names.join(", "))));
    }
}

/// Each transaction with those that it read from.
fn read_from(view: &View<'_>) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut edges: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for read in view.history.reads().filter(|read| read.level == Level::Committed) {
        let Some(reader) = read.txn.filter(|txn| view.is_committed[*txn]) else { continue };
        let writers = read.records.iter().filter_map(|record| view.writer(record.value));
        edges.entry(reader).or_default().extend(writers.filter(|writer| *writer != reader));
    }
    edges
}

/// Takes away whoever read only from those that are taken away; each that remains read from one that remains.
fn circle(edges: BTreeMap<usize, BTreeSet<usize>>) -> Option<Vec<usize>> {
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (reader, writers) in &edges {
        writers.iter().for_each(|writer| readers.entry(*writer).or_default().push(*reader));
    }
    let mut left: BTreeMap<usize, usize> = edges
        .iter()
        .filter(|(_, writers)| !writers.is_empty())
        .map(|(r, writers)| (*r, writers.len()))
        .collect();
    let mut taken: Vec<usize> = readers.keys().copied().filter(|writer| !left.contains_key(writer)).collect();
    while let Some(writer) = taken.pop() {
        for reader in readers.get(&writer).into_iter().flatten() {
            let writers = left.get_mut(reader)?;
            *writers -= 1;
            if *writers == 0 {
                left.remove(reader);
                taken.push(*reader);
            }
        }
    }
    let mut path = vec![*left.keys().next()?];
    loop {
        let next = *edges[path.last()?].iter().find(|writer| left.contains_key(writer))?;
        if let Some(at) = path.iter().position(|txn| *txn == next) {
            return Some(path.split_off(at));
        }
        path.push(next);
    }
}
