import java.util.Arrays;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Values of 1 byte to 8 MiB. */
final class Sizes {
    private static final int[] SIZES = {
        1, 2, 100, 1024, 65535, 65536, 1 << 20, (1 << 20) + 1, 5 << 20, 8 << 20,
    };

    private Sizes() {}

    static void run(Cluster cluster) throws Exception {
        cluster.create(cluster.topic, 1, Map.of("max.message.bytes", "16777216"));
        Map<String, Object> settings = Map.of("max.request.size", 16 << 20, "buffer.memory", 64 << 20);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
            for (int size : SIZES) {
                producer.send(new ProducerRecord<>(cluster.topic, 0, null, value(size))).get();
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.reader()) {
            List<ConsumerRecord<byte[], byte[]>> records = Cluster.read(consumer, SIZES.length);
            for (int i = 0; i < SIZES.length; i++) {
                Cluster.check(Arrays.equals(value(SIZES[i]), records.get(i).value()), "value of " + SIZES[i] + " bytes");
            }
            Cluster.checkEnd(consumer);
        }
    }

    private static byte[] value(int size) {
        byte[] value = new byte[size];
        for (int j = 0; j < size; j++) {
            value[j] = (byte) ((j * 31L + size) % 251);
        }
        return value;
    }
}
