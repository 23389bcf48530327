"""Consumer groups of kafka-python, what its lines 2 and 3 have in common: the classic protocol."""

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition, errors
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import OffsetAndMetadata

from base import Fault, Unsupported
from pure import fault, guarded


# In line 2 another error does its duty.
NO_OFFSET = getattr(errors, "NoOffsetForPartitionError", ())


class Listener(ConsumerRebalanceListener):
    def __init__(self, told):
        self.told = told

    def on_partitions_assigned(self, parts):
        coordinator = self.told.consumer.raw._coordinator
        self.told.assigned(parts, coordinator._generation.generation_id, coordinator._generation.member_id)

    def on_partitions_revoked(self, parts):
        self.told.revoked(parts)

    def on_partitions_lost(self, parts):
        self.told.lost(parts)


class Common:
    # Only some releases call the listener when they close.
    tells_of_close = False
    assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor}

    def __init__(self, told, bootstrap, options):
        if options.protocol != "classic":
            raise Unsupported("classic protocol only")
        if options.assignor not in self.assignors:
            raise Unsupported(f"no assignor {options.assignor}")
        told.consumer, self.told = self, told
        self.raw = KafkaConsumer(
            bootstrap_servers=bootstrap, group_id=options.group, auto_offset_reset=options.reset,
            enable_auto_commit=options.auto_commit_ms > 0, auto_commit_interval_ms=options.auto_commit_ms or 5000,
            session_timeout_ms=options.session_ms, heartbeat_interval_ms=options.heartbeat_ms, fetch_max_wait_ms=100,
            reconnect_backoff_max_ms=1000, metadata_max_age_ms=1000, partition_assignment_strategy=[self.assignors[options.assignor]],
            **self.instance(options))
        self.raw.subscribe(topics=options.topics or (), pattern=options.pattern, listener=Listener(told))

    def poll(self, seconds):
        try:
            found = guarded(self.raw.poll, int(seconds * 1000))
        except Fault as raised:
            raised.last = isinstance(raised.__cause__, NO_OFFSET)
            raise
        self.told.deliver([(r.topic, r.partition, r.offset) for records in found.values() for r in records])

    @staticmethod
    def structs(offsets):
        # Line 3 has a leader epoch as well, with a default.
        return {TopicPartition(*part): OffsetAndMetadata(offset, metadata) for part, (offset, metadata) in offsets.items()}

    def commit(self, offsets):
        guarded(self.raw.commit, self.structs(offsets))

    def commit_async(self, offsets):
        results = []
        guarded(self.raw.commit_async, self.structs(offsets), callback=lambda _offsets, result: results.append(result))

        def done():
            if results and isinstance(results[0], Exception):
                raise fault(results[0])
            return bool(results)

        return done

    def committed(self, parts):
        found = {part: guarded(self.raw.committed, TopicPartition(*part), metadata=True) for part in parts}
        return {part: (value.offset, value.metadata) for part, value in found.items() if value is not None}

    def seek(self, part, offset):
        place = TopicPartition(*part)
        if offset == "beginning":
            guarded(self.raw.seek_to_beginning, place)
        elif offset == "end":
            guarded(self.raw.seek_to_end, place)
        else:
            guarded(self.raw.seek, place, offset)

    def pause(self, parts):
        self.raw.pause(*(TopicPartition(*part) for part in parts))

    def resume(self, parts):
        self.raw.resume(*(TopicPartition(*part) for part in parts))

    def close(self):
        guarded(self.raw.close)
