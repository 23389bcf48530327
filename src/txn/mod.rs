//! Layer 4: the transaction coordinator as a pure machine (`TransactionCoordinator`, `TransactionStateManager`).
//!
//! One machine is one partition of `__transaction_state`.

mod request;

pub use kafka_protocol::error::ResponseError as Code;

pub use self::request::*;

use std::sync::Arc;

use crate::config::broker::Config;
use crate::machine::{Decision, Machine, Moment, Token};
use crate::meta::Image;
use crate::wire::txn_records::Record;

/// What the broker's configuration says.
#[derive(Clone, Debug)]
pub struct Settings;

impl Settings {
    /// As a node's configuration says.
    pub fn of(_: &Config) -> Self {
        Self
    }
}

/// The transactions of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct Transactions;

impl Transactions {
    /// Without transactions.
    pub fn new(_: Settings, _: Arc<Image>) -> Self {
        Self
    }
}

impl Machine for Transactions {
    type Input = Input;
    type Record = Record;
    type Reply = Reply;
    type ReplayError = std::convert::Infallible;

    fn step(&mut self, _: Moment, _: Token, _: Input) -> Decision<Record, Reply> {
        Decision::none()
    }

    fn replay(&mut self, _: i64, _: &Record) -> Result<(), std::convert::Infallible> {
        Ok(())
    }

    fn deadline(&self) -> Option<i64> {
        None
    }

    fn expire(&mut self, _: Moment) -> Decision<Record, Reply> {
        Decision::none()
    }
}
