//! At which offset each leader epoch of a partition begins (`LeaderEpochFileCache`).
//!
//! Followers and consumers find with it where their history parts from the leader's (KIP-101, KIP-279, KIP-320).
//! Memory only: a method that answers true has changed what `leader-epoch-checkpoint` must say
//! ([`checkpoint`](super::checkpoint) writes it), which has to be durable before what follows is acknowledged.

/// "No epoch" and "no offset" on the wire (`OffsetsForLeaderEpochResponse.UNDEFINED_EPOCH`).
pub const UNDEFINED: (i32, i64) = (-1, -1);

/// The first offset of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader epoch.
    pub epoch: i32,
    /// Offset of the first batch that it appended.
    pub start_offset: i64,
}

/// All epochs that have batches in the log. Epochs and start offsets both grow strictly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// Takes entries as a checkpoint holds them; later ones win over those that they contradict.
    pub fn from_entries(entries: impl IntoIterator<Item = EpochEntry>) -> Self {
        let mut epochs = Self::default();
        for entry in entries {
            epochs.assign(entry);
        }
        epochs
    }

    /// Notes that `entry.epoch` begins at `entry.start_offset`, and drops entries that contradict it.
    ///
    /// Nothing happens if the latest epoch is the same and began no later, nor for the epoch -1 of batches that no
    /// leader stamped.
    pub fn assign(&mut self, entry: EpochEntry) -> bool {
        if entry.epoch < 0 || entry.start_offset < 0 {
            return false;
        }
        let known =
            self.latest().is_some_and(|l| l.epoch == entry.epoch && l.start_offset <= entry.start_offset);
        if known {
            return false;
        }
        while self.latest().is_some_and(|l| l.epoch >= entry.epoch || l.start_offset >= entry.start_offset) {
            self.entries.pop();
        }
        self.entries.push(entry);
        true
    }

    /// The newest epoch with batches.
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The oldest epoch with batches.
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The newest epoch below `epoch`.
    pub fn previous(&self, epoch: i32) -> Option<EpochEntry> {
        self.entries[..self.entries.partition_point(|e| e.epoch < epoch)].last().copied()
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The largest epoch that is not above `epoch`, and where it ends: at the start of the next one, or at
    /// `log_end_offset` for the latest. [`UNDEFINED`] if `epoch` is above all known ones.
    ///
    /// For an epoch below all known ones, whose batches are gone, `epoch` itself ends where the log begins.
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> (i32, i64) {
        if epoch < 0 {
            return UNDEFINED;
        }
        if self.latest().is_some_and(|l| l.epoch == epoch) {
            return (epoch, log_end_offset);
        }
        let above = self.entries.partition_point(|e| e.epoch <= epoch);
        let Some(next) = self.entries.get(above) else { return UNDEFINED };
        let floor = self.entries[..above].last().map_or(epoch, |e| e.epoch);
        (floor, next.start_offset)
    }

    /// The epoch of the batch at `offset`, none below the first entry.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let above = self.entries.partition_point(|e| e.start_offset <= offset);
        self.entries[..above].last().map(|e| e.epoch)
    }

    /// Drops epochs that begin at or above `end_offset`.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let keep = self.entries.partition_point(|e| e.start_offset < end_offset);
        let changed = keep < self.entries.len();
        self.entries.truncate(keep);
        changed
    }

    /// Lets the log begin at `start_offset`: drops epochs that end at or below it and moves the start of the one
    /// that holds it.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let at_or_below = self.entries.partition_point(|e| e.start_offset <= start_offset);
        let Some(holder) = at_or_below.checked_sub(1) else { return false };
        let changed = holder > 0 || self.entries[holder].start_offset != start_offset;
        self.entries[holder].start_offset = start_offset;
        self.entries.drain(..holder);
        changed
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs::from_entries(
            entries.iter().map(|&(epoch, start_offset)| EpochEntry { epoch, start_offset }),
        )
    }

    fn listed(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|e| (e.epoch, e.start_offset)).collect()
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins_and_the_latest_at_the_log_end() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 35)]);
        assert_eq!(epochs.end_offset_for(7, 50), (7, 50));
        assert_eq!(epochs.end_offset_for(4, 50), (4, 35));
        assert_eq!(epochs.end_offset_for(3, 50), (2, 20), "unknown epochs fall to the largest below");
        assert_eq!(epochs.end_offset_for(6, 50), (4, 35));
        assert_eq!(epochs.end_offset_for(1, 50), (1, 10), "its batches are gone");
        assert_eq!(epochs.end_offset_for(8, 50), UNDEFINED);
        assert_eq!(epochs.end_offset_for(-1, 50), UNDEFINED);
        assert_eq!(LeaderEpochs::default().end_offset_for(0, 50), UNDEFINED);
    }

    #[test]
    fn an_assigned_epoch_is_not_moved_forward() {
        let mut epochs = epochs(&[(1, 0)]);
        assert!(!epochs.assign(EpochEntry { epoch: 1, start_offset: 9 }));
        assert!(!epochs.assign(EpochEntry { epoch: -1, start_offset: 9 }));
        assert!(epochs.assign(EpochEntry { epoch: 2, start_offset: 9 }));
        assert_eq!(listed(&epochs), [(1, 0), (2, 9)]);
    }

    #[test]
    fn a_new_entry_replaces_those_it_contradicts() {
        assert_eq!(listed(&epochs(&[(1, 0), (2, 9), (3, 9)])), [(1, 0), (3, 9)], "epoch 2 wrote nothing");
        assert_eq!(listed(&epochs(&[(1, 0), (5, 9), (3, 12)])), [(1, 0), (3, 12)]);
        assert_eq!(listed(&epochs(&[(1, 5), (2, 9), (2, 3)])), [(2, 3)]);
    }

    #[test]
    fn truncation_keeps_the_epoch_that_holds_the_edge() {
        let mut cut = epochs(&[(2, 10), (4, 20), (7, 35)]);
        assert!(!cut.truncate_from_end(36));
        assert!(cut.truncate_from_end(35));
        assert_eq!(listed(&cut), [(2, 10), (4, 20)]);
        assert!(!cut.truncate_from_start(5));
        assert!(!cut.truncate_from_start(10));
        let mut at_an_edge = cut.clone();
        assert!(at_an_edge.truncate_from_start(20));
        assert_eq!(listed(&at_an_edge), [(4, 20)]);
        assert!(cut.truncate_from_start(25));
        assert_eq!(listed(&cut), [(4, 25)]);
        assert!(cut.truncate_from_end(0));
        assert_eq!(listed(&cut), []);
    }

    #[test]
    fn an_offset_belongs_to_the_last_epoch_that_began_at_or_before_it() {
        let epochs = epochs(&[(2, 10), (4, 20)]);
        assert_eq!(
            [9, 10, 19, 20, 99].map(|o| epochs.epoch_for_offset(o)),
            [None, Some(2), Some(2), Some(4), Some(4)]
        );
        assert_eq!(epochs.previous(4).map(|e| e.epoch), Some(2));
        assert_eq!(epochs.previous(2), None);
    }
}
