//! One replica's log: segments in order, the last of which grows.
//!
//! Not locked inside; `partition` holds it in a mutex. What may take long is not done here but handed out: a
//! [`ReadPlan`](super::read::ReadPlan) and a [`Flush`](super::flush::Flush) run without the lock. After a failed write or flush the
//! log is poisoned and takes no more: only recovery can tell what is on the device.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::active::Active;
use super::checkpoint;
use super::disk::{Disk, Mode};
use super::epochs::{EpochEntry, LeaderEpochs};
use super::error::Error;
use super::flush::Unflushed;
use super::names::Kind;
use super::producers::ProducerStates;
use super::replay;
use super::segment::Segment;
use super::settings::Settings;
use super::tail::{Durable, Place};
use crate::base::id::TopicId;

/// A partition's log.
pub struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: Arc<Path>,
    pub(super) topic_id: Option<TopicId>,
    pub(super) settings: Settings,
    /// By base offset; never empty. Readers hold the list as it was when they planned.
    pub(super) segments: Arc<Vec<Arc<Segment>>>,
    pub(super) active: Active,
    pub(super) start_offset: i64,
    pub(super) end_offset: i64,
    pub(super) flushed_offset: i64,
    /// Never below `flushed_offset`.
    pub(super) durable: Durable,
    pub(super) is_journalled: bool,
    pub(super) epochs: LeaderEpochs,
    pub(super) producers: ProducerStates,
    pub(super) unflushed: Unflushed,
    pub(super) poisoned: bool,
}

/// What is known of a log when it is put together.
pub(super) struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: Arc<Path>,
    pub(super) topic_id: Option<TopicId>,
    pub(super) settings: Settings,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) active: Active,
    pub(super) start_offset: i64,
    pub(super) end_offset: i64,
}

impl Parts {
    /// The log of these parts, all of it flushed, without epochs and producers.
    pub(super) fn into_log(self) -> Log {
        let last = self.segments.last().expect("a log always has a segment");
        let place = Place { base_offset: last.base_offset, position: last.size() };
        Log {
            disk: self.disk,
            dir: self.dir,
            topic_id: self.topic_id,
            settings: self.settings,
            segments: Arc::new(self.segments),
            active: self.active,
            start_offset: self.start_offset,
            end_offset: self.end_offset,
            flushed_offset: self.end_offset,
            durable: Durable { offset: self.end_offset, place: Some(place) },
            is_journalled: false,
            epochs: LeaderEpochs::default(),
            producers: ProducerStates::new(self.end_offset),
            unflushed: Unflushed::default(),
            poisoned: false,
        }
    }
}

impl Log {
    /// Makes the directory of an empty log. Nothing is durable before the first flush, and nothing stays after an error.
    pub fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        topic_id: TopicId,
        settings: Settings,
        now_ms: i64,
    ) -> Result<Self, Error> {
        if disk.exists(dir).map_err(|e| Error::io(dir, e))? {
            return Err(Error::Exists(dir.to_owned()));
        }
        let io = |e| Error::io(dir, e);
        disk.create_dir_all(dir).map_err(io)?;
        let made = Self::create_in(disk.clone(), dir, Some(topic_id), settings, 0, now_ms);
        let made = made.and_then(|mut log| log.write_metadata().map(|()| log));
        let mut log = made.map_err(|e| {
            // Half a log would be in the way when it is tried again: it failed for want of descriptors, perhaps.
            if let Err(error) = disk.remove_dir_all(dir) {
                warn!(dir = %dir.display(), %error, "half a log cannot be removed");
            }
            io(e)
        })?;
        log.unflushed.new_directory();
        Ok(log)
    }

    /// An empty log from `start_offset` on, in a directory that exists.
    pub(super) fn create_in(
        disk: Arc<dyn Disk>,
        dir: &Path,
        topic_id: Option<TopicId>,
        settings: Settings,
        start_offset: i64,
        now_ms: i64,
    ) -> io::Result<Self> {
        let dir: Arc<Path> = Arc::from(dir);
        let segment = Segment::create(&disk, &dir, start_offset)?;
        if settings.preallocate {
            segment.reserve(settings.segment_bytes);
        }
        // Many partitions are made at once, and have no use for a file before their first record.
        segment.close();
        let segments = vec![Arc::new(segment)];
        let active = Active::new(start_offset, now_ms);
        let parts =
            Parts { disk, dir, topic_id, settings, segments, active, start_offset, end_offset: start_offset };
        let mut log = parts.into_log();
        log.unflushed.names();
        Ok(log)
    }

    /// Writes `partition.metadata`; the next flush makes it durable.
    pub(super) fn write_metadata(&mut self) -> io::Result<()> {
        let Some(topic_id) = self.topic_id else { return Ok(()) };
        let path = self.dir.join(checkpoint::PARTITION_METADATA_FILE);
        let file = self.disk.open(&path, Mode::Create)?;
        let text = format!("version: 0\ntopic_id: {topic_id}");
        file.write_at(&[IoSlice::new(text.as_bytes())], 0)?;
        self.unflushed.file(path);
        Ok(())
    }

    /// Gives a log whose `partition.metadata` was missing or broken its topic id.
    pub fn set_topic_id(&mut self, topic_id: TopicId) -> Result<(), Error> {
        let path = self.dir.join(checkpoint::PARTITION_METADATA_FILE);
        checkpoint::write_partition_metadata(&*self.disk, &path, topic_id)
            .map_err(|e| Error::io(&path, e))?;
        self.topic_id = Some(topic_id);
        Ok(())
    }

    /// The topic's id; none if `partition.metadata` was missing or broken.
    pub fn topic_id(&self) -> Option<TopicId> {
        self.topic_id
    }

    /// The log's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next batch gets.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Everything below is in the log's own files, on the device: where recovery may begin. What a journal holds of
    /// the log besides is in [`Log::durable_offset`].
    pub fn flushed_offset(&self) -> i64 {
        self.flushed_offset
    }

    /// Bytes of all segments, without indexes.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.size()).sum()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// The first offset of the oldest open transaction, as far as it is still in the log.
    pub fn last_stable_bound(&self) -> Option<i64> {
        self.producers.first_unstable_offset().map(|offset| offset.max(self.start_offset))
    }

    /// What is known of producers.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// For expiry, verification of transactions and news of the high watermark.
    pub fn producers_mut(&mut self) -> &mut ProducerStates {
        &mut self.producers
    }

    /// The leader epochs that have batches.
    pub fn epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    /// The newest epoch with batches.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest().map(|e| e.epoch)
    }

    /// The largest epoch that is not above `epoch` and the offset where it ends; (-1, -1) if unknown.
    pub fn epoch_end_offset(&self, epoch: i32) -> (i32, i64) {
        self.epochs.end_offset_for(epoch, self.end_offset)
    }

    /// Notes that a leader of `epoch` appends from here on (`UnifiedLog.assignEpochStartOffset`).
    pub fn begin_epoch(&mut self, epoch: i32) {
        self.assign_epoch(epoch, self.end_offset);
    }

    pub(super) fn assign_epoch(&mut self, epoch: i32, start_offset: i64) {
        if self.epochs.assign(EpochEntry { epoch, start_offset }) {
            self.unflushed.epochs();
        }
    }

    /// Takes the topic's new configuration.
    pub fn update_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The configuration in use.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a write or flush has failed.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Lets every later append fail: a flush has failed, or the directory is offline.
    pub fn poison(&mut self) {
        self.poisoned = true;
    }

    /// The segment that grows.
    pub(super) fn active_segment(&self) -> &Arc<Segment> {
        self.segments.last().expect("a log always has a segment")
    }

    /// Where in the list the segment is that may hold `offset`.
    pub(super) fn floor_segment(&self, offset: i64) -> Option<usize> {
        self.segments.partition_point(|s| s.base_offset <= offset).checked_sub(1)
    }

    /// Fails if the log is poisoned.
    pub(super) fn alive(&self) -> io::Result<()> {
        if self.poisoned {
            Err(io::Error::other("the log is offline after an earlier failure"))
        } else {
            Ok(())
        }
    }

    /// Writes the snapshot of the producers at the log's end; the next flush makes it durable.
    pub(super) fn write_snapshot(&mut self) -> io::Result<()> {
        self.unflushed.file(replay::write_snapshot(&*self.disk, &self.dir, &self.producers)?);
        Ok(())
    }

    /// Paths of the producer snapshots, by offset.
    pub(super) fn snapshots(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
        let entries = disk.list(dir)?.into_iter().filter(|e| !e.is_dir);
        let parsed = entries.filter_map(|e| Some((super::names::parse(&e.name)?, dir.join(&e.name))));
        Ok(parsed.filter(|((_, kind), _)| *kind == Kind::Snapshot).map(|((o, _), path)| (o, path)).collect())
    }

    /// Flushes everything and closes the files, so that a clean start needs no recovery. The caller writes the
    /// checkpoints and then the clean-shutdown marker.
    pub fn close(&mut self) -> Result<(), Error> {
        let dir = self.dir.clone();
        self.try_close().map_err(|e| Error::io(&dir, e))
    }

    fn try_close(&mut self) -> io::Result<()> {
        self.alive()?;
        self.cool_down()?;
        self.producers.set_end_offset(self.end_offset);
        self.write_snapshot()?;
        self.remove_old_snapshots()?;
        if let Some(flush) = self.begin_flush() {
            flush.run()?;
            self.flushed(&flush);
        }
        if self.settings.preallocate || self.active_segment().is_reserved() {
            self.active_segment().release()?;
        }
        self.segments.iter().for_each(|s| s.close());
        Ok(())
    }

    /// Writes the active segment's index entries to their files and forgets them.
    fn cool_down(&mut self) -> io::Result<()> {
        let segment = self.active_segment().clone();
        if self.active.cool_down(&segment)? {
            self.unflushed.file(segment.path(Kind::OffsetIndex));
            self.unflushed.file(segment.path(Kind::TimeIndex));
            self.unflushed.names();
        }
        Ok(())
    }

    /// Closes files that nobody has used since the last call and takes the index entries of an idle active segment
    /// out of memory. Files with unflushed bytes stay open, for the kernel reports a failed write to who has them open.
    pub fn close_idle_files(&mut self) -> Result<(), Error> {
        let unflushed_from = self.flushed_offset;
        let dir = self.dir.clone();
        if self.alive().is_err() || self.end_offset > unflushed_from {
            return Ok(());
        }
        for segment in self.segments.iter() {
            segment.close_if_idle();
        }
        if !self.active_segment().is_open() {
            self.cool_down().map_err(|e| Error::io(&dir, e))?;
        }
        Ok(())
    }
}
