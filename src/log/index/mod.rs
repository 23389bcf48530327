//! The two sparse indexes of a segment: offset to position, and timestamp to offset.
//!
//! [`Indexes`] holds the active segment's in memory; [`IndexFiles`] searches an older segment's on disk. Neither is
//! ever the truth: whoever follows an [`Anchor`] checks that the batch it names is there.

mod files;
mod offset;
mod time;

pub(super) use files::IndexFiles;
pub(super) use offset::OffsetIndex;
pub(super) use time::TimeIndex;

use crate::wire::batch::BatchHeader;

/// Where to start looking in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// First byte of a batch.
    pub(super) position: u64,
    /// That batch's last offset as the index has it; none where there is nothing to check.
    pub(super) last_offset: Option<i64>,
}

impl Anchor {
    /// The segment's start.
    pub(super) const START: Self = Self { position: 0, last_offset: None };
}

/// The largest timestamp up to some place of a segment, in ms, and the last offset of the first batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeEntry {
    /// -1 for none.
    pub(super) timestamp: i64,
    /// The segment's base offset for none.
    pub(super) offset: i64,
}

impl TimeEntry {
    pub(super) fn none(base_offset: i64) -> Self {
        Self { timestamp: -1, offset: base_offset }
    }
}

/// Both indexes of a segment that grows; their content depends on nothing but the segment's batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexes {
    pub(super) offsets: OffsetIndex,
    pub(super) times: TimeIndex,
    /// The largest timestamp so far; the time index gets it with the next entry.
    pub(super) max: TimeEntry,
    /// Where the batch of the last entry starts.
    indexed_position: u64,
}

impl Indexes {
    pub(super) fn new(base_offset: i64) -> Self {
        Self {
            offsets: OffsetIndex::new(base_offset),
            times: TimeIndex::new(base_offset),
            max: TimeEntry::none(base_offset),
            indexed_position: 0,
        }
    }

    /// Takes what a sound pair of files holds.
    pub(super) fn from_files(offsets: OffsetIndex, times: TimeIndex) -> Self {
        let (max, indexed_position) = (times.last(), offsets.last().position);
        Self { offsets, times, max, indexed_position }
    }

    /// Notes the batch at `position`, which follows all those noted before.
    pub(super) fn add(&mut self, header: &BatchHeader, position: u64, interval_bytes: u32) {
        let last_offset = header.last_offset();
        if header.max_timestamp > self.max.timestamp {
            self.max = TimeEntry { timestamp: header.max_timestamp, offset: last_offset };
        }
        if position - self.indexed_position > u64::from(interval_bytes) {
            self.offsets.append(last_offset, position);
            self.times.append(self.max);
            self.indexed_position = position;
        }
    }

    /// Gives the time index its last entry, before the files are written.
    pub(super) fn complete(&mut self) {
        self.times.append(self.max);
    }

    /// Whether one of the files would pass `segment_index_bytes`. One slot of the time index stays free for the
    /// entry that [`Indexes::complete`] adds.
    pub(super) fn is_full(&self, segment_index_bytes: u32) -> bool {
        let bytes = usize::try_from(segment_index_bytes).unwrap_or(usize::MAX);
        self.offsets.len() >= bytes / offset::ENTRY_LEN || self.times.len() + 1 >= bytes / time::ENTRY_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes() -> Indexes {
        let mut indexes = Indexes::new(100);
        for (i, timestamp) in [(0, 50), (1, 40), (2, 70), (3, 60), (4, 70)] {
            let mut header = BatchHeader::parse(&crate::log::testing::batch(1, timestamp)).unwrap();
            header.base_offset = 100 + i;
            indexes.add(&header, u64::try_from(i).unwrap() * 1000, 1500);
        }
        indexes
    }

    #[test]
    fn an_entry_comes_when_more_than_the_interval_lies_between_and_names_the_batchs_last_offset() {
        let mut indexes = indexes();
        assert_eq!(indexes.offsets.encode(), [0, 0, 0, 2, 0, 0, 7, 208, 0, 0, 0, 4, 0, 0, 15, 160]);
        assert_eq!(indexes.times.len(), 1, "70 at the second entry is no larger");
        indexes.max.timestamp = 71;
        indexes.complete();
        indexes.complete();
        assert_eq!(indexes.times.len(), 2);
    }

    #[test]
    fn lookups_give_the_largest_entry_that_is_not_above() {
        let indexes = indexes();
        assert_eq!(indexes.offsets.lookup(101), Anchor::START);
        assert_eq!(indexes.offsets.lookup(103), Anchor { position: 2000, last_offset: Some(102) });
        assert_eq!(indexes.times.lookup(69), TimeEntry::none(100));
        assert_eq!(indexes.times.lookup(70), TimeEntry { timestamp: 70, offset: 102 });
    }

    #[test]
    fn files_that_break_the_format_are_refused() {
        let good = indexes();
        let offsets = good.offsets.encode();
        assert_eq!(OffsetIndex::decode(100, &offsets, 5000), Some(good.offsets.clone()));
        assert_eq!(OffsetIndex::decode(100, &offsets, 4000), None, "points behind the log's end");
        assert_eq!(OffsetIndex::decode(100, &offsets[..15], 5000), None);
        assert_eq!(
            OffsetIndex::decode(100, &[offsets, vec![0; 8]].concat(), 5000),
            None,
            "preallocated zeros"
        );
        assert_eq!(TimeIndex::decode(100, &good.times.encode()), Some(good.times.clone()));
        assert_eq!(TimeIndex::decode(100, &[0xff; 12]), None);
    }
}
