//! Black-box tests of the whole broker: a real process, real sockets, frames byte by byte.
//!
//! `BROKER_UNDER_TEST=host:port` points the tests at a broker that runs already, for example Apache Kafka;
//! those that need a process or settings of their own are left out then, unless `KAFKA_LIB` names a folder
//! with Apache Kafka's jars: they start one from it. What a test expects of barnabas alone is left out too.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]
#![expect(unreachable_pub, reason = "the whole crate is one test")]

mod acls;
mod api_versions;
mod bounds;
mod client_quotas;
mod compaction;
mod consumer_groups;
mod coordinator_view;
mod cordoned_log_dirs;
mod corruption;
mod create_partitions;
mod create_topics;
mod damage;
mod data_directory;
mod delegation_tokens;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod dump_log;
mod dynamic_configs;
mod elect_leaders;
mod fetch;
mod fetch_sessions;
mod full_disk;
mod group_configs;
mod group_faults;
mod group_members;
mod group_offsets;
mod groups;
mod hostile;
mod http;
mod kafkas_tools;
mod kill;
mod leader_epochs;
mod list_offsets;
mod listeners;
mod log_dirs;
mod metadata;
mod partition_reassignments;
mod pipelining;
mod produce;
mod producers;
mod read_committed;
mod scram_credentials;
mod start;
mod support;
mod topic_trash;
mod transactional_produce;
mod transactions;
mod transactions_admin;
mod transactions_faults;
mod transactions_offsets;
mod transactions_versions;
mod unregister_broker;
mod update_features;
