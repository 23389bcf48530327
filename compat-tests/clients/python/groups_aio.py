"""Consumer groups of aiokafka: the classic protocol."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import NoOffsetForPartitionError
from aiokafka.structs import OffsetAndMetadata

from adapter_aio import fault, loop, make, run
from base import Fault, Unsupported

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor}


class Listener(ConsumerRebalanceListener):
    def __init__(self, told, consumer):
        self.told, self.consumer = told, consumer

    def on_partitions_assigned(self, assigned):
        coordinator = self.consumer.raw._coordinator
        self.told.assigned(assigned, coordinator.generation, coordinator.member_id)

    def on_partitions_revoked(self, revoked):
        self.told.revoked(revoked)


class Consumer:
    tells_of_close = False

    def __init__(self, told, bootstrap, options):
        if options.protocol != "classic":
            raise Unsupported("classic protocol only")
        if options.assignor not in ASSIGNORS:
            raise Unsupported(f"no assignor {options.assignor}")
        self.raw = run(make(
            AIOKafkaConsumer, bootstrap_servers=bootstrap, group_id=options.group, group_instance_id=options.instance,
            auto_offset_reset=options.reset, enable_auto_commit=options.auto_commit_ms > 0,
            auto_commit_interval_ms=options.auto_commit_ms or 5000, session_timeout_ms=options.session_ms,
            heartbeat_interval_ms=options.heartbeat_ms, fetch_max_wait_ms=100, metadata_max_age_ms=1000,
            partition_assignment_strategy=[ASSIGNORS[options.assignor]]))

        self.told = told

        async def subscribe():
            self.raw.subscribe(topics=options.topics or (), pattern=options.pattern, listener=Listener(told, self))

        run(subscribe())

    def poll(self, seconds):
        # Told on the loop, where the listener is called as well: in the order in which things happen.
        async def go():
            found = await self.raw.getmany(timeout_ms=int(seconds * 1000))
            self.told.deliver([(r.topic, r.partition, r.offset) for records in found.values() for r in records])

        try:
            run(go())
        except Fault as raised:
            raised.last = isinstance(raised.__cause__, NoOffsetForPartitionError)
            raise

    @staticmethod
    def structs(offsets):
        return {TopicPartition(*part): OffsetAndMetadata(offset, metadata) for part, (offset, metadata) in offsets.items()}

    def commit(self, offsets):
        run(self.raw.commit(self.structs(offsets)))

    def commit_async(self, offsets):
        future = asyncio.run_coroutine_threadsafe(self.raw.commit(self.structs(offsets)), loop)

        def done():
            if future.done() and future.exception():
                raise fault(future.exception())
            return future.done()

        return done

    def committed(self, parts):
        found = {part: run(self.raw.committed(TopicPartition(*part))) for part in parts}
        return {part: (offset, None) for part, offset in found.items() if offset is not None}

    def seek(self, part, offset):
        place = TopicPartition(*part)

        async def go():
            if offset == "beginning":
                await self.raw.seek_to_beginning(place)
            elif offset == "end":
                await self.raw.seek_to_end(place)
            else:
                self.raw.seek(place, offset)

        run(go())

    def pause(self, parts):
        self.on_loop(self.raw.pause, parts)

    def resume(self, parts):
        self.on_loop(self.raw.resume, parts)

    @staticmethod
    def on_loop(call, parts):
        async def go():
            call(*(TopicPartition(*part) for part in parts))

        run(go())

    def close(self):
        run(self.raw.stop())


class Admin:
    def __init__(self, bootstrap):
        self.raw = run(make(AIOKafkaAdminClient, bootstrap_servers=bootstrap))

    def groups(self):
        return [(entry[0], "-", "-") for entry in run(self.raw.list_consumer_groups())]

    def describe(self, group):
        (response,) = run(self.raw.describe_consumer_groups([group]))
        (code, _group, state, _kind, assignor, members), *_ = [entry[:6] for entry in response.groups]
        if code:
            raise Fault(code, state)
        parts = []
        for member in members:
            if member[4]:
                for topic, numbers in ConsumerProtocolMemberAssignment.decode(member[4]).assignment:
                    parts += [f"{topic}:{number}" for number in numbers]
        return {"state": state, "type": "-", "assignor": assignor or "-", "members": len(members),
                "parts": ",".join(parts), "instances": "-"}

    def offsets(self, group):
        found = run(self.raw.list_consumer_group_offsets(group))
        return {tuple(part): (value.offset, value.metadata) for part, value in found.items() if value.offset >= 0}

    def alter(self, group, offsets):
        raise Unsupported("no such call in this client")

    def delete_offsets(self, group, parts):
        raise Unsupported("no such call in this client")

    def delete_group(self, group):
        raise Unsupported("no such call in this client")
