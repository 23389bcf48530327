//! The records of the metadata log, field by field (`metadata/src/main/resources/common/metadata/*.json`).

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::wire::field::messages;

messages! {
    /// A broker process takes, or renews, its registration.
    RegisterBrokerRecord {
        /// `node.id` of the broker.
        broker_id: i32,
        /// Left from ZooKeeper migration.
        is_migrating_zk_broker: bool [2+],
        /// New for every start of the process.
        incarnation_id: Uuid,
        /// The offset of this registration.
        broker_epoch: i64,
        /// Where clients and other brokers reach it.
        end_points: Vec<BrokerEndpoint>,
        /// Which feature levels it can run with.
        features: Vec<BrokerFeature>,
        /// `broker.rack`.
        rack: Option<Arc<str>>,
        /// Whether it may not lead or be in an ISR.
        fenced: bool = true,
        /// Whether it is on its way down.
        in_controlled_shutdown: bool [1+],
    } + tagged {
        /// Its log directories that are online.
        0 log_dirs: Vec<Uuid> [3+],
        /// Log directories that take no new replicas; none until the broker said so.
        1 cordoned_log_dirs: Option<Vec<Uuid>> [4+],
    }

    /// One listener of a broker.
    BrokerEndpoint {
        /// The listener's name.
        name: Arc<str>,
        /// The advertised host.
        host: Arc<str>,
        /// The advertised port.
        port: u16,
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16,
    }

    /// The range of one feature's levels that a broker can run with.
    BrokerFeature {
        /// The feature's name.
        name: Arc<str>,
        /// Lowest level.
        min_supported_version: i16,
        /// Highest level.
        max_supported_version: i16,
    }

    /// A broker's registration is removed.
    UnregisterBrokerRecord {
        /// `node.id` of the broker.
        broker_id: i32,
        /// The epoch of the registration.
        broker_epoch: i64,
    }

    /// A topic is made.
    TopicRecord {
        /// Its name.
        name: Arc<str>,
        /// Its id.
        topic_id: Uuid,
    }

    /// A partition is made, or replaced as a whole.
    PartitionRecord {
        /// Its index.
        partition_id: i32 = -1,
        /// Its topic.
        topic_id: Uuid,
        /// Its replicas, preferred leader first.
        replicas: Vec<i32>,
        /// The in-sync replicas.
        isr: Vec<i32>,
        /// Replicas that a reassignment takes away.
        removing_replicas: Vec<i32>,
        /// Replicas that a reassignment adds.
        adding_replicas: Vec<i32>,
        /// The leader, -1 if none.
        leader: i32 = -1,
        /// Grows with every election.
        leader_epoch: i32 = -1,
        /// Grows with every change.
        partition_epoch: i32 = -1,
        /// The log directory of each replica (KIP-858).
        directories: Vec<Uuid> [1+],
    } + tagged {
        /// 1 while the leader recovers from an unclean election.
        0 leader_recovery_state: i8,
        /// Replicas outside the ISR that still hold everything committed (KIP-966).
        1 eligible_leader_replicas: Option<Vec<i32>> [2+],
        /// The last eligible ones, or the last leader, when none is left.
        2 last_known_elr: Option<Vec<i32>> [2+],
    }

    /// A dynamic configuration is set or removed.
    ConfigRecord {
        /// 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8,
        /// The resource's name; empty for the default of all brokers.
        resource_name: Arc<str>,
        /// The key.
        name: Arc<str>,
        /// The value, none to remove it.
        value: Option<Arc<str>>,
    }

    /// Some fields of a partition change; the others stay.
    PartitionChangeRecord {
        /// Its index.
        partition_id: i32 = -1,
        /// Its topic.
        topic_id: Uuid,
    } + tagged {
        /// The new ISR.
        0 isr: Option<Vec<i32>>,
        /// The new leader, -1 if there is none now, -2 if it stays.
        1 leader: i32 = -2,
        /// The new replicas.
        2 replicas: Option<Vec<i32>>,
        /// The new removing replicas.
        3 removing_replicas: Option<Vec<i32>>,
        /// The new adding replicas.
        4 adding_replicas: Option<Vec<i32>>,
        /// The new recovery state, -1 if it stays.
        5 leader_recovery_state: i8 = -1,
        /// The new ELR.
        6 eligible_leader_replicas: Option<Vec<i32>> [2+],
        /// The new last known ELR.
        7 last_known_elr: Option<Vec<i32>> [2+],
        /// The new log directories, one per replica.
        8 directories: Option<Vec<Uuid>> [1+],
    }

    /// A broker is fenced; written by Kafka before 3.3.
    FenceBrokerRecord {
        /// `node.id` of the broker.
        id: i32,
        /// Its epoch.
        epoch: i64,
    }

    /// A broker is unfenced; written by Kafka before 3.3.
    UnfenceBrokerRecord {
        /// `node.id` of the broker.
        id: i32,
        /// Its epoch.
        epoch: i64,
    }

    /// A topic, its partitions and its configuration are removed.
    RemoveTopicRecord {
        /// The topic.
        topic_id: Uuid,
    }

    /// A delegation token is made or changed.
    DelegationTokenRecord {
        /// Whose token it is.
        owner: Arc<str>,
        /// Who asked for it.
        requester: Arc<str>,
        /// Who may renew it.
        renewers: Vec<Arc<str>>,
        /// When it was made, in ms since 1970.
        issue_timestamp: i64,
        /// After this it cannot be renewed.
        max_timestamp: i64,
        /// By this it must be renewed.
        expiration_timestamp: i64,
        /// Its id.
        token_id: Arc<str>,
    }

    /// A SCRAM credential is made or changed.
    UserScramCredentialRecord {
        /// The user.
        name: Arc<str>,
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8,
        /// Random salt.
        salt: Bytes,
        /// What authenticates the client.
        stored_key: Bytes,
        /// What authenticates the server.
        server_key: Bytes,
        /// Rounds of the hash.
        iterations: i32,
    }

    /// The level of a feature is set; version 0 forever, since it is the first record of every log.
    FeatureLevelRecord {
        /// The feature.
        name: Arc<str>,
        /// Its level, 0 for off.
        feature_level: i16,
    }

    /// A client quota is set or removed.
    ClientQuotaRecord {
        /// Who it is for.
        entity: Vec<QuotaEntity>,
        /// The quota's name.
        key: Arc<str>,
        /// Its value.
        value: f64,
        /// Whether it is removed.
        remove: bool,
    }

    /// One part of a quota's entity (`EntityData`).
    QuotaEntity {
        /// `user`, `client-id` or `ip`.
        entity_type: Arc<str>,
        /// Its name, none for the default.
        entity_name: Option<Arc<str>>,
    }

    /// A block of producer ids is taken.
    ProducerIdsRecord {
        /// The broker that took it.
        broker_id: i32,
        /// That broker's epoch.
        broker_epoch: i64 = -1,
        /// The first id of the next block.
        next_producer_id: i64,
    }

    /// Some fields of a broker's registration change.
    BrokerRegistrationChangeRecord {
        /// `node.id` of the broker.
        broker_id: i32,
        /// Its epoch.
        broker_epoch: i64,
    } + tagged {
        /// -1 unfenced, 0 no change, 1 fenced.
        0 fenced: i8,
        /// 0 no change, 1 in controlled shutdown.
        1 in_controlled_shutdown: i8 [1+],
        /// The log directories that are online, empty for no change.
        2 log_dirs: Vec<Uuid> [2+],
        /// The cordoned log directories, none for no change.
        3 cordoned_log_dirs: Option<Vec<Uuid>> [3+],
    }

    /// An ACL is made.
    AccessControlEntryRecord {
        /// Its id.
        id: Uuid,
        /// `ResourceType`.
        resource_type: i8,
        /// The resource's name.
        resource_name: Arc<str>,
        /// `PatternType`.
        pattern_type: i8,
        /// Who it is for.
        principal: Arc<str>,
        /// From where.
        host: Arc<str>,
        /// `AclOperation`.
        operation: i8,
        /// `AclPermissionType`.
        permission_type: i8,
    }

    /// An ACL is removed.
    RemoveAccessControlEntryRecord {
        /// Its id.
        id: Uuid,
    }

    /// Nothing; Kafka writes it to make progress visible.
    NoOpRecord {
    }

    /// Left from ZooKeeper migration.
    ZkMigrationStateRecord {
        /// The state.
        zk_migration_state: i8,
    }

    /// A SCRAM credential is removed.
    RemoveUserScramCredentialRecord {
        /// The user.
        name: Arc<str>,
        /// The mechanism.
        mechanism: i8,
    }

    /// The records up to the matching end take effect together (KIP-868).
    BeginTransactionRecord {
    } + tagged {
        /// What it is for.
        0 name: Option<Arc<str>>,
    }

    /// The transaction takes effect.
    EndTransactionRecord {
    }

    /// The transaction never happened.
    AbortTransactionRecord {
    } + tagged {
        /// Why.
        0 reason: Option<Arc<str>>,
    }

    /// A delegation token is removed.
    RemoveDelegationTokenRecord {
        /// Its id.
        token_id: Arc<str>,
    }

    /// A controller process announces itself.
    RegisterControllerRecord {
        /// `node.id` of the controller.
        controller_id: i32,
        /// New for every start of the process.
        incarnation_id: Uuid,
        /// Left from ZooKeeper migration.
        zk_migration_ready: bool,
        /// Where it is reached.
        end_points: Vec<BrokerEndpoint>,
        /// Which feature levels it can run with.
        features: Vec<BrokerFeature>,
    }

    /// The ELRs of a topic, or of all topics, are emptied.
    ClearElrRecord {
        /// The topic, empty for all.
        topic_name: Arc<str>,
    }

    /// A controller's registration is removed.
    UnregisterControllerRecord {
        /// `node.id` of the controller.
        controller_id: i32,
    }
}
