//! Committed offsets: every version, topics by their ids, and who may commit.

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::*;
use uuid::Uuid;

use super::support::groups::{Member, commit_request, group};
use super::support::raw::{Compact, call_raw, put_offset, skip_to_partition};
use super::support::{Broker, stranger, unique};

const AT_ONCE: &[&str] = &["group.initial.rebalance.delay.ms=0"];

#[test]
fn what_one_version_commits_every_other_one_reads() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("versions", 1);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    for version in 2..=9 {
        let offset = i64::from(version) * 10;
        let request = commit_request(&Member::of(&id), &topic.name, 0, offset);
        let answer = client.call(&request, version);
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "OffsetCommit {version}");
        for version in 1..=7 {
            let asked = OffsetFetchRequestTopic::default()
                .with_name(topic.name.clone())
                .with_partition_indexes(vec![0, 9]);
            let request =
                OffsetFetchRequest::default().with_group_id(id.clone()).with_topics(Some(vec![asked]));
            let answer = client.call(&request, version);
            let found = &answer.topics[0].partitions;
            assert_eq!((answer.error_code, found[0].error_code, found[0].committed_offset), (0, 0, offset));
            assert_eq!(found[0].metadata.as_deref(), Some(&*format!("at {offset}")), "OffsetFetch {version}");
            assert_eq!((found[1].error_code, found[1].committed_offset), (0, -1), "nothing is no error");
            assert_eq!(found[1].metadata.as_deref(), Some(""));
        }
        assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, offset, "OffsetFetch 8");
    }
    let unknown = group(&unique("nobody"));
    let all = client.committed(&unknown, None);
    assert_eq!((all.error_code, all.topics.len()), (0, 0), "an unknown group has nothing, which is no error");
    let mut stable = OffsetFetchRequest::default().with_require_stable(true);
    stable.groups = vec![
        offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(id.clone()).with_topics(None),
    ];
    let answer = client.call(&stable, 9).groups.remove(0);
    assert_eq!((answer.error_code, answer.topics[0].partitions[0].committed_offset), (0, 90));
}

#[test]
fn only_members_commit_for_a_group_that_has_some() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("owned", 1);
    let id = group(&unique("owners"));
    client.await_coordinator(&id);
    let mut member = Member::of(&id);
    client.join(&mut member);
    assert_eq!(client.call(&member.sync_request(&[(&member, "all")]), 5).error_code, 0);
    assert_eq!(client.commit(&member, &topic.name, 0, 1), 0);
    assert_eq!(client.commit(&Member::of(&id), &topic.name, 0, 2), 25, "from outside");
    assert_eq!(client.commit(&Member { generation: 7, ..member.clone() }, &topic.name, 0, 2), 22);
    assert_eq!(client.commit(&Member { id: "x".into(), ..member.clone() }, &topic.name, 0, 2), 25);
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, 1);

    let delete = |names: &[&GroupId]| {
        DeleteGroupsRequest::default().with_groups_names(names.iter().map(|id| (*id).clone()).collect())
    };
    let unknown = group(&unique("nobody"));
    let results = client.call(&delete(&[&id, &unknown]), 2).results;
    let code = |id: &GroupId| results.iter().find(|r| r.group_id == *id).unwrap().error_code;
    assert_eq!((code(&id), code(&unknown)), (68, 69));
    assert_eq!(client.leave(&member), 0);
    assert_eq!(client.commit(&Member::of(&id), &topic.name, 0, 2), 0, "an empty group takes it from anybody");
    assert_eq!(client.call(&delete(&[&id]), 2).results[0].error_code, 0);
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, -1);
}

fn commit_by_id(group: &GroupId, topic: Uuid, offset: i64) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_compact(group.as_bytes());
    body.put_i32(-1);
    body.put_compact(b"");
    body.put_u8(0);
    put_offset(&mut body, topic, offset);
    body
}

fn fetch_by_id(group: &GroupId, topic: Uuid) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u8(2);
    body.put_compact(group.as_bytes());
    body.put_u8(0);
    body.put_i32(-1);
    body.put_u8(2);
    body.put_slice(topic.as_bytes());
    body.put_u8(2);
    body.put_i32(0);
    body.put_slice(&[0, 0]);
    body.put_u8(0);
    body.put_u8(0);
    body
}

#[test]
fn version_10_names_topics_by_their_ids() {
    let Some(broker) = Broker::start(AT_ONCE) else { return };
    let mut client = broker.connect();
    let topic = client.create("by-id", 1);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    for (topic, code) in [(topic.id, 0), (stranger(), 100), (Uuid::nil(), 100)] {
        let mut answer = call_raw(&mut client, 8, 10, &commit_by_id(&id, topic, 5));
        assert_eq!(answer.get_i32(), 0);
        skip_to_partition(&mut answer, topic);
        assert_eq!(answer.get_i16(), code, "{topic}");
    }
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, 5);
    for (topic, offset, code) in [(topic.id, 5, 0), (stranger(), -1, 100)] {
        let mut answer = call_raw(&mut client, 9, 10, &fetch_by_id(&id, topic));
        assert_eq!((answer.get_i32(), answer.get_u8()), (0, 2));
        assert_eq!(answer.split_to(id.len() + 1)[1..], *id.as_bytes());
        skip_to_partition(&mut answer, topic);
        assert_eq!((answer.get_i64(), answer.get_i32()), (offset, -1));
        let metadata = usize::from(answer.get_u8()) - 1;
        assert_eq!(&answer.split_to(metadata)[..], if code == 0 { &b"by id"[..] } else { b"" });
        assert_eq!(answer.get_i16(), code);
    }
}
