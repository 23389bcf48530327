//! Why the controller refuses something.

use std::borrow::Cow;
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// One kind per error code of the protocol; the codes themselves are the API layer's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Kind {
            $(#[doc = $text] $name,)*
        }

        impl Kind {
            /// What Kafka says when it has nothing more precise to say (`Errors.java`).
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    BrokerIdNotRegistered "The given broker ID was not registered.",
    DuplicateBrokerRegistration "This broker ID is already in use.",
    DuplicateResource "A request illegally referred to the same resource twice.",
    ElectionNotNeeded "Leader election not needed for topic partition.",
    EligibleLeadersNotAvailable "Eligible topic partition leaders are not available.",
    FencedLeaderEpoch "The leader epoch in the request is older than the epoch on the broker.",
    InconsistentClusterId "The clusterId in the request does not match that found on the server.",
    IneligibleReplica "The new ISR contains at least one ineligible replica.",
    InvalidConfig "Configuration is invalid.",
    InvalidPartitions "Number of partitions is below 1.",
    InvalidRegistration "The controller has considered the broker registration to be invalid.",
    InvalidReplicaAssignment "Replica assignment is invalid.",
    InvalidReplicationFactor
        "Replication factor is below 1 or larger than the number of available brokers.",
    InvalidRequest
        "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.",
    InvalidTopic "The request attempted to perform an operation on an invalid topic.",
    InvalidUpdateVersion "The given update version was invalid.",
    NewLeaderElected
        "The AlterPartition request successfully updated the partition state but the leader has changed.",
    NoReassignmentInProgress "No partition reassignment is in progress.",
    NotController "This is not the correct controller for this cluster.",
    PolicyViolation "Request parameters do not satisfy the configured policy.",
    PreferredLeaderNotAvailable "The preferred leader was not available.",
    ResourceNotFound "A request illegally referred to a resource that does not exist.",
    StaleBrokerEpoch "Broker epoch has changed.",
    TopicAlreadyExists "Topic with this name already exists.",
    TopicDeletionDisabled "Topic deletion is disabled.",
    UnacceptableCredential "Requested credential would not meet criteria for acceptability.",
    UnknownServerError "The server experienced an unexpected error when processing the request.",
    UnknownTopicId "This server does not host this topic ID.",
    UnknownTopicOrPartition "This server does not host this topic-partition.",
    UnsupportedSaslMechanism "The broker does not support the requested SASL mechanism.",
    UnsupportedVersion "The version of API is not supported.",
}

/// A refusal: its kind, and the text that tools print, word for word Kafka's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Error {
    /// What the code will be.
    pub kind: Kind,
    /// What the message will be.
    pub message: Cow<'static, str>,
}

impl Error {
    /// A refusal with a text of its own.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self::new(kind, kind.text())
    }
}
