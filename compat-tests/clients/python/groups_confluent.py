"""Consumer groups of confluent-kafka: librdkafka, both protocols."""


from confluent_kafka import (
    OFFSET_BEGINNING, OFFSET_END, Consumer as Raw, ConsumerGroupTopicPartitions, KafkaError, KafkaException,
    TopicPartition)
from confluent_kafka.admin import AdminClient

from base import FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID, Fault, Unsupported

REQUEST_TIMEOUT_S = 20
BATCH_MAX = 500
RESET = {"none": "error"}
FATAL = {"fenced": FENCED_INSTANCE_ID, "still used": UNRELEASED_INSTANCE_ID}


def fault(error):
    """Negative codes are librdkafka's own; a fatal error hides the broker's in its text."""
    code = error.code() if error.code() > 0 else None
    if error.code() == KafkaError._FATAL:
        code = next((code for word, code in FATAL.items() if word in error.str().lower()), None)
    return Fault(code, error.str(), last=error.code() in (KafkaError._FATAL, KafkaError._AUTO_OFFSET_RESET))


def guarded(call, *args, **named):
    try:
        return call(*args, **named)
    except KafkaException as error:
        raise fault(error.args[0]) from error


def outcome(futures):
    """The only result of an admin call."""
    (future,) = futures.values()
    return guarded(future.result, REQUEST_TIMEOUT_S)


def with_offsets(offsets):
    # Metadata that is given, even empty, gets a NUL byte at its end in this client.
    return [TopicPartition(topic, number, offset, *filter(None, [metadata]))
            for (topic, number), (offset, metadata) in offsets.items()]


def without(parts):
    return [TopicPartition(topic, number) for topic, number in parts]


def told_offsets(partitions):
    for partition in partitions:
        if partition.error:
            raise fault(partition.error)
    return {(p.topic, p.partition): (p.offset, p.metadata or "") for p in partitions if p.offset >= 0}


def keys(partitions):
    return [(p.topic, p.partition) for p in partitions]


class Consumer:
    tells_of_close = True

    def __init__(self, told, bootstrap, options):
        self.told, self.async_result, self.read = told, None, []
        self.raw = Raw({
            "bootstrap.servers": bootstrap, "group.id": options.group, "enable.auto.commit": options.auto_commit_ms > 0,
            "auto.commit.interval.ms": options.auto_commit_ms or 5000, "auto.offset.reset": RESET.get(options.reset, options.reset),
            "fetch.wait.max.ms": 100, "topic.metadata.refresh.interval.ms": 1000, "reconnect.backoff.max.ms": 1000,
            "on_commit": self.on_commit,
            **self.protocol(options)})
        topics = [options.pattern if options.pattern.startswith("^") else f"^{options.pattern}"] if options.pattern else options.topics
        self.raw.subscribe(topics, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost)

    @staticmethod
    def protocol(options):
        settings = {"group.instance.id": options.instance} if options.instance else {}
        if options.protocol == "consumer":
            settings["group.protocol"] = "consumer"
            if options.assignor:
                settings["group.remote.assignor"] = options.assignor
            return settings
        if options.assignor == "sticky":
            raise Unsupported("librdkafka has range, roundrobin and cooperative-sticky")
        return {**settings, "partition.assignment.strategy": options.assignor,
                "session.timeout.ms": options.session_ms, "heartbeat.interval.ms": options.heartbeat_ms}

    def on_assign(self, raw, partitions):
        self.deliver()
        self.told.assigned(keys(partitions), None, raw.memberid())

    def on_revoke(self, raw, partitions):
        self.deliver()
        self.told.revoked(keys(partitions))

    def on_lost(self, raw, partitions):
        self.deliver()
        self.told.lost(keys(partitions))

    def on_commit(self, error, partitions):
        if self.async_result == "pending":
            errors = [error] if error else [p.error for p in partitions if p.error]
            self.async_result = errors[0] if errors else "done"

    def poll(self, seconds):
        # One call for each message: a call may take partitions away before it returns, and what was read before is told first.
        while len(self.read) < BATCH_MAX and (message := guarded(self.raw.poll, 0 if self.read else seconds)):
            if message.error():
                self.deliver()
                raise fault(message.error())
            self.read.append((message.topic(), message.partition(), message.offset()))
        self.deliver()

    def deliver(self):
        records, self.read = self.read, []
        self.told.deliver(records)

    def commit(self, offsets):
        told_offsets(guarded(self.raw.commit, offsets=with_offsets(offsets), asynchronous=False))

    def commit_async(self, offsets):
        self.async_result = "pending"
        guarded(self.raw.commit, offsets=with_offsets(offsets), asynchronous=True)

        def done():
            if isinstance(self.async_result, KafkaError):
                raise fault(self.async_result)
            return self.async_result == "done"

        return done

    def committed(self, parts):
        return told_offsets(guarded(self.raw.committed, without(parts), timeout=REQUEST_TIMEOUT_S))

    def seek(self, part, offset):
        place = {"beginning": OFFSET_BEGINNING, "end": OFFSET_END}.get(offset, offset)
        guarded(self.raw.seek, TopicPartition(*part, place))

    def pause(self, parts):
        guarded(self.raw.pause, without(parts))

    def resume(self, parts):
        guarded(self.raw.resume, without(parts))

    def close(self):
        self.raw.close()


def plain(value):
    return value.name.lower() if value is not None else "-"


class Admin:
    def __init__(self, bootstrap):
        self.raw = AdminClient({"bootstrap.servers": bootstrap})

    def groups(self):
        found = guarded(self.raw.list_consumer_groups().result, REQUEST_TIMEOUT_S)
        return [(g.group_id, plain(g.state), plain(g.type)) for g in found.valid]

    def describe(self, group):
        found = outcome(self.raw.describe_consumer_groups([group]))
        parts = [f"{p.topic}:{p.partition}" for m in found.members if m.assignment for p in m.assignment.topic_partitions]
        return {"state": plain(found.state), "type": plain(found.type), "assignor": found.partition_assignor or "-",
                "members": len(found.members), "parts": ",".join(parts),
                "instances": ",".join(m.group_instance_id for m in found.members if m.group_instance_id)}

    def offsets(self, group):
        found = outcome(self.raw.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        return told_offsets(found.topic_partitions)

    def alter(self, group, offsets):
        wanted = ConsumerGroupTopicPartitions(group, with_offsets(offsets))
        told_offsets(outcome(self.raw.alter_consumer_group_offsets([wanted])).topic_partitions)

    def delete_offsets(self, group, parts):
        raise Unsupported("no such call in this client")

    def delete_group(self, group):
        outcome(self.raw.delete_consumer_groups([group]))
