//! A decision about one transactional id in the making: what is true after the records so far, before any is replayed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::request::{AddPartitions, Ending, InitProducerId, Refusal, Reply};
use super::transaction::{Bump, EPOCH_PER_TRANSACTION, NO_ID, Transaction};
use super::{Code, Outcome};
use crate::base::id::Producer;
use crate::machine::{Moment, Token};
use crate::wire::txn_records::{Partitions, Record, State, Value};

/// How long a request waits for the markers of the transaction before it. Kafka tells the client at once to try again,
/// which Kafka's clients do after 20 to 100 ms.
pub(super) const WAIT_MS: i64 = 100;
/// Requests of a kind that wait for the same transactional id: AddPartitions comes once per Produce request, of which
/// clients send five at a time.
const ADDS_MAX: usize = 8;
const INITS_MAX: usize = 1;

/// A request that waits for the markers of the transaction before it.
#[derive(Clone, Debug)]
pub(super) enum Parked {
    Init(InitProducerId),
    Add(AddPartitions),
}

impl Parked {
    /// The answer when it has waited long enough, or too many others do.
    pub(super) fn concurrent(&self) -> Reply {
        match self {
            Self::Init(_) => Reply::InitProducerId(Err(Refusal::Code(Code::ConcurrentTransactions))),
            Self::Add(_) => Reply::AddPartitions(Err(Code::ConcurrentTransactions)),
        }
    }

    fn count_max(&self) -> usize {
        match self {
            Self::Init(_) => INITS_MAX,
            Self::Add(_) => ADDS_MAX,
        }
    }
}

/// Who waits, and until when.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) token: Token,
    pub(super) due_ms: i64,
    pub(super) request: Parked,
}

/// What is decided about one transactional id.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) at: Moment,
    pub(super) id: Arc<str>,
    pub(super) transaction: Option<Transaction>,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) out: Outcome,
    /// The finalized `transaction.version`.
    pub(super) server_version: i16,
}

impl Draft {
    /// Answers the request, now or when the markers of the transaction before it are written.
    pub(super) fn ask(&mut self, token: Token, mut request: Parked) {
        if let Some(reply) = self.decide(&mut request) {
            self.out.replies.push((token, reply));
            return;
        }
        let kind = std::mem::discriminant(&request);
        let same = |waiting: &&Waiting| std::mem::discriminant(&waiting.request) == kind;
        if self.waiting.iter().filter(same).count() >= request.count_max() {
            self.out.replies.push((token, request.concurrent()));
            return;
        }
        self.waiting.push_back(Waiting { token, due_ms: self.at.now_ms + WAIT_MS, request });
    }

    /// Decides about those who waited: the transaction before them is complete.
    pub(super) fn resume(&mut self) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            match self.decide(&mut waiting.request) {
                Some(reply) => self.out.replies.push((waiting.token, reply)),
                None => self.waiting.push_back(waiting),
            }
        }
    }

    /// Sends those away who have waited long enough.
    pub(super) fn give_up(&mut self) {
        let now_ms = self.at.now_ms;
        let all = std::mem::take(&mut self.waiting).into_iter();
        let (due, left): (VecDeque<Waiting>, _) = all.partition(|waiting| waiting.due_ms <= now_ms);
        self.waiting = left;
        self.out.replies.extend(due.iter().map(|waiting| (waiting.token, waiting.request.concurrent())));
    }

    /// The answer, unless it has to wait.
    fn decide(&mut self, request: &mut Parked) -> Option<Reply> {
        match request {
            Parked::Init(init) => self.init_producer_id(init).map(Reply::InitProducerId),
            Parked::Add(add) => self.add_partitions(add).map(Reply::AddPartitions),
        }
    }

    /// The first record of a transactional id.
    pub(super) fn create(&mut self, producer_id: i64, timeout_ms: i32) {
        let value = Value {
            version: self.log_version(),
            producer_id,
            // As Kafka writes it.
            previous_producer_id: producer_id,
            next_producer_id: NO_ID,
            producer_epoch: 0,
            timeout_ms,
            state: State::Empty,
            partitions: Partitions::new(),
            last_update_ms: self.at.now_ms,
            start_ms: -1,
            client_version: 0,
        };
        self.write(value, None);
    }

    /// The next record of a transactional id that exists.
    pub(super) fn change(&mut self, before: &Transaction, change: impl FnOnce(&mut Value)) {
        let mut value = before.value.clone();
        value.version = self.log_version();
        value.previous_producer_id = value.producer_id;
        value.last_update_ms = self.at.now_ms;
        change(&mut value);
        self.write(value, before.bump);
    }

    fn write(&mut self, value: Value, bump: Option<Bump>) {
        let written = i64::try_from(self.out.records.len()).unwrap_or(i64::MAX);
        let offset = self.at.next_offset.saturating_add(written);
        self.out.records.push(Record { transactional_id: self.id.clone(), value: Some(value.clone()) });
        self.transaction = Some(Transaction { value, offset, bump });
    }

    /// `TransactionVersion.transactionLogValueVersion`.
    fn log_version(&self) -> i16 {
        i16::from(self.server_version >= 1)
    }

    /// Decides an open transaction, or one without partitions, under the protocol where it ends with its epoch
    /// (`TransactionMetadata.prepareAbortOrCommit`).
    pub(super) fn prepare_with_epoch(
        &mut self,
        before: &Transaction,
        is_committed: bool,
        fresh_producer_id: &mut Option<i64>,
    ) -> Result<(), Refusal> {
        let next_producer_id =
            if before.is_exhausted() { fresh_producer_id.ok_or(Refusal::NeedsProducerId)? } else { NO_ID };
        let epoch = before.value.producer_epoch;
        let producer_epoch = match epoch.checked_add(1) {
            Some(epoch) => epoch,
            // Nobody was ever given this epoch, but a transaction must be abortable.
            None if !is_committed => epoch,
            None => return Err(Refusal::Code(Code::UnknownServerError)),
        };
        if next_producer_id != NO_ID {
            *fresh_producer_id = None;
        }
        let now_ms = self.at.now_ms;
        self.change(before, |value| {
            if value.state != State::Ongoing {
                value.start_ms = now_ms;
            }
            value.state = prepared(is_committed);
            value.producer_epoch = producer_epoch;
            value.next_producer_id = next_producer_id;
            value.client_version = EPOCH_PER_TRANSACTION;
        });
        self.complete_if_bare();
        Ok(())
    }

    /// Decides an open transaction under the older protocol; `epoch` is the one that the producer has afterwards.
    pub(super) fn prepare(&mut self, before: &Transaction, is_committed: bool, epoch: i16) {
        self.change(before, |value| {
            value.state = prepared(is_committed);
            value.producer_epoch = epoch;
            value.next_producer_id = NO_ID;
            value.client_version = 0;
        });
        self.complete_if_bare();
    }

    /// Aborts an open transaction for another reason than that its producer asks for it, who is fenced.
    pub(super) fn abort_open(
        &mut self,
        before: &Transaction,
        fresh_producer_id: &mut Option<i64>,
    ) -> Result<(), Refusal> {
        if self.server_version >= EPOCH_PER_TRANSACTION {
            return self.prepare_with_epoch(before, false, fresh_producer_id);
        }
        self.prepare(before, false, before.value.producer_epoch.saturating_add(1));
        Ok(())
    }

    /// A transaction without partitions needs no markers.
    fn complete_if_bare(&mut self) {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.value.partitions.is_empty()) {
            self.complete();
        }
    }

    /// All markers of the transaction are written (`TransactionMetadata.prepareComplete`).
    pub(super) fn complete(&mut self) {
        let Some(before) = self.transaction.take() else { return };
        let producer = before.producer_after();
        self.change(&before, |value| {
            value.state = if value.state == State::PrepareCommit {
                State::CompleteCommit
            } else {
                State::CompleteAbort
            };
            value.producer_id = producer.id;
            value.producer_epoch = producer.epoch;
            value.next_producer_id = NO_ID;
            value.partitions = Partitions::new();
        });
    }

    /// What whoever writes markers is to know, if the transaction is decided.
    pub(super) fn ending(&self, coordinator_epoch: i32) -> Option<Ending> {
        ending(&self.id, self.transaction.as_ref()?, coordinator_epoch)
    }
}

fn prepared(is_committed: bool) -> State {
    if is_committed { State::PrepareCommit } else { State::PrepareAbort }
}

/// What whoever writes markers is to know, if the transaction is decided.
pub(super) fn ending(id: &Arc<str>, transaction: &Transaction, coordinator_epoch: i32) -> Option<Ending> {
    let Transaction { value, offset, .. } = transaction;
    let partitions = |(topic, partitions): (&Arc<str>, &std::collections::BTreeSet<i32>)| {
        let topic = topic.clone();
        partitions.iter().map(move |partition| (topic.clone(), *partition)).collect::<Vec<_>>()
    };
    transaction.is_prepared().then(|| Ending {
        transactional_id: id.clone(),
        producer: Producer { id: value.producer_id, epoch: value.producer_epoch },
        is_committed: value.state == State::PrepareCommit,
        coordinator_epoch,
        transaction_version: value.client_version,
        partitions: value.partitions.iter().flat_map(partitions).collect(),
        decided_at: *offset,
    })
}
