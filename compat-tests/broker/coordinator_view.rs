//! Committed offsets over a restart: from the view that a clean shutdown leaves, and from the log without it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};

use barnabas::base::clock::Clock;

use super::support::{Broker, Client, eventually, text};

const RESTORED: &str = "coordinator restored from its view";

/// Commits `offset` for every partition, as soon as there is a coordinator.
fn commit(client: &mut Client, group: &str, topic: &TopicName, partitions: i32, offset: i64) {
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset + i64::from(index))
            .with_committed_metadata(Some(text("note")))
    };
    let of_topic = OffsetCommitRequestTopic::default()
        .with_name(topic.clone())
        .with_partitions((0..partitions).map(partition).collect());
    let request =
        OffsetCommitRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![of_topic]);
    eventually("committed offsets", || {
        let response = client.call(&request, 9);
        response.topics[0].partitions.iter().all(|p| p.error_code == 0).then_some(())
    });
}

/// Makes sure that there are coordinators.
fn find(client: &mut Client) {
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    eventually("a coordinator", || (client.call(&find, 4).coordinators[0].error_code == 0).then_some(()));
}

/// All offsets of a group, by partition, once its coordinator has loaded.
fn offsets(client: &mut Client, group: &str) -> BTreeMap<i32, i64> {
    let wanted = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![wanted]);
    let fetched = eventually("committed offsets", || {
        let group = client.call(&request, 8).groups.remove(0);
        (group.error_code == 0).then_some(group)
    });
    let partitions = fetched.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, p.committed_offset)).collect()
}

fn view_of(broker: &Broker) -> PathBuf {
    let found = [broker.dir.join("data"), broker.dir.clone()];
    let logs = found.into_iter().find(|dir| dir.join("__cluster_metadata-0").exists());
    logs.expect("a metadata log").join("__cluster_metadata-0/coordinators")
}

#[test]
fn offsets_come_back_from_the_view_of_a_clean_shutdown_and_from_the_log_without_one() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("viewed", 100);
    find(&mut client);
    // A group's partition has a place in the view from ten thousand records on.
    for offset in 0..101 {
        commit(&mut client, "long", &topic.name, 100, offset);
    }
    commit(&mut client, "short", &topic.name, 10, 5);
    let (long, short) = (offsets(&mut client, "long"), offsets(&mut client, "short"));
    assert_eq!(long[&9], 109);
    let view = view_of(&broker);
    assert_eq!(broker.stop(), Some(0));
    assert!(view.join("manifest").exists());

    broker.restart();
    broker.await_log(RESTORED);
    let mut client = broker.connect();
    assert_eq!((offsets(&mut client, "long"), offsets(&mut client, "short")), (long, short));
    assert!(!view.exists(), "nobody needs it any more");
    commit(&mut client, "long", &topic.name, 100, 7);
    broker.kill();

    broker.restart();
    let mut client = broker.connect();
    assert_eq!(offsets(&mut client, "long")[&9], 16);
    // A view that somebody damages costs nothing but time.
    assert_eq!(broker.stop(), Some(0));
    fs::write(view.join("db/db"), "x").unwrap();
    broker.restart();
    assert_eq!(offsets(&mut broker.connect(), "long")[&9], 16);
    broker.await_log("the view of the coordinators is not used");
}

#[test]
fn offsets_change_hands_with_their_directory_both_ways() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut barnabas) = Broker::barnabas(&[]) else { return };
    let mut client = barnabas.connect();
    let topic = client.create("handed-over", 100);
    find(&mut client);
    for offset in 0..101 {
        commit(&mut client, "g", &topic.name, 100, offset);
    }
    let view = view_of(&barnabas);
    for round in 1..3 {
        let ours = offsets(&mut barnabas.connect(), "g");
        assert_eq!(barnabas.stop(), Some(0));
        assert!(view.join("manifest").exists());
        let mut kafka = Broker::apache_kafka_in(&lib, &barnabas.dir);
        let mut client = kafka.connect();
        find(&mut client);
        assert_eq!(offsets(&mut client, "g"), ours);
        commit(&mut client, "g", &topic.name, 100, 1_000 * round);
        kafka.stop();
        // The view is of a shorter log.
        barnabas.restart();
        assert_eq!(offsets(&mut barnabas.connect(), "g")[&99], 1_000 * round + 99);
        barnabas.await_log("the view of a coordinator is of another log");
    }
}

/// Until every group can be read.
fn time_start(broker: &mut Broker, groups: i32) -> (Duration, Duration) {
    let clock = Clock::system();
    let begun = clock.elapsed();
    broker.restart();
    let started = clock.elapsed() - begun;
    let mut client = broker.connect();
    for group in (0..groups).step_by(10) {
        assert!(!offsets(&mut client, &format!("group-{group}")).is_empty());
    }
    (started, clock.elapsed() - begun)
}

#[test]
#[ignore = "a measurement that takes minutes"]
fn start_with_a_million_committed_offsets() {
    const GROUPS: i32 = 5_000;
    const PARTITIONS: i32 = 200;
    let clock = Clock::system();
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("measured", PARTITIONS);
    find(&mut client);
    for round in 1..=5 {
        for group in 0..GROUPS {
            commit(&mut client, &format!("group-{group}"), &topic.name, PARTITIONS, round);
        }
        let resident = broker.resident_bytes();
        let begun = clock.elapsed();
        broker.stop();
        let stop = clock.elapsed() - begun;
        let view = view_of(&broker);
        let bytes: u64 = fs::read_dir(view.join("db"))
            .map_or(0, |dir| dir.map(|entry| entry.unwrap().metadata().unwrap().len()).sum());
        let with_view = time_start(&mut broker, GROUPS);
        broker.stop();
        fs::remove_dir_all(&view).unwrap();
        let replayed = time_start(&mut broker, GROUPS);
        println!(
            "{round} commits of each offset: stop {stop:?}, {bytes} bytes of view, rss {resident:?}; \
             (started, all read) with view {with_view:?}, replayed {replayed:?}, rss {:?}",
            broker.resident_bytes()
        );
        client = broker.connect();
    }
}
