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
    pub(super) limits: Limits,
    first_dirty_offset: i64,
    end_offset: i64,
    /// All of the log's.
    segments: Arc<Vec<Arc<Segment>>>,
    /// How many of them are below `end_offset`.
    count: usize,
    last_of_producers: HashMap<i64, LastOfProducer>,
    high_watermark: i64,
    now_ms: i64,
    delete_retention_ms: i64,
    /// Those that overlap what is cleaned.
    aborted: Vec<AbortedTxn>,
    /// Goes along with the groups.
    transactions: CleanedTransactions,
}

/// What a segment can hold.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of the log.
    pub(super) bytes: u64,
    /// Offsets after the base offset.
    pub(super) offsets: i64,
}

/// What index entries can point at.
pub(super) const LIMITS: Limits = Limits { bytes: i32::MAX.cast_unsigned() as u64, offsets: i32::MAX as i64 };

/// Segments that are to replace others: one, unless what is compressed again has grown too large. Their files are
/// durable, under names that the next start removes.
pub struct Cleaned {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: Arc<Path>,
    pub(super) sources: Vec<Arc<Segment>>,
    pub(super) segments: Vec<CleanedSegment>,
}

/// One of them.
pub(super) struct CleanedSegment {
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
    ) -> Cleaning {
        let Cleanable { first_dirty_offset, end_offset, .. } = *cleanable;
        let last_of_producers = self.producers.sorted().into_iter().map(|(id, entry)| {
            let data = entry.recent().last().map(|batch| LastOfProducer::Data(batch.last_offset));
            (id, data.unwrap_or(LastOfProducer::Marker(entry.producer_epoch)))
        });
        Cleaning {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            settings: self.settings,
            limits: LIMITS,
            first_dirty_offset,
            end_offset,
            segments: self.segments.clone(),
            count: self.segments.partition_point(|s| s.base_offset < end_offset),
            last_of_producers: last_of_producers.collect(),
            high_watermark,
            now_ms,
            delete_retention_ms: rules.delete_retention_ms,
            transactions: CleanedTransactions::default(),
            aborted: Vec::new(),
        }
    }
}

impl Cleaning {
    /// How many records the dirty part has at most.
    pub fn dirty_records_max(&self) -> u64 {
        u64::try_from(self.end_offset.saturating_sub(self.first_dirty_offset)).unwrap_or(0)
    }

    /// Maps the keys of the dirty part, as far as there is room. What it reaches is cleaned.
    pub fn map(&mut self, map: &mut OffsetMap, pace: &mut Pace<'_>) -> io::Result<()> {
        self.collect_aborted()?;
        let segments = self.segments();
        let from = segments.partition_point(|s| s.base_offset <= self.first_dirty_offset);
        let from = from.saturating_sub(1);
        // The walk does not meet the markers below, so what they end must not begin.
        let start_offset = segments.get(from).map_or(self.end_offset, |s| s.base_offset);
        let aborted = self.aborted.iter().filter(|txn| txn.last_offset >= start_offset);
        let mut transactions = CleanedTransactions::new(aborted.copied().collect());
        let ends = segments.iter().skip(1).map(|s| s.base_offset).chain([self.end_offset]);
        for (segment, end) in segments.iter().zip(ends).skip(from) {
            if !self.map_segment(segment, map, &mut transactions, pace)? {
                return Ok(());
            }
            map.set_latest_offset(end - 1);
        }
        Ok(())
    }

    fn segments(&self) -> &[Arc<Segment>] {
        &self.segments[..self.count]
    }

    /// The marker of a transaction may be in a segment that is not cleaned.
    fn collect_aborted(&mut self) -> io::Result<()> {
        self.aborted.clear();
        for segment in self.segments.iter() {
            if segment.collect_aborted(0, self.end_offset, &mut self.aborted)? {
                break;
            }
        }
        self.transactions = CleanedTransactions::new(self.aborted.clone());
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
        let segments = self.segments();
        let reached = segments.partition_point(|s| s.base_offset <= map.latest_offset());
        let next_base = |at: usize| segments.get(at + 1).map_or(self.end_offset, |s| s.base_offset);
        let index_bytes = |bytes: u64| bytes / u64::from(self.settings.index_interval_bytes.max(1)) * 12;
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut bytes = 0;
        for (at, segment) in segments[..reached].iter().enumerate() {
            let fits = groups.last().and_then(|group| group.first()).is_some_and(|first| {
                let span = next_base(at) - 1 - segments[*first].base_offset;
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
        let (disk, dir) = (self.disk.clone(), self.dir.clone());
        let sources: Vec<_> = group.iter().map(|at| self.segments[*at].clone()).collect();
        let mut bases = Vec::new();
        match self.copy_all(&sources, &mut bases, map, pace) {
            Ok(segments) => Ok(Cleaned { disk, dir, sources, segments }),
            Err(error) => {
                bases.into_iter().for_each(|base_offset| discard(&*disk, &dir, base_offset));
                Err(error)
            }
        }
    }

    /// Notes the base offset of each segment before it makes it.
    fn copy_all(
        &mut self,
        sources: &[Arc<Segment>],
        bases: &mut Vec<i64>,
        map: &OffsetMap,
        pace: &mut Pace<'_>,
    ) -> io::Result<Vec<CleanedSegment>> {
        let (disk, dir, interval_bytes) =
            (self.disk.clone(), self.dir.clone(), self.settings.index_interval_bytes);
        let mut create = |base_offset| {
            bases.push(base_offset);
            Target::create(&disk, &dir, base_offset, interval_bytes)
        };
        let first = sources.first().expect("a group has a segment");
        let (mut target, mut full) = (create(first.base_offset)?, Vec::new());
        let horizon_ms = self.now_ms.saturating_add(self.delete_retention_ms);
        for source in sources {
            let log = source.log()?;
            let mut batches = Batches::new(&*log, source.size());
            while let Some((Found { header, .. }, bytes)) = batches.next(pace)? {
                let (fate, ended) = self.fate(&header, bytes);
                let kept = filter(&header, bytes, fate, horizon_ms, |r| self.keeps(&header, r, map))?;
                let (header, bytes) = match &kept {
                    Kept::Whole => (&header, bytes),
                    Kept::Changed(batch) => (&batch.header, &batch.bytes[..]),
                    Kept::Nothing => continue,
                };
                if !target.has_room(header, bytes.len(), self.limits) {
                    full.push(target.finish(Some(source.modified_ms()?), pace)?);
                    target = create(header.base_offset)?;
                }
                target.add(header, bytes, pace)?;
                // Into the index of the segment that holds the marker.
                target.aborted.extend(ended);
            }
        }
        let modified_ms = sources.last().map(|last| last.modified_ms()).transpose()?;
        full.push(target.finish(modified_ms, pace)?);
        Ok(full)
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
    disk: &'a Arc<dyn Disk>,
    dir: &'a Arc<Path>,
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
    fn create(
        disk: &'a Arc<dyn Disk>,
        dir: &'a Arc<Path>,
        base_offset: i64,
        interval_bytes: u32,
    ) -> io::Result<Self> {
        let file = fresh(&**disk, &cleaned_path(dir, Kind::Log, base_offset))?;
        let (indexes, buf, aborted) = (Indexes::new(base_offset), Vec::new(), Vec::new());
        Ok(Self { disk, dir, base_offset, file, size: 0, buf, indexes, interval_bytes, aborted })
    }

    fn position(&self) -> u64 {
        self.size + u64::try_from(self.buf.len()).unwrap_or(u64::MAX)
    }

    fn has_room(&self, header: &BatchHeader, len: usize, limits: Limits) -> bool {
        let position = self.position();
        let end = position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        // A batch that no segment can hold is written all the same: it was in one.
        (position == 0 || end <= limits.bytes) && header.last_offset() - self.base_offset <= limits.offsets
    }

    fn add(&mut self, header: &BatchHeader, bytes: &[u8], pace: &mut Pace<'_>) -> io::Result<()> {
        self.indexes.add(header, self.position(), self.interval_bytes);
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

    /// Makes all files durable. Where no record has a timestamp, retention goes by `modified_ms`.
    fn finish(mut self, modified_ms: Option<i64>, pace: &mut Pace<'_>) -> io::Result<CleanedSegment> {
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
            let file = fresh(&**self.disk, &cleaned_path(self.dir, kind, self.base_offset))?;
            file.write_at(&[IoSlice::new(&bytes)], 0)?;
            file.sync_data()?;
        }
        if !self.aborted.is_empty() {
            let file = fresh(&**self.disk, &cleaned_path(self.dir, Kind::TxnIndex, self.base_offset))?;
            let mut index = TxnIndex::open(file, self.base_offset).map_err(io::Error::other)?;
            self.aborted.iter().try_for_each(|txn| index.append(txn))?;
            index.sync()?;
            kinds.push(Kind::TxnIndex);
        }
        self.disk.sync_dir(self.dir)?;
        let segment = Segment::existing(self.disk, self.dir, self.base_offset, self.size);
        Ok(CleanedSegment { segment: Arc::new(segment), kinds })
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
