"""The scenarios that every client is asked for (README.md says what each one does)."""

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

COMMON = [
    *[f"roundtrip-{codec}" for codec in CODECS],
    "sizes",
    "idempotent",
    "partitions-100",
    "seek-offset",
    "seek-timestamp",
    "auto-create",
    "admin-topics",
    "admin-configs",
    "admin-partitions",
    "admin-records",
    "admin-cluster",
    "produce-errors",
    "long-poll",
    "read-while-write",
    "restart",
    "restart-term",
]

GROUPS = [
    "group-subscribe",
    "group-rebalance",
    "group-static",
    "group-fenced",
    "group-cooperative",
    "group-commit",
    "group-auto-commit",
    "group-pattern",
    "group-seek-reset",
    "group-pause-resume",
    "group-admin",
    "group-restart",
    "group-848-subscribe",
    "group-848-rebalance",
    "group-848-static",
    "group-848-fenced",
    "group-848-pattern",
    "group-848-commit",
    "group-848-admin",
    "group-848-restart",
    "group-upgrade",
]

TRANSACTIONS = [
    "txn-commit",
    "txn-abort",
    "txn-timeout",
    "txn-fenced",
    "txn-zombie",
    "txn-offsets",
    "txn-loop",
    "txn-mixed",
    "txn-restart",
]

COMMON += GROUPS + TRANSACTIONS

TIME_LIMIT_S = 60
TIME_LIMIT_RESTART_S = 120


def restarts(scenario):
    """Such a scenario has a broker of its own."""
    return scenario.startswith("restart") or of_transcripts(scenario) or scenario.endswith("-restart")


def long(scenario):
    return restarts(scenario) or scenario.endswith("-rebalance") or scenario.startswith("group-mixed")


def played(scenario):
    """Such a scenario is played by the harness, with programs that are members."""
    return scenario.startswith(("group-", "txn-", "streams-"))


def of_transactions(scenario):
    return scenario.startswith("txn-")


def of_transcripts(scenario):
    return scenario.startswith("transcript-")


def of_streams(scenario):
    return scenario.startswith("streams-")


def time_limit_s(scenario):
    return TIME_LIMIT_RESTART_S if restarts(scenario) else TIME_LIMIT_S


def codec(scenario):
    """The codec that the stored batches must have, if the scenario fixes one."""
    return scenario.removeprefix("roundtrip-") if scenario.startswith("roundtrip-") else None
