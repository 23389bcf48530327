import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Many records, many partitions, two sides at once. */
final class Many {
    private Many() {}

    static void idempotent(Cluster cluster) throws Exception {
        int records = Cluster.count(50_000, 5_000);
        int partitions = 3;
        cluster.create(cluster.topic, partitions, Map.of());
        Map<String, Object> settings = Map.of(
            "enable.idempotence", true, "max.in.flight.requests.per.connection", 5, "batch.size", 2048);
        produce(cluster, settings, records, i -> i % partitions, i -> "" + i);
        int[] next = IntStream.range(0, partitions).toArray();
        try (KafkaConsumer<byte[], byte[]> consumer = readerOfAll(cluster, partitions)) {
            for (ConsumerRecord<byte[], byte[]> record : Cluster.read(consumer, records)) {
                Cluster.same("" + next[record.partition()], Cluster.text(record.value()), "partition " + record.partition());
                next[record.partition()] += partitions;
            }
            Cluster.checkEnd(consumer);
        }
    }

    static void partitions(Cluster cluster) throws Exception {
        int partitions = 100;
        int each = 10;
        cluster.create(cluster.topic, partitions, Map.of());
        produce(cluster, Map.of(), partitions * each, i -> i % partitions, i -> (i % partitions) + "-" + (i / partitions));
        int[] next = new int[partitions];
        try (KafkaConsumer<byte[], byte[]> consumer = readerOfAll(cluster, partitions)) {
            consumer.endOffsets(all(cluster, partitions)).forEach((tp, end) -> Cluster.same((long) each, end, "end of " + tp));
            for (ConsumerRecord<byte[], byte[]> record : Cluster.read(consumer, partitions * each)) {
                int partition = record.partition();
                Cluster.same(partition + "-" + next[partition], Cluster.text(record.value()), "partition " + partition);
                next[partition]++;
            }
        }
    }

    static void readWhileWrite(Cluster cluster) throws Exception {
        int records = Cluster.count(50_000, 10_000);
        cluster.create(cluster.topic, 1, Map.of());
        Throwable[] failure = new Throwable[1];
        Thread writer = new Thread(() -> {
            try {
                produce(cluster, Map.of("batch.size", 4096), records, i -> 0, Many::padded);
            } catch (Throwable error) {
                failure[0] = error;
            }
        });
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.reader()) {
            writer.start();
            int next = 0;
            for (ConsumerRecord<byte[], byte[]> record : Cluster.read(consumer, records)) {
                Cluster.same(padded(next), Cluster.text(record.value()), "record " + next);
                Cluster.same((long) next, record.offset(), "offset of " + next);
                next++;
            }
            writer.join();
            Cluster.check(failure[0] == null, "writer: " + failure[0]);
            Cluster.checkEnd(consumer);
        }
    }

    private interface Of<T> {
        T of(int i);
    }

    private static void produce(Cluster cluster, Map<String, Object> settings, int records, Of<Integer> partition, Of<String> value)
            throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>(records);
            for (int i = 0; i < records; i++) {
                sent.add(producer.send(new ProducerRecord<>(
                    cluster.topic, partition.of(i), null, Cluster.bytes(value.of(i)))));
            }
            for (Future<RecordMetadata> future : sent) {
                future.get();
            }
        }
    }

    private static KafkaConsumer<byte[], byte[]> readerOfAll(Cluster cluster, int partitions) {
        KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(Map.of());
        consumer.assign(all(cluster, partitions));
        consumer.seekToBeginning(all(cluster, partitions));
        return consumer;
    }

    private static List<TopicPartition> all(Cluster cluster, int partitions) {
        return IntStream.range(0, partitions).mapToObj(cluster::partition).collect(Collectors.toList());
    }

    private static String padded(int i) {
        return String.format("%-100d", i);
    }
}
