"""What aiokafka's admin client does in the scenarios of administration.py."""

from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from adapter_aio import check_codes, run
from administration import Administrator as Interface
from base import Fault


def named(resource, configs=None):
    kind, name = resource
    return ConfigResource(ConfigResourceType[kind.upper()], name, configs)


def resources_of(responses):
    """The broker's answer, out of those to several nodes of which one is empty."""
    return [resource for response in responses for resource in response.resources]


class Administrator(Interface):
    def __init__(self, admin):
        self.admin = admin

    def create(self, topic, partitions=None, assignments=None, configs=None, validate_only=False):
        if assignments is None:
            wanted = NewTopic(topic, partitions, 1, topic_configs=configs or {})
        else:
            wanted = NewTopic(topic, -1, -1, dict(enumerate(assignments)), configs or {})
        check_codes(run(self.admin.create_topics([wanted], validate_only=validate_only)).topic_errors)

    def grow(self, topic, partitions, assignments=None, validate_only=False):
        run(self.admin.create_partitions({topic: NewPartitions(partitions, assignments)}, validate_only=validate_only))

    def config(self, resource, name):
        ((code, message, _type, _name, entries),) = resources_of(run(self.admin.describe_configs([named(resource)])))
        if code:
            raise Fault(code, message)
        return next((value, source) for key, value, _read_only, source, *_ in entries if key == name)

    def replace(self, resource, configs):
        for code, message, *_ in resources_of(run(self.admin.alter_configs([named(resource, configs)]))):
            if code:
                raise Fault(code, message)

    def delete_records(self, topic, before):
        (low,) = run(self.admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before)})).values()
        return low

    def cluster(self):
        found = run(self.admin.describe_cluster())
        return found["cluster_id"], found["controller_id"], [node["node_id"] for node in found["brokers"]]
