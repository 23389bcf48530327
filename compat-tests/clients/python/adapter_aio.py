"""aiokafka. Its event loop runs in a thread of its own; every call is a coroutine handed to it."""

import asyncio
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from base import OFFSET_OUT_OF_RANGE, Fault, Record

SOURCE_DEFAULT = 5

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


def fault(error):
    code = getattr(error, "errno", None)
    return Fault(code if code and code > 0 else None, f"{type(error).__name__} {error}")


def run(coroutine):
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    except OffsetOutOfRangeError as error:
        raise Fault(OFFSET_OUT_OF_RANGE, str(error)) from error
    except (KafkaError, AssertionError, ValueError, asyncio.TimeoutError) as error:
        raise fault(error) from error


def check_codes(errors):
    for name, code, *message in errors:
        if code:
            raise Fault(code, f"{name} {message}")


async def make(kind, *args, **settings):
    """The clients bind to the loop that they are made on."""
    made = kind(*args, **settings)
    await made.start()
    return made


class Client:
    null_header_values = True
    null_key_and_value = False
    idempotence = True
    knows_invalid_record = False

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = run(make(AIOKafkaAdminClient, bootstrap_servers=bootstrap))
        self.asking = None

    def create(self, topic, partitions, configs):
        response = run(self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)]))
        check_codes(response.topic_errors)

    def grow(self, topic, partitions):
        run(self.admin.create_partitions({topic: NewPartitions(partitions)}))

    def delete(self, topic):
        check_codes(run(self.admin.delete_topics([topic])).topic_error_codes)

    def topics(self):
        return set(run(self.admin.list_topics()))

    def describe(self, topic):
        (found,) = run(self.admin.describe_topics([topic]))
        return [partition["leader"] for partition in found["partitions"]]

    def configs(self, topic):
        (response,) = run(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
        ((_code, _message, _type, _name, entries),) = response.resources
        return {name: (value, source == SOURCE_DEFAULT) for name, value, _read_only, source, *_ in entries}

    def administrator(self):
        from admin_aio import Administrator
        return Administrator(self.admin)

    def lookups(self):
        self.asking = self.asking or run(make(AIOKafkaConsumer, bootstrap_servers=self.bootstrap))
        return self.asking

    def latest(self, topic, partitions):
        found = run(self.lookups().end_offsets([TopicPartition(topic, p) for p in partitions]))
        return {tp.partition: offset for tp, offset in found.items()}

    def earliest(self, topic, partitions):
        found = run(self.lookups().beginning_offsets([TopicPartition(topic, p) for p in partitions]))
        return {tp.partition: offset for tp, offset in found.items()}

    def offset_for_time(self, topic, timestamp):
        tp = TopicPartition(topic, 0)
        found = run(self.lookups().offsets_for_times({tp: timestamp}))[tp]
        return found.offset if found else None

    def producer(self, **options):
        return Sender(self.bootstrap, **options)

    def consumer(self, topic, partitions, start=0, wait_ms=500):
        return Reader(self.bootstrap, topic, partitions, start, wait_ms)


class Sender:
    def __init__(self, bootstrap, codec="none", idempotent=False, batch_bytes=16384, linger_ms=5,
                 request_bytes_max=None, timeout_s=30, in_flight_1=False):
        self.producer = run(make(
            AIOKafkaProducer, bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotent,
            compression_type=None if codec == "none" else codec,
            # One record may be as large as a batch, and no larger.
            max_batch_size=request_bytes_max or batch_bytes, max_request_size=request_bytes_max or 1 << 20,
            linger_ms=linger_ms, request_timeout_ms=timeout_s * 1000))

    def send(self, topic, partition, value, key=None, headers=(), timestamp=None):
        return run(self.producer.send(topic, value, key, partition, timestamp, list(headers)))

    def wait(self, future):
        async def result():
            return await future
        return run(result()).offset

    def close(self):
        run(self.producer.stop())


class Reader:
    def __init__(self, bootstrap, topic, partitions, start, wait_ms, isolation="read_uncommitted"):
        self.topic = topic
        self.consumer = run(make(
            AIOKafkaConsumer, bootstrap_servers=bootstrap, auto_offset_reset="none", enable_auto_commit=False,
            fetch_max_wait_ms=wait_ms, fetch_min_bytes=1, isolation_level=isolation))
        tps = [TopicPartition(topic, p) for p in partitions]
        loop.call_soon_threadsafe(self.consumer.assign, tps)
        for tp in tps:
            loop.call_soon_threadsafe(self.consumer.seek, tp, start)

    def poll(self, seconds):
        found = run(self.consumer.getmany(timeout_ms=int(seconds * 1000)))
        return [Record(r.partition, r.offset, r.timestamp, r.key, r.value, list(r.headers))
                for records in found.values() for r in records]

    def seek(self, partition, offset):
        loop.call_soon_threadsafe(self.consumer.seek, TopicPartition(self.topic, partition), offset)

    def close(self):
        run(self.consumer.stop())
