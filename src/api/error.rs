//! Domain errors become Kafka's error codes here, and nowhere else.

pub(super) use kafka_protocol::error::ResponseError as Code;

use crate::log::AppendError;
use crate::partition;
use crate::wire::validator::{Rejection, RejectionKind};

/// No error.
pub(super) const NONE: i16 = 0;

impl From<&partition::Error> for Code {
    fn from(error: &partition::Error) -> Self {
        use partition::Error;
        match error {
            Error::UnknownTopicOrPartition => Self::UnknownTopicOrPartition,
            Error::NotLeaderOrFollower => Self::NotLeaderOrFollower,
            Error::FencedLeaderEpoch => Self::FencedLeaderEpoch,
            Error::UnknownLeaderEpoch => Self::UnknownLeaderEpoch,
            Error::OffsetOutOfRange => Self::OffsetOutOfRange,
            Error::OffsetNotAvailable => Self::OffsetNotAvailable,
            Error::Storage => Self::KafkaStorageError,
            Error::NotEnoughReplicas(_) => Self::NotEnoughReplicas,
            Error::NotEnoughReplicasAfterAppend => Self::NotEnoughReplicasAfterAppend,
            Error::Append(error) => append_code(error),
        }
    }
}

fn append_code(error: &AppendError) -> Code {
    match error {
        AppendError::OutOfOrderSequence { .. } => Code::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch { .. } => Code::InvalidProducerEpoch,
        AppendError::InvalidTxnState { .. } => Code::InvalidTxnState,
        AppendError::TooLarge { .. } => Code::RecordListTooLarge,
        AppendError::Storage(_) => Code::KafkaStorageError,
    }
}

/// The code of a batch that was refused before any log saw it.
pub(super) fn rejection_code(rejection: &Rejection) -> Code {
    match rejection.kind {
        RejectionKind::CorruptMessage => Code::CorruptMessage,
        RejectionKind::InvalidRecord => Code::InvalidRecord,
        RejectionKind::InvalidTimestamp => Code::InvalidTimestamp,
        RejectionKind::MessageTooLarge => Code::MessageTooLarge,
        RejectionKind::UnsupportedCompressionType => Code::UnsupportedCompressionType,
        RejectionKind::UnsupportedForMessageFormat => Code::UnsupportedForMessageFormat,
    }
}
