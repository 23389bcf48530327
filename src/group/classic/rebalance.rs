//! A rebalance: members join, a generation begins, its leader assigns (`GroupMetadataManager.prepareRebalance`,
//! `completeClassicGroupJoin`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::roster::Roster;
use super::turn::{Asker, Turn, joined, refused, unsynced};
use super::{Code, State};
use crate::group::{Groups, Outcome, Timer};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

/// How soon a rebalance for which nobody has come is looked at again, at least.
const ABSENT_WAIT_MS_MIN: i64 = 1_000;

/// A rebalance under way.
#[derive(Debug)]
pub(super) struct Rebalance {
    /// The members now, who are to make the next generation, or who have.
    pub(super) roster: Roster,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Members are to join.
    Preparing(Preparing),
    /// The leader is to assign: who waits for it.
    Completing(BTreeMap<Arc<str>, Token>),
}

#[derive(Debug, Default)]
pub(super) struct Preparing {
    /// Set while the group comes from having nobody.
    pub(super) initial: Option<Initial>,
    /// Who has joined.
    pub(super) joining: BTreeMap<Arc<str>, Joining>,
}

/// The delay of the first rebalance (KIP-134).
#[derive(Clone, Copy, Debug)]
pub(super) struct Initial {
    delay_ms: i64,
    /// What the group may still wait after this delay.
    remaining_ms: i64,
    /// Somebody came during this delay, which is therefore prolonged.
    pub(super) has_newcomer: bool,
}

/// A member that has joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joining {
    pub(super) asker: Asker,
    /// It has never been in a generation: it does not know that it is expected, so it can be given up while it waits.
    pub(super) is_new: bool,
}

/// How a rebalance came to be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Just now, with nobody in the group.
    Initial,
    /// Just now.
    Anew,
    /// Before.
    Earlier,
}

impl Turn<'_> {
    /// The rebalance, which `enter` has begun.
    fn under_way(&mut self) -> &mut Rebalance {
        self.group.rebalance.as_mut().expect("a rebalance is under way")
    }

    /// The rebalance whose members are to join, which `enter` has begun.
    pub(super) fn preparing(&mut self) -> (&mut Roster, &mut Preparing) {
        match self.under_way() {
            Rebalance { roster, phase: Phase::Preparing(preparing) } => (roster, preparing),
            Rebalance { phase: Phase::Completing(_), .. } => unreachable!("the members are to join"),
        }
    }

    /// Lets the members join, from whatever state; those who wait for an assignment of theirs are to join as well.
    pub(super) fn enter(&mut self) -> Begun {
        self.enter_because(Code::RebalanceInProgress)
    }

    /// The same; what those who wait are told.
    fn enter_because(&mut self, code: Code) -> Begun {
        let state = self.group.state();
        if state == State::PreparingRebalance {
            return Begun::Earlier;
        }
        let (mut roster, waiting) = match self.group.rebalance.take() {
            Some(Rebalance { roster, phase: Phase::Completing(waiting) }) => (roster, waiting),
            Some(Rebalance { phase: Phase::Preparing(_), .. }) | None => {
                (self.group.settled.clone(), BTreeMap::new())
            }
        };
        if state == State::CompletingRebalance {
            roster.members.values_mut().for_each(|member| member.assignment = Bytes::new());
        }
        let phase = Phase::Preparing(Preparing::default());
        self.group.rebalance = Some(Rebalance { roster, phase });
        for (member, token) in waiting {
            self.answer_sync(token, unsynced(code));
            self.seen(&member);
        }
        self.all_synced();
        if state == State::Empty { Begun::Initial } else { Begun::Anew }
    }

    /// Goes on with what `enter` began, now that the members are as they are.
    pub(super) fn go_on(&mut self, begun: Begun) {
        match begun {
            Begun::Initial => self.delay_initial(),
            Begun::Anew if self.has_all_joined() => self.complete_join(),
            Begun::Anew => self.arm_join(),
            Begun::Earlier => self.complete_join_if_all_did(),
        }
    }

    /// A rebalance for a reason other than a join.
    pub(super) fn rebalance(&mut self) {
        self.rebalance_because(Code::RebalanceInProgress);
    }

    /// The same; what those who wait for an assignment are told.
    pub(super) fn rebalance_because(&mut self, code: Code) {
        let begun = self.enter_because(code);
        self.go_on(begun);
    }

    /// A rebalance of members that the log does not have yet.
    pub(super) fn rebalance_of(&mut self, roster: Roster) {
        let phase = Phase::Preparing(Preparing::default());
        self.group.rebalance = Some(Rebalance { roster, phase });
        self.go_on(Begun::Anew);
    }

    fn delay_initial(&mut self) {
        let delay_ms = i64::from(self.settings.classic_initial_delay_ms);
        let (roster, preparing) = self.preparing();
        let remaining_ms = (roster.rebalance_ms() - delay_ms).max(0);
        preparing.initial = Some(Initial { delay_ms, remaining_ms, has_newcomer: false });
        self.arm_join_in(delay_ms);
    }

    fn arm_join(&mut self) {
        let ms = self.group.roster().rebalance_ms();
        self.arm_join_in(ms);
    }

    fn arm_join_in(&mut self, ms: i64) {
        let timer = Timer::ClassicJoin { group: self.name.clone() };
        self.timers.arm(self.at.now_ms.saturating_add(ms), timer);
    }

    fn has_all_joined(&mut self) -> bool {
        let nobody_pending = self.group.pending.is_empty();
        let (roster, preparing) = self.preparing();
        nobody_pending && preparing.joining.len() == roster.members.len()
    }

    /// `GroupMetadataManager.maybeCompleteJoinPhase`: the first rebalance ends by its delay alone.
    pub(super) fn complete_join_if_all_did(&mut self) {
        if self.group.state() == State::PreparingRebalance
            && self.preparing().1.initial.is_none()
            && self.has_all_joined()
        {
            self.complete_join();
        }
    }

    /// Somebody who was waited for is no more.
    pub(super) fn complete_join_without(&mut self) {
        if self.group.state() == State::PreparingRebalance && self.has_all_joined() {
            self.complete_join();
        }
    }

    /// Time is up, or everybody is there: a generation begins with those who have joined.
    fn complete_join(&mut self) {
        self.timers.cancel(&Timer::ClassicJoin { group: self.name.clone() });
        self.drop_absent();
        let (roster, preparing) = self.preparing();
        if !roster.members.is_empty() && !elect_present_leader(roster, preparing) {
            // Static members alone, none of whom has come: their sessions decide. Their time-outs may all be 0.
            let ms = self.group.roster().rebalance_ms().max(ABSENT_WAIT_MS_MIN);
            self.arm_join_in(ms);
            return;
        }
        let now_ms = self.at.now_ms;
        let (roster, _) = self.preparing();
        roster.generation = roster.generation.saturating_add(1);
        roster.protocol = roster.select_protocol();
        roster.since_ms = Some(now_ms);
        if roster.members.is_empty() { self.become_empty() } else { self.begin_sync() }
    }

    /// Members that have not joined in time go; static ones have until their session ends.
    fn drop_absent(&mut self) {
        let (roster, preparing) = self.preparing();
        let is_absent = |id: &Arc<str>| !preparing.joining.contains_key(id);
        let members = roster.members.iter().filter(|(_, member)| member.instance.is_none());
        let absent: Vec<Arc<str>> = members.map(|(id, _)| id).filter(|id| is_absent(id)).cloned().collect();
        for member in absent {
            self.preparing().0.remove(&member);
            self.cancel_session(&member);
        }
    }

    fn become_empty(&mut self) {
        if let Some(Rebalance { roster, .. }) = self.group.rebalance.take() {
            self.write(&roster);
        }
    }

    /// Tells those who have joined about their generation, and waits for all to sync.
    fn begin_sync(&mut self) {
        let (_, preparing) = self.preparing();
        let joining = std::mem::take(&mut preparing.joining);
        self.under_way().phase = Phase::Completing(BTreeMap::new());
        self.group.topics = self.group.roster().topics();
        let members: Vec<Arc<str>> = self.group.roster().members.keys().cloned().collect();
        for member in &members {
            if let Some(Joining { asker, .. }) = joining.get(member) {
                let answer = joined(asker.version, self.group.roster(), member);
                self.answer_join(asker.token, answer);
            }
            self.seen(member);
        }
        self.group.unsynced = members.into_iter().collect();
        let due_ms = self.at.now_ms.saturating_add(self.group.roster().rebalance_ms());
        self.timers.arm(due_ms, Timer::ClassicSync { group: self.name.clone() });
    }

    /// Makes `roster` what the log says.
    pub(super) fn write(&mut self, roster: &Roster) {
        let offered = roster.members.iter().map(|(id, member)| (id.clone(), member.protocols.clone()));
        self.group.offered = offered.collect();
        let value = Some(roster.value());
        self.out.records.push(Record::GroupMetadata { group: self.name.clone(), value });
    }

    /// `member` has fetched its assignment or is gone.
    pub(super) fn has_synced(&mut self, member: &str) {
        self.group.unsynced.remove(member);
        if self.group.unsynced.is_empty() {
            self.all_synced();
        }
    }

    fn all_synced(&mut self) {
        self.group.unsynced.clear();
        self.timers.cancel(&Timer::ClassicSync { group: self.name.clone() });
    }

    /// Takes a member out of those who are to join.
    pub(super) fn remove(&mut self, member: &Arc<str>) {
        self.cancel_session(member);
        let (roster, preparing) = self.preparing();
        roster.remove(member);
        if let Some(Joining { asker, .. }) = preparing.joining.remove(member) {
            self.answer_join(asker.token, refused(asker.version, "", Code::UnknownMemberId));
        }
    }

    /// Forgets a member id that was handed out; whether it was.
    pub(super) fn remove_pending(&mut self, member: &str) -> bool {
        let Some(member) = self.group.pending.take(member) else { return false };
        self.timers.cancel(&Timer::ClassicPending { group: self.name.clone(), member });
        true
    }

    fn join_expired(&mut self) {
        let State::PreparingRebalance = self.group.state() else { return };
        let delay_ms = i64::from(self.settings.classic_initial_delay_ms);
        let (_, preparing) = self.preparing();
        match preparing.initial {
            Some(initial) if initial.has_newcomer && initial.remaining_ms > 0 => {
                let next_ms = delay_ms.min(initial.remaining_ms);
                let remaining_ms = (initial.remaining_ms - initial.delay_ms).max(0);
                preparing.initial = Some(Initial { delay_ms: next_ms, remaining_ms, has_newcomer: false });
                self.arm_join_in(next_ms);
            }
            Some(_) | None => self.complete_join(),
        }
    }

    fn sync_expired(&mut self) {
        if !matches!(self.group.state(), State::CompletingRebalance | State::Stable) {
            return;
        }
        let late = std::mem::take(&mut self.group.unsynced);
        if late.is_empty() {
            return;
        }
        let begun = self.enter();
        for member in late {
            self.remove(&member);
        }
        self.go_on(begun);
    }

    fn session_expired(&mut self, member: &Arc<str>) {
        let waits = match self.group.rebalance.as_ref().map(|rebalance| &rebalance.phase) {
            Some(Phase::Preparing(preparing)) => {
                preparing.joining.get(member).is_some_and(|joining| !joining.is_new)
            }
            Some(Phase::Completing(waiting)) => waiting.contains_key(member),
            None => false,
        };
        if waits || !self.group.roster().members.contains_key(member) {
            return;
        }
        let begun = self.enter();
        self.remove(member);
        match begun {
            Begun::Earlier => self.complete_join_without(),
            Begun::Initial | Begun::Anew => self.go_on(begun),
        }
    }
}

/// Whether somebody who has joined leads, if need be from now on (`ClassicGroup.maybeElectNewJoinedLeader`).
fn elect_present_leader(roster: &mut Roster, preparing: &Preparing) -> bool {
    let is_present = |id: &Arc<str>| preparing.joining.contains_key(id);
    if roster.leader.as_ref().is_some_and(is_present) {
        return true;
    }
    let Some(present) = roster.members.keys().find(|id| is_present(id)) else { return false };
    roster.leader = Some(present.clone());
    true
}

impl Groups {
    fn classic_expired(&mut self, at: Moment, group: &str, expire: impl FnOnce(&mut Turn<'_>)) -> Outcome {
        let Some(mut turn) = self.classic_turn(at, group) else { return Decision::none() };
        expire(&mut turn);
        turn.out
    }

    pub(in crate::group) fn classic_session_expired(
        &mut self,
        at: Moment,
        group: &Arc<str>,
        member: &Arc<str>,
    ) -> Outcome {
        self.classic_expired(at, group, |turn| turn.session_expired(member))
    }

    pub(in crate::group) fn classic_pending_expired(
        &mut self,
        at: Moment,
        group: &Arc<str>,
        member: &Arc<str>,
    ) -> Outcome {
        self.classic_expired(at, group, |turn| {
            if turn.remove_pending(member) {
                turn.complete_join_without();
            }
        })
    }

    pub(in crate::group) fn classic_join_expired(&mut self, at: Moment, group: &Arc<str>) -> Outcome {
        self.classic_expired(at, group, |turn| turn.join_expired())
    }

    pub(in crate::group) fn classic_sync_expired(&mut self, at: Moment, group: &Arc<str>) -> Outcome {
        self.classic_expired(at, group, |turn| turn.sync_expired())
    }
}
