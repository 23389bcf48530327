//! Several log directories: where replicas go, how they move, and what one failing directory takes with it.

use std::path::{Path, PathBuf};

use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsPartition;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeLogDirsRequest, IncrementalAlterConfigsRequest, TopicName};

use super::full_disk::Mount;
use super::support::{
    Broker, Client, Created, Invocation, Records, eventually, produce_request, text, unique, values_in,
};

const STORAGE_ERROR: i16 = 56;
const LOG_DIR_NOT_FOUND: i16 = 57;

/// Two directories, the first of which has the metadata.
fn start(temp: &Path, overrides: &[&str]) -> Option<(Broker, [PathBuf; 2])> {
    let dirs = ["one", "two"].map(|name| temp.join(name));
    let given = format!("log.dirs={},{}", dirs[0].display(), dirs[1].display());
    let all: Vec<&str> = [&given[..]].into_iter().chain(overrides.iter().copied()).collect();
    Some((Broker::start_in(&dirs[0], &all)?, dirs))
}

/// Asks for partition 0 of `topic` to be in `dir`; the error code.
fn alter(client: &mut Client, topic: &TopicName, dir: &Path, version: i16) -> i16 {
    let topic = AlterReplicaLogDirTopic::default().with_name(topic.clone()).with_partitions(vec![0]);
    let dir =
        AlterReplicaLogDir::default().with_path(text(&dir.display().to_string())).with_topics(vec![topic]);
    let response = client.call(&AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]), version);
    response.results[0].partitions[0].error_code
}

/// Directory and what is told of partition 0 of `topic`.
fn places(client: &mut Client, topic: &TopicName) -> Vec<(PathBuf, DescribeLogDirsPartition)> {
    let response = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4);
    let mut places = Vec::new();
    for dir in response.results {
        let path = PathBuf::from(dir.log_dir.to_string());
        let partitions = dir.topics.into_iter().filter(|t| t.name == *topic).flat_map(|t| t.partitions);
        places.extend(partitions.filter(|p| p.partition_index == 0).map(|p| (path.clone(), p)));
    }
    places
}

fn is_alone_in(client: &mut Client, topic: &TopicName, dir: &Path) -> bool {
    matches!(&places(client, topic)[..], [(place, told)] if place == dir && !told.is_future_key)
}

/// The directory that holds partition 0 and the other one.
fn here_and_there(client: &mut Client, topic: &Created, dirs: &[PathBuf; 2]) -> [PathBuf; 2] {
    let here = places(client, &topic.name)[0].0.clone();
    let there = dirs.iter().find(|dir| **dir != here).unwrap().clone();
    [here, there]
}

/// Lets replicas move at so many bytes per second.
fn throttle_moves(client: &mut Client, rate: i64) {
    const BROKER: i8 = 4;
    let name = client.metadata(Some(&[])).brokers[0].node_id.0.to_string();
    let config = AlterableConfig::default()
        .with_name(text("replica.alter.log.dirs.io.max.bytes.per.second"))
        .with_value(Some(text(&rate.to_string())));
    let resource = AlterConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text(&name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(&request, 1).responses[0].error_code, 0);
}

fn read_all(client: &mut Client, topic: &TopicName, count: i64) {
    let mut offset = 0;
    while offset < count {
        let fetched = client.fetch(topic, 0, offset);
        assert_eq!(fetched.error_code, 0, "offset {offset}");
        let values = values_in(&fetched.records.unwrap());
        assert!(!values.is_empty(), "offset {offset}");
        for (at, value) in values.into_iter().skip_while({
            let from = offset;
            move |(at, _)| *at < from
        }) {
            assert_eq!((at, value), (offset, format!("value {offset}")));
            offset += 1;
        }
    }
}

fn append(client: &mut Client, topic: &TopicName, number: i64) {
    let produced = client.produce(topic, 0, Records::of([format!("value {number}")]).bytes());
    assert_eq!((produced.error_code, produced.base_offset), (0, number));
}

#[test]
fn a_replica_moves_there_and_back_while_it_is_written_to() {
    let temp = tempfile::tempdir().unwrap();
    let Some((mut broker, dirs)) = start(temp.path(), &[]) else { return };
    let mut client = broker.connect();
    let topic = client.create_with("moving", 1, &[("segment.bytes", "1048576")]);
    let [here, there] = here_and_there(&mut client, &topic, &dirs);
    let mut next = 0;
    for _ in 0..200 {
        append(&mut client, &topic.name, next);
        next += 1;
    }
    for to in [&there, &here] {
        assert_eq!(alter(&mut client, &topic.name, to, 2), 0);
        while !is_alone_in(&mut client, &topic.name, to) {
            append(&mut client, &topic.name, next);
            next += 1;
        }
        append(&mut client, &topic.name, next);
        next += 1;
        read_all(&mut client, &topic.name, next);
    }
    assert_eq!(alter(&mut client, &topic.name, &here, 1), 0, "it is there already");
    assert_eq!(alter(&mut client, &topic.name, Path::new("/nowhere"), 1), LOG_DIR_NOT_FOUND);

    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    eventually("it is led", || {
        Some(client.list_offset(&topic.name, 0, -1)).filter(|answer| answer.error_code == 0)
    });
    read_all(&mut client, &topic.name, next);
    assert!(is_alone_in(&mut client, &topic.name, &here));
}

#[test]
fn a_move_is_shown_and_can_be_called_off() {
    let temp = tempfile::tempdir().unwrap();
    let Some((broker, dirs)) = start(temp.path(), &[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("slow", 1);
    let [here, there] = here_and_there(&mut client, &topic, &dirs);
    throttle_moves(&mut client, 1000);
    let batch = Records::of_size(500_000).bytes();
    for _ in 0..6 {
        assert_eq!(client.produce(&topic.name, 0, batch.clone()).error_code, 0);
    }
    assert_eq!(alter(&mut client, &topic.name, &there, 2), 0);
    let future = eventually("the copy is shown", || {
        let places = places(&mut client, &topic.name);
        places.into_iter().find(|(_, told)| told.is_future_key)
    });
    assert_eq!(future.0, there);
    assert!(future.1.offset_lag > 0, "{future:?}");
    assert_eq!(alter(&mut client, &topic.name, &here, 2), 0);
    eventually("the copy goes", || is_alone_in(&mut client, &topic.name, &here).then_some(()));
    assert_eq!(client.produce(&topic.name, 0, batch).error_code, 0);
}

#[test]
fn a_broker_killed_in_a_move_brings_it_to_its_end() {
    let temp = tempfile::tempdir().unwrap();
    let Some((mut broker, dirs)) = start(temp.path(), &[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("killed", 1);
    let [_, there] = here_and_there(&mut client, &topic, &dirs);
    throttle_moves(&mut client, 200_000);
    let batch = Records::of_size(500_000).bytes();
    for _ in 0..6 {
        assert_eq!(client.produce(&topic.name, 0, batch.clone()).error_code, 0);
    }
    assert_eq!(alter(&mut client, &topic.name, &there, 2), 0);
    eventually("the copy is shown", || (places(&mut client, &topic.name).len() == 2).then_some(()));
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    throttle_moves(&mut client, i64::MAX);
    eventually("it has moved", || is_alone_in(&mut client, &topic.name, &there).then_some(()));
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 6);
    for offset in 0..6 {
        assert!(client.fetch(&topic.name, 0, offset).records.unwrap().len() >= batch.len());
    }
}

#[test]
fn a_replica_that_does_not_exist_yet_is_made_where_it_was_wanted() {
    let temp = tempfile::tempdir().unwrap();
    let Some((broker, dirs)) = start(temp.path(), &[]) else { return };
    let mut client = broker.connect();
    for dir in [&dirs[1], &dirs[1], &dirs[1], &dirs[0]] {
        let name = TopicName(text(&unique("wanted")));
        assert_eq!(alter(&mut client, &name, dir, 2), 3);
        let topic = client.create_named(&name, 1, &[]);
        assert!(is_alone_in(&mut client, &topic.name, dir));
    }
}

#[test]
fn a_directory_that_cannot_be_opened_takes_its_own_partitions_only() {
    let temp = tempfile::tempdir().unwrap();
    let Some((mut broker, dirs)) = start(temp.path(), &[]) else { return };
    broker.expect_complaint("log directory is offline");
    let mut client = broker.connect();
    let topic = client.create("halved", 4);
    for partition in 0..4 {
        assert_eq!(client.produce(&topic.name, partition, Records::of(["x"]).bytes()).error_code, 0);
    }
    let is_on = |dir: &Path, partition: i32| dir.join(format!("{}-{partition}", topic.name())).exists();
    let (fine, lost): (Vec<i32>, Vec<i32>) = (0..4).partition(|partition| is_on(&dirs[0], *partition));
    assert_eq!((fine.len(), lost.len()), (2, 2));
    broker.stop();

    let hidden = temp.path().join("hidden");
    std::fs::rename(&dirs[1], &hidden).unwrap();
    std::fs::write(&dirs[1], "a file in its place").unwrap();
    broker.restart();
    let mut client = broker.connect();
    let described = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4);
    let codes: Vec<i16> = described.results.iter().map(|dir| dir.error_code).collect();
    assert_eq!(codes, [0, STORAGE_ERROR]);
    for partition in client.describe(&topic.name).partitions {
        let index = partition.partition_index;
        let (leader, offline) = (partition.leader_id.0, partition.offline_replicas.len());
        assert_eq!((leader == -1, offline), (lost.contains(&index), usize::from(lost.contains(&index))));
    }
    for partition in &fine {
        assert_eq!(client.produce(&topic.name, *partition, Records::of(["y"]).bytes()).error_code, 0);
    }
    for partition in &lost {
        let code = client.produce(&topic.name, *partition, Records::of(["y"]).bytes()).error_code;
        assert!([6, STORAGE_ERROR].contains(&code), "{code}");
    }
    // New topics go where there is room, and nothing is moved meanwhile.
    let new = client.create("elsewhere", 3);
    for partition in 0..3 {
        assert_eq!(client.produce(&new.name, partition, Records::of(["z"]).bytes()).error_code, 0);
    }
    assert_eq!(alter(&mut client, &new.name, &dirs[1], 2), STORAGE_ERROR);
    broker.stop();

    std::fs::remove_file(&dirs[1]).unwrap();
    std::fs::rename(&hidden, &dirs[1]).unwrap();
    broker.restart();
    let mut client = broker.connect();
    for partition in lost {
        let latest = eventually("it is led again", || {
            Some(client.list_offset(&topic.name, partition, -1)).filter(|answer| answer.error_code == 0)
        });
        assert_eq!(latest.offset, 1);
    }
}

#[test]
fn a_directory_that_fails_has_no_leaders_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let Some(small) = Mount::new(temp.path().join("small"), "size=20m") else { return };
    let roomy = temp.path().join("roomy");
    let dirs = format!("log.dirs={},{}", roomy.display(), small.dir.display());
    let Some(mut broker) = Broker::start_in(&roomy, &[&dirs]) else { return };
    broker.expect_complaint("log directory is offline");
    let mut client = broker.connect();
    let topic = client.create("failing", 4);
    let is_lost = |index: i32| small.dir.join(format!("{}-{index}", topic.name())).exists();
    let full = (0..4).find(|index| is_lost(*index)).unwrap();
    let batch = Records::of_size(900_000).bytes();
    while client.produce(&topic.name, full, batch.clone()).error_code == 0 {}
    let partitions = eventually("the controller knows", || {
        let partitions = client.describe(&topic.name).partitions;
        partitions.iter().any(|p| p.leader_id.0 == -1).then_some(partitions)
    });
    for partition in partitions {
        let lost = is_lost(partition.partition_index);
        assert_eq!(partition.leader_id.0 == -1, lost, "{partition:?}");
        assert_eq!(!partition.offline_replicas.is_empty(), lost, "{partition:?}");
        assert_eq!(partition.error_code, if lost { 5 } else { 0 }, "{partition:?}");
    }
    let described = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4);
    let codes: Vec<i16> = described.results.iter().map(|dir| dir.error_code).collect();
    assert_eq!(codes, [0, STORAGE_ERROR]);
}

#[test]
fn a_broker_whose_only_directory_fails_stops() {
    let temp = tempfile::tempdir().unwrap();
    let Some(small) = Mount::new(temp.path().join("small"), "size=20m") else { return };
    let Some(mut broker) = Broker::start_in(&small.dir, &[]) else { return };
    broker.expect_complaint("");
    let mut client = broker.connect();
    let topic = client.create("doomed", 1);
    let batch = Records::of_size(900_000).bytes();
    let request = produce_request(&topic.name, 0, batch);
    while {
        client.send(&request, 9);
        client.read_frame().is_some()
    } {}
    assert_eq!(broker.wait(), Some(1));
}

#[test]
fn a_directory_of_another_cluster_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| temp.path().join(name));
    for dir in [&one, &two] {
        let Some(mut broker) = Broker::invoked(Invocation::over(dir, &[])) else { return };
        broker.stop();
    }
    let both = format!("log.dirs={},{}", one.display(), two.display());
    let ended = Invocation::over(&one, &[&both]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("Invalid cluster.id in: "), "{}", ended.err);
    std::fs::copy(one.join("meta.properties"), two.join("meta.properties")).unwrap();
    let ended = Invocation::over(&one, &[&both]).run();
    assert!(ended.err.contains("Duplicate directory ID"), "{}", ended.err);
}
