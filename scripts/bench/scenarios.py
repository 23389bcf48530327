"""The scenarios: what is loaded on a broker and what is read off it. Each yields (row, {metric: value})."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from brokers import processor_ms, wait_for
from groups import groups
from transactions import durable_transactions, transactions


@dataclass(frozen=True)
class Scale:
    """How long and how much. Rows of load end at the first of row_bytes and row_seconds."""

    row_bytes: int
    row_seconds: float
    warm_up_bytes: int
    warm_up_bytes_seconds: float
    warm_up_requests_seconds: float
    open_loop_seconds: float
    fetch_bytes: int
    starts: int
    idle_seconds: float
    recovery_bytes: int
    many_topics: int
    many_partitions: int
    group_members: int
    groups: int
    clean_memory_bytes: int


QUICK = Scale(row_bytes=400_000_000, row_seconds=1.5, warm_up_bytes=300_000_000, warm_up_bytes_seconds=10.0, warm_up_requests_seconds=1.0,
              open_loop_seconds=2.0, fetch_bytes=400_000_000, starts=1, idle_seconds=3.0, recovery_bytes=4 * 64_000_000, many_topics=2,
              many_partitions=200, group_members=300, groups=1000, clean_memory_bytes=0)
FULL = Scale(row_bytes=2_000_000_000, row_seconds=4.0, warm_up_bytes=3_000_000_000, warm_up_bytes_seconds=15.0, warm_up_requests_seconds=4.0,
             open_loop_seconds=8.0, fetch_bytes=2_000_000_000, starts=3, idle_seconds=20.0, recovery_bytes=4 * 1_000_000_000,
             many_topics=10, many_partitions=1000, group_members=1000, groups=10_000, clean_memory_bytes=8_000_000_000)
# No command of the load generator takes as long, unless it hangs.
LOAD_TIMEOUT_S = 600

# Records of 1 KiB that fit a batch of this size.
KIB_64, KIB_16, KIB_100, MIB_1 = 63, 15, 99, 1012


class Bench:
    """The load generator, aimed at one broker."""

    def __init__(self, broker, load, scale, pin):
        self.broker, self.scale = broker, scale
        self.prefix = (["taskset", "-c", "1"] if pin else []) + [str(load)]

    def command(self, command, **options):
        words = [*self.prefix, command, "--bootstrap", self.broker.bootstrap]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words

    def load(self, command, **options):
        done = subprocess.run(self.command(command, **options), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=LOAD_TIMEOUT_S)
        self.broker.check()
        if done.returncode != 0:
            raise RuntimeError(f"load {command} {options}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def measured(self, command, **options):
        before = self.broker.cpu_s()
        result = self.load(command, **options)
        cpu = self.broker.cpu_s() - before
        if result.get("gb"):
            result["cpu_s_per_gb"] = cpu / result["gb"]
        if result.get("requests"):
            result["cpu_us_per_ack"] = cpu * 1e6 / result["requests"]
        return result

    def start(self):
        """Starts the broker; the time until a record in a new topic is acknowledged, in ms."""
        waiting = subprocess.Popen(self.command("first-ack", topic=f"first-{time.monotonic_ns()}"), text=True, stdout=subprocess.PIPE)
        time.sleep(0.05)
        begin = time.monotonic()
        self.broker.start()
        line = waiting.stdout.readline()
        elapsed = (time.monotonic() - begin) * 1000
        if waiting.wait() != 0 or not line:
            self.broker.check()
            raise RuntimeError(f"{self.broker.name} acknowledged nothing")
        return elapsed

    def create(self, topic, partitions, **options):
        return self.load("create", topic=topic, partitions=partitions, **options)["create_ms"]

    def drop(self, topic):
        """Deletes a topic, and waits for its files and for the disk, so that the next row starts in peace."""
        self.load("delete", topic=topic)
        wait_for(lambda: not any(f.name.startswith(topic + "-") for f in self.broker.data.iterdir()), 60, f"deletion of {topic}")
        os.sync()

    def create_used(self, topic, partitions):
        """The first appends to a partition are another matter than those that rows measure: Kafka's index files are mapped and
        touched for the first time with the second batch."""
        self.create(topic, partitions)
        self.load("produce", topic=topic, records_per_batch=KIB_16, bytes=3 * 16_000 * partitions, in_flight=5, seconds=120)

    def produce(self, topic, partitions, **options):
        self.create_used(topic, partitions)
        result = self.measured("produce", topic=topic, bytes=self.scale.row_bytes, seconds=self.scale.row_seconds, **options)
        self.drop(topic)
        return result


def pick(result, *names):
    return {name: result[name] for name in names}


def throughput(result):
    return pick(result, "mb_per_s", "cpu_s_per_gb", "p99_ms")


def acks(result):
    return pick(result, "acks_per_s", "cpu_us_per_ack", "p99_ms")


def cached(bench):
    """Acknowledgements do not wait for the disk: Kafka as shipped, barnabas with write.caching=true."""
    warm_up(bench)
    for partitions in (1, 100, 1000):
        result = bench.produce(f"produce-{partitions}", partitions, records_per_batch=KIB_64)
        yield f"produce {partitions}", throughput(result)
    result = bench.produce("defaults", 16, records_per_batch=KIB_16, idempotent=1)
    yield "produce defaults", throughput(result)
    for row, records in (("produce 100 KiB", KIB_100), ("produce 1 MiB", MIB_1)):
        yield row, throughput(bench.produce(row.replace(" ", "-"), 16, records_per_batch=records))
    yield "produce lz4", throughput(bench.produce("lz4", 16, records_per_batch=KIB_64, codec="lz4"))
    for connections in (1, 8, 16):
        result = bench.produce(f"acks-{connections}", 1 if connections == 1 else 16, connections=connections, in_flight=1)
        yield f"acks {connections}x1", acks(result)
    yield from fetch(bench)
    bench.create("open-loop", 1)
    for rate in (1000, 5000, 10000):
        result = bench.measured("open-loop", topic="open-loop", rate=rate, seconds=bench.scale.open_loop_seconds)
        yield f"end to end {rate}", pick(result, "p50_ms", "p99_ms", "p999_ms")
    yield "peak rss cached", {"rss_mb": bench.broker.status_mb("VmHWM")}


def warm_up(bench):
    """Gives the JVM's compilers every path before the clock runs."""
    scale = bench.scale
    bench.start()
    bench.create("warm-up", 16)
    for idempotent in (0, 1):
        bench.load("produce", topic="warm-up", records_per_batch=KIB_16, bytes=scale.warm_up_bytes // 2,
                   seconds=scale.warm_up_bytes_seconds, idempotent=idempotent)
    bench.load("produce", topic="warm-up", connections=8, in_flight=5, seconds=scale.warm_up_requests_seconds)
    bench.load("fetch", topic="warm-up", seconds=scale.warm_up_requests_seconds)
    bench.load("open-loop", topic="warm-up", rate=2000, seconds=scale.warm_up_requests_seconds)
    bench.drop("warm-up")


def fetch(bench):
    bench.create("fetch", 16)
    bench.load("produce", topic="fetch", records_per_batch=KIB_64, bytes=bench.scale.fetch_bytes, seconds=60)
    for connections in (4, 1):
        result = bench.measured("fetch", topic="fetch", connections=connections, seconds=bench.scale.row_seconds)
        yield f"fetch {connections}", pick(result, "mb_per_s", "cpu_s_per_gb")
    bench.drop("fetch")


def durable(bench):
    """fsync before every acknowledgement: Kafka with log.flush.interval.messages=1, barnabas as shipped."""
    warm_up(bench)
    for partitions in (1, 100, 1000):
        result = bench.produce(f"produce-{partitions}", partitions, records_per_batch=KIB_64)
        yield f"durable produce {partitions}", throughput(result)
    for partitions in (100, 1000):
        result = bench.produce(f"acks-4x5-{partitions}", partitions, connections=4, in_flight=5)
        yield f"durable acks 4x5 over {partitions}", acks(result)
    yield "peak rss durable", {"rss_mb": bench.broker.status_mb("VmHWM")}


def durable_acks(bench):
    """The same for few partitions: how many acknowledgements share one fsync."""
    warm_up(bench)
    for connections, in_flight, partitions in ((1, 1, 1), (16, 1, 16), (4, 5, 1)):
        result = bench.produce(f"acks-{connections}", partitions, connections=connections, in_flight=in_flight)
        over = " over 1" if in_flight > 1 else ""
        yield f"durable acks {connections}x{in_flight}{over}", acks(result)


def start(bench):
    """From exec to the first acknowledged record, on a formatted but unused directory where formatting is needed."""
    broker = bench.broker
    for turn in range(bench.scale.starts):
        if turn > 0:
            broker.stop()
            shutil.rmtree(broker.data, ignore_errors=True)
            broker.prepare()
        elapsed = bench.start()
        yield "start", {"ms": elapsed, "rss_mb": broker.rss_mb()}
    if hasattr(broker, "format"):
        broker.stop()
        shutil.rmtree(broker.data, ignore_errors=True)
        begin = time.monotonic()
        broker.format()
        formatting = (time.monotonic() - begin) * 1000
        yield "first start", {"ms": formatting + bench.start()}
    else:
        yield "first start", {"ms": elapsed}


def idle(bench):
    """What a broker costs that has nothing to do."""
    broker, scale = bench.broker, bench.scale
    bench.start()
    time.sleep(1)
    yield "rss idle", {"rss_mb": broker.rss_mb()}
    bench.create("used", 100)
    bench.load("produce", topic="used", records_per_batch=KIB_16, bytes=20_000_000)
    time.sleep(min(10.0, scale.idle_seconds))
    before = broker.cpu_ns_by_thread()
    time.sleep(scale.idle_seconds)
    spent = processor_ms(before, broker.cpu_ns_by_thread())
    yield "idle cpu 100 partitions", {"cpu_ms_per_30_s": spent * 30 / scale.idle_seconds}
    yield from idle_connections(bench, 5000, "idle connections 5000")
    bench.create("thousand", 1000)
    bench.load("produce", topic="thousand", records_per_batch=1, bytes=2_000_000)
    with open_connections(bench, 100):
        yield "rss 1000 partitions 100 connections", {"rss_mb": broker.rss_mb()}


class open_connections:
    """Holds idle connections for the length of a with block."""

    def __init__(self, bench, count):
        self.command = bench.command("idle", connections=count)

    def __enter__(self):
        from brokers import raise_file_limit
        self.process = subprocess.Popen(self.command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=raise_file_limit)
        if not self.process.stdout.readline():
            raise RuntimeError("idle connections were refused")
        return self

    def __exit__(self, *_):
        self.process.communicate("")


def idle_connections(bench, count, row):
    before = bench.broker.rss_mb()
    with open_connections(bench, count):
        time.sleep(1)
        yield row, {"rss_mb": max(0.0, bench.broker.rss_mb() - before)}


def recovery(bench):
    """kill -9 with all bytes in the active segments of 4 partitions, then exec until the last record of each is read."""
    bench.start()
    bench.create("recovery", 4)
    bench.load("produce", topic="recovery", records_per_batch=KIB_64, bytes=bench.scale.recovery_bytes, seconds=600)
    ends = bench.load("served", topic="recovery", partitions=4)
    ends = ",".join(str(int(ends[f"end_{p}"])) for p in range(4))
    bench.broker.stop(signal.SIGKILL)
    waiting = subprocess.Popen(bench.command("readable", topic="recovery", ends=ends), text=True, stdout=subprocess.PIPE)
    time.sleep(0.05)
    begin = time.monotonic()
    bench.broker.start()
    line = waiting.stdout.readline()
    elapsed = (time.monotonic() - begin) * 1000
    if waiting.wait() != 0 or not line:
        raise RuntimeError("the records did not come back")
    yield "recovery", {"ms": elapsed, "rss_mb": bench.broker.status_mb("VmHWM")}


def many_partitions(bench):
    """Topics with 1,000 partitions each: creating them, keeping them, starting with them after a clean stop."""
    scale = bench.scale
    bench.start()
    shape = {"topic": "many", "topics": scale.many_topics, "partitions": scale.many_partitions}
    created = bench.create(**shape)
    time.sleep(1)
    rss = bench.broker.rss_mb()
    bench.broker.stop()
    waiting = subprocess.Popen(bench.command("served", **shape), text=True, stdout=subprocess.PIPE)
    time.sleep(0.05)
    begin = time.monotonic()
    bench.broker.start()
    line = waiting.stdout.readline()
    elapsed = (time.monotonic() - begin) * 1000
    if waiting.wait() != 0 or not line:
        raise RuntimeError("the partitions did not come back")
    yield "many partitions", {"create_ms": created, "rss_mb": rss, "ms": elapsed}


def cold_reader(bench):
    """A consumer reads from the disk what is no longer in memory, while 20 MB/s are produced. Needs root."""
    drop_caches = Path("/proc/sys/vm/drop_caches")
    if not os.access(drop_caches, os.W_OK):
        return
    bench.start()
    bench.create("cold", 4)
    bench.create("hot", 1)
    size = bench.scale.recovery_bytes
    bench.load("produce", topic="cold", records_per_batch=KIB_64, bytes=size, seconds=600)
    os.sync()
    drop_caches.write_text("1")
    paced = {}
    hot = threading.Thread(target=lambda: paced.update(
        bench.load("open-loop", topic="hot", rate=1250, record_bytes=16_000, seconds=max(2.0, size / 600e6))))
    hot.start()
    time.sleep(2.5)
    result = bench.load("fetch", topic="cold", connections=1, once=1, seconds=300)
    hot.join()
    yield "cold reader", {"mb_per_s": result["mb_per_s"], "p99_ms": paced["ack_p99_ms"]}


@dataclass(frozen=True)
class Group:
    """Rows that share a broker. `profile` 'shipped' is 'durable' for barnabas and 'cached' for Kafka; the data of `raw` groups lie on
    the disk itself even with --loop, because the cost of one fsync is what is measured. `seconds` is about what it takes in full mode, `rounds_max` for those that take
    long and move little from round to round."""

    scenario: object
    profile: str
    seconds: dict
    raw: bool = False
    rounds_max: int = 100


def takes(kafka, barnabas):
    return {"kafka": kafka, "barnabas": barnabas}


GROUPS = {
    "cached": Group(cached, "cached", takes(140, 95)),
    "durable": Group(durable, "durable", takes(115, 55)),
    "acks": Group(durable_acks, "durable", takes(65, 40), raw=True),
    "start": Group(start, "shipped", takes(15, 2)),
    "idle": Group(idle, "shipped", takes(50, 40), rounds_max=2),
    "recovery": Group(recovery, "shipped", takes(30, 10), rounds_max=2),
    "many": Group(many_partitions, "shipped", takes(150, 40), rounds_max=1),
    "groups": Group(groups, "shipped", takes(55, 50), rounds_max=2),
    "transactions": Group(transactions, "cached", takes(70, 65)),
    "durable transactions": Group(durable_transactions, "durable", takes(75, 65), raw=True),
    "cold": Group(cold_reader, "shipped", takes(25, 18)),
}
