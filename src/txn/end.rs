//! EndTxn (`TransactionCoordinator.endTransaction`, and `endTransactionWithTV1` for the older protocol).

use super::Code;
use super::draft::Draft;
use super::request::{EndTxn, Refusal};
use super::transaction::{CLIENT_EPOCH_MAX, EPOCH_PER_TRANSACTION, Transaction};
use crate::base::id::Producer;
use crate::wire::txn_records::State;

type Answer = Result<Producer, Refusal>;

const FENCED: Answer = Err(Refusal::Code(Code::ProducerFenced));
const UNMAPPED: Answer = Err(Refusal::Code(Code::InvalidProducerIdMapping));
const CONCURRENT: Answer = Err(Refusal::Code(Code::ConcurrentTransactions));
const INVALID_STATE: Answer = Err(Refusal::Code(Code::InvalidTxnState));

impl Draft {
    pub(super) fn end_txn(&mut self, request: &mut EndTxn) -> Answer {
        let Some(before) = self.transaction.clone() else { return UNMAPPED };
        if request.transaction_version >= EPOCH_PER_TRANSACTION {
            self.end_with_epoch(&before, request)
        } else {
            self.end(&before, request)
        }
    }

    /// The producer keeps its epoch, so a request that comes again cannot be told from the next one.
    fn end(&mut self, before: &Transaction, request: &EndTxn) -> Answer {
        let current = before.producer();
        if current.id != request.producer.id {
            return UNMAPPED;
        }
        if current.epoch != request.producer.epoch {
            return FENCED;
        }
        match before.state() {
            State::Ongoing => {
                self.prepare(before, request.is_committed, current.epoch);
                Ok(Producer::NONE)
            }
            State::PrepareCommit | State::PrepareAbort => CONCURRENT,
            State::CompleteCommit if request.is_committed => Ok(Producer::NONE),
            State::CompleteAbort if !request.is_committed => Ok(Producer::NONE),
            State::CompleteCommit
            | State::CompleteAbort
            | State::Empty
            | State::Dead
            | State::PrepareEpochFence => INVALID_STATE,
        }
    }

    /// Every transaction has an epoch of its own: the one before the current one asks again, the current one may abort
    /// what has no partitions.
    fn end_with_epoch(&mut self, before: &Transaction, request: &mut EndTxn) -> Answer {
        let (producer, current) = (request.producer, before.producer());
        if before.is_prepared() {
            return CONCURRENT;
        }
        let is_overflown = producer.id == before.value.previous_producer_id
            && producer.epoch == CLIENT_EPOCH_MAX
            && current.epoch == 0;
        if producer.id != current.id && !is_overflown {
            return UNMAPPED;
        }
        let is_current = producer.epoch == current.epoch;
        let is_again = is_overflown || producer.epoch.checked_add(1) == Some(current.epoch);
        let ended = match before.state() {
            State::Empty | State::Ongoing => None,
            State::CompleteCommit => Some(true),
            State::CompleteAbort => Some(false),
            State::PrepareCommit | State::PrepareAbort | State::Dead | State::PrepareEpochFence => {
                return CONCURRENT;
            }
        };
        match ended {
            None if !is_current => FENCED,
            Some(_) if !is_current && !is_again => FENCED,
            Some(is_committed) if is_again => {
                if is_committed == request.is_committed {
                    Ok(current)
                } else {
                    INVALID_STATE
                }
            }
            _ if before.state() != State::Ongoing && request.is_committed => INVALID_STATE,
            None | Some(_) => {
                self.prepare_with_epoch(before, request.is_committed, &mut request.fresh_producer_id)?;
                Ok(self.transaction.as_ref().map_or(Producer::NONE, Transaction::producer_after))
            }
        }
    }
}
