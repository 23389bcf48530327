//! Who is in a classic group, and what they agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::subscription::Subscription;
use super::{CONSUMER, Code};
use crate::group::DECISION_BYTES_MAX;
use crate::wire::group_records::{GroupMetadataValue, MemberMetadata};

/// What a member takes in a record besides its strings and bytes, at most.
const MEMBER_BYTES: usize = 32;

/// A way to assign partitions, and what a member says in it: the group does not look into it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct Protocol {
    /// `range`, ...
    pub(in crate::group) name: Arc<str>,
    /// The member's own; opaque.
    pub(in crate::group) metadata: Bytes,
}

/// One member (`ClassicGroupMember`).
#[derive(Clone, Debug)]
pub(in crate::group) struct Member {
    /// `group.instance.id` of a static member.
    pub(in crate::group) instance: Option<Arc<str>>,
    /// `client.id`.
    pub(in crate::group) client_id: Arc<str>,
    /// Where it connects from.
    pub(in crate::group) client_host: Arc<str>,
    /// How long a rebalance waits for it.
    pub(in crate::group) rebalance_ms: i32,
    /// How long it may be silent.
    pub(in crate::group) session_ms: i32,
    /// As it prefers them. After a load the one in use alone is known.
    pub(in crate::group) protocols: Vec<Protocol>,
    /// What the leader gave it, empty if nothing; opaque.
    pub(in crate::group) assignment: Bytes,
}

impl Member {
    /// What it says in `protocol`; empty if it does not know it.
    pub(in crate::group) fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|known| &*known.name == protocol);
        known.map_or_else(Bytes::new, |known| known.metadata.clone())
    }

    fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| &*known.name == protocol)
    }
}

/// The members of a generation.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct Roster {
    /// The generation.
    pub(in crate::group) generation: i32,
    /// `consumer`, `connect`, ...; none before the first member.
    pub(in crate::group) protocol_type: Option<Arc<str>>,
    /// The protocol in use; none without members.
    pub(in crate::group) protocol: Option<Arc<str>>,
    /// The member that assigns.
    pub(in crate::group) leader: Option<Arc<str>>,
    /// When this became so, in ms; none if that was not written down.
    pub(in crate::group) since_ms: Option<i64>,
    /// By their ids.
    pub(in crate::group) members: BTreeMap<Arc<str>, Member>,
}

impl Roster {
    /// As the log says it; `offered` are protocols that members are known to support besides the one in use.
    pub(super) fn of(value: &GroupMetadataValue, mut offered: BTreeMap<Arc<str>, Vec<Protocol>>) -> Self {
        let protocol = value.protocol.clone();
        let mut member = |of: &MemberMetadata| {
            let in_use = protocol
                .iter()
                .map(|name| Protocol { name: name.clone(), metadata: of.subscription.clone() });
            let member = Member {
                instance: of.group_instance_id.clone(),
                client_id: of.client_id.clone(),
                client_host: of.client_host.clone(),
                rebalance_ms: if of.rebalance_timeout == -1 {
                    of.session_timeout
                } else {
                    of.rebalance_timeout
                },
                session_ms: of.session_timeout,
                protocols: offered.remove(&of.member_id).unwrap_or_else(|| in_use.collect()),
                assignment: of.assignment.clone(),
            };
            (of.member_id.clone(), member)
        };
        Self {
            generation: value.generation,
            protocol_type: Some(value.protocol_type.clone()).filter(|name| !name.is_empty()),
            leader: value.leader.clone(),
            since_ms: Some(value.current_state_timestamp).filter(|since_ms| *since_ms != -1),
            members: value.members.iter().map(&mut member).collect(),
            protocol,
        }
    }

    /// As the log is to say it.
    pub(in crate::group) fn value(&self) -> GroupMetadataValue {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |(id, member): (&Arc<str>, &Member)| MemberMetadata {
            member_id: id.clone(),
            group_instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_ms,
            session_timeout: member.session_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.since_ms.unwrap_or(-1),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Whether the log takes it.
    pub(super) fn fits_record(&self) -> bool {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let of = |(id, member): (&Arc<str>, &Member)| {
            let names = id.len() + member.instance.as_ref().map_or(0, |instance| instance.len());
            let client = member.client_id.len() + member.client_host.len();
            MEMBER_BYTES + names + client + member.metadata(protocol).len() + member.assignment.len()
        };
        self.members.iter().map(of).sum::<usize>() <= DECISION_BYTES_MAX
    }

    /// The static member with this instance id.
    pub(in crate::group) fn static_member(&self, instance: &str) -> Option<&Arc<str>> {
        let found = self.members.iter().find(|(_, member)| member.instance.as_deref() == Some(instance));
        found.map(|(id, _)| id)
    }

    /// Whether `member` is who it says it is (`ClassicGroup.validateMember`).
    pub(in crate::group) fn validate(&self, member: &str, instance: Option<&str>) -> Result<(), Code> {
        let known = self.members.get(member);
        match instance {
            Some(instance) if known.is_none_or(|known| known.instance.as_deref() != Some(instance)) => {
                let fenced = self.static_member(instance).is_some();
                Err(if fenced { Code::FencedInstanceId } else { Code::UnknownMemberId })
            }
            Some(_) | None => known.map(|_| ()).ok_or(Code::UnknownMemberId),
        }
    }

    /// Whether somebody with `protocols` can be in the group (`ClassicGroup.supportsProtocols`).
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        let is_shared =
            |protocol: &Protocol| self.members.values().all(|member| member.knows(&protocol.name));
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(is_shared)
    }

    /// The protocol that most members prefer among those that all know; of several, the first by name.
    pub(in crate::group) fn select_protocol(&self) -> Option<Arc<str>> {
        let members = || self.members.values();
        let first = members().next()?;
        let is_shared = |name: &str| members().all(|member| member.knows(name));
        let candidates: BTreeSet<&Arc<str>> =
            first.protocols.iter().map(|known| &known.name).filter(|name| is_shared(name)).collect();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in members() {
            let preferred = member.protocols.iter().find(|known| candidates.contains(&known.name));
            *votes.entry(&preferred?.name).or_default() += 1;
        }
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.clone())
    }

    /// How long a rebalance waits: as long as its most patient member.
    pub(super) fn rebalance_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_ms)).max().unwrap_or(0).max(0)
    }

    /// Takes a member out; another one leads if it did.
    pub(super) fn remove(&mut self, member: &str) -> Option<Member> {
        let removed = self.members.remove(member);
        if self.leader.as_deref() == Some(member) {
            self.leader = self.members.keys().next().cloned();
        }
        removed
    }

    /// Puts a member in; it leads if nobody does.
    pub(in crate::group) fn insert(&mut self, id: Arc<str>, member: Member, protocol_type: &Arc<str>) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
    }

    /// The topics that the members subscribe to; none if they do not say so in the words of consumers
    /// (`ClassicGroup.computeSubscribedTopics`).
    pub(super) fn topics(&self) -> Option<BTreeSet<Arc<str>>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(Subscription::parse_topics(&member.metadata(protocol)).ok()?);
        }
        Some(topics)
    }
}
