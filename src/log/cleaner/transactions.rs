//! Which transactions a cleaner is in the middle of, and which of their markers are still needed
//! (`CleanedTransactionMetadata`).

use std::collections::{HashMap, HashSet, VecDeque};

use crate::log::producers::{Marker, Verdict};
use crate::log::txn_index::AbortedTxn;
use crate::wire::batch::BatchHeader;

/// What a control batch says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    /// A transaction has ended.
    Marker(Marker),
    /// Nothing any more: an earlier cleaning has removed its record.
    Empty,
    /// Something that is no matter of transactions.
    Other,
}

/// Fed with all batches of a range in their order.
#[derive(Default)]
pub(super) struct CleanedTransactions {
    /// Aborted ones that have not begun yet, by first offset.
    upcoming: VecDeque<AbortedTxn>,
    /// By producer; whether a batch of it was seen.
    aborted: HashMap<i64, (AbortedTxn, bool)>,
    /// Producers whose open transaction has a batch and is going to be committed.
    committed: HashSet<i64>,
}

impl CleanedTransactions {
    /// `aborted` are all aborted transactions that overlap the range.
    pub(super) fn new(mut aborted: Vec<AbortedTxn>) -> Self {
        aborted.sort_unstable_by_key(|txn| (txn.first_offset, txn.last_offset));
        aborted.dedup();
        Self { upcoming: aborted.into(), ..Self::default() }
    }

    /// Takes note of a batch of data; says whether its transaction was aborted.
    pub(super) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, is_seen)) => {
                *is_seen = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes note of a control batch; says whether no batch of its transaction was seen, and gives the entry that the
    /// new transaction index needs.
    pub(super) fn is_over(&mut self, header: &BatchHeader, control: Control) -> (bool, Option<AbortedTxn>) {
        self.begin_up_to(header.last_offset());
        let Control::Marker(marker) = control else { return (matches!(control, Control::Empty), None) };
        match marker.verdict {
            Verdict::Abort => match self.aborted.remove(&header.producer_id) {
                Some((txn, true)) => (false, Some(txn)),
                Some((_, false)) | None => (true, None),
            },
            Verdict::Commit => (!self.committed.remove(&header.producer_id), None),
        }
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some(txn) = self.upcoming.pop_front_if(|txn| txn.first_offset <= offset) {
            self.aborted.entry(txn.producer_id).or_insert((txn, false));
        }
    }
}
