//! One input's way through one classic group.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;
use kafka_protocol::protocol::StrBytes;

use super::roster::Roster;
use super::{Code, Group};
use crate::group::request::Reply;
use crate::group::settings::Settings;
use crate::group::{Groups, Outcome, Timer, Timers};
use crate::machine::{Decision, Moment, Token};

/// The group, what it needs around it, and what has been decided so far.
pub(super) struct Turn<'a> {
    pub(super) at: Moment,
    pub(super) name: Arc<str>,
    pub(super) group: &'a mut Group,
    pub(super) timers: &'a mut Timers,
    pub(super) settings: &'a Settings,
    pub(super) out: Outcome,
}

impl Groups {
    /// A turn of the group, if it is a classic one.
    pub(super) fn classic_turn(&mut self, at: Moment, group: &str) -> Option<Turn<'_>> {
        let name = self.groups.get_key_value(group)?.0.clone();
        let crate::group::Group::Classic(group) = self.groups.get_mut(&name)? else { return None };
        let (timers, settings) = (&mut self.timers, &self.settings);
        Some(Turn { at, name, group, timers, settings, out: Decision::none() })
    }
}

/// A request that waits for the members to join.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) token: Token,
    /// The version it asked in.
    pub(super) version: i16,
}

/// What a name of ours is in an answer.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn optional(name: Option<&Arc<str>>) -> Option<StrBytes> {
    name.map(|name| text(name))
}

/// A refused JoinGroup; the protocol's name can be null from version 7 on.
pub(super) fn refused(version: i16, member: &str, code: Code) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_member_id(text(member))
        .with_protocol_name(if version < 7 { Some(StrBytes::new()) } else { None })
}

/// An accepted JoinGroup; the leader learns who is in the group.
pub(super) fn joined(version: i16, roster: &Roster, member: &Arc<str>) -> JoinGroupResponse {
    let protocol = roster.protocol.as_deref().unwrap_or_default();
    let mut answer = refused(version, member, Code::UnknownServerError)
        .with_error_code(0)
        .with_generation_id(roster.generation)
        .with_protocol_type(optional(roster.protocol_type.as_ref()))
        .with_leader(text(roster.leader.as_deref().unwrap_or_default()));
    if !protocol.is_empty() {
        answer.protocol_name = Some(text(protocol));
    }
    if roster.leader.as_ref() == Some(member) {
        answer.members = roster
            .members
            .iter()
            .map(|(id, member)| {
                JoinGroupResponseMember::default()
                    .with_member_id(text(id))
                    .with_group_instance_id(optional(member.instance.as_ref()))
                    .with_metadata(member.metadata(protocol))
            })
            .collect();
    }
    answer
}

/// A refused SyncGroup.
pub(super) fn unsynced(code: Code) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code.code())
}

/// An accepted SyncGroup.
pub(super) fn synced(roster: &Roster, assignment: &Bytes) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_protocol_type(optional(roster.protocol_type.as_ref()))
        .with_protocol_name(optional(roster.protocol.as_ref()))
        .with_assignment(assignment.clone())
}

impl Turn<'_> {
    /// Answers a JoinGroup.
    pub(super) fn answer_join(&mut self, token: Token, answer: JoinGroupResponse) {
        self.out.replies.push((token, Reply::JoinGroup(answer)));
    }

    /// Answers a SyncGroup.
    pub(super) fn answer_sync(&mut self, token: Token, answer: SyncGroupResponse) {
        self.out.replies.push((token, Reply::SyncGroup(answer)));
    }

    /// Arms the session of `member` for `ms` from now.
    pub(super) fn arm_session(&mut self, member: &Arc<str>, ms: i64) {
        let timer = Timer::ClassicSession { group: self.name.clone(), member: member.clone() };
        self.timers.arm(self.at.now_ms.saturating_add(ms), timer);
    }

    /// Disarms the session of `member`.
    pub(super) fn cancel_session(&mut self, member: &Arc<str>) {
        let timer = Timer::ClassicSession { group: self.name.clone(), member: member.clone() };
        self.timers.cancel(&timer);
    }

    /// A member has shown that it lives: its session begins anew.
    pub(super) fn seen(&mut self, member: &str) {
        let known = self.group.roster().members.get_key_value(member);
        let known = known.map(|(id, member)| (id.clone(), i64::from(member.session_ms)));
        if let Some((id, session_ms)) = known {
            self.arm_session(&id, session_ms);
        }
    }

    /// Everybody is given a session, and members above the limit a rebalance.
    pub(super) fn restart_sessions(&mut self) {
        let members: Vec<Arc<str>> = self.group.roster().members.keys().cloned().collect();
        for member in &members {
            self.seen(member);
        }
        if members.len() > self.settings.classic_size_max {
            self.rebalance();
        }
    }
}
