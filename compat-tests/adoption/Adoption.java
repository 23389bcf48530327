import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Scanner;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.serialization.*;

/**
 * The client of the adoption lane: it lives while brokers of both kinds take turns on one data directory and one port.
 * A line on stdin is a command, the answer ends with a line "ok" or "failed: why".
 */
public class Adoption {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final Duration POLL = Duration.ofMillis(500);

    private final String bootstrap;
    private final Admin admin;
    private final Map<String, String> remembered = new TreeMap<>();
    private final Map<String, Long> sent = new HashMap<>();
    private Producer<String, String> idempotent;
    private Producer<String, String> open;
    /** What the share group has acknowledged. */
    private final Set<String> shared = new java.util.HashSet<>();
    private final Map<String, Member> members = new TreeMap<>();
    private int life;

    private Adoption(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "30000"));
    }

    public static void main(String[] words) {
        Adoption adoption = new Adoption(words[0]);
        Scanner commands = new Scanner(System.in);
        while (commands.hasNextLine()) {
            String command = commands.nextLine().trim();
            String outcome = "ok";
            try {
                adoption.obey(command);
            } catch (Throwable why) {
                why.printStackTrace();
                outcome = "failed: " + command + ": " + why;
            }
            System.out.println(outcome.replace('\n', ' '));
            System.out.flush();
        }
        System.exit(0);
    }

    private void obey(String command) throws Exception {
        switch (command) {
            case "make" -> make();
            case "share" -> share("adopted-share");
            case "live" -> live();
            case "leave-open" -> leaveOpen();
            case "remember" -> {
                Map<String, String> now = look();
                remembered.clear();
                remembered.putAll(now);
            }
            case "check" -> check();
            case "let-expire" -> letExpire();
            case "finish-open" -> finishOpen();
            default -> throw new IllegalArgumentException("unknown command");
        }
    }

    /** Everything that a cluster of one keeps. */
    private void make() throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        topics.add(new NewTopic("plain", 3, (short) 1));
        for (String codec : CODECS) {
            topics.add(new NewTopic("codec-" + codec, 1, (short) 1).configs(Map.of("segment.bytes", "1048576")));
        }
        topics.add(new NewTopic("compacted", 1, (short) 1).configs(Map.of(
            "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "500",
            "segment.bytes", "1048576", "delete.retention.ms", "3600000")));
        topics.add(new NewTopic("transactions", 2, (short) 1));
        topics.add(new NewTopic("offsets-of-transactions", 1, (short) 1));
        topics.add(new NewTopic("late", 1, (short) 1));
        topics.add(new NewTopic("deleted", 4, (short) 1));
        topics.add(new NewTopic("trimmed", 1, (short) 1).configs(Map.of("segment.bytes", "1048576")));
        topics.add(new NewTopic("a.name-with_all.kinds-0", 2, (short) 1).configs(Map.of(
            "message.timestamp.type", "LogAppendTime", "retention.ms", "-1", "max.message.bytes", "2000000")));
        admin.createTopics(topics).all().get();
        settings();
        idempotent = producer(Map.of("enable.idempotence", "true"));
        for (String codec : CODECS) {
            try (Producer<String, String> producer = producer(Map.of("compression.type", codec, "linger.ms", "20"))) {
                send(producer, "codec-" + codec, 2000, codec.repeat(20));
            }
        }
        compacted("first");
        Thread.sleep(700);
        compacted("second");
        Thread.sleep(700);
        compacted("third");
        try (Producer<String, String> producer = producer(Map.of())) {
            send(producer, "deleted", 100, "gone");
            send(producer, "trimmed", 100, "trimmed");
            send(producer, "a.name-with_all.kinds-0", 100, "appended");
        }
        admin.deleteRecords(Map.of(new TopicPartition("trimmed", 0), RecordsToDelete.beforeOffset(40))).all().get();
        admin.deleteTopics(List.of("deleted")).all().get();
        admin.createPartitions(Map.of("a.name-with_all.kinds-0", NewPartitions.increaseTo(4))).all().get();
        live();
        leaveOpen();
    }

    private void settings() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "plain");
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        ConfigResource brokers = new ConfigResource(ConfigResource.Type.BROKER, "");
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "modern");
        ConfigResource metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "subscription");
        admin.incrementalAlterConfigs(Map.of(
            topic, List.of(set("retention.bytes", "123456789"), set("min.insync.replicas", "1")),
            broker, List.of(set("log.cleaner.threads", "1")),
            brokers, List.of(set("message.max.bytes", "1500000")),
            group, List.of(set("consumer.session.timeout.ms", "50000")),
            metrics, List.of(set("interval.ms", "60000"), set("metrics", "org.apache.kafka.producer.")))).all().get();
        admin.alterClientQuotas(List.of(
            quota(Map.of("user", "alice"), "producer_byte_rate", 100_000.0),
            quota(Map.of("user", "alice", "client-id", "laptop"), "consumer_byte_rate", 200_000.0),
            quota(nullable("client-id"), "request_percentage", 150.0),
            quota(nullable("ip"), "connection_creation_rate", 1000.0))).all().get();
        admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("alice", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"),
            new UserScramCredentialUpsertion("bob", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192), "hidden")
        )).all().get();
    }

    private static AlterConfigOp set(String key, String value) {
        return new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
    }

    private static Map<String, String> nullable(String type) {
        Map<String, String> entity = new HashMap<>();
        entity.put(type, null);
        return entity;
    }

    private static ClientQuotaAlteration quota(Map<String, String> entity, String key, Double value) {
        return new ClientQuotaAlteration(new ClientQuotaEntity(entity), List.of(new ClientQuotaAlteration.Op(key, value)));
    }

    private Producer<String, String> producer(Map<String, String> more) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("linger.ms", "0");
        all.put("delivery.timeout.ms", "60000");
        all.put("request.timeout.ms", "10000");
        all.put("max.block.ms", "60000");
        all.put("transaction.timeout.ms", "300000");
        all.putAll(more);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    private void send(Producer<String, String> producer, String topic, int count, String value) throws Exception {
        List<Future<RecordMetadata>> waiting = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            long number = sent.merge(topic, 1L, Long::sum);
            ProducerRecord<String, String> record = new ProducerRecord<>(topic, "key-" + number, value + "-" + number);
            record.headers().add("same", new byte[] {1}).add("same", new byte[] {2}).add("empty", new byte[0]);
            waiting.add(producer.send(record));
        }
        for (Future<RecordMetadata> one : waiting) {
            one.get();
        }
    }

    /** Keys written again in batches of every codec, some of them deleted, and some in a transaction that is aborted. */
    private void compacted(String round) throws Exception {
        for (String codec : CODECS) {
            try (Producer<String, String> producer = producer(Map.of("compression.type", codec, "linger.ms", "20"))) {
                List<Future<RecordMetadata>> waiting = new ArrayList<>();
                for (int i = 0; i < 100; i++) {
                    boolean tombstone = i % 10 == 9 && !round.equals("first");
                    ProducerRecord<String, String> record =
                        new ProducerRecord<>("compacted", "key-" + i, tombstone ? null : round + codec + i);
                    record.headers().add("same", new byte[] {1}).add("same", codec.getBytes());
                    waiting.add(producer.send(record));
                }
                for (Future<RecordMetadata> one : waiting) {
                    one.get();
                }
            }
        }
        try (Producer<String, String> producer = producer(Map.of("transactional.id", "compacting"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("compacted", "key-aborted", round)).get();
            producer.abortTransaction();
        }
    }

    /** What goes on in every life: producers that were there before, groups of both protocols, transactions. */
    private void live() throws Exception {
        life++;
        for (String protocol : List.of("classic", "consumer")) {
            if (!members.containsKey(protocol)) {
                members.put(protocol, new Member(protocol));
            }
        }
        send(idempotent, "plain", 300, "life" + life);
        for (Member member : members.values()) {
            member.await(sent.get("plain"));
        }
        consume("classic", "classic", "plain");
        consume("modern", "consumer", "plain");
        admin.createTopics(List.of(new NewTopic("life-" + life, 2, (short) 1))).all().get();
        // A transaction of one partition, one aborted, and offsets within one.
        try (Producer<String, String> producer = producer(Map.of("transactional.id", "committer"))) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, "transactions", 20, "committed" + life);
            producer.sendOffsetsToTransaction(
                Map.of(new TopicPartition("offsets-of-transactions", 0), new OffsetAndMetadata(life, "life")),
                new ConsumerGroupMetadata("in-transactions"));
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, "transactions", 20, "aborted" + life);
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("compacted", "transactional", "life" + life)).get();
            producer.commitTransaction();
        }
        compacted("life" + life);
    }

    private void consume(String group, String protocol, String topic) {
        try (Consumer<String, String> consumer = consumer(Map.of("group.id", group, "group.protocol", protocol))) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + 30_000_000_000L;
            int seen = 0;
            while (seen < 200 && System.nanoTime() < deadline) {
                seen += consumer.poll(POLL).count();
            }
            if (seen < 200) {
                throw new IllegalStateException(group + " saw only " + seen);
            }
            consumer.commitSync();
        }
    }

    /** A member that stays in its group over all lives, without a new assignment. */
    private final class Member extends Thread {
        private final String group;
        private final String protocol;
        private volatile long seen;
        private volatile long assignments;
        private volatile Exception why;

        private Member(String protocol) {
            this.protocol = protocol;
            this.group = "staying-" + protocol;
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            // A client that starts over from its bootstrap servers forgets the topics, and joins anew if it finds the
            // coordinator before it finds them again.
            try (Consumer<String, String> consumer = consumer(Map.of(
                    "group.id", group, "group.protocol", protocol, "metadata.recovery.strategy", "none"))) {
                consumer.subscribe(List.of("plain"), new ConsumerRebalanceListener() {
                    @Override
                    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    }

                    @Override
                    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                        assignments += partitions.isEmpty() ? 0 : 1;
                    }
                });
                while (true) {
                    seen += consumer.poll(Duration.ofMillis(100)).count();
                    try {
                        consumer.commitSync(Duration.ofSeconds(5));
                    } catch (org.apache.kafka.common.errors.TimeoutException | RetriableCommitFailedException between) {
                        // No broker is there.
                    }
                }
            } catch (Exception failed) {
                why = failed;
            }
        }

        private void await(long count) throws Exception {
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (seen < count && why == null && System.nanoTime() < deadline) {
                Thread.sleep(50);
            }
            if (seen != count || assignments != 1 || why != null) {
                throw new IllegalStateException(
                    group + " saw " + seen + " of " + count + " in " + assignments + " assignments, " + why);
            }
        }
    }

    private Consumer<String, String> consumer(Map<String, String> more) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", "false");
        all.put("max.poll.records", "100");
        all.putAll(more);
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    /** A share group, which barnabas does not serve and must not lose. */
    private void share(String group) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set("share.auto.offset.reset", "earliest")))).all().get();
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("group.id", group);
        long fresh = sent.get("plain") - shared.size();
        try (ShareConsumer<String, String> consumer =
                 new KafkaShareConsumer<>(all, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("plain"));
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (fresh > 0 && System.nanoTime() < deadline) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    if (!shared.add(record.partition() + "-" + record.offset())) {
                        throw new IllegalStateException(record.offset() + " was acknowledged before");
                    }
                    fresh--;
                }
                consumer.commitSync();
            }
        }
        if (fresh > 0) {
            throw new IllegalStateException("the share group has not seen " + fresh + " records");
        }
    }

    /** A transaction that its producer will commit in the next life, and one whose producer is gone. */
    private void leaveOpen() throws Exception {
        open = producer(Map.of("transactional.id", "goes-on-" + life));
        open.initTransactions();
        open.beginTransaction();
        send(open, "transactions", 10, "open" + life);
        Producer<String, String> gone = producer(Map.of("transactional.id", "gone"));
        gone.initTransactions();
        gone.beginTransaction();
        send(gone, "transactions", 10, "gone" + life);
        gone.close(Duration.ZERO);
    }

    /** A transaction of a producer that is gone, whose time is over in the next life. */
    private void letExpire() throws Exception {
        Producer<String, String> late = producer(Map.of("transactional.id", "late", "transaction.timeout.ms", "2000"));
        late.initTransactions();
        late.beginTransaction();
        send(late, "late", 10, "late" + life);
        late.close(Duration.ZERO);
    }

    private void finishOpen() throws Exception {
        send(open, "transactions", 10, "closed" + life);
        open.commitTransaction();
        open.close();
        // Who takes over a transactional id ends what was left open.
        try (Producer<String, String> gone = producer(Map.of("transactional.id", "gone"))) {
            gone.initTransactions();
        }
        long deadline = System.nanoTime() + 30_000_000_000L;
        String left;
        do {
            left = unstable();
        } while (!left.isEmpty() && System.nanoTime() < deadline);
        if (!left.isEmpty()) {
            throw new IllegalStateException("transactions do not end on " + left);
        }
    }

    /** Partitions with an open transaction. */
    private String unstable() throws Exception {
        StringBuilder found = new StringBuilder();
        try (Consumer<String, String> committed = consumer(Map.of("isolation.level", "read_committed"));
             Consumer<String, String> all = consumer(Map.of())) {
            List<TopicPartition> partitions = List.of(
                new TopicPartition("transactions", 0), new TopicPartition("transactions", 1), new TopicPartition("late", 0));
            Map<TopicPartition, Long> stable = committed.endOffsets(partitions);
            for (Map.Entry<TopicPartition, Long> end : all.endOffsets(partitions).entrySet()) {
                if (!stable.get(end.getKey()).equals(end.getValue())) {
                    found.append(end.getKey()).append(' ');
                }
            }
        }
        return found.toString();
    }

    private void check() throws Exception {
        Map<String, String> now = look();
        TreeSet<String> names = new TreeSet<>(remembered.keySet());
        names.addAll(now.keySet());
        int wrong = 0;
        for (String name : names) {
            String before = remembered.get(name);
            String after = now.get(name);
            if (before == null || !before.equals(after)) {
                System.out.println("differs: " + name + ": " + before + " -> " + after);
                wrong++;
            }
        }
        System.out.println("compared: " + names.size());
        if (wrong > 0) {
            throw new IllegalStateException(wrong + " differences");
        }
    }

    /** All that can be seen, by name. */
    private Map<String, String> look() throws Exception {
        Map<String, String> seen = new TreeMap<>();
        seen.put("cluster", admin.describeCluster().clusterId().get());
        admin.describeFeatures().featureMetadata().get().finalizedFeatures()
            .forEach((name, range) -> {
                // What barnabas does not serve it does not show.
                if (!Set.of("share.version", "streams.version", "kraft.version").contains(name)) {
                    seen.put("feature " + name, range.toString());
                }
            });
        List<TopicPartition> partitions = new ArrayList<>();
        Set<String> topics = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        for (TopicDescription topic : admin.describeTopics(topics).allTopicNames().get().values()) {
            seen.put("topic " + topic.name(), topic.topicId() + " " + topic.partitions().size());
            if (!topic.isInternal() && !topic.name().equals("late")) {
                topic.partitions().forEach(one -> partitions.add(new TopicPartition(topic.name(), one.partition())));
            }
        }
        records(seen, partitions);
        configs(seen, topics);
        groups(seen);
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get()
            .forEach((entity, values) -> seen.put("quota " + new TreeMap<>(nulls(entity.entries())), new TreeMap<>(values).toString()));
        admin.describeUserScramCredentials().all().get().forEach((user, found) -> seen.put("scram " + user, found.toString()));
        shares(seen);
        for (TransactionListing one : admin.listTransactions().all().get()) {
            if (!one.transactionalId().equals("late")) {
                seen.put("transaction " + one.transactionalId(), one.producerId() + " " + one.state());
            }
        }
        return seen;
    }

    private static Map<String, String> nulls(Map<String, String> entries) {
        Map<String, String> out = new HashMap<>();
        entries.forEach((type, name) -> out.put(type, String.valueOf(name)));
        return out;
    }

    /** Up to where share groups are; from memory while the broker does not serve them. */
    private void shares(Map<String, String> seen) throws Exception {
        try {
            admin.listShareGroupOffsets(Map.of("adopted-share", new ListShareGroupOffsetsSpec()))
                .partitionsToOffsetInfo("adopted-share").get()
                .forEach((partition, offset) -> seen.put("share " + partition, String.valueOf(offset.startOffset())));
        } catch (java.util.concurrent.ExecutionException unserved) {
            remembered.forEach((name, value) -> {
                if (name.startsWith("share ")) {
                    seen.put(name, value);
                }
            });
        }
    }

    private void configs(Map<String, String> seen, Set<String> topics) throws Exception {
        List<ConfigResource> resources = new ArrayList<>();
        topics.forEach(topic -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic)));
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, "1"));
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
        resources.add(new ConfigResource(ConfigResource.Type.GROUP, "modern"));
        resources.add(new ConfigResource(ConfigResource.Type.GROUP, "adopted-share"));
        resources.add(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "subscription"));
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> {
            for (ConfigEntry entry : config.entries()) {
                if (entry.source().name().startsWith("DYNAMIC")) {
                    seen.put("config " + resource + " " + entry.name(), entry.value());
                }
            }
        });
    }

    private void groups(Map<String, String> seen) throws Exception {
        for (String group : List.of("classic", "modern", "in-transactions")) {
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((partition, offset) ->
                seen.put("offset of " + group + " in " + partition, offset.offset() + " " + offset.metadata() + " " + offset.leaderEpoch()));
        }
        admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get().forEach(one ->
            seen.put("group " + one.groupId(), one.type() + " " + one.protocol()));
    }

    /** What is in one partition. */
    private static final class Digest {
        private final CRC32C all = new CRC32C();
        private final TreeMap<String, String> table = new TreeMap<>();
        private long count;

        private void add(ConsumerRecord<String, String> record) {
            count++;
            all.update((record.offset() + " " + record.timestampType() + record.timestamp() + " " + record.key() + " "
                + record.value() + " " + record.headers() + " " + record.leaderEpoch()).getBytes());
            if (record.value() == null) {
                table.remove(record.key());
            } else {
                table.put(record.key(), record.offset() + record.value());
            }
        }
    }

    /** A digest of every record, aborted ones too; of the compacted topic what a table of it would hold. */
    private void records(Map<String, String> seen, List<TopicPartition> partitions) {
        for (String isolation : List.of("read_uncommitted", "read_committed")) {
            Map<String, String> settings = Map.of("isolation.level", isolation, "max.poll.records", "10000");
            try (Consumer<String, String> consumer = consumer(settings)) {
                consumer.assign(partitions);
                consumer.seekToBeginning(partitions);
                Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
                Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
                Map<TopicPartition, Digest> digests = new HashMap<>();
                partitions.forEach(partition -> digests.put(partition, new Digest()));
                while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                    consumer.poll(POLL).forEach(record -> digests.get(new TopicPartition(record.topic(), record.partition())).add(record));
                }
                digests.forEach((partition, digest) -> {
                    String what = starts.get(partition) + ".." + ends.get(partition) + " ";
                    if (partition.topic().equals("compacted")) {
                        what += digest.table.size() + " keys " + digest.table.hashCode();
                    } else {
                        what += digest.count + " records " + Long.toHexString(digest.all.getValue());
                    }
                    seen.put(isolation + " " + partition, what);
                });
            }
        }
    }
}
