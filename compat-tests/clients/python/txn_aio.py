"""Transactions of aiokafka. It knows a group by its id only when it sends offsets."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ProducerFenced

from adapter_aio import Reader, loop, make, run
from base import PRODUCER_FENCED, Fault

TIMEOUT_S = 30
CLOSE_S = 5
dropped = []


def guarded(coroutine):
    async def bounded():
        return await asyncio.wait_for(coroutine, TIMEOUT_S)

    try:
        return run(bounded())
    except Fault as fault:
        # Its own class without a code.
        if isinstance(fault.__cause__, ProducerFenced):
            fault.code = PRODUCER_FENCED
        raise


class Producer:
    def __init__(self, bootstrap, id, timeout_ms):
        self.raw = guarded(make(
            AIOKafkaProducer, bootstrap_servers=bootstrap, transactional_id=id, transaction_timeout_ms=timeout_ms, linger_ms=1,
            request_timeout_ms=TIMEOUT_S * 1000))
        # It asks for the producer id when the first transaction begins, and for the id alone then.
        guarded(self.raw._txn_manager.wait_for_pid())

    def begin(self):
        guarded(self.raw.begin_transaction())

    def send(self, records):
        async def go():
            sent = [await self.raw.send(topic, value, partition=partition) for topic, partition, value in records]
            await asyncio.gather(*sent)

        guarded(go())

    def offsets(self, group, offsets, source):
        guarded(self.raw.send_offsets_to_transaction({TopicPartition(*part): at for part, at in offsets.items()}, group))

    def commit(self):
        guarded(self.raw.commit_transaction())

    def abort(self):
        guarded(self.raw.abort_transaction())

    def close(self):
        async def go():
            await asyncio.wait_for(self.raw.stop(), CLOSE_S)

        run(go())

    def drop(self):
        async def go():
            self.raw._sender.sender_task.cancel()
            await self.raw.client.close()

        guarded(go())
        dropped.append(self.raw)


class Source(ConsumerRebalanceListener):
    """It is the program that must not let partitions go during a transaction: the broker is not told which member sends the
    offsets, and the next owner is not made to wait for those that are pending."""

    def __init__(self, bootstrap, group, topic):
        self.busy = asyncio.Lock()
        self.raw = run(make(
            AIOKafkaConsumer, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
            enable_auto_commit=False, isolation_level="read_committed", session_timeout_ms=6000, heartbeat_interval_ms=500,
            fetch_max_wait_ms=100, partition_assignment_strategy=[RangePartitionAssignor]))

        async def subscribe():
            self.raw.subscribe([topic], listener=self)

        run(subscribe())

    async def on_partitions_revoked(self, revoked):
        async with self.busy:
            pass

    def on_partitions_assigned(self, assigned):
        pass

    def poll(self, seconds, most):
        async def go():
            # While partitions move it waits for longer than it is told.
            read = await self.raw.getmany(timeout_ms=int(seconds * 1000), max_records=most)
            await self.busy.acquire()
            return read

        found = run(go())
        return [(r.topic, r.partition, r.offset, r.value) for records in found.values() for r in records]

    def done(self):
        if self.busy.locked():
            loop.call_soon_threadsafe(self.busy.release)

    def seek(self, offsets):
        async def go():
            for part, offset in offsets.items():
                self.raw.seek(TopicPartition(*part), offset)

        run(go())

    def rewind(self):
        run(self.raw.seek_to_committed())

    def close(self):
        run(self.raw.stop())


def follow(bootstrap, topic, partitions, isolation):
    return Reader(bootstrap, topic, partitions, 0, 100, isolation)
