//! Layer 6: the replicas on this node. One replica is a log, its replication state and who waits on it.
//!
//! Knows offsets, epochs and the metadata image; not requests, error codes or connections.

mod directory;
mod error;
mod open;
mod parallel;
mod replica;
mod set;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
mod unfinished;

pub use directory::Directory;
pub use error::{Error, FetchError};
pub use replica::{
    ActiveProducer, FetchSpec, Fetched, FutureReplica, Isolation, Observed, Own, Replica, Target, Watermarks,
};
pub use set::{AlterLogDirError, CleanerMeans, CleanerSettings, Parts, Set, SettingsOf};
pub use settings::Settings;

/// How much a log may have unflushed under write caching before it is synced in the background, so that a
/// restart after a crash has little to scan.
const BACKGROUND_FLUSH_BYTES: usize = 64 << 20;

/// How often what nobody waits for is synced; a topic with a shorter `flush.ms` is synced right away.
pub const SYNC_INTERVAL_MS: i64 = 5_000;
