//! When snapshots are written, and what they make superfluous.
//!
//! The two newest are kept, and the log from the older one on: if the newest cannot be read, nothing is lost.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tracing::info;

use super::Settings;
use super::error::Error;
use super::membership::Membership;
use super::queue::Queue;
use super::sink::Sink;
use super::snapshot::{self, SnapshotId};
use crate::meta::Image;

/// How many snapshots are kept.
const KEPT: usize = 2;

/// What became of a snapshot.
pub(super) type Outcome = Result<SnapshotId, Error>;

/// The snapshots of a log.
pub(super) struct Snapshots {
    /// Oldest first.
    kept: Vec<SnapshotId>,
    membership: Membership,
    bytes: u64,
    interval_ms: i64,
    /// When the last one was begun, in ms.
    begun_ms: i64,
    /// Writes one.
    writing: Option<JoinHandle<()>>,
}

impl Snapshots {
    pub(super) fn new(
        kept: Vec<SnapshotId>,
        membership: Membership,
        settings: &Settings,
        now_ms: i64,
    ) -> Self {
        let Settings { snapshot_bytes: bytes, snapshot_interval_ms: interval_ms, .. } = *settings;
        Self { kept, membership, bytes, interval_ms, begun_ms: now_ms, writing: None }
    }

    /// Begins one if it is due; `image` is that of the log's end, which is durable.
    pub(super) fn begin_if_due(
        &mut self,
        sink: &mut Sink,
        image: &Arc<Image>,
        now_ms: i64,
        queue: &Arc<Queue>,
    ) -> Result<(), Error> {
        let is_old = self.interval_ms > 0 && now_ms.saturating_sub(self.begun_ms) >= self.interval_ms;
        let is_due = sink.snapshot_debt >= self.bytes || (is_old && sink.snapshot_debt > 0);
        if !is_due || self.writing.is_some() {
            return Ok(());
        }
        sink.snapshot_debt = 0;
        self.begun_ms = now_ms;
        // So that what is before the snapshot can be removed later.
        sink.log.roll(now_ms)?;
        let id = SnapshotId { end_offset: image.provenance.offset + 1, epoch: image.provenance.epoch };
        let (disk, dir) = (sink.disk.clone(), sink.log.dir().to_owned());
        let (image, membership, queue) = (image.clone(), self.membership.clone(), queue.clone());
        let write = move || {
            let written = snapshot::write(&*disk, &dir, id, &image, &membership);
            queue.snapshot_done(written.map(|bytes| {
                info!(end_offset = id.end_offset, epoch = id.epoch, bytes, "metadata snapshot written");
                id
            }));
        };
        let builder = thread::Builder::new().name("snapshot".to_owned());
        self.writing = Some(builder.spawn(write).map_err(Error::Thread)?);
        Ok(())
    }

    /// Takes note of a snapshot that was written, and removes what nobody needs any more.
    pub(super) fn done(&mut self, sink: &mut Sink, outcome: Outcome) -> Result<(), Error> {
        self.join();
        self.kept.push(outcome?);
        let superfluous = self.kept.len().saturating_sub(KEPT);
        for id in self.kept.drain(..superfluous) {
            super::remove_if_there(&*sink.disk, &id.path(sink.log.dir()))?;
        }
        if let [oldest, _, ..] = self.kept[..] {
            sink.log.advance_start(oldest.end_offset);
            sink.log.remove_segments_below_start()?;
        }
        Ok(())
    }

    /// Waits for the one that is being written.
    pub(super) fn join(&mut self) {
        if let Some(writing) = self.writing.take() {
            // A panic is reported by the thread itself; the snapshot is then not there, and that is all.
            let _ = writing.join();
        }
    }
}
