//! The `.timeindex` file (`TimeIndex`), 12 bytes an entry: the largest timestamp so far in ms i64, last offset of the
//! first batch that reached it relative to the segment's base u32. Both grow strictly.

use super::TimeEntry;

/// Bytes of an entry.
pub(crate) const ENTRY_LEN: usize = 12;

/// The entries of one segment, in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeIndex {
    base_offset: i64,
    entries: Vec<(i64, u32)>,
}

impl TimeIndex {
    pub(crate) fn new(base_offset: i64) -> Self {
        Self { base_offset, entries: Vec::new() }
    }

    /// Reads a file's content; none if it breaks a rule of the format.
    pub(crate) fn decode(base_offset: i64, bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_LEN>();
        let entries: Vec<_> = chunks.iter().map(parse).collect();
        let grows = entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
        let starts = entries.first().is_none_or(|e| e.0 >= 0);
        (rest.is_empty() && grows && starts).then_some(Self { base_offset, entries })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * ENTRY_LEN);
        for (timestamp, relative) in &self.entries {
            out.extend_from_slice(&timestamp.to_be_bytes());
            out.extend_from_slice(&relative.to_be_bytes());
        }
        out
    }

    /// Adds an entry, unless its timestamp is no larger than the last one's.
    pub(crate) fn append(&mut self, entry: TimeEntry) {
        if entry.timestamp <= self.last().timestamp {
            return;
        }
        if let Ok(relative) = u32::try_from(entry.offset - self.base_offset) {
            self.entries.push((entry.timestamp, relative));
        }
    }

    /// The entry with the largest timestamp that is not above `timestamp`.
    pub(crate) fn lookup(&self, timestamp: i64) -> TimeEntry {
        let above = self.entries.partition_point(|e| e.0 <= timestamp);
        let found = self.entries[..above].last();
        found.map_or(TimeEntry::none(self.base_offset), |e| entry(self.base_offset, *e))
    }

    pub(crate) fn last(&self) -> TimeEntry {
        self.lookup(i64::MAX)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

pub(super) fn parse(bytes: &[u8; ENTRY_LEN]) -> (i64, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    (i64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes([i, j, k, l]))
}

pub(super) fn entry(base_offset: i64, (timestamp, relative): (i64, u32)) -> TimeEntry {
    TimeEntry { timestamp, offset: base_offset + i64::from(relative) }
}
