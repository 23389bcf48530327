//! The life of a transaction: made, written to, ended, fenced, timed out, and what consumers see of it.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, ProducerId};

use super::support::groups::group;
use super::support::transactions::{
    END_V1, END_V2, PRODUCE_V1, PRODUCE_V2, Txn, init_request, transactional,
};
use super::support::{Broker, Client, eventually, unique};

/// One transaction of one record in each of the first two partitions, by the first protocol.
fn write_v1(client: &mut Client, txn: &Txn, topic: &kafka_protocol::messages::TopicName, sequence: i32) {
    assert_eq!(client.add(txn, topic, &[0, 1]), [0, 0]);
    for partition in [0, 1] {
        let batch = txn.batch(sequence, &[&format!("{sequence}")]);
        assert_eq!(client.send_in(txn, topic, partition, &batch, PRODUCE_V1).error_code, 0);
    }
}

#[test]
fn the_first_protocol_commits_and_aborts() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("first", 2);
    let txn = client.init(&unique("t"));
    for (sequence, committed) in [(0, true), (1, false), (2, true), (3, false)] {
        write_v1(&mut client, &txn, &topic.name, sequence);
        let open = client.read_committed(&topic.name, 1);
        assert_eq!(open.last_stable_offset, i64::from(sequence) * 2, "the open one is held back");
        assert_eq!(open.high_watermark, open.last_stable_offset + 1);
        let answer = client.end(&txn, committed, END_V1);
        assert_eq!(answer.error_code, 0);
        for partition in [0, 1] {
            client.await_stable(&topic.name, partition);
        }
    }
    for partition in [0, 1] {
        let seen = client.await_stable(&topic.name, partition);
        assert_eq!(seen.values, [(0, "0".to_owned()), (4, "2".to_owned())]);
        assert_eq!(seen.aborted, [(txn.producer.0, 2), (txn.producer.0, 6)]);
        assert_eq!(seen.high_watermark, 8, "a marker behind each");
    }
    let all = client.fetch(&topic.name, 0, 0);
    assert!(all.aborted_transactions.is_none_or(|list| list.is_empty()), "read_uncommitted is told of none");
}

#[test]
fn the_second_protocol_gives_every_transaction_an_epoch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("second", 2);
    let first = client.init(&unique("t"));
    let mut txn = first.clone();
    for (number, committed) in [(0, true), (1, false), (2, true)] {
        assert_eq!(
            client.append_in(&txn, &topic.name, 0, &txn.batch(0, &[&format!("a{number}")])),
            number * 3
        );
        client.append_in(&txn, &topic.name, 0, &txn.batch(1, &[&format!("b{number}")]));
        let next = client.finish(&txn, committed);
        assert_eq!(next, txn.later(1));
        txn = next;
    }
    let seen = client.await_stable(&topic.name, 0);
    let values: Vec<&str> = seen.values.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["a0", "b0", "a2", "b2"]);
    assert_eq!(seen.aborted, [(first.producer.0, 3)]);
    assert_eq!(
        client.read_committed(&topic.name, 1).high_watermark,
        0,
        "no marker where nothing was written"
    );
}

#[test]
fn every_version_of_init_producer_id_bumps_the_epoch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let first = client.init(&unique("t"));
    for version in 0..=5 {
        let answer = client.settled(|client| {
            let answer = client.call(&init_request(&first.id, 60_000), version);
            (answer.error_code, answer)
        });
        assert_eq!((answer.error_code, answer.producer_id), (0, first.producer), "version {version}");
        assert_eq!(answer.producer_epoch, version + 1);
    }
}

#[test]
fn what_init_producer_id_refuses() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let known = client.init(&unique("t"));
    let id = |id: &str| transactional(id);
    let fresh = id(&unique("t"));
    let with = |request: kafka_protocol::messages::InitProducerIdRequest, producer, epoch| {
        request.with_producer_id(ProducerId(producer)).with_producer_epoch(epoch)
    };
    let refused = [
        ("empty", 42, init_request(&id(""), 1000)),
        ("empty before its time-out", 42, init_request(&id(""), i32::MAX)),
        ("time-out above the maximum", 50, init_request(&fresh, 900_001)),
        ("time-out of zero", 50, init_request(&fresh, 0)),
        ("time-out below zero", 50, init_request(&fresh, -1)),
        ("id without epoch", 42, with(init_request(&fresh, 1000), 5, -1)),
        ("epoch without id", 42, with(init_request(&fresh, 1000), -1, 5)),
        ("id of another", 90, with(init_request(&known.id, 1000), known.producer.0 + 1_000_000, 0)),
    ];
    for (what, code, request) in refused {
        let answer = client.call(&request, 5);
        assert_eq!(
            (answer.error_code, answer.producer_id.0, answer.producer_epoch),
            (code, -1, -1),
            "{what}"
        );
    }
    assert_eq!(client.call(&init_request(&fresh, 900_000), 5).error_code, 0, "the maximum itself");
}

#[test]
fn a_producer_that_tells_its_epoch_is_bumped_once_and_fenced_when_it_is_behind() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let txn = client.init(&unique("t"));
    let mut init_as = |txn: &Txn, version: i16| {
        let request =
            init_request(&txn.id, 60_000).with_producer_id(txn.producer).with_producer_epoch(txn.epoch);
        let answer = client.call(&request, version);
        (answer.error_code, answer.producer_epoch)
    };
    assert_eq!(init_as(&txn, 5), (0, txn.epoch + 1));
    assert_eq!(init_as(&txn, 5), (0, txn.epoch + 1), "an answer that was lost");
    let now = txn.later(1);
    assert_eq!(init_as(&now, 3), (0, now.epoch + 1));
    assert_eq!(init_as(&txn, 4), (90, -1));
    assert_eq!(init_as(&txn, 3), (47, -1), "version 3 does not know PRODUCER_FENCED");
    assert_eq!(init_as(&now.later(5), 4), (90, -1), "an epoch that nobody has");
}

#[test]
fn the_producer_before_is_fenced_by_every_api() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("fenced", 1);
    let id = unique("t");
    let old = client.init(&id);
    client.append_in(&old, &topic.name, 0, &old.batch(0, &["of the old one"]));
    let new = client.init(&id);
    assert_eq!(new.producer, old.producer);
    assert!(new.epoch > old.epoch);
    let seen = client.await_stable(&topic.name, 0);
    assert_eq!((seen.values.len(), seen.aborted.len()), (0, 1), "the new one has aborted what was open");

    for version in 0..=5 {
        let code = client.end(&old, true, version).error_code;
        assert_eq!(code, if version < 2 { 47 } else { 90 }, "EndTxn {version}");
    }
    let members = group(&unique("g"));
    for version in 0..=4 {
        let code = client.call(&old.add_offsets_request(&members), version).error_code;
        assert_eq!(code, if version < 2 { 47 } else { 90 }, "AddOffsetsToTxn {version}");
    }
    for version in 0..=3 {
        let answer = client.call(&old.add_request(&[(&topic.name, &[0])]), version);
        let code = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
        assert_eq!(code, if version < 2 { 47 } else { 90 }, "AddPartitionsToTxn {version}");
    }
    for version in [9, 10, 11, 12] {
        let answer = client.send_in(&old, &topic.name, 0, &old.batch(1, &["late"]), version);
        assert_eq!((answer.error_code, answer.base_offset), (47, -1), "Produce {version}");
    }
    client.append_in(&new, &topic.name, 0, &new.batch(0, &["of the new one"]));
    client.finish(&new, true);
    assert_eq!(client.await_stable(&topic.name, 0).values.len(), 1);
}

#[test]
fn end_txn_is_answered_by_what_was_decided() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("ended", 2);
    let stranger = Txn { id: transactional(&unique("t")), producer: ProducerId(1), epoch: 0 };
    client.await_transaction_coordinator(&stranger.id);
    let mut code = |txn: &Txn, committed, version| client.end(txn, committed, version).error_code;
    assert_eq!(code(&stranger, true, END_V2), 49, "an id that nobody knows");
    assert_eq!(code(&Txn { id: transactional(""), ..stranger }, true, END_V2), 42);

    let txn = client.init(&unique("t"));
    let other = Txn { producer: ProducerId(txn.producer.0 + 1_000_000), ..txn.clone() };
    let mut code = |txn: &Txn, committed, version| client.end(txn, committed, version).error_code;
    assert_eq!(code(&other, true, END_V2), 49, "another producer id");
    assert_eq!(code(&txn.later(1), true, END_V1), 90);
    assert_eq!(code(&txn.later(1), true, 1), 47);
    assert_eq!((code(&txn, true, END_V1), code(&txn, false, END_V1)), (48, 48), "nothing was added");

    for committed in [true, false] {
        write_v1(&mut client, &txn, &topic.name, i32::from(!committed));
        let mut code = |committed| client.end(&txn, committed, END_V1).error_code;
        assert_eq!(code(committed), 0);
        assert_eq!(code(committed), 0, "the same again");
        assert_eq!(code(!committed), 48, "the contrary");
    }
}

#[test]
fn end_txn_of_the_second_protocol_knows_a_retry_by_its_epoch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("retried", 1);
    let empty = client.init(&unique("t"));
    assert_eq!(client.end(&empty, true, END_V2).error_code, 48, "nothing to commit");
    let answer = client.end(&empty, false, END_V2);
    assert_eq!(
        (answer.error_code, answer.producer_epoch),
        (0, empty.epoch + 1),
        "an abort needs no partitions"
    );
    assert_eq!(client.end(&empty, true, END_V2).error_code, 48, "a retry that says the contrary");

    let mut txn = empty.later(1);
    for committed in [true, false] {
        client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["x"]));
        let next = client.finish(&txn, committed);
        assert_eq!(next, txn.later(1));
        let again = client.end(&txn, committed, END_V2);
        assert_eq!(
            (again.error_code, again.producer_id, again.producer_epoch),
            (0, next.producer, next.epoch)
        );
        assert_eq!(client.end(&txn, !committed, END_V2).error_code, 48);
        assert_eq!(client.end(&txn.later(-1), committed, END_V2).error_code, 90);
        assert_eq!(client.end(&next, true, END_V2).error_code, 48, "the next one has nothing yet");
        let skipped = client.end(&next, false, END_V2);
        assert_eq!((skipped.error_code, skipped.producer_epoch), (0, next.epoch + 1));
        txn = next.later(1);
    }
    let seen = client.await_stable(&topic.name, 0);
    assert_eq!((seen.values.len(), seen.aborted.len()), (1, 1));
}

#[test]
fn a_second_init_aborts_what_is_open_and_says_so_meanwhile() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("taken-over", 3);
    let id = unique("t");
    let old = client.init(&id);
    for partition in 0..3 {
        client.append_in(&old, &topic.name, partition, &old.batch(0, &["x"]));
    }
    let new = client.init(&id);
    for partition in 0..3 {
        let seen = client.await_stable(&topic.name, partition);
        assert_eq!((seen.values.len(), seen.aborted), (0, vec![(old.producer.0, 0)]));
    }
    for partition in 0..3 {
        assert_eq!(client.append_in(&new, &topic.name, partition, &new.batch(0, &["y"])), 2);
    }
}

#[test]
fn a_transaction_that_runs_out_of_time_is_aborted_and_its_producer_fenced() {
    let Some(broker) = Broker::start(&["transaction.abort.timed.out.transaction.cleanup.interval.ms=100"])
    else {
        return;
    };
    let mut client = broker.connect();
    let topic = client.create("slow", 1);
    let quick = client.init_with(&unique("t"), 500);
    let patient = client.init(&unique("t"));
    client.append_in(&quick, &topic.name, 0, &quick.batch(0, &["lost"]));
    client.append_in(&patient, &topic.name, 0, &patient.batch(0, &["kept"]));
    let found = client.await_transaction(&quick.id, "CompleteAbort");
    assert!(found.producer_epoch > quick.epoch, "{found:?}");
    let code = client.end(&quick, true, END_V2).error_code;
    assert!([48, 90].contains(&code), "the commit comes too late: {code}");
    let seen = client.read_committed(&topic.name, 0);
    assert_eq!(seen.last_stable_offset, 1, "the other one is still open");
    client.finish(&patient, true);
    let seen = client.await_stable(&topic.name, 0);
    assert_eq!(seen.values, [(1, "kept".to_owned())]);
    assert_eq!(seen.aborted, [(quick.producer.0, 0)]);
    let next = client.init(quick.id.as_str());
    client.append_in(&next, &topic.name, 0, &next.batch(0, &["again"]));
    client.finish(&next, true);
    assert_eq!(client.await_stable(&topic.name, 0).values.len(), 2);
}

#[test]
fn a_write_outside_of_a_transaction_is_refused_by_what_its_version_knows() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("unverified", 2);
    let txn = client.init(&unique("t"));
    for (version, code) in [(3, 48), (10, 48), (PRODUCE_V1, 120)] {
        let answer = client.send_in(&txn, &topic.name, 0, &txn.batch(0, &["x"]), version);
        assert_eq!((answer.error_code, answer.base_offset), (code, -1), "Produce {version}");
    }
    assert_eq!(client.add(&txn, &topic.name, &[0]), [0]);
    assert_eq!(client.send_in(&txn, &topic.name, 0, &txn.batch(0, &["x"]), PRODUCE_V1).error_code, 0);
    let code = client.send_in(&txn, &topic.name, 1, &txn.batch(0, &["x"]), PRODUCE_V1).error_code;
    assert_eq!(code, 120, "another partition was not added");
    let plain = super::support::Records::of(["x"]).producer(txn.producer.0, txn.epoch, 1);
    assert_eq!(client.produce(&topic.name, 0, plain.bytes()).error_code, 48, "a plain batch within");
    assert_eq!(client.end(&txn, true, END_V1).error_code, 0);
    assert_eq!(client.await_stable(&topic.name, 0).values.len(), 1);
    let code = client.send_in(&txn, &topic.name, 0, &txn.batch(1, &["x"]), PRODUCE_V1).error_code;
    assert_eq!(code, 120, "after the end");
    assert_eq!(client.read_committed(&topic.name, 0).high_watermark, 2, "nothing of it was written");
}

#[test]
fn a_write_of_the_second_protocol_needs_a_producer_that_the_coordinator_knows() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("unknown", 1);
    let txn = client.init(&unique("t"));
    let stranger = Txn { id: transactional(&unique("t")), ..txn.clone() };
    let other = Txn { producer: ProducerId(txn.producer.0 + 1_000_000), ..txn.clone() };
    for txn in [&stranger, &other] {
        let code = client.send_in(txn, &topic.name, 0, &txn.batch(0, &["x"]), PRODUCE_V2).error_code;
        assert_eq!(code, 49);
    }
    let ahead = txn.later(1);
    let code = client.send_in(&ahead, &topic.name, 0, &ahead.batch(0, &["x"]), PRODUCE_V2).error_code;
    assert_eq!(code, 47);
    assert_eq!(client.read_committed(&topic.name, 0).high_watermark, 0);
    client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["x"]));
    let again = client.send_in(&txn, &topic.name, 0, &txn.batch(0, &["x"]), PRODUCE_V2);
    assert_eq!(
        (again.error_code, again.base_offset),
        (0, 0),
        "a batch that comes again is answered as before"
    );
    client.finish(&txn, true);
    assert_eq!(client.await_stable(&topic.name, 0).high_watermark, 2);
}

#[test]
fn add_partitions_is_all_or_nothing() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (here, also) = (client.create("here", 2), client.create("also", 1));
    let missing = kafka_protocol::messages::TopicName(super::support::text(&unique("missing")));
    let txn = client.init(&unique("t"));
    for version in 0..=3 {
        let request = txn.add_request(&[(&here.name, &[0, 1, 7]), (&also.name, &[0]), (&missing, &[0])]);
        let answer = client.call(&request, version);
        let code = |topic: &kafka_protocol::messages::TopicName, partition: i32| {
            let found = answer.results_by_topic_v3_and_below.iter().find(|t| t.name == *topic).unwrap();
            let found = found.results_by_partition.iter().find(|p| p.partition_index == partition);
            found.unwrap().partition_error_code
        };
        let codes = [
            code(&here.name, 0),
            code(&here.name, 1),
            code(&here.name, 7),
            code(&also.name, 0),
            code(&missing, 0),
        ];
        assert_eq!(codes, [55, 55, 3, 55, 3], "version {version}");
    }
    assert_eq!(client.describe_transaction(&txn.id).transaction_state.as_str(), "Empty");
    assert_eq!(client.add(&txn, &here.name, &[0]), [0]);
    assert_eq!(client.add(&txn, &here.name, &[0, 1]), [0, 0]);
    let topics = client.describe_transaction(&txn.id).topics;
    assert_eq!((topics.len(), topics[0].partitions.len()), (1, 2));
}

#[test]
fn what_add_partitions_and_add_offsets_refuse() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("refused", 1);
    let txn = client.init(&unique("t"));
    let long = "x".repeat(30_000);
    let refused = [
        ("an empty id", 42, Txn { id: transactional(""), ..txn.clone() }),
        ("an id that nobody knows", 49, Txn { id: transactional(&unique("t")), ..txn.clone() }),
        ("a long id that nobody knows", 49, Txn { id: transactional(&long), ..txn.clone() }),
        ("another producer id", 49, Txn { producer: ProducerId(txn.producer.0 + 1_000_000), ..txn.clone() }),
        ("an epoch ahead", 90, txn.later(1)),
    ];
    for (what, code, txn) in refused {
        assert_eq!(client.add(&txn, &topic.name, &[0]), [code], "{what}");
        let request: AddOffsetsToTxnRequest = txn.add_offsets_request(&group("g"));
        let answer = client.settled(|client| {
            let code = client.call(&request, 4).error_code;
            (code, code)
        });
        assert_eq!(answer, code, "{what}");
    }
    let long = client.init(&long);
    assert_eq!(client.add(&long, &topic.name, &[0]), [0], "any length is served");
    assert_eq!(client.end(&long, false, END_V1).error_code, 0);
}

#[test]
fn transactions_side_by_side_end_in_any_order() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("side-by-side", 1);
    let name = &topic.name;
    let txns: Vec<Txn> = (0..4).map(|_| client.init(&unique("t"))).collect();
    for (number, txn) in (0..).zip(&txns) {
        assert_eq!(client.append_in(txn, name, 0, &txn.batch(0, &[&format!("{number}")])), number);
    }
    client.append(name, 0, &super::support::Records::of(["plain"]));
    client.finish(&txns[1], false);
    client.finish(&txns[3], false);
    client.finish(&txns[2], true);
    eventually("three markers", || (client.read_committed(name, 0).high_watermark == 8).then_some(()));
    let held = client.read_committed(name, 0);
    assert_eq!((held.last_stable_offset, held.values.len(), held.aborted.len()), (0, 0, 0));
    client.finish(&txns[0], false);
    let seen = client.await_stable(name, 0);
    let values: Vec<&str> = seen.values.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["2", "plain"]);
    let firsts: Vec<i64> = seen.aborted.iter().map(|(_, first)| *first).collect();
    assert_eq!(firsts.len(), 3);
    assert!([0, 1, 3].iter().all(|first| firsts.contains(first)), "{firsts:?}");
    let latest = |isolation: i8, client: &mut Client| {
        use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let asked = ListOffsetsTopic::default().with_name(name.clone()).with_partitions(vec![partition]);
        let request = kafka_protocol::messages::ListOffsetsRequest::default()
            .with_replica_id(kafka_protocol::messages::BrokerId(-1))
            .with_isolation_level(isolation)
            .with_topics(vec![asked]);
        client.call(&request, 10).topics[0].partitions[0].offset
    };
    let open = client.init(&unique("t"));
    client.append_in(&open, name, 0, &open.batch(0, &["open"]));
    assert_eq!((latest(0, &mut client), latest(1, &mut client)), (10, 9));
    client.finish(&open, true);
    eventually("the end is stable", || (latest(1, &mut client) == 11).then_some(()));
}
