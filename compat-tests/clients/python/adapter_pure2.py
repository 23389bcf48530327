"""kafka-python 2.0.2, the last release before the rewrite, still widely pinned."""

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic

import pure
from pure import guarded

SOURCE_DEFAULT = 5


class Client(pure.Common):
    idempotence = False
    knows_invalid_record = False

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    @staticmethod
    def producer_settings(idempotent, timeout_s):
        assert not idempotent
        return {"retries": 1000, "buffer_memory": 64 << 20, "request_timeout_ms": timeout_s * 1000}

    def create(self, topic, partitions, configs):
        guarded(self.admin.create_topics, [NewTopic(topic, partitions, 1, topic_configs=configs)])

    def grow(self, topic, partitions):
        guarded(self.admin.create_partitions, {topic: NewPartitions(partitions)})

    def delete(self, topic):
        guarded(self.admin.delete_topics, [topic])

    def topics(self):
        return set(guarded(self.admin.list_topics))

    def describe(self, topic):
        (found,) = guarded(self.admin.describe_topics, [topic])
        return [partition["leader"] for partition in found["partitions"]]

    def configs(self, topic):
        (response,) = guarded(self.admin.describe_configs, [ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((_code, _message, _type, _name, entries),) = response.resources
        return {name: (value, source == SOURCE_DEFAULT) for name, value, _read_only, source, *_ in entries}
