//! Opening a log. After a clean stop its end is looked at; else everything from the recovery point on is scanned.
//!
//! Below the recovery point every byte was synced: damage there is an error, and never cut away. At or above it the
//! first byte that makes no sense is where the log ends, for nothing from there on was acknowledged. No index is
//! believed: the scan makes them anew, and those of older segments are checked with every use.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use super::active::Active;
use super::append::marker_of;
use super::disk::Disk;
use super::epochs::LeaderEpochs;
use super::error::Error;
use super::index::{Anchor, Indexes};
use super::log::{Log, Parts};
use super::names::Kind;
use super::producers::{CompletedTxn, ProducerStates};
use super::scan::{Flaw, Scan, Step};
use super::segment::Segment;
use super::settings::Settings;
use super::tail::Durable;
use super::{checkpoint, leftovers, mend, replay};
use crate::base::id::TopicId;
use crate::wire::batch::HEADER_LEN;

/// What the log directory's checkpoints say of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Everything below is on the device. Must have been lowered, durably, before the log was truncated below it.
    pub recovery_point: i64,
    /// The first offset that may be read, unless the segments start later.
    pub log_start_offset: i64,
    /// Whether the broker stopped cleanly.
    pub clean: bool,
    /// Whether the recovery point is what a checkpoint has. Else nothing is known, and it is 0.
    pub is_checkpointed: bool,
}

impl Opening {
    /// After a clean stop the recovery point is the log's end: no log starts behind it, and none is emptied because a
    /// damaged checkpoint says so.
    fn plausible(self, dir: &Path) -> Self {
        let Self { recovery_point, log_start_offset, clean, is_checkpointed } = self;
        if !clean || !is_checkpointed || log_start_offset <= recovery_point {
            return self;
        }
        let file = checkpoint::LOG_START_OFFSET_FILE;
        warn!(dir = %dir.display(), file, log_start_offset, recovery_point, "log start is behind the log's end and not used");
        Self { log_start_offset: 0, ..self }
    }
}

/// What was found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes that were read and checked.
    pub scanned_bytes: u64,
    /// Bytes that were cut off or removed with their segments.
    pub truncated_bytes: u64,
    /// Segments that were removed.
    pub segments_removed: usize,
    /// Why the log was cut.
    pub flaw: Option<Flaw>,
}

impl Log {
    /// Opens the log in a directory. An error leaves the bytes of its segments as they are; the log has to stay
    /// offline.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        settings: Settings,
        opening: Opening,
        now_ms: i64,
    ) -> Result<(Self, Recovered), Error> {
        let opening = opening.plausible(dir);
        let bases = leftovers::tidy(&disk, dir)?;
        let bases = leftovers::remove_below(&*disk, dir, bases, opening.log_start_offset)?;
        let topic_id = read_topic_id(&*disk, dir)?;
        let mut opener = Opener {
            disk,
            dir: Arc::from(dir),
            topic_id,
            settings,
            opening,
            now_ms,
            recovered: Recovered::default(),
        };
        let log = opener.open(&bases)?;
        Ok((log, opener.recovered))
    }
}

/// A broken file is as good as none: the caller knows which topic the directory should belong to.
fn read_topic_id(disk: &dyn Disk, dir: &Path) -> Result<Option<TopicId>, Error> {
    match checkpoint::read_partition_metadata(disk, &dir.join(checkpoint::PARTITION_METADATA_FILE)) {
        Ok(topic_id) => Ok(topic_id),
        Err(checkpoint::Error::Corrupt { .. }) => Ok(None),
        Err(e @ checkpoint::Error::Io { .. }) => Err(e.into()),
    }
}

struct Opener {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    topic_id: Option<TopicId>,
    settings: Settings,
    opening: Opening,
    now_ms: i64,
    recovered: Recovered,
}

/// What a scan of the last segments gives.
struct Scanned {
    segments: Vec<Arc<Segment>>,
    active: Active,
    end_offset: i64,
    epochs: LeaderEpochs,
    producers: ProducerStates,
}

/// Where a scan has to stop.
struct Stop {
    /// The segment with the flaw.
    at: usize,
    position: u64,
    flaw: Flaw,
}

impl Opener {
    fn open(&mut self, bases: &[i64]) -> Result<Log, Error> {
        let mut segments = Vec::with_capacity(bases.len());
        for base_offset in bases {
            let path = self.dir.join(Kind::Log.name(*base_offset));
            let size = self.disk.file_len(&path).map_err(|e| Error::io(&path, e))?;
            segments.push(Arc::new(Segment::existing(&self.disk, &self.dir, *base_offset, size)));
        }
        if segments.is_empty() {
            return self.start_anew(&segments, self.opening.log_start_offset);
        }
        let log = if self.opening.clean { self.open_clean(segments)? } else { self.open_unclean(segments)? };
        if log.end_offset < self.opening.recovery_point {
            return Err(self.short(log.end_offset));
        }
        // A scan has made those of the segments that it went over.
        let Opening { clean, recovery_point, .. } = self.opening;
        let below = log.segments.partition_point(|s| s.base_offset <= recovery_point).saturating_sub(1);
        let segments = (&log.segments[..], if clean { log.segments.len() } else { below });
        let range = (log.start_offset, log.end_offset);
        mend::transaction_indexes(&*self.disk, &self.dir, segments, range).map_err(self.io())?;
        if log.end_offset < self.opening.log_start_offset {
            // All records were deleted (DeleteRecords), and the power cut took the rest.
            let segments = log.segments.clone();
            return self.start_anew(&segments, self.opening.log_start_offset);
        }
        Ok(log)
    }

    fn io(&self) -> impl Fn(io::Error) -> Error + use<> {
        let dir = self.dir.clone();
        move |e| Error::io(&dir, e)
    }

    fn short(&self, end_offset: i64) -> Error {
        Error::Short { path: self.dir.to_path_buf(), end_offset, recovery_point: self.opening.recovery_point }
    }

    /// An empty log in place of `segments`.
    fn start_anew(&mut self, segments: &[Arc<Segment>], start_offset: i64) -> Result<Log, Error> {
        if self.opening.recovery_point > start_offset {
            return Err(self.short(start_offset));
        }
        let io = self.io();
        self.remove(segments).map_err(&io)?;
        for (_, path) in Log::snapshots(&*self.disk, &self.dir).map_err(&io)? {
            self.disk.remove_file(&path).map_err(&io)?;
        }
        let (disk, dir) = (self.disk.clone(), self.dir.clone());
        let mut log = Log::create_in(disk, &dir, self.topic_id, self.settings, start_offset, self.now_ms)
            .map_err(&io)?;
        log.unflushed.epochs();
        Ok(log)
    }

    /// Removes segments, the last one first: what a crash leaves is then a beginning of the log.
    fn remove(&mut self, segments: &[Arc<Segment>]) -> io::Result<()> {
        for segment in segments.iter().rev() {
            self.recovered.truncated_bytes += segment.size();
            self.recovered.segments_removed += 1;
            segment.remove()?;
        }
        if segments.is_empty() { Ok(()) } else { self.disk.sync_dir(&self.dir) }
    }

    fn start_offset(&self, segments: &[Arc<Segment>]) -> i64 {
        segments.first().map_or(0, |s| s.base_offset).max(self.opening.log_start_offset)
    }

    fn parts(&self, segments: Vec<Arc<Segment>>, active: Active, end_offset: i64) -> Parts {
        let start_offset = self.start_offset(&segments);
        let (disk, dir) = (self.disk.clone(), self.dir.clone());
        Parts {
            disk,
            dir,
            topic_id: self.topic_id,
            settings: self.settings,
            segments,
            active,
            start_offset,
            end_offset,
        }
    }

    /// The epochs that begin below `offset`, from their file, or if that is not sound, from the batches.
    fn epochs_below(&self, segments: &[Arc<Segment>], offset: i64) -> Result<LeaderEpochs, Error> {
        let path = self.dir.join(checkpoint::LEADER_EPOCH_FILE);
        match checkpoint::read_epochs(&*self.disk, &path) {
            Ok(mut epochs) if !epochs.entries().is_empty() => {
                epochs.truncate_from_end(offset);
                Ok(epochs)
            }
            Ok(_) => replay::epochs_below(segments, offset).map_err(self.io()),
            Err(error @ checkpoint::Error::Corrupt { .. }) => {
                warn!(%error, "leader epochs are made anew");
                replay::epochs_below(segments, offset).map_err(self.io())
            }
            Err(e @ checkpoint::Error::Io { .. }) => Err(e.into()),
        }
    }

    fn producers_at(&self, segments: &[Arc<Segment>], end_offset: i64) -> Result<ProducerStates, Error> {
        let range = (self.start_offset(segments), end_offset);
        let expiry = (self.now_ms, self.settings.producer_id_expiration_ms);
        replay::producers_at(&*self.disk, &self.dir, segments, range, expiry).map_err(self.io())
    }

    /// Trusts the sizes of the files and looks at the last batches only.
    fn open_clean(&mut self, segments: Vec<Arc<Segment>>) -> Result<Log, Error> {
        let last = segments.last().expect("the caller has checked").clone();
        let (active, end_offset) = self.look_at_end(&last)?;
        let mut epochs = self.epochs_below(&segments, end_offset)?;
        let producers = self.producers_at(&segments, end_offset)?;
        let mut log = self.parts(segments, active, end_offset).into_log();
        epochs.truncate_from_start(log.start_offset);
        let on_disk = checkpoint::read_epochs(&*self.disk, &self.dir.join(checkpoint::LEADER_EPOCH_FILE));
        if on_disk.ok().as_ref() != Some(&epochs) {
            log.unflushed.epochs();
        }
        (log.epochs, log.producers) = (epochs, producers);
        last.close();
        Ok(log)
    }

    /// The active segment's state and end.
    fn look_at_end(&mut self, segment: &Arc<Segment>) -> Result<(Active, i64), Error> {
        let base_offset = segment.base_offset;
        if segment.size() == 0 {
            return Ok((Active::new(base_offset, self.now_ms), base_offset));
        }
        let io = self.io();
        if let Ok(files) = segment.index_files() {
            let (anchor, max) = (files.last().map_err(&io)?, files.last_time().map_err(&io)?);
            let mut indexes = Indexes::new(base_offset);
            indexes.max = max;
            if let (None, end_offset) = self.scan_from(segment, anchor, &mut indexes)?
                && anchor.last_offset.is_none_or(|last_offset| last_offset < end_offset)
            {
                return Ok((Active::cold(indexes.max, self.now_ms), end_offset));
            }
        }
        // The index may be wrong instead of the log.
        let mut indexes = Indexes::new(base_offset);
        match self.scan_from(segment, Anchor::START, &mut indexes)? {
            (None, end_offset) => {
                let file = segment.path(Kind::OffsetIndex);
                warn!(file = %file.display(), "index is broken and made anew");
                Ok((Active::hot(indexes, self.now_ms), end_offset))
            }
            (Some((position, flaw)), offset) => Err(self.damaged(segment, position, offset, flaw)),
        }
    }

    fn damaged(&self, segment: &Segment, position: u64, offset: i64, flaw: Flaw) -> Error {
        let recovery_point = self.opening.recovery_point;
        Error::Damaged { path: segment.path(Kind::Log), position, offset, recovery_point, flaw }
    }

    /// Scans from `anchor` to the segment's end and adds to `indexes`. Gives the first flaw and the offset reached.
    fn scan_from(
        &mut self,
        segment: &Segment,
        anchor: Anchor,
        indexes: &mut Indexes,
    ) -> Result<(Option<(u64, Flaw)>, i64), Error> {
        let io = self.io();
        let log = segment.log().map_err(&io)?;
        let mut scan = Scan::new(&*log, segment.base_offset, anchor.position, segment.size());
        loop {
            match scan.next().map_err(&io)? {
                Step::Batch(found) => {
                    indexes.add(&found.header, found.position, self.settings.index_interval_bytes);
                }
                Step::End => {
                    self.recovered.scanned_bytes += scan.position() - anchor.position;
                    return Ok((None, scan.expected()));
                }
                Step::Bad(flaw) => return Ok((Some((scan.position(), flaw)), scan.expected())),
            }
        }
    }

    /// Scans the segment that holds the recovery point and all after it.
    fn open_unclean(&mut self, segments: Vec<Arc<Segment>>) -> Result<Log, Error> {
        let io = self.io();
        let recovery_point = self.opening.recovery_point;
        let first = segments.partition_point(|s| s.base_offset <= recovery_point).saturating_sub(1);
        let scanned = self.scan(segments, first)?;
        let first_offset = scanned.segments.get(first).map_or(0, |s| s.base_offset);
        let on_disk = checkpoint::read_epochs(&*self.disk, &self.dir.join(checkpoint::LEADER_EPOCH_FILE));
        let mut log = self.parts(scanned.segments, scanned.active, scanned.end_offset).into_log();
        (log.epochs, log.producers) = (scanned.epochs, scanned.producers);
        log.epochs.truncate_from_start(log.start_offset);
        if on_disk.ok().as_ref() != Some(&log.epochs) {
            log.unflushed.epochs();
        }
        for (offset, path) in Log::snapshots(&*self.disk, &self.dir).map_err(&io)? {
            if offset > log.end_offset {
                self.disk.remove_file(&path).map_err(&io)?;
            }
        }
        // Nor is it known which names are on the device: the broker may have been killed before its first flush.
        log.unflushed.names();
        if log.topic_id.is_some() {
            log.unflushed.file(self.dir.join(checkpoint::PARTITION_METADATA_FILE));
        }
        // Nor are the transaction indexes that the scan has written anew, which nothing else can tell.
        for segment in log.segments.clone().iter().filter(|s| s.base_offset >= first_offset) {
            log.unflushed.file(segment.path(Kind::TxnIndex));
        }
        // What was scanned is in the page cache, but perhaps nowhere else.
        if recovery_point < log.end_offset {
            log.flushed_offset = recovery_point.clamp(log.start_offset, log.end_offset);
            log.durable = Durable { offset: log.flushed_offset, place: None };
            let segments = log.segments.clone();
            for segment in segments.iter().filter(|s| s.base_offset >= first_offset) {
                log.unflushed.segment(segment);
                self.write_again(segment).map_err(&io)?;
            }
        }
        Ok(log)
    }

    /// Lets the next flush write what no flush has covered. Where that is not known it is too much to write.
    fn write_again(&self, segment: &Segment) -> io::Result<()> {
        let Opening { recovery_point, is_checkpointed, .. } = self.opening;
        if !is_checkpointed {
            return Ok(());
        }
        let first = segment.locate(recovery_point, Anchor::START, segment.size())?;
        first.map_or(Ok(()), |first| segment.write_again(first.position))
    }

    fn scan(&mut self, mut segments: Vec<Arc<Segment>>, first: usize) -> Result<Scanned, Error> {
        let io = self.io();
        let first_offset = segments[first].base_offset;
        let mut epochs = self.epochs_below(&segments, first_offset)?;
        let mut producers = self.producers_at(&segments[..first], first_offset)?;
        let mut end_offset = first_offset;
        let mut stop = None;
        let mut indexes = Indexes::new(first_offset);
        for (at, segment) in segments.iter().enumerate().skip(first) {
            if let Some(flaw) = self.flaw_between(end_offset, segment) {
                stop = Some(Stop { at, position: 0, flaw });
                break;
            }
            if at > first {
                segments[at - 1].write_indexes(&mut indexes).map_err(&io)?;
                producers.set_end_offset(segment.base_offset);
                replay::write_snapshot(&*self.disk, &self.dir, &producers).map_err(&io)?;
            }
            indexes = Indexes::new(segment.base_offset);
            let derived = Derived { indexes: &mut indexes, epochs: &mut epochs, producers: &mut producers };
            let (flaw, offset) = self.scan_segment(segment, derived)?;
            end_offset = offset;
            if let Some((position, flaw)) = flaw {
                stop = Some(Stop { at, position, flaw });
                break;
            }
        }
        if let Some(stop) = stop {
            self.cut(&mut segments, end_offset, &stop)?;
        }
        producers.set_end_offset(end_offset);
        let active = Active::hot(indexes, self.now_ms);
        Ok(Scanned { segments, active, end_offset, epochs, producers })
    }

    /// The offset from which on none may be missing. What was synced may have been compacted once, whatever the topic's
    /// policy is now; but writes that were lost must not leave a hole. Where nobody knows what was synced, all may have
    /// been.
    fn gapless_from(&self) -> i64 {
        let Opening { recovery_point, is_checkpointed, .. } = self.opening;
        if self.settings.compact || !is_checkpointed { i64::MAX } else { recovery_point }
    }

    /// Whether a segment cannot follow what ends at `end_offset`.
    fn flaw_between(&self, end_offset: i64, segment: &Segment) -> Option<Flaw> {
        let base_offset = segment.base_offset;
        if base_offset < end_offset {
            Some(Flaw::BaseOffset { base_offset, expected: end_offset })
        } else if base_offset > end_offset && end_offset >= self.gapless_from() {
            Some(Flaw::Gap { base_offset, expected: end_offset })
        } else {
            None
        }
    }

    fn scan_segment(
        &mut self,
        segment: &Segment,
        derived: Derived<'_>,
    ) -> Result<(Option<(u64, Flaw)>, i64), Error> {
        let io = self.io();
        let log = segment.log().map_err(&io)?;
        let scan = Scan::new(&*log, segment.base_offset, 0, segment.size());
        let mut scan = scan.gapless_from(self.gapless_from());
        let mut ended: Vec<CompletedTxn> = Vec::new();
        let flaw = loop {
            match scan.next().map_err(&io)? {
                Step::Batch(found) => {
                    derived.indexes.add(&found.header, found.position, self.settings.index_interval_bytes);
                    replay::assign(derived.epochs, &found.header);
                    let records = scan.bytes_of(&found).get(HEADER_LEN..).unwrap_or(&[]);
                    let marker = marker_of(&found.header, records).ok().flatten();
                    ended.extend(replay::apply(derived.producers, &found.header, marker.as_ref()));
                }
                Step::End => break None,
                Step::Bad(flaw) => break Some((scan.position(), flaw)),
            }
        };
        self.recovered.scanned_bytes += scan.position();
        segment.write_aborted(&ended).map_err(&io)?;
        Ok((flaw, scan.expected()))
    }

    /// Lets the log end at `end_offset`, where the scan has stopped.
    fn cut(&mut self, segments: &mut Vec<Arc<Segment>>, end_offset: i64, stop: &Stop) -> Result<(), Error> {
        let io = self.io();
        let bad = segments[stop.at].clone();
        if end_offset < self.opening.recovery_point || matches!(stop.flaw, Flaw::OldFormat(_)) {
            return Err(self.damaged(&bad, stop.position, end_offset, stop.flaw));
        }
        let keep = if bad.base_offset == end_offset || stop.position > 0 { stop.at + 1 } else { stop.at };
        let removed = segments.split_off(keep);
        self.remove(&removed).map_err(&io)?;
        if keep > stop.at {
            self.recovered.truncated_bytes += bad.size() - stop.position;
            bad.truncate(stop.position).map_err(&io)?;
        }
        self.recovered.flaw = Some(stop.flaw);
        Ok(())
    }
}

/// What a scan builds.
struct Derived<'a> {
    indexes: &'a mut Indexes,
    epochs: &'a mut LeaderEpochs,
    producers: &'a mut ProducerStates,
}
