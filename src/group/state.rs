//! A machine's durable state as records: what its log would hold without anything that is superseded or deleted.

use std::sync::Arc;

use super::{Group, Groups};
use crate::machine::Entry;
use crate::wire::group_records::Record;

/// One record of a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// Where it is in the log, where that matters.
    pub offset: i64,
    /// What it says; of the producer of an open transaction the id alone is known.
    pub record: Entry<Record>,
}

impl Groups {
    /// The records that make an empty machine what this one is.
    pub fn state(&self) -> impl Iterator<Item = Stated> {
        // Groups first: else offsets would make groups of their own.
        let groups = self.groups.iter().flat_map(|(name, group)| records(name, group));
        let groups = self.other_records().chain(groups);
        let groups = groups.map(|record| Stated { offset: 0, record: Entry::Plain(record) });
        groups.chain(self.offsets.state())
    }
}

fn records(name: &Arc<str>, group: &Group) -> Vec<Record> {
    match group {
        Group::Classic(group) => {
            vec![Record::GroupMetadata { group: name.clone(), value: Some(group.settled().value()) }]
        }
        Group::Consumer(group) => group.records(name),
    }
}
