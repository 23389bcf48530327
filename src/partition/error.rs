//! Why a replica refuses.

use super::replica::Watermarks;
use crate::log::AppendError;
use crate::replication::NotEnoughReplicas;

/// Why a replica refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such replica here, and there should be none.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// This node does not lead the partition.
    #[error("not the leader")]
    NotLeaderOrFollower,
    /// The client's leader epoch is older than the leader's.
    #[error("the client's leader epoch is fenced")]
    FencedLeaderEpoch,
    /// The client's leader epoch is newer than the leader's.
    #[error("the client's leader epoch is unknown")]
    UnknownLeaderEpoch,
    /// Below the log start offset or above the log end offset.
    #[error("offset out of range")]
    OffsetOutOfRange,
    /// The topic's `cleanup.policy` does not allow it.
    #[error("the topic's cleanup policy does not allow it")]
    PolicyViolation,
    /// The high watermark does not speak for this leader epoch yet.
    #[error("offset not available yet")]
    OffsetNotAvailable,
    /// The log directory is offline.
    #[error("the log directory is offline")]
    Storage,
    /// Too few in sync before the append.
    #[error(transparent)]
    NotEnoughReplicas(#[from] NotEnoughReplicas),
    /// Too few in sync after the append.
    #[error("too few replicas in sync after the append")]
    NotEnoughReplicasAfterAppend,
    /// The log refuses the batch.
    #[error(transparent)]
    Append(AppendError),
}

/// Why a fetch fails, with the offsets that its answer still carries.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FetchError {
    /// Why.
    pub error: Error,
    /// The offsets, if the replica could tell them.
    pub marks: Option<Watermarks>,
}
