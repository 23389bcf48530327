//! Classic groups: the members choose a leader, which assigns the partitions (`ClassicGroup`).

use std::sync::Arc;

use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;

use super::request::{Ask, Reply};
use super::{Code, Groups, Outcome, ReplayError};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::{GroupMetadataValue, Record};

/// One classic group.
#[derive(Debug, Default)]
pub(super) struct Group {}

impl Group {
    /// Whether an offset may be committed (`ClassicGroup.validateOffsetCommit`).
    pub(super) fn validate_offset_commit(
        &self,
        _member: &str,
        _instance: Option<&str>,
        _generation: i32,
        _is_transactional: bool,
    ) -> Result<(), Code> {
        Ok(())
    }

    /// Whether committed offsets may be read (`ClassicGroup.validateOffsetFetch`).
    pub(super) fn validate_offset_fetch(&self, _member: Option<&str>, _epoch: i32) -> Result<(), Code> {
        Ok(())
    }

    /// Whether offsets may be deleted (`ClassicGroup.validateOffsetDelete`).
    pub(super) fn validate_offset_delete(&self) -> Result<(), Code> {
        Ok(())
    }

    /// Whether the group may be deleted (`ClassicGroup.validateDeleteGroup`).
    pub(super) fn validate_delete(&self) -> Result<(), Code> {
        Ok(())
    }

    /// Whether members subscribe to `topic`; its offsets are then neither deleted nor expired.
    pub(super) fn is_subscribed_to(&self, _topic: &str) -> bool {
        false
    }

    /// From when on the retention time of an offset that was committed at `commit_ms` counts; none while it must
    /// not expire (`ClassicGroup.offsetExpirationCondition`).
    pub(super) fn expiry_base_ms(&self, commit_ms: i64, _is_subscribed: bool) -> Option<i64> {
        Some(commit_ms)
    }

    /// Whether nobody is in the group.
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    /// What removes the group from the log.
    pub(super) fn tombstones(&self, group: &Arc<str>) -> Vec<Record> {
        vec![Record::GroupMetadata { group: group.clone(), value: None }]
    }
}

impl Groups {
    pub(super) fn replay_classic(
        &mut self,
        _group: &Arc<str>,
        _value: Option<&GroupMetadataValue>,
    ) -> Result<(), ReplayError> {
        Ok(())
    }

    /// Starts the sessions of the members that the log brought back.
    pub(super) fn activate_classic(&mut self, _now_ms: i64) {}

    /// A member has shown that it lives other than by a heartbeat: it committed offsets.
    pub(super) fn classic_member_seen(&mut self, _at: Moment, _group: &str, _member: &str) {}

    pub(super) fn join_group(&mut self, _at: Moment, token: Token, _ask: Ask<JoinGroupRequest>) -> Outcome {
        Decision::answer(token, Reply::JoinGroup(JoinGroupResponse::default()), vec![])
    }

    pub(super) fn sync_group(&mut self, _at: Moment, token: Token, _ask: Ask<SyncGroupRequest>) -> Outcome {
        Decision::answer(token, Reply::SyncGroup(SyncGroupResponse::default()), vec![])
    }

    pub(super) fn heartbeat(&mut self, _at: Moment, token: Token, _ask: Ask<HeartbeatRequest>) -> Outcome {
        Decision::answer(token, Reply::Heartbeat(HeartbeatResponse::default()), vec![])
    }

    pub(super) fn leave_group(&mut self, _at: Moment, token: Token, _ask: Ask<LeaveGroupRequest>) -> Outcome {
        Decision::answer(token, Reply::LeaveGroup(LeaveGroupResponse::default()), vec![])
    }

    pub(super) fn classic_session_expired(&mut self, _: Moment, _: &Arc<str>, _: &Arc<str>) -> Outcome {
        Decision::none()
    }

    pub(super) fn classic_pending_expired(&mut self, _: Moment, _: &Arc<str>, _: &Arc<str>) -> Outcome {
        Decision::none()
    }

    pub(super) fn classic_join_expired(&mut self, _: Moment, _: &Arc<str>) -> Outcome {
        Decision::none()
    }

    pub(super) fn classic_sync_expired(&mut self, _: Moment, _: &Arc<str>) -> Outcome {
        Decision::none()
    }
}
