"""confluent-kafka: librdkafka."""

import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from base import OFFSET_OUT_OF_RANGE, Fault, Record

REQUEST_TIMEOUT_S = 20


def fault(error):
    # Negative codes are librdkafka's own.
    return Fault(error.code() if error.code() > 0 else None, error.str())


def outcome(futures):
    """The only result of an admin call."""
    (future,) = futures.values()
    try:
        return future.result(REQUEST_TIMEOUT_S)
    except KafkaException as error:
        raise fault(error.args[0]) from error


class Client:
    null_header_values = True
    null_key_and_value = True
    knows_invalid_record = True
    idempotence = True

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(self, topic, partitions, configs):
        outcome(self.admin.create_topics([NewTopic(topic, partitions, 1, config=configs)]))

    def grow(self, topic, partitions):
        outcome(self.admin.create_partitions([NewPartitions(topic, partitions)]))

    def delete(self, topic):
        outcome(self.admin.delete_topics([topic]))

    def topics(self):
        return set(self.admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics)

    def describe(self, topic):
        found = self.admin.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
        return [partition.leader for partition in found.partitions.values()]

    def configs(self, topic):
        entries = outcome(self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]))
        return {name: (entry.value, entry.is_default) for name, entry in entries.items()}

    def administrator(self):
        from admin_confluent import Administrator
        return Administrator(self.admin)

    def watermarks(self, topic, partitions):
        consumer = self.raw_consumer({})
        try:
            return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=REQUEST_TIMEOUT_S)
                    for p in partitions}
        except KafkaException as error:
            raise fault(error.args[0]) from error
        finally:
            consumer.close()

    def latest(self, topic, partitions):
        return {p: high for p, (low, high) in self.watermarks(topic, partitions).items()}

    def earliest(self, topic, partitions):
        return {p: low for p, (low, high) in self.watermarks(topic, partitions).items()}

    def offset_for_time(self, topic, timestamp):
        consumer = self.raw_consumer({})
        try:
            (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=REQUEST_TIMEOUT_S)
            return found.offset if found.offset >= 0 else None
        finally:
            consumer.close()

    def raw_consumer(self, settings):
        # A group id is required, and unused: nothing is subscribed or committed.
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "auto.offset.reset": "error", **settings})

    def producer(self, **options):
        return Sender(self.bootstrap, **options)

    def consumer(self, topic, partitions, start=0, wait_ms=500, isolation="read_committed"):
        settings = {"fetch.wait.max.ms": wait_ms, "isolation.level": isolation}
        return Reader(self.raw_consumer(settings), topic, partitions, start)


class Sender:
    def __init__(self, bootstrap, codec="none", idempotent=False, batch_bytes=None, linger_ms=5,
                 request_bytes_max=None, timeout_s=30, in_flight_1=False):
        settings = {
            "bootstrap.servers": bootstrap, "acks": "all", "compression.type": codec, "linger.ms": linger_ms,
            "enable.idempotence": idempotent, "message.timeout.ms": timeout_s * 1000}
        if batch_bytes:
            settings["batch.size"] = batch_bytes
        if request_bytes_max:
            settings["message.max.bytes"] = request_bytes_max
        self.producer = Producer(settings)
        # Deliveries are told by whoever polls: one thread, as the scenarios send and wait in different ones.
        self.open = True
        self.poller = threading.Thread(target=self.poll, daemon=True)
        self.poller.start()

    def poll(self):
        while self.open:
            self.producer.poll(0.1)

    def send(self, topic, partition, value, key=None, headers=(), timestamp=None):
        delivery = Delivery()
        extra = {"timestamp": timestamp} if timestamp is not None else {}
        while True:
            try:
                self.producer.produce(topic, value, key, partition, on_delivery=delivery.done,
                                      headers=list(headers), **extra)
                return delivery
            except BufferError:
                time.sleep(0.01)
            except KafkaException as error:
                raise fault(error.args[0]) from error

    def wait(self, delivery):
        if not delivery.event.wait(100):
            raise Fault(None, "no delivery report")
        if delivery.error:
            raise fault(delivery.error)
        return delivery.offset

    def close(self):
        self.producer.flush(10)
        self.open = False
        self.poller.join()


class Delivery:
    def __init__(self):
        self.event, self.error, self.offset = threading.Event(), None, None

    def done(self, error, message):
        self.error, self.offset = error, message.offset()
        self.event.set()


class Reader:
    def __init__(self, consumer, topic, partitions, start):
        self.consumer, self.topic = consumer, topic
        consumer.assign([TopicPartition(topic, p, start or OFFSET_BEGINNING) for p in partitions])

    def poll(self, seconds):
        first = self.consumer.poll(seconds)
        if first is None:
            return []
        return [self.record(message) for message in [first, *self.consumer.consume(500, 0)]]

    def record(self, message):
        error = message.error()
        if error:
            reset = error.code() == KafkaError._AUTO_OFFSET_RESET
            raise Fault(OFFSET_OUT_OF_RANGE, error.str()) if reset else fault(error)
        return Record(message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(),
                      message.headers() or [])

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition, offset))

    def close(self):
        self.consumer.close()
