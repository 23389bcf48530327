"""Transactions of kafka-python 3."""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import OffsetAndMetadata

import pure
from base import PRODUCER_FENCED, Fault

TIMEOUT_S = 30
CLOSE_S = 5
JOIN_POLL_S = 3


def guarded(call, *args, **named):
    try:
        return pure.guarded(call, *args, **named)
    except Fault as fault:
        # After the first time it is told in the text of an error of the client.
        if "[Error 90]" in str(fault):
            fault.code = PRODUCER_FENCED
        raise


class Producer:
    def __init__(self, bootstrap, id, timeout_ms):
        self.raw = KafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=id, transaction_timeout_ms=timeout_ms, linger_ms=1,
            delivery_timeout_ms=TIMEOUT_S * 1000, max_block_ms=TIMEOUT_S * 1000, request_timeout_ms=20_000,
            reconnect_backoff_max_ms=1000)
        try:
            guarded(self.raw.init_transactions)
        except BaseException:
            self.drop()
            raise

    def begin(self):
        guarded(self.raw.begin_transaction)

    def send(self, records):
        sent = [guarded(self.raw.send, topic, value=value, partition=partition) for topic, partition, value in records]
        for future in sent:
            guarded(future.get, TIMEOUT_S)

    def offsets(self, group, offsets, source):
        structs = {TopicPartition(*part): OffsetAndMetadata(offset, "") for part, offset in offsets.items()}
        metadata = source.raw.group_metadata() if source else group
        guarded(self.raw.send_offsets_to_transaction, structs, metadata)

    def commit(self):
        guarded(self.raw.commit_transaction)

    def abort(self):
        guarded(self.raw.abort_transaction)

    def close(self):
        self.raw.close(timeout=CLOSE_S)

    def drop(self):
        self.raw._sender.force_close()


class Source:
    def __init__(self, bootstrap, group, topic):
        self.raw = KafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
            isolation_level="read_committed", session_timeout_ms=6000, heartbeat_interval_ms=500, fetch_max_wait_ms=100,
            reconnect_backoff_max_ms=1000, partition_assignment_strategy=[RangePartitionAssignor])

    def poll(self, seconds, most):
        # A poll that ends while the member joins may lose what it was about to be assigned.
        patience = JOIN_POLL_S if self.raw._coordinator.need_rejoin() else seconds
        found = guarded(self.raw.poll, int(patience * 1000), most)
        return [(r.topic, r.partition, r.offset, r.value) for records in found.values() for r in records]

    def done(self):
        pass

    def seek(self, offsets):
        for part, offset in offsets.items():
            guarded(self.raw.seek, TopicPartition(*part), offset)

    def rewind(self):
        for place in self.raw.assignment():
            guarded(self.raw.seek, place, guarded(self.raw.committed, place) or 0)

    def close(self):
        guarded(self.raw.close)


def follow(bootstrap, topic, partitions, isolation):
    return pure.Reader(bootstrap, topic, partitions, 0, 100, isolation_level=isolation, reconnect_backoff_max_ms=1000)
