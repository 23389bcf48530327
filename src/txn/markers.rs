//! Decided transactions on their way to whoever writes their markers, and back.

use std::collections::VecDeque;

use super::draft::ending;
use super::expire::Timer;
use super::request::{Activate, Ending, MarkersWritten, NextMarkers, Refusal, Reply};
use super::transaction::Transaction;
use super::{Outcome, Transactions};
use crate::machine::{Decision, Moment, Token};

/// Transactions in one answer, at most.
const ENDINGS_MAX: usize = 1_000;

/// What is decided and not handed out.
#[derive(Debug, Default)]
pub(super) struct Markers {
    /// See [`Activate::coordinator_epoch`].
    pub(super) coordinator_epoch: i32,
    endings: VecDeque<Ending>,
    /// Whether somebody is to be told that a fresh producer id is needed.
    pub(super) needs_producer_id: bool,
    /// Who waits for them.
    asker: Option<Token>,
}

impl Markers {
    /// To be handed out, if the transaction is decided.
    pub(super) fn queue(&mut self, ending: Option<Ending>) {
        self.endings.extend(ending);
    }

    /// The answer, if there is something to tell and somebody to tell it.
    pub(super) fn answer(&mut self) -> Option<(Token, Reply)> {
        if self.endings.is_empty() && !self.needs_producer_id {
            return None;
        }
        let token = self.asker.take()?;
        if self.endings.is_empty() {
            self.needs_producer_id = false;
            return Some((token, Reply::NextMarkers(Err(Refusal::NeedsProducerId))));
        }
        // First of all: producer ids may be long in coming.
        let count = self.endings.len().min(ENDINGS_MAX);
        Some((token, Reply::NextMarkers(Ok(self.endings.drain(..count).collect()))))
    }
}

impl Transactions {
    pub(super) fn activate(&mut self, at: Moment, token: Token, request: &Activate) -> Outcome {
        self.markers.coordinator_epoch = request.coordinator_epoch;
        self.queue_all();
        // The clock of the last one in charge may have been ahead: none gets more than its time-out from now.
        for transaction in self.transactions.values_mut() {
            transaction.value.start_ms = transaction.value.start_ms.min(at.now_ms);
        }
        let timeouts = self
            .transactions
            .iter()
            .filter_map(|(id, transaction)| Some((id.clone(), transaction.timeout_at()?)));
        for (id, due_ms) in timeouts.collect::<Vec<_>>() {
            self.timers.arm(due_ms, Timer::Timeout(id));
        }
        self.arm_expiry(at.now_ms);
        Decision::answer(token, Reply::Activate(()), vec![])
    }

    /// Everything that is decided and not complete, the oldest first.
    fn queue_all(&mut self) {
        let epoch = self.markers.coordinator_epoch;
        let all = self.transactions.iter().filter_map(|(id, transaction)| ending(id, transaction, epoch));
        let mut endings: Vec<Ending> = all.collect();
        endings.sort_by_key(|ending| ending.decided_at);
        self.markers.endings = endings.into();
    }

    pub(super) fn next_markers(&mut self, at: Moment, token: Token, request: &NextMarkers) -> Outcome {
        let mut out = Decision::none();
        if let Some(before) = self.markers.asker.replace(token) {
            out.replies.push((before, Reply::NextMarkers(Ok(vec![]))));
        }
        if request.again {
            self.queue_all();
        }
        let more = match request.fresh_producer_id {
            Some(producer_id) => self.abort_exhausted(at, producer_id),
            None => Decision::none(),
        };
        out.records.extend(more.records);
        out.replies.extend(more.replies);
        self.markers.needs_producer_id = !self.exhausted.is_empty();
        out.replies.extend(self.markers.answer());
        out
    }

    pub(super) fn markers_written(&mut self, at: Moment, token: Token, request: &MarkersWritten) -> Outcome {
        let mut draft = self.draft(at, &request.transactional_id);
        let is_that =
            |transaction: &Transaction| transaction.is_prepared() && transaction.offset == request.decided_at;
        if draft.transaction.as_ref().is_some_and(is_that) {
            // A marker too many could end the next transaction of a producer that keeps its epoch.
            self.markers.endings.retain(|ending| ending.decided_at != request.decided_at);
            draft.complete();
            draft.resume();
        }
        draft.out.replies.push((token, Reply::MarkersWritten(())));
        self.finish(draft)
    }
}
