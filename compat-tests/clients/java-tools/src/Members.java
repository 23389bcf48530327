import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What a transcript needs beside the tools: topics, records, and group members that live while the tools look at them. */
final class Members {
    private static final long PATIENCE_MS = 30_000;

    private final String bootstrap;
    private final Map<String, Member> members = new HashMap<>();
    private final Producers producers;
    private Admin admin;

    Members(String bootstrap) {
        this.bootstrap = bootstrap;
        this.producers = new Producers(bootstrap);
    }

    /** Returns what the step prints. */
    List<String> play(String word, List<String> args) throws Exception {
        switch (word) {
            case "topic": createTopic(args); return List.of();
            case "produce": produce(args); return List.of();
            case "file": Files.writeString(Path.of(args.get(0)), String.join("\n", args.subList(1, args.size())) + "\n"); return List.of();
            case "offsets": alterOffsets(args); return List.of();
            case "alter": return alterConfigs(args);
            case "member": join(args); return List.of();
            case "await": member(args).await(Integer.parseInt(args.get(1))); return List.of();
            case "assigned": return List.of(member(args).assigned());
            case "error": return List.of(member(args).failure());
            case "commit": commit(member(args), args.subList(1, args.size())); return List.of();
            case "pause": pause(member(args)); return List.of();
            case "resume": member(args).polling = true; return List.of();
            case "leave": member(args).close(CloseOptions.GroupMembershipOperation.LEAVE_GROUP); return List.of();
            case "vanish": member(args).close(CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP); return List.of();
            case "until": awaitState(args.get(0), GroupState.parse(args.get(1)), Integer.parseInt(args.get(2))); return List.of();
            case "transactional": producers.open(args.get(0), pairs(args.subList(1, args.size()))); return List.of();
            case "begin": producers.begin(args.get(0)); return List.of();
            case "send": producers.send(args.get(0), args.get(1), Integer.parseInt(args.get(2)), Integer.parseInt(args.get(3))); return List.of();
            case "send-offsets": producers.sendOffsets(args.get(0), args.get(1), offsets(args.subList(2, args.size()))); return List.of();
            case "end": producers.end(args.get(0), args.get(1)); return List.of();
            case "ended": awaitEnd(args.get(0)); return List.of();
            case "sleep": Thread.sleep(Long.parseLong(args.get(0))); return List.of();
            default: throw new IllegalArgumentException("no step " + word);
        }
    }

    private Member member(List<String> args) {
        return members.get(args.get(0));
    }

    private Admin admin() {
        if (admin == null) {
            admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        }
        return admin;
    }

    /** {@code topic NAME PARTITIONS [key=value]...}; returns when the partitions are served. */
    private void createTopic(List<String> args) throws Exception {
        int partitions = Integer.parseInt(args.get(1));
        NewTopic topic = new NewTopic(args.get(0), partitions, (short) 1).configs(pairs(args.subList(2, args.size())));
        admin().createTopics(List.of(topic)).all().get();
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        for (int i = 0; i < partitions; i++) {
            latest.put(new TopicPartition(args.get(0), i), OffsetSpec.latest());
        }
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            try {
                admin().listOffsets(latest).all().get();
                return;
            } catch (ExecutionException notServedYet) {
                if (System.currentTimeMillis() > deadline) {
                    throw notServedYet;
                }
            }
        }
    }

    /** {@code produce TOPIC PARTITION COUNT [TIMESTAMP [STEP]]}: values value-0 and so on; a negative timestamp counts from now. */
    private void produce(List<String> args) throws Exception {
        Map<String, Object> props = Map.of("bootstrap.servers", bootstrap, "linger.ms", 100);
        long timestamp = args.size() > 3 ? Long.parseLong(args.get(3)) : System.currentTimeMillis();
        long first = timestamp < 0 ? System.currentTimeMillis() + timestamp : timestamp;
        long step = args.size() > 4 ? Long.parseLong(args.get(4)) : 0;
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(props, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < Integer.parseInt(args.get(2)); i++) {
                producer.send(new ProducerRecord<>(args.get(0), Integer.valueOf(args.get(1)), first + i * step, "key-" + i, "value-" + i));
            }
        }
    }

    /** {@code offsets GROUP topic:partition=offset[/metadata]...}, as a tool that is no member. */
    private void alterOffsets(List<String> args) throws Exception {
        admin().alterConsumerGroupOffsets(args.get(0), offsets(args.subList(1, args.size()))).all().get();
    }

    private void commit(Member member, List<String> args) throws Exception {
        member.run(() -> member.consumer.commitSync(offsets(args)));
    }

    private void awaitState(String group, GroupState state, int size) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        ConsumerGroupDescription found;
        do {
            found = admin().describeConsumerGroups(List.of(group)).all().get().get(group);
            if (found.groupState() == state && found.members().size() == size) {
                return;
            }
            Thread.sleep(20);
        } while (System.currentTimeMillis() < deadline);
        throw new IllegalStateException(found.groupState() + " with " + found.members().size() + " members");
    }

    /** {@code ended ID}: until the coordinator has completed the transaction. */
    private void awaitEnd(String transactionalId) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        TransactionState state;
        do {
            state = admin().describeTransactions(List.of(transactionalId)).description(transactionalId).get().state();
            if (state == TransactionState.COMPLETE_COMMIT || state == TransactionState.COMPLETE_ABORT || state == TransactionState.EMPTY) {
                return;
            }
            Thread.sleep(20);
        } while (System.currentTimeMillis() < deadline);
        throw new IllegalStateException(state.toString());
    }

    /** Returns when the last poll has. */
    private static void pause(Member member) throws Exception {
        member.polling = false;
        member.run(() -> { });
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(List<String> args) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        pairs(args).forEach((place, value) -> {
            String[] at = place.split(":");
            String[] what = value.split("/", 2);
            offsets.put(new TopicPartition(at[0], Integer.parseInt(at[1])),
                new OffsetAndMetadata(Long.parseLong(what[0]), what.length > 1 ? metadata(what[1]) : ""));
        });
        return offsets;
    }

    /** {@code *N} stands for N asterisks. */
    private static String metadata(String text) {
        return text.startsWith("*") ? "*".repeat(Integer.parseInt(text.substring(1))) : text;
    }

    /** {@code alter TYPE NAME [validate] OPERATION:key[=value]...}: IncrementalAlterConfigs with operations that no tool has. */
    private List<String> alterConfigs(List<String> args) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.valueOf(args.get(0).toUpperCase()), args.get(1));
        boolean validateOnly = args.contains("validate");
        List<AlterConfigOp> operations = new ArrayList<>();
        for (String arg : args.subList(validateOnly ? 3 : 2, args.size())) {
            String[] parts = arg.split(":", 2);
            String[] entry = parts[1].split("=", 2);
            operations.add(new AlterConfigOp(new ConfigEntry(entry[0], entry.length > 1 ? entry[1] : null),
                AlterConfigOp.OpType.valueOf(parts[0].toUpperCase())));
        }
        try {
            admin().incrementalAlterConfigs(Map.of(resource, operations), new AlterConfigsOptions().validateOnly(validateOnly)).all().get();
            return List.of("altered");
        } catch (ExecutionException error) {
            return List.of(error.getCause().getClass().getSimpleName() + ": " + error.getCause().getMessage());
        }
    }

    /** {@code member NAME group=G topics=a,b|pattern=P [partitions=N] [config=value]...}; waits until N (1) partitions are assigned. */
    private void join(List<String> args) throws Exception {
        Map<String, String> settings = pairs(args.subList(1, args.size()));
        int partitions = Integer.parseInt(settings.getOrDefault("partitions", "1"));
        Member member = new Member(args.get(0), settings);
        members.put(args.get(0), member);
        member.start();
        if (partitions > 0) {
            member.await(partitions);
        }
    }

    private static Map<String, String> pairs(List<String> args) {
        Map<String, String> pairs = new LinkedHashMap<>();
        for (String arg : args) {
            String[] pair = arg.split("=", 2);
            pairs.put(pair[0], pair[1]);
        }
        return pairs;
    }

    /** A consumer in a thread of its own that polls, and throws away what it gets. */
    private final class Member extends Thread {
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final LinkedBlockingQueue<FutureTask<Void>> tasks = new LinkedBlockingQueue<>();
        private volatile boolean polling = true;
        private volatile boolean closed;
        private volatile Exception failure;

        Member(String name, Map<String, String> settings) {
            setDaemon(true);
            Properties props = new Properties();
            props.put("bootstrap.servers", bootstrap);
            props.put("client.id", name);
            props.put("group.id", settings.get("group"));
            props.put("enable.auto.commit", "false");
            props.put("auto.offset.reset", "earliest");
            boolean classic = !"consumer".equals(settings.get("group.protocol"));
            if (classic) {
                props.put("heartbeat.interval.ms", "200");
            }
            settings.forEach((key, value) -> {
                if (key.contains(".")) {
                    props.put(key, value);
                }
            });
            consumer = new KafkaConsumer<>(props, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            if (settings.containsKey("pattern")) {
                String pattern = settings.get("pattern");
                if (classic) {
                    consumer.subscribe(Pattern.compile(pattern));
                } else {
                    consumer.subscribe(new org.apache.kafka.clients.consumer.SubscriptionPattern(pattern));
                }
            } else {
                consumer.subscribe(List.of(settings.get("topics").split(",")));
            }
        }

        @Override
        public void run() {
            while (!closed) {
                try {
                    FutureTask<Void> task = tasks.poll(polling ? 0 : 50, TimeUnit.MILLISECONDS);
                    if (task != null) {
                        task.run();
                    } else if (polling) {
                        consumer.poll(Duration.ofMillis(50));
                    }
                } catch (Exception error) {
                    failure = error;
                    return;
                }
            }
        }

        void run(Runnable action) throws Exception {
            FutureTask<Void> task = new FutureTask<>(action, null);
            tasks.add(task);
            task.get(PATIENCE_MS, TimeUnit.MILLISECONDS);
        }

        void await(int partitions) throws Exception {
            long deadline = System.currentTimeMillis() + PATIENCE_MS;
            int[] found = new int[1];
            do {
                run(() -> found[0] = consumer.assignment().size());
                if (found[0] == partitions) {
                    return;
                }
                Thread.sleep(20);
            } while (System.currentTimeMillis() < deadline);
            throw new IllegalStateException(found[0] + " partitions are assigned, expected " + partitions);
        }

        /** Waits for the error that ends it. */
        String failure() throws Exception {
            join(PATIENCE_MS);
            return failure == null ? "goes on" : failure.getClass().getSimpleName() + ": " + failure.getMessage();
        }

        String assigned() throws Exception {
            String[] found = new String[1];
            run(() -> found[0] = consumer.assignment().stream().map(TopicPartition::toString).sorted().toList().toString());
            return found[0];
        }

        void close(CloseOptions.GroupMembershipOperation operation) throws Exception {
            run(() -> {
                closed = true;
                consumer.close(CloseOptions.groupMembershipOperation(operation));
            });
        }
    }
}
