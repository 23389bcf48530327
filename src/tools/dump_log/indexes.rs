//! Offset and time indexes, held against their segment.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::batches::{Segment, for_each_record};
use super::{Dump, PerFile, TimeFindings, absolute_path, base_offset, failed};
use crate::base::reader::Reader;
use crate::log::disk::{Disk, File, Mode};
use crate::tools::Stop;

const OFFSET_ENTRY_LEN: usize = 8;
const TIME_ENTRY_LEN: usize = 12;
/// What is no timestamp (`RecordBatch.NO_TIMESTAMP`).
const NO_TIMESTAMP: i64 = -1;

/// A file of entries of `N` bytes; what is left at its end counts for nothing.
struct Entries<const N: usize> {
    file: Arc<dyn File>,
    base_offset: i64,
    len: u64,
    count: u64,
}

impl<const N: usize> Entries<N> {
    fn open(disk: &dyn Disk, path: &Path, base_offset: i64) -> Result<Self, Stop> {
        let open = || -> io::Result<Self> {
            let file = disk.open(path, Mode::Read)?;
            let len = file.len()?;
            Ok(Self { file, base_offset, len, count: len / N as u64 })
        };
        open().map_err(|error| failed(path, &error))
    }

    fn bytes(&self, at: u64) -> Result<[u8; N], Stop> {
        let mut entry = [0; N];
        self.file
            .read_exact_at(&mut entry, at * N as u64)
            .map_err(|error| Stop::Failed(error.to_string()))?;
        Ok(entry)
    }

    fn last<T>(&self, entry: impl Fn(u64) -> Result<T, Stop>) -> Result<Option<T>, Stop> {
        self.count.checked_sub(1).map(entry).transpose()
    }
}

impl Entries<OFFSET_ENTRY_LEN> {
    /// Offset and position.
    fn entry(&self, at: u64) -> Result<(i64, i32), Stop> {
        let bytes = self.bytes(at)?;
        let mut reader = Reader::new(&bytes);
        let mut number = || reader.i32().unwrap_or_default();
        Ok((self.base_offset.saturating_add(number().into()), number()))
    }

    /// The position of the last entry that is not above `offset`.
    fn lookup(&self, offset: i64) -> Result<i32, Stop> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.entry(middle)?.0 <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(if low == 0 { 0 } else { self.entry(low - 1)?.1 })
    }
}

impl Entries<TIME_ENTRY_LEN> {
    /// Timestamp and offset.
    fn entry(&self, at: u64) -> Result<(i64, i64), Stop> {
        let bytes = self.bytes(at)?;
        let mut reader = Reader::new(&bytes);
        let timestamp = reader.i64().unwrap_or_default();
        Ok((timestamp, self.base_offset.saturating_add(reader.i32().unwrap_or_default().into())))
    }
}

impl Dump<'_> {
    /// Shows a `.index`.
    pub(super) fn offset_index(
        &mut self,
        path: &Path,
        name: &str,
        mismatches: &mut PerFile<BTreeMap<Reverse<i64>, i64>>,
    ) -> Result<(), Stop> {
        let segment = Segment::open(self.disk, &beside(path, name, "log"))?;
        let index: Entries<OFFSET_ENTRY_LEN> = Entries::open(self.disk, path, base_offset(name)?)?;
        let shown = path.display();
        if index.count == 0 {
            writeln!(self.out, "{shown} is empty.")?;
            return Ok(());
        }
        if self.options.checks_sanity_only {
            index.check(path)?;
            writeln!(self.out, "{shown} passed sanity check.")?;
            return Ok(());
        }
        for at in 0..index.count {
            let (offset, position) = index.entry(at)?;
            // Room that was taken in advance and never used.
            if offset == index.base_offset && at > 0 {
                break;
            }
            let start = start_of(&segment, path, position)?;
            let found = segment.batch_at(start, start.saturating_add(self.options.message_bytes_max))?;
            let found =
                found.ok_or_else(|| Stop::Failed(format!("no whole batch at position {position}")))?;
            let last_offset = found.header.last_offset();
            if last_offset != offset {
                mismatches.of(path).insert(Reverse(offset), last_offset);
            }
            if !self.options.verifies_only {
                writeln!(self.out, "offset: {offset} position: {position}")?;
            }
        }
        Ok(())
    }

    /// Shows a `.timeindex`.
    pub(super) fn time_index(
        &mut self,
        path: &Path,
        name: &str,
        findings: &mut TimeFindings,
    ) -> Result<(), Stop> {
        let base_offset = base_offset(name)?;
        let segment = Segment::open(self.disk, &beside(path, name, "log"))?;
        let index = Entries::open(self.disk, &beside(path, name, "index"), base_offset)?;
        let times: Entries<TIME_ENTRY_LEN> = Entries::open(self.disk, path, base_offset)?;
        if self.options.checks_sanity_only {
            times.check(path)?;
            writeln!(self.out, "{} passed sanity check.", path.display())?;
            return Ok(());
        }
        let mut before = NO_TIMESTAMP;
        for at in 0..times.count {
            let (timestamp, offset) = times.entry(at)?;
            if offset == base_offset && at > 0 {
                break;
            }
            let start = start_of(&segment, path, index.lookup(offset)?)?;
            match batch_of(&segment, start, offset)? {
                Indexed::Missing { next } => findings.not_found.of(path).push((offset, next)),
                Indexed::Found { max_timestamp } => {
                    if max_timestamp != timestamp {
                        findings.mismatches.of(path).push((timestamp, max_timestamp));
                    }
                    if before >= timestamp {
                        findings.out_of_order.of(path).push((timestamp, before));
                    }
                }
            }
            if !self.options.verifies_only {
                writeln!(self.out, "timestamp: {timestamp} offset: {offset}")?;
            }
            before = timestamp;
        }
        Ok(())
    }
}

impl Entries<OFFSET_ENTRY_LEN> {
    /// `OffsetIndex.sanityCheck`.
    fn check(&self, path: &Path) -> Result<(), Stop> {
        let (base, path) = (self.base_offset, absolute(path));
        let last = self.last(|at| self.entry(at))?.map_or(base, |last| last.0);
        if last < base {
            return Err(Stop::Failed(format!(
                "Corrupt index found, index file {path} has non-zero size but the last offset is {last} which is less than the base offset {base}"
            )));
        }
        check_len(&format!("Index file {path}"), self.len, OFFSET_ENTRY_LEN)
    }
}

impl Entries<TIME_ENTRY_LEN> {
    /// `TimeIndex.sanityCheck`.
    fn check(&self, path: &Path) -> Result<(), Stop> {
        let (base, path) = (self.base_offset, absolute(path));
        if let Some((timestamp, offset)) = self.last(|at| self.entry(at))? {
            let found =
                format!("Corrupt time index found, time index file ({path}) has non-zero size but the last");
            let first = self.entry(0)?.0;
            if timestamp < first {
                return Err(Stop::Failed(format!(
                    "{found} timestamp is {timestamp} which is less than the first timestamp {first}"
                )));
            }
            if offset < base {
                return Err(Stop::Failed(format!(
                    "{found} offset is {offset} which is less than the first offset {base}"
                )));
            }
        }
        check_len(&format!("Time index file {path}"), self.len, TIME_ENTRY_LEN)
    }
}

fn check_len(what: &str, len: u64, entry_len: usize) -> Result<(), Stop> {
    if len.is_multiple_of(entry_len as u64) {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "{what} is corrupt, found {len} bytes which is neither positive nor a multiple of {entry_len}"
    )))
}

/// What a segment has of the offset that a time index names.
enum Indexed {
    /// The batch that ends with it.
    Found { max_timestamp: i64 },
    /// No such batch; the last offset of the one that holds it, or -1.
    Missing { next: i64 },
}

fn batch_of(segment: &Segment, mut position: u64, offset: i64) -> Result<Indexed, Stop> {
    while let Some(found) = segment.batch_at(position, segment.len())? {
        let last_offset = found.header.last_offset();
        if last_offset == offset {
            let mut max_timestamp = NO_TIMESTAMP;
            for_each_record(&found, &segment.whole(&found)?, |record| {
                max_timestamp = max_timestamp.max(record.timestamp);
                Ok(())
            })?;
            return Ok(Indexed::Found { max_timestamp });
        }
        if last_offset > offset {
            return Ok(Indexed::Missing { next: last_offset });
        }
        position += found.len;
    }
    Ok(Indexed::Missing { next: -1 })
}

/// Where a slice of the segment starts (`FileRecords.slice`).
fn start_of(segment: &Segment, path: &Path, position: i32) -> Result<u64, Stop> {
    let records = || {
        let path = beside(path, &path.file_name().unwrap_or_default().to_string_lossy(), "log");
        format!("FileRecords(size={}, file={}, start=0, end={})", segment.len(), path.display(), i32::MAX)
    };
    match u64::try_from(position) {
        Ok(start) if start <= segment.len() => Ok(start),
        Ok(start) => {
            Err(Stop::Failed(format!("Slice from position {start} exceeds end position of {}", records())))
        }
        Err(_) => Err(Stop::Failed(format!("Invalid position: {position} in read from {}", records()))),
    }
}

/// The file of the same segment with another suffix.
fn beside(path: &Path, name: &str, suffix: &str) -> std::path::PathBuf {
    absolute_path(path).with_file_name(format!("{}.{suffix}", name.split('.').next().unwrap_or_default()))
}

fn absolute(path: &Path) -> String {
    absolute_path(path).display().to_string()
}
