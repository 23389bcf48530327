//! The way to one shard for as long as it runs, for those that live and die with it.

use tokio::sync::{mpsc, oneshot};

use super::Unavailable;
use super::place::Message;
use super::stored::Stored;

/// Asks one incarnation of a shard, and never another one.
pub struct Line<M: Stored>(mpsc::Sender<Message<M>>);

impl<M: Stored> Line<M> {
    pub(super) fn new(sender: mpsc::Sender<Message<M>>) -> Self {
        Self(sender)
    }

    /// Asks the machine.
    pub async fn ask(&self, input: M::Input) -> Result<M::Reply, Unavailable> {
        let (asker, answer) = oneshot::channel();
        self.send(input, asker).await?;
        answer.await.unwrap_or(Err(Unavailable::NotCoordinator))
    }

    /// Tells the machine, whatever it answers.
    pub async fn tell(&self, input: M::Input) -> Result<(), Unavailable> {
        self.send(input, oneshot::channel().0).await
    }

    async fn send(&self, input: M::Input, asker: super::place::Asker<M>) -> Result<(), Unavailable> {
        let message = Message { input, guard: None, asker };
        self.0.send(message).await.map_err(|_| Unavailable::NotCoordinator)
    }
}

impl<M: Stored> Clone for Line<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
