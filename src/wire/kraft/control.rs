//! Control records of the metadata log and of its snapshots (`ControlRecordUtils`).
//!
//! The key is two i16, a version (0) and a type; the value is a flexible message whose first field repeats its
//! version.

use std::sync::Arc;

use uuid::Uuid;

use crate::base::reader::Reader;
use crate::wire::field::{Field, Malformed, messages};

messages! {
    /// A leader begins its epoch (`LeaderChangeMessage`).
    LeaderChange {
        /// The message's version.
        version: i16,
        /// The new leader.
        leader_id: i32,
        /// Who may vote in this epoch.
        voters: Vec<Voter>,
        /// Who voted for the leader.
        granting_voters: Vec<Voter>,
    }

    /// A voter in a [`LeaderChange`].
    Voter {
        /// `node.id` of the controller.
        voter_id: i32,
        /// The directory of its metadata log.
        voter_directory_id: Uuid [1+],
    }

    /// The first record of a snapshot (`SnapshotHeaderRecord`).
    SnapshotHeader {
        /// The message's version.
        version: i16,
        /// When the last record in the snapshot was appended, in ms since 1970.
        last_contained_log_timestamp: i64,
    }

    /// The last record of a snapshot; without it the snapshot is torn (`SnapshotFooterRecord`).
    SnapshotFooter {
        /// The message's version.
        version: i16,
    }

    /// `kraft.version` from here on (`KRaftVersionRecord`).
    KRaftVersion {
        /// The message's version.
        version: i16,
        /// The level.
        k_raft_version: i16,
    }

    /// The voters from here on (`VotersRecord`, KIP-853).
    KRaftVoters {
        /// The message's version.
        version: i16,
        /// Who may vote.
        voters: Vec<KRaftVoter>,
    }

    /// A voter in [`KRaftVoters`].
    KRaftVoter {
        /// `node.id` of the controller.
        voter_id: i32,
        /// The directory of its metadata log.
        voter_directory_id: Uuid,
        /// Where it is reached.
        endpoints: Vec<VoterEndpoint>,
        /// Which levels of `kraft.version` it can run with.
        k_raft_version_feature: KRaftVersionFeature,
    }

    /// One listener of a voter.
    VoterEndpoint {
        /// The listener's name.
        name: Arc<str>,
        /// The host.
        host: Arc<str>,
        /// The port.
        port: u16,
    }

    /// A range of levels of `kraft.version`.
    KRaftVersionFeature {
        /// Lowest level.
        min_supported_version: i16,
        /// Highest level.
        max_supported_version: i16,
    }
}

/// Why bytes are no control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("control record of type {kind}: {cause}")]
pub struct Error {
    /// The type, -1 if the key is broken.
    pub kind: i16,
    /// What is wrong.
    pub cause: Malformed,
}

macro_rules! control_records {
    ($($kind:literal $name:ident ..= $version_max:literal,)*) => {
        /// One control record.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ControlRecord {
            $(
                #[doc = concat!("Type ", stringify!($kind), ".")]
                $name($name),
            )*
            /// A type that is not known here; Kafka skips these too.
            Unknown(i16),
        }

        $(impl From<$name> for ControlRecord {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*

        impl ControlRecord {
            /// The record's key.
            pub fn key(&self) -> [u8; 4] {
                let kind: i16 = match self {
                    $(Self::$name(_) => $kind,)*
                    Self::Unknown(kind) => *kind,
                };
                let [high, low] = kind.to_be_bytes();
                [0, 0, high, low]
            }

            /// Appends the record's value.
            pub fn encode_value(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(record) => record.write(record.version, out),)*
                    Self::Unknown(_) => {}
                }
            }

            /// Reads a record's key and value.
            pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, Error> {
                let broken = |cause: Malformed| Error { kind: -1, cause };
                let mut reader = Reader::new(key);
                let _key_version = reader.i16().map_err(|e| broken(e.into()))?;
                let kind = reader.i16().map_err(|e| broken(e.into()))?;
                let failed = |cause: Malformed| Error { kind, cause };
                match kind {
                    $($kind => {
                        let announced = Reader::new(value).i16().map_err(|e| failed(e.into()))?;
                        let version = announced.clamp(0, $version_max);
                        let record = $name::read(version, &mut Reader::new(value)).map_err(failed)?;
                        Ok(Self::$name(record))
                    })*
                    _ => Ok(Self::Unknown(kind)),
                }
            }
        }
    };
}

control_records! {
    2 LeaderChange ..= 1,
    3 SnapshotHeader ..= 0,
    4 SnapshotFooter ..= 0,
    5 KRaftVersion ..= 0,
    6 KRaftVoters ..= 0,
}
