//! What the groups are asked, and what they answer.

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup as DescribedConsumerGroup;
use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::JoinGroupResponse;
use kafka_protocol::messages::leave_group_request::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::list_groups_request::ListGroupsRequest;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequest;
use kafka_protocol::messages::offset_delete_response::OffsetDeleteResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;
use uuid::Uuid;

use super::offsets::GroupOffsets;
use super::{Code, Groups, Transactional};
use crate::machine::{Ended, Moment, Token};
use crate::meta::Image;
use crate::wire::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use crate::wire::offset_fetch::{FetchGroup, FetchedGroup};
use crate::wire::txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// `client.id`, empty if it has none.
    pub id: Arc<str>,
    /// Where it connects from, as Kafka shows it: `/127.0.0.1`.
    pub host: Arc<str>,
}

/// A request as it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask<T> {
    /// The request itself.
    pub body: T,
    /// Its version.
    pub version: i16,
    /// Who asks.
    pub client: Client,
    /// A random id, for a member that needs one.
    pub fresh_id: Uuid,
}

/// The machine leads its partition from now on: everything is replayed, sessions begin.
#[derive(Clone, Debug)]
pub struct Activate;

/// The cluster has changed: topics came, went or grew, or a group's configuration is another.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The cluster now.
    pub image: Arc<Image>,
    /// Names of topics that are gone: their offsets go too.
    pub deleted_topics: Vec<Arc<str>>,
}

/// OffsetFetch of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetch {
    /// What is wanted.
    pub group: FetchGroup,
    /// See `OffsetFetchRequest::require_stable`.
    pub require_stable: bool,
}

/// DescribeGroups of the groups of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeGroups(pub Vec<Arc<str>>);

/// ConsumerGroupDescribe of the groups of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerGroupDescribe(pub Vec<Arc<str>>);

/// DeleteGroups of the groups of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteGroups(pub Vec<Arc<str>>);

/// Committed offsets by group, for the metrics of lag.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOffsets {
    /// How many at most.
    pub offsets_max: usize,
}

/// A transaction has ended that may have committed offsets here: its marker is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransaction(pub Ended);

/// A group, and what became of its deletion.
pub type DeletedGroup = (Arc<str>, Result<(), Code>);

macro_rules! decisions {
    ($($name:ident($request:ty) -> $answer:ty: $decide:expr,)*) => {
        crate::machine::requests! { $($name($request) -> $answer,)* }

        impl Groups {
            pub(super) fn decide(&mut self, at: Moment, token: Token, input: Input) -> Transactional {
                match input {
                    $(Input::$name(request) => {
                        let decide: fn(&mut Self, Moment, Token, $request) -> _ = $decide;
                        decide(self, at, token, request).into()
                    })*
                }
            }
        }
    };
}

decisions! {
    Activate(Activate) -> (): Groups::activate,
    NewImage(NewImage) -> (): Groups::new_image,
    JoinGroup(Ask<JoinGroupRequest>) -> JoinGroupResponse: Groups::join_group,
    SyncGroup(Ask<SyncGroupRequest>) -> SyncGroupResponse: Groups::sync_group,
    Heartbeat(Ask<HeartbeatRequest>) -> HeartbeatResponse: Groups::heartbeat,
    LeaveGroup(Ask<LeaveGroupRequest>) -> LeaveGroupResponse: Groups::leave_group,
    OffsetCommit(Ask<OffsetCommitRequest>) -> OffsetCommitResponse: Groups::offset_commit,
    TxnOffsetCommit(Ask<TxnOffsetCommitRequest>) -> TxnOffsetCommitResponse: Groups::txn_offset_commit,
    EndTransaction(EndTransaction) -> (): Groups::end,
    OffsetFetch(Ask<OffsetFetch>) -> FetchedGroup: Groups::offset_fetch,
    OffsetDelete(Ask<OffsetDeleteRequest>) -> OffsetDeleteResponse: Groups::offset_delete,
    DescribeGroups(Ask<DescribeGroups>) -> Vec<DescribedGroup>: Groups::describe_groups,
    ListGroups(Ask<ListGroupsRequest>) -> Vec<ListedGroup>: Groups::list_groups,
    DeleteGroups(Ask<DeleteGroups>) -> Vec<DeletedGroup>: Groups::delete_groups,
    ConsumerGroupHeartbeat(Ask<ConsumerGroupHeartbeatRequest>) -> ConsumerGroupHeartbeatResponse:
        Groups::consumer_group_heartbeat,
    ConsumerGroupDescribe(Ask<ConsumerGroupDescribe>) -> Vec<DescribedConsumerGroup>:
        Groups::consumer_group_describe,
    ListOffsets(ListOffsets) -> Vec<GroupOffsets>: Groups::list_offsets,
}
