//! Layer 2: bytes of the Kafka protocol and of Kafka's record format, without any I/O.
//!
//! Everything here treats its input as hostile: bounded before allocated, an error instead of a panic.

pub mod batch;
pub mod builder;
pub mod compress;
pub mod delete_groups;
pub mod describe_configs;
pub mod describe_log_dirs;
pub mod fetch_response;
pub mod field;
pub mod group_records;
pub mod header;
pub mod kraft;
mod lengths;
pub mod list_offsets;
pub mod offset_commit;
pub mod offset_fetch;
pub mod record;
pub mod schema;
pub mod txn_offset_commit;
pub mod txn_records;
pub mod validator;
pub mod versions;
pub mod write_txn_markers;

#[cfg(test)]
mod tests;
