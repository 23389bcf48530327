"""Transactions of confluent-kafka: librdkafka, the protocol before transaction.version 2."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer as Raw, TopicPartition

from adapter_confluent import Client
from base import PRODUCER_FENCED, Fault

TIMEOUT_S = 30
CLOSE_S = 5
dropped = []


def fault(error):
    # Negative codes are librdkafka's own; this one stands for Kafka's.
    code = PRODUCER_FENCED if error.code() == KafkaError._FENCED else error.code()
    return Fault(code if code > 0 else None, error.str(), last=error.fatal())


def guarded(call, *args):
    try:
        return call(*args)
    except KafkaException as error:
        raise fault(error.args[0]) from error


def places(offsets):
    return [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]


class Producer:
    def __init__(self, bootstrap, id, timeout_ms):
        self.bootstrap, self.groups = bootstrap, {}
        self.raw = Raw({"bootstrap.servers": bootstrap, "transactional.id": id, "transaction.timeout.ms": timeout_ms,
                        "linger.ms": 1, "reconnect.backoff.max.ms": 1000,
                        # With the default it throws its only broker away when that restarts, and then
                        # send_offsets_to_transaction may wait for ever, on Apache Kafka as well.
                        "metadata.recovery.strategy": "none"})
        guarded(self.raw.init_transactions, TIMEOUT_S)

    def begin(self):
        guarded(self.raw.begin_transaction)

    def send(self, records):
        errors = []
        for topic, partition, value in records:
            guarded(lambda: self.raw.produce(topic, value, partition=partition,
                                             on_delivery=lambda error, _message: errors.append(error)))
        try:
            left = self.raw.flush(TIMEOUT_S)
        except (KafkaException, SystemError) as error:
            # A fatal error of the producer, which comes out of whatever the client calls at that moment; the records have theirs.
            left = not errors and error
        for error in filter(None, errors):
            raise fault(error)
        if left:
            raise Fault(None, f"not all records were acknowledged: {left}")

    def offsets(self, group, offsets, source):
        member = source.raw if source else self.outsider(group)
        guarded(self.raw.send_offsets_to_transaction, places(offsets), member.consumer_group_metadata(), TIMEOUT_S)

    def outsider(self, group):
        """A consumer that knows its group and never joins it. Closing it may wait for the broker."""
        if group not in self.groups:
            self.groups[group] = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        return self.groups[group]

    def commit(self):
        guarded(self.raw.commit_transaction, TIMEOUT_S)

    def abort(self):
        guarded(self.raw.abort_transaction, TIMEOUT_S)

    def close(self):
        self.raw.flush(CLOSE_S)

    def drop(self):
        # It has no way to be closed, and waits for its requests when it is collected.
        self.raw.purge()
        dropped.append(self.raw)


class Source:
    def __init__(self, bootstrap, group, topic):
        self.raw = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "isolation.level": "read_committed", "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 1000,
            "partition.assignment.strategy": "range", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
        self.raw.subscribe([topic])

    def poll(self, seconds, most):
        found = []
        for message in guarded(self.raw.consume, most, seconds):
            # librdkafka tells of lost connections in this way, and goes on.
            if not message.error():
                found.append((message.topic(), message.partition(), message.offset(), message.value()))
        return found

    def done(self):
        pass

    def seek(self, offsets):
        for place in places(offsets):
            guarded(self.raw.seek, place)

    def rewind(self):
        assigned = guarded(self.raw.assignment)
        if not assigned:
            return
        for place in guarded(self.raw.committed, assigned, TIMEOUT_S):
            place.offset = max(place.offset, 0)
            guarded(self.raw.seek, place)

    def close(self):
        self.raw.close()


def follow(bootstrap, topic, partitions, isolation):
    return Client(bootstrap).consumer(topic, partitions, wait_ms=100, isolation=isolation)
