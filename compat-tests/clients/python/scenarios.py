"""The scenarios, over the interface that base.py describes."""

import os
import sys
import threading
import time

import base
from base import Fault

FAST = os.environ.get("COMPAT_FAST") == "1"
READ_LIMIT_S = 30
TIMESTAMP_FIRST = 1_600_000_000_000


def check(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def same(expected, found, what):
    check(expected == found, f"{what}: expected {expected!r:.200}, found {found!r:.200}")


def count(full, fast):
    return fast if FAST else full


def fails(code, action):
    try:
        action()
    except Fault as fault:
        check(fault.code == code, f"expected error {code}, got {fault}")
        return
    raise AssertionError(f"expected error {code}, but it worked")


def eventually(what, condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.05)


def create(client, topic, partitions=1, configs=None):
    client.create(topic, partitions, configs or {})

    def served():
        try:
            client.latest(topic, range(partitions))
            return True
        except Fault:
            return False

    eventually(f"{topic} is served", served)


def read(consumer, records):
    found, deadline = [], time.monotonic() + READ_LIMIT_S
    while len(found) < records:
        check(time.monotonic() < deadline, f"only {len(found)} of {records} records came")
        found += consumer.poll(0.5)
    return found


def check_end(consumer):
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        more = consumer.poll(0.2)
        check(not more, f"{len(more)} records too many: {more[:1]}")


def write(client, topic, records, partition_of=lambda i: 0, value_of=str, **options):
    """Sends values 0..records and waits for all of them."""
    producer = client.producer(**options)
    sent = [producer.send(topic, partition_of(i), value_of(i).encode()) for i in range(records)]
    for handle in sent:
        producer.wait(handle)
    producer.close()


def roundtrip(codec):
    def key(i):
        return [None, b"", b"key-%d" % i, b"key-%d" % i][i % 4]

    def value(client, i):
        plain = [None, b""][i % 5] if i % 5 < 2 else b"value-%d-" % i * i
        if plain is None and key(i) is None and not client.null_key_and_value:
            return b""
        return plain

    def headers(client, i):
        several = [("h", b"1"), ("other", b"x"), ("h", b"2"), ("empty", b"")]
        if client.null_header_values:
            several.append(("null", None))
        return [[], [("h", b"%d" % i)], several][i % 3]

    def run(client, topic):
        create(client, topic, 1, {"retention.ms": "-1"})
        producer = client.producer(codec=codec, linger_ms=50)
        sent = [producer.send(topic, 0, value(client, i), key(i), headers(client, i), TIMESTAMP_FIRST + i)
                for i in range(300)]
        for i, handle in enumerate(sent):
            same(i, producer.wait(handle), "offset told to the producer")
        producer.close()
        consumer = client.consumer(topic, [0])
        for i, record in enumerate(read(consumer, 300)):
            same(i, record.offset, "offset")
            same(TIMESTAMP_FIRST + i, record.timestamp, f"timestamp of {i}")
            same(key(i), record.key, f"key of {i}")
            same(value(client, i), record.value, f"value of {i}")
            same(headers(client, i), record.headers, f"headers of {i}")
        check_end(consumer)
        consumer.close()

    return run


def sizes(client, topic):
    create(client, topic, 1, {"max.message.bytes": "16777216"})
    values = []
    for size in [1, 2, 100, 1024, 65535, 65536, 1 << 20, (1 << 20) + 1, 5 << 20, 8 << 20]:
        pattern = bytes((j * 31 + size) % 251 for j in range(251))
        values.append((pattern * (size // 251 + 1))[:size])
    producer = client.producer(request_bytes_max=15 << 20)
    for value in values:
        producer.wait(producer.send(topic, 0, value))
    producer.close()
    consumer = client.consumer(topic, [0])
    for value, record in zip(values, read(consumer, len(values))):
        check(record.value == value, f"value of {len(value)} bytes")
    check_end(consumer)
    consumer.close()


def idempotent(client, topic):
    records = count(50_000, 5_000)
    create(client, topic, 3)
    write(client, topic, records, lambda i: i % 3, idempotent=True, batch_bytes=2048)
    following = [0, 1, 2]
    consumer = client.consumer(topic, [0, 1, 2])
    for record in read(consumer, records):
        same(b"%d" % following[record.partition], record.value, f"partition {record.partition}")
        following[record.partition] += 3
    check_end(consumer)
    consumer.close()


def partitions_100(client, topic):
    create(client, topic, 100)
    write(client, topic, 1000, lambda i: i % 100, lambda i: f"{i % 100}-{i // 100}")
    same({p: 10 for p in range(100)}, client.latest(topic, range(100)), "latest offsets")
    following = [0] * 100
    consumer = client.consumer(topic, range(100))
    for record in read(consumer, 1000):
        same(b"%d-%d" % (record.partition, following[record.partition]), record.value, f"partition {record.partition}")
        following[record.partition] += 1
    consumer.close()


def seek_offset(client, topic):
    create(client, topic)
    write(client, topic, 1000, batch_bytes=300)
    same({0: 0}, client.earliest(topic, [0]), "earliest offset")
    same({0: 1000}, client.latest(topic, [0]), "latest offset")
    consumer = client.consumer(topic, [0], start=999)
    for offset in [999, 0, 499, 500, 1]:
        consumer.seek(0, offset)
        first = read(consumer, 1)[0]
        same((offset, b"%d" % offset), (first.offset, first.value), "first record")
    consumer.seek(0, 1000)
    check_end(consumer)
    consumer.seek(0, 5000)
    fails(base.OFFSET_OUT_OF_RANGE, lambda: read(consumer, 1))
    consumer.close()


def seek_timestamp(client, topic):
    create(client, topic, 1, {"retention.ms": "-1"})
    producer = client.producer(batch_bytes=300)
    sent = [producer.send(topic, 0, b"%d" % i, timestamp=TIMESTAMP_FIRST + 1000 * i) for i in range(100)]
    for handle in sent:
        producer.wait(handle)
    producer.close()
    for timestamp, offset in [(0, 0), (-5000, 0), (50_000, 50), (50_001, 51), (99_000, 99)]:
        same(offset, client.offset_for_time(topic, TIMESTAMP_FIRST + timestamp), f"offset for first + {timestamp}")
    after = client.offset_for_time(topic, TIMESTAMP_FIRST + 99_001)
    check(after in (None, 100), f"offset after the last record: {after}")


def auto_create(client, topic):
    write(client, topic, 10)
    same(1, len(client.describe(topic)), "partitions")
    consumer = client.consumer(topic, [0])
    same([b"%d" % i for i in range(10)], [record.value for record in read(consumer, 10)], "values")
    consumer.close()


def admin_topics(client, topic):
    configs = {"retention.ms": "123456", "cleanup.policy": "compact"}
    create(client, topic, 3, configs)
    fails(base.TOPIC_ALREADY_EXISTS, lambda: client.create(topic, 3, configs))
    check(topic in client.topics(), "the topic is not listed")
    leaders = client.describe(topic)
    check(len(leaders) == 3 and min(leaders) >= 0, f"leaders {leaders}")

    found = client.configs(topic)
    same(("123456", False), found["retention.ms"], "retention.ms")
    same(("compact", False), found["cleanup.policy"], "cleanup.policy")
    same(("1048588", True), found["max.message.bytes"], "max.message.bytes")

    client.grow(topic, 5)
    eventually("5 partitions", lambda: len(client.describe(topic)) == 5)
    fails(base.INVALID_PARTITIONS, lambda: client.grow(topic, 2))
    fails(base.INVALID_TOPIC_EXCEPTION, lambda: client.create(f"{topic} with space", 1, {}))
    fails(base.INVALID_PARTITIONS, lambda: client.create(f"{topic}-zero", 0, {}))
    fails(base.INVALID_CONFIG, lambda: client.create(f"{topic}-config", 1, {"retention.ms": "abc"}))

    client.delete(topic)
    eventually("the topic is gone", lambda: topic not in client.topics())
    fails(base.UNKNOWN_TOPIC_OR_PARTITION, lambda: client.delete(topic))


def produce_errors(client, topic):
    compacted = f"{topic}-compacted"
    create(client, topic)
    create(client, compacted, 1, {"cleanup.policy": "compact"})
    producer = client.producer(request_bytes_max=15 << 20, timeout_s=4)

    def send(*args):
        return producer.wait(producer.send(*args))

    fails(base.MESSAGE_TOO_LARGE, lambda: send(topic, 0, b"x" * (2 << 20)))
    # A client whose table of error codes ends before 87 tells of an unknown error.
    fails(base.INVALID_RECORD if client.knows_invalid_record else None, lambda: send(compacted, 0, b"no key"))
    for place in [("bad name!", 0), (topic, 7)]:
        try:
            send(*place, b"x")
        except Fault as fault:
            print(f"{place}: {fault}")
        else:
            raise AssertionError(f"a record was accepted by {place}")
    send(topic, 0, b"good")
    send(compacted, 0, b"good", b"key")
    producer.close()
    for name in [topic, compacted]:
        consumer = client.consumer(name, [0])
        same(b"good", read(consumer, 1)[0].value, f"value in {name}")
        check_end(consumer)
        consumer.close()


def long_poll(client, topic):
    create(client, topic)
    producer = client.producer(linger_ms=0)
    consumer = client.consumer(topic, [0], wait_ms=10_000)
    # Connections and metadata first: they are not what is timed.
    producer.wait(producer.send(topic, 0, b"first"))
    read(consumer, 1)
    for number in range(3):
        same([], consumer.poll(1.5), "records before anything was produced")
        sent = time.monotonic()
        producer.wait(producer.send(topic, 0, b"round %d" % number))
        same([b"round %d" % number], [record.value for record in consumer.poll(8)], "records")
        waited = time.monotonic() - sent
        check(waited < 1, f"the record came after {waited:.1f} s")


def read_while_write(client, topic):
    records = count(50_000, 10_000)
    create(client, topic)
    errors = []

    def writer():
        try:
            write(client, topic, records, value_of=lambda i: f"{i:<100}", batch_bytes=4096)
        except Exception as error:
            errors.append(error)

    consumer = client.consumer(topic, [0])
    thread = threading.Thread(target=writer)
    thread.start()
    for i, record in enumerate(read(consumer, records)):
        same((i, f"{i:<100}".encode()), (record.offset, record.value), "record")
    thread.join()
    check(not errors, f"writer: {errors}")
    check_end(consumer)
    consumer.close()


class Writer(threading.Thread):
    """Sends 0, 1, 2, ... at about 1000 a second until told how many there are to be."""

    def __init__(self, client, topic):
        super().__init__(daemon=True)
        # Without idempotence only one request in flight keeps the order.
        self.producer = client.producer(idempotent=client.idempotence, timeout_s=90, in_flight_1=not client.idempotence)
        self.topic, self.handles, self.limit, self.error = topic, [], None, None

    def run(self):
        try:
            while self.limit is None or len(self.handles) < self.limit:
                self.handles.append(self.producer.send(self.topic, 0, b"%d" % len(self.handles)))
                time.sleep(0.001)
        except Exception as error:
            self.error = error

    def acknowledged(self, first, upto):
        for handle in self.handles[first:upto]:
            self.producer.wait(handle)

    def await_acknowledged(self, records):
        while len(self.handles) < records:
            check(self.error is None, f"producer: {self.error}")
            time.sleep(0.01)
        self.acknowledged(0, records)

    def finish(self, more):
        self.limit = len(self.handles) + more
        self.join()
        check(self.error is None, f"producer: {self.error}")
        self.acknowledged(0, self.limit)
        return self.limit


def restart(request):
    def run(client, topic):
        half = count(3000, 1000)
        create(client, topic)
        consumer = client.consumer(topic, [0])
        writer = Writer(client, topic)
        writer.start()
        following = expect(client, consumer, 0, 100)
        writer.await_acknowledged(half)
        print(request, flush=True)
        same("RESTARTED", sys.stdin.readline().strip(), "answer of the harness")
        sent = writer.finish(half)
        expect(client, consumer, following, sent)
        if client.idempotence:
            check_end(consumer)

    return run


def expect(client, consumer, following, upto):
    """Reads until number upto - 1 has come; returns the number that follows."""
    while following < upto:
        for record in read(consumer, 1):
            number = int(record.value)
            if number < following and not client.idempotence:
                continue
            same(following, number, f"record at offset {record.offset}")
            following += 1
    return following


SCENARIOS = {
    **{f"roundtrip-{codec}": roundtrip(codec) for codec in ["none", "gzip", "snappy", "lz4", "zstd"]},
    "sizes": sizes, "idempotent": idempotent, "partitions-100": partitions_100, "seek-offset": seek_offset,
    "seek-timestamp": seek_timestamp, "auto-create": auto_create, "admin-topics": admin_topics,
    "produce-errors": produce_errors, "long-poll": long_poll, "read-while-write": read_while_write,
    "restart": restart("RESTART"), "restart-term": restart("RESTART term"),
}
