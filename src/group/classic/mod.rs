//! Classic groups: the members choose a leader, which assigns the partitions (`ClassicGroup`).
//!
//! **What is durable and what is not.** The log holds a group as of its last completed generation, or as empty: that
//! is [`Group::settled`], which `replay` alone sets, from a record and nothing else. A rebalance works on a copy,
//! [`Rebalance::roster`], with the requests that wait for it; it is soft, as are handed-out member ids, sessions and
//! who has fetched its assignment. So a rebalance that a failure interrupts has never been: the members find their
//! old generation again, and the first that heartbeats with the lost one is told to rejoin.
//!
//! A rebalance ends in `step` with the record of its roster, which `replay` then settles. One thing of a member is
//! not in that record, the protocols that it supports besides the one in use; `step` leaves them in
//! [`Group::offered`] for that replay. A group whose log was just loaded knows the protocol in use alone, as in
//! Kafka.
//!
//! ```text
//!             join                   all joined, or time is up         the leader's sync (record)
//! Empty ─────────────► Preparing ────────────────────────────► Completing ─────────────────────► Stable
//!   ▲  nobody is left      ▲            join, leave, time-out      │                               │
//!   └──────(record)────────┴───────────────────────────────────────┴──── join, leave, time-out ────┘
//! ```

mod heartbeat;
mod join;
mod leave;
mod migration;
mod rebalance;
mod roster;
mod subscription;
mod sync;
mod turn;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) use self::leave::left;
use self::rebalance::{Phase, Rebalance};
pub(super) use self::roster::{Member, Protocol, Roster};
pub(super) use self::subscription::{Assignment, Subscription};
use super::{Code, Groups, ReplayError, Timer, Timers};
use crate::machine::Moment;
use crate::wire::group_records::{GroupMetadataValue, Record};

/// The protocol type of consumers (`ConsumerProtocol.PROTOCOL_TYPE`).
pub(super) const CONSUMER: &str = "consumer";

/// Where a group is (`ClassicGroupState`); a group that is gone is not in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody is in it.
    Empty,
    /// Members are to join.
    PreparingRebalance,
    /// Members have joined, the leader is to assign.
    CompletingRebalance,
    /// Assigned.
    Stable,
}

impl State {
    /// As tools show it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// One classic group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// What the log says; true while no rebalance is under way.
    settled: Roster,
    /// A rebalance under way.
    rebalance: Option<Rebalance>,
    /// Member ids that were handed out and not used yet (KIP-394); each goes when its timer does.
    pending: BTreeSet<Arc<str>>,
    /// Members that have not fetched the assignment of this generation.
    unsynced: BTreeSet<Arc<str>>,
    /// Protocols of the members in the record that a step has just decided; the replay takes them.
    offered: BTreeMap<Arc<str>, Vec<Protocol>>,
    /// What this generation's members subscribe to; see [`Roster::topics`].
    topics: Option<BTreeSet<Arc<str>>>,
}

impl Group {
    /// Where it is.
    pub(super) fn state(&self) -> State {
        match &self.rebalance {
            Some(Rebalance { phase: Phase::Preparing(_), .. }) => State::PreparingRebalance,
            Some(Rebalance { phase: Phase::Completing(_), .. }) => State::CompletingRebalance,
            None if self.settled.members.is_empty() => State::Empty,
            None => State::Stable,
        }
    }

    /// What the log says of it.
    pub(super) fn settled(&self) -> &Roster {
        &self.settled
    }

    /// Who is in it now.
    pub(super) fn roster(&self) -> &Roster {
        self.rebalance.as_ref().map_or(&self.settled, |rebalance| &rebalance.roster)
    }

    /// Whether nobody is in the group.
    pub(super) fn is_empty(&self) -> bool {
        self.state() == State::Empty
    }

    /// What removes the group from the log.
    pub(super) fn tombstones(&self, group: &Arc<str>) -> Vec<Record> {
        vec![Record::GroupMetadata { group: group.clone(), value: None }]
    }

    /// Disarms all that is armed for the group, which is about to go.
    pub(super) fn cancel_timers(&self, name: &Arc<str>, timers: &mut Timers) {
        let group = || name.clone();
        timers.cancel(&Timer::ClassicJoin { group: group() });
        timers.cancel(&Timer::ClassicSync { group: group() });
        for member in &self.pending {
            timers.cancel(&Timer::ClassicPending { group: group(), member: member.clone() });
        }
        for member in self.roster().members.keys() {
            timers.cancel(&Timer::ClassicSession { group: group(), member: member.clone() });
        }
    }

    fn settle(&mut self, value: &GroupMetadataValue) {
        self.settled = Roster::of(value, std::mem::take(&mut self.offered));
        if self.rebalance.is_none() {
            self.topics = self.settled.topics();
        }
    }
}

impl Groups {
    pub(super) fn replay_classic(
        &mut self,
        group: &Arc<str>,
        value: Option<&GroupMetadataValue>,
    ) -> Result<(), ReplayError> {
        use super::Group::{Classic, Consumer};
        match (value, self.groups.get_mut(group)) {
            (Some(value), Some(Classic(group))) => group.settle(value),
            // A consumer group that is there was replaced by this one: its tombstones are older than the record,
            // and may be compacted away.
            (Some(value), None | Some(Consumer(_))) => {
                let mut settled = Group::default();
                settled.settle(value);
                self.groups.insert(group.clone(), Classic(settled));
            }
            (None, Some(Classic(classic))) => {
                classic.cancel_timers(group, &mut self.timers);
                self.groups.remove(group);
            }
            (None, None | Some(Consumer(_))) => {}
        }
        Ok(())
    }

    /// A group that exists because offsets are committed for it (`OffsetMetadataManager.replay`).
    pub(super) fn ensure_group(&mut self, group: &Arc<str>) {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), super::Group::Classic(Group::default()));
        }
    }

    /// Starts the sessions of the members that the log brought back. A group that is larger than `group.max.size` by
    /// now is rebalanced, which gives its members the time to commit before some are refused.
    pub(super) fn activate_classic(&mut self, at: Moment) -> super::Outcome {
        let mut out = super::Outcome::none();
        let names: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for name in names {
            let Some(mut turn) = self.classic_turn(at, &name) else { continue };
            turn.restart_sessions();
            let mut decided = turn.out;
            out.records.append(&mut decided.records);
            out.replies.append(&mut decided.replies);
        }
        out
    }

    /// A member has shown that it lives other than by a heartbeat: it committed offsets.
    pub(super) fn classic_member_seen(&mut self, at: Moment, group: &str, member: &str) {
        let Some(mut turn) = self.classic_turn(at, group) else { return };
        match turn.group.state() {
            State::Stable | State::PreparingRebalance => turn.seen(member),
            State::Empty | State::CompletingRebalance => {}
        }
    }
}

#[cfg(test)]
impl Group {
    /// What is soft fits who is in the group.
    pub(super) fn assert_consistent(&self) {
        let members = &self.roster().members;
        assert!(self.offered.is_empty(), "a replay takes what its step offers");
        assert!(self.pending.iter().all(|id| !members.contains_key(id)), "pending and a member");
        assert!(self.unsynced.iter().all(|id| members.contains_key(id)), "unsynced and no member");
        match self.rebalance.as_ref().map(|rebalance| &rebalance.phase) {
            None => {}
            Some(Phase::Preparing(preparing)) => {
                assert!(preparing.joining.keys().all(|id| members.contains_key(id)), "joins and no member");
                assert!(self.unsynced.is_empty(), "nobody syncs while all join");
            }
            Some(Phase::Completing(waiting)) => {
                assert!(waiting.keys().all(|id| members.contains_key(id)), "waits and no member");
                assert!(!members.is_empty(), "nobody completes");
            }
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.rebalance.is_none() && self.pending.is_empty() && self.unsynced.is_empty()
    }
}
