//! JoinGroup (`GroupMetadataManager.classicGroupJoinToClassicGroup`).

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;

use super::rebalance::{Begun, Joining};
use super::roster::{Member, Protocol, Roster};
use super::turn::{Asker, Turn, joined, refused, text, unsynced};
use super::{Code, Group, Phase, Rebalance, State};
use crate::group::request::{Ask, Client, Reply};
use crate::group::{Group as AnyGroup, Groups, Outcome, Timer};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

/// How long somebody who has never been in a generation may wait for one, in ms: it cannot heartbeat, and a client
/// that gave up is not noticed otherwise (`CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
const NEW_MEMBER_JOIN_MS: i64 = 5 * 60 * 1000;

/// From this version on a new member gets its id first, and joins with it (KIP-394).
const VERSION_MEMBER_ID_REQUIRED: i16 = 4;

/// From this version on a static leader that comes back can be told not to assign (KIP-814).
const VERSION_SKIP_ASSIGNMENT: i16 = 9;

/// A member's id is made of its instance id with a uuid behind; records have no longer strings than 32,767 bytes.
const INSTANCE_ID_BYTES_MAX: usize = 32_000;

/// Who wants to join; nothing in it is a slice of the request's frame.
struct Joiner {
    asker: Asker,
    client: Client,
    /// Empty if it has none.
    member: Arc<str>,
    /// The id that it gets if it needs one.
    fresh_member: Arc<str>,
    instance: Option<Arc<str>>,
    protocol_type: Arc<str>,
    protocols: Vec<Protocol>,
    rebalance_ms: i32,
    session_ms: i32,
}

impl Joiner {
    fn of(token: Token, ask: Ask<JoinGroupRequest>) -> Self {
        let Ask { body, version, client, fresh_id } = ask;
        let instance: Option<Arc<str>> = body.group_instance_id.as_deref().map(Arc::from);
        let fresh_member = format!("{}-{fresh_id}", instance.as_ref().unwrap_or(&client.id)).into();
        let protocol = |protocol: &kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol| {
            let metadata = Bytes::copy_from_slice(&protocol.metadata);
            Protocol { name: Arc::from(&*protocol.name), metadata }
        };
        Self {
            asker: Asker { token, version },
            client,
            member: Arc::from(&*body.member_id),
            fresh_member,
            instance,
            protocol_type: Arc::from(&*body.protocol_type),
            protocols: body.protocols.iter().map(protocol).collect(),
            // Version 0 knows one timeout.
            rebalance_ms: if version == 0 { body.session_timeout_ms } else { body.rebalance_timeout_ms },
            session_ms: body.session_timeout_ms,
        }
    }
}

impl Groups {
    pub(in crate::group) fn join_group(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<JoinGroupRequest>,
    ) -> Outcome {
        let body = &ask.body;
        let refuse = |code| {
            let answer = refused(ask.version, &body.member_id, code);
            Decision::answer(token, Reply::JoinGroup(answer), vec![])
        };
        if body.group_id.is_empty() {
            return refuse(Code::InvalidGroupId);
        }
        if body.group_instance_id.as_ref().is_some_and(|id| id.len() > INSTANCE_ID_BYTES_MAX) {
            return refuse(Code::UnknownServerError);
        }
        let session_ms = self.settings.classic_session_ms_min..=self.settings.classic_session_ms_max;
        if !session_ms.contains(&body.session_timeout_ms) {
            return refuse(Code::InvalidSessionTimeout);
        }
        if self.is_other(&body.group_id) {
            return refuse(Code::InconsistentGroupProtocol);
        }
        let records = match self.groups.get(&**body.group_id) {
            Some(AnyGroup::Consumer(group)) if !group.is_empty() => {
                return self.consumer_classic_join(at, token, ask);
            }
            Some(AnyGroup::Classic(_)) => vec![],
            Some(AnyGroup::Consumer(_)) | None if !body.member_id.is_empty() => {
                return refuse(Code::UnknownMemberId);
            }
            Some(AnyGroup::Consumer(_)) | None if !can_found(body) => {
                return refuse(Code::InconsistentGroupProtocol);
            }
            Some(AnyGroup::Consumer(_)) | None => self.found(at, &Arc::from(&**body.group_id)),
        };
        let group = ask.body.group_id.clone();
        let Some(mut turn) = self.classic_turn(at, &group) else { return refuse(Code::UnknownServerError) };
        turn.out.records = records;
        turn.join(Joiner::of(token, ask));
        turn.out
    }

    /// Makes the group, instead of an empty consumer group if there is one. The log learns of it although it is
    /// empty: tools see it from now on.
    fn found(&mut self, at: Moment, name: &Arc<str>) -> Vec<Record> {
        let mut records = match self.groups.get(name) {
            Some(AnyGroup::Consumer(_)) => self.consumer_to_classic_records(name),
            Some(AnyGroup::Classic(_)) | None => vec![],
        };
        let empty = Roster { since_ms: Some(at.now_ms), ..Roster::default() };
        records.push(Record::GroupMetadata { group: name.clone(), value: Some(empty.value()) });
        self.groups.insert(name.clone(), AnyGroup::Classic(Group::default()));
        records
    }
}

/// Whether the request names what a group needs to begin with.
fn can_found(body: &JoinGroupRequest) -> bool {
    !body.protocol_type.is_empty() && !body.protocols.is_empty()
}

impl Turn<'_> {
    fn join(&mut self, joiner: Joiner) {
        let version = joiner.asker.version;
        if !self.has_room(&joiner.member) {
            self.answer_join(joiner.asker.token, refused(version, "", Code::GroupMaxSizeReached));
            if self.group.roster().members.contains_key(&joiner.member) {
                self.remove(&joiner.member);
                self.complete_join_without();
            }
            return;
        }
        if !self.supports(&joiner) {
            let answer = refused(version, &joiner.member, Code::InconsistentGroupProtocol);
            return self.answer_join(joiner.asker.token, answer);
        }
        if joiner.member.is_empty() {
            return self.join_new(joiner);
        }
        self.join_known(joiner);
    }

    /// `GroupMetadataManager.acceptJoiningMember`: while members join, those who have count, so that of a group that
    /// became too large the last ones to come are refused.
    fn has_room(&mut self, member: &str) -> bool {
        let size_max = self.settings.classic_size_max;
        match self.group.state() {
            State::Empty => true,
            State::PreparingRebalance => {
                let (_, preparing) = self.preparing();
                preparing.joining.contains_key(member) || preparing.joining.len() < size_max
            }
            State::CompletingRebalance | State::Stable => {
                let members = &self.group.roster().members;
                members.contains_key(member) || members.len() < size_max
            }
        }
    }

    fn supports(&self, joiner: &Joiner) -> bool {
        match self.group.state() {
            State::Empty => !joiner.protocol_type.is_empty() && !joiner.protocols.is_empty(),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.group.roster().supports(&joiner.protocol_type, &joiner.protocols)
            }
        }
    }

    fn join_new(&mut self, joiner: Joiner) {
        let before = joiner.instance.as_deref();
        let before = before.and_then(|instance| self.group.roster().static_member(instance)).cloned();
        if let Some(before) = before {
            return self.replace(&before, joiner);
        }
        let member = joiner.fresh_member.clone();
        if joiner.instance.is_none() && joiner.asker.version >= VERSION_MEMBER_ID_REQUIRED {
            let timer = Timer::ClassicPending { group: self.name.clone(), member: member.clone() };
            self.timers.arm(self.at.now_ms.saturating_add(joiner.session_ms.into()), timer);
            let answer = refused(joiner.asker.version, &member, Code::MemberIdRequired);
            self.group.pending.insert(member);
            return self.answer_join(joiner.asker.token, answer);
        }
        self.add(member, joiner);
    }

    fn join_known(&mut self, joiner: Joiner) {
        let member = joiner.member.clone();
        let (token, version) = (joiner.asker.token, joiner.asker.version);
        if self.group.pending.contains(&member) {
            if joiner.instance.is_some() {
                // Ids are handed out to dynamic members alone.
                return self.answer_join(token, refused(version, &member, Code::UnknownServerError));
            }
            self.remove_pending(&member);
            return self.add(member, joiner);
        }
        if let Err(code) = self.group.roster().validate(&member, joiner.instance.as_deref()) {
            return self.answer_join(token, refused(version, &member, code));
        }
        let roster = self.group.roster();
        let says_the_same =
            roster.members.get(&member).is_some_and(|known| known.protocols == joiner.protocols);
        let leads = roster.leader.as_ref() == Some(&member);
        let is_answered = match self.group.state() {
            State::Empty | State::PreparingRebalance => false,
            // It may not have got its answer.
            State::CompletingRebalance => says_the_same,
            // A leader that comes again wants to assign again, because the topics have changed for example.
            State::Stable => says_the_same && !leads,
        };
        if is_answered {
            let answer = joined(version, roster, &member);
            return self.answer_join(token, answer);
        }
        let begun = self.enter();
        self.wait(&member, joiner, false);
        self.go_on(begun);
    }

    fn add(&mut self, id: Arc<str>, joiner: Joiner) {
        let begun = self.enter();
        let (roster, preparing) = self.preparing();
        if let (Begun::Earlier, Some(initial)) = (begun, &mut preparing.initial) {
            initial.has_newcomer = true;
        }
        let member = Member {
            instance: joiner.instance.clone(),
            client_id: joiner.client.id.clone(),
            client_host: joiner.client.host.clone(),
            rebalance_ms: joiner.rebalance_ms,
            session_ms: joiner.session_ms,
            protocols: Vec::new(),
            assignment: Bytes::new(),
        };
        roster.insert(id.clone(), member, &joiner.protocol_type);
        self.wait(&id, joiner, true);
        self.arm_session(&id, NEW_MEMBER_JOIN_MS);
        self.go_on(begun);
    }

    /// Notes that `id`, which is in the roster, has joined, and what it says now.
    fn wait(&mut self, id: &Arc<str>, joiner: Joiner, is_new: bool) {
        let (roster, preparing) = self.preparing();
        if let Some(member) = roster.members.get_mut(id) {
            update(member, &joiner);
        }
        let before = preparing.joining.insert(id.clone(), Joining { asker: joiner.asker, is_new });
        let Some(before) = before else { return };
        if let Some(joining) = preparing.joining.get_mut(id) {
            joining.is_new = before.is_new;
        }
        // Whoever asked before has given up, or is to try again.
        let answer = refused(before.asker.version, id, Code::RebalanceInProgress);
        self.answer_join(before.asker.token, answer);
    }

    /// A static member is back under a new id; whoever still uses the old one is fenced (KIP-345).
    fn replace(&mut self, before: &Arc<str>, joiner: Joiner) {
        let id = joiner.fresh_member.clone();
        match &mut self.group.rebalance {
            None => return self.replace_settled(before, joiner),
            Some(Rebalance { roster, phase: Phase::Preparing(preparing) }) => {
                rename(roster, before, &id, &joiner);
                if let Some(Joining { asker, .. }) = preparing.joining.remove(before) {
                    self.answer_join(asker.token, refused(asker.version, before, Code::FencedInstanceId));
                }
            }
            Some(Rebalance { roster, phase: Phase::Completing(waiting) }) => {
                rename(roster, before, &id, &joiner);
                if let Some(token) = waiting.remove(before) {
                    self.answer_sync(token, unsynced(Code::FencedInstanceId));
                }
            }
        }
        self.cancel_session(before);
        // While the leader assigns, it does so to the old id: all are to join again.
        let begun = self.enter();
        self.seen(&id);
        self.wait(&id, joiner, false);
        self.go_on(begun);
    }

    /// While nothing is under way, the new id takes over the assignment, unless the protocol would be another.
    fn replace_settled(&mut self, before: &Arc<str>, joiner: Joiner) {
        let id = joiner.fresh_member.clone();
        let leader_before = self.group.settled.leader.clone();
        let mut roster = self.group.settled.clone();
        rename(&mut roster, before, &id, &joiner);
        if !roster.fits_record() {
            let answer = refused(joiner.asker.version, "", Code::UnknownServerError);
            return self.answer_join(joiner.asker.token, answer);
        }
        self.cancel_session(before);
        if roster.select_protocol() != roster.protocol {
            let begun = self.enter();
            *self.preparing().0 = roster;
            self.seen(&id);
            self.wait(&id, joiner, false);
            return self.go_on(begun);
        }
        self.has_synced(before);
        self.arm_session(&id, joiner.session_ms.into());
        self.write(&roster);
        let answer = replaced(joiner.asker.version, &roster, &id, leader_before.as_deref());
        self.answer_join(joiner.asker.token, answer);
    }
}

/// The answer to a static member that takes over an assignment. It must not assign: a version that can say so says
/// so, others learn of the old leader id.
fn replaced(version: i16, roster: &Roster, id: &Arc<str>, leader_before: Option<&str>) -> JoinGroupResponse {
    let mut answer = joined(version, roster, id);
    if version >= VERSION_SKIP_ASSIGNMENT {
        answer.skip_assignment = roster.leader.as_ref() == Some(id);
    } else {
        answer.members.clear();
        answer.leader = text(leader_before.unwrap_or_default());
    }
    answer
}

/// Gives a static member its new id and what it says now; its client stays the one that the group knows.
fn rename(roster: &mut Roster, before: &Arc<str>, id: &Arc<str>, joiner: &Joiner) {
    if let Some(mut member) = roster.members.remove(before) {
        update(&mut member, joiner);
        roster.members.insert(id.clone(), member);
    }
    if roster.leader.as_ref() == Some(before) {
        roster.leader = Some(id.clone());
    }
}

fn update(member: &mut Member, joiner: &Joiner) {
    member.protocols.clone_from(&joiner.protocols);
    member.rebalance_ms = joiner.rebalance_ms;
    member.session_ms = joiner.session_ms;
}
