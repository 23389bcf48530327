//! A classic group becomes a consumer group once a member joins that speaks the consumer protocol, and is one again
//! once the last such member has left (KIP-848, `group.consumer.migration.policy`).

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::heartbeat::Opened;
use super::member::{Member, MemberState, Partitions, owned_at};
use super::{Group, Refused, records};
use crate::base::id::TopicId;
use crate::group::classic::{self, Assignment, CONSUMER, Roster, Subscription};
use crate::group::timers::Timer;
use crate::group::{Code, Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment};
use crate::meta::Image;
use crate::wire::group_records::{ClassicMemberMetadata, ClassicProtocol, Record};

/// Why a classic group cannot be a consumer group.
fn not_upgraded(group: &str, why: &str) -> Refused {
    let text = format!("Cannot upgrade classic group {group} to consumer group because {why}.");
    Refused::new(Code::GroupIdNotFound, text)
}

/// What a member of a classic group is in a consumer group, and what it owns.
struct Converted {
    member: Member,
    partitions: Partitions,
}

impl Groups {
    /// The consumer group that a classic group with members would be; nothing is changed yet.
    pub(super) fn upgraded(&mut self, id: &Arc<str>) -> Result<Opened, Refused> {
        let Some(AnyGroup::Classic(group)) = self.groups.get(id) else {
            return Err(not_upgraded(id, "it is none"));
        };
        let roster = group.roster();
        let policy = &*self.settings.migration_policy;
        if policy != "UPGRADE" && policy != "BIDIRECTIONAL" {
            return Err(not_upgraded(id, "online upgrade is disabled"));
        }
        if roster.protocol_type.as_deref() != Some(CONSUMER) {
            return Err(not_upgraded(id, "the group does not use the consumer embedded protocol"));
        }
        if roster.members.len() > self.settings.consumer_size_max {
            return Err(not_upgraded(id, "the group size exceeds the consumer group maximum size"));
        }
        let members = convert_members(id, roster, &self.image)?;
        let (epoch, mut records) = (roster.generation, group.tombstones(id));
        let made = self.records_of(id, epoch, &members);
        let mut fresh = Group::default();
        for record in &made {
            fresh.replay(record).expect("the records are those of a consumer group");
        }
        records.extend(made);
        Ok(Opened { fresh: Some(fresh), records, is_upgrade: true })
    }

    fn records_of(&mut self, id: &Arc<str>, epoch: i32, members: &[Converted]) -> Vec<Record> {
        let mut topics: Vec<_> = members.iter().flat_map(|of| of.member.topics.iter()).collect();
        topics.sort();
        topics.dedup();
        let hash = self.consumer.topic_hashes.of_group(&self.image, topics.into_iter());
        let mut made: Vec<_> = members.iter().map(|of| records::subscription(id, &of.member)).collect();
        made.push(records::epoch(id, epoch, hash));
        made.extend(members.iter().map(|of| records::target(id, &of.member.id, &of.partitions)));
        made.push(records::target_epoch(id, epoch, 0));
        made.extend(members.iter().map(|of| records::assignment(id, &of.member)));
        made
    }

    /// Ends a classic group that is upgraded: those who wait for its rebalance are told that there is another.
    pub(super) fn upgrade(&mut self, at: Moment, id: &Arc<str>) -> Outcome {
        let Some((roster, outcome)) = self.end_classic(at, id) else { return Decision::none() };
        for (member, of) in &roster.members {
            let timer = Timer::ConsumerSession { group: id.clone(), member: member.clone() };
            self.timers.arm(at.now_ms + i64::from(of.session_ms), timer);
        }
        outcome
    }

    /// Turns the group into a classic one if only classic members stay once `leaving` are gone.
    pub(super) fn downgrade_without(
        &mut self,
        at: Moment,
        id: &Arc<str>,
        leaving: &[Arc<str>],
    ) -> Option<Outcome> {
        let Some(AnyGroup::Consumer(group)) = self.groups.get(id) else { return None };
        let stay = || group.members.values().filter(|member| !leaving.contains(&member.id));
        if leaving.is_empty() || stay().next().is_none() || !stay().all(Member::is_classic) {
            return None;
        }
        if !self.may_downgrade(stay().count()) {
            return None;
        }
        let members: Vec<_> = stay().map(|member| (member.clone(), group.target_of(member))).collect();
        Some(Decision::unasked(self.downgrade(at, id, members, true)))
    }

    pub(super) fn may_downgrade(&self, members: usize) -> bool {
        let is_allowed = matches!(&*self.settings.migration_policy, "DOWNGRADE" | "BIDIRECTIONAL");
        is_allowed && members <= self.settings.classic_size_max
    }

    /// Makes the group a classic one of `members`, who speak the classic protocol, with what they are to own.
    pub(super) fn downgrade(
        &mut self,
        at: Moment,
        id: &Arc<str>,
        members: Vec<(Member, Arc<Partitions>)>,
        has_to_rebalance: bool,
    ) -> Vec<Record> {
        let Some(AnyGroup::Consumer(group)) = self.groups.get(id) else { return vec![] };
        let mut records = group.tombstones(id);
        let mut roster = Roster { generation: group.epoch, since_ms: Some(at.now_ms), ..Roster::default() };
        let gone: Vec<_> = group.members.keys().cloned().collect();
        for member in gone {
            self.cancel_consumer_timers(id, &member);
        }
        for (member, _) in &members {
            if let Some(of) = classic_member(member) {
                roster.insert(member.id.clone(), of, &CONSUMER.into());
            }
        }
        roster.protocol = roster.select_protocol();
        let protocol = roster.protocol.clone().unwrap_or_default();
        for (member, target) in &members {
            if let Some(of) = roster.members.get_mut(&member.id) {
                of.assignment = assignment_bytes(&of.metadata(&protocol), target, &self.image);
            }
        }
        records.extend(self.begin_classic(at, id, roster, has_to_rebalance));
        records
    }

    /// What makes an empty consumer group go, so that a classic one may take its name.
    pub(in crate::group) fn consumer_to_classic_records(&self, group: &Arc<str>) -> Vec<Record> {
        match self.groups.get(group) {
            Some(AnyGroup::Consumer(of)) => of.tombstones(group),
            Some(AnyGroup::Classic(_)) | None => vec![],
        }
    }
}

fn convert_members(id: &str, roster: &Roster, image: &Image) -> Result<Vec<Converted>, Refused> {
    let malformed = |_| not_upgraded(id, "the embedded consumer protocol is malformed");
    let protocol = roster.protocol.clone().or_else(|| roster.select_protocol()).unwrap_or_default();
    let mut members = Vec::with_capacity(roster.members.len());
    for (member_id, of) in &roster.members {
        let assignment = Assignment::parse(&of.assignment).map_err(malformed)?;
        if assignment.user_data.is_some_and(|data| !data.is_empty()) {
            return Err(not_upgraded(
                id,
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default \
                 assignor before re-attempting the upgrade",
            ));
        }
        let mut partitions = Partitions::new();
        for (topic, indexes) in assignment.partitions {
            if let Some(topic) = image.topics.by_name(&topic) {
                partitions.entry(topic.id.0).or_default().extend(indexes);
            }
        }
        let subscription = Subscription::parse(&of.metadata(&protocol)).map_err(malformed)?;
        let protocols = of.protocols.iter().map(|protocol| ClassicProtocol {
            name: protocol.name.clone(),
            metadata: protocol.metadata.clone(),
        });
        let classic = ClassicMemberMetadata {
            session_timeout_ms: of.session_ms,
            supported_protocols: protocols.collect(),
        };
        let member = Member {
            epoch: roster.generation,
            previous_epoch: roster.generation,
            state: MemberState::Stable,
            instance: of.instance.clone(),
            rack: subscription.rack,
            client_id: of.client_id.clone(),
            client_host: of.client_host.clone(),
            rebalance_timeout_ms: of.rebalance_ms,
            topics: Arc::new(subscription.topics.into_iter().collect()),
            assigned: Arc::new(owned_at(roster.generation, &partitions)),
            classic: Some(Arc::new(classic)),
            ..Member::new(member_id.clone())
        };
        members.push(Converted { member, partitions });
    }
    Ok(members)
}

fn classic_member(member: &Member) -> Option<classic::Member> {
    let classic = member.classic.as_deref()?;
    let protocols = classic.supported_protocols.iter().map(|protocol| classic::Protocol {
        name: protocol.name.clone(),
        metadata: protocol.metadata.clone(),
    });
    Some(classic::Member {
        instance: member.instance.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_ms: member.rebalance_timeout_ms,
        session_ms: classic.session_timeout_ms,
        protocols: protocols.collect(),
        assignment: Bytes::new(),
    })
}

/// `partitions` in the words of a consumer that subscribed with `subscription`; topics that are gone are left out.
pub(super) fn assignment_bytes(subscription: &[u8], partitions: &Partitions, image: &Image) -> Bytes {
    let version = Subscription::parse(subscription).map_or(0, |subscription| subscription.version);
    let named = |(id, of): (&Uuid, &std::collections::BTreeSet<i32>)| {
        let topic = image.topics.by_id(TopicId(*id))?;
        Some((topic.name.clone(), of.iter().copied().collect()))
    };
    let partitions = partitions.iter().filter_map(named).collect();
    Assignment { version, partitions, user_data: None }.bytes()
}
