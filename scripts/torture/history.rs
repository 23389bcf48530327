//! A history put together: every value, transaction, reader and committed offset, with what is known of it.

use std::collections::HashMap;

use crate::event::{Event, Level, What};

/// Numbers of what has a name.
#[derive(Default)]
pub(crate) struct Names {
    numbers: HashMap<String, usize>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: String) -> usize {
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }

    pub(crate) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// One value. Values are unique over a whole history.
#[derive(Default)]
pub(crate) struct Value {
    /// None if it was only read.
    pub(crate) sent: Option<Sent>,
    pub(crate) is_acked: bool,
    pub(crate) has_failed: bool,
    /// Where the acknowledgement says that it is.
    pub(crate) acked_at: Option<i64>,
}

pub(crate) struct Sent {
    pub(crate) process: usize,
    pub(crate) tp: usize,
    pub(crate) txn: Option<usize>,
    /// The group and the value that a loop made this one from.
    pub(crate) from: Option<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Committed,
    /// An abort was acknowledged, or nobody ever asked for a commit.
    Aborted,
    Unknown,
}

#[derive(Default)]
pub(crate) struct Txn {
    pub(crate) commit_asked_at: Option<i64>,
    pub(crate) committed_at: Option<i64>,
    is_aborted: bool,
    pub(crate) sends: Vec<usize>,
    /// Group, partition, offset.
    pub(crate) offsets: Vec<(usize, usize, i64)>,
}

impl Txn {
    pub(crate) fn outcome(&self) -> Outcome {
        if self.committed_at.is_some() {
            Outcome::Committed
        } else if self.is_aborted || self.commit_asked_at.is_none() {
            Outcome::Aborted
        } else {
            Outcome::Unknown
        }
    }
}

pub(crate) struct Record {
    pub(crate) tp: usize,
    pub(crate) offset: i64,
    pub(crate) value: usize,
}

/// What a process did with its reader, in order.
pub(crate) enum Step {
    Assign { process: usize, tps: Vec<usize> },
    Read(Read),
}

pub(crate) struct Read {
    pub(crate) process: usize,
    pub(crate) at: i64,
    pub(crate) level: Level,
    pub(crate) txn: Option<usize>,
    pub(crate) records: Vec<Record>,
}

/// A group's committed offset of a partition, as it was fetched.
pub(crate) struct Position {
    pub(crate) since: i64,
    pub(crate) group: usize,
    pub(crate) tp: usize,
    pub(crate) offset: i64,
    pub(crate) is_last: bool,
}

/// A process has read a partition from its beginning to this position.
pub(crate) struct Final {
    pub(crate) process: usize,
    pub(crate) level: Level,
    pub(crate) tp: usize,
    pub(crate) end: i64,
}

#[derive(Default)]
pub(crate) struct History {
    pub(crate) process_names: Names,
    pub(crate) tp_names: Names,
    pub(crate) value_names: Names,
    pub(crate) txn_names: Names,
    pub(crate) group_names: Names,
    pub(crate) values: Vec<Value>,
    pub(crate) txns: Vec<Txn>,
    /// All values that were sent, each process' own in its order.
    pub(crate) sends: Vec<usize>,
    pub(crate) steps: Vec<Step>,
    pub(crate) positions: Vec<Position>,
    pub(crate) finals: Vec<Final>,
}

impl History {
    /// All reads, of one process in its order.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &Read> {
        self.steps.iter().filter_map(|step| match step {
            Step::Read(read) => Some(read),
            Step::Assign { .. } => None,
        })
    }

    fn value(&mut self, name: String) -> usize {
        let number = self.value_names.number(name);
        if number == self.values.len() {
            self.values.push(Value::default());
        }
        number
    }

    fn txn(&mut self, name: String) -> usize {
        let number = self.txn_names.number(name);
        if number == self.txns.len() {
            self.txns.push(Txn::default());
        }
        number
    }

    /// The events of one process have to come in their order; those of different processes need not.
    pub(crate) fn add(&mut self, event: Event) {
        let at = event.at;
        let process = self.process_names.number(event.process);
        match event.what {
            What::Send { tp, value, txn, from } => self.add_send(process, tp, value, txn, from),
            What::Ack { value, offset } => {
                let value = self.value(value);
                self.values[value].is_acked = true;
                self.values[value].acked_at = (offset >= 0).then_some(offset);
            }
            What::Fail { value } => {
                let value = self.value(value);
                self.values[value].has_failed = true;
            }
            What::Offsets { txn, group, offsets } => {
                let (txn, group) = (self.txn(txn), self.group_names.number(group));
                for (tp, offset) in offsets {
                    let tp = self.tp_names.number(tp);
                    self.txns[txn].offsets.push((group, tp, offset));
                }
            }
            What::Commit { txn } => {
                let txn = self.txn(txn);
                self.txns[txn].commit_asked_at.get_or_insert(at);
            }
            What::Committed { txn } => {
                let txn = self.txn(txn);
                self.txns[txn].committed_at = Some(at);
            }
            What::Aborted { txn } => {
                let txn = self.txn(txn);
                self.txns[txn].is_aborted = true;
            }
            What::Assign { tps } => {
                let tps = tps.into_iter().map(|tp| self.tp_names.number(tp)).collect();
                self.steps.push(Step::Assign { process, tps });
            }
            What::Poll { level, txn, records } => {
                let txn = txn.map(|txn| self.txn(txn));
                let record = |(tp, offset, value)| Record {
                    tp: self.tp_names.number(tp),
                    offset,
                    value: self.value(value),
                };
                let records = records.into_iter().map(record).collect();
                self.steps.push(Step::Read(Read { process, at, level, txn, records }));
            }
            What::Position { since, group, offsets, last } => {
                let group = self.group_names.number(group);
                for (tp, offset) in offsets {
                    let tp = self.tp_names.number(tp);
                    self.positions.push(Position { since, group, tp, offset, is_last: last });
                }
            }
            What::Final { level, ends } => {
                for (tp, end) in ends {
                    let tp = self.tp_names.number(tp);
                    self.finals.push(Final { process, level, tp, end });
                }
            }
        }
    }

    fn add_send(
        &mut self,
        process: usize,
        tp: String,
        value: String,
        txn: Option<String>,
        from: Option<(String, String)>,
    ) {
        let value = self.value(value);
        let tp = self.tp_names.number(tp);
        let txn = txn.map(|txn| self.txn(txn));
        let from = from.map(|(group, from)| (self.group_names.number(group), self.value(from)));
        if let Some(txn) = txn {
            self.txns[txn].sends.push(value);
        }
        self.sends.push(value);
        self.values[value].sent = Some(Sent { process, tp, txn, from });
    }
}
