"""The scenarios admin-configs, -partitions, -records and -cluster, over the interface of `Administrator`.

What a client's admin API does not have raises `Unsupported`; that step alone is left out, and named in the output.
"""

import base
from base import Fault, Unsupported
from scenarios import check, create, eventually, same, write

# Sources of a config, as the protocol numbers them.
DYNAMIC_TOPIC, DEFAULT = 1, 5


class Administrator:
    """One method per request. A resource is ("topic", name) or ("broker", "1"); an error of the broker is a Fault."""

    def create(self, topic, partitions=None, assignments=None, configs=None, validate_only=False):
        raise Unsupported("create")

    def grow(self, topic, partitions, assignments=None, validate_only=False):
        raise Unsupported("grow")

    def config(self, resource, name):
        """-> (value, source)."""
        raise Unsupported("config")

    def change(self, resource, changes, validate_only=False):
        """IncrementalAlterConfigs of [("set" | "delete" | "append" | "subtract", name, value)]."""
        raise Unsupported("IncrementalAlterConfigs")

    def replace(self, resource, configs):
        """AlterConfigs: what is not named goes back to its default."""
        raise Unsupported("AlterConfigs")

    def elect(self, kind, topic, partition):
        """`kind` 0: preferred, 1: unclean."""
        raise Unsupported("ElectLeaders")

    def reassign(self, topic, partition, replicas):
        """Replicas None: cancels."""
        raise Unsupported("AlterPartitionReassignments")

    def reassigning(self, topic, partition):
        """-> is a reassignment under way."""
        raise Unsupported("ListPartitionReassignments")

    def delete_records(self, topic, before):
        """In partition 0 -> low watermark."""
        raise Unsupported("DeleteRecords")

    def cluster(self):
        """-> (cluster id, controller's node id, [node ids])."""
        raise Unsupported("DescribeCluster")

    def log_dirs(self, topic):
        """-> {directory: bytes of the topic in it}."""
        raise Unsupported("DescribeLogDirs")

    def move(self, topic, directory):
        """Partition 0."""
        raise Unsupported("AlterReplicaLogDirs")

    def describe_acls(self):
        raise Unsupported("DescribeAcls")

    def create_acl(self, topic):
        raise Unsupported("CreateAcls")

    def delete_acls(self):
        raise Unsupported("DeleteAcls")

    def credential(self, user):
        """-> iterations of its SCRAM-SHA-256 credential."""
        raise Unsupported("DescribeUserScramCredentials")

    def add_credential(self, user, iterations):
        raise Unsupported("AlterUserScramCredentials")

    def delete_credential(self, user):
        raise Unsupported("AlterUserScramCredentials")


def where_there_is(step, *args):
    try:
        step(*args)
    except Unsupported as what:
        print(f"left out: {what}")


def refused(code, call, *args, **named):
    """The call fails with this code, or with an error whose code the client keeps to itself."""
    try:
        call(*args, **named)
    except Fault as fault:
        check(fault.code in (code, None), f"expected error {code}, got {fault}")
        return
    raise AssertionError(f"expected error {code}, but it worked")


def configs(client, topic):
    admin, resource = client.administrator(), ("topic", topic)
    create(client, topic)

    def seen(name, value, source):
        # Apache Kafka answers before its brokers have taken a change over.
        eventually(f"{name} is {value!r} by {source}", lambda: admin.config(resource, name) == (value, source))

    def validate_only():
        admin.create(f"{topic}-not", 1, validate_only=True)
        refused(base.INVALID_CONFIG, admin.create, f"{topic}-not", 1, configs={"retention.ms": "abc"}, validate_only=True)
        check(f"{topic}-not" not in client.topics(), "a topic that was only to be validated is there")

    def incremental():
        admin.change(resource, [("set", "retention.ms", "1000"), ("append", "cleanup.policy", "compact")])
        seen("retention.ms", "1000", DYNAMIC_TOPIC)
        seen("cleanup.policy", "delete,compact", DYNAMIC_TOPIC)
        admin.change(resource, [("set", "retention.ms", "2000")], validate_only=True)
        seen("retention.ms", "1000", DYNAMIC_TOPIC)
        admin.change(resource, [("delete", "retention.ms", None), ("subtract", "cleanup.policy", "delete")])
        seen("retention.ms", "604800000", DEFAULT)
        seen("cleanup.policy", "compact", DYNAMIC_TOPIC)
        refused(base.INVALID_CONFIG, admin.change, resource, [("set", "retention.ms", "abc")])
        refused(base.INVALID_CONFIG, admin.change, resource, [("set", "no.such.config", "1")])
        refused(base.INVALID_CONFIG, admin.change, resource, [("append", "retention.ms", "1")])
        refused(base.UNKNOWN_TOPIC_OR_PARTITION, admin.change, ("topic", f"{topic}-not"), [("set", "retention.ms", "1")])

    def replaced():
        admin.replace(resource, {"max.message.bytes": "2000"})
        seen("max.message.bytes", "2000", DYNAMIC_TOPIC)
        seen("cleanup.policy", "delete", DEFAULT)
        refused(base.INVALID_CONFIG, admin.replace, resource, {"retention.ms": "abc"})

    def broker():
        same(("168", DEFAULT), admin.config(("broker", "1"), "log.retention.hours"), "log.retention.hours")
        admin.change(("broker", "1"), [("set", "log.cleaner.threads", "2")], validate_only=True)
        refused(base.INVALID_REQUEST, admin.change, ("broker", "1"), [("set", "log.cleaner.threads", "abc")])
        refused(base.INVALID_REQUEST, admin.change, ("broker", "1"), [("set", "node.id", "7")])

    for step in [validate_only, incremental, replaced, broker]:
        where_there_is(step)


def partitions(client, topic):
    admin = client.administrator()

    def assigned():
        admin.create(topic, assignments=[[1], [1]])
        eventually("2 partitions", lambda: len(client.describe(topic)) == 2)
        refused(base.INVALID_REPLICA_ASSIGNMENT, admin.create, f"{topic}-not", assignments=[[2]])

    def grown():
        admin.grow(topic, 3, [[1]], validate_only=True)
        refused(base.INVALID_REPLICA_ASSIGNMENT, admin.grow, topic, 3, [[2]])
        same(2, len(client.describe(topic)), "partitions")
        admin.grow(topic, 3, [[1]])
        eventually("3 partitions", lambda: len(client.describe(topic)) == 3)

    def elections():
        for kind in [0, 1]:
            refused(base.ELECTION_NOT_NEEDED, admin.elect, kind, topic, 0)
            refused(base.UNKNOWN_TOPIC_OR_PARTITION, admin.elect, kind, topic, 9)

    def reassignments():
        admin.reassign(topic, 0, [1])
        eventually("no reassignment is under way", lambda: not admin.reassigning(topic, 0))
        refused(base.INVALID_REPLICA_ASSIGNMENT, admin.reassign, topic, 0, [2])
        refused(base.NO_REASSIGNMENT_IN_PROGRESS, admin.reassign, topic, 0, None)
        refused(base.UNKNOWN_TOPIC_OR_PARTITION, admin.reassign, topic, 9, None)

    for step in [assigned, grown, elections, reassignments]:
        where_there_is(step)


def records(client, topic):
    admin = client.administrator()
    create(client, topic)
    write(client, topic, 10)

    def bounds(earliest, latest):
        same({0: earliest}, client.earliest(topic, [0]), "earliest offset")
        same({0: latest}, client.latest(topic, [0]), "latest offset")

    bounds(0, 10)
    same(4, admin.delete_records(topic, 4), "low watermark")
    bounds(4, 10)
    same(4, admin.delete_records(topic, 2), "low watermark when nothing is deleted")
    refused(base.OFFSET_OUT_OF_RANGE, admin.delete_records, topic, 11)
    same(10, admin.delete_records(topic, -1), "low watermark at the end")
    bounds(10, 10)


def cluster(client, topic):
    admin = client.administrator()
    create(client, topic)
    write(client, topic, 1)

    def described():
        cluster_id, controller, nodes = admin.cluster()
        same((22, 1, [1]), (len(cluster_id), controller, nodes), "length of the cluster id, controller, nodes")

    def log_dirs():
        sizes = admin.log_dirs(topic)
        check(sum(sizes.values()) > 0, f"the topic's log has no size: {sizes}")
        refused(base.LOG_DIR_NOT_FOUND, admin.move, topic, "/no/such/dir")
        admin.move(topic, next(iter(sizes)))

    def acls():
        where_there_is(refused, base.SECURITY_DISABLED, admin.describe_acls)
        where_there_is(refused, base.SECURITY_DISABLED, admin.create_acl, topic)
        where_there_is(refused, base.SECURITY_DISABLED, admin.delete_acls)

    def credentials():
        admin.add_credential(topic, 8192)
        eventually("the credential is told", lambda: told(topic) == 8192)
        refused(base.UNACCEPTABLE_CREDENTIAL, admin.add_credential, topic, 4095)
        admin.delete_credential(topic)
        eventually("the credential is gone", lambda: told(topic) is None)
        refused(base.RESOURCE_NOT_FOUND, admin.delete_credential, topic)
        refused(base.RESOURCE_NOT_FOUND, admin.credential, topic)

    def told(user):
        try:
            return admin.credential(user)
        except Fault:
            return None

    for step in [described, log_dirs, acls, credentials]:
        where_there_is(step)


SCENARIOS = {"admin-configs": configs, "admin-partitions": partitions, "admin-records": records, "admin-cluster": cluster}
