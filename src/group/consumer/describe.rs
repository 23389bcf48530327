//! ConsumerGroupDescribe v0-1 (`GroupMetadataManager.consumerGroupDescribe`). v1: what protocol a member speaks.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member as DescribedMember, TopicPartitions,
};
use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Group;
use super::member::{Member, Partitions};
use crate::base::id::TopicId;
use crate::group::request::{Ask, ConsumerGroupDescribe, Reply};
use crate::group::{Code, Group as AnyGroup, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Groups {
    pub(in crate::group) fn consumer_group_describe(
        &mut self,
        _: Moment,
        token: Token,
        ask: Ask<ConsumerGroupDescribe>,
    ) -> Outcome {
        let described = ask.body.0.iter().map(|id| match self.groups.get(id) {
            Some(AnyGroup::Consumer(group)) => self.describe_consumer_group(id, group),
            Some(AnyGroup::Classic(_)) => not_found(id, &format!("Group {id} is not a consumer group.")),
            None => not_found(id, &format!("Group {id} not found.")),
        });
        Decision::answer(token, Reply::ConsumerGroupDescribe(described.collect()), vec![])
    }

    fn describe_consumer_group(&self, id: &str, group: &Group) -> DescribedGroup {
        let default = self.settings.consumer_assignors.first().cloned();
        let assignor = group.assignor().or(default).unwrap_or_else(|| "uniform".into());
        DescribedGroup::default()
            .with_group_id(GroupId(text(id)))
            .with_group_state(text(group.state().name()))
            .with_group_epoch(group.epoch)
            .with_assignment_epoch(group.assignment_epoch)
            .with_assignor_name(text(&assignor))
            .with_members(group.members.values().map(|member| self.describe_member(group, member)).collect())
    }

    fn describe_member(&self, group: &Group, member: &Member) -> DescribedMember {
        // It is responsible for what it has yet to give up as well.
        let mut owned = Partitions::new();
        for (topic, partitions) in member.assigned.iter().chain(member.revoking.iter()) {
            owned.entry(*topic).or_default().extend(partitions.keys());
        }
        let target = group.target.get(&member.id).cloned().unwrap_or_default();
        let optional = |value: &Option<Arc<str>>| value.as_deref().map(text);
        DescribedMember::default()
            .with_member_id(text(&member.id))
            .with_instance_id(optional(&member.instance))
            .with_rack_id(optional(&member.rack))
            .with_member_epoch(member.epoch)
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_subscribed_topic_names(member.topics.iter().map(|name| TopicName(text(name))).collect())
            .with_subscribed_topic_regex(optional(&member.regex))
            .with_assignment(self.describe_assignment(&owned))
            .with_target_assignment(self.describe_assignment(&target))
            .with_member_type(i8::from(!member.is_classic()))
    }

    /// Topics that are gone are left out.
    fn describe_assignment(&self, partitions: &Partitions) -> Assignment {
        let named = |(id, of): (&Uuid, &BTreeSet<i32>)| {
            let topic = self.image.topics.by_id(TopicId(*id))?;
            let described = TopicPartitions::default().with_topic_id(*id);
            let described = described.with_topic_name(TopicName(text(&topic.name)));
            Some(described.with_partitions(of.iter().copied().collect()))
        };
        Assignment::default().with_topic_partitions(partitions.iter().filter_map(named).collect())
    }
}

fn not_found(id: &str, why: &str) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(GroupId(text(id)))
        .with_error_code(Code::GroupIdNotFound.code())
        .with_error_message(Some(text(why)))
}
