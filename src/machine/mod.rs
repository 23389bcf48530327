//! Layer 2: the one pattern for control state, and the driver that runs it.
//!
//! ```text
//! input ──► step ──► records ──► append ──► replay ──► park the replies at the last written offset
//!                                                      release them once that offset is committed
//! ```
//! A [`Machine`] decides and replays; it knows no log, no clock and no requester. The [`Driver`] owns the order
//! above and who waits for which answer; it knows nothing of what the machine decides. Both are pure: time comes
//! in as `now_ms`, the log is a [`Sink`].

mod driver;
mod entry;
mod requests;
#[cfg(test)]
pub(crate) mod story;
mod timers;

pub use self::driver::{Driver, Failed, Stepped};
pub use self::entry::{Ended, Entry};
pub(crate) use self::requests::requests;
pub use self::timers::Timers;

/// Names one input until it is answered; the driver makes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(u64);

/// What is true at the moment of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Wall time in ms since 1970.
    pub now_ms: i64,
    /// The offset that the first record of this decision gets.
    pub next_offset: i64,
}

/// What a machine decided: records that become true together, and answers that may be given once they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision<Record, Reply> {
    /// Appended as one batch; empty when nothing changes.
    pub records: Vec<Record>,
    /// Answers to this input or to earlier ones, in the order to be given.
    pub replies: Vec<(Token, Reply)>,
}

impl<Record, Reply> From<Decision<Record, Reply>> for Decision<Entry<Record>, Reply> {
    fn from(plain: Decision<Record, Reply>) -> Self {
        Self { records: plain.records.into_iter().map(Entry::Plain).collect(), replies: plain.replies }
    }
}

impl<Record, Reply> Decision<Record, Reply> {
    /// No record and no answer: the input's answer comes with a later decision.
    pub fn none() -> Self {
        Self { records: Vec::new(), replies: Vec::new() }
    }

    /// One answer and the records that make it true; a read has none.
    pub fn answer(token: Token, reply: Reply, records: Vec<Record>) -> Self {
        Self { records, replies: vec![(token, reply)] }
    }

    /// Records that nobody waits for.
    pub fn unasked(records: Vec<Record>) -> Self {
        Self { records, replies: Vec::new() }
    }
}

/// State that is a function of its records.
///
/// `step` and `expire` decide and may change only what need not survive (sessions, timers, who waits for what);
/// `replay` is the one place where durable state changes, when it is loaded and at run time alike. A machine
/// answers every token exactly once, at once or in a later decision.
pub trait Machine {
    /// What is asked of the machine.
    type Input;
    /// What its log holds.
    type Record;
    /// What it answers.
    type Reply;
    /// Why a record of its log cannot be replayed.
    type ReplayError: std::error::Error;

    /// Decides about one input.
    fn step(&mut self, at: Moment, token: Token, input: Self::Input) -> Decision<Self::Record, Self::Reply>;

    /// Makes one record true. Records of a decision are never refused: only a log from elsewhere is.
    fn replay(&mut self, offset: i64, record: &Self::Record) -> Result<(), Self::ReplayError>;

    /// When [`Machine::expire`] must be called, in ms since 1970; none while nothing can time out.
    fn deadline(&self) -> Option<i64>;

    /// Decides about what has timed out.
    fn expire(&mut self, at: Moment) -> Decision<Self::Record, Self::Reply>;
}

/// What became of an append that is none.
#[derive(Debug)]
pub enum Rejected<R, E> {
    /// Nothing is appended, nothing is replayed, and whoever asked is told so. For decisions that answer nobody but who
    /// asked.
    Refused(R),
    /// The log is not what it was.
    Failed(E),
}

/// The log behind a driver.
pub trait Sink<Record> {
    /// Why an append failed; the driver takes no other after it.
    type Error: std::error::Error;
    /// Why a log does not take what its machine has decided, as with a producer that is fenced there; others may
    /// follow. [`std::convert::Infallible`] where it always does.
    type Refusal;

    /// The offset that the next record gets.
    fn next_offset(&self) -> i64;

    /// Appends `records`, which are not empty, as one batch: all of them or none are read back.
    fn append(&mut self, now_ms: i64, records: &[Record])
    -> Result<(), Rejected<Self::Refusal, Self::Error>>;
}
