//! What tools see of transactions, and how they end one that hangs.

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_response::AddPartitionsToTxnResponse;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::ProducerState;
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::*;

use super::support::raw::{Compact, call_raw};
use super::support::transactions::{END_V1, END_V2, PRODUCE_V1, Txn, transactional};
use super::support::{Broker, Client, eventually, now_ms, tests_kafka, text, unique};

#[test]
fn a_transaction_is_described_in_each_of_its_states() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("described", 3);
    let txn = client.init(&unique("t"));
    let found = client.describe_transaction(&txn.id);
    assert_eq!((found.error_code, found.transaction_state.as_str()), (0, "Empty"));
    assert_eq!((found.transaction_start_time_ms, found.topics.len()), (-1, 0));
    let before = now_ms();
    assert_eq!(client.add(&txn, &topic.name, &[2]), [0]);
    assert_eq!(client.add(&txn, &topic.name, &[0]), [0]);
    let found = client.describe_transaction(&txn.id);
    assert_eq!(found.transactional_id, txn.id);
    assert_eq!((found.producer_id, found.producer_epoch), (txn.producer, txn.epoch));
    assert_eq!((found.transaction_state.as_str(), found.transaction_timeout_ms), ("Ongoing", 60_000));
    assert!((before..=now_ms()).contains(&found.transaction_start_time_ms), "{found:?}");
    let mut partitions = found.topics[0].partitions.clone();
    partitions.sort_unstable();
    assert_eq!((found.topics.len(), &found.topics[0].topic, &partitions[..]), (1, &topic.name, &[0, 2][..]));
    assert_eq!(client.end(&txn, true, END_V1).error_code, 0);
    let found = client.await_transaction(&txn.id, "CompleteCommit");
    assert_eq!((found.topics.len(), found.producer_epoch), (0, txn.epoch));
    assert_eq!(client.end(&txn, false, END_V2).error_code, 0);
    let found = client.await_transaction(&txn.id, "CompleteAbort");
    assert_eq!(found.producer_epoch, txn.epoch + 1);
}

#[test]
fn what_describe_transactions_does_not_find() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let txn = client.init(&unique("t"));
    let unknown = transactional(&unique("t"));
    client.await_transaction_coordinator(&unknown);
    let asked = vec![unknown.clone(), transactional(""), txn.id.clone()];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(asked.clone());
    let found = client.settled(|client| {
        let answer = client.call(&request, 0).transaction_states;
        let again = answer.iter().map(|state| state.error_code).find(|code| [14, 16].contains(code));
        (again.unwrap_or(0), answer)
    });
    let codes: Vec<i16> = asked
        .iter()
        .map(|id| found.iter().find(|state| state.transactional_id == *id).unwrap().error_code)
        .collect();
    assert_eq!(codes, [105, 42, 0]);
    assert_eq!(client.call(&DescribeTransactionsRequest::default(), 0).transaction_states.len(), 0);
}

/// The listed ids that are among `mine`, by their place there.
fn listed(client: &mut Client, request: &ListTransactionsRequest, version: i16, mine: &[&Txn]) -> Vec<usize> {
    let answer = client.settled(|client| {
        let answer = client.call(request, version);
        (answer.error_code, answer)
    });
    assert_eq!(answer.error_code, 0);
    let place = |state: &list_transactions_response::TransactionState| {
        let place = mine.iter().position(|txn| txn.id == state.transactional_id)?;
        assert_eq!(state.producer_id, mine[place].producer);
        Some(place)
    };
    let mut places: Vec<usize> = answer.transaction_states.iter().filter_map(place).collect();
    places.sort_unstable();
    places
}

#[test]
fn transactions_are_listed_by_state_producer_duration_and_pattern() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("listed", 1);
    let empty = client.init(&unique("empty"));
    let open = client.init(&unique("open"));
    assert_eq!(client.add(&open, &topic.name, &[0]), [0]);
    let done = client.init(&unique("done"));
    client.append_in(&done, &topic.name, 0, &done.batch(0, &["x"]));
    client.finish(&done, true);
    client.await_transaction(&done.id, "CompleteCommit");
    let mine = [&empty, &open, &done];
    let all = ListTransactionsRequest::default();
    for version in 0..=2 {
        assert_eq!(listed(&mut client, &all, version, &mine), [0, 1, 2], "version {version}");
        let by_state = all.clone().with_state_filters(vec![text("Ongoing"), text("Empty")]);
        assert_eq!(listed(&mut client, &by_state, version, &mine), [0, 1]);
        let by_producer = all.clone().with_producer_id_filters(vec![open.producer, done.producer]);
        assert_eq!(listed(&mut client, &by_producer, version, &mine), [1, 2]);
        let both = by_producer.with_state_filters(vec![text("CompleteCommit")]);
        assert_eq!(listed(&mut client, &both, version, &mine), [2]);
        let unknown = all.clone().with_state_filters(vec![text("Ongoing"), text("ongoing"), text("Odd")]);
        assert_eq!(listed(&mut client, &unknown, version, &mine), [1]);
        let told = client.call(&unknown, version).unknown_state_filters;
        assert_eq!((told.len(), told.contains(&text("ongoing"))), (2, true));
        let none = all.clone().with_state_filters(vec![text("Odd")]);
        assert_eq!(listed(&mut client, &none, version, &mine), [] as [usize; 0]);
    }
    let hour = all.clone().with_duration_filter(3_600_000).with_state_filters(vec![text("Ongoing")]);
    assert_eq!(listed(&mut client, &hour, 1, &mine), [] as [usize; 0]);
    eventually("it has been open for a moment", || {
        let moment = all.clone().with_duration_filter(1).with_state_filters(vec![text("Ongoing")]);
        (listed(&mut client, &moment, 1, &mine) == [1]).then_some(())
    });
    let of_pattern = |pattern: &str| all.clone().with_transactional_id_pattern(Some(text(pattern)));
    for (pattern, expected) in [
        ("(open|done)-.*", &[1, 2][..]),
        ("open", &[]),
        ("", &[0, 1, 2]),
        (&format!("^{}$", done.id.as_str()), &[2]),
    ] {
        assert_eq!(listed(&mut client, &of_pattern(pattern), 2, &mine), expected, "{pattern}");
    }
    assert_eq!(client.call(&of_pattern("open["), 2).error_code, 128);
    assert_eq!(client.end(&open, false, END_V1).error_code, 0);
}

/// The state of a producer in a partition, as DescribeProducers tells it.
fn producer_state(client: &mut Client, txn: &Txn, topic: &TopicName) -> Option<ProducerState> {
    let asked = TopicRequest::default().with_name(topic.clone()).with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked]);
    let partition = client.call(&request, 0).topics.remove(0).partitions.remove(0);
    assert_eq!(partition.error_code, 0);
    partition.active_producers.into_iter().find(|state| state.producer_id == txn.producer)
}

fn marker(txn: &Txn, topic: &TopicName, partitions: &[i32]) -> WritableTxnMarker {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(topic.clone())
        .with_partition_indexes(partitions.to_vec());
    WritableTxnMarker::default()
        .with_producer_id(txn.producer)
        .with_producer_epoch(txn.epoch)
        .with_topics(vec![topic])
}

/// The code of each partition.
fn write_markers(client: &mut Client, markers: Vec<WritableTxnMarker>) -> Vec<(ProducerId, i32, i16)> {
    let answer = client.call(&WriteTxnMarkersRequest::default().with_markers(markers), 1);
    let mut codes = Vec::new();
    for marker in &answer.markers {
        for partition in marker.topics.iter().flat_map(|topic| &topic.partitions) {
            codes.push((marker.producer_id, partition.partition_index, partition.error_code));
        }
    }
    codes.sort_unstable();
    codes
}

#[test]
fn a_hanging_transaction_is_found_and_aborted_in_its_partition() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("hanging", 1).name;
    let txn = client.init(&unique("t"));
    client.append_in(&txn, &topic, 0, &txn.batch(0, &["a"]));
    client.append_in(&txn, &topic, 0, &txn.batch(1, &["b"]));
    let found = producer_state(&mut client, &txn, &topic).unwrap();
    assert_eq!((found.producer_epoch, found.last_sequence), (i32::from(txn.epoch), 1));
    assert_eq!((found.current_txn_start_offset, found.coordinator_epoch), (0, -1));
    // kafka-transactions abort sends what DescribeProducers has told.
    let abort = marker(&txn, &topic, &[0]).with_coordinator_epoch(found.coordinator_epoch);
    assert_eq!(write_markers(&mut client, vec![abort.clone()]), [(txn.producer, 0, 0)]);
    let seen = client.await_stable(&topic, 0);
    assert_eq!((seen.values.len(), seen.aborted, seen.high_watermark), (0, vec![(txn.producer.0, 0)], 3));
    let found = producer_state(&mut client, &txn, &topic).unwrap();
    assert_eq!(found.current_txn_start_offset, -1);
    assert_eq!(write_markers(&mut client, vec![abort]), [(txn.producer, 0, 0)], "again");
    let after = client.await_stable(&topic, 0);
    assert_eq!(after.aborted.len(), 1);
    assert_eq!(client.end(&txn, false, END_V2).error_code, 0, "the coordinator ends it as well");
    client.await_transaction(&txn.id, "CompleteAbort");
}

#[test]
fn what_write_txn_markers_refuses() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("marked", 1).name;
    let missing = TopicName(text(&unique("missing")));
    let mut txn = client.init(&unique("t"));
    assert!(write_markers(&mut client, vec![]).is_empty());
    let unknown = write_markers(&mut client, vec![marker(&txn, &missing, &[0])]);
    assert_eq!(unknown, [(txn.producer, 0, 3)]);
    let some = write_markers(&mut client, vec![marker(&txn, &topic, &[0, 5])]);
    assert_eq!(
        some,
        [(txn.producer, 0, 0), (txn.producer, 5, 3)],
        "a producer without a transaction is no error"
    );
    client.append_in(&txn, &topic, 0, &txn.batch(0, &["x"]));
    txn = client.finish(&txn, true);
    client.await_stable(&topic, 0);
    let later = marker(&txn, &topic, &[0]).with_coordinator_epoch(7);
    assert_eq!(write_markers(&mut client, vec![later]), [(txn.producer, 0, 0)]);
    let earlier = marker(&txn, &topic, &[0]).with_coordinator_epoch(6);
    assert_eq!(write_markers(&mut client, vec![earlier]), [(txn.producer, 0, 52)]);
    let behind = marker(&txn.later(-1), &topic, &[0]).with_coordinator_epoch(8);
    assert_eq!(write_markers(&mut client, vec![behind]), [(txn.producer, 0, 47)]);
}

#[test]
fn a_marker_of_the_second_protocol_has_a_later_epoch_than_its_transaction() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("marked-2", 1).name;
    let txn = client.init(&unique("t"));
    client.append_in(&txn, &topic, 0, &txn.batch(0, &["x"]));
    let mut write = |epoch: i16, transaction_version: i8| {
        let mut body = BytesMut::new();
        body.put_u8(2);
        body.put_i64(txn.producer.0);
        body.put_i16(epoch);
        body.put_u8(0);
        body.put_u8(2);
        body.put_compact(topic.as_bytes());
        body.put_u8(2);
        body.put_i32(0);
        body.put_u8(0);
        body.put_i32(0);
        body.put_i8(transaction_version);
        body.put_slice(&[0, 0]);
        let mut answer = call_raw(&mut client, 27, 2, &body);
        assert_eq!((answer.get_u8(), answer.get_i64(), answer.get_u8()), (2, txn.producer.0, 2));
        answer.advance(topic.len() + 1);
        assert_eq!((answer.get_u8(), answer.get_i32()), (2, 0));
        answer.get_i16()
    };
    assert_eq!(write(txn.epoch, 2), 47);
    assert_eq!(write(txn.epoch + 1, 2), 0);
    assert_eq!(write(txn.epoch + 1, 0), 0, "no transaction is open");
    assert_eq!(client.await_stable(&topic, 0).aborted, vec![(txn.producer.0, 0)]);
}

#[test]
fn the_coordinators_own_logs_take_part_in_no_transaction() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let here = client.create("here", 1).name;
    let own = TopicName(text("__transaction_state"));
    let txn = client.init(&unique("t"));
    for version in 0..=3 {
        let answer = client.call(&txn.add_request(&[(&own, &[0]), (&here, &[0])]), version);
        let code = |name: &TopicName| {
            let topic = answer.results_by_topic_v3_and_below.iter().find(|topic| topic.name == *name);
            topic.unwrap().results_by_partition[0].partition_error_code
        };
        assert_eq!((code(&own), code(&here)), (29, 55), "version {version}");
    }
    if tests_kafka() {
        // It writes what an administrator asks for.
        return;
    }
    let all: Vec<i32> = (0..50).collect();
    let written = write_markers(&mut client, vec![marker(&txn, &own, &all)]);
    assert!(written.len() == 50 && written.iter().all(|(.., code)| *code == 3), "{written:?}");
    assert_eq!(client.add(&txn, &here, &[0]), [0], "the coordinator is well");
    client.finish(&txn, true);
}

#[test]
fn pending_offsets_are_aborted_by_a_marker() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("offsets", 1).name;
    let id = super::support::groups::group(&unique("g"));
    client.await_coordinator(&id);
    let txn = client.init(&unique("t"));
    let nobody = super::support::groups::Member::of(&id);
    assert_eq!(client.commit_in(&txn.commit_request(&nobody, &topic, 0, 4), 5), 0);
    let found = client.describe_transaction(&txn.id);
    let offsets = &found.topics[0];
    assert_eq!(offsets.topic.as_str(), "__consumer_offsets");
    let commit = marker(&txn, &offsets.topic, &offsets.partitions).with_transaction_result(true);
    let written = write_markers(&mut client, vec![commit]);
    assert_eq!(written, [(txn.producer, offsets.partitions[0], 0)]);
    assert_eq!(client.committed_one(&id, &topic, 0).committed_offset, 4);
}

/// The codes of partitions in the order of their topics' names, by transaction.
fn codes(answer: &AddPartitionsToTxnResponse) -> Vec<(TransactionalId, Vec<i16>)> {
    let results = answer.results_by_transaction.iter().map(|result| {
        let mut topics = result.topic_results.clone();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        let partitions = topics.iter().flat_map(|topic| &topic.results_by_partition);
        (result.transactional_id.clone(), partitions.map(|p| p.partition_error_code).collect())
    });
    let mut results: Vec<(TransactionalId, Vec<i16>)> = results.collect();
    results.sort();
    results
}

#[test]
fn brokers_verify_and_add_several_transactions_at_once() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("verified", 2).name;
    let suffix = unique("t");
    let txns: Vec<Txn> = ["a", "b", "c"].iter().map(|name| client.init(&format!("{name}{suffix}"))).collect();
    assert_eq!(client.add(&txns[0], &topic, &[0]), [0]);
    for version in [4, 5] {
        let verify = |txn: &Txn| txn.to_add(&[(&topic, &[0])]).with_verify_only(true);
        let stale = txns[2].later(1);
        let request = AddPartitionsToTxnRequest::default().with_transactions(vec![
            verify(&txns[0]),
            verify(&txns[1]),
            verify(&stale),
        ]);
        let answer = client.call(&request, version);
        let expected =
            [(txns[0].id.clone(), vec![0]), (txns[1].id.clone(), vec![120]), (stale.id.clone(), vec![90])];
        assert_eq!((answer.error_code, codes(&answer)), (0, expected.to_vec()), "version {version}");
    }
    let states = |client: &mut Client, txn: &Txn| client.describe_transaction(&txn.id).transaction_state;
    assert_eq!(states(&mut client, &txns[1]).as_str(), "Empty", "to verify adds nothing");
    let missing = TopicName(text(&unique("missing")));
    let request = AddPartitionsToTxnRequest::default().with_transactions(vec![
        txns[1].to_add(&[(&topic, &[0, 1])]),
        txns[2].to_add(&[(&topic, &[0]), (&missing, &[0])]),
    ]);
    let answer = client.call(&request, 5);
    assert_eq!(codes(&answer), [(txns[1].id.clone(), vec![0, 0]), (txns[2].id.clone(), vec![3, 55])]);
    assert_eq!(states(&mut client, &txns[1]).as_str(), "Ongoing");
    assert_eq!(client.send_in(&txns[1], &topic, 1, &txns[1].batch(0, &["x"]), PRODUCE_V1).error_code, 0);
    for txn in &txns[..2] {
        assert_eq!(client.end(txn, false, END_V2).error_code, 0);
    }
}
