//! OffsetCommit, versions 2 to 10 (`KafkaApis.handleOffsetCommitRequest`).
//!
//! 7     static members.
//! 9     members of consumer groups.
//! 10    topic ids.
//!
//! The answer comes when the offsets are committed to disk. Offsets of partitions that do not exist are refused here;
//! the coordinator hears of the others only.

use std::sync::Arc;

use super::context::Context;
use super::dispatch::Request;
use super::groups;
use super::offsets::{merge, refused, split};
use crate::wire::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};

/// The first version that names topics by id.
const TOPIC_IDS: i16 = 10;

pub(super) async fn handle(
    context: Arc<Context>,
    mut request: Request<OffsetCommitRequest>,
) -> OffsetCommitResponse {
    let image = context.quorum.image();
    let by_id = request.version() >= TOPIC_IDS;
    let (known, mut answers) = split(&image, by_id, std::mem::take(&mut request.body.topics));
    if !known.is_empty() {
        request.body.topics = known;
        let asked = groups::ask(&context, &request);
        match context.groups.ask(&request.body.group_id, asked).await {
            Ok(response) => merge(&mut answers, response.topics),
            Err(unavailable) => {
                let code = groups::code(unavailable);
                let failed = request.body.topics.iter().map(|topic| refused(topic, code)).collect();
                merge(&mut answers, failed);
            }
        }
    }
    OffsetCommitResponse { topics: answers }
}
