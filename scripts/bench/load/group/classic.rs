//! A member that speaks the classic protocol.

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::link::Link;
use super::{Member, NONE, NOT_YET, NOT_YET_PAUSE, REBALANCE_IN_PROGRESS};

const MEMBER_ID_REQUIRED: i16 = 79;
/// As much as a real consumer's subscription and assignment.
const METADATA: &[u8] = &[0; 60];

/// Joins, syncs and heartbeats until told to leave or to vanish.
pub(super) async fn run(member: Member) -> Result<()> {
    let mut link = Link::open(&member.bootstrap).await?;
    let mut id = StrBytes::default();
    loop {
        let generation = join(&mut link, &member, &mut id).await?;
        if let Some(generation) = generation {
            member.board.note(member.index, generation, 1);
            if !beat(&mut link, &member, &id, generation).await? {
                return Ok(());
            }
        }
    }
}

/// One rebalance; none if another has begun before its end.
async fn join(link: &mut Link, member: &Member, id: &mut StrBytes) -> Result<Option<i32>> {
    let joined = loop {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(Bytes::from_static(METADATA));
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(member))
            .with_session_timeout_ms(member.session_ms)
            .with_rebalance_timeout_ms(60_000)
            .with_member_id(id.clone())
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let answer = link.call(&request, 7).await?;
        match answer.error_code {
            NONE => break answer,
            MEMBER_ID_REQUIRED => *id = answer.member_id,
            code if NOT_YET.contains(&code) => tokio::time::sleep(NOT_YET_PAUSE).await,
            code => bail!("join: error {code}"),
        }
    };
    let request = SyncGroupRequest::default()
        .with_group_id(group_id(member))
        .with_generation_id(joined.generation_id)
        .with_member_id(id.clone())
        .with_protocol_type(Some(StrBytes::from_static_str("consumer")))
        .with_protocol_name(Some(StrBytes::from_static_str("range")))
        .with_assignments(assignments(&joined));
    match link.call(&request, 5).await?.error_code {
        NONE => Ok(Some(joined.generation_id)),
        REBALANCE_IN_PROGRESS => Ok(None),
        code => bail!("sync: error {code}"),
    }
}

/// What the leader hands out; nothing for anybody else.
fn assignments(joined: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
    let give = |id: &StrBytes| {
        SyncGroupRequestAssignment::default()
            .with_member_id(id.clone())
            .with_assignment(Bytes::from_static(METADATA))
    };
    joined.members.iter().map(|member| give(&member.member_id)).collect()
}

/// Heartbeats until the group rebalances (true) or the member goes (false).
async fn beat(link: &mut Link, member: &Member, id: &StrBytes, generation: i32) -> Result<bool> {
    let request = HeartbeatRequest::default()
        .with_group_id(group_id(member))
        .with_generation_id(generation)
        .with_member_id(id.clone());
    loop {
        if member.wait().await {
            if member.leaves() {
                leave(link, member, id).await?;
            }
            return Ok(false);
        }
        match link.call(&request, 4).await?.error_code {
            NONE => {}
            REBALANCE_IN_PROGRESS => return Ok(true),
            code => bail!("heartbeat: error {code}"),
        }
    }
}

async fn leave(link: &mut Link, member: &Member, id: &StrBytes) -> Result<()> {
    let identity = MemberIdentity::default().with_member_id(id.clone());
    let request = LeaveGroupRequest::default().with_group_id(group_id(member)).with_members(vec![identity]);
    let answer = link.call(&request, 4).await?;
    ensure!(answer.error_code == NONE, "leave: error {}", answer.error_code);
    Ok(())
}

fn group_id(member: &Member) -> GroupId {
    GroupId(StrBytes::from_string(member.group.to_string()))
}
