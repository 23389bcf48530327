//! Layer 4: the transaction coordinator as a pure machine (`TransactionCoordinator`, `TransactionStateManager`).
//!
//! One machine is one partition of `__transaction_state`. Its durable state follows from that partition's records: a
//! transaction's end is decided with PrepareCommit or PrepareAbort, handed out to whoever writes the markers until they
//! are written, and complete with CompleteCommit or CompleteAbort. Who waits for what ends with the machine.
//!
//! Kafka answers CONCURRENT_TRANSACTIONS while a record is on its way to the replicas. Here the machine decides on what
//! it has written, and the answers wait.

mod add;
mod draft;
mod end;
mod expire;
mod init;
mod lists;
mod markers;
mod request;
mod settings;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use kafka_protocol::error::ResponseError as Code;

use self::draft::{Draft, Parked, Waiting};
use self::expire::Timer;
use self::markers::Markers;
pub use self::request::*;
pub use self::settings::Settings;
use self::transaction::Transaction;
use crate::machine::{Decision, Machine, Moment, Timers, Token};
use crate::meta::Image;
use crate::meta::features::TRANSACTION_VERSION;
use crate::wire::txn_records::{Record, State};

/// What a transactional id may have: the length of a record's key is a short number.
const TRANSACTIONAL_ID_BYTES_MAX: usize = 32_767;

/// What an input leads to.
type Outcome = Decision<Record, Reply>;

/// The transactional ids of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct Transactions {
    settings: Settings,
    /// The finalized `transaction.version`.
    server_version: i16,
    transactions: BTreeMap<Arc<str>, Transaction>,
    /// Requests that wait for the transaction before them to be complete.
    waiting: BTreeMap<Arc<str>, VecDeque<Waiting>>,
    markers: Markers,
    /// Open transactions that have run out of time and of epochs.
    exhausted: BTreeSet<Arc<str>>,
    timers: Timers<Timer>,
    /// The last transactional id that was looked at for its expiry, while the search is under way.
    expiry_after: Option<Arc<str>>,
}

/// A record of the log that cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Kafka has this state in memory only.
    #[error("a transaction is never written in state {}", .0.name())]
    Unexpected(State),
}

impl Transactions {
    /// Without transactions; what the log holds is replayed next, then [`Activate`] is asked.
    pub fn new(settings: Settings, image: Arc<Image>) -> Self {
        Self {
            settings,
            server_version: image.features.level(TRANSACTION_VERSION),
            transactions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            markers: Markers::default(),
            exhausted: BTreeSet::new(),
            timers: Timers::default(),
            expiry_after: None,
        }
    }

    /// The records that make an empty machine what this one is, with their offsets, which matter.
    pub fn state(&self) -> impl Iterator<Item = (i64, Record)> {
        self.transactions.iter().map(|(id, transaction)| {
            let value = Some(transaction.value.clone());
            (transaction.offset, Record { transactional_id: id.clone(), value })
        })
    }

    /// A decision about `id` begins.
    fn draft(&mut self, at: Moment, id: &Arc<str>) -> Draft {
        Draft {
            at,
            id: id.clone(),
            transaction: self.transactions.get(id).cloned(),
            waiting: self.waiting.remove(id).unwrap_or_default(),
            out: Decision::none(),
            server_version: self.server_version,
        }
    }

    /// The decision is made; what need not survive follows it.
    fn finish(&mut self, draft: Draft) -> Outcome {
        let Draft { id, transaction, waiting, .. } = &draft;
        if let Some(after) = transaction {
            if let Some(known) = self.transactions.get_mut(id) {
                known.bump = after.bump;
            }
            if !draft.out.records.is_empty() {
                self.arm_timeout(id, after);
                self.markers.queue(draft.ending(self.markers.coordinator_epoch));
            }
        }
        self.arm_wait(id, waiting);
        if !waiting.is_empty() {
            self.waiting.insert(id.clone(), draft.waiting);
        }
        let mut out = draft.out;
        out.replies.extend(self.markers.answer());
        out
    }

    fn init_producer_id(&mut self, at: Moment, token: Token, request: InitProducerId) -> Outcome {
        let refuse = |code| {
            let reply = Reply::InitProducerId(Err(Refusal::Code(code)));
            Decision::answer(token, reply, vec![])
        };
        let id = request.transactional_id.clone();
        if id.is_empty() || id.len() > TRANSACTIONAL_ID_BYTES_MAX {
            return refuse(Code::InvalidRequest);
        }
        if !(1..=self.settings.timeout_ms_max).contains(&request.timeout_ms) {
            return refuse(Code::InvalidTransactionTimeout);
        }
        let mut draft = self.draft(at, &id);
        draft.ask(token, Parked::Init(request));
        self.finish(draft)
    }

    fn add_partitions(&mut self, at: Moment, token: Token, request: AddPartitions) -> Outcome {
        let id = request.transactional_id.clone();
        if id.is_empty() {
            return Decision::answer(token, Reply::AddPartitions(Err(Code::InvalidRequest)), vec![]);
        }
        let mut draft = self.draft(at, &id);
        draft.ask(token, Parked::Add(request));
        self.finish(draft)
    }

    fn end_txn(&mut self, at: Moment, token: Token, mut request: EndTxn) -> Outcome {
        let id = request.transactional_id.clone();
        if id.is_empty() {
            let reply = Reply::EndTxn(Err(Refusal::Code(Code::InvalidRequest)));
            return Decision::answer(token, reply, vec![]);
        }
        let mut draft = self.draft(at, &id);
        let answer = draft.end_txn(&mut request);
        draft.out.replies.push((token, Reply::EndTxn(answer)));
        self.finish(draft)
    }
}

impl Machine for Transactions {
    type Input = Input;
    type Record = Record;
    type Reply = Reply;
    type ReplayError = ReplayError;

    fn step(&mut self, at: Moment, token: Token, input: Input) -> Outcome {
        let answer = |reply| Decision::answer(token, reply, vec![]);
        match input {
            Input::Activate(request) => self.activate(at, token, &request),
            Input::NewImage(request) => {
                self.server_version = request.image.features.level(TRANSACTION_VERSION);
                answer(Reply::NewImage(()))
            }
            Input::InitProducerId(request) => self.init_producer_id(at, token, request),
            Input::AddPartitions(request) => self.add_partitions(at, token, request),
            Input::VerifyPartitions(request) => {
                let transaction = self.transactions.get(&request.transactional_id);
                answer(Reply::VerifyPartitions(add::verify(transaction, request)))
            }
            Input::EndTxn(request) => self.end_txn(at, token, request),
            Input::DescribeTransaction(DescribeTransaction(id)) => {
                answer(Reply::DescribeTransaction(lists::describe(&id, self.transactions.get(&id))))
            }
            Input::ListTransactions(ListTransactions(filter)) => {
                let listed = lists::list(self.transactions.iter(), &filter, at.now_ms);
                answer(Reply::ListTransactions(listed))
            }
            Input::NextMarkers(request) => self.next_markers(at, token, &request),
            Input::MarkersWritten(request) => self.markers_written(at, token, &request),
        }
    }

    fn replay(&mut self, offset: i64, record: &Record) -> Result<(), ReplayError> {
        let Record { transactional_id: id, value } = record;
        let Some(value) = value else {
            self.transactions.remove(id);
            return Ok(());
        };
        match value.state {
            State::Dead | State::PrepareEpochFence => return Err(ReplayError::Unexpected(value.state)),
            State::Empty
            | State::Ongoing
            | State::PrepareCommit
            | State::PrepareAbort
            | State::CompleteCommit
            | State::CompleteAbort => {}
        }
        let value = value.clone();
        match self.transactions.get_mut(id) {
            Some(known) => {
                known.value = value;
                known.offset = offset;
            }
            None => {
                self.transactions.insert(id.clone(), Transaction { value, offset, bump: None });
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<i64> {
        self.timers.deadline()
    }

    fn expire(&mut self, at: Moment) -> Outcome {
        let Some(timer) = self.timers.take_due(at.now_ms) else { return Decision::none() };
        match timer {
            Timer::Timeout(id) => self.transaction_timed_out(at, &id),
            Timer::Wait(id) => {
                let mut draft = self.draft(at, &id);
                draft.give_up();
                self.finish(draft)
            }
            Timer::Expiry => self.remove_expired(at),
        }
    }
}
