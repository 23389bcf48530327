import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Every shape of record, through one codec and back. */
final class Roundtrip {
    static final int RECORDS = 300;
    static final long TIMESTAMP_FIRST = 1_600_000_000_000L;

    private Roundtrip() {}

    static void run(Cluster cluster, String codec) throws Exception {
        // The records are older than the default retention.
        cluster.create(cluster.topic, 1, Map.of("retention.ms", "-1"));
        Map<String, Object> settings = Map.of("compression.type", codec, "linger.ms", 50);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < RECORDS; i++) {
                sent.add(producer.send(new ProducerRecord<>(
                    cluster.topic, 0, TIMESTAMP_FIRST + i, key(i), value(i), headers(i))));
            }
            for (int i = 0; i < RECORDS; i++) {
                Cluster.same((long) i, sent.get(i).get().offset(), "offset told to the producer");
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.reader()) {
            List<ConsumerRecord<byte[], byte[]>> records = Cluster.read(consumer, RECORDS);
            for (int i = 0; i < RECORDS; i++) {
                compare(i, records.get(i));
            }
            Cluster.checkEnd(consumer);
        }
    }

    private static void compare(int i, ConsumerRecord<byte[], byte[]> record) {
        Cluster.same((long) i, record.offset(), "offset");
        Cluster.same(TIMESTAMP_FIRST + i, record.timestamp(), "timestamp of " + i);
        Cluster.check(Arrays.equals(key(i), record.key()), "key of " + i);
        Cluster.check(Arrays.equals(value(i), record.value()), "value of " + i);
        Cluster.same(headers(i), Arrays.asList(record.headers().toArray()), "headers of " + i);
    }

    static byte[] key(int i) {
        switch (i % 4) {
            case 0: return null;
            case 1: return new byte[0];
            default: return Cluster.bytes("key-" + i);
        }
    }

    static byte[] value(int i) {
        switch (i % 5) {
            case 0: return null;
            case 1: return new byte[0];
            default: return Cluster.bytes(("value-" + i + "-").repeat(i));
        }
    }

    static List<Header> headers(int i) {
        switch (i % 3) {
            case 0: return List.of();
            case 1: return List.of(header("h", "" + i));
            default: return List.of(
                header("h", "1"), header("other", "x"), header("h", "2"), header("empty", ""),
                new RecordHeader("null", null));
        }
    }

    private static Header header(String key, String value) {
        return new RecordHeader(key, Cluster.bytes(value));
    }
}
