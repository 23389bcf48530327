//! The handle to a running quorum.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Parts;
use super::error::Error;
use super::inspect::Inspected;
use super::load::{self, Loaded};
use super::queue::Queue;
use super::runner::{Runner, Subscriber};
use crate::base::id::DirectoryId;
use crate::controller::{Input, Reply};
use crate::meta::Image;

/// The controller cannot answer: it is stopping, has failed, or too much waits for it already. Whether the request
/// has taken effect is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metadata quorum is not available")]
pub struct Unavailable;

/// Where the quorum stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The leader, which is this node.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The leader's directory as the voters say, zero before they have ids (`kraft.version` 0).
    pub voter_directory: DirectoryId,
    /// Everything below is committed.
    pub high_watermark: i64,
    /// Whether it has failed for good, or was stopped.
    pub is_closed: bool,
}

/// A handle to the controller and to the image that it publishes; cheap to clone.
#[derive(Clone)]
pub struct Quorum(Arc<Inner>);

struct Inner {
    queue: Arc<Queue>,
    published: Arc<ArcSwap<Image>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    leader_id: i32,
    leader_epoch: i32,
    voter_directory: DirectoryId,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

impl Quorum {
    /// Opens or makes the metadata log in `parts.dir`, which was `inspected`, and takes over in the next epoch. All of
    /// that is durable when this returns.
    pub fn load(parts: Parts, inspected: Inspected) -> Result<Loaded, Error> {
        load::load(parts, inspected)
    }

    /// Asks the controller. The answer comes once it is durable, published and told to the subscriber. The input is
    /// queued at once, whether or not the future is polled.
    pub fn submit(&self, input: Input) -> impl Future<Output = Result<Reply, Unavailable>> + Send + use<> {
        let (asker, answer) = oneshot::channel();
        let queued = self.0.queue.push(input, asker);
        async move {
            queued?;
            answer.await.map_err(|_| Unavailable)
        }
    }

    /// As [`Quorum::submit`], for threads outside of an async runtime.
    pub fn submit_blocking(&self, input: Input) -> Result<Reply, Unavailable> {
        let (asker, answer) = oneshot::channel();
        self.0.queue.push(input, asker)?;
        answer.blocking_recv().map_err(|_| Unavailable)
    }

    /// The cluster as it was last published.
    pub fn image(&self) -> Arc<Image> {
        self.0.published.load_full()
    }

    /// Where the quorum stands.
    pub fn status(&self) -> Status {
        Status {
            leader_id: self.0.leader_id,
            leader_epoch: self.0.leader_epoch,
            voter_directory: self.0.voter_directory,
            high_watermark: self.0.published.load().provenance.offset + 1,
            is_closed: self.0.queue.is_closed(),
        }
    }

    /// Finishes what is queued, closes the log and waits for that. Not to be called by a subscriber.
    pub fn stop(&self) {
        self.0.queue.stop();
        // Held while joining: whoever else stops the quorum waits as well.
        let mut thread = self.0.thread.lock();
        if let Some(thread) = thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Loaded {
    /// Starts the controller's thread. `subscriber` is called there with every new image, after it was published and
    /// before the answers that led to it are given.
    pub fn run(self, subscriber: Box<Subscriber>) -> Result<Quorum, Error> {
        let (leader_id, leader_epoch, voter_directory) = (self.node_id, self.epoch, self.voter_directory);
        let published = Arc::new(ArcSwap::new(self.image()));
        let queue = Arc::new(Queue::new());
        let (runner, on_failure) = Runner::new(self, queue.clone(), published.clone(), subscriber);
        let builder = thread::Builder::new().name("controller".to_owned());
        let thread = builder.spawn(move || runner.run(on_failure)).map_err(Error::Thread)?;
        let thread = Mutex::new(Some(thread));
        Ok(Quorum(Arc::new(Inner { queue, published, thread, leader_id, leader_epoch, voter_directory })))
    }
}
