//! Makes target assignments (`TargetAssignmentBuilder`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::assignor::{self, Assignor, Candidate, Spec};
use super::draft::{Draft, Epoch, Target};
use super::member::Member;
use super::records;

impl Draft<'_> {
    /// The target of `after`, made anew for all members if the group's epoch is ahead of it and the last one is old
    /// enough.
    pub(super) fn update_target(&mut self, group: Epoch, before: &Member, after: &Member) -> Target {
        if self.group.assignment_epoch >= group.epoch || !self.may_assign() {
            return Target { epoch: self.group.assignment_epoch, partitions: self.group.target_of(after) };
        }
        // With the member as it is now, which may name no topic at all.
        let is_homogeneous = group.is_homogeneous.unwrap_or_else(|| {
            self.group.subscriptions_with(before, after, self.resolved.as_ref()).is_homogeneous
        });
        let spec = self.spec(is_homogeneous, after);
        let wanted = self.group.preferred_assignor(before, after);
        let assignor = wanted.as_deref().and_then(Assignor::named).unwrap_or_else(|| self.default_assignor());
        let assigned = assignor::assign(assignor, &spec);
        let mut target = Target { epoch: group.epoch, partitions: Arc::default() };
        for (member, partitions) in spec.members.iter().zip(assigned) {
            if member.id == after.id {
                target.partitions = partitions.clone();
            }
            // A member that takes over an instance id has got the target with it.
            let known = self.group.target.contains_key(&member.id) || member.is_heir;
            if !known || partitions != member.target {
                self.records.push(records::target(self.id, &member.id, &partitions));
            }
        }
        self.records.push(records::target_epoch(self.id, group.epoch, self.now_ms));
        target
    }

    /// Targets are made at most once in an interval, so that many members that join make few of them.
    fn may_assign(&self) -> bool {
        let made_ms = self.group.assignment_timestamp_ms;
        let interval_ms =
            self.config("consumer.assignment.interval.ms", self.settings.consumer_assignment_ms(self.image));
        made_ms == 0 || interval_ms == 0 || self.now_ms >= made_ms + i64::from(interval_ms)
    }

    fn default_assignor(&self) -> Assignor {
        let mut names = self.settings.consumer_assignors.iter();
        names.find_map(|name| Assignor::named(name)).unwrap_or(Assignor::Uniform)
    }

    /// The group's members with `after` among them, and without the one whose instance id it takes over.
    fn spec(&self, is_homogeneous: bool, after: &Member) -> Spec {
        let heir_of = self.group.static_member(after.instance.as_deref()).filter(|old| old.id != after.id);
        let stay = |id: &&Arc<str>| *id != &after.id && heir_of.is_none_or(|old| &old.id != *id);
        let mut members: BTreeMap<&Arc<str>, &Member> =
            self.group.members.iter().filter(|(id, _)| stay(id)).collect();
        members.insert(&after.id, after);

        let mut ids = TopicIds::new(self);
        let shared = is_homogeneous.then(|| ids.of(after));
        let candidates = members.into_values().map(|member| {
            let is_heir = heir_of.is_some() && member.id == after.id;
            let target = if is_heir { heir_of.map(|old| &old.id) } else { Some(&member.id) };
            Candidate {
                id: member.id.clone(),
                instance: member.instance.clone(),
                topics: shared.clone().unwrap_or_else(|| ids.of(member)),
                target: target.and_then(|id| self.group.target.get(id)).cloned().unwrap_or_default(),
                is_heir,
            }
        });
        Spec { members: candidates.collect(), is_homogeneous, partitions: ids.partitions }
    }
}

/// Ids of topics by name, looked up once.
struct TopicIds<'a> {
    draft: &'a Draft<'a>,
    by_name: HashMap<&'a str, Option<Uuid>>,
    partitions: BTreeMap<Uuid, i32>,
}

impl<'a> TopicIds<'a> {
    fn new(draft: &'a Draft<'a>) -> Self {
        Self { draft, by_name: HashMap::new(), partitions: BTreeMap::new() }
    }

    /// The topics that a member subscribes to and that exist.
    fn of(&mut self, member: &'a Member) -> Arc<BTreeSet<Uuid>> {
        let resolved = member.regex().and_then(|regex| self.draft.resolved().get(regex));
        let matched = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        Arc::new(member.topics.iter().chain(matched).filter_map(|name| self.id(name)).collect())
    }

    fn id(&mut self, name: &'a str) -> Option<Uuid> {
        let (image, partitions) = (self.draft.image, &mut self.partitions);
        *self.by_name.entry(name).or_insert_with(|| {
            let topic = image.topics.by_name(name)?;
            partitions.insert(topic.id.0, topic.partition_count());
            Some(topic.id.0)
        })
    }
}
