//! Layer 4: the transaction coordinator as a pure machine (`TransactionCoordinator`, `TransactionStateManager`).
//!
//! One machine is one partition of `__transaction_state`.

mod request;

pub use kafka_protocol::error::ResponseError as Code;

pub use self::request::*;
