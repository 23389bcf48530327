//! What `/metrics` and `/readyz` show: the state of the node, gathered when somebody asks.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::lag::Lag;
use crate::base::clock::Clock;
use crate::base::id::NodeId;
use crate::meta::{Image, NO_LEADER};
use crate::metrics::{BrokerState, LogDirectory, Metrics, Partition, State};
use crate::net::http::Pages;
use crate::net::listener::Server;
use crate::partition::{Directory, Replica, Set};
use crate::raft::Quorum;

/// The broker behind the HTTP pages, which are there before the logs are open.
pub(super) struct BrokerPages {
    metrics: Metrics,
    state: Mutex<BrokerState>,
    shown: OnceLock<Shown>,
}

/// What the pages look at.
pub(super) struct Shown {
    pub(super) node: NodeId,
    /// The listener whose address stands for a broker.
    pub(super) inter_broker_listener: String,
    pub(super) partitions: Arc<Set>,
    pub(super) quorum: Quorum,
    pub(super) server: Arc<Server>,
    pub(super) lag: Lag,
    pub(super) clock: Clock,
    /// `transaction.max.timeout.ms`.
    pub(super) transaction_timeout_ms_max: i64,
}

/// How long after its time a transaction may still be open (`ProducerStateManager.LATE_TRANSACTION_BUFFER_MS`).
const LATE_TRANSACTION_BUFFER_MS: i64 = 5 * 60_000;

impl BrokerPages {
    pub(super) fn new(metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { metrics, state: Mutex::new(BrokerState::Starting), shown: OnceLock::new() })
    }

    /// The logs are open: `shown` is what the pages look at from now on.
    pub(super) fn show(&self, shown: Shown) {
        *self.state.lock() = BrokerState::Recovery;
        assert!(self.shown.set(shown).is_ok(), "a broker starts once");
    }

    pub(super) fn set_state(&self, state: BrokerState) {
        *self.state.lock() = state;
    }
}

impl Pages for BrokerPages {
    fn metrics(&self) -> String {
        let broker_state = *self.state.lock();
        let mut state = State { broker_state, current_leader: NO_LEADER, ..State::default() };
        if let Some(shown) = self.shown.get() {
            shown.add_to(&mut state);
        }
        self.metrics.render(&state)
    }

    fn ready(&self) -> bool {
        *self.state.lock() == BrokerState::Running
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn observe_directory(directory: &Arc<Directory>) -> LogDirectory {
    let log_directory = directory.log_directory();
    LogDirectory {
        path: log_directory.path().display().to_string(),
        is_offline: log_directory.is_offline(),
        is_cordoned: directory.is_cordoned(),
    }
}

impl Shown {
    fn add_to(&self, state: &mut State) {
        let image = self.quorum.image();
        self.add_cluster(&image, state);
        let mut replicas = self.partitions.all();
        replicas.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        for replica in replicas {
            self.add_replica(&image, &replica, state);
        }
        (state.consumer_groups, state.consumed_partitions_without_series) =
            self.lag.observe(&image, &self.partitions);
        state.cleaner = self.partitions.observe_cleaner();
        state.log_directories = self.partitions.directories().iter().map(observe_directory).collect();
        let connections = self.server.connections();
        state.connections = connections.into_iter().map(|(name, open)| (name.to_string(), open)).collect();
    }

    fn add_cluster(&self, image: &Image, state: &mut State) {
        let status = self.quorum.status();
        state.active_controller = status.leader_id == self.node.0;
        (state.current_leader, state.current_epoch) = (status.leader_id, status.leader_epoch);
        state.global_topic_count = count(image.topics.len());
        for topic in image.topics.iter() {
            state.topics.push((topic.name.clone(), topic.partition_count()));
            state.global_partition_count += count(topic.partitions.len());
            let offline = topic.partitions.values().filter(|p| !p.has_leader());
            state.offline_partitions_count += count(offline.count());
        }
        let (fenced, active): (Vec<_>, Vec<_>) = image.cluster.brokers.values().partition(|b| b.fenced);
        (state.active_broker_count, state.fenced_broker_count) = (count(active.len()), count(fenced.len()));
        for broker in active {
            if let Some(at) = broker.endpoint(&self.inter_broker_listener) {
                state.brokers.push((broker.id, format!("{}:{}", at.host, at.port)));
            }
        }
    }

    fn add_replica(&self, image: &Image, replica: &Replica, state: &mut State) {
        let Some(observed) = replica.observe() else { return };
        let name = replica.name();
        state.partition_count += 1;
        let partition = image.topics.partition(replica.topic_id(), name.partition);
        let led = partition.filter(|_| observed.is_leader);
        let (replica_count, in_sync_replica_count) = led.map_or((0, 0), |p| (p.replicas.len(), p.isr.len()));
        state.leader_count += u32::from(observed.is_leader);
        state.producer_id_count = state.producer_id_count.saturating_add(count(observed.producer_count));
        let late_after_ms = self.transaction_timeout_ms_max + LATE_TRANSACTION_BUFFER_MS;
        let is_late = |since_ms: i64| self.clock.now_ms() - since_ms > late_after_ms;
        let has_late = observed.oldest_txn_last_timestamp_ms.filter(|ms| *ms > 0).is_some_and(is_late);
        state.late_transaction_count += u32::from(observed.is_leader && has_late);
        state.under_replicated_partitions += u32::from(in_sync_replica_count < replica_count);
        state.partitions.push(Partition {
            topic: name.topic.clone(),
            partition: name.partition,
            size_bytes: observed.size_bytes,
            log_start_offset: observed.log_start_offset,
            log_end_offset: observed.log_end_offset,
            high_watermark: observed.high_watermark,
            replica_count,
            in_sync_replica_count,
        });
    }
}
