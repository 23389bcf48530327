//! Committed offsets: commit, read, delete, expire (`OffsetMetadataManager`).
//!
//! An offset is durable state alone: its record makes it, a tombstone removes it, and what a transaction wrote waits
//! in [`pending`] for the transaction's end. A group that exists for its offsets' sake comes with the first of them.

mod commit;
mod delete;
mod expire;
mod fetch;
mod list;
mod pending;
mod table;
mod transactional;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use self::list::{GroupOffsets, TopicOffsets};
use self::pending::Pending;
use self::table::{Offset, Table};
pub use self::transactional::refused as refused_transactional;
use super::{Groups, ReplayError, Stated};
use crate::base::id::Producer;
use crate::machine::Entry;
use crate::wire::group_records::{OffsetCommitValue, Record};

/// The committed offsets of all groups of a machine.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: Table,
    pending: Pending,
    /// Topics that are gone whose offsets are not deleted yet; soft, as Kafka's.
    deleted_topics: BTreeSet<Arc<str>>,
}

impl Offsets {
    /// Whether a group has any.
    pub(super) fn are_committed_for(&self, group: &str) -> bool {
        self.committed.group(group).is_some()
    }

    /// Whether an open transaction has written any for a group.
    pub(super) fn are_pending_for(&self, group: &Arc<str>) -> bool {
        self.pending.of_group(group).next().is_some()
    }

    pub(super) fn replay(
        &mut self,
        record_offset: i64,
        group: &Arc<str>,
        topic: &Arc<str>,
        partition: i32,
        value: Option<&OffsetCommitValue>,
    ) {
        match value {
            Some(value) => self.committed.put(group, topic, partition, Offset::of(record_offset, value)),
            None => {
                self.committed.remove(group, topic, partition);
                self.pending.remove(group, topic, partition);
            }
        }
    }
}

fn stated(
    producer_id: Option<i64>,
    (group, topic, partition): (&Arc<str>, &Arc<str>, i32),
    offset: &Offset,
) -> Stated {
    let record = Record::OffsetCommit {
        group: group.clone(),
        topic: topic.clone(),
        partition,
        value: Some(offset.value()),
    };
    let record = match producer_id {
        None => Entry::Plain(record),
        Some(id) => Entry::Transactional { producer: Producer { id, ..Producer::NONE }, record },
    };
    Stated { offset: offset.record_offset, record }
}

impl Offsets {
    /// The records that make these offsets, in an order that can be replayed.
    pub(super) fn state(&self) -> impl Iterator<Item = Stated> {
        let committed = self.committed.iter().map(|(key, offset)| stated(None, key, offset));
        let pending = self.pending.iter().map(|(producer_id, (group, topic, partition), offset)| {
            stated(Some(producer_id), (group, topic, *partition), offset)
        });
        committed.chain(pending)
    }
}

impl Groups {
    /// Makes true what a batch of the open transaction of `producer_id` holds; offsets wait for its end.
    pub(in crate::group) fn replay_transactional(
        &mut self,
        offset: i64,
        producer_id: i64,
        record: &Record,
    ) -> Result<(), ReplayError> {
        let Record::OffsetCommit { group, topic, partition, value: Some(value) } = record else {
            return self.replay_plain(offset, record);
        };
        if !self.is_other(group) {
            self.ensure_group(group);
        }
        let key = (group.clone(), topic.clone(), *partition);
        self.offsets.pending.put(producer_id, key, Offset::of(offset, value));
        Ok(())
    }

    /// The transaction of `producer_id` has ended; nothing happens if it had written nothing here.
    pub(in crate::group) fn end_transaction(&mut self, producer_id: i64, is_committed: bool) {
        let written = self.offsets.pending.take(producer_id);
        if !is_committed {
            return;
        }
        for ((group, topic, partition), offset) in written {
            let committed = self.offsets.committed.get(&group, &topic, partition);
            // A plain commit may have come since.
            if committed.is_none_or(|committed| committed.record_offset < offset.record_offset) {
                self.offsets.committed.put(&group, &topic, partition, offset);
            }
        }
    }
}

#[cfg(test)]
impl Offsets {
    /// Everything that must survive, a line each.
    pub(super) fn durable(&self) -> Vec<String> {
        let committed = self.committed.iter().map(|(key, offset)| format!("{key:?} {offset:?}"));
        let pending = self.pending.iter().map(|pending| format!("pending {pending:?}"));
        committed.chain(pending).collect()
    }
}
