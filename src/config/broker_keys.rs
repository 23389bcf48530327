//! THE table of broker keys: Apache Kafka 4.3's 340 public and 20 internal keys, and our own.
//!
//! Parsing, start-up checks, DescribeConfigs and `docs/configuration.md` all come from here. A line is the
//! name, type, default, rule, importance, where it can be changed, whether it has an effect, and a sentence.

use super::key::Default::{Null, Required, Text};
use super::key::{Effect, Importance, Key, Mode};
use super::valid::Emptiness::{MayBeEmpty, NotEmpty};
use super::valid::Valid::{
    Any, AtLeast, Between, BetweenDouble, BootstrapServers, GzipLevel, NonEmpty, OneOf, OneOfAnyCase,
    QuorumVoters,
};
use super::valid::{list, list_of};
use super::value::Type;

macro_rules! keys {
    ($($name:literal: $kind:ident, $default:expr, $valid:expr, $importance:ident, $mode:ident, $effect:ident,
       $documentation:literal;)*) => {
        &[$(Key {
            name: $name,
            kind: Type::$kind,
            default: $default,
            valid: $valid,
            importance: Importance::$importance,
            mode: Mode::$mode,
            effect: Effect::$effect,
            documentation: $documentation,
        }),*]
    };
}

/// The key `name`, whichever table it is in.
pub fn find(name: &str) -> Option<&'static Key> {
    [PUBLIC, INTERNAL, OWN].iter().find_map(|table| {
        let at = table.binary_search_by(|key| key.name.cmp(name)).ok()?;
        table.get(at)
    })
}

/// Every key: Kafka's public ones, Kafka's internal ones, ours.
pub fn all() -> impl Iterator<Item = &'static Key> {
    PUBLIC.iter().chain(INTERNAL).chain(OWN)
}

/// The keys that DescribeConfigs lists whether they are set or not, by name.
pub fn described() -> impl Iterator<Item = &'static Key> {
    PUBLIC.iter().chain(OWN)
}

/// Keys that Apache Kafka does not have.
pub const OWN: &[Key] = keys! {
    "barnabas.topic.trash.ms": Long, Text("0"), AtLeast(0), Medium, ClusterWide, Honoured, "How long the data of a deleted topic is kept, so that `barnabas topics restore` can bring it back; with 0 it is removed at once.";
    "metrics.consumer.group.partitions.max": Int, Text("10000"), AtLeast(0), Medium, ReadOnly, Honoured, "Partitions of consumer groups that have series for committed offset and lag, at most; 0 switches the metrics of consumer groups off.";
    "metrics.listener": String, Text("localhost:9404"), Any, Medium, ReadOnly, Honoured, "Where metrics and health are served over HTTP, as `host:port`; empty switches both off.";
    "write.caching": Boolean, Text("false"), Any, High, ClusterWide, Honoured, "Whether acks=all is answered from the page cache, as Kafka does, instead of after fdatasync.";
};

/// Keys that DescribeConfigs does not list and a file may set all the same.
pub const INTERNAL: &[Key] = keys! {
    "controller.performance.always.log.threshold.ms": Long, Text("2000"), AtLeast(0), Medium, ReadOnly, Accepted, "Controller events slower than this are always logged.";
    "controller.performance.sample.period.ms": Long, Text("60000"), AtLeast(100), Medium, ReadOnly, Accepted, "Time between summaries of the controller's event times.";
    "group.consumer.regex.refresh.interval.ms": Int, Text("600000"), AtLeast(10_000), Medium, ReadOnly, Honoured, "Time between evaluations of the regular expressions that consumer groups subscribe to.";
    "group.share.initialize.retry.interval.ms": Int, Text("30000"), AtLeast(1), Low, ReadOnly, Accepted, "Time before a share group tries again to initialise its partitions.";
    "group.share.persister.class.name": String, Text("org.apache.kafka.server.share.persister.DefaultStatePersister"), Any, Medium, ReadOnly, Accepted, "Class that stores the state of share groups.";
    "internal.metadata.delete.delay.millis": Long, Text("60000"), Any, Low, ReadOnly, Accepted, "Time before files of the metadata log are removed from the disk.";
    "internal.metadata.log.segment.bytes": Int, Null, Any, Low, ReadOnly, Honoured, "Segment size of the metadata log, for tests.";
    "internal.metadata.max.batch.size.in.bytes": Int, Text("8388608"), Any, Low, ReadOnly, Accepted, "Largest batch in the metadata log.";
    "log.initial.task.delay.ms": Long, Text("30000"), AtLeast(0), Low, ReadOnly, Honoured, "Time after the start before the log's background tasks begin.";
    "producer.id.expiration.check.interval.ms": Int, Text("600000"), AtLeast(1), Low, ReadOnly, Honoured, "Time between searches for expired producer ids.";
    "remote.log.index.file.cache.ttl.ms": Long, Text("900000"), AtLeast(-1), Low, ReadOnly, Accepted, "Time that a cached index of a remote segment is kept unused.";
    "remote.log.manager.task.retry.backoff.max.ms": Long, Text("30000"), AtLeast(1), Low, ReadOnly, Accepted, "Longest wait between tries of a remote log task.";
    "remote.log.manager.task.retry.backoff.ms": Long, Text("500"), AtLeast(1), Low, ReadOnly, Accepted, "First wait between tries of a remote log task.";
    "remote.log.manager.task.retry.jitter": Double, Text("0.2"), BetweenDouble(0.0, 0.5), Low, ReadOnly, Accepted, "Random part of the wait between tries of a remote log task.";
    "server.max.startup.time.ms": Long, Text("9223372036854775807"), AtLeast(0), Medium, ReadOnly, Accepted, "Time after which a start that has not finished is given up.";
    "share.coordinator.cold.partition.snapshot.interval.ms": Int, Text("300000"), AtLeast(1), Low, ReadOnly, Accepted, "Time after which an idle share partition gets a snapshot.";
    "share.coordinator.state.topic.prune.interval.ms": Int, Text("300000"), AtLeast(1), Low, ReadOnly, Accepted, "Time between deletions of superseded share state.";
    "unclean.leader.election.interval.ms": Long, Text("300000"), AtLeast(1), Medium, ReadOnly, Accepted, "Time between tries of unclean elections.";
    "unstable.api.versions.enable": Boolean, Text("false"), Any, High, ReadOnly, Accepted, "Whether API versions still in development are served.";
    "unstable.feature.versions.enable": Boolean, Text("false"), Any, High, ReadOnly, Accepted, "Whether feature versions still in development are allowed.";
};

/// Kafka's documented keys.
pub const PUBLIC: &[Key] = keys! {
    "add.partitions.to.txn.retry.backoff.max.ms": Int, Text("100"), AtLeast(0), High, ReadOnly, Accepted, "Longest wait between the server's own tries to add a partition to a transaction.";
    "add.partitions.to.txn.retry.backoff.ms": Int, Text("20"), AtLeast(1), High, ReadOnly, Accepted, "First wait between the server's own tries to add a partition to a transaction.";
    "advertised.listeners": List, Null, list(NotEmpty), High, ReadOnly, Honoured, "Addresses that clients are told to connect to, where they differ from `listeners`.";
    "alter.config.policy.class.name": Class, Null, Any, Low, ReadOnly, Accepted, "Class that may veto changes of topic and broker configs.";
    "alter.log.dirs.replication.quota.window.num": Int, Text("11"), AtLeast(1), Low, ReadOnly, Accepted, "Samples kept for the quota on moves between log directories.";
    "alter.log.dirs.replication.quota.window.size.seconds": Int, Text("1"), AtLeast(1), Low, ReadOnly, Accepted, "Length of one sample of the quota on moves between log directories.";
    "authorizer.class.name": String, Text(""), Any, Low, ReadOnly, Honoured, "Class that decides who may do what; empty lets everyone do everything.";
    "auto.create.topics.enable": Boolean, Text("true"), Any, High, ReadOnly, Honoured, "Whether a request for an unknown topic may create it.";
    "auto.leader.rebalance.enable": Boolean, Text("true"), Any, High, ReadOnly, Accepted, "Whether leadership returns to the preferred replicas by itself.";
    "background.threads": Int, Text("10"), AtLeast(1), High, ClusterWide, Accepted, "Threads for background chores.";
    "broker.heartbeat.interval.ms": Int, Text("2000"), Any, Medium, ReadOnly, Accepted, "Time between a broker's heartbeats to the controller.";
    "broker.id": Int, Text("-1"), Any, High, ReadOnly, Honoured, "Older name of `node.id`.";
    "broker.rack": String, Null, Any, Medium, ReadOnly, Honoured, "Rack of this broker, for spreading replicas and for fetching from the closest one.";
    "broker.session.timeout.ms": Int, Text("9000"), Any, Medium, ReadOnly, Accepted, "Time without heartbeats after which the controller fences a broker.";
    "client.quota.callback.class": Class, Null, Any, Low, ReadOnly, Accepted, "Class that computes client quotas.";
    "compression.gzip.level": Int, Text("-1"), GzipLevel, Medium, ClusterWide, Honoured, "Level for topics that are stored as gzip.";
    "compression.lz4.level": Int, Text("9"), Between(1, 17), Medium, ClusterWide, Honoured, "Level for topics that are stored as lz4.";
    "compression.type": String, Text("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), High, ClusterWide, Honoured, "Codec in which topics are stored; `producer` keeps what the producer sent.";
    "compression.zstd.level": Int, Text("3"), Between(-131_072, 22), Medium, ClusterWide, Honoured, "Level for topics that are stored as zstd.";
    "config.providers": List, Text(""), list(MayBeEmpty), Low, ClusterWide, Honoured, "Names of the providers that may fill in `${provider:path:key}` in values.";
    "connection.failed.authentication.delay.ms": Int, Text("100"), AtLeast(0), Low, ReadOnly, Accepted, "Time to hold back the answer to a failed authentication.";
    "connections.max.idle.ms": Long, Text("600000"), Any, Medium, ReadOnly, Honoured, "Time after which a connection without requests is closed; negative means never.";
    "connections.max.reauth.ms": Long, Text("0"), Any, Medium, ReadOnly, Accepted, "Longest time a SASL session lives before it must authenticate again; 0 means for ever.";
    "controlled.shutdown.enable": Boolean, Text("true"), Any, Medium, ReadOnly, Accepted, "Whether a broker hands over its leaderships before it stops.";
    "controller.listener.names": List, Required, list(NotEmpty), High, ReadOnly, Honoured, "Names of the listeners that controllers use among each other.";
    "controller.quorum.append.linger.ms": Int, Text("25"), AtLeast(0), Medium, ReadOnly, Accepted, "Time the quorum leader gathers records before it writes them.";
    "controller.quorum.auto.join.enable": Boolean, Text("false"), Any, Low, ReadOnly, Accepted, "Whether a controller adds itself to the voters.";
    "controller.quorum.bootstrap.servers": List, Text(""), BootstrapServers, High, ReadOnly, Accepted, "Addresses at which the controllers can be found, as `host:port`.";
    "controller.quorum.election.backoff.max.ms": Int, Text("1000"), AtLeast(0), High, ReadOnly, Accepted, "Longest wait before a new election after a failed one.";
    "controller.quorum.election.timeout.ms": Int, Text("1000"), AtLeast(0), High, ReadOnly, Accepted, "Time without a leader after which a voter starts an election.";
    "controller.quorum.fetch.max.bytes": Int, Text("1048576"), AtLeast(1), Low, ReadOnly, Accepted, "Most bytes of metadata records in one quorum fetch.";
    "controller.quorum.fetch.snapshot.max.bytes": Int, Text("1048576"), AtLeast(1), Low, ReadOnly, Accepted, "Most bytes of a metadata snapshot in one quorum fetch.";
    "controller.quorum.fetch.timeout.ms": Int, Text("2000"), AtLeast(0), High, ReadOnly, Accepted, "Time without a successful fetch after which a voter becomes a candidate.";
    "controller.quorum.request.timeout.ms": Int, Text("2000"), AtLeast(0), Medium, ReadOnly, Accepted, "Longest wait for the answer to a quorum request.";
    "controller.quorum.retry.backoff.ms": Int, Text("20"), AtLeast(0), Low, ReadOnly, Accepted, "Wait before a failed quorum request is sent again.";
    "controller.quorum.voters": List, Text(""), QuorumVoters, High, ReadOnly, Honoured, "The fixed set of voters, as `id@host:port`.";
    "controller.quota.window.num": Int, Text("11"), AtLeast(1), Low, ReadOnly, Accepted, "Samples kept for the quota on topic and partition changes.";
    "controller.quota.window.size.seconds": Int, Text("1"), AtLeast(1), Low, ReadOnly, Accepted, "Length of one sample of the quota on topic and partition changes.";
    "controller.socket.timeout.ms": Int, Text("30000"), Any, Medium, ReadOnly, Accepted, "Socket timeout of requests between broker and controller.";
    "cordoned.log.dirs": List, Text(""), list(MayBeEmpty), Medium, PerBroker, Honoured, "Log directories that receive no new partitions; `*` means all of them.";
    "create.topic.policy.class.name": Class, Null, Any, Low, ReadOnly, Accepted, "Class that may veto the creation of topics.";
    "default.replication.factor": Int, Text("1"), Any, Medium, ReadOnly, Honoured, "Replicas of a topic that is created without a factor of its own.";
    "delegation.token.expiry.check.interval.ms": Long, Text("3600000"), AtLeast(1), Low, ReadOnly, Accepted, "Time between searches for expired delegation tokens.";
    "delegation.token.expiry.time.ms": Long, Text("86400000"), AtLeast(1), Medium, ReadOnly, Accepted, "Time a delegation token lives between renewals.";
    "delegation.token.max.lifetime.ms": Long, Text("604800000"), AtLeast(1), Medium, ReadOnly, Accepted, "Age beyond which a delegation token cannot be renewed.";
    "delegation.token.secret.key": Password, Null, Any, Medium, ReadOnly, Accepted, "Secret that signs delegation tokens; the same on all nodes.";
    "delete.records.purgatory.purge.interval.requests": Int, Text("1"), Any, Medium, ReadOnly, Accepted, "Finished DeleteRecords requests kept before they are swept out.";
    "delete.topic.enable": Boolean, Text("true"), Any, High, ReadOnly, Honoured, "Whether topics can be deleted.";
    "early.start.listeners": List, Null, list(MayBeEmpty), High, ReadOnly, Accepted, "Listeners that open before the authorizer is ready.";
    "fetch.max.bytes": Int, Text("57671680"), AtLeast(1024), Medium, ReadOnly, Honoured, "Most bytes that one fetch response carries.";
    "fetch.purgatory.purge.interval.requests": Int, Text("1000"), Any, Medium, ReadOnly, Accepted, "Finished fetch requests kept before they are swept out.";
    "follower.fetch.last.tiered.offset.enable": Boolean, Text("false"), Any, Medium, ClusterWide, Accepted, "Whether a new follower starts at the last tiered offset.";
    "group.consumer.assignment.interval.ms": Int, Text("1000"), AtLeast(0), Medium, ClusterWide, Honoured, "Least time between two assignments of a consumer group.";
    "group.consumer.assignors": List, Text("uniform,range"), list(NotEmpty), Medium, ReadOnly, Honoured, "Assignors of the server for consumer groups; the first is the default.";
    "group.consumer.heartbeat.interval.ms": Int, Text("5000"), AtLeast(1), Medium, ReadOnly, Honoured, "Heartbeat interval that members of consumer groups are told.";
    "group.consumer.max.assignment.interval.ms": Int, Text("15000"), AtLeast(0), Medium, ReadOnly, Honoured, "Upper bound of a group's own `consumer.assignment.interval.ms`.";
    "group.consumer.max.heartbeat.interval.ms": Int, Text("15000"), AtLeast(1), Medium, ReadOnly, Honoured, "Upper bound of a group's own `consumer.heartbeat.interval.ms`.";
    "group.consumer.max.session.timeout.ms": Int, Text("60000"), AtLeast(1), Medium, ReadOnly, Honoured, "Upper bound of a group's own `consumer.session.timeout.ms`.";
    "group.consumer.max.size": Int, Text("2147483647"), AtLeast(1), Medium, ReadOnly, Honoured, "Most members of one consumer group.";
    "group.consumer.migration.policy": String, Text("bidirectional"), OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), Medium, ReadOnly, Honoured, "Which conversions between classic and consumer groups happen while members roll over.";
    "group.consumer.min.assignment.interval.ms": Int, Text("0"), AtLeast(0), Medium, ReadOnly, Honoured, "Lower bound of a group's own `consumer.assignment.interval.ms`.";
    "group.consumer.min.heartbeat.interval.ms": Int, Text("5000"), AtLeast(1), Medium, ReadOnly, Honoured, "Lower bound of a group's own `consumer.heartbeat.interval.ms`.";
    "group.consumer.min.session.timeout.ms": Int, Text("45000"), AtLeast(1), Medium, ReadOnly, Honoured, "Lower bound of a group's own `consumer.session.timeout.ms`.";
    "group.consumer.session.timeout.ms": Int, Text("45000"), AtLeast(1), Medium, ReadOnly, Honoured, "Time without heartbeats after which a consumer group drops a member.";
    "group.coordinator.append.linger.ms": Int, Text("-1"), AtLeast(-1), Medium, ReadOnly, Accepted, "Time the group coordinator gathers records before it writes them; -1 adapts to the load.";
    "group.coordinator.background.threads": Int, Text("2"), AtLeast(1), High, ReadOnly, Accepted, "Threads for the group coordinator's background work.";
    "group.coordinator.cached.buffer.max.bytes": Int, Text("1048588"), AtLeast(524_288), Medium, ClusterWide, Accepted, "Largest write buffer that the group coordinator keeps for reuse.";
    "group.coordinator.rebalance.protocols": List, Text("classic,consumer,streams"), list_of(&["consumer", "classic", "share", "streams"], NotEmpty), Medium, ReadOnly, Honoured, "Group protocols that are served.";
    "group.coordinator.threads": Int, Text("4"), AtLeast(1), High, ReadOnly, Accepted, "Threads of the group coordinator.";
    "group.initial.rebalance.delay.ms": Int, Text("3000"), Any, Medium, ReadOnly, Honoured, "Time an empty classic group waits for more members before its first rebalance.";
    "group.max.session.timeout.ms": Int, Text("1800000"), Any, Medium, ReadOnly, Honoured, "Longest session timeout that a member of a classic group may ask for.";
    "group.max.size": Int, Text("2147483647"), AtLeast(1), Medium, ReadOnly, Honoured, "Most members of one classic group.";
    "group.min.session.timeout.ms": Int, Text("6000"), Any, Medium, ReadOnly, Honoured, "Shortest session timeout that a member of a classic group may ask for.";
    "group.share.assignment.interval.ms": Int, Text("1000"), AtLeast(0), Medium, ClusterWide, Accepted, "Least time between two assignments of a share group.";
    "group.share.assignors": List, Text("simple"), list(NotEmpty), Medium, ReadOnly, Accepted, "Assignors of the server for share groups.";
    "group.share.delivery.count.limit": Int, Text("5"), Between(2, 10), Medium, ReadOnly, Accepted, "Times a record is handed to a share group before it is given up.";
    "group.share.heartbeat.interval.ms": Int, Text("5000"), AtLeast(1), Medium, ReadOnly, Accepted, "Heartbeat interval that members of share groups are told.";
    "group.share.max.assignment.interval.ms": Int, Text("15000"), AtLeast(0), Medium, ReadOnly, Accepted, "Upper bound of a group's own `share.assignment.interval.ms`.";
    "group.share.max.delivery.count.limit": Int, Text("10"), Between(5, 25), Medium, ReadOnly, Accepted, "Upper bound of a group's own `share.delivery.count.limit`.";
    "group.share.max.heartbeat.interval.ms": Int, Text("15000"), AtLeast(1), Medium, ReadOnly, Accepted, "Upper bound of a group's own `share.heartbeat.interval.ms`.";
    "group.share.max.partition.max.record.locks": Int, Text("4000"), Between(2000, 10_000), Medium, ReadOnly, Accepted, "Upper bound of a group's own `share.partition.max.record.locks`.";
    "group.share.max.record.lock.duration.ms": Int, Text("60000"), Between(30_000, 3_600_000), Medium, ReadOnly, Accepted, "Upper bound of a group's own `share.record.lock.duration.ms`.";
    "group.share.max.session.timeout.ms": Int, Text("60000"), AtLeast(1), Medium, ReadOnly, Accepted, "Upper bound of a group's own `share.session.timeout.ms`.";
    "group.share.max.share.sessions": Int, Text("2000"), AtLeast(1), Medium, ReadOnly, Accepted, "Most share sessions of this broker.";
    "group.share.max.size": Int, Text("200"), Between(1, 1000), Medium, ReadOnly, Accepted, "Most members of one share group.";
    "group.share.min.assignment.interval.ms": Int, Text("0"), AtLeast(0), Medium, ReadOnly, Accepted, "Lower bound of a group's own `share.assignment.interval.ms`.";
    "group.share.min.delivery.count.limit": Int, Text("2"), Between(2, 5), Medium, ReadOnly, Accepted, "Lower bound of a group's own `share.delivery.count.limit`.";
    "group.share.min.heartbeat.interval.ms": Int, Text("5000"), AtLeast(1), Medium, ReadOnly, Accepted, "Lower bound of a group's own `share.heartbeat.interval.ms`.";
    "group.share.min.partition.max.record.locks": Int, Text("100"), Between(100, 2000), Medium, ReadOnly, Accepted, "Lower bound of a group's own `share.partition.max.record.locks`.";
    "group.share.min.record.lock.duration.ms": Int, Text("15000"), Between(1000, 30_000), Medium, ReadOnly, Accepted, "Lower bound of a group's own `share.record.lock.duration.ms`.";
    "group.share.min.session.timeout.ms": Int, Text("45000"), AtLeast(1), Medium, ReadOnly, Accepted, "Lower bound of a group's own `share.session.timeout.ms`.";
    "group.share.partition.max.record.locks": Int, Text("2000"), Between(100, 10_000), Medium, ReadOnly, Accepted, "Most records of one partition that a share group holds locked.";
    "group.share.record.lock.duration.ms": Int, Text("30000"), Between(1000, 3_600_000), Medium, ReadOnly, Accepted, "Time a share consumer may hold a record before others get it.";
    "group.share.session.timeout.ms": Int, Text("45000"), AtLeast(1), Medium, ReadOnly, Accepted, "Time without heartbeats after which a share group drops a member.";
    "group.streams.assignment.interval.ms": Int, Text("1000"), AtLeast(0), Medium, ClusterWide, Accepted, "Least time between two assignments of a streams group.";
    "group.streams.heartbeat.interval.ms": Int, Text("5000"), AtLeast(1), Medium, ReadOnly, Accepted, "Heartbeat interval that members of streams groups are told.";
    "group.streams.initial.rebalance.delay.ms": Int, Text("3000"), AtLeast(0), Medium, ReadOnly, Accepted, "Time an empty streams group waits for more members before its first assignment.";
    "group.streams.max.assignment.interval.ms": Int, Text("15000"), AtLeast(0), Medium, ReadOnly, Accepted, "Upper bound of a group's own `streams.assignment.interval.ms`.";
    "group.streams.max.heartbeat.interval.ms": Int, Text("15000"), AtLeast(1), Medium, ReadOnly, Accepted, "Upper bound of a group's own `streams.heartbeat.interval.ms`.";
    "group.streams.max.session.timeout.ms": Int, Text("60000"), AtLeast(1), Medium, ReadOnly, Accepted, "Upper bound of a group's own `streams.session.timeout.ms`.";
    "group.streams.max.size": Int, Text("2147483647"), AtLeast(1), Medium, ReadOnly, Accepted, "Most members of one streams group.";
    "group.streams.max.standby.replicas": Int, Text("2"), AtLeast(0), Medium, ReadOnly, Accepted, "Upper bound of a group's own `streams.num.standby.replicas`.";
    "group.streams.min.assignment.interval.ms": Int, Text("0"), AtLeast(0), Medium, ReadOnly, Accepted, "Lower bound of a group's own `streams.assignment.interval.ms`.";
    "group.streams.min.heartbeat.interval.ms": Int, Text("5000"), AtLeast(1), Medium, ReadOnly, Accepted, "Lower bound of a group's own `streams.heartbeat.interval.ms`.";
    "group.streams.min.session.timeout.ms": Int, Text("45000"), AtLeast(1), Medium, ReadOnly, Accepted, "Lower bound of a group's own `streams.session.timeout.ms`.";
    "group.streams.num.standby.replicas": Int, Text("0"), AtLeast(0), Medium, ReadOnly, Accepted, "Standby copies of each task of a streams group.";
    "group.streams.session.timeout.ms": Int, Text("45000"), AtLeast(1), Medium, ReadOnly, Accepted, "Time without heartbeats after which a streams group drops a member.";
    "initial.broker.registration.timeout.ms": Int, Text("60000"), Any, Medium, ReadOnly, Accepted, "Time a starting broker tries to register before it gives up.";
    "inter.broker.listener.name": String, Null, Any, Medium, ReadOnly, Honoured, "Name of the listener that brokers use among each other.";
    "kafka.metrics.polling.interval.secs": Int, Text("10"), AtLeast(1), Low, ReadOnly, Accepted, "Polling interval of the older metrics reporters.";
    "kafka.metrics.reporters": List, Text(""), list(MayBeEmpty), Low, ReadOnly, Accepted, "Classes that report the older metrics.";
    "leader.imbalance.check.interval.seconds": Long, Text("300"), AtLeast(1), High, ReadOnly, Accepted, "Time between checks of how far leaders are from the preferred replicas.";
    "listener.security.protocol.map": String, Text("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any, Low, PerBroker, Honoured, "Security protocol of each listener name, as `NAME:PROTOCOL`.";
    "listeners": List, Text("PLAINTEXT://:9092"), list(NotEmpty), High, PerBroker, Honoured, "Addresses to listen on, as `NAME://host:port`; an empty host means all addresses.";
    "log.cleaner.backoff.ms": Long, Text("15000"), AtLeast(0), Medium, ClusterWide, Honoured, "Time the cleaner sleeps when there is nothing to clean.";
    "log.cleaner.dedupe.buffer.size": Long, Text("134217728"), Any, Medium, ClusterWide, Honoured, "Memory for the cleaner's key maps, over all threads.";
    "log.cleaner.delete.retention.ms": Long, Text("86400000"), AtLeast(0), Medium, ClusterWide, Honoured, "Time that deletion markers stay in compacted topics.";
    "log.cleaner.enable": Boolean, Text("true"), Any, Medium, ReadOnly, Honoured, "Whether the cleaner runs.";
    "log.cleaner.io.buffer.load.factor": Double, Text("0.9"), Any, Medium, ClusterWide, Honoured, "Share of the cleaner's key map that may fill before another pass is needed.";
    "log.cleaner.io.buffer.size": Int, Text("524288"), AtLeast(0), Medium, ClusterWide, Accepted, "Memory for the cleaner's reads and writes, over all threads.";
    "log.cleaner.io.max.bytes.per.second": Double, Text("1.7976931348623157E308"), Any, Medium, ClusterWide, Honoured, "Most bytes that the cleaner reads and writes in a second.";
    "log.cleaner.max.compaction.lag.ms": Long, Text("9223372036854775807"), AtLeast(1), Medium, ClusterWide, Honoured, "Longest time a record of a compacted topic stays uncompacted.";
    "log.cleaner.min.cleanable.ratio": Double, Text("0.5"), Between(0, 1), Medium, ClusterWide, Honoured, "Share of uncompacted bytes from which on a log is cleaned.";
    "log.cleaner.min.compaction.lag.ms": Long, Text("0"), AtLeast(0), Medium, ClusterWide, Honoured, "Shortest time a record of a compacted topic stays uncompacted.";
    "log.cleaner.threads": Int, Text("1"), AtLeast(0), Medium, ClusterWide, Honoured, "Threads that clean logs.";
    "log.cleanup.policy": List, Text("delete"), list_of(&["compact", "delete"], MayBeEmpty), Medium, ClusterWide, Honoured, "What happens to old segments: `delete`, `compact`, both, or nothing when empty.";
    "log.dir": List, Text("/tmp/kafka-logs"), list(NotEmpty), High, ReadOnly, Honoured, "The log directory, when `log.dirs` is not set.";
    "log.dir.failure.timeout.ms": Long, Text("30000"), AtLeast(1), Low, ReadOnly, Accepted, "Time after which a broker stops if it cannot report a failed log directory.";
    "log.dirs": List, Null, list(NotEmpty), High, ReadOnly, Honoured, "Directories that hold the logs.";
    "log.flush.interval.messages": Long, Text("9223372036854775807"), AtLeast(1), High, ClusterWide, Honoured, "Records of a partition after which it is flushed to disk.";
    "log.flush.interval.ms": Long, Null, Any, High, ClusterWide, Honoured, "Time after which a partition's records are flushed to disk.";
    "log.flush.offset.checkpoint.interval.ms": Int, Text("60000"), AtLeast(0), High, ReadOnly, Accepted, "Time between writes of the recovery point checkpoint.";
    "log.flush.scheduler.interval.ms": Long, Text("9223372036854775807"), Any, High, ReadOnly, Honoured, "Time between searches for partitions to flush; the default of `log.flush.interval.ms`.";
    "log.flush.start.offset.checkpoint.interval.ms": Int, Text("60000"), AtLeast(0), High, ReadOnly, Accepted, "Time between writes of the log start offset checkpoint.";
    "log.index.interval.bytes": Int, Text("4096"), AtLeast(0), Medium, ClusterWide, Honoured, "Bytes of records between two entries of the offset index.";
    "log.index.size.max.bytes": Int, Text("10485760"), AtLeast(4), Medium, ClusterWide, Honoured, "Largest size of an index file.";
    "log.local.retention.bytes": Long, Text("-2"), AtLeast(-2), Medium, ClusterWide, Accepted, "Bytes of a tiered partition that stay local; -2 follows `log.retention.bytes`.";
    "log.local.retention.ms": Long, Text("-2"), AtLeast(-2), Medium, ClusterWide, Accepted, "Time that records of a tiered partition stay local; -2 follows `log.retention.ms`.";
    "log.message.timestamp.after.max.ms": Long, Text("3600000"), AtLeast(0), Medium, ClusterWide, Honoured, "How far a record's timestamp may lie ahead of the broker's clock.";
    "log.message.timestamp.before.max.ms": Long, Text("9223372036854775807"), AtLeast(0), Medium, ClusterWide, Honoured, "How far a record's timestamp may lie behind the broker's clock.";
    "log.message.timestamp.type": String, Text("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), Medium, ClusterWide, Honoured, "Whether records carry the time of the producer or of the append.";
    "log.preallocate": Boolean, Text("false"), Any, Medium, ClusterWide, Honoured, "Whether room for a whole segment is set aside when it is made.";
    "log.retention.bytes": Long, Text("-1"), Any, High, ClusterWide, Honoured, "Size of a partition beyond which old segments are deleted; -1 means no limit.";
    "log.retention.check.interval.ms": Long, Text("300000"), AtLeast(1), Medium, ReadOnly, Honoured, "Time between searches for segments to delete.";
    "log.retention.hours": Int, Text("168"), Any, High, ReadOnly, Honoured, "Hours that records are kept, when no finer unit is set.";
    "log.retention.minutes": Int, Null, Any, High, ReadOnly, Honoured, "Minutes that records are kept, when `log.retention.ms` is not set.";
    "log.retention.ms": Long, Null, Any, High, ClusterWide, Honoured, "Milliseconds that records are kept; -1 means for ever.";
    "log.roll.hours": Int, Text("168"), AtLeast(1), High, ReadOnly, Honoured, "Hours after which a segment is rolled, when `log.roll.ms` is not set.";
    "log.roll.jitter.hours": Int, Text("0"), AtLeast(0), High, ReadOnly, Honoured, "Most hours by which rolls are spread, when `log.roll.jitter.ms` is not set.";
    "log.roll.jitter.ms": Long, Null, Any, High, ClusterWide, Honoured, "Most milliseconds by which rolls are spread.";
    "log.roll.ms": Long, Null, Any, High, ClusterWide, Honoured, "Milliseconds after which a segment is rolled even if it is not full.";
    "log.segment.bytes": Int, Text("1073741824"), AtLeast(1_048_576), High, ClusterWide, Honoured, "Largest size of a segment file.";
    "log.segment.delete.delay.ms": Long, Text("60000"), AtLeast(0), High, ClusterWide, Honoured, "Time between dropping a segment and deleting its file.";
    "max.connection.creation.rate": Int, Text("2147483647"), AtLeast(0), Medium, ClusterWide, Honoured, "Most new connections in a second.";
    "max.connections": Int, Text("2147483647"), AtLeast(0), Medium, ClusterWide, Honoured, "Most connections at a time.";
    "max.connections.per.ip": Int, Text("2147483647"), AtLeast(0), Medium, ClusterWide, Honoured, "Most connections from one address.";
    "max.connections.per.ip.overrides": String, Text(""), Any, Medium, ClusterWide, Honoured, "Limits for single addresses or host names, as `address:count`.";
    "max.incremental.fetch.session.cache.slots": Int, Text("1000"), AtLeast(0), Medium, ReadOnly, Honoured, "Most fetch sessions that are kept.";
    "max.request.partition.size.limit": Int, Text("2000"), AtLeast(1), Medium, ReadOnly, Honoured, "Most partitions that one request may name, where Kafka limits them.";
    "message.max.bytes": Int, Text("1048588"), AtLeast(0), High, ClusterWide, Honoured, "Largest record batch that is accepted.";
    "metadata.log.dir": String, Null, Any, High, ReadOnly, Honoured, "Directory of the metadata log, when it is not the first of `log.dirs`.";
    "metadata.log.max.record.bytes.between.snapshots": Long, Text("20971520"), AtLeast(1), High, ReadOnly, Honoured, "Bytes of metadata records after which a snapshot is written.";
    "metadata.log.max.snapshot.interval.ms": Long, Text("3600000"), AtLeast(0), High, ReadOnly, Honoured, "Longest time between two metadata snapshots, if anything changed.";
    "metadata.log.segment.bytes": Int, Text("1073741824"), AtLeast(8_388_608), High, ReadOnly, Honoured, "Largest size of a segment of the metadata log.";
    "metadata.log.segment.ms": Long, Text("604800000"), Any, High, ReadOnly, Honoured, "Time after which a segment of the metadata log is rolled.";
    "metadata.max.idle.interval.ms": Int, Text("500"), AtLeast(0), Low, ReadOnly, Accepted, "Time after which an idle controller writes an empty record; 0 means never.";
    "metadata.max.retention.bytes": Long, Text("104857600"), Any, High, ReadOnly, Accepted, "Size of metadata log and snapshots beyond which old ones are deleted.";
    "metadata.max.retention.ms": Long, Text("604800000"), Any, High, ReadOnly, Accepted, "Time that metadata log and snapshots are kept.";
    "metric.reporters": List, Text("org.apache.kafka.common.metrics.JmxReporter"), list(MayBeEmpty), Low, ClusterWide, Accepted, "Classes that report metrics.";
    "metrics.num.samples": Int, Text("2"), AtLeast(1), Low, ReadOnly, Accepted, "Samples kept for a windowed metric.";
    "metrics.recording.level": String, Text("INFO"), Any, Low, ReadOnly, Accepted, "Level of detail of recorded metrics.";
    "metrics.sample.window.ms": Long, Text("30000"), AtLeast(1), Low, ReadOnly, Accepted, "Length of one sample of a windowed metric.";
    "min.insync.replicas": Int, Text("1"), AtLeast(1), High, ClusterWide, Honoured, "Replicas that must have a record before acks=all is answered.";
    "node.id": Int, Required, AtLeast(0), High, ReadOnly, Honoured, "Number of this node, unique in the cluster.";
    "num.io.threads": Int, Text("8"), AtLeast(1), High, ClusterWide, Accepted, "Threads that serve requests.";
    "num.network.threads": Int, Text("3"), AtLeast(1), High, ClusterWide, Accepted, "Threads that serve a listener's connections.";
    "num.partitions": Int, Text("1"), AtLeast(1), Medium, ReadOnly, Honoured, "Partitions of a topic that is created without a count of its own.";
    "num.recovery.threads.per.data.dir": Int, Text("2"), AtLeast(1), High, ClusterWide, Honoured, "Threads per log directory that open logs at the start.";
    "num.replica.alter.log.dirs.threads": Int, Null, Any, High, ReadOnly, Honoured, "Threads that move replicas between log directories; if not set, one per log directory.";
    "num.replica.fetchers": Int, Text("1"), AtLeast(1), High, ClusterWide, Accepted, "Threads that copy from one leader.";
    "offset.metadata.max.bytes": Int, Text("4096"), Any, High, ReadOnly, Honoured, "Longest metadata text of a committed offset.";
    "offsets.commit.timeout.ms": Int, Text("5000"), AtLeast(1), High, ReadOnly, Honoured, "Longest wait for a commit of offsets to be replicated.";
    "offsets.load.buffer.size": Int, Text("5242880"), AtLeast(1), High, ReadOnly, Honoured, "Bytes read at a time when offsets are loaded.";
    "offsets.retention.check.interval.ms": Long, Text("600000"), AtLeast(1), High, ReadOnly, Honoured, "Time between searches for expired offsets.";
    "offsets.retention.minutes": Int, Text("10080"), AtLeast(1), High, ReadOnly, Honoured, "Minutes that the offsets of an empty group are kept.";
    "offsets.topic.compression.codec": Int, Text("0"), Any, High, ReadOnly, Honoured, "Codec number of the offsets topic.";
    "offsets.topic.num.partitions": Int, Text("50"), AtLeast(1), High, ReadOnly, Honoured, "Partitions of the offsets topic; fixed once it exists.";
    "offsets.topic.replication.factor": Short, Text("3"), AtLeast(1), High, ReadOnly, Honoured, "Replicas of the offsets topic.";
    "offsets.topic.segment.bytes": Int, Text("104857600"), AtLeast(1), High, ReadOnly, Honoured, "Segment size of the offsets topic.";
    "principal.builder.class": Class, Text("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"), Any, Medium, PerBroker, Accepted, "Class that makes the principal of an authenticated connection.";
    "process.roles": List, Required, list_of(&["broker", "controller"], NotEmpty), High, ReadOnly, Honoured, "Roles of this node: `broker`, `controller` or both.";
    "producer.id.expiration.ms": Int, Text("86400000"), AtLeast(1), Low, ClusterWide, Honoured, "Time after its last write that a producer's state is forgotten.";
    "producer.purgatory.purge.interval.requests": Int, Text("1000"), Any, Medium, ReadOnly, Accepted, "Finished produce requests kept before they are swept out.";
    "queued.max.request.bytes": Long, Text("-1"), Any, Medium, ReadOnly, Honoured, "Most bytes of requests in memory; not positive means the built-in limit.";
    "queued.max.requests": Int, Text("500"), AtLeast(1), High, ReadOnly, Accepted, "Most requests that wait to be served.";
    "quota.window.num": Int, Text("11"), AtLeast(1), Low, ReadOnly, Honoured, "Samples that a limited rate is taken over.";
    "quota.window.size.seconds": Int, Text("1"), AtLeast(1), Low, ReadOnly, Honoured, "Length of one of these samples.";
    "remote.fetch.max.wait.ms": Int, Text("500"), AtLeast(1), Medium, ClusterWide, Accepted, "Longest wait for a read from remote storage.";
    "remote.list.offsets.request.timeout.ms": Long, Text("30000"), AtLeast(1), Medium, ClusterWide, Accepted, "Longest wait for an offset lookup in remote storage.";
    "remote.log.index.file.cache.total.size.bytes": Long, Text("1073741824"), AtLeast(1), Low, ClusterWide, Accepted, "Disk space for cached indexes of remote segments.";
    "remote.log.manager.copier.thread.pool.size": Int, Text("10"), AtLeast(1), Medium, ClusterWide, Accepted, "Threads that copy segments to remote storage.";
    "remote.log.manager.copy.max.bytes.per.second": Long, Text("9223372036854775807"), AtLeast(1), Medium, ClusterWide, Accepted, "Most bytes copied to remote storage in a second.";
    "remote.log.manager.copy.quota.window.num": Int, Text("11"), AtLeast(1), Medium, ReadOnly, Accepted, "Samples kept for the quota on copies to remote storage.";
    "remote.log.manager.copy.quota.window.size.seconds": Int, Text("1"), AtLeast(1), Medium, ReadOnly, Accepted, "Length of one sample of the quota on copies to remote storage.";
    "remote.log.manager.expiration.thread.pool.size": Int, Text("10"), AtLeast(1), Medium, ClusterWide, Accepted, "Threads that delete expired remote segments.";
    "remote.log.manager.fetch.max.bytes.per.second": Long, Text("9223372036854775807"), AtLeast(1), Medium, ClusterWide, Accepted, "Most bytes read from remote storage in a second.";
    "remote.log.manager.fetch.quota.window.num": Int, Text("11"), AtLeast(1), Medium, ReadOnly, Accepted, "Samples kept for the quota on reads from remote storage.";
    "remote.log.manager.fetch.quota.window.size.seconds": Int, Text("1"), AtLeast(1), Medium, ReadOnly, Accepted, "Length of one sample of the quota on reads from remote storage.";
    "remote.log.manager.follower.thread.pool.size": Int, Text("2"), AtLeast(1), Medium, ClusterWide, Accepted, "Threads for remote log work of followers.";
    "remote.log.manager.task.interval.ms": Long, Text("30000"), AtLeast(1), Low, ReadOnly, Accepted, "Time between rounds of the remote log tasks.";
    "remote.log.manager.thread.pool.size": Int, Text("2"), AtLeast(1), Medium, ReadOnly, Accepted, "Threads of the remote log manager.";
    "remote.log.metadata.custom.metadata.max.bytes": Int, Text("128"), AtLeast(0), Low, ReadOnly, Accepted, "Largest custom metadata of a remote segment.";
    "remote.log.metadata.manager.class.name": String, Text("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), NonEmpty, Medium, ReadOnly, Accepted, "Class that keeps the metadata of remote segments.";
    "remote.log.metadata.manager.class.path": String, Null, Any, Medium, ReadOnly, Accepted, "Where the class that keeps the metadata of remote segments is loaded from.";
    "remote.log.metadata.manager.impl.prefix": String, Text("rlmm.config."), NonEmpty, Medium, ReadOnly, Accepted, "Prefix of the keys handed to the remote metadata manager.";
    "remote.log.metadata.manager.listener.name": String, Null, NonEmpty, Medium, ReadOnly, Accepted, "Listener that the remote metadata manager's clients use.";
    "remote.log.reader.max.pending.tasks": Int, Text("100"), AtLeast(1), Medium, ReadOnly, Accepted, "Most reads from remote storage that wait.";
    "remote.log.reader.threads": Int, Text("10"), AtLeast(1), Medium, ClusterWide, Accepted, "Threads that read from remote storage.";
    "remote.log.storage.manager.class.name": String, Null, NonEmpty, Medium, ReadOnly, Accepted, "Class that talks to remote storage.";
    "remote.log.storage.manager.class.path": String, Null, Any, Medium, ReadOnly, Accepted, "Where the class that talks to remote storage is loaded from.";
    "remote.log.storage.manager.impl.prefix": String, Text("rsm.config."), NonEmpty, Medium, ReadOnly, Accepted, "Prefix of the keys handed to the remote storage manager.";
    "remote.log.storage.system.enable": Boolean, Text("false"), Any, Medium, ReadOnly, Accepted, "Whether tiered storage is switched on.";
    "replica.fetch.backoff.ms": Int, Text("1000"), AtLeast(0), Medium, ReadOnly, Accepted, "Wait of a follower after a failed fetch.";
    "replica.fetch.max.bytes": Int, Text("1048576"), AtLeast(0), Medium, ReadOnly, Accepted, "Bytes per partition that a follower asks for.";
    "replica.fetch.min.bytes": Int, Text("1"), Any, High, ReadOnly, Accepted, "Least bytes that a follower waits for.";
    "replica.fetch.response.max.bytes": Int, Text("10485760"), AtLeast(0), Medium, ReadOnly, Accepted, "Bytes of a whole response that a follower asks for.";
    "replica.fetch.wait.max.ms": Int, Text("500"), Any, High, ReadOnly, Accepted, "Longest wait of a follower's fetch at the leader.";
    "replica.high.watermark.checkpoint.interval.ms": Long, Text("5000"), Any, High, ReadOnly, Accepted, "Time between writes of the high watermark checkpoint.";
    "replica.lag.time.max.ms": Long, Text("30000"), Any, High, ReadOnly, Accepted, "Time behind the leader after which a follower leaves the in-sync replicas.";
    "replica.selector.class": String, Null, Any, Medium, ReadOnly, Accepted, "Class that chooses the replica a consumer reads from.";
    "replica.socket.receive.buffer.bytes": Int, Text("65536"), Any, High, ReadOnly, Accepted, "Socket receive buffer of a follower's fetches.";
    "replica.socket.timeout.ms": Int, Text("30000"), Any, High, ReadOnly, Accepted, "Socket timeout of a follower's fetches.";
    "replication.quota.window.num": Int, Text("11"), AtLeast(1), Low, ReadOnly, Accepted, "Samples kept for replication quotas.";
    "replication.quota.window.size.seconds": Int, Text("1"), AtLeast(1), Low, ReadOnly, Accepted, "Length of one sample of replication quotas.";
    "request.timeout.ms": Int, Text("30000"), Any, High, ReadOnly, Accepted, "Longest wait for an answer from another node.";
    "sasl.client.callback.handler.class": Class, Null, Any, Medium, ReadOnly, Accepted, "Class that answers SASL questions on the client side.";
    "sasl.enabled.mechanisms": List, Text("GSSAPI"), list(MayBeEmpty), Medium, PerBroker, Accepted, "SASL mechanisms that are offered.";
    "sasl.jaas.config": Password, Null, Any, Medium, PerBroker, Accepted, "JAAS entry of a SASL mechanism; belongs on a listener.";
    "sasl.kerberos.kinit.cmd": String, Text("/usr/bin/kinit"), Any, Medium, PerBroker, Accepted, "Path of the kinit command.";
    "sasl.kerberos.min.time.before.relogin": Long, Text("60000"), Any, Medium, PerBroker, Accepted, "Time between checks of the Kerberos ticket.";
    "sasl.kerberos.principal.to.local.rules": List, Text("DEFAULT"), list(MayBeEmpty), Medium, PerBroker, Accepted, "Rules that shorten Kerberos principals to names.";
    "sasl.kerberos.service.name": String, Null, Any, Medium, PerBroker, Accepted, "Kerberos service name of the brokers.";
    "sasl.kerberos.ticket.renew.jitter": Double, Text("0.05"), Any, Medium, PerBroker, Accepted, "Random part of the time to renew a Kerberos ticket.";
    "sasl.kerberos.ticket.renew.window.factor": Double, Text("0.8"), Any, Medium, PerBroker, Accepted, "Share of a ticket's life after which it is renewed.";
    "sasl.login.callback.handler.class": Class, Null, Any, Medium, ReadOnly, Accepted, "Class that answers questions of the SASL login.";
    "sasl.login.class": Class, Null, Any, Medium, ReadOnly, Accepted, "Class that performs the SASL login.";
    "sasl.login.connect.timeout.ms": Int, Null, Any, Low, ReadOnly, Accepted, "Connect timeout towards the identity provider.";
    "sasl.login.read.timeout.ms": Int, Null, Any, Low, ReadOnly, Accepted, "Read timeout towards the identity provider.";
    "sasl.login.refresh.buffer.seconds": Short, Text("300"), Any, Medium, PerBroker, Accepted, "Time before a credential's end that must remain when it is refreshed.";
    "sasl.login.refresh.min.period.seconds": Short, Text("60"), Any, Medium, PerBroker, Accepted, "Least time between two refreshes of a credential.";
    "sasl.login.refresh.window.factor": Double, Text("0.8"), Any, Medium, PerBroker, Accepted, "Share of a credential's life after which it is refreshed.";
    "sasl.login.refresh.window.jitter": Double, Text("0.05"), Any, Medium, PerBroker, Accepted, "Random part of the time to refresh a credential.";
    "sasl.login.retry.backoff.max.ms": Long, Text("10000"), Any, Low, ReadOnly, Accepted, "Longest wait between tries to reach the identity provider.";
    "sasl.login.retry.backoff.ms": Long, Text("100"), Any, Low, ReadOnly, Accepted, "First wait between tries to reach the identity provider.";
    "sasl.mechanism.controller.protocol": String, Text("GSSAPI"), Any, High, ReadOnly, Accepted, "SASL mechanism towards controllers.";
    "sasl.mechanism.inter.broker.protocol": String, Text("GSSAPI"), Any, Medium, PerBroker, Accepted, "SASL mechanism among brokers.";
    "sasl.oauthbearer.assertion.algorithm": String, Text("RS256"), OneOfAnyCase(&["ES256", "RS256"]), Medium, ReadOnly, Accepted, "Signature algorithm of the client assertion.";
    "sasl.oauthbearer.assertion.claim.aud": String, Null, Any, Medium, ReadOnly, Accepted, "Audience claim of the client assertion.";
    "sasl.oauthbearer.assertion.claim.exp.seconds": Int, Text("300"), Between(0, 86_400), Low, ReadOnly, Accepted, "Time that a client assertion is valid.";
    "sasl.oauthbearer.assertion.claim.iss": String, Null, Any, Medium, ReadOnly, Accepted, "Issuer claim of the client assertion.";
    "sasl.oauthbearer.assertion.claim.jti.include": Boolean, Text("false"), Any, Medium, ReadOnly, Accepted, "Whether the client assertion carries a unique id.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds": Int, Text("60"), Between(0, 3600), Low, ReadOnly, Accepted, "How far the client assertion's start is dated back.";
    "sasl.oauthbearer.assertion.claim.sub": String, Null, Any, Medium, ReadOnly, Accepted, "Subject claim of the client assertion.";
    "sasl.oauthbearer.assertion.file": String, Null, Any, Medium, ReadOnly, Accepted, "File that holds a ready client assertion.";
    "sasl.oauthbearer.assertion.private.key.file": String, Null, Any, Medium, ReadOnly, Accepted, "File of the private key that signs client assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase": Password, Null, Any, Medium, ReadOnly, Accepted, "Passphrase of the key that signs client assertions.";
    "sasl.oauthbearer.assertion.template.file": String, Null, Any, Medium, ReadOnly, Accepted, "File with further headers and claims of the client assertion.";
    "sasl.oauthbearer.client.credentials.client.id": String, Null, Any, Medium, ReadOnly, Accepted, "Client id for the client credentials grant.";
    "sasl.oauthbearer.client.credentials.client.secret": Password, Null, Any, Medium, ReadOnly, Accepted, "Client secret for the client credentials grant.";
    "sasl.oauthbearer.clock.skew.seconds": Int, Text("30"), Any, Low, ReadOnly, Accepted, "Difference between clocks that is tolerated in tokens.";
    "sasl.oauthbearer.expected.audience": List, Text(""), list(MayBeEmpty), High, ReadOnly, Accepted, "Audiences that a token may be meant for.";
    "sasl.oauthbearer.expected.issuer": String, Null, Any, High, ReadOnly, Accepted, "Issuer that a token must come from.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms": Long, Text("3600000"), Any, Low, ReadOnly, Accepted, "Time between reads of the identity provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms": Long, Text("10000"), Any, Low, ReadOnly, Accepted, "Longest wait between tries to read the identity provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms": Long, Text("100"), Any, Low, ReadOnly, Accepted, "First wait between tries to read the identity provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.url": String, Null, Any, Medium, ReadOnly, Accepted, "Where the identity provider's keys are read.";
    "sasl.oauthbearer.jwt.retriever.class": Class, Text("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Any, Medium, ReadOnly, Accepted, "Class that fetches tokens.";
    "sasl.oauthbearer.jwt.validator.class": Class, Text("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Any, Medium, ReadOnly, Accepted, "Class that checks tokens.";
    "sasl.oauthbearer.scope": String, Null, Any, Medium, ReadOnly, Accepted, "Scope asked for in a token request.";
    "sasl.oauthbearer.scope.claim.name": String, Text("scope"), Any, Low, ReadOnly, Accepted, "Name of the claim that holds the scope.";
    "sasl.oauthbearer.sub.claim.name": String, Text("sub"), Any, Low, ReadOnly, Accepted, "Name of the claim that holds the subject.";
    "sasl.oauthbearer.token.endpoint.url": String, Null, Any, Medium, ReadOnly, Accepted, "Where tokens are fetched.";
    "sasl.server.callback.handler.class": Class, Null, Any, Medium, ReadOnly, Accepted, "Class that answers SASL questions on the server side.";
    "sasl.server.max.receive.size": Int, Text("524288"), Any, Medium, ReadOnly, Accepted, "Largest SASL message that is accepted before authentication.";
    "security.inter.broker.protocol": String, Text("PLAINTEXT"), OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), Medium, ReadOnly, Honoured, "Security protocol among brokers, when no listener is named for them.";
    "security.providers": String, Null, Any, Low, ReadOnly, Accepted, "Classes that add security algorithms.";
    "share.coordinator.append.linger.ms": Int, Text("-1"), AtLeast(-1), Medium, ReadOnly, Accepted, "Time the share coordinator gathers records before it writes them; -1 adapts to the load.";
    "share.coordinator.cached.buffer.max.bytes": Int, Text("1048588"), AtLeast(524_288), Medium, ClusterWide, Accepted, "Largest write buffer that the share coordinator keeps for reuse.";
    "share.coordinator.load.buffer.size": Int, Text("5242880"), AtLeast(1), High, ReadOnly, Accepted, "Bytes read at a time when share state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot": Int, Text("500"), Between(0, 500), Medium, ReadOnly, Accepted, "Updates of a share partition between two snapshots.";
    "share.coordinator.state.topic.compression.codec": Int, Text("0"), Any, High, ReadOnly, Accepted, "Codec number of the share state topic.";
    "share.coordinator.state.topic.min.isr": Short, Text("2"), AtLeast(1), High, ReadOnly, Accepted, "`min.insync.replicas` of the share state topic.";
    "share.coordinator.state.topic.num.partitions": Int, Text("50"), AtLeast(1), High, ReadOnly, Accepted, "Partitions of the share state topic; fixed once it exists.";
    "share.coordinator.state.topic.replication.factor": Short, Text("3"), AtLeast(1), High, ReadOnly, Accepted, "Replicas of the share state topic.";
    "share.coordinator.state.topic.segment.bytes": Int, Text("104857600"), AtLeast(1), High, ReadOnly, Accepted, "Segment size of the share state topic.";
    "share.coordinator.threads": Int, Text("1"), AtLeast(1), Medium, ReadOnly, Accepted, "Threads of the share coordinator.";
    "share.coordinator.write.timeout.ms": Int, Text("5000"), AtLeast(1), High, ReadOnly, Accepted, "Longest wait for a write of share state to be replicated.";
    "share.fetch.purgatory.purge.interval.requests": Int, Text("1000"), Any, Medium, ReadOnly, Accepted, "Finished share fetches kept before they are swept out.";
    "socket.connection.setup.timeout.max.ms": Long, Text("30000"), Any, Medium, ReadOnly, Accepted, "Longest wait for a connection to another node.";
    "socket.connection.setup.timeout.ms": Long, Text("10000"), Any, Medium, ReadOnly, Accepted, "First wait for a connection to another node.";
    "socket.listen.backlog.size": Int, Text("50"), AtLeast(1), Medium, ReadOnly, Honoured, "Connections that may wait to be accepted.";
    "socket.receive.buffer.bytes": Int, Text("524288"), Any, High, ReadOnly, Honoured, "Socket receive buffer; -1 leaves it to the operating system. Kafka's default of 102400 takes a large batch in small pieces, at a third more CPU.";
    "socket.request.max.bytes": Int, Text("104857600"), AtLeast(1), High, ReadOnly, Honoured, "Largest request that is read.";
    "socket.send.buffer.bytes": Int, Text("524288"), Any, High, ReadOnly, Honoured, "Socket send buffer; -1 leaves it to the operating system. With Kafka's default of 102400 a reader waits for the broker at half the rate.";
    "ssl.allow.dn.changes": Boolean, Text("false"), Any, Low, ReadOnly, Accepted, "Whether a new keystore may carry another distinguished name.";
    "ssl.allow.san.changes": Boolean, Text("false"), Any, Low, ReadOnly, Accepted, "Whether a new keystore may drop alternative names.";
    "ssl.cipher.suites": List, Text(""), list(MayBeEmpty), Medium, PerBroker, Accepted, "Cipher suites that are offered; empty means the library's own.";
    "ssl.client.auth": String, Text("none"), OneOf(&["required", "requested", "none"]), Medium, PerBroker, Accepted, "Whether clients must show a certificate.";
    "ssl.enabled.protocols": List, Text("TLSv1.2,TLSv1.3"), list(MayBeEmpty), Medium, PerBroker, Accepted, "TLS versions that are offered.";
    "ssl.endpoint.identification.algorithm": String, Text("https"), Any, Low, PerBroker, Accepted, "How the server's name is checked; empty switches the check off.";
    "ssl.engine.factory.class": Class, Null, Any, Low, PerBroker, Accepted, "Class that makes TLS engines.";
    "ssl.key.password": Password, Null, Any, Medium, PerBroker, Accepted, "Password of the private key.";
    "ssl.keymanager.algorithm": String, Text("SunX509"), Any, Medium, PerBroker, Accepted, "Algorithm of the key manager.";
    "ssl.keystore.certificate.chain": Password, Null, Any, Medium, PerBroker, Accepted, "Certificate chain as PEM text.";
    "ssl.keystore.key": Password, Null, Any, Medium, PerBroker, Accepted, "Private key as PEM text.";
    "ssl.keystore.location": String, Null, Any, Medium, PerBroker, Accepted, "File that holds key and certificate.";
    "ssl.keystore.password": Password, Null, Any, Medium, PerBroker, Accepted, "Password of the keystore file.";
    "ssl.keystore.type": String, Text("JKS"), Any, Medium, PerBroker, Accepted, "Format of the keystore file.";
    "ssl.principal.mapping.rules": String, Text("DEFAULT"), Any, Low, ReadOnly, Accepted, "Rules that turn a certificate's name into a principal.";
    "ssl.protocol": String, Text("TLSv1.3"), Any, Medium, PerBroker, Accepted, "TLS protocol of the context.";
    "ssl.provider": String, Null, Any, Medium, PerBroker, Accepted, "Security provider for TLS.";
    "ssl.secure.random.implementation": String, Null, Any, Low, PerBroker, Accepted, "Random number generator for TLS.";
    "ssl.trustmanager.algorithm": String, Text("PKIX"), Any, Medium, PerBroker, Accepted, "Algorithm of the trust manager.";
    "ssl.truststore.certificates": Password, Null, Any, Medium, PerBroker, Accepted, "Trusted certificates as PEM text.";
    "ssl.truststore.location": String, Null, Any, Medium, PerBroker, Accepted, "File that holds the trusted certificates.";
    "ssl.truststore.password": Password, Null, Any, Medium, PerBroker, Accepted, "Password of the truststore file.";
    "ssl.truststore.type": String, Text("JKS"), Any, Medium, PerBroker, Accepted, "Format of the truststore file.";
    "telemetry.max.bytes": Int, Text("1048576"), AtLeast(1), Low, ReadOnly, Accepted, "Largest push of client metrics.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": Int, Text("10000"), AtLeast(1), Low, ReadOnly, Accepted, "Time between searches for transactions that ran out of time.";
    "transaction.max.timeout.ms": Int, Text("900000"), AtLeast(1), High, ReadOnly, Honoured, "Longest timeout that a transaction may ask for.";
    "transaction.partition.verification.enable": Boolean, Text("true"), Any, Low, ClusterWide, Honoured, "Whether a transactional write is checked against its coordinator.";
    "transaction.remove.expired.transaction.cleanup.interval.ms": Int, Text("3600000"), AtLeast(1), Low, ReadOnly, Honoured, "Time between searches for expired transactional ids.";
    "transaction.state.log.load.buffer.size": Int, Text("5242880"), AtLeast(1), High, ReadOnly, Honoured, "Bytes read at a time when transaction state is loaded.";
    "transaction.state.log.min.isr": Int, Text("2"), AtLeast(1), High, ReadOnly, Honoured, "`min.insync.replicas` of the transaction topic.";
    "transaction.state.log.num.partitions": Int, Text("50"), AtLeast(1), High, ReadOnly, Honoured, "Partitions of the transaction topic; fixed once it exists.";
    "transaction.state.log.replication.factor": Short, Text("3"), AtLeast(1), High, ReadOnly, Honoured, "Replicas of the transaction topic.";
    "transaction.state.log.segment.bytes": Int, Text("104857600"), AtLeast(1), High, ReadOnly, Honoured, "Segment size of the transaction topic.";
    "transaction.two.phase.commit.enable": Boolean, Text("false"), Any, Low, ReadOnly, Accepted, "Whether transactions may wait for an outer coordinator.";
    "transactional.id.expiration.ms": Int, Text("604800000"), AtLeast(1), High, ReadOnly, Honoured, "Time without use after which a transactional id is forgotten.";
    "unclean.leader.election.enable": Boolean, Text("false"), Any, High, ClusterWide, Honoured, "Whether a replica that is not in sync may become leader, losing records.";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_sorted_and_without_duplicates() {
        assert_eq!((PUBLIC.len(), INTERNAL.len()), (340, 20));
        for table in [PUBLIC, INTERNAL, OWN] {
            assert!(table.windows(2).all(|pair| pair[0].name < pair[1].name));
        }
        let mut names: Vec<_> = all().map(|key| key.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(all().all(|key| find(key.name).is_some_and(|found| found.name == key.name)));
    }

    #[test]
    fn every_default_keeps_its_own_rule_and_prints_as_it_is_written() {
        for key in all() {
            if let Text(text) = key.default {
                assert_eq!(key.parse(text).unwrap().text(), text, "{}", key.name);
            }
        }
    }

    #[test]
    fn as_many_keys_are_dynamic_as_in_kafka() {
        let count = |mode| PUBLIC.iter().filter(|key| key.mode == mode).count();
        assert_eq!((count(Mode::ClusterWide), count(Mode::PerBroker)), (62, 37));
    }

    #[test]
    fn every_key_says_what_it_is_for() {
        assert!(all().all(|key| key.documentation.ends_with('.') && !key.documentation.contains('\n')));
    }

    /// Kafka's answers, from running its `ConfigDef`.
    #[test]
    fn refusals_read_as_kafkas_do() {
        let refusal = |name: &str, raw| find(name).unwrap().parse(raw).unwrap_err().to_string();
        for (name, raw, expected) in [
            (
                "num.partitions",
                " 0 ",
                "Invalid value 0 for configuration num.partitions: Value must be at least 1",
            ),
            ("log.dirs", "a,", "Configuration 'log.dirs' values must not be empty."),
            (
                "log.dirs",
                "",
                "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value",
            ),
            (
                "process.roles",
                "",
                "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]",
            ),
            (
                "process.roles",
                "foo",
                "Invalid value foo for configuration process.roles: String must be one of: broker, controller",
            ),
            (
                "compression.gzip.level",
                "0",
                "Invalid value 0 for configuration compression.gzip.level: \
                 Value must be between 1 and 9 or equal to -1",
            ),
            (
                "log.cleaner.min.cleanable.ratio",
                "2",
                "Invalid value 2.0 for configuration log.cleaner.min.cleanable.ratio: Value must be no more than 1",
            ),
            (
                "remote.log.manager.task.retry.jitter",
                "0.6",
                "Invalid value 0.6 for configuration remote.log.manager.task.retry.jitter: \
                 Value must be no more than 0.5",
            ),
            (
                "auto.create.topics.enable",
                "yes",
                "Invalid value yes for configuration auto.create.topics.enable: \
                 Expected value to be either true or false",
            ),
            (
                "group.consumer.migration.policy",
                "x",
                "Invalid value x for configuration group.consumer.migration.policy: \
                 String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL",
            ),
            (
                "remote.log.storage.manager.class.name",
                "",
                "Invalid value  for configuration remote.log.storage.manager.class.name: String must be non-empty",
            ),
            ("controller.quorum.voters", "x@localhost:9093", "Failed to parse voter ID as an integer from x"),
            (
                "controller.quorum.bootstrap.servers",
                "localhost",
                "Failed to parse host name from localhost for the configuration controller.quorum.bootstrap.servers. \
                 Each entry should be in the form \"{host}:{port}\"",
            ),
            (
                "offsets.topic.replication.factor",
                "40000",
                "Invalid value 40000 for configuration offsets.topic.replication.factor: Not a number of type SHORT",
            ),
        ] {
            assert_eq!(refusal(name, raw), expected);
        }
    }

    #[test]
    fn duplicates_in_a_list_are_dropped() {
        assert_eq!(
            find("log.cleanup.policy").unwrap().parse("compact, delete,compact").unwrap().text(),
            "compact,delete"
        );
    }
}
