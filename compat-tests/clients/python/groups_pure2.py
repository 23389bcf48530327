"""Consumer groups of kafka-python 2.0.2."""

from kafka.admin import KafkaAdminClient

import groups_pure
from base import Unsupported
from pure import fault, guarded


class Consumer(groups_pure.Common):
    @staticmethod
    def instance(options):
        if options.instance:
            raise Unsupported("no static members in this client")
        return {}


class Admin:
    def __init__(self, bootstrap):
        self.raw = KafkaAdminClient(bootstrap_servers=bootstrap)

    def groups(self):
        return [(group, "-", "-") for group, _protocol_type in guarded(self.raw.list_consumer_groups)]

    def describe(self, group):
        (found,) = guarded(self.raw.describe_consumer_groups, [group])
        parts = [f"{topic}:{number}" for member in found.members if member.member_assignment
                 for topic, numbers in member.member_assignment.assignment for number in numbers]
        return {"state": found.state, "type": "-", "assignor": found.protocol or "-", "members": len(found.members),
                "parts": ",".join(parts), "instances": "-"}

    def offsets(self, group):
        found = guarded(self.raw.list_consumer_group_offsets, group)
        return {tuple(part): (value.offset, value.metadata) for part, value in found.items() if value.offset >= 0}

    def alter(self, group, offsets):
        raise Unsupported("no such call in this client")

    def delete_offsets(self, group, parts):
        raise Unsupported("no such call in this client")

    def delete_group(self, group):
        ((_group, kind),) = guarded(self.raw.delete_consumer_groups, [group])
        if kind.errno:
            raise fault(kind())
