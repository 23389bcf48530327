//! Layer 4: the group coordinator as a pure machine: classic and consumer groups, and the offsets that they commit
//! (`GroupMetadataManager`, `OffsetMetadataManager`).
//!
//! One machine is one partition of `__consumer_offsets`. Its durable state follows from that partition's records;
//! sessions, rebalances under way and who waits for what are soft and end with the machine.
//!
//! Requests and answers are the protocol's own messages: between them and a domain type of ours nothing would be
//! left to decide. Their strings and bytes are slices of whole request frames, so what is kept is copied.

mod classic;
mod consumer;
mod lists;
mod offsets;
mod others;
mod request;
mod settings;
mod state;
mod timers;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use kafka_protocol::error::ResponseError as Code;

pub use self::consumer::compiled_regex;
pub use self::offsets::{GroupOffsets, TopicOffsets, refused_transactional};
pub use self::request::{
    Activate, Ask, ConsumerGroupDescribe, DeleteGroups, DeletedGroup, DescribeGroups, EndTransaction,
    ListOffsets, NewImage, OffsetFetch,
};
pub use self::request::{Client, Input, Reply, Request};
pub use self::settings::Settings;
pub use self::state::Stated;
use self::timers::{Timer, Timers};
use crate::machine::{Decision, Entry, Machine, Moment, Token};
use crate::meta::Image;
use crate::wire::group_records::{OtherKind, Record};

/// How much the records of one decision may take. Kafka refuses what the topic's `max.message.bytes` does not allow, 1 MiB
/// unless it is raised; groups of a thousand members that say much need more.
const DECISION_BYTES_MAX: usize = 16 << 20;
/// What an offset takes in a record besides its strings, at most.
const OFFSET_RECORD_BYTES: usize = 64;
/// The same with the name of its topic, which has 249 bytes at most.
const OFFSET_BYTES_MAX: usize = OFFSET_RECORD_BYTES + 249;

/// What an input leads to.
type Outcome = Decision<Record, Reply>;
/// The same of an input that may be part of a transaction.
type Transactional = Decision<Entry<Record>, Reply>;

/// A group of either protocol.
#[derive(Debug)]
enum Group {
    /// Members assign partitions among themselves (JoinGroup, SyncGroup).
    Classic(classic::Group),
    /// The coordinator assigns them (KIP-848).
    Consumer(consumer::Group),
}

/// The groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Groups {
    settings: Settings,
    /// The cluster as this machine was last told of it.
    image: Arc<Image>,
    groups: BTreeMap<Arc<str>, Group>,
    /// Groups of protocols that are not served; none of them is in `groups`.
    others: BTreeMap<Arc<str>, OtherKind>,
    offsets: offsets::Offsets,
    consumer: consumer::Shared,
    timers: Timers,
}

/// A record of the log that cannot be true after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The record speaks of a member or group that the log has not introduced as such.
    #[error("the record does not fit the groups before it")]
    Unexpected,
}

impl Groups {
    /// Without groups; what the log holds is replayed next, then [`request::Activate`] is asked.
    pub fn new(settings: Settings, image: Arc<Image>) -> Self {
        let (groups, others) = (BTreeMap::new(), BTreeMap::new());
        let (offsets, consumer) = (offsets::Offsets::default(), consumer::Shared::default());
        Self { settings, image, groups, others, offsets, consumer, timers: Timers::default() }
    }
}

impl Machine for Groups {
    type Input = Input;
    type Record = Entry<Record>;
    type Reply = Reply;
    type ReplayError = ReplayError;

    fn step(&mut self, at: Moment, token: Token, input: Input) -> Transactional {
        self.decide(at, token, input)
    }

    fn replay(&mut self, offset: i64, entry: &Entry<Record>) -> Result<(), ReplayError> {
        match entry {
            Entry::Plain(record) => self.replay_plain(offset, record),
            Entry::Transactional { producer, record } => {
                self.replay_transactional(offset, producer.id, record)
            }
            Entry::End(ended) => {
                self.end_transaction(ended.producer.id, ended.is_committed);
                Ok(())
            }
        }
    }

    fn deadline(&self) -> Option<i64> {
        self.timers.deadline()
    }

    fn expire(&mut self, at: Moment) -> Transactional {
        self.expired(at).into()
    }
}

impl Groups {
    fn replay_plain(&mut self, offset: i64, record: &Record) -> Result<(), ReplayError> {
        match record {
            Record::OffsetCommit { group, topic, partition, value } => {
                if value.is_some() && !self.is_other(group) {
                    self.ensure_group(group);
                }
                self.offsets.replay(offset, group, topic, *partition, value.as_ref());
                Ok(())
            }
            Record::GroupMetadata { group, value } => self.replay_classic(group, value.as_ref()),
            Record::OtherGroupMetadata { kind, group, is_set } => {
                self.replay_other(*kind, group, *is_set);
                Ok(())
            }
            Record::ConsumerGroupMetadata { .. }
            | Record::ConsumerGroupPartitionMetadata { .. }
            | Record::ConsumerGroupMemberMetadata { .. }
            | Record::ConsumerGroupTargetAssignmentMetadata { .. }
            | Record::ConsumerGroupTargetAssignmentMember { .. }
            | Record::ConsumerGroupCurrentMemberAssignment { .. }
            | Record::ConsumerGroupRegularExpression { .. } => self.replay_consumer(record),
        }
    }

    fn expired(&mut self, at: Moment) -> Outcome {
        let Some(timer) = self.timers.take_due(at.now_ms) else { return Decision::none() };
        match timer {
            Timer::ClassicSession { group, member } => self.classic_session_expired(at, &group, &member),
            Timer::ClassicPending { group, member } => self.classic_pending_expired(at, &group, &member),
            Timer::ClassicJoin { group } => self.classic_join_expired(at, &group),
            Timer::ClassicSync { group } => self.classic_sync_expired(at, &group),
            Timer::ConsumerSession { group, member } => self.consumer_session_expired(at, &group, &member),
            Timer::ConsumerRebalance { group, member } => {
                self.consumer_rebalance_expired(at, &group, &member)
            }
            Timer::ConsumerJoin { group, member } => self.consumer_join_expired(at, &group, &member),
            Timer::ConsumerSync { group, member } => self.consumer_sync_expired(at, &group, &member),
            Timer::OffsetsExpiry => self.expire_offsets(at),
        }
    }
}

#[cfg(test)]
mod tests;
