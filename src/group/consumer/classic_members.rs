//! Members of a consumer group that speak the classic protocol, while clients are upgraded one by one (KIP-848).
//!
//! They join, sync, heartbeat and leave as in a classic group, but nobody leads: the coordinator assigns. JoinGroup
//! is their reconciliation, in which they say what they still own; SyncGroup gives them what they own from then on;
//! Heartbeat tells them to join again when there is something to give up or to get.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;

use super::Group;
use super::heartbeat::check_instance;
use super::member::{Member, MemberState, Partitions};
use super::migration::assignment_bytes;
use crate::group::classic::{CONSUMER, left};
use crate::group::request::{Ask, Reply};
use crate::group::timers::Timer;
use crate::group::{Code, Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};

/// From this version on members leave together, and by instance ids (KIP-345).
const VERSION_BATCH: i16 = 3;

impl Groups {
    pub(in crate::group) fn consumer_classic_sync(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<SyncGroupRequest>,
    ) -> Outcome {
        let answer = match self.classic_sync(at, &ask.body) {
            Ok(assignment) => SyncGroupResponse::default()
                .with_protocol_type(ask.body.protocol_type)
                .with_protocol_name(ask.body.protocol_name)
                .with_assignment(assignment),
            Err(code) => SyncGroupResponse::default().with_error_code(code.code()),
        };
        Decision::answer(token, Reply::SyncGroup(answer), vec![])
    }

    fn classic_sync(&mut self, at: Moment, body: &SyncGroupRequest) -> Result<Bytes, Code> {
        let (id, group) = self.consumer_group(&body.group_id)?;
        let member = group.classic_member(&body.member_id, body.group_instance_id.as_deref())?;
        let classic = member.classic.clone().ok_or(Code::UnknownMemberId)?;
        if body.generation_id != member.epoch {
            return Err(Code::IllegalGeneration);
        }
        let protocol = classic.supported_protocols.first().ok_or(Code::InconsistentGroupProtocol)?;
        let other_type = body.protocol_type.as_deref().is_some_and(|kind| kind != CONSUMER);
        let other_name = body.protocol_name.as_deref().is_some_and(|name| *name != *protocol.name);
        if other_type || other_name {
            return Err(Code::InconsistentGroupProtocol);
        }
        let timer = |what: fn(Arc<str>, Arc<str>) -> Timer| what(id.clone(), member.id.clone());
        if group.assignment_epoch > member.epoch && member.state != MemberState::UnrevokedPartitions {
            let timer = timer(|group, member| Timer::ConsumerJoin { group, member });
            let due_ms = at.now_ms + i64::from(member.rebalance_timeout_ms);
            self.arm_if_absent(due_ms, timer);
            return Err(Code::RebalanceInProgress);
        }
        let owned: Partitions =
            member.assigned.iter().map(|(topic, of)| (*topic, of.keys().copied().collect())).collect();
        let assignment = assignment_bytes(&protocol.metadata, &owned, &self.image);
        let sync = timer(|group, member| Timer::ConsumerSync { group, member });
        let session = timer(|group, member| Timer::ConsumerSession { group, member });
        self.timers.cancel(&sync);
        self.timers.arm(at.now_ms + i64::from(classic.session_timeout_ms), session);
        Ok(assignment)
    }

    pub(in crate::group) fn consumer_classic_heartbeat(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<HeartbeatRequest>,
    ) -> Outcome {
        let result = self.classic_heartbeat(at, &ask.body);
        let error_code = result.map_or_else(|code| code.code(), |()| 0);
        let answer = HeartbeatResponse::default().with_error_code(error_code);
        Decision::answer(token, Reply::Heartbeat(answer), vec![])
    }

    fn classic_heartbeat(&mut self, at: Moment, body: &HeartbeatRequest) -> Result<(), Code> {
        let (id, group) = self.consumer_group(&body.group_id)?;
        let member = group.classic_member(&body.member_id, body.group_instance_id.as_deref())?;
        let classic = member.classic.clone().ok_or(Code::UnknownMemberId)?;
        if body.generation_id != member.epoch {
            return Err(Code::IllegalGeneration);
        }
        let has_to_join = member.epoch < group.assignment_epoch
            || member.state == MemberState::UnrevokedPartitions
            || (member.state == MemberState::UnreleasedPartitions && !group.waits_for_others(member));
        let (member_id, rebalance_ms) = (member.id.clone(), i64::from(member.rebalance_timeout_ms));
        let session = Timer::ConsumerSession { group: id.clone(), member: member_id.clone() };
        self.timers.arm(at.now_ms + i64::from(classic.session_timeout_ms), session);
        if has_to_join {
            let timer = Timer::ConsumerJoin { group: id, member: member_id };
            self.arm_if_absent(at.now_ms + rebalance_ms, timer);
            return Err(Code::RebalanceInProgress);
        }
        Ok(())
    }

    pub(in crate::group) fn consumer_classic_leave(
        &mut self,
        at: Moment,
        token: Token,
        mut ask: Ask<LeaveGroupRequest>,
    ) -> Outcome {
        if ask.version < VERSION_BATCH {
            let member = MemberIdentity::default().with_member_id(std::mem::take(&mut ask.body.member_id));
            ask.body.members = vec![member];
        }
        let members = &ask.body.members;
        let (results, mut outcome) = match self.consumer_group(&ask.body.group_id) {
            Err(code) => (vec![Err(code); members.len()], Decision::none()),
            Ok((id, group)) => {
                let found: Vec<_> = members.iter().map(|member| group.leaving(member)).collect();
                let results = found.iter().map(|found| found.as_ref().map(|_| ()).map_err(|code| *code));
                let results: Vec<_> = results.collect();
                let mut gone: Vec<Arc<str>> = found.into_iter().flatten().collect();
                gone.sort();
                gone.dedup();
                let outcome = if gone.is_empty() { Decision::none() } else { self.fence(at, &id, &gone) };
                (results, outcome)
            }
        };
        outcome.replies.push((token, Reply::LeaveGroup(left(ask.version, members, &results))));
        outcome
    }

    /// A member did not join again in time.
    pub(in crate::group) fn consumer_join_expired(
        &mut self,
        at: Moment,
        group: &Arc<str>,
        member: &Arc<str>,
    ) -> Outcome {
        self.consumer_session_expired(at, group, member)
    }

    /// A member that joined did not sync in time.
    pub(in crate::group) fn consumer_sync_expired(
        &mut self,
        at: Moment,
        group: &Arc<str>,
        member: &Arc<str>,
    ) -> Outcome {
        self.consumer_session_expired(at, group, member)
    }

    fn consumer_group(&self, id: &str) -> Result<(Arc<str>, &Group), Code> {
        match self.groups.get_key_value(id) {
            Some((id, AnyGroup::Consumer(group))) => Ok((id.clone(), group)),
            Some((_, AnyGroup::Classic(_))) | None => Err(Code::UnknownMemberId),
        }
    }

    fn arm_if_absent(&mut self, due_ms: i64, timer: Timer) {
        if !self.timers.is_armed(&timer) {
            self.timers.arm(due_ms, timer);
        }
    }
}

impl Group {
    fn classic_member(&self, id: &str, instance: Option<&str>) -> Result<&Member, Code> {
        match instance {
            None => self.members.get(id).ok_or(Code::UnknownMemberId),
            Some(instance) => check_instance(self.static_member(Some(instance)), id, instance)
                .map_err(|refused| refused.code),
        }
    }

    /// Who is meant to leave; an administrator names a static member without its id.
    fn leaving(&self, member: &MemberIdentity) -> Result<Arc<str>, Code> {
        let instance = member.group_instance_id.as_deref();
        let found = match (instance, &*member.member_id) {
            (Some(_), "") => self.static_member(instance).ok_or(Code::UnknownMemberId),
            (instance, id) => self.classic_member(id, instance),
        };
        found.map(|member| member.id.clone())
    }

    /// Whether partitions that a member is to own are still others'.
    fn waits_for_others(&self, member: &Member) -> bool {
        let target = self.target.get(&member.id).cloned().unwrap_or_default();
        let has = |topic, partition| member.assigned.get(topic).is_some_and(|of| of.contains_key(partition));
        target.iter().any(|(topic, of)| {
            let mut missing = of.iter().filter(|partition| !has(topic, partition));
            missing.any(|partition| self.partition_epoch(*topic, *partition).is_some())
        })
    }
}
