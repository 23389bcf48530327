import java.time.Duration;
import java.util.Collections;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Finding a place in a partition, and waiting at its end. */
final class Seek {
    private Seek() {}

    static void byOffset(Cluster cluster) throws Exception {
        cluster.create(cluster.topic, 1, Map.of());
        TopicPartition tp = cluster.partition(0);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of("batch.size", 300))) {
            for (int i = 0; i < 1000; i++) {
                producer.send(cluster.record("" + i));
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(Map.of("auto.offset.reset", "none"))) {
            consumer.assign(Collections.singleton(tp));
            Cluster.same(0L, consumer.beginningOffsets(Collections.singleton(tp)).get(tp), "earliest offset");
            Cluster.same(1000L, consumer.endOffsets(Collections.singleton(tp)).get(tp), "latest offset");
            for (int offset : new int[] {0, 999, 499, 500, 1}) {
                consumer.seek(tp, offset);
                ConsumerRecord<byte[], byte[]> first = Cluster.read(consumer, 1).get(0);
                Cluster.same((long) offset, first.offset(), "offset of the first record");
                Cluster.same("" + offset, Cluster.text(first.value()), "value at " + offset);
            }
            consumer.seek(tp, 1000);
            Cluster.checkEnd(consumer);
            consumer.seek(tp, 5000);
            try {
                Cluster.read(consumer, 1);
                throw new AssertionError("offset 5000 was served");
            } catch (OffsetOutOfRangeException expected) {
                Cluster.same(Map.of(tp, 5000L), expected.offsetOutOfRangePartitions(), "out of range");
            }
        }
    }

    static void byTimestamp(Cluster cluster) throws Exception {
        long first = 1_600_000_000_000L;
        cluster.create(cluster.topic, 1, Map.of("retention.ms", "-1"));
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of("batch.size", 300))) {
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>(cluster.topic, 0, first + 1000 * i, null, Cluster.bytes("" + i)));
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(Map.of())) {
            expect(cluster, consumer, first, 0);
            expect(cluster, consumer, first - 5000, 0);
            expect(cluster, consumer, first + 50_000, 50);
            expect(cluster, consumer, first + 50_001, 51);
            expect(cluster, consumer, first + 99_000, 99);
            TopicPartition tp = cluster.partition(0);
            Cluster.same(null, consumer.offsetsForTimes(Map.of(tp, first + 99_001)).get(tp), "after the last record");
        }
    }

    private static void expect(Cluster cluster, KafkaConsumer<byte[], byte[]> consumer, long timestamp, long offset) {
        TopicPartition tp = cluster.partition(0);
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(tp, timestamp)).get(tp);
        Cluster.check(found != null, "no offset for " + timestamp);
        Cluster.same(offset, found.offset(), "offset for " + timestamp);
        Cluster.same(1_600_000_000_000L + 1000 * offset, found.timestamp(), "timestamp of offset " + offset);
    }

    static void longPoll(Cluster cluster) throws Exception {
        cluster.create(cluster.topic, 1, Map.of());
        Map<String, Object> settings = Map.of("fetch.max.wait.ms", 10_000, "fetch.min.bytes", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(settings);
             KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            // Connections and metadata first: they are not what is timed.
            producer.send(cluster.record("first")).get();
            consumer.assign(Collections.singleton(cluster.partition(0)));
            consumer.seekToBeginning(Collections.singleton(cluster.partition(0)));
            Cluster.read(consumer, 1);
            for (int round = 0; round < 3; round++) {
                Cluster.same(0, consumer.poll(Duration.ofMillis(1500)).count(), "records before anything was produced");
                long sent = System.nanoTime();
                producer.send(cluster.record("round " + round)).get();
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(8));
                long waitedMs = (System.nanoTime() - sent) / 1_000_000;
                Cluster.same(1, records.count(), "records in round " + round);
                Cluster.check(waitedMs < 1000, "the record came after " + waitedMs + " ms");
            }
            // A plain close waits for the fetch that is parked.
            consumer.close(Duration.ZERO);
        }
    }
}
