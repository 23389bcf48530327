//! Deleted topics come back (`barnabas.topic.trash.ms`, `barnabas topics`): whole, under their id, whatever is killed when.

use std::path::PathBuf;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeConfigsRequest, TopicName,
};

use super::group_configs::{BROKER, DELETE, SET, change};
use super::support::{
    Broker, Client, Created, Ended, Invocation, Records, eventually, has_come, text, values_in,
};

const AN_HOUR: &str = "barnabas.topic.trash.ms=3600000";
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

fn delete(client: &mut Client, topic: &str) -> i16 {
    let topic = DeleteTopicState::default().with_name(Some(TopicName(text(topic))));
    let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    client.call(&request, 6).responses.remove(0).error_code
}

fn topics(words: &[&str]) -> Ended {
    let arguments = ["topics"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    Invocation { arguments, working_directory: PathBuf::from("."), ..Invocation::default() }.run()
}

fn list(broker: &Broker) -> String {
    let dirs = format!("log.dirs={}", broker.dir.display());
    let listed = topics(&["list-trash", "--override", &dirs, "--override", AN_HOUR]);
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    listed.out
}

fn restore(broker: &Broker, words: &[&str]) -> Ended {
    let address = format!("127.0.0.1:{}", broker.port);
    topics(&[&["restore"], words, &["--bootstrap-server", &address]].concat())
}

fn restored(broker: &Broker, words: &[&str]) {
    let ended = restore(broker, words);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
}

pub fn delete_records(client: &mut Client, topic: &TopicName, index: i32, offset: i64) {
    let partition = DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    assert_eq!(client.call(&request, 2).topics[0].partitions[0].error_code, 0);
}

fn config(client: &mut Client, topic: &str, key: &str) -> String {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let value = client.call(&request, 4).results.remove(0).configs.remove(0).value;
    value.unwrap().to_string()
}

/// A topic whose first partition begins at offset 1 and has two records, the last one in a transaction.
fn filled(client: &mut Client) -> Created {
    let topic = client.create_with("kept", 2, &[("retention.ms", "987654321"), ("segment.bytes", "1048576")]);
    client.append(&topic.name, 0, &Records::of(["gone"]));
    client.append(&topic.name, 0, &Records::of(["first"]));
    delete_records(client, &topic.name, 0, 1);
    let txn = client.init(topic.name());
    client.append_in(&txn, &topic.name, 0, &txn.batch(0, &["second"]));
    client.finish(&txn, true);
    client.append(&topic.name, 1, &Records::of(["other"]));
    topic
}

/// Everything is as it was, and goes on.
fn is_whole(client: &mut Client, topic: &Created) {
    let found = client.describe(topic.name());
    assert_eq!((found.topic_id, found.partitions.len()), (topic.id, 2));
    assert!(found.partitions.iter().all(|p| p.leader_epoch > 0), "{found:?}");
    let fetched = eventually("it is led", || {
        Some(client.fetch(&topic.name, 0, 1)).filter(|fetched| fetched.error_code == 0)
    });
    assert_eq!(fetched.log_start_offset, 1);
    let values = values_in(&fetched.records.unwrap());
    assert_eq!(values[..2], [(1, "first".to_owned()), (2, "second".to_owned())]);
    assert_eq!(values_in(&client.fetch(&topic.name, 1, 0).records.unwrap())[0].1, "other");
    assert!(client.append(&topic.name, 0, &Records::of(["later"])) >= 4);
}

#[test]
fn a_deleted_topic_comes_back_with_id_configuration_and_data() {
    let Some(mut broker) = Broker::barnabas(&[AN_HOUR]) else { return };
    let mut client = broker.connect();
    let topic = filled(&mut client);
    assert_eq!(delete(&mut client, topic.name()), 0);
    assert_eq!(client.describe(topic.name()).error_code, UNKNOWN_TOPIC_OR_PARTITION);
    let listed = list(&broker);
    let start = format!("Topic: {}\tTopicId: ", topic.name());
    assert!(listed.starts_with(&start) && listed.contains("\tPartitionCount: 2\tBytes: "), "{listed}");
    assert!(listed.lines().count() == 1 && !listed.contains("Incomplete"), "{listed}");
    restored(&broker, &[topic.name()]);
    is_whole(&mut client, &topic);
    assert_eq!(config(&mut client, topic.name(), "retention.ms"), "987654321");
    assert_eq!(list(&broker), "");
    // As if it had never been away.
    for is_killed in [true, false] {
        if is_killed {
            broker.kill()
        } else {
            assert_eq!(broker.stop(), Some(0))
        }
        broker.restart();
        is_whole(&mut broker.connect(), &topic);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_topic_or_its_trash() {
    let Some(mut broker) = Broker::barnabas(&[AN_HOUR]) else { return };
    let mut client = broker.connect();
    let topic = filled(&mut client);
    assert_eq!(delete(&mut client, topic.name()), 0);
    broker.kill();
    assert_eq!(list(&broker).lines().count(), 1);
    broker.restart();
    let mut client = broker.connect();
    let new = CreatableTopic::default().with_name(topic.name.clone()).with_num_partitions(1);
    let request = CreateTopicsRequest::default().with_topics(vec![new.with_replication_factor(1)]);
    assert_eq!(client.call(&request.with_timeout_ms(30_000), 7).topics[0].error_code, 0);
    let refused = restore(&broker, &[topic.name()]);
    assert!(refused.code == Some(1) && refused.err.contains("already exists"), "{refused:?}");
    assert_eq!(delete(&mut client, topic.name()), 0);
    assert_eq!(list(&broker).lines().count(), 2);
    let id = barnabas::base::id::uuid_to_text(topic.id);
    restored(&broker, &[topic.name(), "--id", &id]);
    broker.kill();
    broker.restart();
    is_whole(&mut broker.connect(), &topic);
    assert_eq!(list(&broker).lines().count(), 1, "the younger one is there");
}

/// Directories of the topic that are set aside.
fn set_aside(broker: &Broker, topic: &Created) -> usize {
    let entries = std::fs::read_dir(&broker.dir).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(topic.name())).count()
}

#[test]
fn the_trash_is_emptied_when_its_time_is_over() {
    let Some(broker) = Broker::barnabas(&["barnabas.topic.trash.ms=1000"]) else { return };
    let mut client = broker.connect();
    let topic = filled(&mut client);
    assert_eq!(delete(&mut client, topic.name()), 0);
    has_come("the directories are gone", || set_aside(&broker, &topic) == 0);
    let refused = restore(&broker, &[topic.name()]);
    assert!(refused.code == Some(1) && refused.err.contains("is not in the trash"), "{refused:?}");
}

#[test]
fn the_trash_is_purged_by_name_by_id_or_as_a_whole() {
    let Some(broker) = Broker::barnabas(&[AN_HOUR]) else { return };
    let mut client = broker.connect();
    let deleted: Vec<Created> = (0..3).map(|_| filled(&mut client)).collect();
    for topic in &deleted {
        assert_eq!(delete(&mut client, topic.name()), 0);
    }
    let address = format!("127.0.0.1:{}", broker.port);
    let purge = |words: &[&str]| topics(&[&["purge"], words, &["--bootstrap-server", &address]].concat());
    let id_of = |topic: &Created| barnabas::base::id::uuid_to_text(topic.id);
    let other = purge(&[deleted[0].name(), "--id", &id_of(&deleted[1])]);
    assert!(other.code == Some(1) && other.err.contains("is not in the trash"), "{other:?}");
    assert_eq!(purge(&[deleted[0].name(), "--id", &id_of(&deleted[0])]).code, Some(0));
    has_come("the directories are gone", || set_aside(&broker, &deleted[0]) == 0);
    assert_eq!(list(&broker).lines().count(), 2);
    let dirs = format!("log.dirs={}", broker.dir.display());
    // One of which the node does not know is no reason to keep the others.
    let unknown = broker.dir.join(format!("unknown-0.{}-stray", "0".repeat(32)));
    std::fs::create_dir(&unknown).unwrap();
    let file = "version=0\ntopic=unknown\ntopic.id=AAAAAAAAAAAAAAAAAAAAAg\npartition=0\npartitions=1\nleader.epoch=0\n\
        partition.epoch=0\ndeleted.ms=1\nlog.start.offset=0\nrecovery.point=0\n";
    std::fs::write(unknown.join("topic.trash"), file).unwrap();
    let all = purge(&["--all", "--override", &dirs]);
    assert_eq!((all.code, all.out.lines().count()), (Some(0), 3), "{all:?}");
    assert!(all.out.contains("is not in the node's trash"), "{all:?}");
    std::fs::remove_dir_all(&unknown).unwrap();
    assert_eq!(list(&broker), "");
    assert_eq!(restore(&broker, &[deleted[1].name()]).code, Some(1));
}

#[test]
fn topics_are_kept_from_the_moment_that_the_time_is_set_and_let_go_when_it_is_taken_back() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = filled(&mut client);
    let (key, hour) = AN_HOUR.split_once('=').unwrap();
    assert_eq!(change(&mut client, BROKER, "", key, SET, hour).0, 0);
    assert_eq!(delete(&mut client, topic.name()), 0);
    restored(&broker, &[topic.name()]);
    is_whole(&mut client, &topic);
    assert_eq!(delete(&mut client, topic.name()), 0);
    assert_eq!(list(&broker).lines().count(), 1);
    assert_eq!(change(&mut client, BROKER, "", key, DELETE, "").0, 0);
    has_come("the directories are gone", || set_aside(&broker, &topic) == 0);
}

#[test]
fn without_the_setting_nothing_is_kept() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = filled(&mut client);
    assert_eq!(delete(&mut client, topic.name()), 0);
    assert_eq!(list(&broker), "");
    has_come("the directories are gone", || set_aside(&broker, &topic) == 0);
}

#[test]
fn apache_kafka_leaves_the_trash_alone() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut broker) = Broker::barnabas(&[AN_HOUR]) else { return };
    let mut client = broker.connect();
    let topic = filled(&mut client);
    assert_eq!(delete(&mut client, topic.name()), 0);
    assert_eq!(broker.stop(), Some(0));
    let mut kafka = Broker::apache_kafka_in(&lib, &broker.dir);
    // It loads what is set aside, whose newest indexes were never written.
    kafka.expect_complaint("Could not find offset index file");
    assert_eq!(kafka.connect().describe(topic.name()).error_code, UNKNOWN_TOPIC_OR_PARTITION);
    kafka.stop();
    broker.restart();
    restored(&broker, &[topic.name()]);
    is_whole(&mut broker.connect(), &topic);
}
