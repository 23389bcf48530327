//! Members of classic groups: who may join, who is told apart, and that those who come and vanish cost nothing.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::support::groups::{Member, group};
use super::support::{Broker, Client, text, unique};

const AT_ONCE: &[&str] = &["group.initial.rebalance.delay.ms=0"];

/// A group with one member that has its assignment.
fn stable(client: &mut Client, id: &GroupId) -> Member {
    client.await_coordinator(id);
    let mut member = Member::of(id);
    client.join(&mut member);
    assert_eq!(client.call(&member.sync_request(&[(&member, "all")]), 5).error_code, 0);
    member
}

#[test]
fn members_join_at_once_before_version_4_and_with_the_id_they_are_given_from_then_on() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    for version in 2..=9 {
        let id = group(&unique("versions"));
        client.await_coordinator(&id);
        let mut member = Member::of(&id);
        let first = client.call(&member.join_request(), version);
        assert!(!first.member_id.is_empty());
        if version >= 4 {
            assert_eq!((first.error_code, first.generation_id), (79, -1), "version {version}");
            member.id = first.member_id;
            member.joined(&client.call(&member.join_request(), version));
        } else {
            member.joined(&first);
        }
        let synced = client.call(&member.sync_request(&[(&member, "all")]), if version >= 5 { 5 } else { 2 });
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]), "version {version}");
    }
}

#[test]
fn strangers_old_generations_and_fenced_instances_are_told_apart() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let member = stable(&mut client, &group(&unique("known")));
    let old = Member { generation: 0, ..member.clone() };
    let stranger = Member { id: text("stranger"), ..member.clone() };
    assert_eq!((client.heartbeat(&member), client.heartbeat(&old), client.heartbeat(&stranger)), (0, 22, 25));
    for (who, code) in [(&old, 22), (&stranger, 25)] {
        assert_eq!(client.call(&who.sync_request(&[]), 5).error_code, code);
    }
    assert_eq!(client.call(&stranger.join_request(), 5).error_code, 25);
    assert_eq!(client.leave(&stranger), 25);

    let other_type = member.join_request().with_protocol_type(text("another"));
    let mut other_protocol = Member::of(&member.group).join_request();
    other_protocol.protocols[0].name = text("q");
    let none = Member::of(&member.group).join_request().with_protocols(vec![]);
    for request in [other_type, other_protocol, none] {
        assert_eq!(client.call(&request, 5).error_code, 23, "{request:?}");
    }
    let wrong_type = member.sync_request(&[]).with_protocol_type(Some(text("another")));
    assert_eq!(client.call(&wrong_type, 5).error_code, 23);

    let mut fixed = Member { instance: Some(text("i")), ..Member::of(&group(&unique("fixed"))) };
    client.await_coordinator(&fixed.group);
    client.join(&mut fixed);
    let before = fixed.clone();
    fixed.id = StrBytes::default();
    client.join(&mut fixed);
    assert_eq!(client.call(&before.sync_request(&[]), 5).error_code, 82);
    assert_eq!(client.call(&before.join_request(), 5).error_code, 82);
    assert_eq!(client.leave(&before), 82);
    let unknown = Member { instance: Some(text("j")), id: StrBytes::default(), ..fixed.clone() };
    assert_eq!(client.leave(&unknown), 25);
    let by_instance = Member { id: StrBytes::default(), ..fixed.clone() };
    assert_eq!(client.leave(&by_instance), 0, "an instance may be removed by its name alone");
    assert_eq!(client.heartbeat(&fixed), 25);
}

#[test]
fn a_group_is_full_at_its_size() {
    let Some(broker) = Broker::start(&[AT_ONCE, &["group.max.size=1"]].concat()) else { return };
    let mut client = broker.connect();
    let member = stable(&mut client, &group(&unique("full")));
    let second = Member::of(&member.group);
    assert_eq!(client.call(&second.join_request(), 5).error_code, 81);
    assert_eq!(client.heartbeat(&member), 0, "the first one has heard of nothing");
    assert_eq!(client.leave(&member), 0);
    assert_eq!(client.call(&second.join_request(), 5).error_code, 79, "there is room again");
}

#[test]
fn metadata_and_assignments_are_nobodys_business_but_the_members() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let id = group(&unique("opaque"));
    client.await_coordinator(&id);
    let mut member = Member::of(&id);
    client.join(&mut member);
    let gone = Member { id: text("somebody-else"), ..member.clone() };
    let request =
        member.sync_request(&[(&gone, "not a member"), (&member, "\0\u{1} no topic of this cluster")]);
    let synced = client.call(&request, 5);
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"\0\x01 no topic of this cluster"[..]));
    for version in 0..=6 {
        let request = DescribeGroupsRequest::default().with_groups(vec![id.clone()]);
        let described = client.call(&request, version).groups.remove(0);
        assert_eq!(
            (described.error_code, &*described.group_state, described.members.len()),
            (0, "Stable", 1)
        );
        assert_eq!((&*described.protocol_type, &*described.protocol_data), ("test", "p"));
        let told = &described.members[0];
        assert_eq!(
            (&told.member_metadata[..], &told.member_assignment[..]),
            (&b"m"[..], &synced.assignment[..])
        );
    }
    let nobody = DescribeGroupsRequest::default().with_groups(vec![group(&unique("nobody")), group("")]);
    for (version, code) in [(0, 0), (5, 0), (6, 69)] {
        for described in client.call(&nobody, version).groups {
            let expected = if described.group_id.is_empty() { [24, code] } else { [code, code] };
            assert!(expected.contains(&described.error_code), "version {version}: {described:?}");
            assert_eq!(&*described.group_state, "Dead");
        }
    }
}

#[test]
fn those_who_come_and_vanish_cost_nothing() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let id = group(&unique("restless"));
    client.await_coordinator(&id);
    let round = |client: &mut Client| {
        let mut member = Member::of(&id);
        client.join(&mut member);
        assert_eq!(client.call(&member.sync_request(&[(&member, "all")]), 5).error_code, 0);
        assert_eq!(client.leave(&member), 0);
        // And one that takes an id and is never seen again.
        assert_eq!(client.call(&Member::of(&id).join_request(), 5).error_code, 79);
        member.generation
    };
    let first = (0..100).map(|_| round(&mut client)).next_back();
    let before = broker.resident_bytes();
    let last = (0..400).map(|_| round(&mut client)).next_back();
    assert!(last > first, "each one is a generation of its own");
    if let (Some(before), Some(after), false) =
        (before, broker.resident_bytes(), super::support::tests_kafka())
    {
        assert!(after < before + (16 << 20), "from {before} to {after} bytes");
    }
    let described = client.call(&DescribeGroupsRequest::default().with_groups(vec![id.clone()]), 5);
    assert_eq!((&*described.groups[0].group_state, described.groups[0].members.len()), ("Empty", 0));
}
