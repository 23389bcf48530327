import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Copies a topic, partition by partition, each batch and its offsets in one transaction. */
final class TransactionLoop {
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(5);

    private final String name;
    private final String to;
    private final int abortEvery;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private int transactions;
    private boolean over;

    TransactionLoop(Cluster cluster, String name, Members.Command command) {
        this.name = name;
        to = command.take("to");
        abortEvery = Integer.parseInt(command.take("abort_every", "0"));
        producer = Transactor.producer(cluster, command.take("id"), "60000");
        consumer = cluster.consumer(Map.of(
            "group.id", command.take("group"), "auto.offset.reset", "earliest", "enable.auto.commit", false,
            "isolation.level", "read_committed", "max.poll.records", 20, "session.timeout.ms", 6000,
            "heartbeat.interval.ms", 500, "fetch.max.wait.ms", 100,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"));
        consumer.subscribe(List.of(command.take("from")));
    }

    boolean goesOn() {
        return !over;
    }

    /** One poll and, when it brings something, one transaction. */
    void step() {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
        if (records.isEmpty()) {
            return;
        }
        try {
            copy(records);
        } catch (KafkaException error) {
            giveUp(error);
        }
    }

    private void copy(ConsumerRecords<byte[], byte[]> records) {
        try {
            producer.beginTransaction();
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            for (ConsumerRecord<byte[], byte[]> record : records) {
                producer.send(new ProducerRecord<>(to, record.partition(), null, record.value()));
                next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
            transactions++;
            if (abortEvery > 0 && transactions % abortEvery == 0) {
                producer.flush();
                abort(records);
            } else {
                producer.commitTransaction();
                tell("commit", records.count());
            }
        } catch (ProducerFencedException | OutOfOrderSequenceException fatal) {
            throw fatal;
        } catch (KafkaException error) {
            // Throws when it is fatal.
            abort(records);
        }
    }

    private void abort(ConsumerRecords<byte[], byte[]> records) {
        producer.abortTransaction();
        for (TopicPartition tp : records.partitions()) {
            if (consumer.assignment().contains(tp)) {
                consumer.seek(tp, records.records(tp).get(0).offset());
            }
        }
        tell("abort", records.count());
    }

    private void tell(String outcome, int count) {
        Members.tell(name, "looped t=" + Members.nowUs() + " outcome=" + outcome + " count=" + count);
    }

    private void giveUp(KafkaException error) {
        Members.tell(name, "error t=" + Members.nowUs() + " code=" + Members.code(error)
            + " text=" + Members.text(error).replace(' ', '_'));
        end();
    }

    void end() {
        if (!over) {
            over = true;
            consumer.close(CLOSE_LIMIT);
            producer.close(CLOSE_LIMIT);
        }
    }
}
