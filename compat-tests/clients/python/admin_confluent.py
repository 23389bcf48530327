"""What confluent-kafka's admin client does in the scenarios of administration.py."""

from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AlterConfigOpType, ConfigEntry, ConfigResource,
    NewPartitions, NewTopic, ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
    UserScramCredentialDeletion, UserScramCredentialUpsertion)

from adapter_confluent import REQUEST_TIMEOUT_S, fault, outcome
from administration import Administrator as Interface
from base import Unsupported

ANY_ACL = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)


def raised(future):
    try:
        return future.result(REQUEST_TIMEOUT_S)
    except KafkaException as error:
        raise fault(error.args[0]) from error


def named(resource, **options):
    kind, name = resource
    return ConfigResource(ConfigResource.Type[kind.upper()], name, **options)


class Administrator(Interface):
    def __init__(self, admin):
        self.admin = admin

    def create(self, topic, partitions=None, assignments=None, configs=None, validate_only=False):
        if assignments is None:
            wanted = NewTopic(topic, partitions, 1, config=configs or {})
        else:
            wanted = NewTopic(topic, len(assignments), replica_assignment=assignments, config=configs or {})
        outcome(self.admin.create_topics([wanted], validate_only=validate_only))

    def grow(self, topic, partitions, assignments=None, validate_only=False):
        wanted = NewPartitions(topic, partitions, replica_assignment=assignments)
        outcome(self.admin.create_partitions([wanted], validate_only=validate_only))

    def config(self, resource, name):
        entry = outcome(self.admin.describe_configs([named(resource)]))[name]
        return entry.value, entry.source

    def change(self, resource, changes, validate_only=False):
        entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType[operation.upper()])
                   for operation, name, value in changes]
        wanted = named(resource, incremental_configs=entries)
        outcome(self.admin.incremental_alter_configs([wanted], validate_only=validate_only))

    def replace(self, resource, configs):
        outcome(self.admin.alter_configs([named(resource, set_config=configs)]))

    def elect(self, kind, topic, partition):
        election = [ElectionType.PREFERRED, ElectionType.UNCLEAN][kind]
        (error,) = raised(self.admin.elect_leaders(election, [TopicPartition(topic, partition)])).values()
        if error:
            raise fault(error)

    def delete_records(self, topic, before):
        return outcome(self.admin.delete_records([TopicPartition(topic, 0, before)])).low_watermark

    def cluster(self):
        found = raised(self.admin.describe_cluster())
        return found.cluster_id, found.controller.id, [node.id for node in found.nodes]

    def describe_acls(self):
        raise Unsupported("DescribeAcls: librdkafka takes its error for an empty list")

    def create_acl(self, topic):
        outcome(self.admin.create_acls([AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:alice", "*", AclOperation.READ,
            AclPermissionType.ALLOW)]))

    def delete_acls(self):
        outcome(self.admin.delete_acls([ANY_ACL]))

    def credential(self, user):
        (info,) = outcome(self.admin.describe_user_scram_credentials([user])).scram_credential_infos
        return info.iterations

    def add_credential(self, user, iterations):
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, iterations)
        outcome(self.admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, info, b"secret")]))

    def delete_credential(self, user):
        deletion = UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256)
        outcome(self.admin.alter_user_scram_credentials([deletion]))
