import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The transactional roles of the torture run over kafka-clients, which speak both generations of the transaction
 * protocol: Client BOOTSTRAP FOLDER SEED PARTITIONS ROLE:NAME... What client.py says of itself is true of this program.
 */
public final class Client {
    static final String INPUT = "a", OUTPUT = "b", GROUP = "loops";
    static final int TRANSACTION_TIMEOUT_MS = 10_000;
    /** Names this process: its id would come again in the course of an hour. */
    static final String STARTED = Long.toHexString(System.nanoTime() / 1_000_000);

    final String bootstrap, process, name;
    final int partitions;
    final Random dice;
    final Path file;
    int made;

    Client(String[] words, String name, int life) {
        bootstrap = words[0];
        partitions = Integer.parseInt(words[3]);
        this.name = name;
        process = name + "." + STARTED + "." + life;
        file = Path.of(words[1], process + ".jsonl");
        dice = new Random((words[2] + name + life).hashCode());
    }

    /** One line, in one call: a kill cuts off at most the last. Producer callbacks come on threads of their own. */
    synchronized void write(String what, String fields) {
        String line = "{\"p\":\"" + process + "\",\"at\":" + System.nanoTime() + ",\"do\":\"" + what + "\"" + fields + "}\n";
        try {
            Files.write(file, line.getBytes(StandardCharsets.UTF_8), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException failure) {
            throw new IllegalStateException(failure);
        }
    }

    static String text(String key, String value) {
        return ",\"" + key + "\":\"" + value + "\"";
    }

    static String place(String topic, int partition) {
        return topic + "/" + partition;
    }

    static String offsets(Map<TopicPartition, Long> offsets) {
        StringBuilder out = new StringBuilder(",\"offsets\":{");
        offsets.forEach((part, offset) -> out.append(out.charAt(out.length() - 1) == '{' ? "" : ",")
            .append('"').append(place(part.topic(), part.partition())).append("\":").append(offset));
        return out.append('}').toString();
    }

    String next() {
        return process + "." + ++made;
    }

    boolean chance(double probability) {
        return dice.nextDouble() < probability;
    }

    static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException failure) {
            throw new IllegalStateException(failure);
        }
    }

    /** A producer whose sends and transactions are written down. */
    final class Writer implements AutoCloseable {
        final KafkaProducer<String, String> client;
        String txn;

        Writer() {
            client = new KafkaProducer<>(Map.of(
                "bootstrap.servers", bootstrap, "transactional.id", "torture-" + name,
                "transaction.timeout.ms", TRANSACTION_TIMEOUT_MS, "max.block.ms", 30_000, "linger.ms", dice.nextInt(6),
                "reconnect.backoff.max.ms", 500), new StringSerializer(), new StringSerializer());
            insist(client::initTransactions);
        }

        /** A timeout leaves the call under way: it has to be made again. */
        void insist(Runnable call) {
            while (true) {
                try {
                    call.run();
                    return;
                } catch (TimeoutException again) {
                    System.err.println(process + ": " + again);
                }
            }
        }

        void begin() {
            txn = next();
            client.beginTransaction();
        }

        void send(String topic, int partition, String origin) {
            String value = next();
            write("send", text("tp", place(topic, partition)) + text("value", value) + text("txn", txn) + origin);
            client.send(new ProducerRecord<>(topic, partition, null, value), (where, failure) -> {
                if (failure == null) {
                    write("ack", text("value", value) + ",\"offset\":" + (where.hasOffset() ? where.offset() : -1));
                }
            });
        }

        void commit() {
            write("commit", text("txn", txn));
            insist(client::commitTransaction);
            write("committed", text("txn", txn));
        }

        void abort() {
            insist(client::abortTransaction);
            write("aborted", text("txn", txn));
        }

        /** Does it in a transaction; false if that had to be aborted. */
        boolean attempt(Runnable deed) {
            try {
                begin();
                deed.run();
                return true;
            } catch (ProducerFencedException | OutOfOrderSequenceException | AuthorizationException
                    | UnsupportedVersionException | InvalidProducerEpochException | IllegalStateException last) {
                throw last;
            } catch (KafkaException failure) {
                abort();
                return false;
            }
        }

        @Override
        public void close() {
            client.close(Duration.ZERO);
        }
    }

    KafkaConsumer<String, String> reader(String group) {
        return new KafkaConsumer<>(Map.of(
            "bootstrap.servers", bootstrap, "group.id", group, "isolation.level", "read_committed",
            "enable.auto.commit", false, "auto.offset.reset", "earliest", "session.timeout.ms", 6000,
            "heartbeat.interval.ms", 500, "reconnect.backoff.max.ms", 500, "fetch.max.wait.ms", 100,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"),
            new StringDeserializer(), new StringDeserializer());
    }

    List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> client) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        StringBuilder lines = new StringBuilder();
        for (ConsumerRecord<String, String> record : client.poll(Duration.ofMillis(200))) {
            records.add(record);
            lines.append(lines.length() == 0 ? "" : ",").append("[\"").append(place(record.topic(), record.partition()))
                .append("\",").append(record.offset()).append(",\"").append(record.value()).append("\"]");
        }
        if (!records.isEmpty()) {
            write("poll", text("level", "rc") + ",\"records\":[" + lines + "]");
        }
        return records;
    }

    void assigned(Collection<TopicPartition> parts) {
        StringBuilder names = new StringBuilder();
        for (TopicPartition part : parts) {
            names.append(names.length() == 0 ? "\"" : ",\"").append(place(part.topic(), part.partition())).append('"');
        }
        write("assign", ",\"tps\":[" + names + "]");
    }

    void producer() {
        try (Writer writer = new Writer()) {
            while (true) {
                writer.attempt(() -> {
                    int count = new int[] {1, 1, 3, 10, 20}[dice.nextInt(5)];
                    for (int i = 0; i < count; i++) {
                        writer.send(chance(0.67) ? INPUT : OUTPUT, dice.nextInt(partitions), "");
                        if (chance(0.02)) {
                            sleep(chance(0.5) ? 50 : 1000);
                        }
                    }
                    if (chance(0.2)) {
                        writer.abort();
                    } else {
                        writer.commit();
                    }
                });
                sleep(dice.nextInt(100));
            }
        }
    }

    void loop() {
        try (Writer writer = new Writer(); KafkaConsumer<String, String> reader = reader(GROUP)) {
            AtomicBoolean changed = new AtomicBoolean();
            reader.subscribe(List.of(INPUT), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> parts) {
                    changed.set(true);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> parts) {
                    changed.set(true);
                    // Before the records of the same poll, which may come from the new place.
                    assigned(parts);
                }
            });
            while (true) {
                List<ConsumerRecord<String, String>> records = read(reader);
                if (changed.getAndSet(false)) {
                    rewind(reader);
                } else if (!records.isEmpty() && !transform(writer, reader, records)) {
                    rewind(reader);
                }
            }
        }
    }

    boolean transform(Writer writer, KafkaConsumer<String, String> reader, List<ConsumerRecord<String, String>> records) {
        AtomicBoolean done = new AtomicBoolean();
        writer.attempt(() -> {
            Map<TopicPartition, Long> nexts = new TreeMap<>((a, b) -> Integer.compare(a.partition(), b.partition()));
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (ConsumerRecord<String, String> record : records) {
                writer.send(OUTPUT, record.partition(), text("from", record.value()) + text("group", GROUP));
                TopicPartition part = new TopicPartition(record.topic(), record.partition());
                nexts.put(part, record.offset() + 1);
                offsets.put(part, new OffsetAndMetadata(record.offset() + 1));
            }
            write("offsets", text("txn", writer.txn) + text("group", GROUP) + offsets(nexts));
            writer.client.sendOffsetsToTransaction(offsets, reader.groupMetadata());
            if (chance(0.1)) {
                sleep(chance(0.5) ? 50 : 500);
            }
            if (chance(0.1)) {
                writer.abort();
            } else {
                writer.commit();
                done.set(true);
            }
        });
        return done.get();
    }

    /** Back to what is committed. */
    void rewind(KafkaConsumer<String, String> reader) {
        Set<TopicPartition> parts = new HashSet<>(reader.assignment());
        if (parts.isEmpty()) {
            return;
        }
        long since = System.nanoTime();
        Map<TopicPartition, OffsetAndMetadata> found = reader.committed(parts, Duration.ofSeconds(30));
        Map<TopicPartition, Long> positions = new HashMap<>();
        parts.forEach(part -> positions.put(part, found.get(part) == null ? -1 : found.get(part).offset()));
        write("position", ",\"since\":" + since + text("group", GROUP) + offsets(positions));
        assigned(parts);
        positions.forEach((part, offset) -> reader.seek(part, Math.max(0, offset)));
    }

    static void live(String[] words, String role, String name) {
        for (int life = 1;; life++) {
            Client client = new Client(words, name, life);
            try {
                if (role.equals("producer")) {
                    client.producer();
                } else {
                    client.loop();
                }
            } catch (KafkaException | IllegalStateException failure) {
                System.err.println(client.process + ": " + failure);
                sleep(100);
            } catch (Throwable failure) {
                failure.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }
    }

    public static void main(String[] words) {
        for (String word : List.of(words).subList(4, words.length)) {
            String[] pair = word.split(":");
            new Thread(() -> live(words, pair[0], pair[1])).start();
        }
    }
}
