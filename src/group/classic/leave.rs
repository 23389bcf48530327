//! LeaveGroup (`GroupMetadataManager.classicGroupLeave`).

use std::sync::Arc;

use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};

use super::rebalance::Begun;
use super::turn::Turn;
use super::{Code, State};
use crate::group::request::{Ask, Reply};
use crate::group::{Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};

/// From this version on members leave together, and by instance ids (KIP-345).
const VERSION_BATCH: i16 = 3;

impl Groups {
    pub(in crate::group) fn leave_group(
        &mut self,
        at: Moment,
        token: Token,
        mut ask: Ask<LeaveGroupRequest>,
    ) -> Outcome {
        if let Some(AnyGroup::Consumer(_)) = self.groups.get(&**ask.body.group_id) {
            return self.consumer_classic_leave(at, token, ask);
        }
        if ask.body.group_id.is_empty() {
            let answer = LeaveGroupResponse::default().with_error_code(Code::InvalidGroupId.code());
            return Decision::answer(token, Reply::LeaveGroup(answer), vec![]);
        }
        if ask.version < VERSION_BATCH {
            let member = MemberIdentity::default().with_member_id(std::mem::take(&mut ask.body.member_id));
            ask.body.members = vec![member];
        }
        let members = &ask.body.members;
        let (results, mut out) = match self.classic_turn(at, &ask.body.group_id) {
            None => (members.iter().map(|_| Err(Code::UnknownMemberId)).collect(), Decision::none()),
            Some(mut turn) => (turn.leave(members), turn.out),
        };
        out.replies.push((token, Reply::LeaveGroup(left(ask.version, members, &results))));
        out
    }
}

/// The answer; before members left together, the result of the one is the result.
pub(in crate::group) fn left(
    version: i16,
    members: &[MemberIdentity],
    results: &[Result<(), Code>],
) -> LeaveGroupResponse {
    let code = |result: &Result<(), Code>| result.map_or_else(|code| code.code(), |()| 0);
    if version < VERSION_BATCH {
        return LeaveGroupResponse::default().with_error_code(results.first().map_or(0, code));
    }
    let member = |(member, result): (&MemberIdentity, &Result<(), Code>)| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code(result))
    };
    LeaveGroupResponse::default().with_members(members.iter().zip(results).map(member).collect())
}

impl Turn<'_> {
    fn leave(&mut self, members: &[MemberIdentity]) -> Vec<Result<(), Code>> {
        let mut begun = None;
        let results: Vec<Result<(), Code>> =
            members.iter().map(|member| self.leave_one(member, &mut begun)).collect();
        if results.iter().all(Result::is_err) {
            return results;
        }
        match (begun, self.group.state()) {
            (Some(begun), _) => self.go_on(begun),
            // Ids that were never used have gone: those who have joined may have waited for them alone.
            (None, State::PreparingRebalance) => self.complete_join_if_all_did(),
            (None, State::Stable | State::CompletingRebalance) => self.rebalance(),
            (None, State::Empty) => {}
        }
        results
    }

    /// Takes one member out; the first in the group begins the rebalance.
    fn leave_one(&mut self, member: &MemberIdentity, begun: &mut Option<Begun>) -> Result<(), Code> {
        let (id, instance) = (&*member.member_id, member.group_instance_id.as_deref());
        let roster = self.group.roster();
        let known: Arc<str> = if id.is_empty() {
            // An administrator knows the instance id alone.
            instance.and_then(|instance| roster.static_member(instance)).ok_or(Code::UnknownMemberId)?.clone()
        } else if self.remove_pending(id) {
            return Ok(());
        } else {
            let roster = self.group.roster();
            roster.validate(id, instance)?;
            roster.members.get_key_value(id).ok_or(Code::UnknownMemberId)?.0.clone()
        };
        let entered = self.enter();
        begun.get_or_insert(entered);
        self.remove(&known);
        Ok(())
    }
}
