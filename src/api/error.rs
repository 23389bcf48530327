//! Domain errors become Kafka's error codes here, and nowhere else.

pub(super) use kafka_protocol::error::ResponseError as Code;
use kafka_protocol::protocol::StrBytes;

use crate::controller::{self, Kind};
use crate::log::AppendError;
use crate::log::producers::ProducerError;
use crate::partition;
use crate::wire::validator::Reason;

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
            Error::PolicyViolation => Self::PolicyViolation,
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
        AppendError::Producer(error) => producer_code(error),
        AppendError::Marker(_) => Code::InvalidRecord,
        AppendError::TooLarge { .. } => Code::RecordListTooLarge,
        AppendError::UnexpectedOffset { .. } | AppendError::OffsetsExhausted { .. } => {
            Code::UnknownServerError
        }
        AppendError::Storage(_) => Code::KafkaStorageError,
    }
}

pub(super) fn producer_code(error: &ProducerError) -> Code {
    match error {
        ProducerError::OutOfOrderSequence { .. } => Code::OutOfOrderSequenceNumber,
        ProducerError::InvalidProducerEpoch { .. } => Code::InvalidProducerEpoch,
        ProducerError::InvalidTxnState { .. } | ProducerError::NotVerified { .. } => Code::InvalidTxnState,
        ProducerError::TransactionCoordinatorFenced { .. } => Code::TransactionCoordinatorFenced,
    }
}

/// The code of a batch that was refused before any log saw it.
pub(super) fn rejection_code(reason: Reason) -> Code {
    match reason {
        Reason::CorruptMessage => Code::CorruptMessage,
        Reason::InvalidRecord => Code::InvalidRecord,
        Reason::InvalidTimestamp => Code::InvalidTimestamp,
        Reason::MessageTooLarge => Code::MessageTooLarge,
        Reason::UnsupportedCompressionType => Code::UnsupportedCompressionType,
    }
}

/// Code and message of what the controller refuses, or that it does not. A text that says no more than the code is
/// left out (`ApiError.fromThrowable`).
pub(super) fn outcome(error: Option<&controller::Error>) -> (i16, Option<StrBytes>) {
    let Some(error) = error else { return (NONE, None) };
    let says_more = error.message != error.kind.text();
    let message = says_more.then(|| StrBytes::from_string(error.message.to_string()));
    (controller_code(error).code(), message)
}

/// The code of what the controller refuses.
pub(super) fn controller_code(error: &controller::Error) -> Code {
    match error.kind {
        Kind::BrokerIdNotRegistered => Code::BrokerIdNotRegistered,
        Kind::DuplicateBrokerRegistration => Code::DuplicateBrokerRegistration,
        Kind::DuplicateResource => Code::DuplicateResource,
        Kind::ElectionNotNeeded => Code::ElectionNotNeeded,
        Kind::EligibleLeadersNotAvailable => Code::EligibleLeadersNotAvailable,
        Kind::FencedLeaderEpoch => Code::FencedLeaderEpoch,
        Kind::InconsistentClusterId => Code::InconsistentClusterId,
        Kind::IneligibleReplica => Code::IneligibleReplica,
        Kind::InvalidConfig => Code::InvalidConfig,
        Kind::InvalidPartitions => Code::InvalidPartitions,
        Kind::InvalidRegistration => Code::InvalidRegistration,
        Kind::InvalidReplicaAssignment => Code::InvalidReplicaAssignment,
        Kind::InvalidReplicationFactor => Code::InvalidReplicationFactor,
        Kind::InvalidRequest => Code::InvalidRequest,
        Kind::InvalidTopic => Code::InvalidTopicException,
        Kind::InvalidUpdateVersion => Code::InvalidUpdateVersion,
        Kind::NewLeaderElected => Code::NewLeaderElected,
        Kind::NoReassignmentInProgress => Code::NoReassignmentInProgress,
        Kind::NotController => Code::NotController,
        Kind::PolicyViolation => Code::PolicyViolation,
        Kind::PreferredLeaderNotAvailable => Code::PreferredLeaderNotAvailable,
        Kind::ResourceNotFound => Code::ResourceNotFound,
        Kind::StaleBrokerEpoch => Code::StaleBrokerEpoch,
        Kind::TopicAlreadyExists => Code::TopicAlreadyExists,
        Kind::TopicDeletionDisabled => Code::TopicDeletionDisabled,
        Kind::UnacceptableCredential => Code::UnacceptableCredential,
        Kind::UnknownServerError => Code::UnknownServerError,
        Kind::UnknownTopicId => Code::UnknownTopicId,
        Kind::UnknownTopicOrPartition => Code::UnknownTopicOrPartition,
        Kind::UnsupportedSaslMechanism => Code::UnsupportedSaslMechanism,
        Kind::UnsupportedVersion => Code::UnsupportedVersion,
    }
}
