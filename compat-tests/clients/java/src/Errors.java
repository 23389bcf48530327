import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;

/** What the broker refuses, and that the producer goes on afterwards. */
final class Errors {
    private Errors() {}

    static void run(Cluster cluster) throws Exception {
        String compacted = cluster.topic + "-compacted";
        cluster.create(cluster.topic, 1, Map.of());
        cluster.create(compacted, 1, Map.of("cleanup.policy", "compact"));
        Map<String, Object> settings = Map.of("max.request.size", 16 << 20, "max.block.ms", 4000);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
            Topics.fails(RecordTooLargeException.class,
                producer.send(new ProducerRecord<>(cluster.topic, 0, null, new byte[2 << 20])));
            Topics.fails(InvalidRecordException.class,
                producer.send(new ProducerRecord<>(compacted, 0, null, Cluster.bytes("no key"))));
            expect(InvalidTopicException.class, producer, new ProducerRecord<>("bad name!", Cluster.bytes("x")));
            expect(TimeoutException.class, producer, new ProducerRecord<>(cluster.topic, 7, null, Cluster.bytes("x")));

            producer.send(cluster.record("good")).get();
            producer.send(new ProducerRecord<>(compacted, 0, Cluster.bytes("key"), Cluster.bytes("good"))).get();
        }
        for (String topic : new String[] {cluster.topic, compacted}) {
            try (KafkaConsumer<byte[], byte[]> consumer = cluster.reader(topic)) {
                Cluster.same("good", Cluster.text(Cluster.read(consumer, 1).get(0).value()), "value in " + topic);
                Cluster.checkEnd(consumer);
            }
        }
    }

    /** Some releases throw from send(), some fail the future. */
    private static void expect(
            Class<? extends Exception> wanted, KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record)
            throws Exception {
        Throwable found;
        try {
            Future<RecordMetadata> future = producer.send(record);
            future.get();
            throw new AssertionError("accepted: " + record.topic() + " " + record.partition());
        } catch (ExecutionException error) {
            found = error.getCause();
        } catch (RuntimeException error) {
            found = error;
        }
        Cluster.check(wanted.isInstance(found), "expected " + wanted.getSimpleName() + ", got " + found);
    }
}
