//! Offsets that open transactions have written: nobody reads them, and they become true, or go, with the
//! transaction's end (`OffsetMetadataManager.OpenTransactions`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::table::Offset;

/// Group, topic and partition.
type Key = (Arc<str>, Arc<str>, i32);

/// Pending offsets by the producer that wrote them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_producer: BTreeMap<i64, BTreeMap<Key, Offset>>,
    /// Which producers have one for a partition; never an empty set.
    open: BTreeMap<Key, BTreeSet<i64>>,
}

impl Pending {
    pub(super) fn put(&mut self, producer_id: i64, key: Key, offset: Offset) {
        self.open.entry(key.clone()).or_default().insert(producer_id);
        self.by_producer.entry(producer_id).or_default().insert(key, offset);
    }

    /// The transaction of `producer_id` is over: what it wrote.
    pub(super) fn take(&mut self, producer_id: i64) -> BTreeMap<Key, Offset> {
        let taken = self.by_producer.remove(&producer_id).unwrap_or_default();
        for key in taken.keys() {
            let Some(producers) = self.open.get_mut(key) else { continue };
            producers.remove(&producer_id);
            if producers.is_empty() {
                self.open.remove(key);
            }
        }
        taken
    }

    /// Forgets what any producer has written for one partition.
    pub(super) fn remove(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32) {
        let key = (group.clone(), topic.clone(), partition);
        for producer_id in self.open.remove(&key).unwrap_or_default() {
            let Some(written) = self.by_producer.get_mut(&producer_id) else { continue };
            written.remove(&key);
            if written.is_empty() {
                self.by_producer.remove(&producer_id);
            }
        }
    }

    /// Topics and partitions of `group` for which something is pending.
    pub(super) fn of_group(&self, group: &Arc<str>) -> impl Iterator<Item = (&Arc<str>, i32)> {
        let first: Key = (group.clone(), Arc::from(""), i32::MIN);
        let group = group.clone();
        let keys = self.open.range(first..).map(|(key, _)| key);
        keys.take_while(move |(name, _, _)| *name == group).map(|(_, topic, partition)| (topic, *partition))
    }

    /// Everything that is pending, with its producer.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Key, &Offset)> {
        self.by_producer.iter().flat_map(|(producer_id, written)| {
            written.iter().map(|(key, offset)| (*producer_id, key, offset))
        })
    }
}
