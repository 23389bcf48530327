//! What concerns groups of both protocols: becoming active, a new image, listing, describing, deleting.

use std::sync::Arc;

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_request::ListGroupsRequest;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::protocol::StrBytes;

use super::request::{Activate, Ask, DeleteGroups, DescribeGroups, NewImage, Reply};
use super::{Code, DECISION_BYTES_MAX, Group, Groups, OFFSET_BYTES_MAX, Outcome, classic};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::Record;

/// The state of a group that is not there.
const DEAD: &str = "Dead";

/// From this version of DescribeGroups on a group that is not there is an error (KIP-1043).
const VERSION_NOT_FOUND: i16 = 6;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Group {
    fn state_name(&self) -> &'static str {
        match self {
            Self::Classic(group) => group.state().name(),
            Self::Consumer(group) => group.state().name(),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Classic(_) => "classic",
            Self::Consumer(_) => "consumer",
        }
    }

    fn protocol_type(&self) -> &str {
        match self {
            Self::Classic(group) => group.roster().protocol_type.as_deref().unwrap_or_default(),
            Self::Consumer(_) => classic::CONSUMER,
        }
    }

    fn validate_delete(&self) -> Result<(), Code> {
        match self {
            Self::Classic(group) => group.validate_delete(),
            Self::Consumer(group) => group.validate_delete(),
        }
    }

    fn tombstones(&self, name: &Arc<str>) -> Vec<Record> {
        match self {
            Self::Classic(group) => group.tombstones(name),
            Self::Consumer(group) => group.tombstones(name),
        }
    }
}

impl Groups {
    pub(super) fn activate(&mut self, at: Moment, token: Token, _: Activate) -> Outcome {
        let mut out = self.activate_classic(at);
        self.activate_consumer(at.now_ms);
        self.arm_offsets_expiry(at.now_ms);
        out.replies.push((token, Reply::Activate(())));
        out
    }

    pub(super) fn new_image(&mut self, _: Moment, token: Token, change: NewImage) -> Outcome {
        self.image = change.image;
        self.consumer_image_changed(&change.deleted_topics);
        let records = self.delete_topic_offsets(&change.deleted_topics);
        Decision::answer(token, Reply::NewImage(()), records)
    }

    /// `GroupMetadataManager.describeGroups`: classic groups; the others have a request of their own.
    pub(super) fn describe_groups(&mut self, _: Moment, token: Token, ask: Ask<DescribeGroups>) -> Outcome {
        let describe = |name: &Arc<str>| match self.groups.get(name) {
            Some(Group::Classic(group)) => described(name, group),
            Some(Group::Consumer(_)) => {
                not_found(name, ask.version, &format!("Group {name} is not a classic group."))
            }
            None => not_found(name, ask.version, &format!("Group {name} not found.")),
        };
        let groups = ask.body.0.iter().map(describe).collect();
        Decision::answer(token, Reply::DescribeGroups(groups), vec![])
    }

    /// `GroupMetadataManager.listGroups`; what does not exist as a state or type fits no group.
    pub(super) fn list_groups(&mut self, _: Moment, token: Token, ask: Ask<ListGroupsRequest>) -> Outcome {
        let (states, types) = (&ask.body.states_filter, &ask.body.types_filter);
        let fits = |group: &Group| {
            (states.is_empty()
                || states.iter().any(|state| state.trim().eq_ignore_ascii_case(group.state_name())))
                && (types.is_empty() || types.iter().any(|kind| kind.eq_ignore_ascii_case(group.type_name())))
        };
        let groups = self.groups.iter().filter(|(_, group)| fits(group));
        let list = |(name, group): (&Arc<str>, &Group)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(name)))
                .with_protocol_type(text(group.protocol_type()))
                .with_group_state(StrBytes::from_static_str(group.state_name()))
                .with_group_type(StrBytes::from_static_str(group.type_name()))
        };
        Decision::answer(token, Reply::ListGroups(groups.map(list).collect()), vec![])
    }

    /// Deletes groups that nobody is in, with their offsets (`GroupCoordinatorShard.deleteGroups`).
    pub(super) fn delete_groups(&mut self, _: Moment, token: Token, ask: Ask<DeleteGroups>) -> Outcome {
        let mut records = Vec::new();
        let mut left = DECISION_BYTES_MAX;
        let mut delete = |name: &Arc<str>| {
            let group = self.groups.get(name).ok_or(Code::GroupIdNotFound)?;
            group.validate_delete()?;
            let offsets = self.delete_all_offsets(name);
            // A group that is too large loses its offsets by their retention.
            let bytes = offsets.len().saturating_mul(name.len() + OFFSET_BYTES_MAX);
            left = left.checked_sub(bytes).ok_or(Code::UnknownServerError)?;
            records.extend(offsets);
            records.extend(group.tombstones(name));
            Ok(())
        };
        let results = ask.body.0.iter().map(|name| (name.clone(), delete(name))).collect();
        Decision::answer(token, Reply::DeleteGroups(results), records)
    }
}

fn not_found(name: &str, version: i16, message: &str) -> DescribedGroup {
    let group = DescribedGroup::default()
        .with_group_id(GroupId(text(name)))
        .with_group_state(StrBytes::from_static_str(DEAD));
    if version < VERSION_NOT_FOUND {
        return group;
    }
    group.with_error_code(Code::GroupIdNotFound.code()).with_error_message(Some(text(message)))
}

/// What the members say in the protocol is shown only once it is settled.
fn described(name: &str, group: &classic::Group) -> DescribedGroup {
    let (state, roster) = (group.state(), group.roster());
    let protocol = match state {
        classic::State::Stable => roster.protocol.as_deref(),
        classic::State::Empty | classic::State::PreparingRebalance | classic::State::CompletingRebalance => {
            None
        }
    };
    let member = |(id, member): (&Arc<str>, &classic::Member)| {
        DescribedGroupMember::default()
            .with_member_id(text(id))
            .with_group_instance_id(member.instance.as_deref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default())
            .with_member_assignment(member.assignment.clone())
    };
    DescribedGroup::default()
        .with_group_id(GroupId(text(name)))
        .with_group_state(StrBytes::from_static_str(state.name()))
        .with_protocol_type(text(roster.protocol_type.as_deref().unwrap_or_default()))
        .with_protocol_data(text(protocol.unwrap_or_default()))
        .with_members(roster.members.iter().map(member).collect())
}
