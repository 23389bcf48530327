//! Layer 7: coordinators. One shard is one machine over one partition of an internal topic that this node leads.
//!
//! A shard is one task: it takes what has come, lets the machine decide, appends all of it as one batch, and gives the
//! answers once the partition's high watermark has passed what they rest on. It begins by replaying its partition, and
//! ends when the leadership or the log directory does; then the answers that are still owed become NOT_COORDINATOR.
//! What a machine decides is not known here, nor is the protocol.

mod groups;
mod hash;
mod line;
mod load;
mod markers;
mod place;
mod producer_ids;
mod shard;
mod shards;
mod sink;
mod stored;
mod transactions;
mod view;

pub use self::groups::Groups;
pub use self::line::Line;
pub use self::markers::NotWritten;
pub use self::producer_ids::ProducerIds;
pub use self::shards::{Companion, Parts, Shards};
pub use self::stored::{Encoded, KeyValue, Malformed, State, Stored};
pub use self::transactions::Transactions;
pub use self::view::View;

use crate::log::producers::ProducerError;

/// Why a coordinator does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// It is not on this node, or not any more. Whether the request has taken effect is not known.
    #[error("not the coordinator")]
    NotCoordinator,
    /// It still reads its partition.
    #[error("the coordinator is loading")]
    LoadInProgress,
    /// What it wrote was not committed in time, or could not be.
    #[error("the coordinator is not available")]
    NotAvailable,
    /// Its partition does not take what it decided about a transaction, and so nothing has happened.
    #[error(transparent)]
    Refused(#[from] ProducerError),
}

#[cfg(test)]
mod tests;
