"""kafka-python 3."""

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

import pure
from pure import guarded


class Client(pure.Common):
    idempotence = True
    knows_invalid_record = True

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    @staticmethod
    def producer_settings(idempotent, timeout_s):
        return {"enable_idempotence": idempotent, "delivery_timeout_ms": timeout_s * 1000,
                "request_timeout_ms": min(timeout_s * 1000 - 500, 20_000)}

    def create(self, topic, partitions, configs):
        settings = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        guarded(self.admin.create_topics, {topic: settings})

    def grow(self, topic, partitions):
        guarded(self.admin.create_partitions, {topic: partitions})

    def delete(self, topic):
        guarded(self.admin.delete_topics, [topic])

    def topics(self):
        return set(guarded(self.admin.list_topics))

    def describe(self, topic):
        (found,) = guarded(self.admin.describe_topics, [topic])
        return [partition["leader_id"] for partition in found["partitions"]]

    def configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = guarded(self.admin.describe_configs, [resource], config_filter="all")
        return {name: (entry["value"], entry["config_source"] == "DEFAULT_CONFIG")
                for name, entry in found["topic"][topic].items()}

    def administrator(self):
        from admin_pure3 import Administrator
        return Administrator(self.admin)
