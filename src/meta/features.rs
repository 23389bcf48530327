//! Finalized feature levels (`FeaturesImage`), and which levels this broker knows.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::wire::kraft::{FeatureLevelRecord, Record};

/// The level of the metadata log itself; the first record of every log sets it.
pub const METADATA_VERSION: &str = "metadata.version";
/// Eligible leader replicas (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";
/// Transactions (KIP-890): 2 lets clients use the second protocol.
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// The consumer group protocol of KIP-848.
pub const GROUP_VERSION: &str = "group.version";
/// Share groups (KIP-932).
pub const SHARE_VERSION: &str = "share.version";
/// Streams groups (KIP-1071).
pub const STREAMS_VERSION: &str = "streams.version";

/// `metadata.version` of Kafka 4.3 (4.3-IV0).
pub const METADATA_VERSION_LATEST: i16 = 30;
/// `metadata.version` from which the metadata log holds SCRAM credentials (3.5-IV2).
const SCRAM: i16 = 11;
/// `metadata.version` from which an ISR that shrinks no longer bumps the leader epoch (3.6-IV0).
const NO_BUMP_ON_ISR_SHRINK: i16 = 12;
/// `metadata.version` from which log directories have ids (3.7-IV2).
const DIRECTORY_ASSIGNMENT: i16 = 17;
/// `metadata.version` from which log directories can be cordoned (4.3-IV0).
const CORDONED_LOG_DIRS: i16 = 30;

/// `metadata.version` that eligible leader replicas need (4.0-IV1).
pub const ELR_METADATA_VERSION: i16 = 23;
/// Levels of `metadata.version` with records that the level below does not have: there is no way back across one
/// (`MetadataVersion.didMetadataChange`).
pub const METADATA_CHANGES: [i16; 9] = [7, 8, 11, 13, 14, 15, 17, 23, 30];

/// What this broker knows of one feature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The feature.
    pub name: &'static str,
    /// The finalized levels under which this broker can run; it registers with them.
    pub accepted: RangeInclusive<i16>,
    /// The highest level whose requests it serves; clients are told of no higher one.
    pub served: i16,
    /// The level of a new cluster.
    pub initial: i16,
}

/// Every feature that Kafka 4.3 knows. A cluster that was formatted by Kafka may have finalized more than is served.
pub const KNOWN: [Known; 6] = [
    Known {
        name: METADATA_VERSION,
        accepted: 7..=METADATA_VERSION_LATEST,
        served: METADATA_VERSION_LATEST,
        initial: METADATA_VERSION_LATEST,
    },
    Known { name: ELR_VERSION, accepted: 0..=1, served: 1, initial: 1 },
    Known { name: GROUP_VERSION, accepted: 0..=1, served: 1, initial: 1 },
    Known { name: SHARE_VERSION, accepted: 0..=1, served: 0, initial: 0 },
    Known { name: STREAMS_VERSION, accepted: 0..=1, served: 0, initial: 0 },
    Known { name: TRANSACTION_VERSION, accepted: 0..=2, served: 2, initial: 2 },
];

/// The finalized levels; a feature at level 0 is not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Features {
    /// Level by name.
    pub levels: BTreeMap<Arc<str>, i16>,
}

impl Features {
    /// The level of a feature, 0 if it is off.
    pub fn level(&self, name: &str) -> i16 {
        self.levels.get(name).copied().unwrap_or(0)
    }

    /// Whether replicas that leave an ISR below its minimum stay eligible.
    pub fn elr_enabled(&self) -> bool {
        self.level(ELR_VERSION) >= 1
    }

    /// Whether log directories have ids.
    pub fn has_directory_assignment(&self) -> bool {
        self.level(METADATA_VERSION) >= DIRECTORY_ASSIGNMENT
    }

    /// Whether log directories can be cordoned.
    pub fn has_cordoned_log_dirs(&self) -> bool {
        self.level(METADATA_VERSION) >= CORDONED_LOG_DIRS
    }

    /// Whether the metadata log may hold SCRAM credentials.
    pub fn has_scram(&self) -> bool {
        self.level(METADATA_VERSION) >= SCRAM
    }

    /// Whether an ISR that shrinks must bump the leader epoch (KAFKA-15021).
    pub fn bumps_epoch_on_isr_shrink(&self) -> bool {
        self.level(METADATA_VERSION) < NO_BUMP_ON_ISR_SHRINK
    }

    /// The levels that clients may be told of: what is finalized, up to what is served; level 0 is left out.
    pub fn advertised(&self) -> impl Iterator<Item = (&'static str, i16)> {
        let level = |known: &Known| self.level(known.name).min(known.served);
        KNOWN.into_iter().map(move |known| (known.name, level(&known))).filter(|(_, level)| *level > 0)
    }

    pub(super) fn set(&mut self, record: &FeatureLevelRecord) {
        if record.feature_level == 0 {
            self.levels.remove(&record.name);
        } else {
            self.levels.insert(Arc::clone(&record.name), record.feature_level);
        }
    }

    pub(super) fn write(&self, records: &mut Vec<Record>) {
        let is_first = |name: &str| name == METADATA_VERSION;
        let (first, rest): (Vec<_>, Vec<_>) = self.levels.iter().partition(|(name, _)| is_first(name));
        records.extend(first.into_iter().chain(rest).map(|(name, level)| {
            Record::from(FeatureLevelRecord { name: Arc::clone(name), feature_level: *level })
        }));
    }
}
