//! The words of the consumer protocol, and its stories.
//!
//! ```text
//! CLIENT beat GROUP EPOCH  [member= instance= rack= timeout= topics=A,... regex= assignor= owned=T:0+1,...]
//! CLIENT consume GROUP     the same, as a client joins: epoch 0, timeout=60000, owned nothing
//! CLIENT show GROUP,...    ConsumerGroupDescribe
//! topic NAME PARTITIONS    there is such a topic, with so many partitions; 0: no longer
//! group NAME KEY=VALUE     the group's own configuration
//! ```
//! A member's id is its client's name unless `member` says otherwise. `owned=-` reports no partition.

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment as DescribedAssignment, DescribedGroup,
};
use kafka_protocol::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::base::id::TopicId;
use crate::meta::Delta;
use crate::wire::group_records::CurrentTopicPartitions;
use crate::wire::kraft;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The id of a topic: its name, as a number.
pub(super) fn topic_id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[0] = 1;
    bytes[16 - name.len()..].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

fn topic_name(id: Uuid) -> String {
    String::from_utf8(id.as_bytes()[1..].iter().copied().filter(|byte| *byte != 0).collect()).unwrap()
}

fn partitions(text: &str) -> Vec<i32> {
    text.split('+').filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
}

fn owned(words: &Words<'_>) -> Option<Vec<TopicPartitions>> {
    words.text("owned")?;
    let one = |word: &str| {
        let (topic, of) = word.split_once(':')?;
        let topic = TopicPartitions::default().with_topic_id(topic_id(topic));
        Some(topic.with_partitions(partitions(of)))
    };
    Some(words.list("owned").into_iter().filter_map(one).collect())
}

fn beat(client: &str, words: &Words<'_>) -> ConsumerGroupHeartbeatRequest {
    let joins = words.plain[1] == "consume";
    let epoch = if joins { 0 } else { words.plain[3].parse().unwrap() };
    let names = |list: Vec<&str>| list.into_iter().map(|name| TopicName(text(name))).collect::<Vec<_>>();
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(words.plain[2])))
        .with_member_id(text(words.text("member").unwrap_or(client)))
        .with_member_epoch(epoch)
        .with_instance_id(words.text("instance").map(text))
        .with_rack_id(words.text("rack").map(text))
        .with_rebalance_timeout_ms(words.number("timeout", if joins { 60_000 } else { -1 }))
        .with_subscribed_topic_names(words.text("topics").map(|_| names(words.list("topics"))))
        .with_subscribed_topic_regex(words.text("regex").map(text))
        .with_server_assignor(words.text("assignor").map(text))
        .with_topic_partitions(if joins { Some(vec![]) } else { owned(words) })
}

pub(super) fn input(client: &str, words: &Words<'_>, id: Uuid) -> Option<Input> {
    Some(match words.plain[1] {
        "beat" | "consume" => words.ask(client, beat(client, words), 1, id).into_input(),
        "show" => {
            let groups = words.plain[2].split(',').map(Arc::from).collect();
            words.ask(client, ConsumerGroupDescribe(groups), 1, id).into_input()
        }
        _ => return None,
    })
}

/// `t:0+1`, after the epoch at which each group of partitions was assigned if that is known.
fn shown<'a>(topics: impl Iterator<Item = (Uuid, &'a [i32])>) -> String {
    let one = |(id, partitions): (Uuid, &[i32])| {
        let partitions: Vec<_> = partitions.iter().map(i32::to_string).collect();
        format!("{}:{}", topic_name(id), partitions.join("+"))
    };
    let topics: Vec<_> = topics.map(one).collect();
    if topics.is_empty() { "-".into() } else { topics.join(",") }
}

fn answer(reply: &ConsumerGroupHeartbeatResponse) -> String {
    if reply.error_code != 0 {
        return format!("{} {}", code(reply.error_code), reply.error_message.as_deref().unwrap_or_default());
    }
    let mut out = format!(
        "{} at epoch {}, next in {}",
        reply.member_id.as_deref().unwrap_or("-"),
        reply.member_epoch,
        reply.heartbeat_interval_ms
    );
    if let Some(assignment) = &reply.assignment {
        let topics = assignment.topic_partitions.iter();
        write!(out, ", owns {}", shown(topics.map(|topic| (topic.topic_id, &topic.partitions[..])))).unwrap();
    }
    out
}

fn assigned(assignment: &DescribedAssignment) -> String {
    let topics = assignment.topic_partitions.iter();
    let named = topics.inspect(|topic| assert_eq!(*topic.topic_name.0, *topic_name(topic.topic_id)));
    shown(named.map(|topic| (topic.topic_id, &topic.partitions[..])))
}

fn described(group: &DescribedGroup) -> String {
    if group.error_code != 0 {
        let text = group.error_message.as_deref().unwrap_or_default();
        return format!("{} {} {text}", &**group.group_id, code(group.error_code));
    }
    let mut out = format!(
        "{} {} epoch {} assignment {} {}",
        &**group.group_id, group.group_state, group.group_epoch, group.assignment_epoch, group.assignor_name
    );
    for member in &group.members {
        let (owns, target) = (assigned(&member.assignment), assigned(&member.target_assignment));
        let kind = if member.member_type == 1 { "" } else { " classic" };
        write!(out, "; {}{kind}@{} owns {owns} of {target}", member.member_id, member.member_epoch).unwrap();
    }
    out
}

pub(super) fn reply(reply: &Reply) -> Option<String> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have their own file")]
    Some(match reply {
        Reply::ConsumerGroupHeartbeat(reply) => answer(reply),
        Reply::ConsumerGroupDescribe(groups) => groups.iter().map(described).collect::<Vec<_>>().join(" | "),
        _ => return None,
    })
}

fn owned_topics(topics: &[CurrentTopicPartitions]) -> String {
    let one = |topic: &CurrentTopicPartitions| {
        let epochs = topic.assignment_epochs.iter().flatten();
        let pairs = topic.partitions.iter().zip(epochs);
        let pairs: Vec<_> = pairs.map(|(partition, epoch)| format!("{partition}@{epoch}")).collect();
        format!("{}:{}", topic_name(topic.topic_id), pairs.join("+"))
    };
    let topics: Vec<_> = topics.iter().map(one).collect();
    if topics.is_empty() { "-".into() } else { topics.join(",") }
}

pub(super) fn record(record: &Record) -> Option<String> {
    let gone = |what: &str, group: &str, of: &str| Some(format!("{group} {what} {of} is gone"));
    match record {
        Record::OffsetCommit { .. } | Record::GroupMetadata { .. } => None,
        Record::ConsumerGroupMetadata { group, value: None } => gone("epoch", group, ""),
        Record::ConsumerGroupMetadata { group, value: Some(value) } => {
            let topics = if value.metadata_hash == 0 { ", no topics" } else { "" };
            Some(format!("{group} epoch {}{topics}", value.epoch))
        }
        Record::ConsumerGroupPartitionMetadata { group, .. } => gone("topic metadata", group, ""),
        Record::ConsumerGroupMemberMetadata { group, member, value: None } => gone("member", group, member),
        Record::ConsumerGroupMemberMetadata { group, member, value: Some(value) } => {
            let mut out =
                format!("{group} member {member} topics {}", value.subscribed_topic_names.join(","));
            let named = [
                ("regex", value.subscribed_topic_regex.as_deref().unwrap_or("none")),
                ("instance", value.instance_id.as_deref().unwrap_or_default()),
                ("rack", value.rack_id.as_deref().unwrap_or_default()),
                ("assignor", value.server_assignor.as_deref().unwrap_or_default()),
            ];
            for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
                write!(out, " {name} {value}").unwrap();
            }
            write!(out, " timeout {}", value.rebalance_timeout_ms).unwrap();
            if let Some(classic) = &value.classic_member_metadata.0 {
                let names: Vec<_> = classic.supported_protocols.iter().map(|of| &*of.name).collect();
                write!(out, " classic {} session {}", names.join(","), classic.session_timeout_ms).unwrap();
            }
            Some(out)
        }
        Record::ConsumerGroupTargetAssignmentMetadata { group, value: None } => gone("target", group, ""),
        Record::ConsumerGroupTargetAssignmentMetadata { group, value: Some(value) } => Some(format!(
            "{group} target of epoch {} at {}",
            value.assignment_epoch, value.assignment_timestamp
        )),
        Record::ConsumerGroupTargetAssignmentMember { group, member, value: None } => {
            gone("target of", group, member)
        }
        Record::ConsumerGroupTargetAssignmentMember { group, member, value: Some(value) } => {
            let topics = value.topic_partitions.iter();
            let target = shown(topics.map(|topic| (topic.topic_id, &topic.partitions[..])));
            Some(format!("{group} target of {member} {target}"))
        }
        Record::ConsumerGroupCurrentMemberAssignment { group, member, value: None } => {
            gone("assignment of", group, member)
        }
        Record::ConsumerGroupCurrentMemberAssignment { group, member, value: Some(value) } => {
            let state = match value.state {
                0 => "stable",
                1 => "unrevoked",
                2 => "unreleased",
                _ => "unknown",
            };
            let mut out = format!(
                "{group} {member} {state} at {} after {} owns {}",
                value.member_epoch,
                value.previous_member_epoch,
                owned_topics(&value.assigned_partitions)
            );
            if !value.partitions_pending_revocation.is_empty() {
                write!(out, " gives up {}", owned_topics(&value.partitions_pending_revocation)).unwrap();
            }
            Some(out)
        }
        Record::OtherGroupMetadata { .. } => None,
        Record::ConsumerGroupRegularExpression { group, regex, value: None } => gone("regex", group, regex),
        Record::ConsumerGroupRegularExpression { group, regex, value: Some(value) } => Some(format!(
            "{group} regex {regex} is {} as of {} at {}",
            value.topics.join(","),
            value.version,
            value.timestamp
        )),
    }
}

pub(super) fn durable(name: &Arc<str>, group: &crate::group::consumer::Group) -> String {
    format!("{name} {}", group.durable())
}

/// The image with a topic of so many partitions, or without it.
pub(super) fn with_topic(image: &Image, name: &str, partitions: i32) -> Image {
    let mut delta = Delta::new(image.clone());
    let id = topic_id(name);
    let known = image.topics.by_id(TopicId(id)).map_or(0, |topic| topic.partition_count());
    if partitions == 0 && known != 0 {
        delta.replay(&kraft::RemoveTopicRecord { topic_id: id }.into()).unwrap();
    } else if known == 0 && partitions != 0 {
        delta.replay(&kraft::TopicRecord { name: name.into(), topic_id: id }.into()).unwrap();
    }
    for partition_id in known..partitions {
        let record = kraft::PartitionRecord {
            partition_id,
            topic_id: id,
            replicas: vec![1],
            isr: vec![1],
            removing_replicas: vec![],
            adding_replicas: vec![],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![],
            leader_recovery_state: 0,
            eligible_leader_replicas: None,
            last_known_elr: None,
        };
        delta.replay(&record.into()).unwrap();
    }
    let offset = image.provenance.offset + 1;
    delta.finish(crate::meta::Provenance { offset, ..image.provenance }).0
}

/// The image with one more line in a group's configuration.
pub(super) fn with_group_config(image: &Image, group: &str, line: &str) -> Image {
    let (name, value) = line.split_once('=').unwrap();
    let mut delta = Delta::new(image.clone());
    let record = kraft::ConfigRecord {
        resource_type: crate::meta::ResourceKind::Group.number(),
        resource_name: group.into(),
        name: name.into(),
        value: Some(value.into()),
    };
    delta.replay(&record.into()).unwrap();
    let offset = image.provenance.offset + 1;
    delta.finish(crate::meta::Provenance { offset, ..image.provenance }).0
}

stories! {
    player();
    partitions_move_to_a_second_member_once_the_first_gave_them_up: "consumer_join.txt",
    a_member_without_topics_takes_nothing_from_others: "consumer_no_topics.txt",
    the_epoch_before_passes_for_a_member_that_missed_an_answer: "consumer_epochs.txt",
    what_makes_no_sense_is_refused: "consumer_refusals.txt",
    a_static_member_finds_its_partitions_again: "consumer_static.txt",
    silence_and_slowness_put_members_out: "consumer_timeouts.txt",
    topics_come_grow_and_go: "consumer_topics.txt",
    most_members_decide_about_the_assignor: "consumer_assignors.txt",
    a_regular_expression_finds_new_topics: "consumer_regex.txt",
    a_member_commits_at_an_epoch_at_which_it_owned_the_partition: "consumer_commits.txt",
    the_configuration_of_a_group_goes_before_the_brokers: "consumer_config.txt",
    classic_members_are_upgraded_one_by_one_and_back: "migration_up_and_down.txt",
    classic_members_that_do_not_go_along_are_put_out: "migration_silence.txt",
    what_cannot_be_upgraded_stays_classic: "migration_refused.txt",
    a_static_classic_member_turns_the_group_classic: "migration_static.txt",
    an_empty_group_takes_the_protocol_of_whoever_comes: "migration_empty.txt",
}
