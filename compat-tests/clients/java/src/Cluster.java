import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The broker under test, the scenario's topic, and clients made for them. */
final class Cluster {
    static final Duration READ_LIMIT = Duration.ofSeconds(30);
    static final boolean FAST = "1".equals(System.getenv("COMPAT_FAST"));

    final String bootstrap;
    final String topic;

    Cluster(String bootstrap, String topic) {
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    TopicPartition partition(int number) {
        return new TopicPartition(topic, number);
    }

    Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    void create(String name, int partitions, Map<String, String> configs) throws Exception {
        try (Admin admin = admin()) {
            NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(configs);
            admin.createTopics(Collections.singleton(topic)).all().get();
            awaitServed(admin, name, partitions);
        }
    }

    private static void awaitServed(Admin admin, String name, int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        for (int number = 0; number < partitions; number++) {
            latest.put(new TopicPartition(name, number), OffsetSpec.latest());
        }
        long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (true) {
            try {
                admin.listOffsets(latest).all().get();
                return;
            } catch (ExecutionException error) {
                check(System.nanoTime() < deadline, "not served 10 s after CreateTopics: " + error.getCause());
            }
            Thread.sleep(20);
        }
    }

    KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "acks", "all"));
        all.putAll(settings);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        all.putAll(settings);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** A consumer on partition 0 of the scenario's topic, at its beginning. */
    KafkaConsumer<byte[], byte[]> reader() {
        return reader(topic);
    }

    KafkaConsumer<byte[], byte[]> reader(String name) {
        TopicPartition tp = new TopicPartition(name, 0);
        KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of());
        consumer.assign(Collections.singleton(tp));
        consumer.seekToBeginning(Collections.singleton(tp));
        return consumer;
    }

    ProducerRecord<byte[], byte[]> record(String value) {
        return new ProducerRecord<>(topic, 0, null, bytes(value));
    }

    /** Reads until there are {@code count} records; fails when they do not come. */
    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + READ_LIMIT.toNanos();
        while (records.size() < count) {
            check(System.nanoTime() < deadline, "only " + records.size() + " of " + count + " records came");
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        return records;
    }

    /** That nothing more comes within a second. */
    static void checkEnd(KafkaConsumer<byte[], byte[]> consumer) {
        long deadline = System.nanoTime() + Duration.ofSeconds(1).toNanos();
        while (System.nanoTime() < deadline) {
            int more = consumer.poll(Duration.ofMillis(200)).count();
            check(more == 0, more + " records too many");
        }
    }

    static int count(int full, int fast) {
        return FAST ? fast : full;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static void check(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }

    static void same(Object expected, Object found, String what) {
        check(Objects.equals(expected, found), what + ": expected " + expected + ", found " + found);
    }
}
