//! DeleteTopics: by name and by id, and what is left afterwards.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, TopicName};
use uuid::Uuid;

use super::support::{
    Broker, Client, Records, eventually, fetch_partition, has_come, produce_request, stranger, text, unique,
};

fn by_name(name: &str) -> DeleteTopicState {
    DeleteTopicState::default().with_name(Some(TopicName(text(name))))
}

fn by_id(id: Uuid) -> DeleteTopicState {
    DeleteTopicState::default().with_name(None).with_topic_id(id)
}

fn delete(client: &mut Client, topics: Vec<DeleteTopicState>) -> Vec<DeletableTopicResult> {
    let request = DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000);
    client.call(&request, 6).responses
}

/// Code, name and text of the one result.
fn only(mut results: Vec<DeletableTopicResult>) -> (i16, Option<String>, Option<String>) {
    assert_eq!(results.len(), 1, "{results:?}");
    let result = results.remove(0);
    (result.error_code, result.name.map(|n| n.to_string()), result.error_message.map(|m| m.to_string()))
}

#[test]
fn every_version_deletes() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in 1..=6 {
        let topic = client.create("deleted", 2);
        let request = DeleteTopicsRequest::default().with_timeout_ms(30_000);
        let request = if version < 6 {
            request.with_topic_names(vec![topic.name.clone()])
        } else {
            request.with_topics(vec![by_name(topic.name())])
        };
        let result = client.call(&request, version).responses.remove(0);
        assert_eq!((result.error_code, result.name.as_ref()), (0, Some(&topic.name)), "version {version}");
        assert_eq!(result.topic_id, if version == 6 { topic.id } else { Uuid::nil() });
        has_come("it is gone", || client.describe(&topic.name).error_code == 3);
    }
}

#[test]
fn an_id_is_as_good_as_a_name_but_not_both() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("both", 1);
    let both = by_name(topic.name()).with_topic_id(topic.id);
    let (code, _, message) = only(delete(&mut client, vec![both]));
    assert_eq!((code, message.as_deref()), (42, Some("You may not specify both topic name and topic id.")));
    let (code, _, message) = only(delete(&mut client, vec![by_id(Uuid::nil())]));
    assert_eq!((code, message.as_deref()), (42, Some("Neither topic name nor id were specified.")));
    let (code, name, _) = only(delete(&mut client, vec![by_id(topic.id)]));
    assert_eq!((code, name.as_deref()), (0, Some(topic.name())));
    has_come("it is gone", || client.describe(&topic.name).error_code == 3);
}

#[test]
fn what_does_not_exist_is_not_deleted() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("absent");
    let (code, answered, message) = only(delete(&mut client, vec![by_name(&name)]));
    assert_eq!((code, answered), (3, Some(name)));
    assert_eq!(message.as_deref(), Some("This server does not host this topic-partition."));
    let (code, answered, message) = only(delete(&mut client, vec![by_id(stranger())]));
    assert_eq!((code, answered), (100, None));
    assert_eq!(message.as_deref(), Some("This server does not host this topic ID."));
}

#[test]
fn naming_a_topic_twice_deletes_nothing() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("twice", 1);
    let name = || by_name(topic.name());
    let (code, _, message) = only(delete(&mut client, vec![name(), name()]));
    assert_eq!((code, message.as_deref()), (42, Some("Duplicate topic name.")));
    let (code, _, message) = only(delete(&mut client, vec![by_id(topic.id), by_id(topic.id)]));
    assert_eq!((code, message.as_deref()), (42, Some("Duplicate topic id.")));
    let (code, _, message) = only(delete(&mut client, vec![name(), by_id(topic.id)]));
    let text = "The provided topic name maps to an ID that was already supplied.";
    assert_eq!((code, message.as_deref()), (42, Some(text)));
    assert_eq!(client.describe(&topic.name).error_code, 0);
}

#[test]
fn good_and_bad_in_one_request_are_answered_each() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let [one, two] = ["one", "two"].map(|name| client.create(name, 1));
    let absent = unique("absent");
    let results = delete(&mut client, vec![by_name(&absent), by_id(one.id), by_name(two.name())]);
    let code = |name: &str| {
        results.iter().find(|r| r.name.as_ref().is_some_and(|n| n.as_str() == name)).unwrap().error_code
    };
    assert_eq!((results.len(), code(&absent), code(one.name()), code(two.name())), (3, 3, 0, 0));
}

#[test]
fn reading_a_deleted_topic_by_its_id_says_that_the_id_is_unknown() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("read", 1);
    client.append(&topic.name, 0, &Records::of(["x"]));
    delete(&mut client, vec![by_id(topic.id)]);
    let request = FetchRequest::default().with_session_epoch(-1).with_topics(vec![
        FetchTopic::default().with_topic_id(topic.id).with_partitions(vec![fetch_partition(0, 0)]),
    ]);
    has_come("unknown topic id", || {
        let response = client.call(&request, 13);
        response.responses[0].partitions[0].error_code == 100
    });
}

#[test]
fn a_fetch_that_waits_on_a_deleted_topic_is_answered() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let topic = client.create("waiting", 1);
    let waiting = super::support::fetch_request(&topic.name, 0, 0).with_max_wait_ms(3_600_000);
    let id = client.send(&waiting, 12);
    delete(&mut broker.connect(), vec![by_id(topic.id)]);
    let response = client.receive::<FetchRequest>(id, 12);
    assert!([3, 6].contains(&response.responses[0].partitions[0].error_code), "{response:?}");
}

#[test]
fn the_files_of_a_deleted_topic_go_away() {
    let Some(broker) = Broker::start(&["log.segment.delete.delay.ms=0", "file.delete.delay.ms=0"]) else {
        return;
    };
    let mut client = broker.connect();
    let topic = client.create("files", 2);
    for partition in 0..2 {
        client.append(&topic.name, partition, &Records::of(["x"]));
        assert!(broker.dir.join(format!("{}-{partition}", topic.name())).is_dir());
    }
    delete(&mut client, vec![by_id(topic.id)]);
    has_come("no directory is left", || {
        let names = std::fs::read_dir(&broker.dir).unwrap().map(|e| e.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(topic.name())).count() == 0
    });
}

#[test]
fn deletion_can_be_switched_off() {
    let Some(broker) = Broker::start(&["delete.topic.enable=false"]) else { return };
    let mut client = broker.connect();
    let topic = client.create("kept", 1);
    for (version, code) in [(1, 42), (2, 42), (3, 73), (5, 73)] {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic.name.clone()]);
        let result = client.call(&request, version).responses.remove(0);
        assert_eq!(result.error_code, code, "version {version}");
    }
    let (code, name, _) = only(delete(&mut client, vec![by_name(topic.name())]));
    assert_eq!((code, name.as_deref()), (73, Some(topic.name())));
    assert_eq!(client.describe(&topic.name).error_code, 0);
}

/// A deletion meets the sync that the last append has set off; nobody else may notice.
#[test]
fn topics_deleted_while_they_are_synced_harm_nobody_else() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let bystander = client.create("bystander", 1);
    for round in 0..30 {
        let doomed = client.create(&format!("doomed-{round}"), 3);
        for partition in 0..3 {
            // With acks=1 the answer does not wait for the sync.
            let request = produce_request(&doomed.name, partition, Records::of_size(20_000).bytes());
            client.call(&request.with_acks(1), 9);
        }
        assert_eq!(only(delete(&mut client, vec![by_name(&doomed.name)])).0, 0);
        assert_eq!(client.append(&bystander.name, 0, &Records::of(["x"])), i64::from(round));
    }
}

/// The checkpoint files name partitions, not topic ids: what they say of a deleted topic is not true of the
/// next one of its name.
#[test]
fn a_topic_takes_nothing_over_from_a_deleted_one_of_its_name() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let first = client.create("again", 1);
    for _ in 0..20 {
        client.append(&first.name, 0, &Records::of(["old"]));
    }
    broker.stop();
    broker.restart();
    let mut client = broker.connect();
    assert_eq!(only(delete(&mut client, vec![by_name(&first.name)])).0, 0);
    let topic = CreatableTopic::default()
        .with_name(first.name.clone())
        .with_num_partitions(1)
        .with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    eventually("the name is free", || (client.call(&create, 7).topics[0].error_code == 0).then_some(()));
    eventually("it can be written to", || {
        let produced = client.produce(&first.name, 0, Records::of(["new"]).bytes());
        (produced.error_code == 0).then_some(())
    });
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    eventually("it is led", || (client.list_offset(&first.name, 0, -1).error_code == 0).then_some(()));
    assert_eq!(client.list_offset(&first.name, 0, -1).offset, 1);
}
