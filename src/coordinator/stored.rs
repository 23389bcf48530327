//! What a machine has to be for a shard to run it.

use std::sync::Arc;

use crate::machine::Machine;
use crate::meta::Image;

/// A record of an internal topic that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// One record of a machine's state.
#[derive(Clone, PartialEq, Debug)]
pub struct State<Record> {
    /// Where it is in the log, where that matters.
    pub offset: i64,
    /// The producer of the open transaction that it belongs to.
    pub producer_id: Option<i64>,
    /// What it says.
    pub record: Record,
}

/// A machine whose log is a partition of an internal topic.
pub trait Stored: Machine<Input: Send, Record: Send, Reply: Send> + Send + 'static {
    /// The topic.
    const TOPIC: &'static str;

    /// The record's key, and its value if it has one.
    fn encode(record: &Self::Record) -> (Vec<u8>, Option<Vec<u8>>);

    /// The record with this key and value; none if it is of a kind that this machine has no use for.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self::Record>, Malformed>;

    /// Replays a record of a transaction of this producer; it becomes true if and when the transaction is committed.
    fn replay_transactional(
        &mut self,
        offset: i64,
        producer_id: i64,
        record: &Self::Record,
    ) -> Result<(), Self::ReplayError>;

    /// Replays the end of the producer's transaction, if it has one here.
    fn end_transaction(&mut self, producer_id: i64, is_committed: bool);

    /// The records that make an empty machine what this one is; without meaning for a topic that has no view.
    fn state(&self) -> impl Iterator<Item = State<Self::Record>> {
        std::iter::empty()
    }

    /// The input after which a machine that has replayed its log is in charge, for this leader epoch.
    fn activate(epoch: i32) -> Self::Input;

    /// The input that tells of a new image, and of the topics that are gone since the last one.
    fn image(image: Arc<Image>, deleted_topics: Vec<Arc<str>>) -> Self::Input;
}
