//! Layer 8: one file per Kafka API, the table they register in, and the dispatch of a frame to its handler.
//!
//! A handler authorises, resolves names, makes one call into a lower layer and builds the response. What a
//! request means for logs or metadata is not decided here.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alter_replica_log_dirs;
mod alter_resources;
mod api_versions;
mod broker_loggers;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod context;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod dispatch;
mod end_txn;
mod endpoints;
mod error;
mod error_codes;
mod fetch;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod internal_topics;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod measure;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod operations;
mod produce;
mod resolve;
pub mod response;
mod sync_group;
mod table;
mod transactions;
mod txn_offset_commit;
mod write_txn_markers;

pub use context::{Context, Parts, Peer};
pub use dispatch::{Api, Started};
pub use measure::Running;
