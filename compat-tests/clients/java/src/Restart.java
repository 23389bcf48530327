import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;

/** Producing goes on while the broker dies and comes back. */
final class Restart {
    private Restart() {}

    static void run(Cluster cluster, String request) throws Exception {
        int half = Cluster.count(3000, 1000);
        cluster.create(cluster.topic, 1, Map.of());
        Writer writer = new Writer(cluster);
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.reader()) {
            writer.start();
            int next = expect(consumer, 0, 100);
            writer.awaitAcknowledged(half);
            System.out.println(request);
            System.out.flush();
            String answer = new BufferedReader(new InputStreamReader(System.in)).readLine();
            Cluster.same("RESTARTED", answer, "answer of the harness");
            int sent = writer.finish(half);
            expect(consumer, next, sent);
            Cluster.checkEnd(consumer);
        }
    }

    /** Reads until number {@code upTo - 1} has come, each number exactly once and in order; returns the next one. */
    private static int expect(KafkaConsumer<byte[], byte[]> consumer, int next, int upTo) {
        while (next < upTo) {
            for (ConsumerRecord<byte[], byte[]> record : Cluster.read(consumer, 1)) {
                Cluster.same("" + next, Cluster.text(record.value()), "record at offset " + record.offset());
                next++;
            }
        }
        return next;
    }

    /** Sends 0, 1, 2, ... at about 1000 a second until told the last one. */
    private static final class Writer extends Thread {
        private final Cluster cluster;
        private final AtomicInteger sent = new AtomicInteger();
        private final AtomicInteger acknowledged = new AtomicInteger();
        private final AtomicInteger last = new AtomicInteger(Integer.MAX_VALUE);
        private final AtomicReference<Throwable> failure = new AtomicReference<>();

        Writer(Cluster cluster) {
            this.cluster = cluster;
            setDaemon(true);
        }

        @Override
        public void run() {
            Map<String, Object> settings = Map.of(
                "enable.idempotence", true, "delivery.timeout.ms", 90_000, "request.timeout.ms", 10_000);
            try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
                while (sent.get() < last.get()) {
                    producer.send(cluster.record("" + sent.getAndIncrement()), (metadata, error) -> {
                        if (error != null) {
                            failure.compareAndSet(null, error);
                        }
                        acknowledged.incrementAndGet();
                    });
                    Thread.sleep(1);
                }
            } catch (Throwable error) {
                failure.compareAndSet(null, error);
            }
        }

        void awaitAcknowledged(int count) throws Exception {
            while (acknowledged.get() < count) {
                checkAlive();
                Thread.sleep(10);
            }
        }

        /** Sends {@code more} records from here on and waits for all; returns how many there are. */
        int finish(int more) throws Exception {
            last.set(sent.get() + more);
            join();
            checkAlive();
            Cluster.same(sent.get(), acknowledged.get(), "records acknowledged");
            return sent.get();
        }

        private void checkAlive() {
            Cluster.check(failure.get() == null, "producer: " + failure.get());
        }
    }
}
