//! One segment: a `.log` file and its indexes. Shared between the log and its readers, who hold no lock.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tracing::{debug, warn};

use super::checkpoint;
use super::disk::{Disk, File, Mode};
use super::index::{Anchor, IndexFiles, Indexes, TimeEntry};
use super::names::{DELETED, Kind};
use super::producers::{CompletedTxn, Verdict};
use super::txn_index::{self, AbortedTxn, TxnIndex};
use super::walk::{Found, Walk, invalid};
use crate::wire::batch::{CRC_FROM, crc32c};

/// Most bytes of one write call: larger ones cost several times more on common kernels (performance.md, finding 4).
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// A segment. Files are opened when they are needed and closed again when nobody used them for a while.
pub(super) struct Segment {
    pub(super) base_offset: i64,
    disk: Arc<dyn Disk>,
    /// Changes under the lock of `open`.
    dir: RwLock<Arc<Path>>,
    /// Bytes of the log that are written.
    size: AtomicU64,
    open: Mutex<Open>,
    /// Whether something was read or written since [`Segment::close_if_idle`] looked.
    used: AtomicBool,
    /// Whether an index entry did not hold what it promised.
    misled: AtomicBool,
    /// Whether there is no transaction index, as for most segments.
    has_no_aborted: AtomicBool,
    /// Whether the files bear the suffix of those that are about to be removed; changes under the lock of `open`.
    is_set_aside: AtomicBool,
    /// Whether room was set aside for the log to grow into, and not given back.
    is_reserved: AtomicBool,
    /// The timestamp of the first batch, once it was asked for; -1 before.
    first_timestamp: AtomicI64,
    /// The largest timestamp, likewise.
    largest_timestamp: AtomicI64,
}

#[derive(Default)]
struct Open {
    log: Option<Arc<dyn File>>,
    indexes: Option<Arc<IndexFiles>>,
    /// For who adds to it; readers open the file themselves.
    aborted: Option<TxnIndex>,
}

impl Segment {
    /// Makes the file of an empty segment.
    pub(super) fn create(disk: &Arc<dyn Disk>, dir: &Arc<Path>, base_offset: i64) -> io::Result<Self> {
        let segment = Self::existing(disk, dir, base_offset, 0);
        let file = disk.open(&dir.join(Kind::Log.name(base_offset)), Mode::CreateNew)?;
        segment.open.lock().log = Some(file);
        Ok(segment)
    }

    /// Sets room aside for the log to grow to `size` bytes (`preallocate`). Without that room it grows as it is
    /// written, as without the setting.
    pub(super) fn reserve(&self, size: u32) {
        match self.log().and_then(|log| log.reserve(size.into())) {
            Ok(()) => self.is_reserved.store(true, Ordering::Release),
            Err(error) => debug!(path = %self.path(Kind::Log).display(), %error, "no room set aside"),
        }
    }

    /// Whether room was set aside and not given back since the broker started.
    pub(super) fn is_reserved(&self) -> bool {
        self.is_reserved.load(Ordering::Acquire)
    }

    /// Gives back what the log did not grow into.
    pub(super) fn release(&self) -> io::Result<()> {
        self.log()?.set_len(self.size())?;
        self.is_reserved.store(false, Ordering::Release);
        Ok(())
    }

    /// A segment whose file is there, `size` bytes long.
    pub(super) fn existing(disk: &Arc<dyn Disk>, dir: &Arc<Path>, base_offset: i64, size: u64) -> Self {
        Self {
            base_offset,
            disk: disk.clone(),
            dir: RwLock::new(dir.clone()),
            size: AtomicU64::new(size),
            open: Mutex::default(),
            used: AtomicBool::new(true),
            misled: AtomicBool::new(false),
            has_no_aborted: AtomicBool::new(false),
            is_set_aside: AtomicBool::new(false),
            is_reserved: AtomicBool::new(false),
            first_timestamp: AtomicI64::new(-1),
            largest_timestamp: AtomicI64::new(-1),
        }
    }

    /// Bytes of the log.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Path of one of the files.
    pub(super) fn path(&self, kind: Kind) -> PathBuf {
        let mut name = kind.name(self.base_offset);
        if self.is_set_aside.load(Ordering::Acquire) {
            name.push_str(DELETED);
        }
        self.dir().join(name)
    }

    /// Where its files are.
    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    fn dir(&self) -> Arc<Path> {
        self.dir.read().clone()
    }

    /// Has the directory of the segments renamed to `dir`. Who reads them still finds their files.
    pub(super) fn relocate(
        segments: &[Arc<Self>],
        dir: &Arc<Path>,
        rename: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        // Whoever opens a file waits for the lock, and looks in the new directory then.
        let _open: Vec<_> = segments.iter().map(|segment| segment.open.lock()).collect();
        rename()?;
        for segment in segments {
            segment.dir.write().clone_from(dir);
        }
        Ok(())
    }

    /// The log file.
    pub(super) fn log(&self) -> io::Result<Arc<dyn File>> {
        self.used.store(true, Ordering::Relaxed);
        let mut open = self.open.lock();
        if let Some(log) = &open.log {
            return Ok(log.clone());
        }
        let log = self.disk.open(&self.path(Kind::Log), Mode::Write)?;
        open.log = Some(log.clone());
        Ok(log)
    }

    /// Writes `parts` one after the other to the end of the log. After an error the file may hold some of them.
    pub(super) fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let log = self.log()?;
        let mut position = self.size();
        let mut call: Vec<IoSlice<'_>> = Vec::with_capacity(parts.len());
        let mut call_len = 0;
        for part in parts {
            let mut part = *part;
            while !part.is_empty() {
                let (head, tail) = part.split_at(part.len().min(WRITE_BYTES_MAX - call_len));
                call.push(IoSlice::new(head));
                call_len += head.len();
                part = tail;
                if call_len == WRITE_BYTES_MAX {
                    log.write_at(&call, position)?;
                    position += u64::try_from(call_len).unwrap_or(u64::MAX);
                    call.clear();
                    call_len = 0;
                }
            }
        }
        if call_len > 0 {
            log.write_at(&call, position)?;
            position += u64::try_from(call_len).unwrap_or(u64::MAX);
        }
        self.size.store(position, Ordering::Release);
        Ok(())
    }

    /// Writes what is there from `position` on once more: after a sync that failed in an earlier run the page cache holds
    /// what the disk does not, and takes it for clean, so that a later sync would write none of it.
    pub(super) fn write_again(&self, mut position: u64) -> io::Result<()> {
        let (log, end) = (self.log()?, self.size());
        let mut buf = vec![0; WRITE_BYTES_MAX];
        while position < end {
            let len =
                usize::try_from(end - position).map_or(WRITE_BYTES_MAX, |left| left.min(WRITE_BYTES_MAX));
            log.read_exact_at(&mut buf[..len], position)?;
            log.write_at(&[IoSlice::new(&buf[..len])], position)?;
            position += u64::try_from(len).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    /// Cuts the log, durably.
    pub(super) fn truncate(&self, size: u64) -> io::Result<()> {
        let log = self.log()?;
        self.size.store(size, Ordering::Release);
        for known in [&self.first_timestamp, &self.largest_timestamp] {
            known.store(-1, Ordering::Relaxed);
        }
        log.set_len(size)?;
        log.sync_data()
    }

    /// The batch that holds `offset`, or the first one after it, below the byte `end`; `anchor` is where an index says
    /// to start.
    pub(super) fn locate(&self, offset: i64, anchor: Anchor, end: u64) -> io::Result<Option<Found>> {
        let log = self.log()?;
        match walk_to(&*log, offset, anchor, end) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Misled)) => {
                self.misled.store(true, Ordering::Relaxed);
                let found = walk_to(&*log, offset, Anchor::START, end)?;
                Ok(found.unwrap_or_else(|Misled| unreachable!("the start promises nothing")))
            }
            Err(e) => Err(e),
        }
    }

    /// The index entry to start at for `offset`, from the files.
    pub(super) fn anchor(&self, offset: i64) -> io::Result<Anchor> {
        self.ask_index(|files| files.lookup(offset), || Ok(Anchor::START))
    }

    /// The first index entry at or behind the byte `position`, from the files.
    pub(super) fn anchor_behind(&self, position: u64) -> io::Result<Option<Anchor>> {
        self.ask_index(|files| files.lookup_position(position), || Ok(None))
    }

    /// Whether an index entry holds what it promises.
    pub(super) fn is_sound(&self, anchor: Anchor) -> io::Result<bool> {
        let log = self.log()?;
        let found = match Walk::new(&*log, anchor.position, self.size()).next() {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::InvalidData => None,
            Err(e) => return Err(e),
        };
        let is_sound = found.map(|found| keeps_promise(&*log, &found, anchor)).transpose()?.unwrap_or(false);
        if !is_sound {
            self.misled.store(true, Ordering::Relaxed);
        }
        Ok(is_sound)
    }

    /// The time index entry to start at for `timestamp`, from the files.
    pub(super) fn time_entry(&self, timestamp: i64) -> io::Result<TimeEntry> {
        self.ask_index(|files| files.lookup_time(timestamp), || Ok(TimeEntry::none(self.base_offset)))
    }

    /// The largest timestamp, from the files.
    pub(super) fn max_time(&self) -> io::Result<TimeEntry> {
        self.ask_index(IndexFiles::last_time, || Ok(self.index(&*self.log()?, DEFAULT_INTERVAL_BYTES)?.max))
    }

    /// Asks the index files, or does `without` them if the segment is set aside: its readers are few, and no file is
    /// made for them.
    fn ask_index<T>(
        &self,
        ask: impl Fn(&IndexFiles) -> io::Result<T>,
        without: impl Fn() -> io::Result<T>,
    ) -> io::Result<T> {
        match self.index_files() {
            Ok(files) => ask(&files),
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.is_set_aside.load(Ordering::Acquire) => {
                without()
            }
            Err(e) => Err(e),
        }
    }

    /// The largest timestamp of a segment that does not grow, in ms; if no record has one, when its file was last
    /// written (`LogSegment.largestTimestamp`).
    pub(super) fn largest_timestamp(&self) -> io::Result<i64> {
        let known = self.largest_timestamp.load(Ordering::Relaxed);
        if known >= 0 {
            return Ok(known);
        }
        let timestamp = self.max_time()?.timestamp;
        self.largest_timestamp.store(timestamp, Ordering::Relaxed);
        if timestamp < 0 { self.modified_ms() } else { Ok(timestamp) }
    }

    /// The largest timestamp of the first batch, in ms; none if it has none.
    pub(super) fn first_timestamp(&self) -> io::Result<Option<i64>> {
        let known = self.first_timestamp.load(Ordering::Relaxed);
        if known >= 0 {
            return Ok(Some(known));
        }
        let first = Walk::new(&*self.log()?, 0, self.size()).next()?;
        let timestamp = first.map_or(-1, |found| found.header.max_timestamp);
        self.first_timestamp.store(timestamp, Ordering::Relaxed);
        Ok(Some(timestamp).filter(|timestamp| *timestamp >= 0))
    }

    /// When the log file was last written, in ms.
    pub(super) fn modified_ms(&self) -> io::Result<i64> {
        self.disk.modified_ms(&self.path(Kind::Log))
    }

    /// The index files; missing or broken ones are made anew from the log. Only for a segment whose files are as long
    /// as it is: one that does not grow.
    pub(super) fn index_files(&self) -> io::Result<Arc<IndexFiles>> {
        self.used.store(true, Ordering::Relaxed);
        let mut open = self.open.lock();
        let misled = self.misled.load(Ordering::Relaxed);
        if let Some(indexes) = open.indexes.as_ref().filter(|_| !misled) {
            return Ok(indexes.clone());
        }
        if self.is_set_aside.load(Ordering::Acquire) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let log = match &open.log {
            Some(log) => log.clone(),
            None => self.disk.open(&self.path(Kind::Log), Mode::Write)?,
        };
        let indexes = match self.open_index_files(&*log, misled)? {
            Some(indexes) => indexes,
            None => {
                let mut built = self.index(&*log, DEFAULT_INTERVAL_BYTES)?;
                built.complete();
                let (offsets, times) = (self.path(Kind::OffsetIndex), self.path(Kind::TimeIndex));
                warn!(offsets = %offsets.display(), times = %times.display(), "index is missing or broken and made anew");
                IndexFiles::write(&*self.disk, &self.dir(), self.base_offset, &built)?;
                self.misled.store(false, Ordering::Relaxed);
                let opened = IndexFiles::open(&*self.disk, &self.dir(), self.base_offset, self.size())?;
                opened.ok_or_else(|| io::Error::other("index files are not what was just written"))?
            }
        };
        let indexes = Arc::new(indexes);
        (open.log, open.indexes) = (Some(log), Some(indexes.clone()));
        Ok(indexes)
    }

    fn open_index_files(&self, log: &dyn File, misled: bool) -> io::Result<Option<IndexFiles>> {
        if misled {
            return Ok(None);
        }
        let Some(files) = IndexFiles::open(&*self.disk, &self.dir(), self.base_offset, self.size())? else {
            return Ok(None);
        };
        Ok(if self.are_complete(log, &files)? { Some(files) } else { None })
    }

    /// Whether the files speak for the whole segment, as far as its last batches can tell: a file that lost its end is
    /// as plausible as one that never had it.
    fn are_complete(&self, log: &dyn File, files: &IndexFiles) -> io::Result<bool> {
        let (anchor, max) = (files.last()?, files.last_time()?);
        if max.timestamp >= 0 {
            let start = files.lookup(max.offset)?;
            let reached = match walk_to(log, max.offset, start, self.size()) {
                Ok(Ok(found)) => found,
                Ok(Err(Misled)) => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::InvalidData => None,
                Err(e) => return Err(e),
            };
            if reached.is_none_or(|found| found.header.max_timestamp != max.timestamp) {
                return Ok(false);
            }
        }
        let mut walk = Walk::new(log, anchor.position, self.size());
        loop {
            match walk.next() {
                Ok(Some(found)) => {
                    let is_first = found.position == anchor.position;
                    if found.header.max_timestamp > max.timestamp
                        || found.position - anchor.position > UNINDEXED_BYTES_MAX
                        || (is_first && !keeps_promise(log, &found, anchor)?)
                    {
                        return Ok(false);
                    }
                }
                Ok(None) => return Ok(true),
                // Damage of the log further on is for the reader who gets there.
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    return Ok(walk.position() > anchor.position);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The indexes as the log's batches give them; whoever was misled by the old ones is not by these.
    pub(super) fn build_indexes(&self, interval_bytes: u32) -> io::Result<Indexes> {
        let indexes = self.index(&*self.log()?, interval_bytes)?;
        self.misled.store(false, Ordering::Relaxed);
        Ok(indexes)
    }

    fn index(&self, log: &dyn File, interval_bytes: u32) -> io::Result<Indexes> {
        let mut indexes = Indexes::new(self.base_offset);
        let mut walk = Walk::new(log, 0, self.size());
        while let Some(found) = walk.next()? {
            indexes.add(&found.header, found.position, interval_bytes);
        }
        Ok(indexes)
    }

    /// Replaces the index files. Not durable.
    pub(super) fn write_indexes(&self, indexes: &mut Indexes) -> io::Result<()> {
        indexes.complete();
        let mut open = self.open.lock();
        IndexFiles::write(&*self.disk, &self.dir(), self.base_offset, indexes)?;
        self.misled.store(false, Ordering::Relaxed);
        open.indexes = None;
        Ok(())
    }

    /// Whether an index entry was wrong since the files were written.
    pub(super) fn is_misled(&self) -> bool {
        self.misled.load(Ordering::Relaxed)
    }

    /// Closes the files if nobody used them since the last call.
    pub(super) fn close_if_idle(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            self.close();
        }
    }

    /// Closes the files; readers that hold one keep it.
    pub(super) fn close(&self) {
        *self.open.lock() = Open::default();
    }

    /// Whether a file is open.
    pub(super) fn is_open(&self) -> bool {
        let open = self.open.lock();
        open.log.is_some() || open.indexes.is_some()
    }

    /// Removes the index files of a segment that is about to be cut.
    pub(super) fn remove_indexes(&self) -> io::Result<()> {
        self.open.lock().indexes = None;
        self.remove_kinds(&[Kind::OffsetIndex, Kind::TimeIndex])
    }

    /// Replaces the transaction index, all at once; durable when this returns. After an error it is the old one or the
    /// new one.
    pub(super) fn replace_aborted(&self, aborted: &[AbortedTxn]) -> io::Result<()> {
        let mut open = self.open.lock();
        open.aborted = None;
        if aborted.is_empty() {
            self.remove_kinds(&[Kind::TxnIndex])?;
            return self.disk.sync_dir(&self.dir());
        }
        checkpoint::write_bytes(&*self.disk, &self.path(Kind::TxnIndex), &txn_index::encode(aborted))?;
        self.has_no_aborted.store(false, Ordering::Release);
        Ok(())
    }

    /// Makes the transaction index of a segment that is being recovered anew. Not durable.
    pub(super) fn write_aborted(&self, ended: &[CompletedTxn]) -> io::Result<()> {
        self.open.lock().aborted = None;
        self.remove_kinds(&[Kind::TxnIndex])?;
        self.append_aborted(ended)
    }

    /// Adds those of the transactions that were aborted to the transaction index.
    pub(super) fn append_aborted(&self, ended: &[CompletedTxn]) -> io::Result<()> {
        let mut aborted = ended.iter().filter(|txn| txn.verdict == Verdict::Abort).peekable();
        if aborted.peek().is_none() {
            return Ok(());
        }
        let mut open = self.open.lock();
        let index = self.txn_index(&mut open)?;
        for txn in aborted {
            index.append(&(*txn).into())?;
        }
        Ok(())
    }

    /// Opens the transaction index, so that [`Segment::append_aborted`] does not have to.
    pub(super) fn open_aborted(&self) -> io::Result<()> {
        self.txn_index(&mut self.open.lock()).map(|_| ())
    }

    /// The transaction index, to be added to.
    fn txn_index<'a>(&self, open: &'a mut Open) -> io::Result<&'a mut TxnIndex> {
        self.used.store(true, Ordering::Relaxed);
        match &mut open.aborted {
            Some(index) => Ok(index),
            none @ None => {
                let file = self.disk.open(&self.path(Kind::TxnIndex), Mode::Create)?;
                self.has_no_aborted.store(false, Ordering::Release);
                Ok(none.insert(TxnIndex::open(file, self.base_offset).map_err(txn_index_error)?))
            }
        }
    }

    /// Adds to `found` the aborted transactions that overlap the offsets from `from` up to, and without, `up_to`.
    /// Answers whether no later segment can hold more.
    pub(super) fn collect_aborted(
        &self,
        from: i64,
        up_to: i64,
        found: &mut Vec<AbortedTxn>,
    ) -> io::Result<bool> {
        if !self.may_have_aborted() {
            return Ok(false);
        }
        let Some(file) = self.aborted_file()? else { return Ok(false) };
        txn_index::collect(&*file, from, up_to, found).map_err(txn_index_error)
    }

    /// All entries of the transaction index; none if there is no index, or one that no broker writes.
    pub(super) fn aborted_entries(&self) -> io::Result<Option<Vec<AbortedTxn>>> {
        let Some(file) = self.aborted_file()? else { return Ok(None) };
        match txn_index::entries(&*file) {
            Ok(entries) => Ok(Some(entries)),
            Err(txn_index::Error::Corrupt(_)) => Ok(None),
            Err(txn_index::Error::Io(e)) => Err(e),
        }
    }

    /// False if it is known that there is no transaction index.
    pub(super) fn may_have_aborted(&self) -> bool {
        !self.has_no_aborted.load(Ordering::Acquire)
    }

    /// The transaction index, to be read; none if the segment has none. `NotFound` if its files have gone elsewhere,
    /// for then nobody can tell.
    fn aborted_file(&self) -> io::Result<Option<Arc<dyn File>>> {
        // Over the lock, so that what is found missing is not made meanwhile.
        let _open = self.open.lock();
        match self.disk.open(&self.path(Kind::TxnIndex), Mode::Read) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.disk.exists(&self.path(Kind::Log))? => {
                self.has_no_aborted.store(true, Ordering::Release);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Drops aborted transactions whose marker is at or above `offset`.
    pub(super) fn truncate_aborted(&self, offset: i64) -> io::Result<()> {
        self.open.lock().aborted = None;
        match self.disk.open(&self.path(Kind::TxnIndex), Mode::Write) {
            Ok(file) => {
                let mut index = TxnIndex::open(file, self.base_offset).map_err(txn_index_error)?;
                index.truncate_to(offset).map_err(txn_index_error)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Removes the files, the log last: without it the others mean nothing.
    pub(super) fn remove(&self) -> io::Result<()> {
        // Over the lock, so that nobody finds the log without its transaction index.
        let mut open = self.open.lock();
        *open = Open::default();
        self.remove_kinds(&Kind::OF_A_SEGMENT)
    }

    /// Gives the files the suffix of those that are about to be removed. Who reads the segment still finds them.
    pub(super) fn set_aside(&self) -> io::Result<()> {
        let _open = self.open.lock();
        let names = Kind::OF_A_SEGMENT.map(|kind| self.path(kind));
        // Whoever opens one waits for the lock, and looks under the new name then.
        self.is_set_aside.store(true, Ordering::Release);
        for (from, kind) in names.into_iter().zip(Kind::OF_A_SEGMENT) {
            match self.disk.rename(&from, &self.path(kind)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn remove_kinds(&self, kinds: &[Kind]) -> io::Result<()> {
        for kind in kinds {
            match self.disk.remove_file(&self.path(*kind)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Most bytes after the last entry of an offset index, unless its last batch is larger.
const UNINDEXED_BYTES_MAX: u64 = 1 << 20;

/// Density of an index that is rebuilt while it is read, where the topic's setting is not known.
const DEFAULT_INTERVAL_BYTES: u32 = 4096;

fn txn_index_error(error: txn_index::Error) -> io::Error {
    match error {
        txn_index::Error::Io(e) => e,
        e @ txn_index::Error::Corrupt(_) => invalid(e),
    }
}

/// The anchor was wrong.
struct Misled;

fn walk_to(
    log: &dyn File,
    offset: i64,
    anchor: Anchor,
    end: u64,
) -> io::Result<Result<Option<Found>, Misled>> {
    if anchor.last_offset.is_some() && anchor.position >= end {
        return Ok(Err(Misled));
    }
    let mut walk = Walk::new(log, anchor.position, end);
    let mut first = true;
    loop {
        let found = match walk.next() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(None)),
            Err(e) if e.kind() == io::ErrorKind::InvalidData && anchor.last_offset.is_some() => {
                return Ok(Err(Misled));
            }
            Err(e) => return Err(e),
        };
        if first && !keeps_promise(log, &found, anchor)? {
            return Ok(Err(Misled));
        }
        first = false;
        if found.header.last_offset() >= offset {
            return Ok(Ok(Some(found)));
        }
    }
}

/// Whether `found` is the batch that the index entry is about. Old Kafka versions index an append of several batches
/// as one, with its last offset and the first batch's position: then the batch's CRC must speak for it.
fn keeps_promise(log: &dyn File, found: &Found, anchor: Anchor) -> io::Result<bool> {
    let Some(promised) = anchor.last_offset else { return Ok(true) };
    if found.header.last_offset() >= promised {
        return Ok(found.header.last_offset() == promised);
    }
    let mut bytes = vec![0; found.header.total_len()];
    log.read_exact_at(&mut bytes, found.position)?;
    Ok(crc32c(&bytes[CRC_FROM..]) == found.header.crc)
}
