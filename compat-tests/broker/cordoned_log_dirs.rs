//! `cordoned.log.dirs`: directories that keep what they have and get nothing new; and a metadata log apart from them.

use std::path::{Path, PathBuf};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, DescribeLogDirsRequest, TopicName};

use super::group_configs::{BROKER, DELETE, SET, await_value, change};
use super::http::{metrics, value};
use super::support::{Broker, Client, Records, eventually, has_come, tests_kafka, text, unique};

const KEY: &str = "cordoned.log.dirs";

/// How many partitions of a topic are in `dir`.
fn count_in(dir: &Path, topic: &str) -> usize {
    (0..4).filter(|index| dir.join(format!("{topic}-{index}")).exists()).count()
}

fn set(client: &mut Client, node: &str, value: &str) {
    let op = if value.is_empty() { DELETE } else { SET };
    assert_eq!(change(client, BROKER, node, KEY, op, value), (0, String::new()));
    await_value(client, BROKER, node, KEY, value);
}

/// Why a topic cannot be created, once that is so.
fn await_refusal(client: &mut Client) -> (i16, String) {
    eventually("no topic is created any more", || {
        let topic = CreatableTopic::default().with_name(TopicName(text(&unique("nowhere"))));
        let topic = topic.with_num_partitions(1).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer = client.call(&request, 7).topics.remove(0);
        (answer.error_code != 0).then(|| (answer.error_code, answer.error_message.unwrap().to_string()))
    })
}

#[test]
fn a_cordoned_directory_keeps_what_it_has_and_gets_nothing_new() {
    let temp = tempfile::tempdir().unwrap();
    let dirs: [PathBuf; 2] = ["one", "two"].map(|name| temp.path().join(name));
    let given = format!("log.dirs={},{}", dirs[0].display(), dirs[1].display());
    let Some(mut broker) = Broker::start_in(&dirs[0], &[&given]) else { return };
    let mut client = broker.connect();
    let node = client.metadata(Some(&[])).brokers[0].node_id.0.to_string();
    let before = client.create("before", 4);
    assert_eq!(dirs.each_ref().map(|dir| count_in(dir, before.name())), [2, 2]);

    set(&mut client, &node, dirs[1].to_str().unwrap());
    has_come("new partitions avoid it", || {
        let topic = client.create("avoiding", 4);
        count_in(&dirs[1], topic.name()) == 0
    });
    let avoiding = client.create("avoiding", 4);
    assert_eq!(count_in(&dirs[0], avoiding.name()), 4);
    for partition in 0..4 {
        client.append(&before.name, partition, &Records::of(["goes on"]));
    }
    if !tests_kafka() {
        let metrics = metrics(&broker);
        let of = |dir: &Path| value(&metrics, &["_logdirectorycordoned", dir.to_str().unwrap()]);
        assert_eq!((of(&dirs[0]), of(&dirs[1])), (0.0, 1.0));
        assert_eq!(value(&metrics, &["kafka_log_logmanager_cordonedlogdirectorycount"]), 1.0);
    }
    broker.stop();
    broker.restart();
    let mut client = broker.connect();
    let after = client.create("after", 4);
    assert_eq!(count_in(&dirs[0], after.name()), 4);

    set(&mut client, &node, "*");
    let no_room = "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their \
                   log directories cordoned.";
    assert_eq!(await_refusal(&mut client), (38, no_room.to_owned()));
    for partition in 0..4 {
        assert_eq!(client.append(&before.name, partition, &Records::of(["goes on"])), 1);
    }
    set(&mut client, &node, "");
    eventually("there is room again", || {
        let topic = CreatableTopic::default().with_name(TopicName(text(&unique("back"))));
        let topic = topic.with_num_partitions(1).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        (client.call(&request, 7).topics.remove(0).error_code == 0).then_some(())
    });
    let topic = client.create("levelled", 4);
    assert_eq!(count_in(&dirs[1], topic.name()), 4, "the emptier one");
}

#[test]
fn a_metadata_log_has_a_directory_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let [data, metadata] = ["data", "metadata"].map(|name| temp.path().join(name));
    let given = format!("metadata.log.dir={}", metadata.display());
    let Some(mut broker) = Broker::start_in(&data, &[&given]) else { return };
    let mut client = broker.connect();
    let topic = client.create("apart", 1);
    client.append(&topic.name, 0, &Records::of(["kept"]));
    for (dir, has_metadata) in [(&data, false), (&metadata, true)] {
        assert_eq!(dir.join("__cluster_metadata-0").exists(), has_metadata);
        assert_eq!(dir.join(format!("{}-0", topic.name())).exists(), !has_metadata);
        assert!(dir.join("meta.properties").exists());
    }
    let told = client.call(&DescribeLogDirsRequest::default().with_topics(None), 4).results;
    let told: Vec<String> = told.into_iter().map(|dir| dir.log_dir.to_string()).collect();
    assert_eq!(told, [data.display().to_string()]);

    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    assert_eq!(client.append(&topic.name, 0, &Records::of(["and more"])), 1);
}
