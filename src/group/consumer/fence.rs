//! Members that leave, or that are put out since they were silent or too slow (`consumerGroupFenceMembers`).

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;

use super::heartbeat::{Answered, check_instance};
use super::member::{LEAVE_STATIC_EPOCH, Member, MemberState, Owned};
use super::{Refused, records, subscription};
use crate::group::timers::Timer;
use crate::group::{Code, Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment};
use crate::wire::group_records::Record;

impl Groups {
    pub(super) fn consumer_leave(&mut self, at: Moment, request: &ConsumerGroupHeartbeatRequest) -> Answered {
        let id = self.consumer_name(&request.group_id);
        let not_found = |text| Err(Refused::new(Code::GroupIdNotFound, text));
        let group = match self.groups.get(&id) {
            Some(AnyGroup::Consumer(group)) => group,
            Some(AnyGroup::Classic(_)) => return not_found(format!("Group {id} is not a consumer group.")),
            None => return not_found(format!("Group {id} not found.")),
        };
        let member_id = &*request.member_id;
        let member = match request.instance_id.as_deref() {
            None => group.members.get(member_id).ok_or_else(|| Refused::unknown_member(member_id, &id))?,
            Some(instance) => check_instance(group.static_member(Some(instance)), member_id, instance)?,
        };
        let response = ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(request.member_id.clone()))
            .with_member_epoch(request.member_epoch);
        if request.instance_id.is_some() && request.member_epoch == LEAVE_STATIC_EPOCH {
            let record = records::assignment(&id, &waiting(member));
            // What it had to give up is its heir's concern.
            let timer = Timer::ConsumerRebalance { group: id.clone(), member: member.id.clone() };
            self.timers.cancel(&timer);
            return Ok((response, Decision::unasked(vec![record])));
        }
        let members = vec![member.id.clone()];
        Ok((response, self.fence(at, &id, &members)))
    }

    /// Puts members out of their group, which they are in.
    pub(super) fn fence(&mut self, at: Moment, id: &Arc<str>, members: &[Arc<str>]) -> Outcome {
        for member in members {
            self.cancel_consumer_timers(id, member);
        }
        if let Some(outcome) = self.downgrade_without(at, id, members) {
            return outcome;
        }
        let Some(AnyGroup::Consumer(group)) = self.groups.get(id) else { return Decision::none() };
        let gone: Vec<&Member> = members.iter().filter_map(|member| group.members.get(member)).collect();
        let mut records: Vec<Record> = Vec::new();
        let (mut subscribers, mut regexes) = (group.subscribers.clone(), group.regexes.clone());
        for member in &gone {
            records.extend(records::removed(id, &member.id));
            subscription::remove_names(&mut subscribers, member);
            if let Some(regex) = member.regex() {
                subscription::remove(&mut regexes, regex);
            }
        }
        let is_used = |regex: &Arc<str>| regexes.contains_key(regex) || !group.regexes.contains_key(regex);
        for (regex, resolved) in group.resolved.iter().filter(|(regex, _)| !is_used(regex)) {
            records.push(records::regex_tombstone(id, regex));
            subscription::remove_resolved(&mut subscribers, resolved);
        }
        let hash = self.consumer.topic_hashes.of_group(&self.image, subscribers.keys());
        let epoch = group.epoch.saturating_add(1);
        records.push(records::epoch(id, epoch, hash));
        if gone.len() == group.members.len() {
            records.push(records::target_epoch(id, epoch, 0));
        }
        Decision::unasked(records)
    }

    pub(super) fn cancel_consumer_timers(&mut self, group: &Arc<str>, member: &Arc<str>) {
        let of = |timer: fn(Arc<str>, Arc<str>) -> Timer| timer(group.clone(), member.clone());
        for timer in [
            of(|group, member| Timer::ConsumerSession { group, member }),
            of(|group, member| Timer::ConsumerRebalance { group, member }),
            of(|group, member| Timer::ConsumerJoin { group, member }),
            of(|group, member| Timer::ConsumerSync { group, member }),
        ] {
            self.timers.cancel(&timer);
        }
    }

    /// Starts the sessions of the members that the log brought back.
    pub(in crate::group) fn activate_consumer(&mut self, now_ms: i64) {
        for (id, group) in &self.groups {
            let AnyGroup::Consumer(group) = group else { continue };
            let session_ms = i64::from(self.consumer_session_ms(id));
            for member in group.members.values() {
                let (group, of) = (id.clone(), member.id.clone());
                self.timers.arm(now_ms + session_ms, Timer::ConsumerSession { group, member: of });
                if member.state == MemberState::UnrevokedPartitions && !member.is_classic() {
                    let (group, of) = (id.clone(), member.id.clone());
                    let due_ms = now_ms + i64::from(member.rebalance_timeout_ms);
                    self.timers.arm(due_ms, Timer::ConsumerRebalance { group, member: of });
                }
            }
        }
    }

    /// A member was silent for its session.
    pub(in crate::group) fn consumer_session_expired(
        &mut self,
        at: Moment,
        group: &Arc<str>,
        member: &Arc<str>,
    ) -> Outcome {
        match self.groups.get(group) {
            Some(AnyGroup::Consumer(of)) if of.members.contains_key(member) => {
                self.fence(at, group, std::slice::from_ref(member))
            }
            Some(AnyGroup::Consumer(_) | AnyGroup::Classic(_)) | None => Decision::none(),
        }
    }

    /// A member did not give up its partitions in time.
    pub(in crate::group) fn consumer_rebalance_expired(
        &mut self,
        at: Moment,
        group: &Arc<str>,
        member: &Arc<str>,
    ) -> Outcome {
        let Some(AnyGroup::Consumer(of)) = self.groups.get(group) else { return Decision::none() };
        let is_late = |member: &Member| member.state == MemberState::UnrevokedPartitions;
        if of.members.get(member).is_some_and(is_late) {
            return self.fence(at, group, std::slice::from_ref(member));
        }
        Decision::none()
    }
}

/// A static member that is expected back: it keeps its partitions, from before any epoch, for its heir.
fn waiting(member: &Member) -> Member {
    let reset = |partitions: &std::collections::BTreeMap<i32, i32>| {
        partitions.keys().map(|partition| (*partition, 0)).collect()
    };
    let assigned: Owned = member.assigned.iter().map(|(topic, of)| (*topic, reset(of))).collect();
    Member {
        epoch: LEAVE_STATIC_EPOCH,
        assigned: Arc::new(assigned),
        revoking: Arc::default(),
        ..member.clone()
    }
}
