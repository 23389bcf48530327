//! What runs by the clock: heartbeats, background syncs, checkpoints, closing idle files.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::registration::Registered;
use crate::config::broker::Config;
use crate::partition::Set;
use crate::raft::Quorum;

/// How long bytes that nobody waits for stay unsynced, and checkpoints unwritten.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);
/// How long a file that nobody uses stays open, at least.
const IDLE_FILE_INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn start(
    config: &Config,
    registered: &Registered,
    quorum: &Quorum,
    partitions: &Arc<Set>,
    stop: &CancellationToken,
) {
    let (registered, quorum) = (registered.clone(), quorum.clone());
    let heartbeat_ms = u64::try_from(config.values.int("broker.heartbeat.interval.ms")).unwrap_or(1).max(1);
    every(Duration::from_millis(heartbeat_ms), stop, move || {
        let (registered, quorum) = (registered.clone(), quorum.clone());
        async move {
            if let Err(error) = registered.heartbeat(&quorum).await {
                warn!(%error, "heartbeat failed");
            }
        }
    });
    let syncing = partitions.clone();
    every(SYNC_INTERVAL, stop, move || {
        let partitions = syncing.clone();
        blocking(move || partitions.sync_and_checkpoint())
    });
    let closing = partitions.clone();
    every(IDLE_FILE_INTERVAL, stop, move || {
        let partitions = closing.clone();
        blocking(move || partitions.close_idle_files())
    });
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        warn!(%error, "background work failed");
    }
}

fn every<F: Future<Output = ()> + Send>(
    period: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F + Send + 'static,
) {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            work().await;
        }
    });
}
