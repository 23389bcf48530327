//! The controller's thread: takes what has come, decides, appends, syncs once, publishes, answers.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{error, info};

use super::error::Failure;
use super::load::Loaded;
use super::queue::{Arrived, Asker, Queue};
use super::sink::Sink;
use super::snapshots::Snapshots;
use crate::base::clock::Clock;
use crate::controller::Controller;
use crate::machine::Driver;
use crate::meta::{Changes, Image, Provenance};

/// Told of every new image, before the answers that led to it are given.
pub type Subscriber = dyn Fn(&Image, &Changes) + Send;
/// Told once why the quorum has failed.
pub(super) type OnFailure = Box<dyn FnOnce(&Failure) + Send>;

/// What the thread owns.
pub(super) struct Runner {
    driver: Driver<Controller, Sink, Asker>,
    snapshots: Snapshots,
    clock: Clock,
    queue: Arc<Queue>,
    published: Arc<ArcSwap<Image>>,
    subscriber: Box<Subscriber>,
}

impl Runner {
    pub(super) fn new(
        loaded: Loaded,
        queue: Arc<Queue>,
        published: Arc<ArcSwap<Image>>,
        subscriber: Box<Subscriber>,
    ) -> (Self, OnFailure) {
        let Loaded { driver, snapshots, clock, on_failure, .. } = loaded;
        (Self { driver, snapshots, clock, queue, published, subscriber }, on_failure)
    }

    /// Runs until the queue is stopped or the log fails.
    pub(super) fn run(self, on_failure: OnFailure) {
        let mut guard = Guard { queue: self.queue.clone(), on_failure: Some(on_failure) };
        match self.rounds() {
            Ok(()) => {
                guard.on_failure = None;
                info!("controller stopped");
            }
            Err(failure) => guard.fail(&failure),
        }
    }

    fn rounds(mut self) -> Result<(), Failure> {
        loop {
            let arrived = self.queue.wait(self.timeout());
            let is_last = arrived.is_last;
            self.round(arrived)?;
            if is_last {
                return self.stop();
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let left_ms = self.driver.deadline()?.saturating_sub(self.clock.now_ms());
        Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
    }

    fn round(&mut self, arrived: Arrived) -> Result<(), Failure> {
        if let Some(outcome) = arrived.snapshot {
            self.snapshots.done(self.driver.sink_mut(), outcome)?;
        }
        for (input, asker) in arrived.inputs {
            self.driver.step(self.clock.now_ms(), input, asker)?;
        }
        let now_ms = self.clock.now_ms();
        while self.driver.deadline().is_some_and(|deadline| deadline <= now_ms) {
            self.driver.expire(now_ms)?;
        }
        self.commit()?;
        self.publish();
        while let Some((asker, reply)) = self.driver.release() {
            // Who has gone away does not mind.
            let _ = asker.send(reply);
        }
        let image = self.published.load_full();
        self.snapshots.begin_if_due(self.driver.sink_mut(), &image, now_ms, &self.queue)?;
        Ok(())
    }

    /// One sync for everything that was appended in this round.
    fn commit(&mut self) -> Result<(), Failure> {
        let sink = self.driver.sink_mut();
        let committed = sink.sync().map_err(Failure::Sync)?;
        sink.write_recovery_point(false)?;
        self.driver.commit(committed);
        Ok(())
    }

    fn publish(&mut self) {
        let sink = self.driver.sink_mut();
        let (offset, epoch) = (sink.log.flushed_offset() - 1, sink.epoch);
        let timestamp_ms = sink.appended_ms;
        if self.published.load().provenance.offset == offset {
            return;
        }
        let controller = self.driver.machine_mut();
        controller.set_provenance(Provenance { offset, epoch, timestamp_ms });
        let changes = controller.take_changes();
        let image = Arc::new(controller.image().clone());
        self.published.store(image.clone());
        (self.subscriber)(&image, &changes);
    }

    fn stop(mut self) -> Result<(), Failure> {
        self.snapshots.join();
        let sink = self.driver.sink_mut();
        if let Some(outcome) = self.queue.take_snapshot() {
            self.snapshots.done(sink, outcome)?;
        }
        sink.log.close().map_err(super::Error::from)?;
        sink.write_recovery_point(true)?;
        self.queue.close();
        Ok(())
    }
}

/// Closes the queue however the thread ends.
struct Guard {
    queue: Arc<Queue>,
    /// Still there if the thread has not ended well.
    on_failure: Option<OnFailure>,
}

impl Guard {
    fn fail(&mut self, failure: &Failure) {
        error!(%failure, "the metadata quorum has failed; restart the broker once its log directory is sound");
        self.queue.close();
        if let Some(on_failure) = self.on_failure.take() {
            on_failure(failure);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.queue.close();
        if self.on_failure.is_some() {
            self.fail(&Failure::Panic);
        }
    }
}
