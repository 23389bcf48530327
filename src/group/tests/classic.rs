//! The words of the classic protocol, and its stories.
//!
//! ```text
//! CLIENT join GROUP       [member= instance= type= protocols=NAME:METADATA,... topics=A,... session= rebalance=]
//! CLIENT sync GROUP GEN   [member= instance= type= protocol= assign=MEMBER:ASSIGNMENT,...]
//! CLIENT heartbeat GROUP GEN  [member= instance=]
//! CLIENT leave GROUP      [member=A,... instance=I:A,J,...]
//! CLIENT describe GROUP ...
//! CLIENT groups           [states= types=]
//! CLIENT delete GROUP ...
//! CLIENT may-commit GROUP GEN [member= instance= transactional=true]    what the group says to it
//! CLIENT may-delete GROUP TOPIC   and from when on an offset of time 1 expires
//! ```
//! `topics` makes the metadata of all protocols a consumer's subscription; `v` is the version of the request.

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::list_groups_request::ListGroupsRequest;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::wire::group_records::{GroupMetadataValue, MemberMetadata};

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
        .with_group_id(group_id(words.plain.get(2).copied().unwrap_or_default()))
        .with_session_timeout_ms(words.number("session", 10_000))
        .with_rebalance_timeout_ms(words.number("rebalance", 60_000))
        .with_member_id(text(words.text("member").unwrap_or_default()))
        .with_group_instance_id(words.text("instance").map(text))
        .with_protocol_type(text(words.text("type").unwrap_or("consumer")))
        .with_protocols(protocols(words))
}

/// An option that is null if it is empty.
fn said(words: &Words<'_>, key: &str, default: &str) -> Option<StrBytes> {
    Some(words.text(key).unwrap_or(default)).filter(|said| !said.is_empty()).map(text)
}

fn sync(words: &Words<'_>) -> SyncGroupRequest {
    let one = |word: &&str| {
        let (member, assignment) = word.split_once(':').unwrap();
        let assignment = Bytes::copy_from_slice(assignment.as_bytes());
        SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(assignment)
    };
    SyncGroupRequest::default()
        .with_group_id(group_id(words.plain.get(2).copied().unwrap_or_default()))
        .with_generation_id(words.plain[3].parse().unwrap())
        .with_member_id(text(words.text("member").unwrap_or_default()))
        .with_group_instance_id(words.text("instance").map(text))
        .with_protocol_type(said(words, "type", "consumer"))
        .with_protocol_name(said(words, "protocol", "range"))
        .with_assignments(words.list("assign").iter().map(one).collect())
}

fn heartbeat(words: &Words<'_>) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group_id(words.plain.get(2).copied().unwrap_or_default()))
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
    let request =
        LeaveGroupRequest::default().with_group_id(group_id(words.plain.get(2).copied().unwrap_or_default()));
    if words.number("v", 5) < 3 {
        return request.with_member_id(text(words.text("member").unwrap_or_default()));
    }
    request.with_members(by_member.chain(by_instance).map(one).collect())
}

fn names(words: &Words<'_>) -> Vec<Arc<str>> {
    words.plain[2..].iter().map(|name| Arc::from(*name)).collect()
}

fn list(words: &Words<'_>) -> ListGroupsRequest {
    // A comma ends a word, a dot stands for a space.
    let words = |key| words.list(key).iter().map(|word| text(&word.replace('.', " "))).collect();
    ListGroupsRequest::default().with_states_filter(words("states")).with_types_filter(words("types"))
}

pub(super) fn input(client: &str, words: &Words<'_>, id: Uuid) -> Option<Input> {
    Some(match words.plain[1] {
        "join" => words.ask(client, join(words), 9, id).into_input(),
        "sync" => words.ask(client, sync(words), 5, id).into_input(),
        "heartbeat" => words.ask(client, heartbeat(words), 4, id).into_input(),
        "leave" => words.ask(client, leave(words), 5, id).into_input(),
        "describe" => words.ask(client, DescribeGroups(names(words)), 6, id).into_input(),
        "groups" => words.ask(client, list(words), 5, id).into_input(),
        "delete" => words.ask(client, DeleteGroups(names(words)), 2, id).into_input(),
        _ => return None,
    })
}

/// What a group says without being asked by a request.
pub(super) fn probe(groups: &Groups, words: &Words<'_>) -> Option<String> {
    let group = || match groups.groups.get(words.plain[2]) {
        Some(Group::Classic(group)) => group,
        Some(Group::Consumer(_)) | None => panic!("no such classic group"),
    };
    let shown = |result: Result<(), Code>| result.map_or_else(|code| format!("{code:?}"), |()| "ok".into());
    Some(match words.plain[1] {
        "may-commit" => shown(group().validate_offset_commit(
            words.text("member").unwrap_or_default(),
            words.text("instance"),
            words.plain[3].parse().unwrap(),
            words.number("transactional", false),
        )),
        "may-delete" => {
            let is_subscribed = group().is_subscribed_to(words.plain[3]);
            let deleted = shown(group().validate_offset_delete());
            let expires = group().expiry_base_ms(1, is_subscribed);
            format!("{deleted}, subscribed {is_subscribed}, expires from {expires:?}")
        }
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

fn described(group: &DescribedGroup) -> String {
    let mut out = format!("{} {}", &*group.group_id, &*group.group_state);
    if let Some(message) = &group.error_message {
        write!(out, ", {}: {message}", code(group.error_code)).unwrap();
    }
    write!(out, ", type {:?} protocol {:?}", group.protocol_type, group.protocol_data).unwrap();
    for member in &group.members {
        let instance = member.group_instance_id.as_deref().map_or_else(String::new, |id| format!(" ({id})"));
        let (says, has) = (opaque(&member.member_metadata), opaque(&member.member_assignment));
        let client = format!("{}@{}", member.client_id, member.client_host);
        write!(out, ", {}{instance} {client} {says}={has}", member.member_id).unwrap();
    }
    out
}

fn listed(group: &ListedGroup) -> String {
    format!("{} {:?} {} {}", &*group.group_id, group.protocol_type, group.group_state, group.group_type)
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
        Reply::DescribeGroups(groups) => groups.iter().map(described).collect::<Vec<_>>().join("; "),
        Reply::ListGroups(groups) => groups.iter().map(listed).collect::<Vec<_>>().join("; "),
        Reply::DeleteGroups(groups) => {
            let one = |(name, result): &DeletedGroup| match result {
                Ok(()) => format!("{name} ok"),
                Err(code) => format!("{name} {code:?}"),
            };
            groups.iter().map(one).collect::<Vec<_>>().join("; ")
        }
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

fn loaded(value: GroupMetadataValue) -> Groups {
    let mut groups = Groups::new(settings(), Arc::new(Image::empty()));
    groups.replay(0, &Entry::Plain(Record::GroupMetadata { group: "g".into(), value: Some(value) })).unwrap();
    groups
}

fn classic_group(groups: &Groups) -> &crate::group::classic::Group {
    match groups.groups.get("g") {
        Some(Group::Classic(group)) => group,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_from_before_rebalance_timeouts_has_its_session_timeout() {
    let member = MemberMetadata {
        member_id: "m".into(),
        group_instance_id: None,
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout: -1,
        session_timeout: 7000,
        subscription: subscription(&["t"]),
        assignment: Bytes::new(),
    };
    let groups = loaded(GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        current_state_timestamp: -1,
        members: vec![member],
    });
    let group = classic_group(&groups);
    assert_eq!(group.roster().members["m"].rebalance_ms, 7000);
    assert_eq!(group.state().name(), "Stable");
    assert!(group.is_subscribed_to("t") && !group.is_subscribed_to("u"));
}

#[test]
fn offsets_of_a_group_that_does_not_say_since_when_it_is_empty_expire_by_their_own_age() {
    let empty = GroupMetadataValue {
        protocol_type: "consumer".into(),
        current_state_timestamp: -1,
        ..GroupMetadataValue::default()
    };
    assert_eq!(classic_group(&loaded(empty)).expiry_base_ms(5, false), Some(5));
}

#[test]
fn the_tombstone_of_a_group_that_was_compacted_away_is_nothing() {
    let mut groups = Groups::new(settings(), Arc::new(Image::empty()));
    groups.replay(0, &Entry::Plain(Record::GroupMetadata { group: "g".into(), value: None })).unwrap();
    assert!(groups.groups.is_empty());
}

#[test]
fn a_generation_that_the_log_cannot_take_has_never_been() {
    let mut run = Run::new();
    run.play("a join g instance=a v=3");
    run.play("b join g instance=b v=3");
    run.play("at 0");
    let member = |instance: &str| {
        let group = classic_group(run.driver.machine());
        group.roster().static_member(instance).unwrap().to_string()
    };
    let (a, b) = (member("a"), member("b"));
    run.play(&format!("b sync g 1 member={b}"));
    let large = "x".repeat(17 << 20);
    let answers = run.play(&format!("a sync g 1 member={a} assign={b}:{large}"));
    assert_eq!(answers, "a: UnknownServerError\nb: UnknownServerError\n");
    run.play(&format!("a join g member={a}"));
    run.play(&format!("b join g member={b}"));
    run.play(&format!("a sync g 2 member={a} assign={b}:p"));
    // A static member that comes back with too much to say is not taken in, and the one before is not fenced.
    let refused = run.play(&format!("b2 join g instance=b protocols=range:{large}"));
    assert_eq!(refused, "b2: UnknownServerError\n");
    assert_eq!(run.play(&format!("b sync g 2 member={b} instance=b")), "b: synced consumer range: p\n");
}

stories! {
    player();
    a_member_joins_syncs_and_shows_that_it_lives: "happy.txt",
    whoever_may_not_join_is_told_why: "join_refused.txt",
    the_first_rebalance_waits_while_members_come_but_not_for_ever: "initial_delay.txt",
    a_member_that_changes_or_leads_makes_all_rejoin: "rejoin.txt",
    who_does_not_rejoin_in_time_is_out_and_another_leads: "join_expired.txt",
    who_does_not_fetch_its_assignment_in_time_is_out: "sync_expired.txt",
    a_silent_member_is_out_unless_it_waits_for_the_group: "session_expired.txt",
    an_id_that_nobody_uses_is_forgotten_and_not_waited_for: "pending.txt",
    a_static_member_comes_back_to_its_assignment: "static_stable.txt",
    a_static_member_that_comes_back_during_a_rebalance_fences_who_waits: "static_rebalance.txt",
    a_static_member_is_waited_for_until_its_session_ends: "static_absent.txt",
    a_rebalance_without_any_time_does_not_spin: "static_no_timeout.txt",
    members_leave_alone_together_and_by_their_instance: "leave.txt",
    the_protocol_that_most_prefer_among_the_common_ones_is_chosen: "votes.txt",
    a_failure_takes_back_a_rebalance_and_nothing_else: "reload.txt",
    nobody_learns_of_an_assignment_before_it_is_committed: "uncommitted.txt",
    a_group_takes_no_more_than_its_limit: "size.txt",
    a_group_is_listed_described_and_deleted: "lists.txt",
    who_commits_must_be_of_this_generation: "commits.txt",
    old_versions_are_answered_in_their_words: "versions.txt",
}
