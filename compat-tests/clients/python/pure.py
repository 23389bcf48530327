"""kafka-python, what its lines 2 and 3 have in common."""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from base import OFFSET_OUT_OF_RANGE, Fault, Record

REQUEST_TIMEOUT_S = 20


def fault(error):
    code = getattr(error, "errno", None)
    return Fault(code if code and code > 0 else None, f"{type(error).__name__} {error}")


def guarded(call, *args, **named):
    try:
        return call(*args, **named)
    except (KafkaError, AssertionError, ValueError) as error:
        raise fault(error) from error


class Common:
    null_header_values = False
    null_key_and_value = False

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.asking = None

    def lookups(self):
        """A consumer for offset look-ups."""
        self.asking = self.asking or KafkaConsumer(bootstrap_servers=self.bootstrap)
        return self.asking

    def latest(self, topic, partitions):
        found = guarded(self.lookups().end_offsets, [TopicPartition(topic, p) for p in partitions])
        return {tp.partition: offset for tp, offset in found.items()}

    def earliest(self, topic, partitions):
        found = guarded(self.lookups().beginning_offsets, [TopicPartition(topic, p) for p in partitions])
        return {tp.partition: offset for tp, offset in found.items()}

    def offset_for_time(self, topic, timestamp):
        tp = TopicPartition(topic, 0)
        found = guarded(self.lookups().offsets_for_times, {tp: timestamp})[tp]
        return found.offset if found else None

    def producer(self, **options):
        return Sender(self.bootstrap, self.producer_settings, **options)

    def consumer(self, topic, partitions, start=0, wait_ms=500):
        return Reader(self.bootstrap, topic, partitions, start, wait_ms)


class Sender:
    def __init__(self, bootstrap, settings_of, codec="none", idempotent=False, batch_bytes=16384, linger_ms=5,
                 request_bytes_max=1 << 20, timeout_s=30, in_flight_1=False):
        self.producer = KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", compression_type=None if codec == "none" else codec,
            batch_size=batch_bytes, linger_ms=linger_ms, max_request_size=request_bytes_max,
            max_block_ms=min(timeout_s, 30) * 1000,
            max_in_flight_requests_per_connection=1 if in_flight_1 else 5,
            **settings_of(idempotent, timeout_s))
        self.timeout_s = timeout_s

    def send(self, topic, partition, value, key=None, headers=(), timestamp=None):
        return guarded(self.producer.send, topic, value=value, key=key, headers=list(headers), partition=partition,
                       timestamp_ms=timestamp)

    def wait(self, future):
        return guarded(future.get, self.timeout_s + 10).offset

    def close(self):
        self.producer.close(timeout=10)


class Reader:
    def __init__(self, bootstrap, topic, partitions, start, wait_ms, **settings):
        self.topic = topic
        self.consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="none", fetch_max_wait_ms=wait_ms, fetch_min_bytes=1,
            enable_auto_commit=False, **settings)
        tps = [TopicPartition(topic, p) for p in partitions]
        self.consumer.assign(tps)
        for tp in tps:
            self.consumer.seek(tp, start)

    def poll(self, seconds):
        try:
            found = self.consumer.poll(int(seconds * 1000))
        except OffsetOutOfRangeError as error:
            raise Fault(OFFSET_OUT_OF_RANGE, str(error)) from error
        return [Record(r.partition, r.offset, r.timestamp, r.key, r.value, list(r.headers))
                for records in found.values() for r in records]

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition), offset)

    def close(self):
        self.consumer.close()
