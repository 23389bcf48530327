//! The `.index` file (`OffsetIndex`), 8 bytes an entry: last offset of a batch relative to the segment's base u32,
//! position of the batch's first byte u32. Both grow strictly.

use super::Anchor;

/// Bytes of an entry.
pub(crate) const ENTRY_LEN: usize = 8;

/// The entries of one segment, in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetIndex {
    base_offset: i64,
    entries: Vec<(u32, u32)>,
}

impl OffsetIndex {
    pub(crate) fn new(base_offset: i64) -> Self {
        Self { base_offset, entries: Vec::new() }
    }

    /// Reads a file's content; none if it breaks a rule of the format or points beyond `log_len`.
    pub(crate) fn decode(base_offset: i64, bytes: &[u8], log_len: u64) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_LEN>();
        let entries: Vec<_> = chunks.iter().map(parse).collect();
        let grows = entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
        let fits = entries.last().is_none_or(|last| u64::from(last.1) < log_len);
        (rest.is_empty() && grows && fits).then_some(Self { base_offset, entries })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.entries.iter().flat_map(|(o, p)| [o.to_be_bytes(), p.to_be_bytes()].concat()).collect()
    }

    /// Adds the batch at `position`; one that the format cannot express, or that does not follow the entries of a broken
    /// file, is left out.
    pub(crate) fn append(&mut self, last_offset: i64, position: u64) {
        if let (Ok(relative), Ok(position)) =
            (u32::try_from(last_offset - self.base_offset), u32::try_from(position))
            && self.entries.last().is_none_or(|last| last.0 < relative && last.1 < position)
        {
            self.entries.push((relative, position));
        }
    }

    /// The entry with the largest offset that is not above `offset`.
    pub(crate) fn lookup(&self, offset: i64) -> Anchor {
        let above = self.entries.partition_point(|e| self.base_offset + i64::from(e.0) <= offset);
        self.entries[..above].last().map_or(Anchor::START, |e| anchor(self.base_offset, *e))
    }

    /// The first entry behind a read of `len` bytes, or of one whole batch if that is more, which starts with the batch
    /// that holds `offset`. Where that batch is need not be known: no later than the first entry that is not below.
    pub(crate) fn lookup_behind(&self, offset: i64, len: usize) -> Option<Anchor> {
        let at = self.entries.partition_point(|e| self.base_offset + i64::from(e.0) < offset);
        let (_, latest_start) = self.entries.get(at)?;
        let end = u64::from(*latest_start).saturating_add(u64::try_from(len.max(1)).unwrap_or(u64::MAX));
        let behind = self.entries.partition_point(|e| u64::from(e.1) < end);
        self.entries.get(behind).map(|e| anchor(self.base_offset, *e))
    }

    pub(crate) fn last(&self) -> Anchor {
        self.lookup(i64::MAX)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

pub(super) fn parse(entry: &[u8; ENTRY_LEN]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *entry;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

pub(super) fn anchor(base_offset: i64, (relative, position): (u32, u32)) -> Anchor {
    Anchor { position: u64::from(position), last_offset: Some(base_offset + i64::from(relative)) }
}
