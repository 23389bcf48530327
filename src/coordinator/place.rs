//! Where a shard is reached: one per partition of the topic that this node leads, for one leader epoch.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Unavailable;
use super::stored::Stored;
use crate::log::producers::Guard;
use crate::meta::Image;

/// Inputs that wait for one shard; who comes then waits with his connection.
const INPUTS_MAX: usize = 1_000;

/// Whoever gets an answer; dropped without one by a shard that has ended.
pub(super) type Asker<M> = oneshot::Sender<Result<<M as crate::machine::Machine>::Reply, Unavailable>>;
/// What is asked of a machine, and by whom.
pub(super) struct Message<M: Stored> {
    pub(super) input: M::Input,
    /// Vouches for what is decided, if that belongs to a transaction.
    pub(super) guard: Option<Guard>,
    pub(super) asker: Asker<M>,
}

/// How far a shard is.
pub(super) enum Stage<M: Stored> {
    /// It reads its log.
    Loading,
    /// It takes inputs.
    Active(mpsc::Sender<Message<M>>),
    /// It has ended; it may come back.
    Down,
}

/// The latest image that a shard has not seen, and the topics that went meanwhile.
pub(super) struct News {
    pub(super) image: Arc<Image>,
    pub(super) deleted_topics: Vec<Arc<str>>,
}

/// A shard's address.
pub(super) struct Place<M: Stored> {
    /// The leader epoch.
    pub(super) epoch: i32,
    /// Ends the shard.
    pub(super) stop: CancellationToken,
    stage: Mutex<Stage<M>>,
    news: Mutex<Option<News>>,
    /// There are news.
    pub(super) changed: Notify,
}

impl<M: Stored> Place<M> {
    pub(super) fn new(epoch: i32) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            stop: CancellationToken::new(),
            stage: Mutex::new(Stage::Loading),
            news: Mutex::new(None),
            changed: Notify::new(),
        })
    }

    /// Enters `stage`, if the shard is not to end.
    pub(super) fn enter(&self, stage: Stage<M>) {
        let mut current = self.stage.lock();
        *current = if self.stop.is_cancelled() { Stage::Down } else { stage };
    }

    /// Takes inputs from now on.
    pub(super) fn open(&self) -> mpsc::Receiver<Message<M>> {
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        self.enter(Stage::Active(sender));
        inputs
    }

    /// Where inputs go.
    pub(super) fn sender(&self) -> Result<mpsc::Sender<Message<M>>, Unavailable> {
        match &*self.stage.lock() {
            Stage::Loading => Err(Unavailable::LoadInProgress),
            Stage::Active(sender) => Ok(sender.clone()),
            Stage::Down => Err(Unavailable::NotCoordinator),
        }
    }

    /// Tells the shard of a new image, whenever it gets to it.
    pub(super) fn tell(&self, image: &Arc<Image>, deleted_topics: &[Arc<str>]) {
        let mut news = self.news.lock();
        let mut all = news.take().map(|news| news.deleted_topics).unwrap_or_default();
        all.extend(deleted_topics.iter().cloned());
        *news = Some(News { image: image.clone(), deleted_topics: all });
        drop(news);
        self.changed.notify_one();
    }

    pub(super) fn take_news(&self) -> Option<News> {
        self.news.lock().take()
    }
}
