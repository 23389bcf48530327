//! A partition with transactions in miniature: random runs over it are sound by construction, and must be found so.

use std::collections::HashSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::anomaly::Kind;
use crate::event::{Event, Level, What};
use crate::history::History;

const PRODUCERS: usize = 3;
const STEPS: usize = 200;

/// What lies at an offset; none for a marker.
struct Entry {
    value: Option<String>,
    writer: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Committed,
    Aborted,
}

struct Model {
    dice: StdRng,
    now: i64,
    log: Vec<Entry>,
    txns: Vec<State>,
    open: [Option<usize>; PRODUCERS],
    /// Of a read_committed and a read_uncommitted reader.
    positions: [usize; 2],
    events: Vec<Event>,
}

fn tp() -> String {
    "a/0".to_owned()
}

fn name(txn: usize) -> String {
    format!("t{txn}")
}

impl Model {
    fn write(&mut self, process: &str, what: What) {
        self.now += 1;
        self.events.push(Event { process: process.to_owned(), at: self.now, what });
    }

    fn offset(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    /// A send that is stored or not, and acknowledged if it is stored and the answer is not lost.
    fn send(&mut self, process: &str, writer: Option<usize>) {
        let value = format!("v{}", self.now);
        let txn = writer.map(name);
        self.write(process, What::Send { tp: tp(), value: value.clone(), txn, from: None });
        let (stored, told) = (writer.is_some() || self.dice.random_bool(0.9), self.dice.random_bool(0.9));
        if stored {
            let offset = self.offset();
            self.log.push(Entry { value: Some(value.clone()), writer });
            if told {
                self.write(process, What::Ack { value, offset });
            }
        }
    }

    fn end(&mut self, number: usize, txn: usize) {
        let process = format!("p{number}");
        self.open[number] = None;
        let (commits, told) = (self.dice.random_bool(0.7), self.dice.random_bool(0.8));
        if commits || self.dice.random_bool(0.2) {
            // Asked for, but if it does not commit then the answer never said so.
            self.write(&process, What::Commit { txn: name(txn) });
        }
        self.txns[txn] = if commits { State::Committed } else { State::Aborted };
        self.log.push(Entry { value: None, writer: None });
        if told {
            let txn = name(txn);
            self.write(&process, if commits { What::Committed { txn } } else { What::Aborted { txn } });
        }
    }

    /// Where read_committed readers have to stop.
    fn stable(&self) -> usize {
        let is_open = |entry: &Entry| entry.writer.is_some_and(|txn| self.txns[txn] == State::Open);
        self.log.iter().position(is_open).unwrap_or(self.log.len())
    }

    fn read(&mut self, process: &str, level: Level, from: usize, to: usize) {
        let is_visible = |entry: &&Entry| {
            level == Level::Uncommitted || entry.writer.is_none_or(|txn| self.txns[txn] == State::Committed)
        };
        let records = (from..to)
            .filter(|at| is_visible(&&self.log[*at]))
            .filter_map(|at| Some((tp(), i64::try_from(at).unwrap(), self.log[at].value.clone()?)))
            .collect();
        self.write(process, What::Poll { level, txn: None, records });
    }

    fn step(&mut self) {
        let number = self.dice.random_range(0..PRODUCERS);
        match (self.dice.random_range(0..10), self.open[number]) {
            (0, _) => self.send("plain", None),
            (1 | 2, _) => {
                let to = self.stable();
                self.read("rc", Level::Committed, self.positions[0], to);
                self.positions[0] = to;
            }
            (3, _) => {
                self.read("ru", Level::Uncommitted, self.positions[1], self.log.len());
                self.positions[1] = self.log.len();
            }
            (4 | 5, Some(txn)) => self.end(number, txn),
            (_, Some(txn)) => self.send(&format!("p{number}"), Some(txn)),
            (_, None) => {
                self.txns.push(State::Open);
                self.open[number] = Some(self.txns.len() - 1);
            }
        }
    }

    fn run(seed: u64) -> Vec<Event> {
        let mut model = Self {
            dice: StdRng::seed_from_u64(seed),
            now: 0,
            log: Vec::new(),
            txns: Vec::new(),
            open: [None; PRODUCERS],
            positions: [0; 2],
            events: Vec::new(),
        };
        for _ in 0..STEPS {
            model.step();
        }
        for txn in model.open.into_iter().flatten() {
            model.txns[txn] = State::Aborted;
        }
        for (process, level) in [("final rc", Level::Committed), ("final ru", Level::Uncommitted)] {
            model.read(process, level, 0, model.log.len());
            let end = model.offset();
            model.write(process, What::Final { level, ends: vec![(tp(), end)] });
        }
        model.events
    }
}

fn found(events: Vec<Event>) -> Vec<Kind> {
    let mut history = History::default();
    events.into_iter().for_each(|event| history.add(event));
    crate::check(&history).into_iter().map(|anomaly| anomaly.kind).collect()
}

proptest! {
    #[test]
    fn no_sound_run_is_accused(seed: u64) {
        prop_assert_eq!(found(Model::run(seed)), []);
    }

    #[test]
    fn a_promised_value_that_vanishes_is_missed(seed: u64, which: prop::sample::Index) {
        let mut events = Model::run(seed);
        let promised = promised(&events);
        let Some(What::Poll { records, .. }) =
            events.iter_mut().map(|event| &mut event.what).rfind(|what| is_committed_poll(what))
        else {
            unreachable!("it has read")
        };
        let candidates: Vec<usize> =
            (0..records.len()).filter(|at| promised.contains(&records[*at].2)).collect();
        prop_assume!(!candidates.is_empty());
        records.remove(candidates[which.index(candidates.len())]);
        let kinds = found(events);
        let known = [Kind::Unseen, Kind::TornTransaction];
        prop_assert!(kinds.iter().any(|kind| known.contains(kind)), "{kinds:?}");
    }
}

fn is_committed_poll(what: &What) -> bool {
    matches!(what, What::Poll { level: Level::Committed, .. })
}

/// What was acknowledged outside of transactions, or with one.
fn promised(events: &[Event]) -> HashSet<String> {
    let (mut acked, mut committed) = (HashSet::new(), HashSet::new());
    for event in events {
        if let What::Ack { value, .. } = &event.what {
            acked.insert(value);
        }
        if let What::Committed { txn } = &event.what {
            committed.insert(txn);
        }
    }
    let mut promised = HashSet::new();
    for event in events {
        if let What::Send { value, txn, .. } = &event.what
            && txn.as_ref().map_or(acked.contains(value), |txn| committed.contains(txn))
        {
            promised.insert(value.clone());
        }
    }
    promised
}
