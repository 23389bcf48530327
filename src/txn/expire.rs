//! What is due: transactions that take too long, requests that have waited, transactional ids that nobody uses.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use super::draft::Waiting;
use super::transaction::Transaction;
use super::{Outcome, Transactions};
use crate::machine::{Decision, Moment};
use crate::wire::txn_records::Record;

/// Transactional ids looked at in one go; others get their turn between two.
const SCAN_MAX: usize = 10_000;
/// Bytes of ids forgotten in one go, from which on it ends: its records are one batch.
const FORGOTTEN_BYTES: usize = 64 << 10;

/// One thing that can time out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An open transaction has taken its `transaction.timeout.ms`.
    Timeout(Arc<str>),
    /// A request has waited long enough for the transaction before it.
    Wait(Arc<str>),
    /// Time to look for transactional ids that have expired.
    Expiry,
}

impl Transactions {
    pub(super) fn arm_timeout(&mut self, id: &Arc<str>, transaction: &Transaction) {
        let timer = Timer::Timeout(id.clone());
        match transaction.timeout_at() {
            Some(due_ms) => self.timers.arm(due_ms, timer),
            None => {
                self.timers.cancel(&timer);
                self.exhausted.remove(id);
            }
        }
    }

    pub(super) fn arm_wait(&mut self, id: &Arc<str>, waiting: &VecDeque<Waiting>) {
        let timer = Timer::Wait(id.clone());
        match waiting.iter().map(|waiting| waiting.due_ms).min() {
            Some(due_ms) => self.timers.arm(due_ms, timer),
            None => self.timers.cancel(&timer),
        }
    }

    pub(super) fn arm_expiry(&mut self, now_ms: i64) {
        self.timers.arm(now_ms.saturating_add(self.settings.expiration_check_ms), Timer::Expiry);
    }

    /// `TransactionCoordinator.abortTimedOutTransactions`, for one that is due.
    pub(super) fn transaction_timed_out(&mut self, at: Moment, id: &Arc<str>) -> Outcome {
        let mut out = self.abort_timed_out(at, id, None);
        self.markers.needs_producer_id = !self.exhausted.is_empty();
        out.replies.extend(self.markers.answer());
        out
    }

    /// Aborts one of those that wait for a producer id.
    pub(super) fn abort_exhausted(&mut self, at: Moment, producer_id: i64) -> Outcome {
        match self.exhausted.pop_first() {
            Some(id) => self.abort_timed_out(at, &id, Some(producer_id)),
            None => Decision::none(),
        }
    }

    fn abort_timed_out(&mut self, at: Moment, id: &Arc<str>, mut producer_id: Option<i64>) -> Outcome {
        let mut draft = self.draft(at, id);
        if let Some(open) = draft.transaction.clone()
            && open.timeout_at().is_some_and(|due_ms| due_ms <= at.now_ms)
            && draft.abort_open(&open, &mut producer_id).is_err()
        {
            self.exhausted.insert(id.clone());
        }
        self.finish(draft)
    }

    /// `TransactionStateManager.removeExpiredTransactionalIds`.
    pub(super) fn remove_expired(&mut self, at: Moment) -> Outcome {
        let from = self.expiry_after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut records = Vec::new();
        let mut forgotten_bytes = 0;
        let mut last = None;
        let looked_at = self.transactions.range::<Arc<str>, _>((from, Bound::Unbounded)).take(SCAN_MAX);
        for (count, (id, transaction)) in looked_at.enumerate() {
            let due_ms = transaction.expires_at(self.settings.expiration_ms);
            if due_ms.is_some_and(|due_ms| due_ms <= at.now_ms) {
                records.push(Record { transactional_id: id.clone(), value: None });
                forgotten_bytes += id.len();
            }
            if count + 1 == SCAN_MAX || forgotten_bytes >= FORGOTTEN_BYTES {
                last = Some(id.clone());
                break;
            }
        }
        if last.is_some() {
            self.timers.arm(at.now_ms.saturating_add(1), Timer::Expiry);
        } else {
            self.arm_expiry(at.now_ms);
        }
        self.expiry_after = last;
        Decision::unasked(records)
    }
}
