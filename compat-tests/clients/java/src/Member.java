import java.time.Duration;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;

/** One consumer, which polls all the time. */
final class Member extends Actor implements ConsumerRebalanceListener {
    private static final Duration POLL = Duration.ofMillis(50);
    private static final Duration COMMIT_LIMIT = Duration.ofSeconds(10);
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "sticky", "org.apache.kafka.clients.consumer.StickyAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private final Cluster cluster;
    private final Map<TopicPartition, OffsetAndMetadata> delivered = new HashMap<>();
    private GroupAdmin admin;
    private Consumer<byte[], byte[]> consumer;
    private boolean commitsEach;
    private boolean gaveUp;

    Member(Cluster cluster, String name) {
        super(name);
        this.cluster = cluster;
    }

    @Override
    boolean busy() {
        return consumer != null && !gaveUp;
    }

    @Override
    void step() {
        poll();
    }

    @Override
    String obey(Members.Command command) throws Exception {
        switch (command.verb) {
            case "join":
                join(command);
                return "";
            case "commit":
                commit(command.take("mode", "sync"), command.take("offsets", null));
                return "";
            case "committed":
                return "offsets=" + Members.text(consumer.committed(new HashSet<>(Members.partitions(command.take("parts")))));
            case "seek":
                seek(command.take("offset"));
                return "";
            case "pause":
                consumer.pause(Members.partitions(command.take("parts")));
                return "";
            case "resume":
                consumer.resume(Members.partitions(command.take("parts")));
                return "";
            case "close":
                consumer.close();
                consumer = null;
                return "";
            default:
                admin = admin == null ? new GroupAdmin(cluster) : admin;
                return admin.obey(command);
        }
    }

    private void join(Members.Command command) throws Exception {
        boolean next = command.take("protocol", "classic").equals("consumer");
        if (next && !hasPatternsOfTheBroker()) {
            throw new Members.Unsupported("classic protocol only");
        }
        Map<String, Object> settings = settings(command, next);
        String topics = command.take("topics", null);
        String pattern = command.take("pattern", null);
        commitsEach = command.take("commit", "no").equals("each");
        command.checkAllKnown();
        delivered.clear();
        gaveUp = false;
        consumer = cluster.consumer(settings);
        if (topics != null) {
            consumer.subscribe(List.of(topics.split(",")), this);
        } else if (next) {
            subscribeByBroker(pattern);
        } else {
            consumer.subscribe(Pattern.compile(pattern), this);
        }
    }

    private static Map<String, Object> settings(Members.Command command, boolean next) {
        int autoCommitMs = Integer.parseInt(command.take("auto_commit_ms", "0"));
        Map<String, Object> settings = new HashMap<>(Map.of(
            "group.id", command.take("group"), "auto.offset.reset", command.take("reset", "earliest"),
            "enable.auto.commit", autoCommitMs > 0, "fetch.max.wait.ms", 100, "metadata.max.age.ms", 1000,
            "reconnect.backoff.max.ms", 1000));
        if (autoCommitMs > 0) {
            settings.put("auto.commit.interval.ms", autoCommitMs);
        }
        String session = command.take("session_ms", "6000");
        String heartbeat = command.take("heartbeat_ms", "500");
        String assignor = command.take("assignor", next ? null : "range");
        if (next) {
            settings.put("group.protocol", "consumer");
            if (assignor != null) {
                settings.put("group.remote.assignor", assignor);
            }
        } else {
            settings.put("session.timeout.ms", session);
            settings.put("heartbeat.interval.ms", heartbeat);
            settings.put("partition.assignment.strategy", ASSIGNORS.get(assignor));
        }
        String instance = command.take("instance", null);
        if (instance != null) {
            settings.put("group.instance.id", instance);
        }
        return settings;
    }

    /** As the releases that have the KIP-848 protocol for good. */
    private static boolean hasPatternsOfTheBroker() {
        try {
            Class.forName("org.apache.kafka.clients.consumer.SubscriptionPattern");
            return true;
        } catch (ClassNotFoundException older) {
            return false;
        }
    }

    private void subscribeByBroker(String pattern) throws ReflectiveOperationException {
        Class<?> kind = Class.forName("org.apache.kafka.clients.consumer.SubscriptionPattern");
        Consumer.class.getMethod("subscribe", kind, ConsumerRebalanceListener.class)
            .invoke(consumer, kind.getConstructor(String.class).newInstance(pattern), this);
    }

    private void commit(String mode, String given) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = given == null ? ofOwned() : Members.offsets(given);
        long begun = Members.nowUs();
        if (mode.equals("sync")) {
            consumer.commitSync(offsets, COMMIT_LIMIT);
        } else {
            Exception[] failure = new Exception[1];
            boolean[] over = new boolean[1];
            consumer.commitAsync(offsets, (done, error) -> {
                failure[0] = error;
                over[0] = true;
            });
            while (!over[0]) {
                poll();
            }
            if (failure[0] != null) {
                throw failure[0];
            }
        }
        tellCommitted(begun, offsets);
    }

    private Map<TopicPartition, OffsetAndMetadata> ofOwned() {
        Map<TopicPartition, OffsetAndMetadata> owned = new HashMap<>(delivered);
        owned.keySet().retainAll(consumer.assignment());
        return owned;
    }

    private void tellCommitted(long begun, Map<TopicPartition, OffsetAndMetadata> offsets) {
        Members.tell(name, "committed s=" + begun + " t=" + Members.nowUs() + " offsets=" + Members.text(offsets));
    }

    private void seek(String where) {
        int colon = where.lastIndexOf(':');
        TopicPartition tp = Members.partition(where.substring(0, colon));
        String offset = where.substring(colon + 1);
        if (offset.equals("beginning")) {
            consumer.seekToBeginning(Collections.singleton(tp));
        } else if (offset.equals("end")) {
            consumer.seekToEnd(Collections.singleton(tp));
        } else {
            consumer.seek(tp, Long.parseLong(offset));
        }
    }

    private void poll() {
        try {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
            for (TopicPartition tp : records.partitions()) {
                deliver(tp, records.records(tp));
            }
            if (commitsEach && !records.isEmpty()) {
                commitEach();
            }
        } catch (FencedInstanceIdException | NoOffsetForPartitionException error) {
            gaveUp = true;
            tellError(error);
        } catch (RuntimeException error) {
            // UnreleasedInstanceIdException is not in all releases.
            gaveUp = Members.code(error).equals("111");
            tellError(error);
        }
    }

    private void deliver(TopicPartition tp, List<ConsumerRecord<byte[], byte[]>> records) {
        long first = records.get(0).offset();
        long last = first;
        for (ConsumerRecord<byte[], byte[]> record : records) {
            if (record.offset() > last + 1) {
                tellRecords(tp, first, last);
                first = record.offset();
            }
            last = record.offset();
        }
        tellRecords(tp, first, last);
        delivered.put(tp, new OffsetAndMetadata(last + 1));
    }

    private void commitEach() {
        Map<TopicPartition, OffsetAndMetadata> offsets = ofOwned();
        long begun = Members.nowUs();
        try {
            consumer.commitSync(offsets, COMMIT_LIMIT);
            tellCommitted(begun, offsets);
        } catch (FencedInstanceIdException error) {
            throw error;
        } catch (RuntimeException error) {
            tellError(error);
        }
    }

    private void tellRecords(TopicPartition tp, long first, long last) {
        Members.tell(name, "records t=" + Members.nowUs() + " part=" + Members.name(tp) + " first=" + first + " last=" + last);
    }

    private void tellError(Exception error) {
        Members.tell(name, "error t=" + Members.nowUs() + " code=" + Members.code(error)
            + " text=" + Members.text(error).replace(' ', '_'));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> tps) {
        Members.tell(name, "assigned t=" + Members.nowUs() + " gen=" + consumer.groupMetadata().generationId()
            + " member=" + consumer.groupMetadata().memberId() + " parts=" + Members.names(tps));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> tps) {
        delivered.keySet().removeAll(tps);
        Members.tell(name, "revoked t=" + Members.nowUs() + " parts=" + Members.names(tps));
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> tps) {
        delivered.keySet().removeAll(tps);
        Members.tell(name, "lost t=" + Members.nowUs() + " parts=" + Members.names(tps));
    }
}
