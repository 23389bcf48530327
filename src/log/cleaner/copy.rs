//! Reads the dirty part into a map, and copies segments without what the map says is replaced (`Cleaner.doClean`).

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filter::{Fate, Kept, filter};
use super::offset_map::OffsetMap;
use super::plan::{Cleanable, Rules};
use super::transactions::{CleanedTransactions, Control};
use crate::log::append::marker_of;
use crate::log::disk::{Disk, File, Mode};
use crate::log::index::Indexes;
use crate::log::names::{CLEANED, Kind};
use crate::log::segment::Segment;
use crate::log::txn_index::{AbortedTxn, TxnIndex};
use crate::log::walk::{Found, invalid};
use crate::log::{Log, Settings};
use crate::wire::batch::{BatchError, BatchHeader, CRC_FROM, HEADER_LEN, crc32c};
use crate::wire::compress::{Codec, plain_records};
use crate::wire::record::{Record, Records};

/// How much is read and written at once; a larger batch is read whole.
const IO_BYTES: usize = 512 << 10;

/// Told of bytes that were read or written; may wait, and ends the cleaning with an error.
pub type Pace<'a> = dyn FnMut(usize) -> io::Result<()> + 'a;

/// The last that a producer wrote, which its next batch has to follow.
#[derive(Clone, Copy, Debug)]
enum LastOfProducer {
    /// A batch of data that ends there.
    Data(i64),
    /// A marker under this epoch.
    Marker(i16),
}

/// A cleaning of one log, begun under its lock and carried out without.
pub struct Cleaning {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: Arc<Path>,
    settings: Settings,
    first_dirty_offset: i64,
    end_offset: i64,
    /// All below `end_offset`.
    segments: Vec<Arc<Segment>>,
    last_of_producers: HashMap<i64, LastOfProducer>,
    high_watermark: i64,
    now_ms: i64,
    delete_retention_ms: i64,
    /// Those that overlap what is cleaned.
    aborted: Vec<AbortedTxn>,
    /// Goes along with the groups.
    transactions: CleanedTransactions,
}

/// A segment that is to replace others. Its files are durable, under names that the next start removes.
pub struct Cleaned {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: Arc<Path>,
    pub(super) sources: Vec<Arc<Segment>>,
    pub(super) segment: Arc<Segment>,
    /// Which files it has.
    pub(super) kinds: Vec<Kind>,
}

impl Log {
    /// Begins to clean what [`Log::cleanable`] has found.
    pub fn begin_cleaning(
        &self,
        cleanable: &Cleanable,
        high_watermark: i64,
        rules: &Rules,
        now_ms: i64,
    ) -> io::Result<Cleaning> {
        let Cleanable { first_dirty_offset, end_offset, .. } = *cleanable;
        let count = self.segments.partition_point(|s| s.base_offset < end_offset);
        let mut aborted = Vec::new();
        // The marker of a transaction may be in a segment that is not cleaned.
        for segment in self.segments.iter() {
            if segment.collect_aborted(0, end_offset, &mut aborted)? {
                break;
            }
        }
        let last_of_producers = self.producers.sorted().into_iter().map(|(id, entry)| {
            let data = entry.recent().last().map(|batch| LastOfProducer::Data(batch.last_offset));
            (id, data.unwrap_or(LastOfProducer::Marker(entry.producer_epoch)))
        });
        Ok(Cleaning {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            settings: self.settings,
            first_dirty_offset,
            end_offset,
            segments: self.segments[..count].to_vec(),
            last_of_producers: last_of_producers.collect(),
            high_watermark,
            now_ms,
            delete_retention_ms: rules.delete_retention_ms,
            transactions: CleanedTransactions::new(aborted.clone()),
            aborted,
        })
    }
}

impl Cleaning {
    /// How many records the dirty part has at most.
    pub fn dirty_records_max(&self) -> u64 {
        u64::try_from(self.end_offset.saturating_sub(self.first_dirty_offset)).unwrap_or(0)
    }

    /// Maps the keys of the dirty part, as far as there is room. What it reaches is cleaned.
    pub fn map(&self, map: &mut OffsetMap, pace: &mut Pace<'_>) -> io::Result<()> {
        let from = self.segments.partition_point(|s| s.base_offset <= self.first_dirty_offset);
        let from = from.saturating_sub(1);
        // The walk does not meet the markers below, so what they end must not begin.
        let start_offset = self.segments.get(from).map_or(self.end_offset, |s| s.base_offset);
        let aborted = self.aborted.iter().filter(|txn| txn.last_offset >= start_offset);
        let mut transactions = CleanedTransactions::new(aborted.copied().collect());
        let ends = self.segments.iter().skip(1).map(|s| s.base_offset).chain([self.end_offset]);
        for (segment, end) in self.segments.iter().zip(ends).skip(from) {
            if !self.map_segment(segment, map, &mut transactions, pace)? {
                return Ok(());
            }
            map.set_latest_offset(end - 1);
        }
        Ok(())
    }

    /// False if the map is full.
    fn map_segment(
        &self,
        segment: &Segment,
        map: &mut OffsetMap,
        transactions: &mut CleanedTransactions,
        pace: &mut Pace<'_>,
    ) -> io::Result<bool> {
        let log = segment.log()?;
        let mut batches = Batches::new(&*log, segment.size());
        while let Some((Found { header, .. }, bytes)) = batches.next(pace)? {
            if header.is_control() {
                transactions.is_over(&header, control(&header, bytes));
            } else if !transactions.is_aborted(&header) {
                let mut last = None;
                let is_mapped = for_each(&header, bytes, |record| {
                    let Some(key) = record.key.filter(|_| record.offset >= self.first_dirty_offset) else {
                        return true;
                    };
                    let has_room = map.put(key, record.offset);
                    last = if has_room { Some(record.offset) } else { last };
                    has_room
                })?;
                if !is_mapped {
                    // What follows in the batch stays; what replaces it is not known.
                    last.into_iter().for_each(|offset| map.set_latest_offset(offset));
                    return Ok(false);
                }
            }
            if header.last_offset() >= self.first_dirty_offset {
                map.set_latest_offset(header.last_offset());
            }
        }
        Ok(true)
    }

    /// The segments that the map reaches, in groups that fit one segment each (`groupSegmentsBySize`).
    pub fn groups(&self, map: &OffsetMap) -> Vec<Vec<usize>> {
        let reached = self.segments.partition_point(|s| s.base_offset <= map.latest_offset());
        let next_base = |at: usize| self.segments.get(at + 1).map_or(self.end_offset, |s| s.base_offset);
        let index_bytes = |bytes: u64| bytes / u64::from(self.settings.index_interval_bytes.max(1)) * 12;
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut bytes = 0;
        for (at, segment) in self.segments[..reached].iter().enumerate() {
            let fits = groups.last().and_then(|group| group.first()).is_some_and(|first| {
                let span = next_base(at) - 1 - self.segments[*first].base_offset;
                bytes + segment.size() <= u64::from(self.settings.segment_bytes)
                    && index_bytes(bytes + segment.size()) <= u64::from(self.settings.segment_index_bytes)
                    && span <= i64::from(i32::MAX)
            });
            match groups.last_mut().filter(|_| fits) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
            bytes = if fits { bytes + segment.size() } else { segment.size() };
        }
        groups
    }

    /// Copies a group without what is replaced. To be called for each group in order.
    pub fn copy(&mut self, group: &[usize], map: &OffsetMap, pace: &mut Pace<'_>) -> io::Result<Cleaned> {
        let sources: Vec<_> = group.iter().map(|at| self.segments[*at].clone()).collect();
        let base_offset = sources.first().expect("a group has a segment").base_offset;
        let (disk, dir) = (self.disk.clone(), self.dir.clone());
        let target = Target::create(&*disk, &dir, base_offset, self.settings.index_interval_bytes)?;
        let copied = self.copy_all(&sources, target, map, pace);
        let (size, kinds) = match copied {
            Ok(copied) => copied,
            Err(error) => {
                discard(&*disk, &dir, base_offset);
                return Err(error);
            }
        };
        let segment = Arc::new(Segment::existing(&disk, &dir, base_offset, size));
        Ok(Cleaned { disk, dir, sources, segment, kinds })
    }

    fn copy_all(
        &mut self,
        sources: &[Arc<Segment>],
        mut target: Target<'_>,
        map: &OffsetMap,
        pace: &mut Pace<'_>,
    ) -> io::Result<(u64, Vec<Kind>)> {
        for source in sources {
            let log = source.log()?;
            let mut batches = Batches::new(&*log, source.size());
            while let Some((Found { header, .. }, bytes)) = batches.next(pace)? {
                let (fate, ended) = self.fate(&header, bytes);
                target.aborted.extend(ended);
                let horizon_ms = self.now_ms.saturating_add(self.delete_retention_ms);
                match filter(&header, bytes, fate, horizon_ms, |r| self.keeps(&header, r, map))? {
                    Kept::Whole => target.add(&header, bytes, pace)?,
                    Kept::Changed(batch) => target.add(&batch.header, &batch.bytes, pace)?,
                    Kept::Nothing => {}
                }
            }
        }
        let modified_ms = sources.last().map(|last| last.modified_ms()).transpose()?;
        target.finish(modified_ms, pace)
    }

    fn fate(&mut self, header: &BatchHeader, bytes: &[u8]) -> (Fate, Option<AbortedTxn>) {
        let is_past = header.has_delete_horizon() && header.base_timestamp <= self.now_ms;
        let is_last_of_producer = match self.last_of_producers.get(&header.producer_id) {
            Some(LastOfProducer::Data(offset)) => header.last_offset() == *offset,
            Some(LastOfProducer::Marker(epoch)) => header.is_control() && header.producer_epoch == *epoch,
            None => false,
        };
        let stays_empty =
            header.has_producer() && is_last_of_producer || header.next_offset() == self.high_watermark;
        if header.is_control() {
            let (is_over, ended) = self.transactions.is_over(header, control(header, bytes));
            return (Fate { loses_all: is_over && is_past, stays_empty, is_marker_over: is_over }, ended);
        }
        let loses_all = self.transactions.is_aborted(header);
        (Fate { loses_all, stays_empty, is_marker_over: false }, None)
    }

    /// Whether a record is the last one with its key, and no tombstone whose time is over.
    fn keeps(&self, header: &BatchHeader, record: &Record<'_>, map: &OffsetMap) -> bool {
        if header.is_control() || record.offset > map.latest_offset() {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_last = map.get(key).is_none_or(|last| record.offset >= last);
        let is_past = header.has_delete_horizon() && header.base_timestamp <= self.now_ms;
        is_last && (record.value.is_some() || !is_past)
    }
}

fn control(header: &BatchHeader, bytes: &[u8]) -> Control {
    match marker_of(header, &bytes[HEADER_LEN..]) {
        Ok(Some(marker)) => Control::Marker(marker),
        Ok(None) if header.has_producer() => Control::Empty,
        Ok(None) | Err(_) => Control::Other,
    }
}

/// Shows the records of a batch until `visit` answers false, and gives its last answer.
fn for_each(
    header: &BatchHeader,
    bytes: &[u8],
    mut visit: impl FnMut(&Record<'_>) -> bool,
) -> io::Result<bool> {
    let mut decompressed = Vec::new();
    let codec = Codec::from_id(header.codec()).map_err(invalid)?;
    let records = plain_records(codec, &bytes[HEADER_LEN..], &mut decompressed).map_err(invalid)?;
    for record in Records::new(header, records).map_err(invalid)? {
        if !visit(&record.map_err(invalid)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The batches of a segment with their bytes. One whose CRC is wrong is an `InvalidData` error: the log is not cleaned,
/// so that nobody takes the damage for compaction.
struct Batches<'a> {
    file: &'a dyn File,
    position: u64,
    end: u64,
    buf: Vec<u8>,
    /// Where in `buf` the next batch starts.
    at: usize,
}

impl<'a> Batches<'a> {
    fn new(file: &'a dyn File, end: u64) -> Self {
        Self { file, position: 0, end, buf: Vec::new(), at: 0 }
    }

    fn next(&mut self, pace: &mut Pace<'_>) -> io::Result<Option<(Found, &[u8])>> {
        if self.position >= self.end {
            return Ok(None);
        }
        self.fill(HEADER_LEN, pace)?;
        let header = BatchHeader::parse(&self.buf[self.at..]).map_err(invalid)?;
        let len = header.total_len();
        self.fill(len, pace)?;
        let Some(bytes) = self.buf.get(self.at..self.at + len) else {
            return Err(invalid(BatchError::Truncated));
        };
        let computed = crc32c(&bytes[CRC_FROM..]);
        if computed != header.crc {
            return Err(invalid(BatchError::BadCrc { stored: header.crc, computed }));
        }
        let found = Found { position: self.position, header };
        self.position = found.end();
        self.at += len;
        Ok(Some((found, bytes)))
    }

    /// Reads on if less than `len` bytes are there; fewer only at the end.
    fn fill(&mut self, len: usize, pace: &mut Pace<'_>) -> io::Result<()> {
        let have = self.buf.len() - self.at;
        if have >= len {
            return Ok(());
        }
        self.buf.drain(..self.at);
        self.at = 0;
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let want = len.max(IO_BYTES).min(left);
        if want <= have {
            return Ok(());
        }
        self.buf.resize(want, 0);
        let from = self.position + u64::try_from(have).unwrap_or(u64::MAX);
        self.file.read_exact_at(&mut self.buf[have..], from)?;
        pace(want - have)
    }
}

/// The files of the new segment.
struct Target<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    base_offset: i64,
    file: Arc<dyn File>,
    size: u64,
    /// What is not written yet.
    buf: Vec<u8>,
    indexes: Indexes,
    interval_bytes: u32,
    aborted: Vec<AbortedTxn>,
}

impl<'a> Target<'a> {
    fn create(disk: &'a dyn Disk, dir: &'a Path, base_offset: i64, interval_bytes: u32) -> io::Result<Self> {
        let file = fresh(disk, &cleaned_path(dir, Kind::Log, base_offset))?;
        let (indexes, buf, aborted) = (Indexes::new(base_offset), Vec::new(), Vec::new());
        Ok(Self { disk, dir, base_offset, file, size: 0, buf, indexes, interval_bytes, aborted })
    }

    fn add(&mut self, header: &BatchHeader, bytes: &[u8], pace: &mut Pace<'_>) -> io::Result<()> {
        let position = self.size + u64::try_from(self.buf.len()).unwrap_or(u64::MAX);
        let end = position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let is_too_far = i32::try_from(header.last_offset() - self.base_offset).is_err();
        if is_too_far || i32::try_from(end).is_err() {
            return Err(io::Error::other("the cleaned segment would be too large"));
        }
        self.indexes.add(header, position, self.interval_bytes);
        self.buf.extend_from_slice(bytes);
        if self.buf.len() >= IO_BYTES { self.write(pace) } else { Ok(()) }
    }

    fn write(&mut self, pace: &mut Pace<'_>) -> io::Result<()> {
        self.file.write_at(&[IoSlice::new(&self.buf)], self.size)?;
        self.size += u64::try_from(self.buf.len()).unwrap_or(u64::MAX);
        pace(self.buf.len())?;
        self.buf.clear();
        Ok(())
    }

    /// Makes all files durable; gives the log's size and which files there are. Where no record has a timestamp,
    /// retention goes by `modified_ms`.
    fn finish(mut self, modified_ms: Option<i64>, pace: &mut Pace<'_>) -> io::Result<(u64, Vec<Kind>)> {
        self.write(pace)?;
        if let Some(modified_ms) = modified_ms {
            self.disk.touch(&cleaned_path(self.dir, Kind::Log, self.base_offset), modified_ms)?;
        }
        self.file.sync_data()?;
        self.indexes.complete();
        let mut kinds = vec![Kind::Log, Kind::OffsetIndex, Kind::TimeIndex];
        for (kind, bytes) in [
            (Kind::OffsetIndex, self.indexes.offsets.encode()),
            (Kind::TimeIndex, self.indexes.times.encode()),
        ] {
            let file = fresh(self.disk, &cleaned_path(self.dir, kind, self.base_offset))?;
            file.write_at(&[IoSlice::new(&bytes)], 0)?;
            file.sync_data()?;
        }
        if !self.aborted.is_empty() {
            let file = fresh(self.disk, &cleaned_path(self.dir, Kind::TxnIndex, self.base_offset))?;
            let mut index = TxnIndex::open(file, self.base_offset).map_err(io::Error::other)?;
            self.aborted.iter().try_for_each(|txn| index.append(txn))?;
            index.sync()?;
            kinds.push(Kind::TxnIndex);
        }
        self.disk.sync_dir(self.dir)?;
        Ok((self.size, kinds))
    }
}

pub(super) fn cleaned_path(dir: &Path, kind: Kind, base_offset: i64) -> PathBuf {
    dir.join(kind.name(base_offset) + CLEANED)
}

/// An empty file, whatever an earlier attempt has left.
fn fresh(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn File>> {
    let file = disk.open(path, Mode::Create)?;
    file.set_len(0)?;
    Ok(file)
}

/// Removes what an attempt has left; the next start does it otherwise.
pub(super) fn discard(disk: &dyn Disk, dir: &Path, base_offset: i64) {
    for kind in Kind::OF_A_SEGMENT {
        drop(disk.remove_file(&cleaned_path(dir, kind, base_offset)));
    }
}
