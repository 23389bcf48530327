//! Offsets that are committed in a transaction.

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::{GroupId, TopicName};
use uuid::Uuid;

use super::support::groups::{Member, group};
use super::support::raw::{Compact, call_raw, put_offset, skip_to_partition};
use super::support::transactions::{END_V1, END_V2, PRODUCE_V1, Txn};
use super::support::{Broker, Client, eventually, stranger, text, unique};

/// The first version that adds the group's partition by itself.
const COMMIT_V2: i16 = 5;

/// A topic, a group whose coordinator serves, and a producer.
fn parts(client: &mut Client, name: &str) -> (TopicName, GroupId, Txn) {
    let topic = client.create(name, 2).name;
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let txn = client.init(&unique("t"));
    (topic, id, txn)
}

#[test]
fn offsets_are_pending_until_the_transaction_commits() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, txn) = parts(&mut client, "pending");
    let nobody = Member::of(&id);
    assert_eq!(client.commit(&nobody, &topic, 0, 5), 0);
    for version in 0..=4 {
        let offset = 10 + i64::from(version);
        let before = client.committed_one(&id, &topic, 0).committed_offset;
        let answer = client.settled(|client| {
            let code = client.call(&txn.add_offsets_request(&id), version.min(4)).error_code;
            (code, code)
        });
        assert_eq!(answer, 0, "AddOffsetsToTxn {version}");
        let request = txn.commit_request(&nobody, &topic, 0, offset);
        assert_eq!(client.commit_in(&request, version), 0, "TxnOffsetCommit {version}");
        assert_eq!(client.committed_one(&id, &topic, 0).committed_offset, before, "pending is not seen");
        assert_eq!(client.stable_offset(&id, &topic), (88, -1), "who asks for stable ones has to wait");
        assert_eq!(client.end(&txn, true, END_V1).error_code, 0);
        let seen = eventually("it is decided", || {
            let (code, offset) = client.stable_offset(&id, &topic);
            (code == 0).then_some(offset)
        });
        assert_eq!(seen, offset);
        let found = client.committed_one(&id, &topic, 0);
        assert_eq!(found.metadata.as_deref(), Some(&*format!("at {offset}")));
    }
}

#[test]
fn version_6_names_topics_by_their_ids() {
    // Apache Kafka has it since 4.4.
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("txn-by-id", 1);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let txn = client.init(&unique("t"));
    let by_id = |topic: Uuid| {
        let mut body = BytesMut::new();
        body.put_compact(txn.id.as_bytes());
        body.put_compact(id.as_bytes());
        body.put_i64(txn.producer.0);
        body.put_i16(txn.epoch);
        body.put_i32(-1);
        body.put_compact(b"");
        body.put_u8(0);
        put_offset(&mut body, topic, 7);
        body
    };
    for (topic, code) in [(stranger(), 100), (topic.id, 0)] {
        let mut answer = call_raw(&mut client, 28, 6, &by_id(topic));
        assert_eq!(answer.get_i32(), 0);
        skip_to_partition(&mut answer, topic);
        assert_eq!(answer.get_i16(), code, "{topic}");
    }
    client.finish(&txn, true);
    let seen = eventually("it is decided", || {
        let (code, offset) = client.stable_offset(&id, &topic.name);
        (code == 0).then_some(offset)
    });
    assert_eq!(seen, 7);
}

#[test]
fn aborted_offsets_leave_what_was_there() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, mut txn) = parts(&mut client, "aborted");
    let nobody = Member::of(&id);
    for committed in [false, true, false] {
        let before = client.committed_one(&id, &topic, 0).committed_offset;
        let request = txn.commit_request(&nobody, &topic, 0, before + 7);
        assert_eq!(client.commit_in(&request, COMMIT_V2), 0);
        assert_eq!(client.stable_offset(&id, &topic).0, 88);
        txn = client.finish(&txn, committed);
        let after = eventually("it is decided", || {
            let (code, offset) = client.stable_offset(&id, &topic);
            (code == 0).then_some(offset)
        });
        assert_eq!(after, if committed { before + 7 } else { before });
    }
}

#[test]
fn the_last_commit_before_the_end_counts() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, txn) = parts(&mut client, "last");
    let nobody = Member::of(&id);
    let in_transaction = txn.commit_request(&nobody, &topic, 0, 5);
    assert_eq!(client.commit_in(&in_transaction, COMMIT_V2), 0);
    assert_eq!(client.commit(&nobody, &topic, 0, 9), 0, "a plain commit is not held up");
    assert_eq!(client.committed_one(&id, &topic, 0).committed_offset, 9);
    client.finish(&txn, true);
    eventually("it is decided", || (client.stable_offset(&id, &topic).0 == 0).then_some(()));
    let seen = client.committed_one(&id, &topic, 0).committed_offset;
    assert_eq!(seen, 9, "the plain one was written later");
}

#[test]
fn records_and_offsets_end_together() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, first) = parts(&mut client, "together");
    let mut txn = first;
    for committed in [true, false] {
        client.append_in(&txn, &topic, 1, &txn.batch(0, &["out"]));
        let request = txn.commit_request(&Member::of(&id), &topic, 0, 1 + i64::from(!committed));
        assert_eq!(client.commit_in(&request, COMMIT_V2), 0);
        let found = client.describe_transaction(&txn.id);
        let mut topics: Vec<&str> = found.topics.iter().map(|topic| topic.topic.as_str()).collect();
        topics.sort_unstable();
        assert_eq!(topics, ["__consumer_offsets", topic.as_str()]);
        txn = client.finish(&txn, committed);
        client.await_stable(&topic, 1);
    }
    eventually("it is decided", || (client.stable_offset(&id, &topic) == (0, 1)).then_some(()));
    assert_eq!(client.await_stable(&topic, 1).values.len(), 1);
}

#[test]
fn only_the_member_of_the_generation_commits() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, txn) = parts(&mut client, "members");
    let mut member = Member::of(&id);
    client.join(&mut member);
    assert_eq!(client.call(&member.sync_request(&[(&member, "all")]), 5).error_code, 0);
    let wrong = [
        ("generation", 22, Member { generation: 7, ..member.clone() }),
        ("member", 25, Member { id: text("stranger"), ..member.clone() }),
    ];
    for (what, code, member) in wrong {
        for version in [3, 4, 5] {
            let request = txn.commit_request(&member, &topic, 0, 1);
            if version < COMMIT_V2 {
                assert_eq!(client.call(&txn.add_offsets_request(&id), 3).error_code, 0);
            }
            assert_eq!(client.commit_in(&request, version), code, "another {what}, version {version}");
        }
    }
    let request = txn.commit_request(&Member::of(&id), &topic, 0, 1);
    assert_eq!(client.commit_in(&request, COMMIT_V2), 0, "who says no member is believed, as old clients do");
    let request = txn.commit_request(&member, &topic, 0, 2);
    assert_eq!(client.commit_in(&request, COMMIT_V2), 0);
    client.finish(&txn, true);
    eventually("it is decided", || (client.stable_offset(&id, &topic) == (0, 2)).then_some(()));
}

#[test]
fn what_txn_offset_commit_refuses() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, txn) = parts(&mut client, "refusing");
    let nobody = Member::of(&id);
    let missing = TopicName(text(&unique("missing")));
    for version in [2, 3, 5] {
        let mut request = txn.commit_request(&nobody, &missing, 0, 1);
        request.topics.extend(txn.commit_request(&nobody, &topic, 9, 1).topics);
        let answer = client.call(&request, version);
        let codes: Vec<i16> = answer.topics.iter().map(|t| t.partitions[0].error_code).collect();
        assert_eq!(codes, [3, 3], "version {version}");
    }
    let without = txn.commit_request(&nobody, &topic, 0, 1);
    for (version, code) in [(0, 48), (2, 48), (3, 48), (4, 120)] {
        assert_eq!(client.commit_in(&without, version), code, "not added, version {version}");
    }
    let behind = client.init(txn.id.as_str());
    let stale = txn.commit_request(&nobody, &topic, 0, 1);
    for version in [3, 4, 5] {
        assert_eq!(client.commit_in(&stale, version), 47, "of an older epoch, version {version}");
    }
    let unknown =
        Txn { producer: kafka_protocol::messages::ProducerId(txn.producer.0 + 1_000_000), ..behind };
    let unknown = unknown.commit_request(&nobody, &topic, 0, 1);
    assert_eq!(client.commit_in(&unknown, COMMIT_V2), 49);
    let empty = Member::of(&group(""));
    assert_eq!(client.commit_in(&txn.commit_request(&empty, &topic, 0, 1), COMMIT_V2), 24);
    assert_eq!(client.committed_one(&id, &topic, 0).committed_offset, -1);
}

#[test]
fn pending_offsets_leave_with_the_abort() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (topic, id, txn) = parts(&mut client, "kept");
    let nobody = Member::of(&id);
    assert_eq!(client.commit_in(&txn.commit_request(&nobody, &topic, 0, 3), COMMIT_V2), 0);
    assert_eq!(client.send_in(&txn, &topic, 1, &txn.batch(0, &["x"]), PRODUCE_V1).error_code, 120);
    assert_eq!(client.end(&txn, false, END_V2).error_code, 0);
    eventually("it is decided", || (client.stable_offset(&id, &topic) == (0, -1)).then_some(()));
}
