//! The group coordinator: [`group::Groups`] over the partitions of `__consumer_offsets`.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Unavailable;
use super::shards::{Parts, Shards};
use super::stored::{Encoded, KeyValue, Malformed, State, Stored};
use super::view::View;
use crate::base::clock::Clock;
use crate::base::id::NodeId;
use crate::config::broker::Config;
use crate::group::{self, Activate, NewImage, Request};
use crate::log::producers::Guard;
use crate::machine::Entry;
use crate::meta::{Changes, Image};
use crate::partition::{Replica, Set};
use crate::wire::compress::{Codec, Compression};
use crate::wire::group_records::Record;

impl Stored for group::Groups {
    const TOPIC: &'static str = "__consumer_offsets";

    fn encode(entry: &Entry<Record>) -> Entry<Encoded> {
        entry.as_ref().map(Record::encode)
    }

    fn decode(entry: Entry<KeyValue<'_>>) -> Result<Option<Entry<Record>>, Malformed> {
        let decoded = entry.map(|(key, value)| Record::decode(key, value));
        decoded.transpose().map_err(|why| Malformed(why.to_string()))
    }

    fn state(&self) -> impl Iterator<Item = State<Entry<Record>>> {
        Self::state(self).map(|group::Stated { offset, record }| State { offset, record })
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
            companion: None,
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

    /// As [`Groups::ask_partition`]: the first future is done once the request is in line. `guard` vouches for a write
    /// that belongs to a transaction.
    pub(super) async fn submit<R: Request>(
        &self,
        partition: i32,
        request: R,
        guard: Option<Guard>,
    ) -> Result<impl Future<Output = Result<R::Answer, Unavailable>> + Send + use<R>, Unavailable> {
        let answer = self.shards.submit(partition, request.into_input(), guard).await?;
        Ok(async { R::answer(answer.await?).ok_or(Unavailable::NotAvailable) })
    }

    /// The replica of a partition that is coordinated here.
    pub(super) fn replica(&self, partition: i32) -> Option<Arc<Replica>> {
        self.shards.replica(partition)
    }

    /// Asks every partition that is coordinated here; the answers come by partition.
    pub async fn ask_all<R: Request + Clone>(&self, request: R) -> Vec<Result<R::Answer, Unavailable>> {
        self.shards.ask_all(|| request.clone().into_input(), R::answer).await
    }
}
