//! Committed offsets: commit, read, delete, expire (`OffsetMetadataManager`).

use std::sync::Arc;

use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequest;
use kafka_protocol::messages::offset_delete_response::OffsetDeleteResponse;

use super::request::{Ask, ListOffsets, OffsetFetch, Reply};
use super::{Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use crate::wire::group_records::{OffsetCommitValue, Record};
use crate::wire::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use crate::wire::offset_fetch::FetchedGroup;

/// The committed offsets of all groups of a machine.
#[derive(Debug, Default)]
pub(super) struct Offsets {}

/// One committed offset.
#[derive(Clone, Debug, PartialEq)]
pub struct CommittedOffset {
    /// The group.
    pub group: Arc<str>,
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index.
    pub partition: i32,
    /// The next offset to consume.
    pub offset: i64,
}

impl Offsets {
    pub(super) fn replay(
        &mut self,
        _record_offset: i64,
        _group: &Arc<str>,
        _topic: &Arc<str>,
        _partition: i32,
        _value: Option<&OffsetCommitValue>,
    ) {
    }
}

impl Groups {
    /// What deletes all offsets of `group`.
    pub(super) fn delete_all_offsets(&self, _group: &str) -> Vec<Record> {
        vec![]
    }

    /// What deletes the offsets of topics that are gone.
    pub(super) fn delete_topic_offsets(&self, _topics: &[Arc<str>]) -> Vec<Record> {
        vec![]
    }

    pub(super) fn offset_commit(
        &mut self,
        _: Moment,
        token: Token,
        _ask: Ask<OffsetCommitRequest>,
    ) -> Outcome {
        Decision::answer(token, Reply::OffsetCommit(OffsetCommitResponse::default()), vec![])
    }

    pub(super) fn offset_fetch(&mut self, _: Moment, token: Token, _ask: Ask<OffsetFetch>) -> Outcome {
        Decision::answer(token, Reply::OffsetFetch(FetchedGroup::default()), vec![])
    }

    pub(super) fn offset_delete(
        &mut self,
        _: Moment,
        token: Token,
        _ask: Ask<OffsetDeleteRequest>,
    ) -> Outcome {
        Decision::answer(token, Reply::OffsetDelete(OffsetDeleteResponse::default()), vec![])
    }

    pub(super) fn list_offsets(&mut self, _: Moment, token: Token, _: ListOffsets) -> Outcome {
        Decision::answer(token, Reply::ListOffsets(vec![]), vec![])
    }

    pub(super) fn expire_offsets(&mut self, _: Moment) -> Outcome {
        Decision::none()
    }
}
