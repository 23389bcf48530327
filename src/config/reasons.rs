//! Why keys are without an effect, for `docs/configuration.md`.

/// Beginnings of names, of which the first that fits counts, with the reason.
const REASONS: [(&[&str], &str); 22] = [
    (
        &[
            "sasl.",
            "ssl.",
            "security.",
            "delegation.token.",
            "connection.failed.",
            "connections.max.reauth.",
            "principal.",
        ],
        "no TLS or SASL yet",
    ),
    (&["remote.", "log.local.", "follower.fetch.last.tiered."], "no tiered storage yet"),
    (&["group.share.", "share."], "no share groups yet"),
    (&["group.streams."], "no streams groups yet"),
    (
        &[
            "replica.high.watermark.checkpoint.",
            "log.flush.offset.checkpoint.",
            "log.flush.start.offset.checkpoint.",
        ],
        "checkpoints follow the flushes of the log directory's committer, every five seconds",
    ),
    (&["alter.log.dirs.replication.quota.window."], "a move pauses after each piece, without windows"),
    (
        &[
            "auto.leader.rebalance.",
            "broker.heartbeat.",
            "broker.session.",
            "controlled.shutdown.",
            "controller.quorum.",
            "controller.socket.",
            "initial.broker.registration.",
            "leader.imbalance.",
            "num.replica.fetchers",
            "replica.",
            "replication.quota.",
            "request.timeout.",
            "socket.connection.setup.",
            "unclean.leader.election.interval.",
        ],
        "one node so far",
    ),
    (&["controller.quota.window."], "quotas are stored, and not enforced yet"),
    (
        &[
            "background.threads",
            "group.coordinator.background.threads",
            "group.coordinator.threads",
            "num.io.threads",
            "num.network.threads",
        ],
        "no such threads: tasks share the processors",
    ),
    (&["queued.max.requests"], "no queue of requests: each connection has a bound of its own"),
    (
        &["delete.records.purgatory.", "fetch.purgatory.", "producer.purgatory."],
        "who waits no longer is removed at once",
    ),
    (&["kafka.metrics.", "metric.reporters", "metrics."], "metrics are served over HTTP, see metrics.md"),
    (&["telemetry."], "clients' metrics are not collected yet"),
    (&["alter.config.policy.", "client.quota.callback.", "create.topic.policy."], "a Java class"),
    (
        &["add.partitions.to.txn.retry."],
        "the coordinator answers when the transaction before is complete, or after a bound of its own",
    ),
    (&["transaction.abort.timed.out."], "each transaction has a timer of its own"),
    (&["transaction.two.phase."], "no two-phase commit yet"),
    (
        &["group.coordinator.append.linger."],
        "what has come while the last batch was written goes into the next",
    ),
    (&["group.coordinator.cached.buffer."], "no buffers are kept"),
    (&["log.cleaner.io.buffer.size"], "buffers have a fixed size, and grow for a larger batch"),
    (
        &["metadata.max.", "internal.metadata."],
        "the two newest snapshots are kept, and the log from the older one on; an idle controller writes nothing",
    ),
    (
        &["controller.performance.", "early.start.", "log.dir.failure.", "server.max.startup.", "unstable."],
        "nothing here that it could change: broker and controller are one process, and start in order",
    ),
];

/// Why the key has no effect.
pub(super) fn of(key: &str) -> Option<&'static str> {
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| key.starts_with(beginning));
    REASONS.iter().find(|(beginnings, _)| starts(beginnings)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::super::broker_keys;
    use super::super::key::Effect;
    use super::*;

    #[test]
    fn every_key_without_an_effect_has_a_reason_and_every_reason_a_key() {
        let all = || broker_keys::PUBLIC.iter().chain(broker_keys::INTERNAL);
        let without = || all().filter(|key| key.effect == Effect::Accepted);
        for key in without() {
            assert!(of(key.name).is_some(), "{}", key.name);
        }
        for beginning in REASONS.iter().flat_map(|(beginnings, _)| *beginnings) {
            assert!(without().any(|key| key.name.starts_with(beginning)), "{beginning}");
        }
    }
}
