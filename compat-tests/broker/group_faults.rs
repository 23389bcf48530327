//! Groups when things break: the broker dies, restarts, stops, or loses a disk. What was acknowledged is there, and
//! nobody waits for ever.

use std::path::Path;

use kafka_protocol::messages::{GroupId, JoinGroupRequest};

use super::full_disk::Mount;
use super::support::groups::{Member, commit_request, group};
use super::support::{Broker, Client, Records, eventually, unique};

const AT_ONCE: &[&str] = &["group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=4"];

/// `Utils.abs(id.hashCode()) % 4` for ids of plain letters and digits.
fn partition_of(id: &GroupId) -> i32 {
    let hash = id.bytes().fold(0i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
    hash.wrapping_abs().max(0) % 4
}

/// A group in each partition of the topic.
fn one_in_each_partition() -> Vec<GroupId> {
    let name = unique("g");
    let mut found: Vec<Option<GroupId>> = vec![None; 4];
    for number in 0.. {
        let id = group(&format!("{name}x{number}"));
        found[usize::try_from(partition_of(&id)).unwrap()].get_or_insert(id);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.into_iter().flatten().collect()
}

#[test]
fn acknowledged_commits_survive_kills() {
    let Some(mut broker) = Broker::start(AT_ONCE) else { return };
    let topic = broker.connect().create("committed", 1);
    let groups = one_in_each_partition();
    let mut acked = vec![-1; groups.len()];
    for round in 0..3 {
        let mut client = broker.connect();
        for (id, acked) in groups.iter().zip(&mut acked) {
            client.await_coordinator(id);
            let found = client.committed_one(id, &topic.name, 0).committed_offset;
            // One more may have been written than was acknowledged.
            assert!((*acked..=*acked + 1).contains(&found), "{acked} acknowledged, {found} there");
            *acked = found;
        }
        for _ in 0..50 {
            for (id, acked) in groups.iter().zip(&mut acked) {
                assert_eq!(client.commit(&Member::of(id), &topic.name, 0, *acked + 1), 0);
                *acked += 1;
            }
        }
        let last = Member::of(&groups[round]);
        client.send(&commit_request(&last, &topic.name, 0, acked[round] + 1), 7);
        broker.kill();
        broker.restart();
    }
    let mut client = broker.connect();
    for (id, acked) in groups.iter().zip(acked) {
        client.await_coordinator(id);
        let found = client.committed_one(id, &topic.name, 0).committed_offset;
        assert!((acked..=acked + 1).contains(&found));
    }
}

#[test]
fn a_rebalance_that_a_kill_cut_off_begins_again() {
    let Some(mut broker) = Broker::start(AT_ONCE) else { return };
    let id = group(&unique("cut-off"));
    let mut one = broker.connect();
    one.await_coordinator(&id);
    let (mut first, mut second) = (Member::of(&id), Member::of(&id));
    one.join(&mut first);
    assert_eq!(one.call(&first.sync_request(&[(&first, "all")]), 5).error_code, 0);
    let mut two = broker.connect();
    second.id = two.call(&second.join_request(), 5).member_id;
    two.send(&second.join_request(), 5);
    eventually("the rebalance has begun", || (one.heartbeat(&first) == 27).then_some(()));
    broker.kill();
    broker.restart();

    let mut one = broker.connect();
    one.await_coordinator(&id);
    assert_eq!(one.heartbeat(&first), 0, "the generation before is what the log knows");
    // The second one was never in a generation, so its id is unknown.
    let mut two = broker.connect();
    assert_eq!(two.call(&second.join_request(), 5).error_code, 25);
    let mut second = Member::of(&id);
    second.id = two.call(&second.join_request(), 5).member_id;
    let waiting = two.send(&second.join_request(), 5);
    eventually("the first one hears of it", || (one.heartbeat(&first) == 27).then_some(()));
    let joined = one.join(&mut first);
    assert_eq!((joined.generation_id, joined.members.len()), (2, 2));
    second.joined(&two.receive::<JoinGroupRequest>(waiting, 5));
    let synced = one.call(&first.sync_request(&[(&first, "0"), (&second, "1")]), 5);
    assert_eq!(&synced.assignment[..], b"0");
    assert_eq!(&two.call(&second.sync_request(&[]), 5).assignment[..], b"1");
}

#[test]
fn members_that_are_gone_after_a_restart_are_dropped_when_their_sessions_end() {
    let Some(mut broker) = Broker::start(AT_ONCE) else { return };
    let id = group(&unique("gone"));
    let mut client = broker.connect();
    client.await_coordinator(&id);
    let mut member = Member::of(&id);
    let quick = |request: JoinGroupRequest| request.with_session_timeout_ms(6_000);
    member.id = client.call(&quick(member.join_request()), 5).member_id;
    let answer = client.call(&quick(member.join_request()), 5);
    member.joined(&answer);
    assert_eq!(client.call(&member.sync_request(&[(&member, "all")]), 5).error_code, 0);
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    client.await_coordinator(&id);
    let mut next = Member::of(&id);
    // Answered once the session of the one that is gone has ended.
    assert_eq!(client.join(&mut next).members.len(), 1);
}

#[test]
fn who_waits_for_a_rebalance_does_not_hold_up_the_end() {
    let Some(mut broker) = Broker::start(AT_ONCE) else { return };
    let id = group(&unique("waiting"));
    let mut one = broker.connect();
    one.await_coordinator(&id);
    let mut first = Member::of(&id);
    one.join(&mut first);
    assert_eq!(one.call(&first.sync_request(&[(&first, "all")]), 5).error_code, 0);
    let mut two = broker.connect();
    let mut second = Member::of(&id);
    second.id = two.call(&second.join_request(), 5).member_id;
    let waiting = two.send(&second.join_request(), 5);
    eventually("it waits", || (one.heartbeat(&first) == 27).then_some(()));
    broker.terminate();
    if !super::support::tests_kafka() {
        assert_eq!(two.receive::<JoinGroupRequest>(waiting, 5).error_code, 16, "it looks elsewhere");
    }
    broker.wait();
}

#[test]
fn while_a_coordinator_reads_its_log_nobody_is_told_that_there_is_nothing() {
    let Some(mut broker) = Broker::start(&["offsets.topic.num.partitions=1"]) else { return };
    let partitions = 500;
    let mut client = broker.connect();
    let topic = client.create("many", partitions);
    let id = group(&unique("large"));
    client.await_coordinator(&id);
    let nobody = Member::of(&id);
    for round in 0..60 {
        let mut request = commit_request(&nobody, &topic.name, 0, round);
        let one = request.topics[0].partitions.remove(0);
        request.topics[0].partitions = (0..partitions).map(|p| one.clone().with_partition_index(p)).collect();
        let answer = client.call(&request, 7);
        assert!(answer.topics[0].partitions.iter().all(|p| p.error_code == 0));
    }
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    eventually("the offsets are there", || {
        let answer = client.committed(&id, Some((&topic.name, &[0, partitions - 1])));
        if [14, 15, 16].contains(&answer.error_code) {
            return None;
        }
        assert_eq!(answer.error_code, 0);
        assert!(answer.topics[0].partitions.iter().all(|p| p.committed_offset == 59), "{answer:?}");
        Some(())
    });
    // Nor is a group forgotten that is asked for by a list.
    let listed = client.call(&kafka_protocol::messages::ListGroupsRequest::default(), 5);
    assert!(listed.error_code != 0 || listed.groups.iter().any(|g| g.group_id == id), "{listed:?}");
}

fn is_in(dir: &Path, partition: i32) -> bool {
    dir.join(format!("__consumer_offsets-{partition}")).exists()
}

fn commit_code(client: &mut Client, id: &GroupId, topic: &kafka_protocol::messages::TopicName) -> i16 {
    client.commit(&Member::of(id), topic, 0, 1)
}

#[test]
fn groups_on_a_disk_that_fails_are_looked_for_elsewhere_and_the_others_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let roomy = temp.path().join("roomy");
    let Some(small) = Mount::new(temp.path().join("small"), "size=20m") else { return };
    let dirs = format!("log.dirs={},{}", roomy.display(), small.dir.display());
    let metadata = format!("metadata.log.dir={}", roomy.display());
    let Some(mut broker) = Broker::start_in(&roomy, &[&[&*dirs, &*metadata], AT_ONCE].concat()) else {
        return;
    };
    broker.expect_complaint("log directory is offline");
    broker.expect_complaint("coordinator resigns");
    let mut client = broker.connect();
    let topic = client.create("consumed", 2);
    let groups = one_in_each_partition();
    for id in &groups {
        client.await_coordinator(id);
        assert_eq!(commit_code(&mut client, id, &topic.name), 0);
    }
    let (lost, kept): (Vec<&GroupId>, Vec<&GroupId>) =
        groups.iter().partition(|id| is_in(&small.dir, partition_of(id)));
    assert!(!lost.is_empty() && !kept.is_empty(), "partitions are spread over the directories");

    let full = (0..2).find(|p| small.dir.join(format!("{}-{p}", topic.name())).exists()).unwrap();
    let batch = Records::of_size(700_000).bytes();
    while client.produce(&topic.name, full, batch.clone()).error_code == 0 {}
    for id in &lost {
        eventually("the coordinator has resigned", || {
            let code = client.committed(id, None).error_code;
            // Apache Kafka without a leader for the partition says NOT_COORDINATOR as well.
            (code == 16).then_some(())
        });
        assert_eq!(commit_code(&mut client, id, &topic.name), 16);
        assert_eq!(client.heartbeat(&Member { id: "m".into(), ..Member::of(id) }), 16);
    }
    for id in &kept {
        let fine = (0..2).find(|p| *p != full).unwrap();
        assert_eq!(client.commit(&Member::of(id), &topic.name, fine, 2), 0);
        assert_eq!(client.committed_one(id, &topic.name, fine).committed_offset, 2);
    }

    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    for id in &lost {
        client.await_coordinator(id);
        assert_eq!(client.committed_one(id, &topic.name, 0).committed_offset, 1);
    }
}
