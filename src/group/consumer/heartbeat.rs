//! ConsumerGroupHeartbeat v0-1 (KIP-848, `GroupMetadataManager.consumerGroupHeartbeat`): joining, staying, leaving.
//!
//! v0: the server makes the member id of a member that joins without one; no expressions from Java clients.
//! v1: the client makes it (KIP-1082).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use kafka_protocol::messages::consumer_group_heartbeat_response::{
    Assignment, ConsumerGroupHeartbeatResponse, TopicPartitions as AssignedTopic,
};
use kafka_protocol::protocol::StrBytes;

use super::draft::Draft;
use super::member::{LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Member, Owned};
use super::{Group, Refused, records, validate};
use crate::base::id::uuid_to_text;
use crate::group::request::{Ask, Client, Reply};
use crate::group::{Code, Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

/// An answer, and what makes it true.
pub(super) type Answered = Result<(ConsumerGroupHeartbeatResponse, Outcome), Refused>;

impl Groups {
    pub(in crate::group) fn consumer_group_heartbeat(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<ConsumerGroupHeartbeatRequest>,
    ) -> Outcome {
        let answered = validate::heartbeat(&ask.body, ask.version, &self.settings).and_then(|()| {
            match ask.body.member_epoch {
                LEAVE_EPOCH | LEAVE_STATIC_EPOCH => self.consumer_leave(at, &ask.body),
                _ => self.consumer_stay(at, ask),
            }
        });
        match answered {
            Ok((response, mut outcome)) => {
                outcome.replies.push((token, Reply::ConsumerGroupHeartbeat(response)));
                outcome
            }
            Err(refused) => {
                let response = ConsumerGroupHeartbeatResponse::default()
                    .with_error_code(refused.code.code())
                    .with_error_message(Some(StrBytes::from_string(refused.text)));
                Decision::answer(token, Reply::ConsumerGroupHeartbeat(response), vec![])
            }
        }
    }

    /// Joins (epoch 0) or goes on.
    fn consumer_stay(&mut self, at: Moment, ask: Ask<ConsumerGroupHeartbeatRequest>) -> Answered {
        let id = self.consumer_name(&ask.body.group_id);
        let joins = ask.body.member_epoch == 0;
        let Opened { fresh, mut records, is_upgrade } = self.open_consumer_group(&id, joins)?;
        let group = match (&fresh, self.groups.get(&id)) {
            (Some(group), _) | (None, Some(AnyGroup::Consumer(group))) => group,
            (None, Some(AnyGroup::Classic(_)) | None) => {
                return Err(Refused::new(
                    Code::GroupIdNotFound,
                    format!("Group {id} is not a consumer group."),
                ));
            }
        };
        let mut draft = Draft {
            id: &id,
            group,
            image: &self.image,
            settings: &self.settings,
            shared: &mut self.consumer,
            timers: &mut self.timers,
            now_ms: at.now_ms,
            records: vec![],
            resolved: None,
        };
        let response = draft.heartbeat(&ask)?;
        records.append(&mut draft.records);
        if let Some(AnyGroup::Consumer(group)) = self.groups.get_mut(&id) {
            group.checked_image = Some(self.consumer.image_count);
        }
        let mut outcome = if is_upgrade { self.upgrade(at, &id) } else { Decision::none() };
        outcome.records = records;
        Ok((response, outcome))
    }

    /// The group that a member joins or is in.
    fn open_consumer_group(&mut self, id: &Arc<str>, joins: bool) -> Result<Opened, Refused> {
        let not_found = |text| Err(Refused::new(Code::GroupIdNotFound, text));
        let fresh = |records| Ok(Opened { fresh: Some(Group::default()), records, is_upgrade: false });
        if self.is_other(id) {
            return not_found(format!("Group {id} is not a consumer group."));
        }
        match self.groups.get(id) {
            None if !joins => not_found(format!("Consumer group {id} not found.")),
            None => fresh(vec![]),
            Some(AnyGroup::Consumer(_)) => Ok(Opened { fresh: None, records: vec![], is_upgrade: false }),
            Some(AnyGroup::Classic(_)) if !joins => not_found(format!("Group {id} is not a consumer group.")),
            Some(AnyGroup::Classic(classic)) if classic.is_empty() => fresh(classic.tombstones(id)),
            Some(AnyGroup::Classic(_)) => self.upgraded(id),
        }
    }
}

/// A group to work on.
pub(super) struct Opened {
    /// The group, if the log does not know it as a consumer group yet.
    pub(super) fresh: Option<Group>,
    /// What makes it one.
    pub(super) records: Vec<Record>,
    /// Whether it is a classic group with members now.
    pub(super) is_upgrade: bool,
}

impl Draft<'_> {
    fn heartbeat(
        &mut self,
        ask: &Ask<ConsumerGroupHeartbeatRequest>,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let request = &ask.body;
        let instance = request.instance_id.as_deref();
        self.check_room(&request.member_id, instance)?;
        let member_id: Arc<str> = match &*request.member_id {
            "" => uuid_to_text(ask.fresh_id).into(),
            id => id.into(),
        };
        let owned = request.topic_partitions.as_deref();
        let member = match instance {
            None => self.dynamic_member(&member_id, request.member_epoch, owned)?,
            Some(instance) => self.static_member(&member_id, instance, request.member_epoch, owned)?,
        };
        let after = updated(&member, request, &ask.client);

        let is_named = self.update_subscription(&member, &after);
        let regexes = self.update_regexes(&member, &after)?;
        let is_changed = is_named || regexes.is_updated;
        let is_assignor_new = member.assignor != after.assignor
            && self.group.preferred_assignor(&member, &after) != self.group.assignor();
        let must_bump = is_named || regexes.is_resolved || is_assignor_new;
        let epoch = self.update_epoch(must_bump, &member, &after);
        let target = self.update_target(epoch, &member, &after);
        let after = self.reconcile(after, &target, owned, is_changed)?;
        self.arm_session(
            &after.id,
            self.config("consumer.session.timeout.ms", self.settings.consumer_session_ms),
        );

        let interval_ms = self.config("consumer.heartbeat.interval.ms", self.settings.consumer_heartbeat_ms);
        let wants_all = request.member_epoch == 0 || is_full(request);
        let assignment =
            (wants_all || member.assigned != after.assigned).then(|| assignment(&after.assigned));
        Ok(ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(StrBytes::from_string(after.id.to_string())))
            .with_member_epoch(after.epoch)
            .with_heartbeat_interval_ms(interval_ms)
            .with_assignment(assignment))
    }

    /// Whether the group takes one more; a static member that is known adds none.
    pub(super) fn check_room(&self, member: &str, instance: Option<&str>) -> Result<(), Refused> {
        let is_known =
            self.group.members.contains_key(member) || self.group.static_member(instance).is_some();
        if is_known || self.group.members.len() < self.settings.consumer_size_max {
            return Ok(());
        }
        let max = self.settings.consumer_size_max;
        let text = format!("The consumer group has reached its maximum capacity of {max} members.");
        Err(Refused::new(Code::GroupMaxSizeReached, text))
    }

    fn dynamic_member(
        &self,
        id: &Arc<str>,
        epoch: i32,
        owned: Option<&[TopicPartitions]>,
    ) -> Result<Member, Refused> {
        let member = match self.group.members.get(id) {
            Some(member) => member.clone(),
            None if epoch == 0 => Member::new(id.clone()),
            None => return Err(Refused::unknown_member(id, self.id)),
        };
        validate::member_epoch(&member, epoch, owned)?;
        Ok(member)
    }

    fn static_member(
        &mut self,
        id: &Arc<str>,
        instance: &str,
        epoch: i32,
        owned: Option<&[TopicPartitions]>,
    ) -> Result<Member, Refused> {
        let existing = self.group.static_member(Some(instance)).cloned();
        if epoch != 0 {
            let member = check_instance(existing.as_ref(), id, instance)?.clone();
            validate::member_epoch(&member, epoch, owned)?;
            return Ok(member);
        }
        let Some(existing) = existing else {
            let known = self.group.members.get(id).cloned();
            return Ok(known.unwrap_or_else(|| Member::new(id.clone())));
        };
        if !existing.is_classic() && existing.epoch != LEAVE_STATIC_EPOCH {
            let text = format!(
                "Static member {id} with instance id {instance} cannot join the group because the instance id is \
                 owned by {} member.",
                existing.id
            );
            return Err(Refused::new(Code::UnreleasedInstanceId, text));
        }
        Ok(self.replace(&existing, id))
    }

    /// Lets `id` take the place of a static member, with all that it owns.
    pub(super) fn replace(&mut self, existing: &Member, id: &Arc<str>) -> Member {
        let heir = Member { id: id.clone(), epoch: 0, previous_epoch: 0, ..existing.clone() };
        let target = self.group.target.get(&existing.id).cloned().unwrap_or_default();
        self.records.extend(records::removed(self.id, &existing.id));
        self.records.push(records::subscription(self.id, &heir));
        self.records.push(records::target(self.id, id, &target));
        self.records.push(records::assignment(self.id, &heir));
        heir
    }
}

/// The static member of `instance`, if that is `id`.
pub(super) fn check_instance<'a>(
    existing: Option<&'a Member>,
    id: &str,
    instance: &str,
) -> Result<&'a Member, Refused> {
    let Some(existing) = existing else {
        return Err(Refused::new(Code::UnknownMemberId, format!("Instance id {instance} is unknown.")));
    };
    if *existing.id == *id {
        return Ok(existing);
    }
    let text =
        format!("Static member {id} with instance id {instance} was fenced by member {}.", existing.id);
    Err(Refused::new(Code::FencedInstanceId, text))
}

/// The member as the request describes it: what it leaves out stays as it was.
fn updated(member: &Member, request: &ConsumerGroupHeartbeatRequest, client: &Client) -> Member {
    let text = |new: &Option<StrBytes>, old: &Option<Arc<str>>| match new {
        Some(new) if old.as_deref() != Some(new) => Some(Arc::from(&**new)),
        _ => old.clone(),
    };
    let topics = request
        .subscribed_topic_names
        .as_ref()
        .map(|names| names.iter().map(|name| Arc::from(&*name.0)).collect::<BTreeSet<Arc<str>>>());
    Member {
        instance: text(&request.instance_id, &member.instance),
        rack: text(&request.rack_id, &member.rack),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => member.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        assignor: text(&request.server_assignor, &member.assignor),
        topics: match topics {
            Some(topics) if topics != *member.topics => Arc::new(topics),
            _ => member.topics.clone(),
        },
        regex: text(&request.subscribed_topic_regex, &member.regex),
        client_id: client.id.clone(),
        client_host: client.host.clone(),
        classic: None,
        ..member.clone()
    }
}

/// Whether a member sends all it has, as it does when joining and after errors.
fn is_full(request: &ConsumerGroupHeartbeatRequest) -> bool {
    request.rebalance_timeout_ms != -1
        && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
        && request.topic_partitions.is_some()
}

fn assignment(owned: &Owned) -> Assignment {
    let topics = owned.iter().map(|(topic, partitions)| {
        let topic = AssignedTopic::default().with_topic_id(*topic);
        topic.with_partitions(partitions.keys().copied().collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
