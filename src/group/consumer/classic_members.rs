//! Members of a consumer group that speak the classic protocol.

use std::sync::Arc;

use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;

use crate::group::request::{Ask, Reply};
use crate::group::{Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

impl Groups {
    pub(in crate::group) fn consumer_classic_join(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<JoinGroupRequest>,
    ) -> Outcome {
        Decision::answer(token, Reply::JoinGroup(JoinGroupResponse::default()), vec![])
    }

    pub(in crate::group) fn consumer_classic_sync(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<SyncGroupRequest>,
    ) -> Outcome {
        Decision::answer(token, Reply::SyncGroup(SyncGroupResponse::default()), vec![])
    }

    pub(in crate::group) fn consumer_classic_heartbeat(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<HeartbeatRequest>,
    ) -> Outcome {
        Decision::answer(token, Reply::Heartbeat(HeartbeatResponse::default()), vec![])
    }

    pub(in crate::group) fn consumer_classic_leave(
        &mut self,
        _at: Moment,
        token: Token,
        _ask: Ask<LeaveGroupRequest>,
    ) -> Outcome {
        Decision::answer(token, Reply::LeaveGroup(LeaveGroupResponse::default()), vec![])
    }

    /// What turns an empty consumer group into a classic one.
    pub(in crate::group) fn consumer_to_classic_records(&self, _group: &Arc<str>) -> Vec<Record> {
        vec![]
    }
}

/// State of a group as tools show it (`ConsumerGroupState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum State {
    /// Nobody is in it.
    Empty,
}

impl State {
    /// As Kafka writes it.
    pub(in crate::group) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
        }
    }
}

impl super::Group {
    /// The state as tools show it.
    pub(in crate::group) fn state(&self) -> State {
        State::Empty
    }
}
