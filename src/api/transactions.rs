//! What the handlers of the transaction APIs share.

use std::sync::Arc;

use kafka_protocol::messages::{ProducerId, TransactionalId};

use super::error::{Code, NONE};
use super::groups;
use crate::base::id::Producer;
use crate::coordinator::Unavailable;

/// The protocol in which a producer keeps its epoch from one transaction to the next.
pub(super) const FIRST_PROTOCOL: i16 = 0;
/// The protocol in which every transaction has an epoch of its own (KIP-890).
pub(super) const SECOND_PROTOCOL: i16 = 2;

/// What a coordinator, or the lack of it, makes of a request.
pub(super) fn flat<T>(answer: Result<Result<T, Code>, Unavailable>) -> Result<T, Code> {
    answer.unwrap_or_else(|unavailable| Err(groups::code(unavailable)))
}

/// An id that is not empty, which would be no id.
pub(super) fn known_id(id: &TransactionalId) -> Result<Arc<str>, Code> {
    if id.is_empty() { Err(Code::InvalidRequest) } else { Ok(id.as_str().into()) }
}

/// A producer as a request names it.
pub(super) fn producer(id: ProducerId, epoch: i16) -> Producer {
    Producer { id: id.0, epoch }
}

/// The code of an answer. Clients of versions before `fenced_from` do not know PRODUCER_FENCED, and are told
/// INVALID_PRODUCER_EPOCH.
pub(super) fn code<T>(result: &Result<T, Code>, version: i16, fenced_from: i16) -> i16 {
    match result {
        Ok(_) => NONE,
        Err(Code::ProducerFenced) if version < fenced_from => Code::InvalidProducerEpoch.code(),
        Err(code) => code.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_are_not_told_of_fencing() {
        let fenced: Result<(), Code> = Err(Code::ProducerFenced);
        assert_eq!((code(&fenced, 1, 2), code(&fenced, 2, 2)), (47, 90));
        assert_eq!(code(&Err::<(), _>(Code::InvalidTxnState), 1, 2), 48);
        assert_eq!(code(&Ok(()), 0, 2), 0);
    }
}
