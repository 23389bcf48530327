"""The scenarios of consumer groups. Each yields (row, {metric: value})."""

import json
import subprocess
import time

TOPIC, PARTITIONS = "grouped", 100
HEARTBEAT_MS = 1000


def groups(bench):
    """Members that join, leave and vanish; many members; many groups; many commits."""
    scale = bench.scale
    bench.start()
    bench.create(TOPIC, PARTITIONS)
    warm_up(bench)
    for protocol in ("classic", "consumer"):
        yield rebalance(bench, f"rebalance {protocol}", protocol, 100, PARTITIONS)
    yield rebalance(bench, "members classic", "classic", scale.group_members, PARTITIONS, leave="no")
    bench.create("wide", scale.group_members)
    yield rebalance(bench, "members consumer", "consumer", scale.group_members, scale.group_members, topic="wide", leave="no")
    yield many(bench)
    for in_flight in (1, 8):
        before = bench.broker.cpu_s()
        result = bench.load("group-commit", topic=TOPIC, partitions=PARTITIONS, groups=100, in_flight=in_flight,
                            seconds=scale.row_seconds)
        cpu_us = (bench.broker.cpu_s() - before) * 1e6 / result["requests"]
        yield f"commits 100x{in_flight}", {"commits_per_s": result["commits_per_s"], "cpu_us_per_commit": cpu_us, "p99_ms": result["p99_ms"]}


def warm_up(bench):
    """Makes __consumer_offsets and gives the JVM's compilers the paths."""
    seconds = bench.scale.warm_up_requests_seconds
    bench.load("group-commit", topic=TOPIC, partitions=PARTITIONS, groups=100, in_flight=8, seconds=seconds)
    for protocol in ("classic", "consumer"):
        bench.load("group-rebalance", protocol=protocol, group=f"warm-{protocol}", members=50, topic=TOPIC, partitions=PARTITIONS, leave="no")


def rebalance(bench, row, protocol, members, partitions, topic=TOPIC, leave="yes"):
    before = bench.broker.cpu_s()
    result = bench.load("group-rebalance", protocol=protocol, group=row.replace(" ", "-"), members=members, topic=topic,
                        partitions=partitions, leave=leave, session_ms=6000, heartbeat_ms=HEARTBEAT_MS)
    result["cpu_ms"] = (bench.broker.cpu_s() - before) * 1000
    return row, result


def many(bench):
    """One member a group: until all are stable, what a member costs, and what its heartbeats cost."""
    broker, scale = bench.broker, bench.scale
    before = broker.rss_mb()
    command = bench.command("group-many", groups=scale.groups, hold_s=scale.row_seconds, heartbeat_ms=HEARTBEAT_MS)
    from brokers import raise_file_limit
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, preexec_fn=raise_file_limit)
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the groups did not become stable")
    stable = json.loads(line)["stable_ms"]
    begin, cpu = time.monotonic(), broker.cpu_s()
    time.sleep(max(1.0, scale.row_seconds - 1))
    beats = scale.groups * (time.monotonic() - begin) * 1000 / HEARTBEAT_MS
    cpu_us = (broker.cpu_s() - cpu) * 1e6 / beats
    memory = max(0.0, broker.rss_mb() - before) * 1000 / scale.groups
    if process.wait() != 0:
        raise RuntimeError("members failed while they were held")
    return "many groups", {"ms": stable, "kb_per_member": memory, "cpu_us_per_heartbeat": cpu_us}
