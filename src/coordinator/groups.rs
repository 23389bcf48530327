//! The group coordinator: [`group::Groups`] over the partitions of `__consumer_offsets`.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Unavailable;
use super::shards::{Parts, Shards};
use super::stored::{Malformed, State, Stored};
use super::view::View;
use crate::base::clock::Clock;
use crate::base::id::NodeId;
use crate::config::broker::Config;
use crate::group::{self, Activate, NewImage, Request};
use crate::meta::{Changes, Image};
use crate::partition::Set;
use crate::wire::compress::{Codec, Compression};
use crate::wire::group_records::Record;

impl Stored for group::Groups {
    const TOPIC: &'static str = "__consumer_offsets";

    fn encode(record: &Record) -> (Vec<u8>, Option<Vec<u8>>) {
        record.encode()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, Malformed> {
        Record::decode(key, value).map_err(|why| Malformed(why.to_string()))
    }

    fn replay_transactional(
        &mut self,
        offset: i64,
        producer_id: i64,
        record: &Record,
    ) -> Result<(), Self::ReplayError> {
        Self::replay_transactional(self, offset, producer_id, record)
    }

    fn end_transaction(&mut self, producer_id: i64, is_committed: bool) {
        Self::end_transaction(self, producer_id, is_committed);
    }

    fn state(&self) -> impl Iterator<Item = State<Record>> {
        Self::state(self).map(|group::Stated { offset, producer_id, record }| State {
            offset,
            producer_id,
            record,
        })
    }

    fn activate(_: i32) -> group::Input {
        Activate.into_input()
    }

    fn image(image: Arc<Image>, deleted_topics: Vec<Arc<str>>) -> group::Input {
        NewImage { image, deleted_topics }.into_input()
    }
}

/// The group coordinator of this node; cheap to clone.
#[derive(Clone)]
pub struct Groups {
    shards: Shards<group::Groups>,
}

impl Groups {
    /// The topic that holds the groups.
    pub const TOPIC: &'static str = <group::Groups as Stored>::TOPIC;

    /// Coordinates nothing before [`Groups::start`]. To be called within a tokio runtime, in which the shards run.
    pub fn new(config: &Config, node: NodeId, clock: Clock, partitions: Arc<Set>, view: View) -> Self {
        let settings = group::Settings::of(config);
        let values = &config.values;
        let codec = i16::try_from(values.int("offsets.topic.compression.codec")).ok();
        let codec = codec.and_then(|id| Codec::from_id(id).ok()).unwrap_or(Codec::None);
        let timeout_ms = u64::try_from(values.int("offsets.commit.timeout.ms")).unwrap_or(0);
        let shards = Shards::new(Parts {
            node,
            clock,
            partitions,
            machine: Box::new(move |image| group::Groups::new(settings.clone(), image)),
            compression: Compression::from(codec),
            commit_timeout: Duration::from_millis(timeout_ms),
            load_bytes: values.size("offsets.load.buffer.size"),
            partition_count_new: values.int("offsets.topic.num.partitions"),
            runtime: Handle::current(),
            view: Some(view),
        });
        Self { shards }
    }

    /// Loads the groups that are here, in the background.
    pub fn start(&self, image: Arc<Image>) {
        self.shards.start(image);
    }

    /// Follows a metadata change, after the replicas have.
    pub fn apply_changes(&self, image: &Image, changes: &Changes) {
        self.shards.apply_changes(image, changes);
    }

    /// Ends the coordinator; what was taken is answered as far as it can be.
    pub async fn stop(&self) {
        self.shards.stop().await;
    }

    /// The partition of the topic that `group` belongs to.
    pub fn partition_of(&self, group: &str) -> i32 {
        self.shards.partition_of(group)
    }

    /// Asks the coordinator of `group`.
    pub async fn ask<R: Request>(&self, group: &str, request: R) -> Result<R::Answer, Unavailable> {
        self.ask_partition(self.partition_of(group), request).await
    }

    /// Asks the coordinator of one partition of the topic.
    pub async fn ask_partition<R: Request>(
        &self,
        partition: i32,
        request: R,
    ) -> Result<R::Answer, Unavailable> {
        self.shards.ask(partition, request.into_input(), R::answer).await
    }

    /// Asks every partition that is coordinated here; the answers come by partition.
    pub async fn ask_all<R: Request + Clone>(&self, request: R) -> Vec<Result<R::Answer, Unavailable>> {
        self.shards.ask_all(|| request.clone().into_input(), R::answer).await
    }
}
