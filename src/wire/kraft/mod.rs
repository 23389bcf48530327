//! The records of Kafka's metadata log (`__cluster_metadata`), byte for byte.
//!
//! A record's value is a frame version (1), the record's type and its version, all unsigned varints, and then a
//! flexible message (`MetadataRecordSerde`). A type or version that is not known here is kept as it came:
//! whoever replays it must refuse it rather than drop it.

pub mod control;
mod record;

use bytes::Bytes;

pub use self::record::*;
use crate::base::reader::Reader;
use crate::wire::field::{Field, Malformed, write_uvarint};

/// The only frame version that Kafka has released.
const FRAME_VERSION: u32 = 1;

/// Why bytes are no metadata record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The frame around the record is not one that is known.
    #[error("metadata record has frame version {0}, only 1 is known")]
    FrameVersion(u32),
    /// The frame ends early, or names a type or version beyond 32767.
    #[error("metadata record has a broken frame")]
    Frame,
    /// The message inside the frame is broken.
    #[error("metadata record of type {key}, version {version}: {cause}")]
    Message {
        /// The record's type.
        key: i16,
        /// The record's version.
        version: i16,
        /// What is wrong.
        cause: Malformed,
    },
}

/// A record whose type or version is not known here.
#[derive(Clone, Debug, PartialEq)]
pub struct UnknownRecord {
    /// Its type.
    pub key: i16,
    /// Its version.
    pub version: i16,
    /// The message, as it came.
    pub body: Bytes,
}

macro_rules! records {
    ($($key:literal $name:ident($type:ty) ..= $version_max:literal,)*) => {
        /// One metadata record; the variants are Kafka's types without their suffix.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $(
                #[doc = concat!("Type ", stringify!($key), ", versions 0 to ", stringify!($version_max), ".")]
                $name($type),
            )*
            /// Kept as it came.
            Unknown(UnknownRecord),
        }

        $(impl From<$type> for Record {
            fn from(record: $type) -> Self {
                Self::$name(record)
            }
        })*

        impl Record {
            /// The type's number and the first version that can hold what is set.
            pub fn key_and_version(&self) -> (i16, i16) {
                match self {
                    $(Self::$name(record) => ($key, record.lowest_version()),)*
                    Self::Unknown(record) => (record.key, record.version),
                }
            }

            fn write_message(&self, version: i16, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(record) => record.write(version, out),)*
                    Self::Unknown(record) => out.extend_from_slice(&record.body),
                }
            }

            fn read_message(key: i16, version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                match key {
                    $($key if version <= $version_max => <$type>::read(version, reader).map(Self::$name),)*
                    _ => {
                        let body = Bytes::copy_from_slice(reader.take(reader.remaining())?);
                        Ok(Self::Unknown(UnknownRecord { key, version, body }))
                    }
                }
            }
        }
    };
}

records! {
    0 RegisterBroker(RegisterBrokerRecord) ..= 4,
    1 UnregisterBroker(UnregisterBrokerRecord) ..= 0,
    2 Topic(TopicRecord) ..= 0,
    3 Partition(PartitionRecord) ..= 2,
    4 Config(ConfigRecord) ..= 0,
    5 PartitionChange(PartitionChangeRecord) ..= 2,
    7 FenceBroker(FenceBrokerRecord) ..= 0,
    8 UnfenceBroker(UnfenceBrokerRecord) ..= 0,
    9 RemoveTopic(RemoveTopicRecord) ..= 0,
    10 DelegationToken(DelegationTokenRecord) ..= 0,
    11 UserScramCredential(UserScramCredentialRecord) ..= 0,
    12 FeatureLevel(FeatureLevelRecord) ..= 0,
    14 ClientQuota(ClientQuotaRecord) ..= 0,
    15 ProducerIds(ProducerIdsRecord) ..= 0,
    17 BrokerRegistrationChange(BrokerRegistrationChangeRecord) ..= 3,
    18 AccessControlEntry(AccessControlEntryRecord) ..= 0,
    19 RemoveAccessControlEntry(RemoveAccessControlEntryRecord) ..= 0,
    20 NoOp(NoOpRecord) ..= 0,
    21 ZkMigrationState(ZkMigrationStateRecord) ..= 0,
    22 RemoveUserScramCredential(RemoveUserScramCredentialRecord) ..= 0,
    23 BeginTransaction(BeginTransactionRecord) ..= 0,
    24 EndTransaction(EndTransactionRecord) ..= 0,
    25 AbortTransaction(AbortTransactionRecord) ..= 0,
    26 RemoveDelegationToken(RemoveDelegationTokenRecord) ..= 0,
    27 RegisterController(RegisterControllerRecord) ..= 0,
    28 ClearElr(ClearElrRecord) ..= 0,
    29 UnregisterController(UnregisterControllerRecord) ..= 0,
}

impl Record {
    /// Appends the record's value for the log, in the lowest version that holds all of it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_version(self.key_and_version().1, out);
    }

    fn encode_version(&self, version: i16, out: &mut Vec<u8>) {
        write_uvarint(FRAME_VERSION, out);
        for number in [self.key_and_version().0, version] {
            write_uvarint(u32::from(number.cast_unsigned()), out);
        }
        self.write_message(version, out);
    }

    /// Reads the value of a record of the metadata log.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(value);
        let mut number = || reader.uvarint().map_err(|_| Error::Frame);
        let frame_version = number()?;
        if frame_version != FRAME_VERSION {
            return Err(Error::FrameVersion(frame_version));
        }
        let key = i16::try_from(number()?).map_err(|_| Error::Frame)?;
        let version = i16::try_from(number()?).map_err(|_| Error::Frame)?;
        let failed = |cause| Error::Message { key, version, cause };
        let record = Self::read_message(key, version, &mut reader).map_err(failed)?;
        match reader.remaining() {
            0 => Ok(record),
            left => Err(failed(Malformed::Garbage(left))),
        }
    }
}

#[cfg(test)]
mod tests;
