//! The fetch response: what of the reading goes out, and its frame.

use std::io;

use bytes::Bytes;
use tracing::error;

use super::Fetch;
use super::read::{Answer, Reading};
use super::session::{Mode, NO_SESSION};
use crate::api::context::Context;
use crate::api::endpoints;
use crate::api::error::{Code, NONE};
use crate::api::response::{Outcome, Part, Response};
use crate::base::id::NodeId;
use crate::log::read::Slice;
use crate::meta::Image;
use crate::wire::fetch_response::{self as wire, AbortedTransaction, CurrentLeader, DivergingEpoch, Piece};
use crate::wire::header::RequestHeader;

/// Smaller regions are cheaper to read and write than to send from the file.
const SENDFILE_BYTES_MIN: usize = 32 << 10;

/// The answer to a request whose session is not as it thinks.
pub(super) fn session_error(context: &Context, header: &RequestHeader, code: Code) -> Outcome {
    encode(context, header, response(code.code(), NO_SESSION))
}

fn response(error_code: i16, session_id: i32) -> wire::Response<Slice> {
    wire::Response {
        throttle_time_ms: 0,
        error_code,
        session_id,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    }
}

impl Fetch {
    pub(super) fn respond(self, reading: Reading) -> Outcome {
        let (session_id, answers) = match self.settle_session(reading.answers) {
            Ok(settled) => settled,
            Err(session_id) => {
                return encode(
                    &self.context,
                    &self.header,
                    response(Code::InvalidFetchSessionEpoch.code(), session_id),
                );
            }
        };
        let image = self.context.quorum.image();
        let mut out = response(NONE, session_id);
        let mut is_moved = false;
        for answer in answers {
            if out.topics.last().is_none_or(|t| t.id != answer.key.topic_id || t.name != answer.key.topic) {
                let (name, id) = (answer.key.topic.clone(), answer.key.topic_id);
                out.topics.push(wire::Topic { name, id, partitions: Vec::new() });
            }
            let partition = self.partition(&image, answer);
            is_moved |= partition.current_leader.is_some();
            if let Some(topic) = out.topics.last_mut() {
                topic.partitions.push(partition);
            }
        }
        if is_moved {
            out.node_endpoints = endpoints::of_all(&image, &self.peer.listener, |b| wire::NodeEndpoint {
                node_id: NodeId(b.id.0),
                host: b.host.as_str().into(),
                port: b.port,
                rack: b.rack.map(|rack| rack.as_str().into()),
            });
        }
        encode(&self.context, &self.header, out)
    }

    /// The session id to answer with and the answers that go out; an error if the session has moved on.
    fn settle_session(&self, answers: Vec<Answer>) -> Result<(i32, Vec<Answer>), i32> {
        match &self.mode {
            Mode::Sessionless => Ok((NO_SESSION, answers)),
            Mode::Full { uses_topic_ids } => {
                let partitions = answers.iter().map(|a| (a.key.clone(), a.wanted, a.told)).collect();
                let now_ms = self.context.clock.now_ms();
                let id =
                    self.context.sessions.open(*uses_topic_ids, partitions, &self.context.random, now_ms);
                Ok((id, answers))
            }
            Mode::Incremental { id, session, epoch } => {
                let mut session = session.lock();
                if !session.is_at(*epoch) {
                    return Err(*id);
                }
                let changed = answers.into_iter().filter(|a| {
                    session.tell(&a.key, a.told, a.records.is_some(), a.code != NONE, a.diverging.is_some())
                });
                Ok((*id, changed.collect()))
            }
        }
    }

    fn partition(&self, image: &Image, answer: Answer) -> wire::Partition<Slice> {
        if let (Some(replica), Some(records)) = (&answer.replica, &answer.records) {
            replica.metrics().bytes_out(u64::try_from(records.len).unwrap_or(u64::MAX));
        }
        let version = self.header.api_version;
        let mut code = answer.code;
        if version <= 5 && code == Code::KafkaStorageError.code() {
            // Clients of that age do not know the code and would not retry.
            code = Code::NotLeaderOrFollower.code();
        }
        let current_leader = (version >= 16 && is_elsewhere(code)).then(|| leader(image, &answer)).flatten();
        wire::Partition {
            index: answer.key.partition,
            error_code: code,
            high_watermark: answer.told.high_watermark,
            last_stable_offset: answer.told.last_stable_offset,
            log_start_offset: answer.told.log_start_offset,
            aborted_transactions: answer.aborted.map(|list| {
                let entry = |(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset };
                list.into_iter().map(entry).collect()
            }),
            diverging_epoch: answer.diverging.map(|(epoch, end_offset)| DivergingEpoch { epoch, end_offset }),
            current_leader,
            preferred_read_replica: -1,
            records: answer.records,
        }
    }
}

fn is_elsewhere(code: i16) -> bool {
    code == Code::NotLeaderOrFollower.code() || code == Code::FencedLeaderEpoch.code()
}

fn leader(image: &Image, answer: &Answer) -> Option<CurrentLeader> {
    let topics = &image.topics;
    let by_name = topics.by_name(&answer.key.topic);
    let topic = by_name.or_else(|| topics.by_id(answer.key.topic_id));
    let partition = topic?.partition(answer.key.partition)?;
    Some(CurrentLeader { leader_id: NodeId(partition.leader), leader_epoch: partition.leader_epoch })
}

fn encode(context: &Context, header: &RequestHeader, response: wire::Response<Slice>) -> Outcome {
    context.requests.answer(header.api_key, &response);
    let frame = match response.encode(header.api_version, header.correlation_id) {
        Ok(frame) => frame,
        Err(why) => {
            error!(%why, "fetch response cannot be encoded");
            return Outcome::Close("fetch response cannot be encoded");
        }
    };
    let parts: io::Result<Vec<Part>> = frame.pieces.into_iter().map(part).collect();
    match parts {
        Ok(parts) => Outcome::Reply(Response::Many(parts)),
        Err(why) => {
            error!(%why, "log cannot be read");
            Outcome::Close("log cannot be read")
        }
    }
}

fn part(piece: Piece<Slice>) -> io::Result<Part> {
    match piece {
        Piece::Inline(bytes) => Ok(Part::Bytes(bytes)),
        Piece::Records(slice) if slice.len >= SENDFILE_BYTES_MIN => Ok(Part::Region(slice)),
        Piece::Records(slice) => {
            let mut bytes = vec![0; slice.len];
            slice.file.read_exact_at(&mut bytes, slice.position)?;
            Ok(Part::Bytes(Bytes::from(bytes)))
        }
    }
}

impl wire::Records for Slice {
    fn len_bytes(&self) -> usize {
        self.len
    }
}
