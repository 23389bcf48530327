import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics made on demand and by an administrator. */
final class Topics {
    private static final Duration VISIBLE = Duration.ofSeconds(10);

    private Topics() {}

    static void autoCreate(Cluster cluster) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            for (int i = 0; i < 10; i++) {
                producer.send(cluster.record("" + i)).get();
            }
            Cluster.same(1, producer.partitionsFor(cluster.topic).size(), "partitions");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.reader()) {
            Cluster.read(consumer, 10);
        }
    }

    static void admin(Cluster cluster) throws Exception {
        String topic = cluster.topic;
        try (Admin admin = cluster.admin()) {
            NewTopic wanted = new NewTopic(topic, 3, (short) 1)
                .configs(Map.of("retention.ms", "123456", "cleanup.policy", "compact"));
            admin.createTopics(List.of(wanted)).all().get();
            fails(TopicExistsException.class, create(admin, wanted));
            eventually("topic is listed", () -> admin.listTopics().names().get().contains(topic));
            checkDescription(describe(admin, topic), 3);
            checkConfigs(admin, topic);
            grow(admin, topic);
            badRequests(admin, topic);
            delete(admin, topic);
        }
    }

    private static void grow(Admin admin, String topic) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        eventually("5 partitions", () -> describe(admin, topic).partitions().size() == 5);
        checkDescription(describe(admin, topic), 5);
        fails(InvalidPartitionsException.class,
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all());
    }

    private static void badRequests(Admin admin, String topic) throws Exception {
        fails(InvalidTopicException.class, create(admin, new NewTopic(topic + " with space", 1, (short) 1)));
        fails(InvalidPartitionsException.class, create(admin, new NewTopic(topic + "-zero", 0, (short) 1)));
        fails(InvalidConfigurationException.class, create(admin,
            new NewTopic(topic + "-config", 1, (short) 1).configs(Map.of("retention.ms", "abc"))));
    }

    private static void delete(Admin admin, String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        eventually("topic is gone", () -> !admin.listTopics().names().get().contains(topic));
        fails(UnknownTopicOrPartitionException.class, admin.deleteTopics(List.of(topic)).all());
    }

    private static void checkDescription(TopicDescription description, int partitions) {
        Cluster.same(partitions, description.partitions().size(), "partitions described");
        for (TopicPartitionInfo info : description.partitions()) {
            Cluster.check(info.leader() != null && !info.leader().isEmpty(), "partition " + info.partition() + " has no leader");
            Cluster.same(1, info.isr().size(), "in-sync replicas");
        }
        Cluster.check(!description.isInternal(), "topic is internal");
    }

    private static void checkConfigs(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Cluster.same("123456", config.get("retention.ms").value(), "retention.ms");
        Cluster.check(!config.get("retention.ms").isDefault(), "retention.ms is told to be a default");
        Cluster.same("compact", config.get("cleanup.policy").value(), "cleanup.policy");
        Cluster.same("1048588", config.get("max.message.bytes").value(), "max.message.bytes");
        Cluster.check(config.get("max.message.bytes").isDefault(), "max.message.bytes is not told to be a default");
    }

    // values() of DescribeTopicsResult left in 4.0, topicNameValues() came in 3.1: all() and allTopicNames() differ too.
    @SuppressWarnings("unchecked")
    static TopicDescription describe(Admin admin, String topic) throws Exception {
        Object result = admin.describeTopics(List.of(topic));
        KafkaFuture<Map<String, TopicDescription>> future;
        try {
            future = (KafkaFuture<Map<String, TopicDescription>>) result.getClass().getMethod("allTopicNames").invoke(result);
        } catch (NoSuchMethodException older) {
            future = (KafkaFuture<Map<String, TopicDescription>>) result.getClass().getMethod("all").invoke(result);
        }
        return future.get().get(topic);
    }

    private static KafkaFuture<Void> create(Admin admin, NewTopic topic) {
        Collection<NewTopic> topics = List.of(topic);
        return admin.createTopics(topics).all();
    }

    static void fails(Class<? extends Exception> wanted, java.util.concurrent.Future<?> future) throws Exception {
        try {
            future.get();
        } catch (ExecutionException error) {
            Cluster.check(wanted.isInstance(error.getCause()), "expected " + wanted.getSimpleName() + ", got " + error.getCause());
            return;
        }
        throw new AssertionError("expected " + wanted.getSimpleName() + ", but it worked");
    }

    static void eventually(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + VISIBLE.toNanos();
        while (!condition.call()) {
            Cluster.check(System.nanoTime() < deadline, "not within " + VISIBLE + ": " + what);
            Thread.sleep(50);
        }
    }
}
