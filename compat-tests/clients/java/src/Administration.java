import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Future;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What an administrator does with topics: their configs, their partitions, their records. */
final class Administration {
    private Administration() {}

    static void configs(Cluster cluster) throws Exception {
        cluster.create(cluster.topic, 1, Map.of());
        try (Admin admin = cluster.admin()) {
            validateOnly(admin, cluster.topic + "-not");
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, cluster.topic);
            alter(admin, topic, false, op("retention.ms", "1000", OpType.SET), op("cleanup.policy", "compact", OpType.APPEND)).get();
            expect(admin, topic, "retention.ms", "1000", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
            expect(admin, topic, "cleanup.policy", "delete,compact", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
            alter(admin, topic, true, op("retention.ms", "2000", OpType.SET)).get();
            expect(admin, topic, "retention.ms", "1000", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
            alter(admin, topic, false, op("retention.ms", null, OpType.DELETE), op("cleanup.policy", "delete", OpType.SUBTRACT)).get();
            expect(admin, topic, "retention.ms", "604800000", ConfigEntry.ConfigSource.DEFAULT_CONFIG);
            expect(admin, topic, "cleanup.policy", "compact", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);

            replaceAll(admin, topic);
            badConfigs(admin, topic);
            brokerConfigs(admin);
        }
    }

    private static void validateOnly(Admin admin, String name) throws Exception {
        CreateTopicsOptions only = new CreateTopicsOptions().validateOnly(true);
        admin.createTopics(List.of(new NewTopic(name, 2, (short) 1)), only).all().get();
        Topics.fails(InvalidConfigurationException.class, admin.createTopics(
            List.of(new NewTopic(name, 2, (short) 1).configs(Map.of("retention.ms", "abc"))), only).all());
        Cluster.check(!admin.listTopics().names().get().contains(name), "a topic that was only to be validated is there");
    }

    /** AlterConfigs, which left this client in 4.0: what it does not name goes back to its default. */
    private static void replaceAll(Admin admin, ConfigResource topic) throws Exception {
        Object result;
        try {
            result = Admin.class.getMethod("alterConfigs", Map.class)
                .invoke(admin, Map.of(topic, new Config(List.of(new ConfigEntry("max.message.bytes", "2000")))));
        } catch (NoSuchMethodException newer) {
            return;
        }
        ((Future<?>) result.getClass().getMethod("all").invoke(result)).get();
        expect(admin, topic, "max.message.bytes", "2000", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
        expect(admin, topic, "cleanup.policy", "delete", ConfigEntry.ConfigSource.DEFAULT_CONFIG);
    }

    private static void badConfigs(Admin admin, ConfigResource topic) throws Exception {
        Topics.fails(InvalidConfigurationException.class, alter(admin, topic, false, op("retention.ms", "abc", OpType.SET)));
        Topics.fails(InvalidConfigurationException.class, alter(admin, topic, false, op("no.such.config", "1", OpType.SET)));
        Topics.fails(InvalidConfigurationException.class, alter(admin, topic, false, op("retention.ms", "1", OpType.APPEND)));
        ConfigResource unknown = new ConfigResource(ConfigResource.Type.TOPIC, topic.name() + "-not");
        Topics.fails(UnknownTopicOrPartitionException.class, alter(admin, unknown, false, op("retention.ms", "1", OpType.SET)));
        Topics.fails(UnknownTopicOrPartitionException.class, admin.describeConfigs(List.of(unknown)).all());
    }

    private static void brokerConfigs(Admin admin) throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        expect(admin, broker, "log.retention.hours", "168", ConfigEntry.ConfigSource.DEFAULT_CONFIG);
        alter(admin, broker, true, op("log.cleaner.threads", "2", OpType.SET)).get();
        Topics.fails(InvalidRequestException.class, alter(admin, broker, false, op("log.cleaner.threads", "abc", OpType.SET)));
        Topics.fails(InvalidRequestException.class, alter(admin, broker, false, op("node.id", "7", OpType.SET)));
    }

    static void partitions(Cluster cluster) throws Exception {
        String topic = cluster.topic;
        try (Admin admin = cluster.admin()) {
            admin.createTopics(List.of(new NewTopic(topic, Map.of(0, List.of(1), 1, List.of(1))))).all().get();
            Topics.eventually("2 partitions", () -> Topics.describe(admin, topic).partitions().size() == 2);
            Topics.fails(InvalidReplicaAssignmentException.class,
                admin.createTopics(List.of(new NewTopic(topic + "-not", Map.of(0, List.of(2))))).all());

            Map<String, NewPartitions> three = Map.of(topic, NewPartitions.increaseTo(3, List.of(List.of(1))));
            admin.createPartitions(three, new CreatePartitionsOptions().validateOnly(true)).all().get();
            Topics.fails(InvalidReplicaAssignmentException.class,
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3, List.of(List.of(2))))).all());
            Cluster.same(2, Topics.describe(admin, topic).partitions().size(), "partitions");
            admin.createPartitions(three).all().get();
            Topics.eventually("3 partitions", () -> Topics.describe(admin, topic).partitions().size() == 3);
            elections(admin, cluster);
            reassignments(admin, cluster);
        }
    }

    private static void elections(Admin admin, Cluster cluster) throws Exception {
        for (ElectionType type : ElectionType.values()) {
            Topics.fails(ElectionNotNeededException.class, admin.electLeaders(type, Set.of(cluster.partition(0))).all());
            Topics.fails(UnknownTopicOrPartitionException.class, admin.electLeaders(type, Set.of(cluster.partition(9))).all());
        }
    }

    private static void reassignments(Admin admin, Cluster cluster) throws Exception {
        TopicPartition first = cluster.partition(0);
        admin.alterPartitionReassignments(Map.of(first, Optional.of(new NewPartitionReassignment(List.of(1))))).all().get();
        Topics.eventually("no reassignment is under way",
            () -> admin.listPartitionReassignments(Set.of(first)).reassignments().get().isEmpty());
        Topics.fails(InvalidReplicaAssignmentException.class,
            admin.alterPartitionReassignments(Map.of(first, Optional.of(new NewPartitionReassignment(List.of(2))))).all());
        Topics.fails(NoReassignmentInProgressException.class,
            admin.alterPartitionReassignments(Map.of(first, Optional.empty())).all());
        Topics.fails(UnknownTopicOrPartitionException.class,
            admin.alterPartitionReassignments(Map.of(cluster.partition(9), Optional.empty())).all());
    }

    static void records(Cluster cluster) throws Exception {
        TopicPartition partition = cluster.partition(0);
        cluster.create(cluster.topic, 1, Map.of());
        try (Admin admin = cluster.admin(); KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            for (int i = 0; i < 10; i++) {
                producer.send(cluster.record("" + i)).get();
            }
            offsets(admin, partition, 0, 10);
            Cluster.same(4L, deleteRecords(admin, partition, 4), "low watermark");
            offsets(admin, partition, 4, 10);
            Cluster.same(4L, deleteRecords(admin, partition, 2), "low watermark when nothing is deleted");
            Topics.fails(OffsetOutOfRangeException.class,
                admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(11))).all());
            Cluster.same(10L, deleteRecords(admin, partition, -1), "low watermark at the end");
            offsets(admin, partition, 10, 10);
        }
    }

    private static long deleteRecords(Admin admin, TopicPartition partition, long before) throws Exception {
        return admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before))).lowWatermarks().get(partition).get().lowWatermark();
    }

    private static void offsets(Admin admin, TopicPartition partition, long earliest, long latest) throws Exception {
        Cluster.same(earliest, admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset(), "earliest");
        Cluster.same(latest, admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset(), "latest");
    }

    private static AlterConfigOp op(String name, String value, OpType type) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private static Future<Void> alter(Admin admin, ConfigResource resource, boolean validateOnly, AlterConfigOp... ops) {
        Map<ConfigResource, Collection<AlterConfigOp>> wanted = Map.of(resource, List.of(ops));
        return admin.incrementalAlterConfigs(wanted, new AlterConfigsOptions().validateOnly(validateOnly)).all();
    }

    /** Apache Kafka answers before its brokers have taken a change over. */
    private static void expect(Admin admin, ConfigResource resource, String name, String value, ConfigEntry.ConfigSource source)
            throws Exception {
        Topics.eventually(name + " is " + value + " by " + source, () -> {
            ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
            return value.equals(entry.value()) && entry.source() == source;
        });
    }
}
