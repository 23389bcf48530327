//! The threads that compact logs, each with the dirtiest one that nobody else is at; as many of them as
//! `log.cleaner.threads` says at the moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::live::Effective;
use crate::partition::{CleanerMeans, CleanerSettings, Set};

/// How long a thread sleeps that is not wanted, unless it is told of other settings.
const UNWANTED_PAUSE: Duration = Duration::from_secs(86_400);

/// Starts the threads, unless `log.cleaner.enable` forbids it.
pub(super) fn start(partitions: &Arc<Set>, effective: &Effective, stop: &CancellationToken) {
    if !effective.borrow().values.boolean("log.cleaner.enable") {
        return;
    }
    let (runtime, stopping, settings) = (Handle::current(), stop.clone(), effective.clone());
    let means = Arc::new(CleanerMeans {
        settings: Box::new(move || CleanerSettings::of(&settings.borrow())),
        wait: Box::new(move |time| {
            if !time.is_zero() {
                let stopped = stopping.cancelled();
                drop(runtime.block_on(async { tokio::time::timeout(time, stopped).await }));
            }
            !stopping.is_cancelled()
        }),
    });
    let (partitions, effective, stop) = (partitions.clone(), effective.clone(), stop.clone());
    tokio::spawn(async move { stop.run_until_cancelled(start_threads(partitions, means, effective)).await });
}

/// Starts threads as soon as there are to be more of them. Those that are too many wait until they are wanted again.
async fn start_threads(partitions: Arc<Set>, means: Arc<CleanerMeans>, mut effective: Effective) {
    let mut threads = JoinSet::new();
    let mut settings = (means.settings)();
    loop {
        for thread in threads.len()..settings.threads {
            threads.spawn(run(thread, partitions.clone(), means.clone(), effective.clone()));
        }
        if effective.changed().await.is_err() {
            return;
        }
        let before = std::mem::replace(&mut settings, (means.settings)());
        if settings != before {
            info!(?settings, "log cleaner reconfigured");
        }
    }
}

async fn run(thread: usize, partitions: Arc<Set>, means: Arc<CleanerMeans>, mut effective: Effective) {
    let mut settings = (means.settings)();
    let due = |settings: &CleanerSettings| {
        let pause = if thread < settings.threads { settings.backoff } else { UNWANTED_PAUSE };
        Instant::now() + pause.min(UNWANTED_PAUSE)
    };
    let mut until = due(&settings);
    loop {
        match tokio::time::timeout_at(until, effective.changed()).await {
            Ok(Ok(())) => {
                let before = std::mem::replace(&mut settings, (means.settings)());
                // What is not the cleaner's does not make it wait longer.
                until = if settings == before { until } else { due(&settings) };
            }
            Ok(Err(_)) => return,
            Err(_) => {
                clean_all(thread, &partitions, &means).await;
                until = due(&settings);
            }
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
