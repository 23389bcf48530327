//! The group APIs over the wire: a classic group from its first member to its deletion, offsets of simple consumers,
//! what is refused, and who finds the coordinator.

use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::support::groups::{Member, commit_request, group};
use super::support::{Broker, Client, eventually, text, unique};

/// Groups form at once, as they do by default in barnabas.
const AT_ONCE: &[&str] = &["group.initial.rebalance.delay.ms=0"];

fn state(client: &mut Client, id: &GroupId) -> (i16, String) {
    let request = DescribeGroupsRequest::default().with_groups(vec![id.clone()]);
    let described = client.call(&request, 6).groups.remove(0);
    (described.error_code, described.group_state.to_string())
}

#[test]
fn a_group_forms_rebalances_commits_and_is_deleted() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let (mut one, mut two) = (broker.connect(), broker.connect());
    let topic = one.create("consumed", 2);
    let id = group(&unique("g"));
    one.await_coordinator(&id);
    let (mut first, mut second) = (Member::of(&id), Member::of(&id));

    let joined = one.join(&mut first);
    assert_eq!((joined.generation_id, &joined.leader), (1, &first.id));
    assert_eq!((joined.members.len(), &joined.members[0].metadata[..]), (1, &b"m"[..]));
    let synced = one.call(&first.sync_request(&[(&first, "all")]), 5);
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    assert_eq!(state(&mut one, &id), (0, "Stable".to_owned()));

    // A second one comes: the first hears of it, rejoins, and both are told of one generation.
    let answer = two.call(&second.join_request(), 5);
    assert_eq!(answer.error_code, 79, "an id comes first");
    second.id = answer.member_id;
    let waiting = two.send(&second.join_request(), 5);
    eventually("the first one hears of the rebalance", || (one.heartbeat(&first) == 27).then_some(()));
    let joined = one.join(&mut first);
    assert_eq!((joined.generation_id, joined.members.len()), (2, 2));
    second.joined(&two.receive::<JoinGroupRequest>(waiting, 5));
    assert_eq!(second.generation, 2);
    let waiting = two.send(&second.sync_request(&[]), 5);
    assert_eq!(one.commit(&first, &topic.name, 0, 5), 27, "not while the assignment is missing");
    let synced = one.call(&first.sync_request(&[(&first, "0"), (&second, "1")]), 5);
    assert_eq!(&synced.assignment[..], b"0");
    assert_eq!(&two.receive::<SyncGroupRequest>(waiting, 5).assignment[..], b"1");

    assert_eq!(one.commit(&first, &topic.name, 0, 5), 0);
    assert_eq!(two.commit(&second, &topic.name, 1, 7), 0);
    let found = two.committed_one(&id, &topic.name, 0);
    assert_eq!((found.committed_offset, found.metadata.as_deref()), (5, Some("at 5")));
    let all = two.committed(&id, None);
    assert_eq!(all.topics.iter().map(|t| t.partitions.len()).sum::<usize>(), 2);

    let listed = one.call(&ListGroupsRequest::default(), 5).groups;
    let listed = listed.iter().find(|g| g.group_id == id).unwrap();
    assert_eq!(
        (&*listed.protocol_type, &*listed.group_state, &*listed.group_type),
        ("test", "Stable", "classic")
    );
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![id.clone()]);
    assert_eq!(one.call(&delete, 2).results[0].error_code, 68, "it is not empty");

    assert_eq!(one.leave(&first), 0);
    assert_eq!(two.leave(&second), 0);
    assert_eq!(two.leave(&second), 25);
    assert_eq!(state(&mut one, &id), (0, "Empty".to_owned()));
    assert_eq!(one.call(&delete, 2).results[0].error_code, 0);
    assert_eq!(state(&mut one, &id), (69, "Dead".to_owned()));
    assert_eq!(one.committed_one(&id, &topic.name, 0).committed_offset, -1);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let id = group(&unique("static"));
    client.await_coordinator(&id);
    let mut member = Member { instance: Some(text("i")), ..Member::of(&id) };
    assert_eq!(client.join(&mut member).generation_id, 1);
    assert_eq!(client.call(&member.sync_request(&[(&member, "all")]), 5).error_code, 0);

    let mut again = Member { id: StrBytes::default(), ..member.clone() };
    assert_eq!(client.join(&mut again).generation_id, 1);
    assert_ne!(again.id, member.id);
    let synced = client.call(&again.sync_request(&[]), 5);
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    assert_eq!(client.heartbeat(&member), 82, "the one before is fenced");
    assert_eq!(client.heartbeat(&again), 0);
}

#[test]
fn what_does_not_exist_or_is_not_allowed_is_refused_per_partition() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("simple", 1);
    let id = group(&unique("simple"));
    client.await_coordinator(&id);
    let nobody = Member::of(&id);
    assert_eq!(client.commit(&nobody, &topic.name, 0, 3), 0, "a simple consumer");
    assert_eq!(client.commit(&nobody, &topic.name, 1, 3), 3);
    assert_eq!(client.commit(&nobody, &TopicName(text("no-such-topic")), 0, 3), 3);
    let mut both = commit_request(&nobody, &topic.name, 0, 4);
    both.topics.extend(commit_request(&nobody, &TopicName(text("no-such-topic")), 0, 4).topics);
    let answer = client.call(&both, 7);
    let codes = answer.topics.iter().map(|t| (t.name.to_string(), t.partitions[0].error_code));
    let codes: std::collections::BTreeMap<String, i16> = codes.collect();
    assert_eq!(codes, [(topic.name().to_owned(), 0), ("no-such-topic".to_owned(), 3)].into());
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, 4);

    let long = commit_request(&nobody, &topic.name, 0, 5);
    let mut long = long;
    long.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4097)));
    assert_eq!(client.call(&long, 7).topics[0].partitions[0].error_code, 12);
    let stranger = Member { id: text("stranger"), generation: 1, ..nobody.clone() };
    assert_eq!(client.commit(&stranger, &topic.name, 0, 6), 25);
    assert_eq!(client.heartbeat(&stranger), 25);
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, 4);

    let empty = Member::of(&group(""));
    assert_eq!(client.call(&empty.join_request(), 5).error_code, 24);
    assert_eq!(client.heartbeat(&empty), 24);
    let short = Member::of(&id).join_request().with_session_timeout_ms(5);
    assert_eq!(client.call(&short, 5).error_code, 26);
}

#[test]
fn committed_offsets_are_deleted_by_partition() {
    use kafka_protocol::messages::offset_delete_request::*;
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("forgotten", 2);
    let id = group(&unique("forgetful"));
    client.await_coordinator(&id);
    let nobody = Member::of(&id);
    assert_eq!(client.commit(&nobody, &topic.name, 0, 3), 0);
    assert_eq!(client.commit(&nobody, &topic.name, 1, 4), 0);
    let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
    let named = OffsetDeleteRequestTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(vec![partition(0), partition(9)]);
    let request = OffsetDeleteRequest::default().with_group_id(id.clone()).with_topics(vec![named]);
    let answer = client.call(&request, 0);
    assert_eq!((answer.error_code, answer.topics.len()), (0, 1));
    let mut codes: Vec<(i32, i16)> =
        answer.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
    codes.sort_unstable();
    assert_eq!(codes, [(0, 0), (9, 3)]);
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, -1);
    assert_eq!(client.committed_one(&id, &topic.name, 1).committed_offset, 4);
}

#[test]
fn offsets_go_with_their_topic() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("going", 1);
    let id = group(&unique("left"));
    client.await_coordinator(&id);
    assert_eq!(client.commit(&Member::of(&id), &topic.name, 0, 3), 0);
    let request =
        DeleteTopicsRequest::default().with_topic_names(vec![topic.name.clone()]).with_timeout_ms(30_000);
    assert_eq!(client.call(&request, 5).responses[0].error_code, 0);
    eventually("the offset is gone", || {
        (client.committed_one(&id, &topic.name, 0).committed_offset == -1).then_some(())
    });
}

#[test]
fn the_protocol_of_kip_848_assigns_from_the_first_heartbeat_on() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("assigned", 3);
    let id = group(&unique("modern"));
    client.await_coordinator(&id);
    let heartbeat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(id.clone())
        .with_member_id(text(&Uuid::from_u128(7).to_string()))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![topic.name.clone()]))
        .with_topic_partitions(Some(vec![]));
    let answer = client.call(&heartbeat, 1);
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let assigned = answer.assignment.unwrap().topic_partitions;
    assert_eq!((assigned.len(), assigned[0].topic_id, assigned[0].partitions.len()), (1, topic.id, 3));
    let refused = client.call(&heartbeat.clone().with_rebalance_timeout_ms(-1), 1);
    assert_eq!(refused.error_code, 42);
    assert_eq!(
        refused.error_message.as_deref(),
        Some("RebalanceTimeoutMs must be provided in first request.")
    );

    // Who describes a classic group this way is sent to DescribeGroups.
    let classic = group(&unique("classic"));
    client.join(&mut Member::of(&classic));
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![id.clone(), classic]);
    let described = client.call(&request, 1).groups;
    let of_modern = described.iter().find(|g| g.group_id == id).unwrap();
    assert_eq!((of_modern.error_code, of_modern.members.len()), (0, 1));
    assert_eq!(described.iter().find(|g| g.group_id != id).unwrap().error_code, 69);
}

#[test]
fn every_key_of_a_find_coordinator_is_answered() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    client.await_coordinator(&group("any"));
    let keys: Vec<StrBytes> = ["a", "", "grüße", "😀"].map(text).to_vec();
    let request = FindCoordinatorRequest::default().with_coordinator_keys(keys.clone());
    let found = client.call(&request, 4).coordinators;
    assert_eq!(found.iter().map(|c| c.key.clone()).collect::<Vec<_>>(), keys);
    for coordinator in &found {
        assert_eq!((coordinator.error_code, coordinator.port), (0, i32::from(broker.port)));
        assert_eq!(*coordinator.host, *broker.host);
    }
    let single = client.call(&FindCoordinatorRequest::default().with_key(text("a")), 3);
    assert_eq!((single.error_code, single.error_message.as_deref()), (0, Some("NONE")));
    assert_eq!(single.port, i32::from(broker.port));
    let unknown = client.call(&FindCoordinatorRequest::default().with_key(text("a")).with_key_type(9), 3);
    assert_eq!((unknown.error_code, unknown.node_id.0, unknown.port), (42, -1, -1));
}

#[test]
fn nobody_but_the_broker_writes_to_its_own_topics() {
    use super::support::Records;
    let broker = Broker::shared();
    let mut client = broker.connect();
    client.await_coordinator(&group("any"));
    let topic = TopicName(text("__consumer_offsets"));
    assert!(client.describe(&topic).is_internal);
    assert_eq!(client.produce(&topic, 0, Records::of(["x"]).bytes()).error_code, 17);
}
