"""Consumer groups of kafka-python 3."""

from kafka import TopicPartition, errors
from kafka.admin import KafkaAdminClient

import groups_pure
from pure import fault, guarded


JOIN_POLL_S = 3


class Consumer(groups_pure.Common):
    def __init__(self, told, bootstrap, options):
        super().__init__(told, bootstrap, options)
        self.pattern = options.pattern

    def poll(self, seconds):
        # A poll that ends while the member joins may lose what it was about to be assigned. A new topic that matches a
        # pattern is found in the middle of one.
        joins = self.pattern or self.raw._coordinator.need_rejoin()
        super().poll(JOIN_POLL_S if joins else seconds)

    @staticmethod
    def instance(options):
        return {"group_instance_id": options.instance} if options.instance else {}


def check_kinds(kinds):
    for kind in kinds:
        if kind.errno:
            raise fault(kind())


class Admin:
    def __init__(self, bootstrap):
        self.raw = KafkaAdminClient(bootstrap_servers=bootstrap)

    def groups(self):
        return [(g["group_id"], g.get("group_state") or "-", g.get("group_type") or "-")
                for g in guarded(self.raw.list_groups)]

    def describe(self, group):
        found = guarded(self.raw.describe_groups, [group])[group]
        if found["error"]:
            # It has turned the code into text.
            name = found["error"].split("]")[-1]
            return {"state": "dead" if "69" in found["error"] else f"error:{name}", "type": "-"}
        parts = [f"{topic['topic']}:{number}" for member in found["members"] if member["member_assignment"]
                 for topic in member["member_assignment"]["assigned_partitions"] for number in topic["partitions"]]
        return {"state": found["group_state"], "type": "-", "assignor": found["protocol_data"] or "-",
                "members": len(found["members"]), "parts": ",".join(parts), "instances": "-"}

    def offsets(self, group):
        found = guarded(self.raw.list_group_offsets, {group: None})[group]
        return {tuple(part): (value.offset, value.metadata) for part, value in found.items() if value.offset >= 0}

    def alter(self, group, offsets):
        check_kinds(guarded(self.raw.alter_group_offsets, group, groups_pure.Common.structs(offsets)).values())

    def delete_offsets(self, group, parts):
        check_kinds(guarded(self.raw.delete_group_offsets, group, [TopicPartition(*part) for part in parts]).values())

    def delete_group(self, group):
        name = guarded(self.raw.delete_groups, [group])[group]
        if name != "OK":
            raise fault(getattr(errors, name)())
