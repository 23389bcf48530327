//! One pass over everything that a fetch asks for.

use std::io;
use std::sync::Arc;

use tracing::error;

use super::session::{Key, Told, Wanted};
use super::{Fetch, bytes};
use crate::api::error::{Code, NONE};
use crate::api::resolve;
use crate::log::read::{ReadPlan, Slice};
use crate::meta::Image;
use crate::partition::{FetchSpec, Fetched, Isolation, Replica, Watermarks};
use crate::purgatory::Signal;

/// What one pass found.
pub(super) struct Reading {
    pub(super) answers: Vec<Answer>,
    pub(super) bytes: usize,
    /// Whether the client must hear of something at once: an error, or that it has to truncate.
    pub(super) must_answer: bool,
}

/// One partition's answer.
pub(super) struct Answer {
    pub(super) key: Key,
    pub(super) wanted: Wanted,
    /// Where it was read, if it is here.
    pub(super) replica: Option<Arc<Replica>>,
    pub(super) code: i16,
    pub(super) told: Told,
    pub(super) records: Option<Slice>,
    pub(super) diverging: Option<(i32, i64)>,
    pub(super) aborted: Option<Vec<(i64, i64)>>,
}

const UNKNOWN: Told = Told { high_watermark: -1, last_stable_offset: -1, log_start_offset: -1 };

impl Answer {
    fn failed(key: &Key, wanted: Wanted, code: Code, marks: Option<Watermarks>) -> Self {
        let told = marks.map_or(UNKNOWN, told);
        Self {
            key: key.clone(),
            wanted,
            code: code.code(),
            told,
            replica: None,
            records: None,
            diverging: None,
            aborted: None,
        }
    }
}

fn told(marks: Watermarks) -> Told {
    Told {
        high_watermark: marks.high_watermark,
        last_stable_offset: marks.last_stable_offset,
        log_start_offset: marks.log_start_offset,
    }
}

impl Fetch {
    pub(super) fn read(&self) -> Reading {
        let image = self.context.quorum.image();
        let mut reading =
            Reading { answers: Vec::with_capacity(self.wanted.len()), bytes: 0, must_answer: false };
        for (key, wanted) in &self.wanted {
            let answer = match self.find(&image, key) {
                Ok(replica) => {
                    let answer = self.read_one(&replica, key, *wanted, reading.bytes);
                    Answer { replica: Some(replica), ..answer }
                }
                Err(code) => Answer::failed(key, *wanted, code, None),
            };
            reading.bytes += answer.records.as_ref().map_or(0, |slice| slice.len);
            reading.must_answer |= answer.code != NONE || answer.diverging.is_some();
            reading.answers.push(answer);
        }
        reading
    }

    /// Registers `signal` with every partition that can be read.
    pub(super) fn register(&self, signal: &Signal) {
        let image = self.context.quorum.image();
        for (key, _) in &self.wanted {
            if let Ok(replica) = self.find(&image, key) {
                replica.signal_arrival(signal);
            }
        }
    }

    fn find(&self, image: &Image, key: &Key) -> Result<Arc<Replica>, Code> {
        let id = if self.header.api_version < 13 {
            image.topics.by_name(&key.topic).map(|t| t.id).ok_or(Code::UnknownTopicOrPartition)?
        } else {
            image.topics.by_id(key.topic_id).map(|t| t.id).ok_or(Code::UnknownTopicId)?
        };
        if self.is_follower {
            return Err(Code::NotLeaderOrFollower);
        }
        resolve::replica(&self.context, id, key.partition)
    }

    fn read_one(&self, replica: &Replica, key: &Key, wanted: Wanted, bytes_so_far: usize) -> Answer {
        let spec = FetchSpec {
            offset: wanted.fetch_offset,
            bytes_max: bytes(wanted.bytes_max).min(self.bytes_max.saturating_sub(bytes_so_far)),
            whole_first_batch: bytes_so_far == 0,
            current_leader_epoch: wanted.current_leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
            isolation: self.isolation,
        };
        let Fetched { plan, marks, diverging } = match replica.fetch(spec) {
            Ok(fetched) => fetched,
            Err(failed) => {
                return Answer::failed(key, wanted, Code::from(&failed.error), failed.marks);
            }
        };
        let (records, aborted) = match self.resolve(plan.as_ref()) {
            Ok(resolved) => resolved,
            Err(why) => {
                error!(tp = %replica.name(), %why, "log cannot be read");
                replica.metrics().failed_fetch_requests(1);
                // A batch that is none is no fault of the disk, and goes away by no waiting.
                let is_damaged = why.kind() == io::ErrorKind::InvalidData;
                let code = if is_damaged { Code::CorruptMessage } else { Code::KafkaStorageError };
                return Answer::failed(key, wanted, code, Some(marks));
            }
        };
        let (code, told) = (NONE, told(marks));
        Answer { key: key.clone(), wanted, replica: None, code, told, records, diverging, aborted }
    }

    /// The records' place in the file and, for readers of committed data, the aborted transactions among them.
    fn resolve(&self, plan: Option<&ReadPlan>) -> io::Result<Resolved> {
        let slice = plan.map(ReadPlan::resolve).transpose()?.flatten();
        let aborted = match (self.isolation, plan, &slice) {
            (Isolation::ReadUncommitted, ..) => None,
            (Isolation::ReadCommitted, Some(plan), Some(slice)) => {
                let found = plan.aborted(slice)?;
                Some(found.iter().map(|txn| (txn.producer_id, txn.first_offset)).collect())
            }
            (Isolation::ReadCommitted, ..) => Some(Vec::new()),
        };
        Ok((slice, aborted))
    }
}

/// Records, and (producer id, first offset) of aborted transactions.
type Resolved = (Option<Slice>, Option<Vec<(i64, i64)>>);
