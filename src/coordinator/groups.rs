//! The group coordinator: [`group::Groups`] over the partitions of `__consumer_offsets`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::Unavailable;
use super::hash::partition_of;
use super::shards::{Parts, Shards};
use super::stored::{Malformed, State, Stored};
use super::view::View;
use crate::base::clock::Clock;
use crate::base::id::{NodeId, TopicId};
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

    fn activate() -> group::Input {
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
    /// The topic, and its partitions as they were first seen: groups must not move when somebody adds partitions.
    topic: Arc<RwLock<Option<(TopicId, i32)>>>,
    partition_count_new: i32,
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
            runtime: Handle::current(),
            view: Arc::new(view),
        });
        Self {
            shards,
            topic: Arc::default(),
            partition_count_new: values.int("offsets.topic.num.partitions"),
        }
    }

    /// Loads the groups that are here, in the background.
    pub fn start(&self, image: Arc<Image>) {
        self.note_partition_count(&image);
        self.shards.start(image);
    }

    /// Follows a metadata change, after the replicas have.
    pub fn apply_changes(&self, image: &Image, changes: &Changes) {
        self.note_partition_count(image);
        self.shards.apply_changes(image, changes);
    }

    /// Ends the coordinator; what was taken is answered as far as it can be.
    pub async fn stop(&self) {
        self.shards.stop().await;
    }

    /// The partition of the topic that `group` belongs to.
    pub fn partition_of(&self, group: &str) -> i32 {
        let count = self.topic.read().map_or(self.partition_count_new, |(_, count)| count);
        partition_of(group, count)
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
        let answer = self.shards.submit(partition, request.into_input()).await?;
        R::answer(answer.await?).ok_or(Unavailable::NotAvailable)
    }

    /// Asks every partition that is coordinated here; the answers come by partition.
    pub async fn ask_all<R: Request + Clone>(&self, request: R) -> Vec<Result<R::Answer, Unavailable>> {
        let Some(partitions) = self.shards.partitions() else { return vec![Err(Unavailable::NotAvailable)] };
        let mut submitted = Vec::new();
        for partition in partitions {
            submitted.push(self.shards.submit(partition, request.clone().into_input()).await);
        }
        let mut answers = Vec::with_capacity(submitted.len());
        for answer in submitted {
            let reply = match answer {
                Ok(answer) => answer.await,
                Err(unavailable) => Err(unavailable),
            };
            answers.push(reply.and_then(|reply| R::answer(reply).ok_or(Unavailable::NotAvailable)));
        }
        answers
    }

    fn note_partition_count(&self, image: &Image) {
        let mut known = self.topic.write();
        let topic = image.topics.by_name(Self::TOPIC);
        let id = topic.map(|topic| topic.id);
        // What was seen first of a topic stays.
        if known.map(|(id, _)| id) != id {
            *known = topic.map(|topic| (topic.id, topic.partition_count()));
        }
    }
}
