//! The protocol of KIP-848: epochs, reconciliation, static members, and what is refused.

use kafka_protocol::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use kafka_protocol::messages::consumer_group_heartbeat_response::{
    Assignment, ConsumerGroupHeartbeatResponse,
};
use kafka_protocol::messages::*;
use uuid::Uuid;

use super::support::groups::{Member, commit_request, group};
use super::support::{Broker, Client, Created, eventually, stranger, text, unique};

/// One member of one group, which owns what it was last given.
struct Modern {
    group: GroupId,
    id: String,
    instance: Option<String>,
    epoch: i32,
    topic: Created,
    owned: Vec<i32>,
}

impl Modern {
    fn of(group: &GroupId, topic: &Created) -> Self {
        let id = stranger().to_string();
        Self { group: group.clone(), id, instance: None, epoch: 0, topic: topic.clone(), owned: vec![] }
    }

    fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let owned =
            TopicPartitions::default().with_topic_id(self.topic.id).with_partitions(self.owned.clone());
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.group.clone())
            .with_member_id(text(&self.id))
            .with_instance_id(self.instance.as_deref().map(text))
            .with_member_epoch(self.epoch)
            .with_rebalance_timeout_ms(10_000)
            .with_subscribed_topic_names(Some(vec![self.topic.name.clone()]))
            .with_topic_partitions(Some(if self.owned.is_empty() { vec![] } else { vec![owned] }))
    }

    /// Heartbeats, and takes over what the answer says.
    fn beat(&mut self, client: &mut Client) {
        let answer = client.call(&self.request(), 1);
        assert_eq!(answer.error_code, 0, "{answer:?}");
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            self.owned = partitions(assignment);
        }
    }
}

fn partitions(assignment: Assignment) -> Vec<i32> {
    assignment.topic_partitions.into_iter().flat_map(|topic| topic.partitions).collect()
}

fn refused(answer: &ConsumerGroupHeartbeatResponse, code: i16, part: &str) {
    assert_eq!(answer.error_code, code, "{answer:?}");
    let message = answer.error_message.as_deref().unwrap_or_default();
    assert!(message.contains(part), "{message:?} says nothing of {part:?}");
}

#[test]
fn a_partition_has_a_new_owner_only_once_the_old_one_has_let_go() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("moving", 2);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let (mut first, mut second) = (Modern::of(&id, &topic), Modern::of(&id, &topic));
    first.beat(&mut client);
    assert_eq!(first.owned.len(), 2);
    second.beat(&mut client);
    eventually("the first one is asked to let go of one", || {
        let answer = client.call(&first.request(), 1);
        let kept = partitions(answer.assignment?);
        (kept.len() == 1).then(|| first.owned = kept)?;
        assert_eq!(answer.member_epoch, first.epoch, "not in the new epoch before it has");
        Some(())
    });
    second.beat(&mut client);
    assert!(second.owned.is_empty(), "{:?} is still the first one's", second.owned);
    let before = first.epoch;
    first.beat(&mut client);
    assert!(first.epoch > before);
    eventually("the second one has it", || {
        second.beat(&mut client);
        (second.owned.len() == 1).then_some(())
    });
    assert_ne!(first.owned, second.owned);
    assert_eq!(first.epoch, second.epoch);
}

#[test]
fn epochs_tell_who_is_out() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("epochs", 1);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let mut member = Modern::of(&id, &topic);
    member.beat(&mut client);
    assert!(member.epoch > 0);
    refused(&client.call(&member.request().with_member_epoch(member.epoch + 1), 1), 110, "greater");
    let nobody = member.request().with_member_id(text(&stranger().to_string()));
    refused(&client.call(&nobody, 1), 25, "is not a member of group");
    let unknown_group = member.request().with_group_id(group(&unique("none")));
    refused(&client.call(&unknown_group, 1), 69, "not found");

    let as_member =
        |epoch| Member { group: id.clone(), id: text(&member.id), generation: epoch, ..Member::default() };
    let code = |client: &mut Client, request: &OffsetCommitRequest, version| {
        client.call(request, version).topics[0].partitions[0].error_code
    };
    let current = commit_request(&as_member(member.epoch), &topic.name, 0, 3);
    assert_eq!(code(&mut client, &current, 8), 35, "older versions know of no epochs");
    assert_eq!(code(&mut client, &current, 9), 0);
    let mut old = commit_request(&as_member(member.epoch - 1), &topic.name, 0, 4);
    assert_eq!(code(&mut client, &old, 9), 113, "a stale epoch");
    old.member_id = text("stranger");
    assert_eq!(code(&mut client, &old, 9), 25);
    assert_eq!(client.committed_one(&id, &topic.name, 0).committed_offset, 3);

    // Joining again with the same id is how a lost answer is asked for; leaving is for good.
    member.owned.clear();
    assert_eq!(client.call(&member.request().with_member_epoch(0), 1).error_code, 0);
    let left = client.call(&member.request().with_member_epoch(-1), 1);
    assert_eq!((left.error_code, left.member_epoch), (0, -1));
    refused(&client.call(&member.request(), 1), 25, "is not a member of group");
}

#[test]
fn an_instance_is_released_when_its_member_goes() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("fixed", 2);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let fixed = || Modern { instance: Some("till".to_owned()), ..Modern::of(&id, &topic) };
    let (mut first, mut second) = (fixed(), fixed());
    first.beat(&mut client);
    let held = client.call(&second.request(), 1);
    refused(&held, 111, "cannot join the group because the instance id is owned by");
    let gone = client.call(&first.request().with_member_epoch(-2), 1);
    assert_eq!((gone.error_code, gone.member_epoch), (0, -2));
    let before = first.epoch;
    second.beat(&mut client);
    assert_eq!((second.epoch, second.owned.len()), (before, 2), "it takes over without a rebalance");
    refused(&client.call(&first.request(), 1), 82, "");
}

#[test]
fn what_no_member_may_ask_is_refused_with_the_reason() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("asked", 1);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let member = Modern::of(&id, &topic);
    let request = || member.request();
    refused(&client.call(&request().with_group_id(group("")), 1), 42, "GroupId can't be empty");
    refused(&client.call(&request().with_member_id(text("")), 1), 42, "MemberId can't be empty");
    refused(&client.call(&request().with_member_epoch(-3), 1), 42, "MemberEpoch is invalid");
    refused(&client.call(&request().with_member_epoch(-2), 1), 42, "InstanceId can't be null");
    refused(&client.call(&request().with_instance_id(Some(text(""))), 1), 42, "InstanceId can't be empty");
    refused(&client.call(&request().with_topic_partitions(None), 1), 42, "TopicPartitions must be empty");
    refused(
        &client.call(&request().with_subscribed_topic_names(None), 1),
        42,
        "must be non-null when (re-)joining",
    );
    let assignor = request().with_server_assignor(Some(text("nothing")));
    refused(&client.call(&assignor, 1), 112, "Supported assignors: uniform, range.");
    let pattern = request().with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("[a-")));
    refused(&client.call(&pattern, 1), 128, "is not a valid regular expression");
    assert_eq!(describe(&mut client, &id).0, 69, "none of them has made a group");

    // In version 0 it is the coordinator that makes ids.
    let first = client.call(&request().with_member_id(text("")), 0);
    assert_eq!(first.error_code, 0, "{first:?}");
    assert!(first.member_id.is_some_and(|id| !id.is_empty()));
    let elsewhere = TopicPartitions::default().with_topic_id(Uuid::from_u128(99)).with_partitions(vec![0, 7]);
    let mut holder = Modern::of(&id, &topic);
    holder.beat(&mut client);
    let holds = holder.request().with_topic_partitions(Some(vec![elsewhere]));
    assert_eq!(client.call(&holds, 1).error_code, 0, "what it says it owns may be gone");
    assert_eq!(describe(&mut client, &id), (0, 2));
}

#[test]
fn members_go_on_after_a_kill_where_they_were() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("killed", 2);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let mut member = Modern::of(&id, &topic);
    member.beat(&mut client);
    member.beat(&mut client);
    let (epoch, owned) = (member.epoch, member.owned.clone());
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    client.await_coordinator(&id);
    member.beat(&mut client);
    assert_eq!((member.epoch, member.owned), (epoch, owned));
    assert_eq!(describe(&mut client, &id), (0, 1));
}

#[test]
fn who_stops_beating_is_out_and_its_partitions_go_to_the_others() {
    let settings = [
        "group.consumer.min.session.timeout.ms=1000",
        "group.consumer.session.timeout.ms=1000",
        "group.consumer.min.heartbeat.interval.ms=100",
        "group.consumer.heartbeat.interval.ms=100",
    ];
    let Some(broker) = Broker::start(&settings) else { return };
    let mut client = broker.connect();
    let topic = client.create("silent", 2);
    let id = group(&unique("g"));
    client.await_coordinator(&id);
    let mut alive = Modern::of(&id, &topic);
    alive.beat(&mut client);
    // As many that come and are never seen again.
    for _ in 0..20 {
        Modern::of(&id, &topic).beat(&mut client);
    }
    eventually("they are gone, and it has all", || {
        alive.beat(&mut client);
        (describe(&mut client, &id) == (0, 1) && alive.owned.len() == 2).then_some(())
    });
}

/// Error code and number of members.
fn describe(client: &mut Client, id: &GroupId) -> (i16, usize) {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![id.clone()]);
    let described = client.call(&request, 1).groups.remove(0);
    (described.error_code, described.members.len())
}
