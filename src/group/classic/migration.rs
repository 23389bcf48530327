//! A classic group that a consumer group takes over, and the way back (KIP-848).

use std::sync::Arc;

use super::rebalance::{Phase, Rebalance};
use super::roster::Roster;
use super::turn::{Turn, refused, unsynced};
use super::{Code, Group};
use crate::group::{Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment};
use crate::wire::group_records::Record;

impl Groups {
    /// Who is in a classic group that becomes a consumer group. Its rebalance ends: those who wait for it are to try
    /// again, and its timers are disarmed. The group itself goes with the replay of its tombstone, which is the
    /// caller's to write.
    pub(in crate::group) fn end_classic(&mut self, at: Moment, group: &str) -> Option<(Roster, Outcome)> {
        let mut turn = self.classic_turn(at, group)?;
        let roster = turn.group.roster().clone();
        turn.end();
        Some((roster, turn.out))
    }

    /// Makes a consumer group a classic one with these members, who are given sessions and, if asked for, a
    /// rebalance. The caller writes the consumer group's tombstones before the record that comes back; their replay
    /// finds the classic group in place.
    pub(in crate::group) fn begin_classic(
        &mut self,
        at: Moment,
        name: &Arc<str>,
        roster: Roster,
        has_to_rebalance: bool,
    ) -> Vec<Record> {
        self.groups.insert(name.clone(), AnyGroup::Classic(Group::default()));
        let Some(mut turn) = self.classic_turn(at, name) else { return vec![] };
        turn.write(&roster);
        for (id, member) in &roster.members {
            turn.arm_session(id, member.session_ms.into());
        }
        if has_to_rebalance {
            turn.rebalance_of(roster);
        }
        turn.out.records
    }
}

impl Turn<'_> {
    fn end(&mut self) {
        self.group.cancel_timers(&self.name, self.timers);
        let rebalance = self.group.rebalance.take();
        let Decision { replies, .. } = &mut self.out;
        match rebalance.map(|Rebalance { phase, .. }| phase) {
            None => {}
            Some(Phase::Preparing(preparing)) => {
                for (member, joining) in preparing.joining {
                    let answer = refused(joining.asker.version, &member, Code::RebalanceInProgress);
                    replies.push((joining.asker.token, crate::group::Reply::JoinGroup(answer)));
                }
            }
            Some(Phase::Completing(waiting)) => {
                let answer = || crate::group::Reply::SyncGroup(unsynced(Code::RebalanceInProgress));
                replies.extend(waiting.into_values().map(|token| (token, answer())));
            }
        }
    }
}
