//! TxnOffsetCommit, versions 0 to 6 (`KafkaApis.handleTxnOffsetCommitRequest`).
//!
//! 2     COORDINATOR_LOAD_IN_PROGRESS; before, COORDINATOR_NOT_AVAILABLE.
//! 3     members and their generations (KIP-447).
//! 4     TRANSACTION_ABORTABLE.
//! 5     the group's partition comes into the transaction by itself (KIP-890).
//! 6     topic ids (KIP-1319).

use std::sync::Arc;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;
use super::groups;
use super::offsets::{merge, refused, split};
use crate::wire::offset_commit::CommittedTopic;
use crate::wire::txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

/// The first version whose clients bear with COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING: i16 = 2;
/// The first version that names topics by id.
const TOPIC_IDS: i16 = 6;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<TxnOffsetCommitRequest>,
) -> TxnOffsetCommitResponse {
    let image = context.quorum.image();
    let by_id = request.version() >= TOPIC_IDS;
    let (known, mut answers) = split(&image, by_id, std::mem::take(&mut request.body.topics));
    if !known.is_empty() {
        request.body.topics = known;
        merge(&mut answers, commit(&context, &request).await);
    }
    TxnOffsetCommitResponse { topics: answers }
}

async fn commit(context: &Context, request: &Request<TxnOffsetCommitRequest>) -> Vec<CommittedTopic> {
    let refuse_all = |code| request.body.topics.iter().map(|topic| refused(topic, code)).collect();
    if request.body.group_id.is_empty() {
        return refuse_all(Code::InvalidGroupId);
    }
    let code = match context.transactions.commit_offsets(groups::ask(context, request)).await {
        Ok(response) => return response.topics,
        Err(unavailable) => groups::code(unavailable),
    };
    let is_unknown = code == Code::CoordinatorLoadInProgress && request.version() < LOADING;
    refuse_all(if is_unknown { Code::CoordinatorNotAvailable } else { code })
}
