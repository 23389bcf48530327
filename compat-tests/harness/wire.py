"""The few Kafka requests that the harness itself sends, in their oldest versions that have what is asked for.

An independent, deliberately plain codec: it shares nothing with the broker under test.
"""

import socket
import struct
import time
from dataclasses import dataclass

PRODUCE_CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TIMEOUT_S = 10

API_PRODUCE, API_FETCH, API_LIST_OFFSETS, API_METADATA, API_OFFSET_FETCH, API_CREATE_TOPICS = 0, 1, 2, 3, 9, 19
COORDINATOR_ERRORS = {14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR"}
UNSTABLE_OFFSET_COMMIT = 88
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
BATCH_HEADER_BYTES = 61
ATTRIBUTE_CODEC, ATTRIBUTE_TRANSACTIONAL, ATTRIBUTE_CONTROL = 7, 0x10, 0x20
SERVED_WITHIN_S = 10


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def string(self):
        length = self.take("h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def unsigned(self):
        value, shift = 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self):
        value = self.unsigned()
        return value >> 1 ^ -(value & 1)

    def sized(self, length):
        self.at += max(length, 0)
        return None if length < 0 else self.data[self.at - length:self.at]

    def compact(self):
        raw = self.sized(self.unsigned() - 1)
        return None if raw is None else raw.decode()

    def record(self):
        """Offset delta, key and value of a record in a batch of version 2."""
        end = self.signed() + self.at
        self.take("b")
        self.signed()
        found = self.signed(), self.sized(self.signed()), self.sized(self.signed())
        self.at = end
        return found

    def bytes(self):
        length = self.take("i")
        if length < 0:
            return b""
        self.at += length
        return self.data[self.at - length:self.at]


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def compact(value):
    raw = value.encode()
    assert len(raw) < 127
    return bytes([len(raw) + 1]) + raw


def call(port, api, version, body):
    """Sends one request on a connection of its own; returns a Reader at the response body."""
    header = struct.pack(">hhi", api, version, 1) + text("compat-harness")
    frame = header + body
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as sock:
        sock.sendall(struct.pack(">i", len(frame)) + frame)
        (size,) = struct.unpack(">i", receive(sock, 4))
        reader = Reader(receive(sock, size))
    reader.take("i")  # correlation id
    return reader


def receive(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionError("connection closed in the middle of a response")
        data += part
    return data


def metadata_brokers(port):
    """Number of brokers that Metadata v1 lists; 0 while the broker is not ready."""
    return call(port, API_METADATA, 1, struct.pack(">i", 0)).take("i")


def create_topic(port, name, partitions, configs):
    """CreateTopics v2, and waits until all partitions are served. Returns None, or the reason why it failed."""
    body = struct.pack(">i", 1) + text(name) + struct.pack(">ihi", partitions, 1, 0)
    body += struct.pack(">i", len(configs))
    for key, value in configs.items():
        body += text(key) + text(value)
    body += struct.pack(">ib", 30_000, 0)
    reader = call(port, API_CREATE_TOPICS, 2, body)
    reader.take("i")  # throttle time
    assert reader.take("i") == 1
    reader.string()
    code, message = reader.take("h"), reader.string()
    if code != 0:
        return f"error {code}: {message}"
    deadline = time.monotonic() + SERVED_WITHIN_S
    while not served(port, name, partitions):
        if time.monotonic() > deadline:
            return f"partitions are not served {SERVED_WITHIN_S} s after CreateTopics"
        time.sleep(0.02)
    return None


def served(port, topic, partitions):
    """Whether ListOffsets v1 finds the latest offset of every partition."""
    return latest(port, topic, partitions) is not None


def latest(port, topic, partitions):
    """The latest offsets by partition number; None while one of them is not served."""
    body = struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">i", partitions)
    body += b"".join(struct.pack(">iq", number, -1) for number in range(partitions))
    reader = call(port, API_LIST_OFFSETS, 1, body)
    assert reader.take("i") == 1
    reader.string()
    answers = [reader.take("ihqq") for _ in range(reader.take("i"))]
    if any(code != 0 for _, code, _, _ in answers):
        return None
    return {number: offset for number, _, _, offset in answers}


def produce(port, topic, values_of):
    """One batch of records without keys for each partition; raises on any error. Returns the first offset of each."""
    now = time.time_ns() // 1_000_000
    return produce_batches(port, topic, {
        partition: record_batch([(None, value, now) for value in values]) for partition, values in values_of.items()})


def produce_keyed(port, topic, partition, records):
    """One batch of (key, value, timestamp), of which the key may be None."""
    encoded = [(None if key is None else key.encode(), value.encode(), at) for key, value, at in records]
    return produce_batches(port, topic, {partition: record_batch(encoded)})[partition]


def produce_batches(port, topic, batch_of):
    """Produce v3, acks=all; raises on any error. Returns the first offset of each partition."""
    body = struct.pack(">hhii", -1, -1, 10_000, 1) + text(topic) + struct.pack(">i", len(batch_of))
    for partition, batch in batch_of.items():
        body += struct.pack(">ii", partition, len(batch)) + batch
    reader = call(port, API_PRODUCE, 3, body)
    assert reader.take("i") == 1
    reader.string()
    offsets = {}
    for _ in range(reader.take("i")):
        partition, code, offset, _time = reader.take("ihqq")
        offsets[partition] = offset
        if code != 0:
            raise RuntimeError(f"produce to {topic} {partition}: error {code}")
    return offsets


def record_batch(entries):
    """Of (key, value, timestamp)."""
    first, last = entries[0][2], max(at for _, _, at in entries)
    records = b"".join(record(delta, key, value, at - first) for delta, (key, value, at) in enumerate(entries))
    tail = struct.pack(">hiqqqhii", 0, len(entries) - 1, first, last, -1, -1, -1, len(entries)) + records
    return struct.pack(">qiibI", 0, 9 + len(tail), -1, 2, crc32c(tail)) + tail


def record(delta, key, value, age):
    key = varint(-1) if key is None else varint(len(key)) + key
    body = b"\0" + varint(age) + varint(delta) + key + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def varint(number):
    zigzag, out = (number << 1) ^ (number >> 63), bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def crc32c_entry(index):
    for _ in range(8):
        index = (index >> 1) ^ (0x82F63B78 if index & 1 else 0)
    return index


CRC32C_TABLE = [crc32c_entry(index) for index in range(256)]


def committed(port, group):
    """All committed offsets of a group as {`topic:partition`: (offset, metadata)}, by OffsetFetch v2.
    None while the coordinator is not there or loads."""
    reader = call(port, API_OFFSET_FETCH, 2, text(group) + struct.pack(">i", -1))
    found = {}
    for _ in range(reader.take("i")):
        topic = reader.string()
        for _ in range(reader.take("i")):
            partition, offset = reader.take("iq")
            metadata, code = reader.string(), reader.take("h")
            if code in COORDINATOR_ERRORS:
                return None
            if code != 0:
                raise RuntimeError(f"offsets of {group}: {topic} {partition}: error {code}")
            if offset >= 0:
                found[f"{topic}:{partition}"] = (offset, metadata)
    code = reader.take("h")
    if code in COORDINATOR_ERRORS:
        return None
    if code != 0:
        raise RuntimeError(f"offsets of {group}: error {code}")
    return found


def committed_if_stable(port, group, topic, partitions):
    """As `committed` for the first partitions of a topic, by OffsetFetch v7 with require_stable: None also while a transaction
    has offsets for one of them."""
    body = b"\0" + compact(group) + b"\2" + compact(topic) + bytes([partitions + 1])
    body += struct.pack(f">{partitions}i", *range(partitions)) + b"\0\1\0"
    reader = call(port, API_OFFSET_FETCH, 7, body)
    reader.take("bi")  # tags of the header, throttle time
    found, unstable = {}, False
    for _ in range(reader.unsigned() - 1):
        topic = reader.compact()
        for _ in range(reader.unsigned() - 1):
            partition, offset, _epoch = reader.take("iqi")
            metadata, code, _tags = reader.compact(), *reader.take("hb")
            unstable = unstable or code == UNSTABLE_OFFSET_COMMIT
            if offset >= 0:
                found[f"{topic}:{partition}"] = (offset, metadata)
        reader.take("b")
    code = reader.take("h")
    if unstable or code in COORDINATOR_ERRORS:
        return None
    if code != 0:
        raise RuntimeError(f"offsets of {group}: error {code}")
    return found


def ends(port, topic, partitions):
    """(last stable offset, latest offset) of each partition by number, by ListOffsets v2 with both isolation levels."""
    found = []
    for isolation in (READ_COMMITTED, READ_UNCOMMITTED):
        body = struct.pack(">ibi", -1, isolation, 1) + text(topic) + struct.pack(">i", partitions)
        body += b"".join(struct.pack(">iq", number, -1) for number in range(partitions))
        reader = call(port, API_LIST_OFFSETS, 2, body)
        reader.take("i")  # throttle time
        assert reader.take("i") == 1
        reader.string()
        answers = [reader.take("ihqq") for _ in range(reader.take("i"))]
        wrong = [f"{topic} {number}: error {code}" for number, code, _, _ in answers if code != 0]
        if wrong:
            raise RuntimeError(wrong[0])
        found.append({number: offset for number, _, _, offset in answers})
    return {number: (stable, found[1][number]) for number, stable in found[0].items()}


def read(port, topic, partition, isolation):
    """All records of a partition as (offset, value)."""
    return [(offset, value) for offset, _, value in read_keyed(port, topic, partition, isolation, 0)]


def read_keyed(port, topic, partition, isolation, offset):
    """All records from an offset on as (offset, key, value), by Fetch v4; with READ_COMMITTED as a consumer reads them: up to the
    last stable offset, without what was aborted."""
    found, begin = [], offset
    while True:
        end, aborted, records = fetch(port, topic, partition, offset, isolation)
        aborting, following = {}, offset
        for batch in batches(records):
            following = batch.base + batch.last_delta + 1
            for producer, first in aborted:
                if first <= batch.base + batch.last_delta:
                    aborting.setdefault(producer, first)
            if batch.attributes & ATTRIBUTE_CONTROL:
                if not batch.commits:
                    aborting.pop(batch.producer, None)
                    aborted = [(producer, first) for producer, first in aborted
                               if producer != batch.producer or first > batch.base]
            elif not (batch.attributes & ATTRIBUTE_TRANSACTIONAL and batch.producer in aborting):
                found += [record for record in batch.records if record[0] >= begin]
        if following == offset or following >= end:
            return found
        offset = following


def fetch(port, topic, partition, offset, isolation):
    """The end for this isolation level, the aborted transactions as (producer id, first offset), and the bytes of the batches."""
    body = struct.pack(">iiiib", -1, 100, 0, 8 << 20, isolation)
    body += struct.pack(">i", 1) + text(topic) + struct.pack(">iiqi", 1, partition, offset, 8 << 20)
    reader = call(port, API_FETCH, 4, body)
    reader.take("i")  # throttle time
    assert reader.take("i") == 1
    reader.string()
    assert reader.take("i") == 1
    _partition, code, high_watermark, stable = reader.take("ihqq")
    if code != 0:
        raise RuntimeError(f"fetch of {topic}: error {code}")
    aborted = [reader.take("qq") for _ in range(max(reader.take("i"), 0))]
    return stable if isolation == READ_COMMITTED else high_watermark, aborted, reader.bytes()


@dataclass
class Batch:
    base: int
    attributes: int
    last_delta: int
    producer: int
    records: list  # (offset, key, value); empty if compressed
    commits: bool = False  # a control batch's word


def batches(records):
    """The whole batches in the bytes of a Fetch answer."""
    at = 0
    while at + BATCH_HEADER_BYTES <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        if at + 12 + length > len(records):
            return
        attributes, last_delta = struct.unpack_from(">hi", records, at + 21)
        producer, _epoch, _sequence, count = struct.unpack_from(">qhii", records, at + 43)
        batch = Batch(base, attributes, last_delta, producer, [])
        if attributes & ATTRIBUTE_CODEC == 0:
            reader = Reader(records[at + BATCH_HEADER_BYTES:at + 12 + length])
            for _ in range(count):
                delta, key, value = reader.record()
                batch.records.append((base + delta, key, value))
                batch.commits = bool(attributes & ATTRIBUTE_CONTROL) and key[3] == 1
        yield batch
        at += 12 + length


def batch_codecs(port, topic):
    """The codec of every record batch in partition 0."""
    codecs, offset = [], 0
    while True:
        high_watermark, _aborted, records = fetch(port, topic, 0, offset, READ_UNCOMMITTED)
        before = offset
        for batch in batches(records):
            codecs.append(PRODUCE_CODECS[batch.attributes & ATTRIBUTE_CODEC])
            offset = batch.base + batch.last_delta + 1
        if offset >= high_watermark or offset == before:
            return codecs
