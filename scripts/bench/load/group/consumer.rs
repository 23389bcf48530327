//! A member that speaks KIP-848's protocol.

use anyhow::{Result, bail};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions as Owned;
use kafka_protocol::messages::consumer_group_heartbeat_response::Assignment;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::link::Link;
use super::{Member, NONE, NOT_YET, NOT_YET_PAUSE};

/// Joins, takes what it is given, gives up what it has to, and heartbeats until told to leave or to vanish.
pub(super) async fn run(member: Member) -> Result<()> {
    let mut link = Link::open(&member.bootstrap).await?;
    let id = StrBytes::from_string(Uuid::from_u128(0x1000 + member.index as u128).to_string());
    let mut epoch = 0;
    let mut owned: Vec<Owned> = Vec::new();
    let mut is_changed = true;
    loop {
        let answer = link.call(&heartbeat(&member, &id, epoch, is_changed.then_some(&owned)), 1).await?;
        if NOT_YET.contains(&answer.error_code) {
            tokio::time::sleep(NOT_YET_PAUSE).await;
            continue;
        }
        if answer.error_code != NONE {
            bail!("heartbeat: error {} {:?}", answer.error_code, answer.error_message);
        }
        epoch = answer.member_epoch;
        is_changed = false;
        if let Some(assignment) = &answer.assignment {
            owned = taken(assignment);
            is_changed = true;
        }
        let partitions = owned.iter().map(|topic| topic.partitions.len()).sum();
        member.board.note(member.index, epoch, partitions);
        // What was taken or given up is reported at once, as clients do.
        if !is_changed && member.wait().await {
            if member.leaves() {
                link.call(&heartbeat(&member, &id, -1, None), 1).await?;
            }
            return Ok(());
        }
    }
}

fn heartbeat(
    member: &Member,
    id: &StrBytes,
    epoch: i32,
    owned: Option<&Vec<Owned>>,
) -> ConsumerGroupHeartbeatRequest {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(member.group.to_string())))
        .with_member_id(id.clone())
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
        .with_topic_partitions(owned.cloned());
    if epoch != 0 {
        return request;
    }
    let topic = TopicName(StrBytes::from_string(member.topic.to_string()));
    request.with_rebalance_timeout_ms(60_000).with_subscribed_topic_names(Some(vec![topic]))
}

fn taken(assignment: &Assignment) -> Vec<Owned> {
    let topics = assignment.topic_partitions.iter();
    topics.map(|t| Owned::default().with_topic_id(t.topic_id).with_partitions(t.partitions.clone())).collect()
}
