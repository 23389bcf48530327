//! The threads that compact logs, each with the dirtiest one that nobody else is at; as many of them as
//! `log.cleaner.threads` says at the moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::broker::Config;
use crate::meta::Image;
use crate::partition::{CleanerMeans, CleanerSettings, Set};

/// The cleaner's settings, which follow the metadata.
#[derive(Clone)]
pub(super) struct Cleaner {
    config: Arc<Config>,
    settings: watch::Sender<CleanerSettings>,
}

impl Cleaner {
    pub(super) fn new(config: &Arc<Config>, image: &Image) -> Self {
        let settings = CleanerSettings::of_broker(config, image, config.node_id);
        Self { config: config.clone(), settings: watch::Sender::new(settings) }
    }

    /// Takes what `image` says of the broker.
    pub(super) fn note_image(&self, image: &Image) {
        let settings = CleanerSettings::of_broker(&self.config, image, self.config.node_id);
        let is_new = self.settings.send_if_modified(|known| {
            let is_new = *known != settings;
            *known = settings;
            is_new
        });
        if is_new {
            info!(?settings, "log cleaner reconfigured");
        }
    }

    /// Starts the threads, unless `log.cleaner.enable` forbids it.
    pub(super) fn start(&self, partitions: &Arc<Set>, stop: &CancellationToken) {
        if !self.config.values.boolean("log.cleaner.enable") {
            return;
        }
        let (runtime, stopping, settings) = (Handle::current(), stop.clone(), self.settings.subscribe());
        let means = Arc::new(CleanerMeans {
            settings: Box::new(move || *settings.borrow()),
            wait: Box::new(move |time| {
                if !time.is_zero() {
                    let stopped = stopping.cancelled();
                    drop(runtime.block_on(async { tokio::time::timeout(time, stopped).await }));
                }
                !stopping.is_cancelled()
            }),
        });
        let (partitions, stop) = (partitions.clone(), stop.clone());
        let settings = self.settings.subscribe();
        tokio::spawn(
            async move { stop.run_until_cancelled(start_threads(partitions, means, settings)).await },
        );
    }
}

/// Starts threads as soon as there are to be more of them. Those that are too many wait until they are wanted again.
async fn start_threads(
    partitions: Arc<Set>,
    means: Arc<CleanerMeans>,
    mut settings: watch::Receiver<CleanerSettings>,
) {
    let mut threads = JoinSet::new();
    loop {
        let wanted = settings.borrow_and_update().threads;
        for thread in threads.len()..wanted {
            threads.spawn(run(thread, partitions.clone(), means.clone(), settings.clone()));
        }
        if settings.changed().await.is_err() {
            return;
        }
    }
}

async fn run(
    thread: usize,
    partitions: Arc<Set>,
    means: Arc<CleanerMeans>,
    mut settings: watch::Receiver<CleanerSettings>,
) {
    loop {
        let CleanerSettings { threads, backoff, .. } = *settings.borrow_and_update();
        let pause = if thread < threads { backoff } else { Duration::MAX };
        // The pause begins anew with other settings.
        match tokio::time::timeout(pause, settings.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => clean_all(thread, &partitions, &means).await,
        }
    }
}

async fn clean_all(thread: usize, partitions: &Arc<Set>, means: &Arc<CleanerMeans>) {
    while thread < (means.settings)().threads {
        let (partitions, means) = (partitions.clone(), means.clone());
        match tokio::task::spawn_blocking(move || partitions.clean_dirtiest(thread, &means)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return warn!(%error, "log cleaner failed"),
        }
    }
}
