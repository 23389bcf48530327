//! Searches the index files of a segment that no longer grows, without loading them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Anchor, Indexes, OffsetIndex, TimeEntry, TimeIndex, offset, time};
use crate::log::disk::{Disk, File, Mode};
use crate::log::names::Kind;

/// Most bytes that one search step reads.
const BLOCK_BYTES: usize = 4096;

/// Both files, open.
pub(crate) struct IndexFiles {
    base_offset: i64,
    offsets: Table<{ offset::ENTRY_LEN }>,
    times: Table<{ time::ENTRY_LEN }>,
}

impl IndexFiles {
    /// Opens the files of the segment at `base_offset`, whose log is `log_len` bytes long. None if one is missing or
    /// cannot be what a broker wrote (`OffsetIndex.sanityCheck`, `TimeIndex.sanityCheck`): it is to be rebuilt then.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        log_len: u64,
    ) -> io::Result<Option<Self>> {
        let Some(offsets) = Table::open(disk, &dir.join(Kind::OffsetIndex.name(base_offset)))? else {
            return Ok(None);
        };
        let Some(times) = Table::open(disk, &dir.join(Kind::TimeIndex.name(base_offset)))? else {
            return Ok(None);
        };
        let files = Self { base_offset, offsets, times };
        Ok(if files.is_plausible(log_len)? { Some(files) } else { None })
    }

    /// Replaces the files by what is in memory. Not durable before they are synced.
    pub(crate) fn write(disk: &dyn Disk, dir: &Path, base_offset: i64, indexes: &Indexes) -> io::Result<()> {
        for (kind, bytes) in
            [(Kind::OffsetIndex, indexes.offsets.encode()), (Kind::TimeIndex, indexes.times.encode())]
        {
            let file = disk.open(&dir.join(kind.name(base_offset)), Mode::Create)?;
            file.write_at(&[io::IoSlice::new(&bytes)], 0)?;
            // Readers may hold the file open: what it has in common with before never goes away.
            file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        }
        Ok(())
    }

    /// Loads both files; none if their content breaks a rule of the format.
    pub(crate) fn load(&self, log_len: u64) -> io::Result<Option<Indexes>> {
        let offsets = OffsetIndex::decode(self.base_offset, &self.offsets.all()?, log_len);
        let times = TimeIndex::decode(self.base_offset, &self.times.all()?);
        Ok(offsets.zip(times).map(|(offsets, times)| Indexes::from_files(offsets, times)))
    }

    fn is_plausible(&self, log_len: u64) -> io::Result<bool> {
        let (first, last) = (self.offsets.first()?, self.offsets.last()?);
        let (first, last) = (first.map(|e| offset::parse(&e)), last.map(|e| offset::parse(&e)));
        if first > last || last.is_some_and(|l| u64::from(l.1) >= log_len || (first != last && l.0 == 0)) {
            return Ok(false);
        }
        let (first, last) = (self.times.first()?, self.times.last()?);
        let (first, last) = (first.map(|e| time::parse(&e)), last.map(|e| time::parse(&e)));
        Ok(first <= last && first.is_none_or(|f| f.0 >= 0))
    }

    /// The entry with the largest offset that is not above `offset`.
    pub(crate) fn lookup(&self, offset: i64) -> io::Result<Anchor> {
        let to_anchor = |e: &[u8; offset::ENTRY_LEN]| offset::anchor(self.base_offset, offset::parse(e));
        let found = self.offsets.floor(|e| to_anchor(e).last_offset <= Some(offset))?;
        Ok(found.map_or(Anchor::START, |e| to_anchor(&e)))
    }

    /// The first entry at or behind the byte `position`.
    pub(crate) fn lookup_position(&self, position: u64) -> io::Result<Option<Anchor>> {
        let (_, found) = self.offsets.split(|e| u64::from(offset::parse(e).1) < position)?;
        Ok(found.map(|e| offset::anchor(self.base_offset, offset::parse(&e))))
    }

    /// The last entry.
    pub(crate) fn last(&self) -> io::Result<Anchor> {
        self.lookup(i64::MAX)
    }

    /// The entry with the largest timestamp that is not above `timestamp`.
    pub(crate) fn lookup_time(&self, timestamp: i64) -> io::Result<TimeEntry> {
        let found = self.times.floor(|e| time::parse(e).0 <= timestamp)?;
        Ok(found
            .map_or(TimeEntry::none(self.base_offset), |e| time::entry(self.base_offset, time::parse(&e))))
    }

    /// The largest timestamp.
    pub(crate) fn last_time(&self) -> io::Result<TimeEntry> {
        self.lookup_time(i64::MAX)
    }
}

/// Entries on both sides of a place in a table.
type Neighbours<const N: usize> = (Option<[u8; N]>, Option<[u8; N]>);

/// A file of entries of `N` bytes in growing order.
struct Table<const N: usize> {
    file: Arc<dyn File>,
    count: usize,
}

impl<const N: usize> Table<N> {
    fn open(disk: &dyn Disk, path: &Path) -> io::Result<Option<Self>> {
        let file = match disk.open(path, Mode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let Ok(len) = usize::try_from(file.len()?) else { return Ok(None) };
        Ok(len.is_multiple_of(N).then_some(Self { file, count: len / N }))
    }

    fn read(&self, from: usize, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count * N];
        self.file.read_exact_at(&mut bytes, u64::try_from(from * N).unwrap_or(u64::MAX))?;
        Ok(bytes)
    }

    fn all(&self) -> io::Result<Vec<u8>> {
        self.read(0, self.count)
    }

    fn entry(&self, at: usize) -> io::Result<[u8; N]> {
        let mut entry = [0; N];
        self.file.read_exact_at(&mut entry, u64::try_from(at * N).unwrap_or(u64::MAX))?;
        Ok(entry)
    }

    fn first(&self) -> io::Result<Option<[u8; N]>> {
        (self.count > 0).then(|| self.entry(0)).transpose()
    }

    fn last(&self) -> io::Result<Option<[u8; N]>> {
        self.count.checked_sub(1).map(|last| self.entry(last)).transpose()
    }

    /// The last entry for which `holds`.
    fn floor(&self, holds: impl Fn(&[u8; N]) -> bool) -> io::Result<Option<[u8; N]>> {
        Ok(self.split(holds)?.0)
    }

    /// The last entry for which `holds` and the one after it; it must hold for a first part of the entries and for no
    /// other.
    fn split(&self, holds: impl Fn(&[u8; N]) -> bool) -> io::Result<Neighbours<N>> {
        let (mut low, mut high) = (0, self.count);
        while (high - low) * N > BLOCK_BYTES {
            let middle = usize::midpoint(low, high);
            if holds(&self.entry(middle)?) {
                low = middle;
            } else {
                high = middle;
            }
        }
        let block = self.read(low, (high + 1).min(self.count) - low)?;
        let (entries, _) = block.as_chunks::<N>();
        let (before, after) = entries.split_at(entries.partition_point(holds));
        Ok((before.last().copied(), after.first().copied()))
    }
}
