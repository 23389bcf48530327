//! Members that speak the classic protocol in a consumer group (online migration, KIP-848).

use std::sync::Arc;

use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;

use super::Refused;
use super::heartbeat::Opened;
use crate::group::request::{Ask, Reply};
use crate::group::{Code, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

impl Groups {
    /// Turns a classic group with members into a consumer group.
    pub(super) fn upgrade(&mut self, _at: Moment, id: &Arc<str>) -> Result<Opened, Refused> {
        let text = format!(
            "Cannot upgrade classic group {id} to consumer group because online upgrade is disabled."
        );
        Err(Refused::new(Code::GroupIdNotFound, text))
    }

    /// Turns the group into a classic one if only classic members stay once `members` are gone.
    pub(super) fn downgrade_without(
        &mut self,
        _at: Moment,
        _id: &Arc<str>,
        _members: &[Arc<str>],
    ) -> Option<Outcome> {
        None
    }

    /// What makes an empty consumer group go, so that a classic one may take its name.
    pub(in crate::group) fn consumer_to_classic_records(&self, group: &Arc<str>) -> Vec<Record> {
        match self.groups.get(group) {
            Some(crate::group::Group::Consumer(of)) => of.tombstones(group),
            Some(crate::group::Group::Classic(_)) | None => vec![],
        }
    }

    pub(in crate::group) fn consumer_classic_join(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<JoinGroupRequest>,
    ) -> Outcome {
        let code = Code::InconsistentGroupProtocol.code();
        let reply = JoinGroupResponse::default().with_error_code(code);
        Decision::answer(token, Reply::JoinGroup(reply), vec![])
    }

    pub(in crate::group) fn consumer_classic_sync(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<SyncGroupRequest>,
    ) -> Outcome {
        let reply = SyncGroupResponse::default().with_error_code(Code::UnknownMemberId.code());
        Decision::answer(token, Reply::SyncGroup(reply), vec![])
    }

    pub(in crate::group) fn consumer_classic_heartbeat(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<HeartbeatRequest>,
    ) -> Outcome {
        let reply = HeartbeatResponse::default().with_error_code(Code::UnknownMemberId.code());
        Decision::answer(token, Reply::Heartbeat(reply), vec![])
    }

    pub(in crate::group) fn consumer_classic_leave(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<LeaveGroupRequest>,
    ) -> Outcome {
        let reply = LeaveGroupResponse::default().with_error_code(Code::UnknownMemberId.code());
        Decision::answer(token, Reply::LeaveGroup(reply), vec![])
    }

    pub(in crate::group) fn consumer_join_expired(
        &mut self,
        _: Moment,
        _: &Arc<str>,
        _: &Arc<str>,
    ) -> Outcome {
        Decision::none()
    }

    pub(in crate::group) fn consumer_sync_expired(
        &mut self,
        _: Moment,
        _: &Arc<str>,
        _: &Arc<str>,
    ) -> Outcome {
        Decision::none()
    }
}
