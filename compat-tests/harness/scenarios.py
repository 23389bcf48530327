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
    "produce-errors",
    "long-poll",
    "read-while-write",
    "restart",
    "restart-term",
]

TIME_LIMIT_S = 60
TIME_LIMIT_RESTART_S = 120


def restarts(scenario):
    """Such a scenario has a broker of its own."""
    return scenario.startswith(("restart", "transcript-"))


def time_limit_s(scenario):
    return TIME_LIMIT_RESTART_S if restarts(scenario) else TIME_LIMIT_S


def codec(scenario):
    """The codec that the stored batches must have, if the scenario fixes one."""
    return scenario.removeprefix("roundtrip-") if scenario.startswith("roundtrip-") else None
