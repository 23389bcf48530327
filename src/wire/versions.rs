//! What this broker serves: API keys, versions, and how large a request of each may be.
//!
//! One line of [`apis!`] is one API. The ranges are Kafka 4.4's capped to what the message crate, or a
//! codec beside this file, decodes and encodes; the crate's own `valid_versions` must not be advertised,
//! it is too wide for some APIs.

use std::ops::RangeInclusive;

/// Enough for what holds no lists that grow with the cluster.
const SMALL: usize = 1 << 20;
/// Enough for lists of topics, partitions or groups of a large cluster: 60,000 topics with names of the
/// greatest length. What their decoded form may take is bounded by `schema::DECODED_BYTES_MAX`.
const LIST: usize = 16 << 20;
/// Only bounded by `socket.request.max.bytes`.
const SOCKET: usize = usize::MAX;

macro_rules! apis {
    ($($key:literal $name:ident $min:literal-$max:literal from $accepted:literal flexible $flexible:literal $frame:ident;)*) => {
        /// An API that this broker serves; the discriminant is Kafka's API key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                #[doc = concat!("Kafka's ", stringify!($name), ".")]
                $name = $key,
            )*
        }

        impl ApiKey {
            /// Every API, by key.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The API with this number on the wire.
            pub const fn from_wire(key: i16) -> Option<Self> {
                match key {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        name: stringify!($name),
                        min: $min,
                        max: $max,
                        accepted_from: $accepted,
                        flexible_from: $flexible,
                        frame_bytes_max: $frame,
                    },)*
                }
            }
        }
    };
}

// Key, name, advertised versions, first version that is answered, first flexible version, frame limit.
apis! {
    0 Produce 0-13 from 3 flexible 9 SOCKET;
    1 Fetch 4-18 from 4 flexible 12 LIST;
    2 ListOffsets 1-11 from 1 flexible 6 LIST;
    3 Metadata 0-13 from 0 flexible 9 LIST;
    8 OffsetCommit 2-10 from 2 flexible 8 LIST;
    9 OffsetFetch 1-10 from 1 flexible 6 LIST;
    10 FindCoordinator 0-6 from 0 flexible 3 LIST;
    11 JoinGroup 0-9 from 0 flexible 6 LIST;
    12 Heartbeat 0-4 from 0 flexible 4 SMALL;
    13 LeaveGroup 0-5 from 0 flexible 4 LIST;
    14 SyncGroup 0-5 from 0 flexible 4 LIST;
    15 DescribeGroups 0-6 from 0 flexible 5 LIST;
    16 ListGroups 0-5 from 0 flexible 3 SMALL;
    18 ApiVersions 0-4 from 0 flexible 3 SMALL;
    19 CreateTopics 2-7 from 2 flexible 5 LIST;
    20 DeleteTopics 1-6 from 1 flexible 4 LIST;
    21 DeleteRecords 0-2 from 0 flexible 2 LIST;
    22 InitProducerId 0-5 from 0 flexible 2 SMALL;
    23 OffsetForLeaderEpoch 2-4 from 2 flexible 4 LIST;
    24 AddPartitionsToTxn 0-5 from 0 flexible 3 SMALL;
    25 AddOffsetsToTxn 0-4 from 0 flexible 3 SMALL;
    26 EndTxn 0-5 from 0 flexible 3 SMALL;
    27 WriteTxnMarkers 1-2 from 1 flexible 1 SMALL;
    28 TxnOffsetCommit 0-6 from 0 flexible 3 LIST;
    29 DescribeAcls 1-3 from 1 flexible 2 SMALL;
    30 CreateAcls 1-3 from 1 flexible 2 LIST;
    31 DeleteAcls 1-3 from 1 flexible 2 LIST;
    32 DescribeConfigs 1-4 from 1 flexible 4 LIST;
    33 AlterConfigs 0-2 from 0 flexible 2 LIST;
    34 AlterReplicaLogDirs 1-2 from 1 flexible 2 LIST;
    35 DescribeLogDirs 1-5 from 1 flexible 2 LIST;
    37 CreatePartitions 0-3 from 0 flexible 2 LIST;
    38 CreateDelegationToken 1-3 from 1 flexible 2 SMALL;
    39 RenewDelegationToken 1-2 from 1 flexible 2 SMALL;
    40 ExpireDelegationToken 1-2 from 1 flexible 2 SMALL;
    41 DescribeDelegationToken 1-3 from 1 flexible 2 SMALL;
    42 DeleteGroups 0-3 from 0 flexible 2 LIST;
    43 ElectLeaders 0-2 from 0 flexible 2 LIST;
    44 IncrementalAlterConfigs 0-1 from 0 flexible 1 LIST;
    45 AlterPartitionReassignments 0-1 from 0 flexible 0 LIST;
    46 ListPartitionReassignments 0-0 from 0 flexible 0 LIST;
    47 OffsetDelete 0-0 from 0 flexible 1 LIST;
    48 DescribeClientQuotas 0-1 from 0 flexible 1 SMALL;
    49 AlterClientQuotas 0-1 from 0 flexible 1 LIST;
    50 DescribeUserScramCredentials 0-0 from 0 flexible 0 LIST;
    51 AlterUserScramCredentials 0-0 from 0 flexible 0 LIST;
    55 DescribeQuorum 0-2 from 0 flexible 0 SMALL;
    57 UpdateFeatures 0-2 from 0 flexible 0 SMALL;
    60 DescribeCluster 0-2 from 0 flexible 0 SMALL;
    61 DescribeProducers 0-0 from 0 flexible 0 SMALL;
    64 UnregisterBroker 0-0 from 0 flexible 0 SMALL;
    65 DescribeTransactions 0-0 from 0 flexible 0 LIST;
    66 ListTransactions 0-2 from 0 flexible 0 SMALL;
    68 ConsumerGroupHeartbeat 0-1 from 0 flexible 0 LIST;
    69 ConsumerGroupDescribe 0-1 from 0 flexible 0 LIST;
    74 ListConfigResources 0-1 from 0 flexible 0 SMALL;
    75 DescribeTopicPartitions 0-0 from 0 flexible 0 LIST;
}

struct Row {
    name: &'static str,
    min: i16,
    max: i16,
    accepted_from: i16,
    flexible_from: i16,
    frame_bytes_max: usize,
}

impl ApiKey {
    /// Kafka's number of it.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Kafka's name of it.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The versions that ApiVersions lists. Produce starts at 0 there, since older librdkafka otherwise
    /// gives up compression (KAFKA-18659).
    pub const fn advertised(self) -> RangeInclusive<i16> {
        self.row().min..=self.row().max
    }

    /// Whether a request of this version is answered; for others Kafka closes the connection, but
    /// answers ApiVersions with version 0.
    pub const fn accepts(self, version: i16) -> bool {
        self.row().accepted_from <= version && version <= self.row().max
    }

    /// Whether this version has varint lengths and tagged fields, in the header too (KIP-482).
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.row().flexible_from
    }

    /// Most bytes of a request, after the size prefix, given `socket.request.max.bytes`.
    pub fn frame_bytes_max(self, socket_request_bytes_max: usize) -> usize {
        self.row().frame_bytes_max.min(socket_request_bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema;
    use kafka_protocol::messages;

    #[test]
    fn every_accepted_version_is_one_that_the_crate_decodes_and_the_walker_knows() {
        for api in ApiKey::ALL {
            let theirs = messages::ApiKey::try_from(api.number()).unwrap();
            assert_eq!(format!("{theirs:?}"), api.name());
            for version in api.advertised() {
                assert!(theirs.valid_versions().min <= version || *api == ApiKey::Produce);
                if !api.accepts(version) {
                    continue;
                }
                assert!(!matches!(
                    schema::check(api.number(), version, &[]),
                    Err(schema::Error::NoSchema { .. })
                ));
                assert_eq!(api.is_flexible(version), theirs.request_header_version(version) == 2, "{api:?}");
                assert!(theirs.response_header_version(version) <= 1);
            }
            assert!(!api.accepts(api.advertised().end() + 1));
            assert_eq!(ApiKey::from_wire(api.number()), Some(*api));
        }
    }

    #[test]
    fn produce_is_advertised_from_0_but_answered_from_3() {
        assert_eq!(ApiKey::Produce.advertised(), 0..=13);
        assert!(!ApiKey::Produce.accepts(2));
        assert!(ApiKey::Produce.accepts(3));
    }
}
