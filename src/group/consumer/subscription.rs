//! Who subscribes to what, and whether all members subscribe to the same (`SubscriptionCount`, `ModernGroup`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Group;
use super::member::Member;
use super::regex::Resolved;

/// How a topic is subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SubscriberCount {
    /// Members that name it.
    pub(super) names: usize,
    /// Expressions, whoever uses them, that match it.
    pub(super) regexes: usize,
}

/// Subscribers by topic.
pub(super) type Subscribers = BTreeMap<Arc<str>, SubscriberCount>;

/// Adds one to a count.
pub(super) fn add(counts: &mut BTreeMap<Arc<str>, usize>, key: &Arc<str>) {
    *counts.entry(key.clone()).or_default() += 1;
}

/// Takes one from a count, which goes at zero.
pub(super) fn remove(counts: &mut BTreeMap<Arc<str>, usize>, key: &Arc<str>) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

pub(super) fn add_names(subscribers: &mut Subscribers, member: &Member) {
    for topic in member.topics.iter() {
        subscribers.entry(topic.clone()).or_default().names += 1;
    }
}

pub(super) fn remove_names(subscribers: &mut Subscribers, member: &Member) {
    for topic in member.topics.iter() {
        subtract(subscribers, topic, SubscriberCount { names: 1, regexes: 0 });
    }
}

pub(super) fn add_resolved(subscribers: &mut Subscribers, resolved: &Resolved) {
    for topic in &resolved.topics {
        subscribers.entry(topic.clone()).or_default().regexes += 1;
    }
}

pub(super) fn remove_resolved(subscribers: &mut Subscribers, resolved: &Resolved) {
    for topic in &resolved.topics {
        subtract(subscribers, topic, SubscriberCount { names: 0, regexes: 1 });
    }
}

fn subtract(subscribers: &mut Subscribers, topic: &Arc<str>, gone: SubscriberCount) {
    if let Some(count) = subscribers.get_mut(topic) {
        count.names = count.names.saturating_sub(gone.names);
        count.regexes = count.regexes.saturating_sub(gone.regexes);
        if *count == SubscriberCount::default() {
            subscribers.remove(topic);
        }
    }
}

/// The subscriptions of a group after one member has changed.
pub(super) struct Subscriptions {
    pub(super) subscribers: Subscribers,
    /// Whether every member subscribes to the same topics.
    pub(super) is_homogeneous: bool,
}

impl Group {
    /// How many members subscribe to an expression.
    pub(super) fn regex_subscribers(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }

    /// The subscriptions once `after` is in place of `before`, which may be nobody, and expressions stand for
    /// what `resolved` says if it does.
    pub(super) fn subscriptions_with(
        &self,
        before: &Member,
        after: &Member,
        resolved: Option<&BTreeMap<Arc<str>, Resolved>>,
    ) -> Subscriptions {
        let mut subscribers = self.subscribers.clone();
        remove_names(&mut subscribers, before);
        add_names(&mut subscribers, after);
        let mut regexes = self.regexes.clone();
        if let Some(old) = before.regex() {
            remove(&mut regexes, old);
        }
        if let Some(new) = after.regex() {
            add(&mut regexes, new);
        }
        let gone = |regex: &Arc<str>| resolved.is_some() || !regexes.contains_key(regex);
        for (_, of) in self.resolved.iter().filter(|(regex, _)| gone(regex)) {
            remove_resolved(&mut subscribers, of);
        }
        for of in resolved.into_iter().flat_map(BTreeMap::values) {
            add_resolved(&mut subscribers, of);
        }
        let is_known =
            self.members.contains_key(&after.id) || self.static_member(after.instance.as_deref()).is_some();
        let members = self.members.len() + usize::from(!is_known);
        let is_homogeneous = is_homogeneous(&subscribers, &regexes, members);
        Subscriptions { subscribers, is_homogeneous }
    }

    /// The assignor that most members ask for, once `after` is in place of `before`; none if nobody asks.
    pub(super) fn preferred_assignor(&self, before: &Member, after: &Member) -> Option<Arc<str>> {
        let mut counts = self.assignors.clone();
        if let Some(assignor) = &before.assignor {
            remove(&mut counts, assignor);
        }
        if let Some(assignor) = &after.assignor {
            add(&mut counts, assignor);
        }
        most_wanted(&counts)
    }

    /// The assignor that most members ask for; none if nobody asks.
    pub(super) fn assignor(&self) -> Option<Arc<str>> {
        most_wanted(&self.assignors)
    }
}

fn most_wanted(counts: &BTreeMap<Arc<str>, usize>) -> Option<Arc<str>> {
    counts.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone())
}

fn is_homogeneous(subscribers: &Subscribers, regexes: &BTreeMap<Arc<str>, usize>, members: usize) -> bool {
    match regexes.values().next() {
        None => subscribers.values().all(|count| count.names == members),
        Some(count) if *count == members => {
            subscribers.values().all(|count| *count == SubscriberCount { names: 0, regexes: 1 })
        }
        Some(_) => false,
    }
}
