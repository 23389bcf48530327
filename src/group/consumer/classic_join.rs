//! JoinGroup of a member that speaks the classic protocol in a consumer group
//! (`GroupMetadataManager.classicGroupJoinToConsumerGroup`): its reconciliation, in which it says what it still owns.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::protocol::StrBytes;

use super::Group;
use super::draft::{Draft, Target};
use super::heartbeat::check_instance;
use super::member::{Member, Partitions};
use crate::base::id::uuid_to_text;
use crate::group::classic::{CONSUMER, Subscription};
use crate::group::request::{Ask, Client, Reply};
use crate::group::timers::Timer;
use crate::group::{Code, Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::meta::Image;
use crate::wire::group_records::{ClassicMemberMetadata, ClassicProtocol};

/// From this version on a new member gets its id first, and joins with it (KIP-394).
const VERSION_MEMBER_ID_REQUIRED: i16 = 4;
/// From this version on the protocol's name may be null in a refusal.
const VERSION_NO_PROTOCOL: i16 = 7;

/// What a JoinGroup came to.
enum Joined {
    /// The member is to come again with this id.
    MemberIdRequired(Arc<str>),
    /// It is in.
    In(Member),
    /// It is in, and with it all members speak the classic protocol: the group becomes a classic one.
    Downgraded {
        member: Member,
        /// The static member whose place it takes.
        replaces: Arc<str>,
        has_to_rebalance: bool,
    },
}

impl Groups {
    pub(in crate::group) fn consumer_classic_join(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<JoinGroupRequest>,
    ) -> Outcome {
        let refuse = |member: &str, code: Code| {
            let protocol = (ask.version < VERSION_NO_PROTOCOL).then(StrBytes::new);
            let answer = JoinGroupResponse::default()
                .with_error_code(code.code())
                .with_member_id(StrBytes::from_string(member.to_owned()))
                .with_protocol_name(protocol);
            Decision::answer(token, Reply::JoinGroup(answer), vec![])
        };
        let id = self.consumer_name(&ask.body.group_id);
        let policy = &*self.settings.migration_policy;
        let Some(AnyGroup::Consumer(group)) = self.groups.get(&id).filter(|_| policy != "DISABLED") else {
            return refuse(&ask.body.member_id, Code::InconsistentGroupProtocol);
        };
        let may_downgrade = self.may_downgrade(group.members.len());
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
        let (member, records) = match draft.classic_join(&ask, may_downgrade) {
            Err(code) => return refuse(&ask.body.member_id, code),
            Ok(Joined::MemberIdRequired(member)) => return refuse(&member, Code::MemberIdRequired),
            Ok(Joined::In(member)) => {
                let records = draft.records;
                if let Some(AnyGroup::Consumer(group)) = self.groups.get_mut(&id) {
                    group.checked_image = Some(self.consumer.image_count);
                }
                (member, records)
            }
            Ok(Joined::Downgraded { member, replaces, has_to_rebalance }) => {
                let members = with_heir(group, &member, &replaces);
                let records = self.downgrade(at, &id, members, has_to_rebalance);
                (member, records)
            }
        };
        Decision::answer(token, Reply::JoinGroup(joined(&member)), records)
    }
}

impl Group {
    /// Whether all classic members know one of these protocols.
    fn supports(&self, body: &JoinGroupRequest) -> bool {
        let count = |name: &str| self.classic_protocols.get(name).copied().unwrap_or(0);
        *body.protocol_type == *CONSUMER
            && body.protocols.iter().any(|protocol| count(&protocol.name) == self.classic_count)
    }
}

impl Draft<'_> {
    fn classic_join(&mut self, ask: &Ask<JoinGroupRequest>, may_downgrade: bool) -> Result<Joined, Code> {
        let body = &ask.body;
        let instance = body.group_instance_id.as_deref();
        let is_unknown = body.member_id.is_empty();
        let member_id: Arc<str> =
            if is_unknown { uuid_to_text(ask.fresh_id).into() } else { Arc::from(&*body.member_id) };
        self.check_room(&member_id, instance).map_err(|refused| refused.code)?;
        if !self.group.supports(body) {
            return Err(Code::InconsistentGroupProtocol);
        }
        if is_unknown && instance.is_none() && ask.version >= VERSION_MEMBER_ID_REQUIRED {
            return Ok(Joined::MemberIdRequired(member_id));
        }
        let replaced = self.group.static_member(instance).cloned();
        let known = || self.group.members.get(&member_id).cloned();
        let member = match (instance, &replaced) {
            (Some(_), Some(existing)) if is_unknown => self.replace(existing, &member_id),
            (None, _) | (Some(_), None) if instance.is_none() || is_unknown => {
                known().unwrap_or_else(|| Member::new(member_id.clone()))
            }
            (instance, existing) => {
                let instance = instance.unwrap_or_default();
                let found = check_instance(existing.as_ref(), &member_id, instance);
                found.map_err(|refused| refused.code)?.clone()
            }
        };
        let metadata = body.protocols.first().map(|protocol| &protocol.metadata);
        let subscription = Subscription::parse(metadata.ok_or(Code::InconsistentGroupProtocol)?);
        let subscription = subscription.map_err(|_| Code::InconsistentGroupProtocol)?;
        let owned = topic_partitions(&subscription, self.image);
        let after = described(&member, ask.version, body, subscription, &ask.client);

        let is_named = self.update_subscription(&member, &after);
        let regexes = self.update_regexes(&member, &after).map_err(|refused| refused.code)?;
        let is_changed = is_named || regexes.is_updated;
        let epoch = self.update_epoch(is_changed || regexes.is_resolved, &member, &after);
        let reconcile = |draft: &mut Self, after: Member, target: &Target| {
            draft.reconcile(after, target, Some(&owned), is_changed).map_err(|refused| refused.code)
        };
        self.timers.cancel(&Timer::ConsumerJoin { group: self.id.clone(), member: after.id.clone() });
        if let Some(replaced) = replaced.filter(|old| may_downgrade && self.is_last_modern(old)) {
            let has_to_rebalance = self.group.assignment_epoch < epoch.epoch;
            let last =
                Target { epoch: self.group.assignment_epoch, partitions: self.group.target_of(&after) };
            let member = if has_to_rebalance { after } else { reconcile(self, after, &last)? };
            return Ok(Joined::Downgraded { member, replaces: replaced.id, has_to_rebalance });
        }
        let target = self.update_target(epoch, &member, &after);
        let member = reconcile(self, after, &target)?;
        self.arm_session(&member.id, body.session_timeout_ms);
        let sync = Timer::ConsumerSync { group: self.id.clone(), member: member.id.clone() };
        self.timers.arm(self.now_ms + i64::from(member.rebalance_timeout_ms), sync);
        Ok(Joined::In(member))
    }

    fn is_last_modern(&self, member: &Member) -> bool {
        !member.is_classic() && self.group.classic_count + 1 == self.group.members.len()
    }
}

/// The member as its JoinGroup describes it.
fn described(
    member: &Member,
    version: i16,
    body: &JoinGroupRequest,
    subscription: Subscription,
    client: &Client,
) -> Member {
    let protocols = body.protocols.iter().map(|protocol| ClassicProtocol {
        name: Arc::from(&*protocol.name),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    let classic = ClassicMemberMetadata {
        session_timeout_ms: body.session_timeout_ms,
        supported_protocols: protocols.collect(),
    };
    let timeout_ms = if version == 0 { body.session_timeout_ms } else { body.rebalance_timeout_ms };
    let topics = subscription.topics.into_iter().collect();
    Member {
        instance: body.group_instance_id.as_deref().map(Arc::from).or_else(|| member.instance.clone()),
        rack: subscription.rack.or_else(|| member.rack.clone()),
        rebalance_timeout_ms: if timeout_ms == -1 { member.rebalance_timeout_ms } else { timeout_ms },
        topics: if *member.topics == topics { member.topics.clone() } else { Arc::new(topics) },
        regex: Some("".into()),
        client_id: client.id.clone(),
        client_host: client.host.clone(),
        classic: Some(Arc::new(classic)),
        ..member.clone()
    }
}

fn topic_partitions(subscription: &Subscription, image: &Image) -> Vec<TopicPartitions> {
    let known = subscription.owned.iter().filter_map(|(topic, partitions)| {
        let topic = TopicPartitions::default().with_topic_id(image.topics.by_name(topic)?.id.0);
        Some(topic.with_partitions(partitions.clone()))
    });
    known.collect()
}

/// The members once `heir` has taken the place of `replaced`, with what they are to own.
fn with_heir(group: &Group, heir: &Member, replaced: &Arc<str>) -> Vec<(Member, Arc<Partitions>)> {
    let target = |id: &Arc<str>| group.target.get(id).cloned().unwrap_or_default();
    let others = group.members.values().filter(|member| member.id != *replaced);
    let mut members: Vec<_> = others.map(|member| (member.clone(), target(&member.id))).collect();
    members.push((heir.clone(), target(replaced)));
    members
}

fn joined(member: &Member) -> JoinGroupResponse {
    let protocols = member.classic.iter().flat_map(|classic| &classic.supported_protocols);
    let protocol = protocols.map(|protocol| &*protocol.name).next().unwrap_or_default();
    JoinGroupResponse::default()
        .with_member_id(StrBytes::from_string(member.id.to_string()))
        .with_generation_id(member.epoch)
        .with_protocol_type(Some(StrBytes::from_static_str(CONSUMER)))
        .with_protocol_name(Some(StrBytes::from_string(protocol.to_owned())))
}
