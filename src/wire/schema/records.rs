//! The records of Kafka's internal logs by their schemas, for those who show what they do not use.

use std::sync::LazyLock;

use super::definition::{self, Definition};
use super::json::{self, Error, Json};
use crate::base::reader::Reader;

/// A set of messages that number their types together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Keys of `__consumer_offsets`.
    GroupKey,
    /// Values of `__consumer_offsets`.
    GroupValue,
    /// Keys of `__transaction_state`.
    TransactionKey,
    /// Values of `__transaction_state`.
    TransactionValue,
    /// The records of `__cluster_metadata`, of every type.
    Metadata,
    /// Values of control records, in all logs.
    Control,
    /// The subscription (0) and the assignment (1) of a classic group's consumer.
    ConsumerProtocol,
}

struct Schemas {
    groups: Vec<Definition>,
    transactions: Vec<Definition>,
    metadata: Vec<Definition>,
    control: Vec<Definition>,
    consumer_protocol: Vec<Definition>,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| Schemas {
    groups: definition::parse(include_str!("records/groups.txt")),
    transactions: definition::parse(include_str!("records/transactions.txt")),
    metadata: definition::parse(include_str!("records/metadata.txt")),
    control: definition::parse(include_str!("records/control.txt")),
    consumer_protocol: definition::parse(include_str!("records/consumer_protocol.txt")),
});

/// One type of record.
#[derive(Clone, Copy)]
pub struct Message(&'static Definition);

impl Message {
    /// The type of this number.
    pub fn find(family: Family, key: i16) -> Option<Self> {
        let (definitions, role) = match family {
            Family::GroupKey => (&SCHEMAS.groups, "key"),
            Family::GroupValue => (&SCHEMAS.groups, "value"),
            Family::TransactionKey => (&SCHEMAS.transactions, "key"),
            Family::TransactionValue => (&SCHEMAS.transactions, "value"),
            Family::Metadata => (&SCHEMAS.metadata, "record"),
            Family::Control => (&SCHEMAS.control, "control"),
            Family::ConsumerProtocol => (&SCHEMAS.consumer_protocol, "message"),
        };
        definitions.iter().find(|found| found.role == role && found.key == key).map(Self)
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether it exists at this version.
    pub fn has_version(self, version: i16) -> bool {
        self.0.versions.contains(&version)
    }

    /// Takes one off `reader`; a version that is not known is read as the newest.
    pub fn read(self, version: i16, reader: &mut Reader<'_>) -> Result<Json, Error> {
        json::read(self.0, version, reader)
    }
}
