//! InitProducerId (`TransactionCoordinator.handleInitProducerId`).

use super::Code;
use super::draft::Draft;
use super::request::{InitProducerId, Refusal};
use super::transaction::{Bump, CLIENT_EPOCH_MAX, Transaction};
use crate::base::id::Producer;
use crate::wire::txn_records::{Partitions, State};

type Answer = Result<Producer, Refusal>;

impl Draft {
    /// None while the transaction before it has to end.
    pub(super) fn init_producer_id(&mut self, request: &mut InitProducerId) -> Option<Answer> {
        loop {
            let Some(before) = self.transaction.clone() else {
                let Some(producer_id) = request.fresh_producer_id.take() else {
                    return Some(Err(Refusal::NeedsProducerId));
                };
                self.create(producer_id, request.timeout_ms);
                return Some(Ok(Producer { id: producer_id, epoch: 0 }));
            };
            if before.is_prepared() {
                return None;
            }
            if !is_of(request.known, &before) {
                return Some(Err(Refusal::Code(Code::ProducerFenced)));
            }
            if before.state() != State::Ongoing {
                return Some(self.next_epoch(&before, request));
            }
            // Kafka aborts it even for a zombie that says which epoch it had, and so fences the producer that is at work.
            if request.known != Producer::NONE && request.known.epoch != before.value.producer_epoch {
                return Some(Err(Refusal::Code(Code::ProducerFenced)));
            }
            if let Err(refusal) = self.abort_open(&before, &mut request.fresh_producer_id) {
                return Some(Err(refusal));
            }
        }
    }

    fn next_epoch(&mut self, before: &Transaction, request: &mut InitProducerId) -> Answer {
        let (known, current) = (request.known, before.producer());
        let from_epoch = (known != Producer::NONE).then_some(current.epoch);
        let (to, from_epoch) = if known == Producer::NONE || known.epoch == current.epoch {
            let to = if before.is_exhausted() {
                let id = request.fresh_producer_id.take().ok_or(Refusal::NeedsProducerId)?;
                Producer { id, epoch: 0 }
            } else {
                Producer { id: current.id, epoch: current.epoch + 1 }
            };
            (to, from_epoch)
        } else if known.epoch != Producer::NONE.epoch && known.epoch == before.last_epoch() {
            // The request again, after an answer that did not arrive.
            (current, Some(known.epoch))
        } else {
            return Err(Refusal::Code(Code::ProducerFenced));
        };
        self.change(before, |value| {
            value.producer_id = to.id;
            value.producer_epoch = to.epoch;
            value.timeout_ms = request.timeout_ms;
            value.state = State::Empty;
            value.partitions = Partitions::new();
            value.start_ms = -1;
        });
        if let Some(transaction) = &mut self.transaction {
            transaction.bump = from_epoch.map(|from_epoch| Bump { from_epoch, to });
        }
        Ok(to)
    }
}

/// Whether the producer is the one of this transactional id, in whichever epoch, or may have been it before its epochs
/// were used up.
fn is_of(known: Producer, transaction: &Transaction) -> bool {
    let value = &transaction.value;
    known == Producer::NONE
        || value.producer_epoch == Producer::NONE.epoch
        || known.id == value.producer_id
        || (known.id == value.previous_producer_id && known.epoch >= CLIENT_EPOCH_MAX)
}
