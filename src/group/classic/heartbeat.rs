//! Heartbeat (`GroupMetadataManager.classicGroupHeartbeat`).

use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;

use super::turn::Turn;
use super::{Code, State};
use crate::group::request::{Ask, Reply};
use crate::group::{Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};

impl Groups {
    pub(in crate::group) fn heartbeat(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<HeartbeatRequest>,
    ) -> Outcome {
        if let Some(AnyGroup::Consumer(_)) = self.groups.get(&**ask.body.group_id) {
            return self.consumer_classic_heartbeat(at, token, ask);
        }
        let result = match self.classic_turn(at, &ask.body.group_id) {
            _ if ask.body.group_id.is_empty() => Err(Code::InvalidGroupId),
            None => Err(Code::UnknownMemberId),
            Some(mut turn) => turn.heartbeat(&ask.body),
        };
        let error_code = result.map_or_else(|code| code.code(), |()| 0);
        let answer = HeartbeatResponse::default().with_error_code(error_code);
        Decision::answer(token, Reply::Heartbeat(answer), vec![])
    }
}

impl Turn<'_> {
    fn heartbeat(&mut self, body: &HeartbeatRequest) -> Result<(), Code> {
        let roster = self.group.roster();
        roster.validate(&body.member_id, body.group_instance_id.as_deref())?;
        if body.generation_id != roster.generation {
            return Err(Code::IllegalGeneration);
        }
        self.seen(&body.member_id);
        match self.group.state() {
            State::Empty => Err(Code::UnknownMemberId),
            State::PreparingRebalance => Err(Code::RebalanceInProgress),
            // A member heartbeats as soon as it has joined, while it waits for the leader.
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }
}
