//! Layer 2: configuration. THE tables of broker, topic and group keys, and the layers that set them.
//!
//! Pure: text comes in from the caller, who reads files and the environment and logs what is to be logged.
//! [`broker::Config`] is what a node starts with, [`topic`] what one topic runs with.

pub mod broker;
pub mod broker_keys;
mod check;
pub mod cli;
pub mod client_metrics;
pub mod describe;
pub mod document;
pub mod dynamic;
pub mod environment;
pub mod group_keys;
pub mod key;
pub mod layers;
pub mod listener;
pub mod listener_keys;
pub mod live;
mod notes;
pub mod properties;
pub mod providers;
pub mod quorum;
mod reasons;
mod sections;
pub mod topic;
pub mod topic_keys;
pub mod valid;
pub mod value;
pub mod values;
