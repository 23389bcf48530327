"""The few Kafka requests that the harness itself sends, in their oldest non-flexible versions.

An independent, deliberately plain codec: it shares nothing with the broker under test.
"""

import socket
import struct
import time

PRODUCE_CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TIMEOUT_S = 10

API_FETCH, API_LIST_OFFSETS, API_METADATA, API_CREATE_TOPICS = 1, 2, 3, 19
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

    def bytes(self):
        length = self.take("i")
        if length < 0:
            return b""
        self.at += length
        return self.data[self.at - length:self.at]


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


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
    body = struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">i", partitions)
    body += b"".join(struct.pack(">iq", number, -1) for number in range(partitions))
    reader = call(port, API_LIST_OFFSETS, 1, body)
    assert reader.take("i") == 1
    reader.string()
    answers = [reader.take("ihqq") for _ in range(reader.take("i"))]
    return all(code == 0 for _, code, _, _ in answers)


def batch_codecs(port, topic):
    """The codec of every record batch in partition 0, by raw Fetch v4."""
    codecs, offset = [], 0
    while True:
        body = struct.pack(">iiiib", -1, 100, 0, 8 << 20, 0)
        body += struct.pack(">i", 1) + text(topic) + struct.pack(">iiqi", 1, 0, offset, 8 << 20)
        reader = call(port, API_FETCH, 4, body)
        reader.take("i")  # throttle time
        assert reader.take("i") == 1
        reader.string()
        assert reader.take("i") == 1
        _partition, code, high_watermark, _stable = reader.take("ihqq")
        if code != 0:
            raise RuntimeError(f"fetch of {topic}: error {code}")
        for _aborted in range(max(reader.take("i"), 0)):
            reader.take("qq")
        records = reader.bytes()
        at = 0
        while at + 61 <= len(records):
            base, length = struct.unpack_from(">qi", records, at)
            if at + 12 + length > len(records):
                break
            (attributes, last_delta) = struct.unpack_from(">hi", records, at + 21)
            codecs.append(PRODUCE_CODECS[attributes & 7])
            offset = base + last_delta + 1
            at += 12 + length
        if offset >= high_watermark or at == 0:
            return codecs
