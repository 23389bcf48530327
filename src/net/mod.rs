//! Layer 9: listeners, the connection loop with ordered pipelining, and the HTTP side (metrics, health).
//!
//! Knows frames and sockets; what a frame means is `api`'s business.

mod connection;
mod eager;
pub mod http;
mod limits;
pub mod listener;
mod output;
mod rate;
