//! Waits until several partitions have each done their part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Shared by a request and the partitions that it waits for.
#[derive(Debug)]
pub struct Countdown {
    left: AtomicUsize,
    zero: Notify,
}

impl Countdown {
    /// Waits for `parts` calls of [`Countdown::done`].
    pub fn new(parts: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(parts), zero: Notify::new() })
    }

    /// One part is done.
    pub fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.zero.notify_one();
        }
    }

    /// Completes when every part is done; one task waits.
    pub async fn wait(&self) {
        while self.left.load(Ordering::Acquire) > 0 {
            self.zero.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn completes_at_the_last_part_even_if_it_came_first() {
        let countdown = Countdown::new(2);
        countdown.done();
        let mut wait = Box::pin(countdown.wait());
        assert!(futures_poll(&mut wait).await.is_none());
        countdown.done();
        wait.await;
        countdown.wait().await;
    }

    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
