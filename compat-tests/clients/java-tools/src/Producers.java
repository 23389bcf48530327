import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;

import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

/** Transactional producers of a transcript, whose transactions the tools look at. */
final class Producers {
    private static final int LIMIT_MS = 30_000;

    private final String bootstrap;
    private final Map<String, KafkaProducer<String, String>> producers = new HashMap<>();

    Producers(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /** {@code transactional NAME [config=value]...}: its transactional id is its name. */
    void open(String name, Map<String, String> settings) {
        Map<String, Object> props = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "transactional.id", name, "max.block.ms", LIMIT_MS));
        props.putAll(settings);
        KafkaProducer<String, String> producer = new KafkaProducer<>(props, new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        KafkaProducer<String, String> before = producers.put(name, producer);
        if (before != null) {
            before.close(Duration.ZERO);
        }
    }

    /** {@code begin NAME}. */
    void begin(String name) {
        producers.get(name).beginTransaction();
    }

    /** {@code send NAME TOPIC PARTITION COUNT}; returns when all are acknowledged. */
    void send(String name, String topic, int partition, int count) throws Exception {
        Future<RecordMetadata> last = null;
        for (int i = 0; i < count; i++) {
            last = producers.get(name).send(new ProducerRecord<>(topic, partition, "key-" + i, name + "-" + i));
        }
        last.get();
    }

    /** {@code send-offsets NAME GROUP topic:0=5...}. */
    void sendOffsets(String name, String group, Map<TopicPartition, OffsetAndMetadata> offsets) {
        producers.get(name).sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(group));
    }

    /** {@code end NAME commit|abort}. */
    void end(String name, String how) {
        if (how.equals("commit")) {
            producers.get(name).commitTransaction();
        } else {
            producers.get(name).abortTransaction();
        }
    }
}
