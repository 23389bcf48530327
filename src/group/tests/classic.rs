//! The words of the classic protocol, and its stories.
//!
//! ```text
//! CLIENT join GROUP       [member= instance= type= protocols=NAME:METADATA,... topics=A,... session= rebalance=]
//! CLIENT sync GROUP GEN   [member= instance= type= protocol= assign=MEMBER:ASSIGNMENT,...]
//! CLIENT heartbeat GROUP GEN  [member= instance=]
//! CLIENT leave GROUP      [member=A,... instance=I,...]
//! ```
//! `topics` makes the metadata of all protocols a consumer's subscription; `v` is the version of the request.

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::wire::group_records::GroupMetadataValue;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// A consumer's subscription, version 0.
fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i16(0);
    bytes.put_i32(topics.len().try_into().unwrap());
    for topic in topics {
        bytes.put_i16(topic.len().try_into().unwrap());
        bytes.put_slice(topic.as_bytes());
    }
    bytes.put_i32(-1);
    bytes.into()
}

fn protocols(words: &Words<'_>) -> Vec<JoinGroupRequestProtocol> {
    let listed = match words.text("protocols") {
        Some(_) => words.list("protocols"),
        None => vec!["range"],
    };
    let one = |word: &&str| {
        let (name, metadata) = word.split_once(':').unwrap_or((word, "x"));
        let metadata = match words.text("topics") {
            Some(_) => subscription(&words.list("topics")),
            None => Bytes::copy_from_slice(metadata.as_bytes()),
        };
        JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata)
    };
    listed.iter().map(one).collect()
}

fn join(words: &Words<'_>) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group_id(words.plain[2]))
        .with_session_timeout_ms(words.number("session", 10_000))
        .with_rebalance_timeout_ms(words.number("rebalance", 60_000))
        .with_member_id(text(words.text("member").unwrap_or_default()))
        .with_group_instance_id(words.text("instance").map(text))
        .with_protocol_type(text(words.text("type").unwrap_or("consumer")))
        .with_protocols(protocols(words))
}

fn sync(words: &Words<'_>) -> SyncGroupRequest {
    let one = |word: &&str| {
        let (member, assignment) = word.split_once(':').unwrap();
        let assignment = Bytes::copy_from_slice(assignment.as_bytes());
        SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(assignment)
    };
    SyncGroupRequest::default()
        .with_group_id(group_id(words.plain[2]))
        .with_generation_id(words.plain[3].parse().unwrap())
        .with_member_id(text(words.text("member").unwrap_or_default()))
        .with_group_instance_id(words.text("instance").map(text))
        .with_protocol_type(Some(text(words.text("type").unwrap_or("consumer"))))
        .with_protocol_name(Some(text(words.text("protocol").unwrap_or("range"))))
        .with_assignments(words.list("assign").iter().map(one).collect())
}

fn heartbeat(words: &Words<'_>) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group_id(words.plain[2]))
        .with_generation_id(words.plain[3].parse().unwrap())
        .with_member_id(text(words.text("member").unwrap_or_default()))
        .with_group_instance_id(words.text("instance").map(text))
}

fn leave(words: &Words<'_>) -> LeaveGroupRequest {
    let by_member = words.list("member").into_iter().map(|member| (member, None));
    let by_instance = words.list("instance").into_iter().map(|instance| match instance.split_once(':') {
        Some((instance, member)) => (member, Some(instance)),
        None => ("", Some(instance)),
    });
    let one = |(member, instance): (&str, Option<&str>)| {
        MemberIdentity::default().with_member_id(text(member)).with_group_instance_id(instance.map(text))
    };
    let request = LeaveGroupRequest::default().with_group_id(group_id(words.plain[2]));
    if words.number("v", 5) < 3 {
        return request.with_member_id(text(words.text("member").unwrap_or_default()));
    }
    request.with_members(by_member.chain(by_instance).map(one).collect())
}

pub(super) fn input(client: &str, words: &Words<'_>, id: Uuid) -> Option<Input> {
    Some(match words.plain[1] {
        "join" => words.ask(client, join(words), 9, id).into_input(),
        "sync" => words.ask(client, sync(words), 5, id).into_input(),
        "heartbeat" => words.ask(client, heartbeat(words), 4, id).into_input(),
        "leave" => words.ask(client, leave(words), 5, id).into_input(),
        _ => return None,
    })
}

/// Bytes of a client, which most stories make text.
pub(super) fn opaque(bytes: &[u8]) -> String {
    if bytes.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match crate::group::classic::Subscription::parse(bytes) {
        Ok(subscription) => format!("topics[{}]", subscription.topics.join(",")),
        Err(_) => format!("{bytes:02x?}"),
    }
}

fn joined(reply: &JoinGroupResponse) -> String {
    if reply.error_code != 0 {
        let member = if reply.member_id.is_empty() { "" } else { " as " };
        return format!("{}{member}{}", code(reply.error_code), reply.member_id);
    }
    let mut out = format!(
        "joined generation {} as {}, leader {}, {}",
        reply.generation_id,
        reply.member_id,
        reply.leader,
        reply.protocol_name.as_deref().unwrap_or("no protocol"),
    );
    if reply.skip_assignment {
        out += ", skips the assignment";
    }
    for member in &reply.members {
        let instance = member.group_instance_id.as_deref().map_or_else(String::new, |id| format!(" ({id})"));
        write!(out, ", {}{instance} {}", member.member_id, opaque(&member.metadata)).unwrap();
    }
    out
}

fn left(reply: &LeaveGroupResponse) -> String {
    let one = |member: &kafka_protocol::messages::leave_group_response::MemberResponse| {
        let instance = member.group_instance_id.as_deref().map_or_else(String::new, |id| format!("({id})"));
        format!(" {}{instance} {}", member.member_id, code(member.error_code))
    };
    let members: String = reply.members.iter().map(one).collect();
    format!("left {}{members}", code(reply.error_code))
}

pub(super) fn reply(reply: &Reply) -> Option<String> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have their own file")]
    Some(match reply {
        Reply::JoinGroup(reply) => joined(reply),
        Reply::SyncGroup(reply) if reply.error_code != 0 => code(reply.error_code),
        Reply::SyncGroup(reply) => format!(
            "synced {} {}: {}",
            reply.protocol_type.as_deref().unwrap_or("-"),
            reply.protocol_name.as_deref().unwrap_or("-"),
            opaque(&reply.assignment)
        ),
        Reply::Heartbeat(reply) => code(reply.error_code),
        Reply::LeaveGroup(reply) => left(reply),
        _ => return None,
    })
}

fn value(value: &GroupMetadataValue) -> String {
    let mut out = format!(
        "type {:?} generation {} protocol {} leader {} since {}",
        value.protocol_type,
        value.generation,
        value.protocol.as_deref().unwrap_or("-"),
        value.leader.as_deref().unwrap_or("-"),
        value.current_state_timestamp,
    );
    for member in &value.members {
        write!(out, ", {}", member.member_id).unwrap();
        if let Some(instance) = &member.group_instance_id {
            write!(out, " ({instance})").unwrap();
        }
        let timeouts = (member.session_timeout, member.rebalance_timeout);
        write!(out, " {}@{} {timeouts:?}", member.client_id, member.client_host).unwrap();
        write!(out, " {}={}", opaque(&member.subscription), opaque(&member.assignment)).unwrap();
    }
    out
}

pub(super) fn record(record: &Record) -> Option<String> {
    let Record::GroupMetadata { group, value: metadata } = record else { return None };
    Some(match metadata {
        None => format!("{group} is gone"),
        Some(metadata) => format!("{group} {}", value(metadata)),
    })
}

pub(super) fn durable(name: &Arc<str>, group: &crate::group::classic::Group) -> String {
    format!("{name} {}", value(&group.settled().value()))
}

stories! {
    a_member_joins_syncs_and_shows_that_it_lives: "happy.txt",
}
