"""What the scenarios need of a client.

An adapter module has a class `Client(bootstrap)` with

    null_header_values, null_key_and_value, idempotence,
    knows_invalid_record                                    what it can express
    create(topic, partitions, configs)                      one CreateTopics; Fault on an error code
    grow(topic, partitions), delete(topic)                  likewise
    topics() -> names
    describe(topic) -> [leader node id of each partition]
    configs(topic) -> {name: (value, is it a default)}
    latest(topic, partitions), earliest(...) -> {partition: offset}
    offset_for_time(topic, timestamp) -> offset, or None
    producer(**Options) -> object with
        send(topic, partition, value, key=None, headers=(), timestamp=None) -> handle   (may raise Fault)
        wait(handle) -> offset, or Fault
        close()
    administrator() -> what administration.py describes
    consumer(topic, partitions, start=0, wait_ms=500) -> object with
        poll(seconds) -> [Record]; returns early once there is something; Fault(1) when out of range
        seek(partition, offset)
        close()

Producer options: codec, idempotent, batch_bytes, linger_ms, request_bytes_max, timeout_s.
"""

from dataclasses import dataclass

UNKNOWN_TOPIC_OR_PARTITION = 3
OFFSET_OUT_OF_RANGE = 1
MESSAGE_TOO_LARGE = 10
INVALID_TOPIC_EXCEPTION = 17
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_REPLICA_ASSIGNMENT = 39
INVALID_CONFIG = 40
INVALID_REQUEST = 42
INVALID_PRODUCER_EPOCH = 47
SECURITY_DISABLED = 54
LOG_DIR_NOT_FOUND = 57
FENCED_INSTANCE_ID = 82
ELECTION_NOT_NEEDED = 84
NO_REASSIGNMENT_IN_PROGRESS = 85
INVALID_RECORD = 87
PRODUCER_FENCED = 90
RESOURCE_NOT_FOUND = 91
UNACCEPTABLE_CREDENTIAL = 93
UNRELEASED_INSTANCE_ID = 111


class Fault(Exception):
    """An error of the broker by its code, or with code None of the client itself."""

    def __init__(self, code, text, last=False):
        super().__init__(f"{code}: {text}")
        self.code = code
        # Whether the client gives up after it.
        self.last = last


class Unsupported(Exception):
    """This client has no such thing."""


@dataclass
class Record:
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list
