import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.errors.UnacceptableCredentialException;
import org.apache.kafka.common.errors.UnsupportedByAuthenticationException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** What an administrator does with the cluster: its nodes and disks, and who may do what and how much. */
final class ClusterAdministration {
    private ClusterAdministration() {}

    static void run(Cluster cluster) throws Exception {
        cluster.create(cluster.topic, 1, Map.of());
        try (Admin admin = cluster.admin(); KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            producer.send(cluster.record("something")).get();
            describe(admin);
            logDirs(admin, cluster.topic);
            acls(admin, cluster.topic);
            quotas(admin, cluster.topic);
            scram(admin, cluster.topic);
            Topics.fails(UnsupportedByAuthenticationException.class, admin.createDelegationToken().delegationToken());
            Cluster.check(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("metadata.version"),
                "no metadata.version among the features");
        }
    }

    private static void describe(Admin admin) throws Exception {
        DescribeClusterResult found = admin.describeCluster();
        Cluster.same(1, found.nodes().get().size(), "nodes");
        Cluster.same(1, found.controller().get().id(), "controller");
        Cluster.same(22, found.clusterId().get().length(), "length of the cluster id");
    }

    private static void logDirs(Admin admin, String topic) throws Exception {
        Map<String, LogDirDescription> dirs = admin.describeLogDirs(List.of(1)).descriptions().get(1).get();
        long size = dirs.values().stream().flatMap(dir -> dir.replicaInfos().entrySet().stream())
            .filter(entry -> entry.getKey().topic().equals(topic)).mapToLong(entry -> entry.getValue().size()).sum();
        Cluster.check(size > 0, "the topic's log has no size");
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, 1);
        Topics.fails(LogDirNotFoundException.class, admin.alterReplicaLogDirs(Map.of(replica, "/no/such/dir")).all());
        admin.alterReplicaLogDirs(Map.of(replica, dirs.keySet().iterator().next())).all().get();
    }

    private static void acls(Admin admin, String topic) throws Exception {
        AclBinding binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL),
            new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW));
        Topics.fails(SecurityDisabledException.class, admin.describeAcls(AclBindingFilter.ANY).values());
        Topics.fails(SecurityDisabledException.class, admin.createAcls(List.of(binding)).all());
        Topics.fails(SecurityDisabledException.class, admin.deleteAcls(List.of(AclBindingFilter.ANY)).all());
    }

    private static void quotas(Admin admin, String user) throws Exception {
        alterQuota(admin, user, "producer_byte_rate", 1024.0).get();
        Topics.eventually("the quota is told", () -> Map.of("producer_byte_rate", 1024.0).equals(quota(admin, user)));
        Topics.fails(InvalidRequestException.class, alterQuota(admin, user, "producer_byte_rate", -1.0));
        Topics.fails(InvalidRequestException.class, alterQuota(admin, user, "no_such_rate", 1.0));
        alterQuota(admin, user, "producer_byte_rate", null).get();
        Topics.eventually("the quota is gone", () -> quota(admin, user) == null);
    }

    private static Future<Void> alterQuota(Admin admin, String user, String name, Double value) {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, user));
        return admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op(name, value))))).all();
    }

    private static Map<String, Double> quota(Admin admin, String user) throws Exception {
        ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, user)));
        return admin.describeClientQuotas(filter).entities().get().get(new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, user)));
    }

    private static void scram(Admin admin, String user) throws Exception {
        alterCredential(admin, user, 8192).get();
        ScramCredentialInfo wanted = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192);
        Topics.eventually("the credential is told", () -> List.of(wanted).equals(credentials(admin, user)));
        Topics.fails(UnacceptableCredentialException.class, alterCredential(admin, user, 4095));
        deleteCredential(admin, user).get();
        Topics.eventually("the credential is gone", () -> credentials(admin, user).isEmpty());
        Topics.fails(ResourceNotFoundException.class, deleteCredential(admin, user));
        Topics.fails(ResourceNotFoundException.class, admin.describeUserScramCredentials(List.of(user)).description(user));
    }

    private static List<ScramCredentialInfo> credentials(Admin admin, String user) throws Exception {
        try {
            return admin.describeUserScramCredentials(List.of(user)).description(user).get().credentialInfos();
        } catch (ExecutionException none) {
            return List.of();
        }
    }

    private static Future<Void> alterCredential(Admin admin, String user, int iterations) {
        ScramCredentialInfo info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, iterations);
        return admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, "secret"))).all();
    }

    private static Future<Void> deleteCredential(Admin admin, String user) {
        return admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all();
    }
}
