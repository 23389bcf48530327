//! What can be wrong with a history; names and meanings follow Jepsen's Kafka workload and Adya's phenomena.

use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    /// One offset of a partition holds two values.
    InconsistentOffsets,
    /// One value lies at two offsets.
    Duplicate,
    /// A value was read that nobody sent to that partition.
    Phantom,
    /// A read_committed reader saw a value of a transaction that aborted (G1a).
    AbortedRead,
    /// A read_committed reader saw a value before its transaction was asked to commit.
    PrecommittedRead,
    /// A value that must be there is in the log no more.
    LostWrite,
    /// A value that must be visible is in the log, but read_committed readers do not get it.
    Unseen,
    /// Part of a transaction is visible, part of it is not.
    TornTransaction,
    /// The last stable offset stays below the high watermark though nothing is under way.
    StuckTransaction,
    /// A reader went back without having been told to.
    NonmonotonicPoll,
    /// A reader passed over a value that it had to see.
    PollSkip,
    /// The sends of one producer to a partition lie in another order.
    NonmonotonicSend,
    /// Transactions have read from each other in a circle (G1c with write-read edges).
    Circle,
    /// An offset of an aborted transaction, or of none, was committed.
    DirtyOffsets,
    /// A committed offset went back, or its transaction's output is there without it.
    LostOffsets,
    /// A loop has transformed one input twice.
    Reprocessed,
    /// A loop has committed offsets beyond an input that it never transformed.
    SkippedInput,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InconsistentOffsets => "inconsistent-offsets",
            Self::Duplicate => "duplicate",
            Self::Phantom => "phantom",
            Self::AbortedRead => "aborted-read",
            Self::PrecommittedRead => "precommitted-read",
            Self::LostWrite => "lost-write",
            Self::Unseen => "unseen",
            Self::TornTransaction => "torn-transaction",
            Self::StuckTransaction => "stuck-transaction",
            Self::NonmonotonicPoll => "nonmonotonic-poll",
            Self::PollSkip => "poll-skip",
            Self::NonmonotonicSend => "nonmonotonic-send",
            Self::Circle => "G1c",
            Self::DirtyOffsets => "dirty-offsets",
            Self::LostOffsets => "lost-offsets",
            Self::Reprocessed => "reprocessed",
            Self::SkippedInput => "skipped-input",
        }
    }
}

/// One finding, with what a person needs to look it up in the history.
#[derive(Debug)]
pub(crate) struct Anomaly {
    pub(crate) kind: Kind,
    pub(crate) what: String,
}

impl Anomaly {
    pub(crate) fn new(kind: Kind, what: String) -> Self {
        Self { kind, what }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.what)
    }
}
