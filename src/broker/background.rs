//! What runs by the clock: background syncs, checkpoints, closing idle files, forgetting idle producers.
//!
//! There are no heartbeats: the controller is in this process, and its own broker needs no session.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::base::clock::Clock;
use crate::config::broker::Config;
use crate::partition::{SYNC_INTERVAL_MS, Set};

/// How long bytes that nobody waits for stay unsynced, and checkpoints unwritten.
const SYNC_INTERVAL: Duration = Duration::from_millis(SYNC_INTERVAL_MS.cast_unsigned());
/// How long a file that nobody uses stays open, at least.
const IDLE_FILE_INTERVAL: Duration = Duration::from_secs(60);

/// How often files are looked for whose `file.delete.delay.ms` is over, or their time in the trash.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn start(partitions: &Arc<Set>, config: &Config, clock: &Clock, stop: &CancellationToken) {
    let syncing = partitions.clone();
    every(SYNC_INTERVAL, SYNC_INTERVAL, stop, move || {
        let partitions = syncing.clone();
        async move {
            if partitions.has_to_sync() {
                blocking(move || partitions.sync_and_checkpoint()).await;
            }
        }
    });
    let closing = partitions.clone();
    every(IDLE_FILE_INTERVAL, IDLE_FILE_INTERVAL, stop, move || {
        let partitions = closing.clone();
        blocking(move || partitions.close_idle_files())
    });
    let (expiring, now) = (partitions.clone(), clock.clone());
    let interval = ms(config.logs.producer_id_expiration_check_interval_ms);
    every(interval, interval, stop, move || {
        let (partitions, now_ms) = (expiring.clone(), now.now_ms());
        blocking(move || partitions.remove_expired_producers(now_ms))
    });
    let (filling, emptying, now) = (partitions.clone(), partitions.clone(), clock.clone());
    let wanted = move || {
        let partitions = filling.clone();
        async move { partitions.trash_is_due().await }
    };
    every_while(wanted, REMOVAL_INTERVAL, stop, move || {
        let (partitions, now_ms) = (emptying.clone(), now.now_ms());
        blocking(move || partitions.empty_trash(now_ms, partitions.trash_kept_ms()))
    });
    let deleting = partitions.clone();
    let first = ms(config.values.long("log.initial.task.delay.ms"));
    every(first, ms(config.logs.retention_check_interval_ms), stop, move || {
        let partitions = deleting.clone();
        blocking(move || partitions.delete_old_segments())
    });
    let (leaving, removing) = (partitions.clone(), partitions.clone());
    let wanted = move || {
        let partitions = leaving.clone();
        async move { partitions.files_leave().await }
    };
    every_while(wanted, REMOVAL_INTERVAL, stop, move || {
        let partitions = removing.clone();
        async move {
            if partitions.has_directories_to_remove() {
                let partitions = partitions.clone();
                blocking(move || partitions.remove_left_directories()).await;
            }
            if partitions.has_segments_to_remove() {
                blocking(move || partitions.remove_old_segments()).await;
            }
        }
    });
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        warn!(%error, "background work failed");
    }
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Does `work` after the time `first`, and then every `period`.
fn every<F: Future<Output = ()> + Send>(
    first: Duration,
    period: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F + Send + 'static,
) {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut ticks = interval_at(tokio::time::Instant::now() + first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            work().await;
        }
    });
}

/// Does `work` a `period` after each time that `wanted` has come back: without a timer while it waits.
fn every_while<W: Future<Output = ()> + Send, F: Future<Output = ()> + Send>(
    mut wanted: impl FnMut() -> W + Send + 'static,
    period: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F + Send + 'static,
) {
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            let due = async {
                wanted().await;
                tokio::time::sleep(period).await;
            };
            if stop.run_until_cancelled(due).await.is_none() {
                return;
            }
            work().await;
        }
    });
}
