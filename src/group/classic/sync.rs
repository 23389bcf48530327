//! SyncGroup (`GroupMetadataManager.classicGroupSync`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;

use super::rebalance::{Phase, Rebalance};
use super::turn::{Turn, synced, unsynced};
use super::{Code, State};
use crate::group::request::{Ask, Reply};
use crate::group::{Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};

/// From this version on a member says which protocol it believes in (KIP-559).
const VERSION_PROTOCOL: i16 = 5;

impl Groups {
    pub(in crate::group) fn sync_group(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<SyncGroupRequest>,
    ) -> Outcome {
        let refuse = |code| Decision::answer(token, Reply::SyncGroup(unsynced(code)), vec![]);
        let names_protocol = ask.body.protocol_type.is_some() && ask.body.protocol_name.is_some();
        if ask.version >= VERSION_PROTOCOL && !names_protocol {
            return refuse(Code::InconsistentGroupProtocol);
        }
        if ask.body.group_id.is_empty() {
            return refuse(Code::InvalidGroupId);
        }
        match self.groups.get(&**ask.body.group_id) {
            Some(AnyGroup::Consumer(group)) if !group.is_empty() => {
                self.consumer_classic_sync(at, token, ask)
            }
            Some(AnyGroup::Consumer(_)) | None => refuse(Code::UnknownMemberId),
            Some(AnyGroup::Classic(_)) => {
                let Some(mut turn) = self.classic_turn(at, &ask.body.group_id) else {
                    return refuse(Code::UnknownMemberId);
                };
                turn.sync(token, &ask.body);
                turn.out
            }
        }
    }
}

impl Turn<'_> {
    fn sync(&mut self, token: Token, body: &SyncGroupRequest) {
        if let Err(code) = self.validate_sync(body) {
            return self.answer_sync(token, unsynced(code));
        }
        match self.group.state() {
            State::Empty => self.answer_sync(token, unsynced(Code::UnknownMemberId)),
            State::PreparingRebalance => self.answer_sync(token, unsynced(Code::RebalanceInProgress)),
            State::CompletingRebalance => self.sync_with_leader(token, body),
            State::Stable => {
                self.has_synced(&body.member_id);
                let roster = self.group.roster();
                let assignment = roster.members.get(&*body.member_id).map(|member| member.assignment.clone());
                let answer = synced(roster, &assignment.unwrap_or_default());
                self.answer_sync(token, answer);
            }
        }
    }

    fn validate_sync(&self, body: &SyncGroupRequest) -> Result<(), Code> {
        let roster = self.group.roster();
        roster.validate(&body.member_id, body.group_instance_id.as_deref())?;
        if body.generation_id != roster.generation {
            return Err(Code::IllegalGeneration);
        }
        let agrees =
            |said: Option<&str>, ours: Option<&str>| said.is_none() || ours.is_none() || said == ours;
        if agrees(body.protocol_type.as_deref(), roster.protocol_type.as_deref())
            && agrees(body.protocol_name.as_deref(), roster.protocol.as_deref())
        {
            Ok(())
        } else {
            Err(Code::InconsistentGroupProtocol)
        }
    }

    /// Waits for the leader's assignment, or, as the leader, makes it.
    fn sync_with_leader(&mut self, token: Token, body: &SyncGroupRequest) {
        self.has_synced(&body.member_id);
        let Some(Rebalance { roster, phase: Phase::Completing(waiting) }) = &mut self.group.rebalance else {
            return;
        };
        let leads = roster.leader.as_deref() == Some(&*body.member_id);
        let before = waiting.insert(Arc::from(&*body.member_id), token);
        if let Some(before) = before {
            // Whoever asked before has given up, or is to try again.
            self.answer_sync(before, unsynced(Code::RebalanceInProgress));
        }
        if leads {
            self.assign(body);
        }
    }

    /// The leader has assigned: the generation is complete, and those who wait learn of it.
    fn assign(&mut self, body: &SyncGroupRequest) {
        let Some(Rebalance { mut roster, phase: Phase::Completing(waiting) }) = self.group.rebalance.take()
        else {
            return;
        };
        let mut assignments: BTreeMap<&str, &Bytes> = BTreeMap::new();
        for assigned in &body.assignments {
            assignments.insert(&assigned.member_id, &assigned.assignment);
        }
        for (id, member) in &mut roster.members {
            let assignment = assignments.get(&**id).map(|assignment| Bytes::copy_from_slice(assignment));
            member.assignment = assignment.unwrap_or_default();
        }
        if !roster.fits_record() {
            self.group.rebalance = Some(Rebalance { roster, phase: Phase::Completing(waiting) });
            return self.rebalance_because(Code::UnknownServerError);
        }
        for (id, token) in waiting {
            let Some(member) = roster.members.get(&id) else { continue };
            self.answer_sync(token, synced(&roster, &member.assignment));
            // Nobody who waits is expected to heartbeat, so its session may have ended unnoticed.
            self.arm_session(&id, member.session_ms.into());
        }
        self.write(&roster);
    }
}
