//! One function per gauge of the whole node. Each sets the gauge; [`super::Metrics::render`] sets them all from
//! a [`State`], so that none goes stale.

use metrics::{describe_gauge, gauge};

use super::state::{BrokerState, State};

macro_rules! gauges {
    ($($(#[$doc:meta])* $function:ident($field:ident: $type:ty): $metric:literal, $help:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $function(value: $type) {
                gauge!($metric).set(value);
            }
        )*

        pub(super) fn describe() {
            $(describe_gauge!($metric, $help);)*
            describe_gauge!(BROKER_STATE, "0 not running, 1 starting, 2 recovery, 3 running, 6 and 7 shutting down.");
        }

        pub(super) fn set_all(state: &State) {
            $($function(<$type>::from(state.$field));)*
            broker_state(state.broker_state);
        }
    };
}

const BROKER_STATE: &str = "kafka_server_kafkaserver_brokerstate";

/// What the broker is doing.
pub fn broker_state(state: BrokerState) {
    gauge!(BROKER_STATE).set(state.number());
}

gauges! {
    /// Partitions that this broker leads.
    leader_count(leader_count: u32): "kafka_server_replicamanager_leadercount", "Partitions that this broker leads.";
    /// Partitions that have a replica here.
    partition_count(partition_count: u32): "kafka_server_replicamanager_partitioncount", "Partitions that have a replica on this broker.";
    /// Partitions led here that lack in-sync replicas.
    under_replicated_partitions(under_replicated_partitions: u32): "kafka_server_replicamanager_underreplicatedpartitions", "Partitions led by this broker that have fewer in-sync replicas than replicas.";
    /// 1 on the active controller, else 0.
    active_controller_count(active_controller: u32): "kafka_controller_kafkacontroller_activecontrollercount", "1 on the active controller, else 0.";
    /// Partitions without a leader.
    offline_partitions_count(offline_partitions_count: u32): "kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions of the cluster that have no leader.";
    /// Topics of the cluster.
    global_topic_count(global_topic_count: u32): "kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster.";
    /// Producer ids that partitions here remember.
    producer_id_count(producer_id_count: u32): "kafka_server_replicamanager_produceridcount", "Producer ids that partitions here remember, once for each partition.";
    /// Partitions led here with a transaction that is open for too long.
    late_transaction_count(late_transaction_count: u32): "kafka_server_replicamanager_partitionswithlatetransactionscount", "Partitions led by this broker with a transaction that is open for longer than any may be.";
    /// Partitions of the cluster.
    global_partition_count(global_partition_count: u32): "kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster.";
    /// Brokers that serve clients.
    active_broker_count(active_broker_count: u32): "kafka_controller_kafkacontroller_activebrokercount", "Registered brokers that are not fenced.";
    /// Brokers that do not serve clients.
    fenced_broker_count(fenced_broker_count: u32): "kafka_controller_kafkacontroller_fencedbrokercount", "Registered brokers that are fenced.";
    /// Node id of the active controller.
    current_leader(current_leader: i32): "kafka_server_raftmetrics_current_leader", "Node id of the active controller, -1 if none is known.";
    /// Leader epoch of the metadata quorum.
    current_epoch(current_epoch: i32): "kafka_server_raftmetrics_current_epoch", "Leader epoch of the metadata quorum.";
}
