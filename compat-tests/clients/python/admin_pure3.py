"""What kafka-python 3's admin client does in the scenarios of administration.py."""

import re

from kafka import TopicPartition, TopicPartitionReplica
from kafka.admin import (
    ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, AlterConfigOp, ConfigResource,
    ConfigResourceType, ConfigSourceType, ResourcePattern, ResourcePatternFilter, ResourceType, ScramMechanism,
    UserScramCredentialDeletion, UserScramCredentialUpsertion)

from administration import Administrator as Interface
from base import Fault
from pure import guarded

ANY_ACL = ACLFilter(
    None, None, ACLOperation.ANY, ACLPermissionType.ANY,
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))


def named(resource, configs=None):
    kind, name = resource
    return ConfigResource(ConfigResourceType[kind.upper()], name, configs)


def check_class(error):
    """Errors that are results come as classes."""
    if error is not None and error.errno:
        raise Fault(error.errno, error.__name__)


class Administrator(Interface):
    def __init__(self, admin):
        self.admin = admin

    def create(self, topic, partitions=None, assignments=None, configs=None, validate_only=False):
        wanted = {"configs": configs or {}}
        if assignments is None:
            wanted |= {"num_partitions": partitions, "replication_factor": 1}
        else:
            wanted["assignments"] = dict(enumerate(assignments))
        guarded(self.admin.create_topics, {topic: wanted}, validate_only=validate_only)

    def grow(self, topic, partitions, assignments=None, validate_only=False):
        wanted = {topic: {"count": partitions, "assignments": assignments}}
        guarded(self.admin.create_partitions, wanted, validate_only=validate_only)

    def config(self, resource, name):
        kind, place = resource
        entry = guarded(self.admin.describe_configs, [named(resource)], config_filter="all")[kind][place][name]
        return entry["value"], ConfigSourceType[entry["config_source"]].value

    def change(self, resource, changes, validate_only=False):
        wanted = {name: (AlterConfigOp[operation.upper()], value) for operation, name, value in changes}
        self.alter(resource, wanted, incremental=True, validate_only=validate_only)

    def replace(self, resource, configs):
        # The client would fill in what is set already.
        guarded(self.admin.reset_configs, [named(resource, {})])
        self.alter(resource, configs, incremental=False)

    def alter(self, resource, configs, **options):
        # It asks for all configs first, and has an error of its own for those that are not among them.
        answer = guarded(self.admin.alter_configs, [named(resource, configs)], raise_on_unknown=False, **options)
        (told,) = (result for results in answer.values() for result in results.values())
        if told != "OK":
            code = re.search(r"\[Error (\d+)\]", told)
            raise Fault(int(code[1]) if code else None, told)

    def elect(self, kind, topic, partition):
        answer = guarded(self.admin.elect_leaders, kind, {topic: [partition]})
        for result in answer.replica_election_results:
            for found in result.partition_result:
                if found.error_code:
                    raise Fault(found.error_code, found.error_message)

    def reassign(self, topic, partition, replicas):
        place = TopicPartition(topic, partition)
        check_class(guarded(self.admin.alter_partition_reassignments, {place: replicas})[place])

    def reassigning(self, topic, partition):
        return bool(guarded(self.admin.list_partition_reassignments, {topic: [partition]}))

    def delete_records(self, topic, before):
        (answer,) = guarded(self.admin.delete_records, {TopicPartition(topic, 0): before}).values()
        return answer["low_watermark"]

    def cluster(self):
        found = guarded(self.admin.describe_cluster)
        return found["cluster_id"], found["controller_id"], [node["broker_id"] for node in found["brokers"]]

    def log_dirs(self, topic):
        (broker,) = guarded(self.admin.describe_log_dirs)
        return {found["log_dir"]: sum(p["partition_size"] for t in found["topics"] if t["name"] == topic for p in t["partitions"])
                for found in broker["log_dirs"]}

    def move(self, topic, directory):
        (error,) = guarded(self.admin.alter_replica_log_dirs, {TopicPartitionReplica(topic, 0, 1): directory}).values()
        check_class(error)

    def describe_acls(self):
        guarded(self.admin.describe_acls, ANY_ACL)

    def create_acl(self, topic):
        pattern = ResourcePattern(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
        acl = ACL("User:alice", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)
        for error in guarded(self.admin.create_acls, [acl])["failed"]:
            check_class(error)

    def delete_acls(self):
        ((_filter, _matching, error),) = guarded(self.admin.delete_acls, [ANY_ACL])
        check_class(error)

    def credential(self, user):
        found = guarded(self.admin.describe_user_scram_credentials, [user])[user]
        if found["error"]:
            raise Fault(None, found["error"])
        return found["credential_infos"][0]["iterations"]

    def add_credential(self, user, iterations):
        self.alter_credential(user, UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_256, "secret", iterations))

    def delete_credential(self, user):
        self.alter_credential(user, UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))

    def alter_credential(self, user, alteration):
        error = guarded(self.admin.alter_user_scram_credentials, [alteration])[user]
        if error:
            raise Fault(None, error)
