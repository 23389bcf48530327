//! barnabas: a Kafka-wire-compatible broker.
//!
//! The modules form eleven layers; a module names only modules of lower layers, and two modules of one
//! layer never name each other. `compat-tests/layers.rs` holds the list and checks it.

pub mod base;

pub mod config;
pub mod machine;
pub mod metrics;
pub mod wire;

pub mod meta;

pub mod controller;
pub mod group;
pub mod replication;
pub mod txn;

pub mod log;
pub mod purgatory;

pub mod partition;
pub mod raft;

pub mod coordinator;

pub mod api;

pub mod net;

pub mod broker;

pub mod tools;
