//! Consumer groups: the coordinator assigns the partitions (KIP-848; `ConsumerGroup`), and the way from classic
//! groups to them and back.

mod classic_members;

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;

use super::request::{Ask, ConsumerGroupDescribe, Reply};
use super::{Code, Groups, Outcome, ReplayError};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

/// One consumer group.
#[derive(Debug, Default)]
pub(super) struct Group {}

impl Group {
    /// Whether an offset may be committed (`ConsumerGroup.validateOffsetCommit`).
    pub(super) fn validate_offset_commit(
        &self,
        _member: &str,
        _instance: Option<&str>,
        _epoch: i32,
        _is_transactional: bool,
        _version: i16,
    ) -> Result<(), Code> {
        Ok(())
    }

    /// Whether committed offsets may be read (`ConsumerGroup.validateOffsetFetch`).
    pub(super) fn validate_offset_fetch(&self, _member: Option<&str>, _epoch: i32) -> Result<(), Code> {
        Ok(())
    }

    /// Whether offsets may be deleted (`ConsumerGroup.validateOffsetDelete`).
    pub(super) fn validate_offset_delete(&self) -> Result<(), Code> {
        Ok(())
    }

    /// Whether the group may be deleted (`ConsumerGroup.validateDeleteGroup`).
    pub(super) fn validate_delete(&self) -> Result<(), Code> {
        Ok(())
    }

    /// Whether members subscribe to `topic`; its offsets are then neither deleted nor expired.
    pub(super) fn is_subscribed_to(&self, _topic: &str) -> bool {
        false
    }

    /// From when on the retention time of an offset that was committed at `commit_ms` counts; none while it must
    /// not expire (`ConsumerGroup.offsetExpirationCondition`).
    pub(super) fn expiry_base_ms(&self, commit_ms: i64, _is_subscribed: bool) -> Option<i64> {
        Some(commit_ms)
    }

    /// How many are in the group.
    pub(super) fn member_count(&self) -> usize {
        0
    }

    /// Whether nobody is in the group.
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    /// What removes the group from the log.
    pub(super) fn tombstones(&self, group: &Arc<str>) -> Vec<Record> {
        vec![Record::ConsumerGroupMetadata { group: group.clone(), value: None }]
    }
}

impl Groups {
    pub(super) fn replay_consumer(&mut self, _record: &Record) -> Result<(), ReplayError> {
        Ok(())
    }

    /// Starts the sessions of the members that the log brought back.
    pub(super) fn activate_consumer(&mut self, _now_ms: i64) {}

    /// The cluster has changed: groups whose topics changed are to be rebalanced at the next heartbeat.
    pub(super) fn consumer_image_changed(&mut self) {}

    pub(super) fn consumer_group_heartbeat(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<ConsumerGroupHeartbeatRequest>,
    ) -> Outcome {
        let reply = ConsumerGroupHeartbeatResponse::default();
        Decision::answer(token, Reply::ConsumerGroupHeartbeat(reply), vec![])
    }

    pub(super) fn consumer_group_describe(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<ConsumerGroupDescribe>,
    ) -> Outcome {
        Decision::answer(token, Reply::ConsumerGroupDescribe(vec![]), vec![])
    }

    pub(super) fn consumer_session_expired(&mut self, _: Moment, _: &Arc<str>, _: &Arc<str>) -> Outcome {
        Decision::none()
    }

    pub(super) fn consumer_rebalance_expired(&mut self, _: Moment, _: &Arc<str>, _: &Arc<str>) -> Outcome {
        Decision::none()
    }

    pub(super) fn consumer_join_expired(&mut self, _: Moment, _: &Arc<str>, _: &Arc<str>) -> Outcome {
        Decision::none()
    }

    pub(super) fn consumer_sync_expired(&mut self, _: Moment, _: &Arc<str>, _: &Arc<str>) -> Outcome {
        Decision::none()
    }
}
