//! What a machine has to be for a shard to run it.

use std::sync::Arc;

use crate::machine::{Entry, Machine};
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
    /// What it says; of the producer of an open transaction the id alone matters.
    pub record: Record,
}

/// A record's key, and its value if it has one.
pub type Encoded = (Vec<u8>, Option<Vec<u8>>);
/// The same, to read.
pub type KeyValue<'a> = (&'a [u8], Option<&'a [u8]>);

/// A machine whose log is a partition of an internal topic.
pub trait Stored: Machine<Input: Send, Record: Send, Reply: Send> + Send + 'static {
    /// The topic.
    const TOPIC: &'static str;

    /// The record as it stands in the log.
    fn encode(record: &Self::Record) -> Entry<Encoded>;

    /// The record that stands so in the log; none if it is of a kind that this machine has no use for.
    fn decode(entry: Entry<KeyValue<'_>>) -> Result<Option<Self::Record>, Malformed>;

    /// The records that make an empty machine what this one is; without meaning for a topic that has no view.
    fn state(&self) -> impl Iterator<Item = State<Self::Record>> {
        std::iter::empty()
    }

    /// The input after which a machine that has replayed its log is in charge, for this leader epoch.
    fn activate(epoch: i32) -> Self::Input;

    /// The input that tells of a new image, and of the topics that are gone since the last one.
    fn image(image: Arc<Image>, deleted_topics: Vec<Arc<str>>) -> Self::Input;
}
