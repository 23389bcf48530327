import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** A transactional producer, a reader of what was committed, or a loop of both. */
final class Transactor extends Actor {
    private static final int LIMIT_MS = 60_000;
    private static final Duration POLL = Duration.ofMillis(100);
    private static final int VALUES_PER_LINE = 200;

    private final Cluster cluster;
    private KafkaProducer<byte[], byte[]> producer;
    private KafkaConsumer<byte[], byte[]> follower;
    private TransactionLoop loop;

    Transactor(Cluster cluster, String name) {
        super(name);
        this.cluster = cluster;
    }

    @Override
    boolean busy() {
        return follower != null || loop != null && loop.goesOn();
    }

    @Override
    void step() throws Exception {
        if (follower != null) {
            tell(follower.poll(POLL));
        } else {
            loop.step();
        }
    }

    @Override
    String obey(Members.Command command) throws Exception {
        switch (command.verb) {
            case "txn-open":
                open(command);
                return "";
            case "txn-begin":
                producer.beginTransaction();
                return "";
            case "txn-send":
                send(Members.partition(command.take("part")), Long.parseLong(command.take("first")), Integer.parseInt(command.take("count")));
                return "";
            case "txn-offsets":
                ConsumerGroupMetadata group = new ConsumerGroupMetadata(command.take("group"));
                producer.sendOffsetsToTransaction(Members.offsets(command.take("offsets")), group);
                return "";
            case "txn-commit":
                producer.commitTransaction();
                return "";
            case "txn-abort":
                producer.abortTransaction();
                return "";
            case "txn-close":
                producer.close(Duration.ofSeconds(5));
                producer = null;
                return "";
            case "txn-follow":
                follow(command.take("topic"), Integer.parseInt(command.take("partitions")), command.take("isolation", "committed"));
                return "";
            case "txn-loop":
                loop = new TransactionLoop(cluster, name, command);
                return "";
            case "txn-loop-end":
                loop.end();
                return "";
            default:
                throw new Members.Unsupported("no verb " + command.verb);
        }
    }

    private void open(Members.Command command) {
        if (producer != null) {
            producer.close(Duration.ZERO);
        }
        producer = producer(cluster, command.take("id"), command.take("timeout_ms", "60000"));
    }

    static KafkaProducer<byte[], byte[]> producer(Cluster cluster, String id, String timeoutMs) {
        KafkaProducer<byte[], byte[]> made = cluster.producer(Map.of(
            "transactional.id", id, "transaction.timeout.ms", timeoutMs, "max.block.ms", LIMIT_MS,
            "delivery.timeout.ms", LIMIT_MS, "request.timeout.ms", 10_000, "reconnect.backoff.max.ms", 500));
        made.initTransactions();
        return made;
    }

    private void send(TopicPartition tp, long first, int count) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (long number = first; number < first + count; number++) {
            sent.add(producer.send(new ProducerRecord<>(tp.topic(), tp.partition(), null, Cluster.bytes("" + number))));
        }
        for (Future<RecordMetadata> one : sent) {
            one.get();
        }
    }

    private void follow(String topic, int partitions, String isolation) {
        follower = cluster.consumer(Map.of(
            "isolation.level", "read_" + isolation, "fetch.max.wait.ms", 100, "reconnect.backoff.max.ms", 500));
        List<TopicPartition> tps = new ArrayList<>();
        for (int number = 0; number < partitions; number++) {
            tps.add(new TopicPartition(topic, number));
        }
        follower.assign(tps);
        follower.seekToBeginning(tps);
    }

    private void tell(ConsumerRecords<byte[], byte[]> records) {
        for (TopicPartition tp : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> all = records.records(tp);
            for (int from = 0; from < all.size(); from += VALUES_PER_LINE) {
                String values = all.subList(from, Math.min(all.size(), from + VALUES_PER_LINE)).stream()
                    .map(record -> record.offset() + "=" + Cluster.text(record.value())).collect(Collectors.joining(","));
                Members.tell(name, "values t=" + Members.nowUs() + " part=" + Members.name(tp) + " values=" + values);
            }
        }
    }
}
