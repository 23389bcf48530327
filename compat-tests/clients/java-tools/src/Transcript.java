import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

import org.slf4j.LoggerFactory;

/**
 * Plays the steps of a transcript: Transcript BOOTSTRAP FILE. A line {@code $ tool argument...} runs a tool,
 * {@code % word argument...} is for {@link Members}; either's output follows it, indented. Other lines are passed on.
 * transcripts/README.md has the language.
 */
public final class Transcript {
    private static final String PACKAGE = "org.apache.kafka.tools.";
    private static final Map<String, String> TOOLS = Map.ofEntries(
        Map.entry("kafka-acls", PACKAGE + "AclCommand"),
        Map.entry("kafka-broker-api-versions", PACKAGE + "BrokerApiVersionsCommand"),
        Map.entry("kafka-client-metrics", PACKAGE + "ClientMetricsCommand"),
        Map.entry("kafka-cluster", PACKAGE + "ClusterTool"),
        Map.entry("kafka-configs", "kafka.admin.ConfigCommand"),
        Map.entry("kafka-console-consumer", PACKAGE + "consumer.ConsoleConsumer"),
        Map.entry("kafka-console-producer", PACKAGE + "ConsoleProducer"),
        Map.entry("kafka-console-share-consumer", PACKAGE + "consumer.ConsoleShareConsumer"),
        Map.entry("kafka-consumer-groups", PACKAGE + "consumer.group.ConsumerGroupCommand"),
        Map.entry("kafka-consumer-perf-test", PACKAGE + "ConsumerPerformance"),
        Map.entry("kafka-delegation-tokens", PACKAGE + "DelegationTokenCommand"),
        Map.entry("kafka-delete-records", PACKAGE + "DeleteRecordsCommand"),
        Map.entry("kafka-e2e-latency", PACKAGE + "EndToEndLatency"),
        Map.entry("kafka-features", PACKAGE + "FeatureCommand"),
        Map.entry("kafka-get-offsets", PACKAGE + "GetOffsetShell"),
        Map.entry("kafka-groups", PACKAGE + "GroupsCommand"),
        Map.entry("kafka-leader-election", PACKAGE + "LeaderElectionCommand"),
        Map.entry("kafka-log-dirs", PACKAGE + "LogDirsCommand"),
        Map.entry("kafka-metadata-quorum", PACKAGE + "MetadataQuorumCommand"),
        Map.entry("kafka-producer-perf-test", PACKAGE + "ProducerPerformance"),
        Map.entry("kafka-reassign-partitions", PACKAGE + "reassign.ReassignPartitionsCommand"),
        Map.entry("kafka-share-consumer-perf-test", PACKAGE + "ShareConsumerPerformance"),
        Map.entry("kafka-share-groups", PACKAGE + "consumer.group.ShareGroupCommand"),
        Map.entry("kafka-streams-application-reset", PACKAGE + "StreamsResetter"),
        Map.entry("kafka-streams-groups", PACKAGE + "streams.StreamsGroupCommand"),
        Map.entry("kafka-topics", PACKAGE + "TopicCommand"),
        Map.entry("kafka-transactions", PACKAGE + "TransactionsCommand"),
        Map.entry("kafka-verifiable-consumer", PACKAGE + "VerifiableConsumer"),
        Map.entry("kafka-verifiable-producer", PACKAGE + "VerifiableProducer"));

    /** These take their general options before the command alone. */
    private static final Set<String> GENERAL_OPTIONS_FIRST = Set.of("kafka-features", "kafka-metadata-quorum", "kafka-transactions");

    /** Apache Kafka answers before its brokers have taken a change over. */
    private static final long CHANGE_SETTLES_MS = 300;
    private static final Set<String> CHANGES = Set.of("--create", "--alter", "--delete");

    private final String bootstrap;
    private final Members members;

    private Transcript(String bootstrap) {
        this.bootstrap = bootstrap;
        this.members = new Members(bootstrap);
    }

    public static void main(String[] args) throws Exception {
        // The log's stream is the one found first: not a tool's.
        LoggerFactory.getLogger(Transcript.class);
        Transcript transcript = new Transcript(args[0]);
        for (String line : Files.readAllLines(Path.of(args[1]), StandardCharsets.UTF_8)) {
            if (!line.startsWith("    ")) {
                Tool.say(line);
                long began = System.currentTimeMillis();
                transcript.step(line);
                System.err.println(System.currentTimeMillis() - began + " ms: " + line);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private void step(String line) throws Exception {
        List<String> words = words(line);
        if (line.startsWith("$ ")) {
            tool(words.get(1), words.subList(2, words.size()));
        } else if (line.startsWith("% ")) {
            try {
                members.play(words.get(1), words.subList(2, words.size())).forEach(Transcript::print);
            } catch (Exception error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                print("! " + cause.getClass().getSimpleName() + ": " + cause.getMessage());
            }
        }
    }

    private void tool(String name, List<String> given) throws Exception {
        List<String> all = new ArrayList<>(given);
        String stdin = "";
        int input = all.indexOf("<");
        if (input >= 0) {
            stdin = Files.readString(Path.of(all.get(input + 1)));
            all.subList(input, input + 2).clear();
        }
        if (!Collections.replaceAll(all, "{broker}", bootstrap) && !given.contains("--validate-regex")) {
            all.addAll(GENERAL_OPTIONS_FIRST.contains(name) ? 0 : all.size(), List.of("--bootstrap-server", bootstrap));
        }
        Tool.Result result;
        try {
            result = Tool.runWith(stdin, TOOLS.get(name), all.toArray(new String[0]));
        } catch (IllegalStateException error) {
            print("! " + error.getMessage() + ": " + error.getCause());
            return;
        }
        result.out.lines().forEach(Transcript::print);
        result.err.lines().forEach(line -> print("! " + line));
        if (result.code != 0) {
            print("[" + result.code + "]");
        } else if (!Collections.disjoint(given, CHANGES)) {
            Thread.sleep(CHANGE_SETTLES_MS);
        }
    }

    private static void print(String line) {
        Tool.say("    " + line);
    }

    /** As a shell splits them: at spaces outside of single quotes. */
    private static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        String[] parts = line.split("'", -1);
        StringBuilder word = null;
        for (int i = 0; i < parts.length; i++) {
            for (char c : parts[i].toCharArray()) {
                if (i % 2 == 1 || c != ' ') {
                    word = word == null ? new StringBuilder() : word;
                    word.append(c);
                } else if (word != null) {
                    words.add(word.toString());
                    word = null;
                }
            }
            if (i % 2 == 1 && word == null) {
                word = new StringBuilder();
            }
        }
        return Stream.concat(words.stream(), Stream.ofNullable(word).map(StringBuilder::toString)).toList();
    }
}
