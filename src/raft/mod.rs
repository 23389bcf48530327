//! Layer 6: the metadata quorum. Runs the controller over a log of ours and publishes the cluster's image.
//!
//! ```text
//! <metadata.log.dir>/bootstrap.checkpoint            what a new cluster begins with; optional
//! <metadata.log.dir>/__cluster_metadata-0/
//!     quorum-state                                   the last epoch that was used
//!     <end offset>-<epoch>.checkpoint                snapshots
//!     recovery-point-offset-checkpoint               up to where the log is known to be on the device
//!     <base offset>.log ...                          the log
//! ```
//! [`inspect`] reads what is there; [`Quorum::load`] begins a new epoch; [`Loaded::run`] starts the thread that owns the
//! log and the controller; [`Quorum`] is the handle to both. There is one voter, this node.

mod batch_file;
mod batches;
mod error;
mod format;
mod inspect;
mod json;
mod load;
mod membership;
mod queue;
mod quorum;
mod quorum_state;
mod runner;
mod sink;
mod snapshot;
mod snapshots;
mod torn;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::batches::Malformed;
pub use self::error::{Error, Evidence, Failure};
pub use self::format::{write_bootstrap, write_first_voters};
pub use self::inspect::{Inspected, inspect};
pub use self::load::Loaded;
pub use self::quorum::{Quorum, Status, Unavailable};
pub use self::runner::Subscriber;
use crate::base::clock::Clock;
use crate::base::id::DirectoryId;
use crate::controller;
use crate::log::disk::Disk;

/// The directory of the metadata log.
pub const PARTITION_DIR: &str = "__cluster_metadata-0";

/// What a new cluster begins with, if its directory was formatted.
const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// What configures the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: u32,
    /// `metadata.log.segment.ms`.
    pub segment_ms: i64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`; looked at with every change only, 0 for never.
    pub snapshot_interval_ms: i64,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            snapshot_bytes: 20 << 20,
            snapshot_interval_ms: 3_600_000,
        }
    }
}

/// What a quorum is made of.
pub struct Parts {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// `metadata.log.dir`, which exists, is locked and is this node's.
    pub dir: PathBuf,
    /// Its id, from `meta.properties`.
    pub directory_id: DirectoryId,
    /// The metadata log.
    pub settings: Settings,
    /// The controller; its `node_id` is the quorum's too.
    pub controller: controller::Settings,
    /// The clock.
    pub clock: Clock,
    /// Called once, on the controller's thread, when nothing more can be written.
    pub on_failure: Box<dyn FnOnce(&Failure) + Send>,
}

impl Parts {
    /// Parts with Kafka's defaults, a directory without id, and nobody to tell of a failure.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, controller: controller::Settings, clock: Clock) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            directory_id: DirectoryId::ZERO,
            settings: Settings::default(),
            controller,
            clock,
            on_failure: Box::new(|_| ()),
        }
    }
}

/// Removes a file that may be gone already.
fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    match disk.remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
