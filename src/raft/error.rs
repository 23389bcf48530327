//! Why the metadata log cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::batches::Malformed;
use crate::log::{self, checkpoint};
use crate::machine;
use crate::meta::ReplayError;

/// Why a node cannot start, or a snapshot not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk's fault.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// The log cannot be opened or made.
    #[error("the metadata log cannot be opened: {0}")]
    Log(#[from] log::Error),
    /// Nothing can be appended to the log.
    #[error("nothing can be appended to the metadata log: {0}")]
    Append(#[from] log::AppendError),
    /// The first records of the epoch were not appended.
    #[error("the node cannot take over: {0}")]
    TakeOver(#[from] machine::Failed<log::AppendError>),
    /// A file that belongs to the log is broken.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// Bytes that were committed are not what they were. Nothing was written.
    #[error(
        "the metadata log is damaged: {} at byte {position} (offset {offset}): {cause}. It is no end that a power cut \
         tore: {evidence}. Nothing was changed; put the file back from a copy (migration.md says how to give up what follows)",
        path.display()
    )]
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// Where the bad batch begins.
        position: u64,
        /// First offset of the batch.
        offset: i64,
        /// What is wrong.
        cause: Malformed,
        /// What shows that it was committed.
        evidence: Evidence,
    },
    /// Somebody wrote to the log between the two looks at it.
    #[error(
        "the metadata log {} ended at offset {inspected} when it was read, and ends at {opened} now; start again",
        path.display()
    )]
    Changed {
        /// The log's directory.
        path: PathBuf,
        /// Where it ended.
        inspected: i64,
        /// Where it ends.
        opened: i64,
    },
    /// A record of the log contradicts those before it, or is from a newer version.
    #[error("the metadata log {} cannot be replayed at offset {offset}: {cause}", path.display())]
    Replay {
        /// The log's directory.
        path: PathBuf,
        /// The record's offset.
        offset: i64,
        /// Why.
        cause: ReplayError,
    },
    /// A record is from a newer version. Nothing was written.
    #[error(
        "the metadata log {} has a record of type {key}, version {version} at offset {offset}, which this version \
         of barnabas does not know; nothing was changed",
        path.display()
    )]
    Unknown {
        /// The log's directory.
        path: PathBuf,
        /// The record's offset, or that of the last one in its snapshot.
        offset: i64,
        /// Its type.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// A feature is at a level that is not known. Nothing was written.
    #[error(
        "the cluster of {} has {feature} at level {level}, but this version of barnabas knows it up to {known_max} \
         only; nothing was changed",
        path.display()
    )]
    Feature {
        /// The log's directory.
        path: PathBuf,
        /// Its name.
        feature: String,
        /// The finalized level.
        level: i16,
        /// The highest that is known.
        known_max: i16,
    },
    /// A snapshot is torn or broken.
    #[error("the metadata snapshot {} is damaged: {reason}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What the log begins after is in no snapshot that can be read.
    #[error(
        "the metadata log {} starts at offset {start_offset}, but there is no sound snapshot that reaches so far \
         (the newest sound one ends at {snapshot_end})",
        path.display()
    )]
    Gap {
        /// The log's directory.
        path: PathBuf,
        /// Where it starts.
        start_offset: i64,
        /// Where the snapshot in use ends, 0 if there is none.
        snapshot_end: i64,
    },
    /// The vote cannot be read; going on could use an epoch twice.
    #[error("{} is broken: {reason}", path.display())]
    QuorumState {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The log belongs to a quorum of others, or of several nodes.
    #[error(
        "the metadata log belongs to the voters {voters:?}; node {node_id} can only be the one voter (whose the directory is says its meta.properties)"
    )]
    Voters {
        /// Ids of the voters.
        voters: Vec<i32>,
        /// This node.
        node_id: i32,
    },
    /// No epoch is left.
    #[error("no leader epoch is left after {0}")]
    EpochsExhausted(i32),
    /// The system makes no thread.
    #[error("the controller's thread cannot be started: {0}")]
    Thread(#[source] io::Error),
}

impl Error {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What shows that damaged bytes of the log had been committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Evidence {
    /// The log was closed.
    #[error("the broker was shut down cleanly")]
    CleanShutdown,
    /// A checkpoint or a snapshot.
    #[error("all below offset {0} is known to have been on the device")]
    Synced(i64),
    /// The batch itself is whole.
    #[error("its checksum is right")]
    SoundChecksum,
    /// Something that was written later.
    #[error("a sound batch comes after it, at byte {position} of {} (offset {offset})", path.display())]
    SoundBatch {
        /// The segment's file.
        path: PathBuf,
        /// Where the batch begins.
        position: u64,
        /// Its first offset.
        offset: i64,
    },
}

/// Why a running quorum has failed for good. Its log directory has to be taken offline.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A decision was not appended.
    #[error("the metadata log takes no more: {0}")]
    Append(#[from] machine::Failed<log::AppendError>),
    /// What was appended may not be on the device.
    #[error("the metadata log cannot be synced: {0}")]
    Sync(#[source] io::Error),
    /// A snapshot was not written, or an old one not removed.
    #[error(transparent)]
    Storage(#[from] Error),
    /// A defect.
    #[error("the controller's thread has panicked")]
    Panic,
}
