"""Drives kcat through the scenarios: main.py BOOTSTRAP SCENARIO SUFFIX (compat-tests/README.md).

What kcat cannot say is left out: timestamps of its own, a null key with an empty value, an empty key with a null
value, and headers that differ from record to record within one process.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
import time

import serve

BOOTSTRAP, SCENARIO, SUFFIX = sys.argv[1:]
TOPIC = f"{SCENARIO}-{SUFFIX}"
FAST = os.environ.get("COMPAT_FAST") == "1"
STEP_LIMIT_S = 40


class Failure(Exception):
    pass


def check(condition, otherwise):
    if not condition:
        raise Failure(otherwise)


def count(full, fast):
    return fast if FAST else full


def create(topic=TOPIC, partitions=1, *configs):
    answer = ask(" ".join(["CREATE", topic, str(partitions), *configs]))
    check(answer == "CREATED", f"creating {topic}: {answer}")


def ask(line):
    """A service of the harness."""
    print(line, flush=True)
    return sys.stdin.readline().strip()


def kcat(*args, given=None, fails=False):
    """Runs kcat to its end. Returns its standard output, or its error text when it is meant to fail."""
    done = subprocess.run(["kcat", "-b", BOOTSTRAP, *args], input=given if given is not None else b"",
                          capture_output=True, timeout=STEP_LIMIT_S)
    told = done.stderr.decode(errors="replace").strip()
    if fails:
        check(done.returncode != 0, f"kcat {' '.join(args)} went through")
        return told
    check(done.returncode == 0, f"kcat {' '.join(args)}: {told}")
    return done.stdout


def produce(lines, *args, topic=TOPIC, partition=0):
    given = "".join(f"{line}\n" for line in lines).encode()
    kcat("-P", "-t", topic, "-p", str(partition), "-X", "acks=all", *args, given=given)


def consume(*args, topic=TOPIC, partition=0, start="beginning"):
    """Everything up to the end (or -c records) as parsed JSON objects."""
    out = kcat("-C", "-t", topic, "-p", str(partition), "-o", str(start), "-e", "-q", "-J", *args)
    return [json.loads(line) for line in out.splitlines()]


def payloads(records):
    return [record["payload"] for record in records]


def key_of(i):
    return [None, "", f"key-{i}", f"key-{i}"][i % 4]


def value_of(i):
    return [None, ""][i % 5] if i % 5 < 2 else f"value-{i}-" * i


HEADERS = [[], ["h=1"], ["h=1", "other=x", "h=2", "empty=", "null"]]


def headers_of(i):
    """As kcat prints them: names and values in turns."""
    flat = []
    for word in HEADERS[i % 3]:
        name, equals, value = word.partition("=")
        flat += [name, value if equals else None]
    return flat


def roundtrip(codec):
    create(TOPIC, 1, "retention.ms=-1")
    shapes = {}
    for i in range(300):
        key, value = key_of(i), value_of(i)
        # One process turns all of its empty fields into nulls (-Z), or none.
        nulls = key is None or value is None
        if nulls and (key == "" or value == ""):
            key = None if key == "" else key
            value = None if value == "" else value
        shapes.setdefault((i % 3, nulls), []).append((key, value, headers_of(i)))
    sent = []
    for (headers, nulls), records in shapes.items():
        options = ["-z", codec] if codec != "none" else []
        options += itertools.chain.from_iterable(("-H", word) for word in HEADERS[headers])
        options += ["-Z"] if nulls else []
        produce([f"{key or ''}\t{value or ''}" for key, value, _ in records],
                "-K", "\t", "-X", "linger.ms=50", *options)
        sent += records
    found = consume()
    check(len(found) == len(sent), f"{len(found)} records of {len(sent)}")
    for offset, (record, expected) in enumerate(zip(found, sent)):
        got = (record["key"], record["payload"], record.get("headers", []))
        check(got == expected, f"record {offset}: expected {expected}, found {got}")
        check(record["offset"] == offset, f"record {offset} has offset {record['offset']}")


def sizes():
    create(TOPIC, 1, "max.message.bytes=16777216")
    all_sizes = [1, 2, 100, 1024, 65535, 65536, 1 << 20, (1 << 20) + 1, 5 << 20, 8 << 20]
    values = []
    for size in all_sizes:
        pattern = bytes((j * 31 + size) % 251 for j in range(251))
        values.append((pattern * (size // 251 + 1))[:size])
        with open(f"value-{size}", "wb") as file:
            file.write(values[-1])
        kcat("-P", "-t", TOPIC, "-p", "0", "-X", "message.max.bytes=16000000", f"value-{size}")
    for offset, value in enumerate(values):
        found = kcat("-C", "-t", TOPIC, "-p", "0", "-o", str(offset), "-c", "1", "-q", "-D", "")
        check(found == value, f"value of {len(value)} bytes came back with {len(found)}")


def idempotent():
    create(TOPIC, 3)
    records = count(50_000, 5_000)

    def write(partition):
        produce(range(partition, records, 3), "-X", "enable.idempotence=true", "-X", "batch.num.messages=50",
                partition=partition)

    side_by_side(write, range(3))
    for partition in range(3):
        expected = [str(i) for i in range(partition, records, 3)]
        check(payloads(consume(partition=partition)) == expected, f"partition {partition} holds something else")


def side_by_side(work, items):
    errors = []

    def one(item):
        try:
            work(item)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def partitions_100():
    create(TOPIC, 100)
    for first in range(0, 100, 10):
        side_by_side(lambda p: produce([f"{p}-{n}" for n in range(10)], partition=p), range(first, first + 10))
    queries = itertools.chain.from_iterable(("-t", f"{TOPIC}:{p}:-1") for p in range(100))
    ends = kcat("-Q", *queries).decode().splitlines()
    check(sorted(ends) == sorted(f"{TOPIC} [{p}] offset 10" for p in range(100)), f"latest offsets: {ends[:3]}...")
    out = kcat("-C", "-t", TOPIC, "-o", "beginning", "-e", "-q", "-J")
    found = {}
    for record in map(json.loads, out.splitlines()):
        found.setdefault(record["partition"], []).append(record["payload"])
    check(found == {p: [f"{p}-{n}" for n in range(10)] for p in range(100)}, "something else was read")


def query(timestamp):
    out = kcat("-Q", "-t", f"{TOPIC}:0:{timestamp}").decode()
    return int(out.split()[-1])


def seek_offset():
    create()
    produce(range(1000), "-X", "batch.num.messages=20")
    check((query(-2), query(-1)) == (0, 1000), f"earliest and latest: {query(-2)}, {query(-1)}")
    for offset in [0, 1, 499, 500, 999]:
        record = consume("-c", "1", start=offset)[0]
        check((record["offset"], record["payload"]) == (offset, str(offset)), f"at {offset}: {record}")
    check(consume(start=1000) == [], "something at the end")
    told = kcat("-C", "-t", TOPIC, "-p", "0", "-o", "5000", "-e", "-X", "topic.auto.offset.reset=error", fails=True)
    check("out of range" in told.lower(), f"offset 5000: {told}")


def seek_timestamp():
    create(TOPIC, 1, "retention.ms=-1")
    for i in range(5):
        produce([i])
        time.sleep(0.01)
    times = [record["ts"] for record in consume()]
    check(query(times[0] - 5000) == 0, "before the first record")
    for offset, timestamp in enumerate(times):
        check(query(timestamp) == offset, f"offset for the time of record {offset}: {query(timestamp)}")
        check(consume("-c", "1", start=f"s@{timestamp}")[0]["offset"] == offset, f"start at the time of record {offset}")
    check(query(times[2] + 1) == 3, "1 ms after record 2")
    check(query(times[4] + 1) in (-1, 5), f"after the last record: {query(times[4] + 1)}")


def auto_create():
    produce(range(10))
    check(payloads(consume()) == [str(i) for i in range(10)], "something else was read")
    topic = json.loads(kcat("-L", "-t", TOPIC, "-J"))["topics"][0]
    check(len(topic["partitions"]) == 1, f"partitions: {topic}")


def produce_errors():
    compacted = f"{TOPIC}-compacted"
    create()
    create(compacted, 1, "cleanup.policy=compact")
    with open("large", "wb") as file:
        file.write(b"x" * (2 << 20))

    def refused(what, *args, given=None):
        told = kcat("-P", *args, given=given, fails=True)
        check(what in told, f"expected {what!r}, got {told!r}")

    refused("Message size too large", "-t", TOPIC, "-p", "0", "-X", "message.max.bytes=16000000", "large")
    refused("validate record", "-t", compacted, "-p", "0", given=b"no key\n")
    refused("Invalid topic", "-t", "bad name!", given=b"x\n")
    refused("Unknown partition", "-t", TOPIC, "-p", "7", "-X", "message.timeout.ms=5000", given=b"x\n")
    produce(["good"])
    produce(["key\tgood"], "-K", "\t", topic=compacted)
    for topic in [TOPIC, compacted]:
        check(payloads(consume(topic=topic)) == ["good"], f"something else in {topic}")


class Follower:
    """A kcat consumer that stays; its lines can be awaited."""

    def __init__(self, *args):
        self.process = subprocess.Popen(["kcat", "-b", BOOTSTRAP, "-C", "-t", TOPIC, "-p", "0", "-u", "-q", "-E", *args],
                                        stdout=subprocess.PIPE)
        self.lines = []
        self.changed = threading.Condition()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode().rstrip("\n"))
                self.changed.notify_all()

    def wait_for(self, lines, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.lines) >= lines, seconds)

    def stop(self):
        self.process.kill()
        self.process.wait()


def long_poll():
    create()
    produce(["first"])
    follower = Follower("-o", "beginning", "-X", "fetch.wait.max.ms=10000", "-X", "fetch.min.bytes=1")
    try:
        check(follower.wait_for(1, 10), "the first record did not come")
        for done in range(1, 4):
            check(not follower.wait_for(done + 1, 1.5), "a record before anything was produced")
            produce([f"round {done}"])
            check(follower.wait_for(done + 1, 1), f"round {done}: not within 1 s")
    finally:
        follower.stop()


def read_while_write():
    create()
    records = count(50_000, 10_000)
    expected = [f"{i:<100}" for i in range(records)]
    follower = Follower("-o", "beginning")
    try:
        produce(expected, "-X", "batch.num.messages=40")
        check(follower.wait_for(records, STEP_LIMIT_S), f"only {len(follower.lines)} records came")
        check(not follower.wait_for(records + 1, 1), "a record too many")
        check(follower.lines == expected, "other records or another order")
    finally:
        follower.stop()


def restart(request):
    create()
    half = count(3000, 1000)
    follower = Follower("-o", "beginning")
    producer = subprocess.Popen(
        ["kcat", "-b", BOOTSTRAP, "-P", "-t", TOPIC, "-p", "0", "-E", "-X", "enable.idempotence=true",
         "-X", "message.timeout.ms=90000"], stdin=subprocess.PIPE)
    last, sent = threading.Event(), [0, None]

    def write():
        while sent[1] is None or sent[0] < sent[1]:
            producer.stdin.write(f"{sent[0]}\n".encode())
            producer.stdin.flush()
            sent[0] += 1
            time.sleep(0.001)
        producer.stdin.close()
        last.set()

    threading.Thread(target=write, daemon=True).start()
    try:
        # kcat does not tell what was acknowledged; what has been read back was.
        check(follower.wait_for(half, STEP_LIMIT_S), f"only {len(follower.lines)} records before the restart")
        check(ask(request) == "RESTARTED", "no restart")
        sent[1] = sent[0] + half
        check(last.wait(STEP_LIMIT_S), "producer does not take its input")
        check(producer.wait(STEP_LIMIT_S) == 0, f"producer: exit {producer.returncode}")
        check(follower.wait_for(sent[1], STEP_LIMIT_S), f"only {len(follower.lines)} of {sent[1]} records came")
        check(not follower.wait_for(sent[1] + 1, 1), "a record too many")
        check(follower.lines == [str(i) for i in range(sent[1])], "records lost, doubled or out of order")
    finally:
        follower.stop()
        producer.kill()


SCENARIOS = {
    **{f"roundtrip-{codec}": lambda codec=codec: roundtrip(codec) for codec in ["none", "gzip", "snappy", "lz4", "zstd"]},
    "sizes": sizes, "idempotent": idempotent, "partitions-100": partitions_100, "seek-offset": seek_offset,
    "seek-timestamp": seek_timestamp, "auto-create": auto_create, "produce-errors": produce_errors,
    "long-poll": long_poll, "read-while-write": read_while_write,
    "restart": lambda: restart("RESTART"), "restart-term": lambda: restart("RESTART term"),
}

if SCENARIO == "members":
    serve.serve(BOOTSTRAP)
try:
    SCENARIOS[SCENARIO]()
except (Failure, subprocess.TimeoutExpired, OSError) as failure:
    print(failure)
    sys.exit(1)
