import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Runs one scenario: Tools BOOTSTRAP SCENARIO SUFFIX. The name of a scenario is that of the tool. */
public final class Tools {
    private static final String PACKAGE = "org.apache.kafka.tools.";
    private static final String TOPICS = PACKAGE + "TopicCommand";
    private static final String CONFIGS = "kafka.admin.ConfigCommand";
    private static final String CONSOLE_PRODUCER = PACKAGE + "ConsoleProducer";
    private static final String CONSOLE_CONSUMER = PACKAGE + "consumer.ConsoleConsumer";
    private static final int SKIP = 77;

    private final String bootstrap;
    private final String topic;

    private Tools(String bootstrap, String topic) {
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    public static void main(String[] args) {
        int code = 0;
        try {
            code = new Tools(args[0], args[1] + "-" + args[2]).scenario(args[1]);
        } catch (Throwable error) {
            error.printStackTrace();
            Tool.say(args[1] + ": " + error.toString().replace("\n", " | "));
            code = 1;
        }
        Runtime.getRuntime().halt(code);
    }

    private int scenario(String name) throws Exception {
        if (name.startsWith("kafka-console-")) {
            console(name.substring("kafka-console-".length()));
            return 0;
        }
        switch (name) {
            case "kafka-topics": topics(); return 0;
            case "kafka-configs": configs(); return 0;
            case "kafka-get-offsets": getOffsets(); return 0;
            case "kafka-log-dirs": logDirs(); return 0;
            case "kafka-broker-api-versions": apiVersions(); return 0;
            case "kafka-cluster": cluster(); return 0;
            case "kafka-features": features(); return 0;
            case "kafka-reassign-partitions-list": reassignments(); return 0;
            case "kafka-metadata-quorum": return quorum();
            case "kafka-producer-perf-test": performance(); return 0;
            case "kafka-producer-perf-test-transactions": transactionalPerformance(); return 0;
            case "kafka-dump-log": dumpLog(); return 0;
            case "kafka-dump-log-transactions": dumpTransactions(); return 0;
            default: throw new IllegalArgumentException("no scenario " + name);
        }
    }

    private void topics() throws Exception {
        Tool.Result created = ok(TOPICS, "--create", "--topic", topic, "--partitions", "3", "--config", "retention.ms=123456");
        same("Created topic " + topic + ".\n", created.out);
        fails("Topic '" + topic + "' already exists.", TOPICS, "--create", "--topic", topic);
        ok(TOPICS, "--create", "--topic", topic, "--if-not-exists");
        check(ok(TOPICS, "--list").lines().contains(topic), "not in the list");
        describe(3);
        ok(TOPICS, "--alter", "--topic", topic, "--partitions", "5");
        describe(5);
        fails("The topic " + topic + " currently has 5 partition(s); 2 would not be an increase.",
            TOPICS, "--alter", "--topic", topic, "--partitions", "2");
        fails("Unknown topic config name: no.such.config",
            TOPICS, "--create", "--topic", topic + "-config", "--config", "no.such.config=1");
        same("", ok(TOPICS, "--describe", "--under-replicated-partitions").out);
        same("", ok(TOPICS, "--describe", "--unavailable-partitions").out);
        ok(TOPICS, "--delete", "--topic", topic);
        check(!ok(TOPICS, "--list").lines().contains(topic), "still in the list");
        fails("Topic '" + topic + "' does not exist as expected", TOPICS, "--delete", "--topic", topic);
        fails("Topic '" + topic + "' does not exist as expected", TOPICS, "--describe", "--topic", topic);
    }

    private void describe(int partitions) throws Exception {
        List<String> lines = ok(TOPICS, "--describe", "--topic", topic).lines();
        matches(lines.get(0), "Topic: " + topic + "\tTopicId: \\S{22}\tPartitionCount: " + partitions
            + "\tReplicationFactor: 1\tConfigs: .*retention\\.ms=123456.*");
        same(partitions + 1, lines.size());
        for (int i = 0; i < partitions; i++) {
            matches(lines.get(i + 1), "\tTopic: " + topic + "\tPartition: " + i
                + "\tLeader: 1\tReplicas: 1\tIsr: 1\tElr:.*\tLastKnownElr:.*");
        }
    }

    private void console(String codec) throws Exception {
        create(1);
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            String key = i % 5 == 0 ? "NIL" : "key-" + i;
            String value = i % 7 == 0 ? "NIL" : "value-" + i + "-é";
            sent.add("h:" + i + ",h:again\t" + key + "\t" + value);
        }
        feed(String.join("\n", sent) + "\n", CONSOLE_PRODUCER, "--topic", topic, "--compression-codec", codec,
            "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
            "--reader-property", "null.marker=NIL");
        List<String> read = ok(CONSOLE_CONSUMER, "--topic", topic, "--partition", "0", "--offset", "earliest",
            "--max-messages", "" + sent.size(), "--timeout-ms", "20000",
            "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
            "--formatter-property", "null.literal=NIL").lines();
        same(sent, read);
        List<String> last = ok(CONSOLE_CONSUMER, "--topic", topic, "--partition", "0", "--offset", "199",
            "--max-messages", "1", "--timeout-ms", "20000", "--formatter-property", "print.offset=true").lines();
        same(List.of("Offset:199\tvalue-199-é"), last);
    }

    private void configs() throws Exception {
        ok(TOPICS, "--create", "--topic", topic, "--config", "retention.ms=123456", "--config", "cleanup.policy=compact");
        List<String> own = ok(CONFIGS, "--describe", "--topic", topic).lines();
        same("Dynamic configs for topic " + topic + " are:", own.get(0));
        check(own.contains("  retention.ms=123456 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=123456}"),
            "retention.ms: " + own);
        check(own.contains("  cleanup.policy=compact sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact, "
            + "DEFAULT_CONFIG:log.cleanup.policy=delete}"), "cleanup.policy: " + own);

        List<String> all = ok(CONFIGS, "--describe", "--all", "--topic", topic).lines();
        check(all.contains("  max.message.bytes=1048588 sensitive=false synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}"),
            "max.message.bytes: " + all);
        check(all.contains("  segment.bytes=1073741824 sensitive=false synonyms={DEFAULT_CONFIG:log.segment.bytes=1073741824}"),
            "segment.bytes: " + all);

        List<String> broker = ok(CONFIGS, "--describe", "--all", "--broker", "1").lines();
        same("All configs for broker 1 are:", broker.get(0));
        check(broker.contains("  num.partitions=1 sensitive=false synonyms={DEFAULT_CONFIG:num.partitions=1}"), "num.partitions");
        check(broker.stream().anyMatch(line -> line.startsWith("  log.dirs=/")), "log.dirs");
        check(broker.size() > 250, "only " + broker.size() + " broker configs");
    }

    private void getOffsets() throws Exception {
        create(3);
        produce(10);
        String tool = PACKAGE + "GetOffsetShell";
        List<String> latest = ok(tool, "--topic", topic).lines();
        same(3, latest.size());
        long sum = latest.stream().mapToLong(line -> Long.parseLong(line.split(":")[2])).sum();
        same(10L, sum);
        same(latest, ok(tool, "--topic", topic, "--time", "-1").lines());
        List<String> zeros = Stream.of(0, 1, 2).map(p -> topic + ":" + p + ":0").collect(Collectors.toList());
        same(zeros, ok(tool, "--topic", topic, "--time", "earliest").lines());
        same(zeros.subList(1, 2), ok(tool, "--topic-partitions", topic + ":1", "--time", "-2").lines());
        // A time before every record finds each partition's first one; partitions without records have no such offset.
        for (String line : ok(tool, "--topic", topic, "--time", "1000").lines()) {
            check(line.endsWith(":0"), "offset of an early time: " + line);
        }
    }

    private void logDirs() throws Exception {
        create(1);
        produce(10);
        List<String> lines = ok(PACKAGE + "LogDirsCommand", "--describe", "--topic-list", topic).lines();
        matches(lines.get(lines.size() - 1), "\\{\"brokers\":\\[\\{\"broker\":1,\"logDirs\":\\[\\{\"partitions\":\\[\\{\"partition\":\""
            + topic + "-0\",\"size\":[1-9]\\d*,\"offsetLag\":0,\"isFuture\":false\\}\\],\"error\":null,\"logDir\":\"/.*\"\\}\\]\\}\\],"
            + "\"version\":1\\}");
    }

    /** The ranges that clients of this century rely on. */
    private void apiVersions() throws Exception {
        Object[][] needed = {
            {"Produce", 0, 13}, {"Fetch", 4, 18}, {"ListOffsets", 1, 10}, {"Metadata", 0, 13}, {"ApiVersions", 0, 4},
            {"OffsetForLeaderEpoch", 2, 4}, {"DescribeCluster", 0, 2}, {"DescribeTopicPartitions", 0, 0},
            {"InitProducerId", 0, 5}, {"CreateTopics", 2, 7}, {"DeleteTopics", 1, 6}, {"CreatePartitions", 0, 3},
            {"DescribeConfigs", 1, 4}, {"DescribeLogDirs", 1, 4}, {"ListPartitionReassignments", 0, 0}, {"FindCoordinator", 0, 6},
        };
        String out = ok(PACKAGE + "BrokerApiVersionsCommand").out;
        check(out.startsWith(bootstrap + " (id: 1 rack: null isFenced: false) -> ("), "first line: " + out.split("\n")[0]);
        for (Object[] api : needed) {
            Matcher found = Pattern.compile("\t" + api[0] + "\\(\\d+\\): (\\d+)(?: to (\\d+))? \\[usable: \\d+\\]").matcher(out);
            check(found.find(), api[0] + " is not usable: " + out);
            int least = Integer.parseInt(found.group(1));
            int most = found.group(2) == null ? least : Integer.parseInt(found.group(2));
            check(least <= (int) api[1] && most >= (int) api[2], "range of " + Arrays.toString(api) + ": " + least + " to " + most);
        }
    }

    private void cluster() throws Exception {
        matches(ok(PACKAGE + "ClusterTool", "cluster-id").lines().get(0), "Cluster ID: [A-Za-z0-9_-]{22}");
    }

    private void features() throws Exception {
        String out = ok(PACKAGE + "FeatureCommand", "describe").out;
        check(Pattern.compile("Feature: metadata\\.version\\s.*FinalizedVersionLevel: [34]\\.\\d+-IV\\d").matcher(out).find(), out);
    }

    private void reassignments() throws Exception {
        same("No partition reassignments found.\n", ok(PACKAGE + "reassign.ReassignPartitionsCommand", "--list").out);
    }

    private int quorum() throws Exception {
        Tool.Result result = Tool.run(PACKAGE + "MetadataQuorumCommand", with("describe", "--status"));
        if (result.code != 0 && result.err.contains("does not support DESCRIBE_QUORUM")) {
            Tool.say("DescribeQuorum is not served yet");
            return SKIP;
        }
        check(result.code == 0 && result.out.contains("LeaderId:               1"), result.out);
        return 0;
    }

    private void performance() throws Exception {
        create(1);
        String out = ok(PACKAGE + "ProducerPerformance", "--topic", topic, "--num-records", "5000", "--record-size", "100",
            "--throughput", "-1").out;
        check(out.contains("5000 records sent"), out);
        same(List.of(topic + ":0:5000"), ok(PACKAGE + "GetOffsetShell", "--topic", topic).lines());
    }

    /** Several transactions, each with a marker in the partition. */
    private void transactionalPerformance() throws Exception {
        create(1);
        String out = perform(2000);
        check(out.contains("2000 records sent"), out);
        String offsets = ok(PACKAGE + "GetOffsetShell", "--topic", topic).out.trim();
        int markers = Integer.parseInt(offsets.substring(offsets.lastIndexOf(':') + 1)) - 2000;
        check(markers > 1, offsets + " has " + markers + " markers");
        Tool.Result read = ok(PACKAGE + "consumer.ConsoleConsumer", "--topic", topic, "--partition", "0", "--offset", "earliest",
            "--isolation-level", "read_committed", "--max-messages", "2000", "--timeout-ms", "20000");
        check(read.err.contains("Processed a total of 2000 messages"), read.err);
    }

    private String perform(int records) throws Exception {
        return ok(PACKAGE + "ProducerPerformance", "--topic", topic, "--num-records", "" + records, "--record-size", "100",
            "--throughput", "4000", "--transactional-id", topic + "-id", "--transaction-duration-ms", "50").out;
    }

    /** What the coordinator has written, by Kafka's own reader: its own log, and the markers. */
    private void dumpTransactions() throws Exception {
        create(1);
        perform(500);
        String decoded = dump("__transaction_state-", "--transaction-log-decoder").stream()
            .filter(line -> line.contains("\"" + topic + "-id\""))
            .collect(Collectors.joining("\n"));
        // Empty, Ongoing, PrepareCommit, CompleteCommit.
        for (int state : new int[] {0, 1, 2, 4}) {
            check(decoded.contains("\"transactionStatus\":" + state), "no record with state " + state + ": " + decoded);
        }
        List<String> markers = dump(topic + "-0", "--print-data-log").stream().filter(line -> line.contains("endTxnMarker: COMMIT")).toList();
        check(markers.size() > 1, markers.size() + " markers in the partition");
    }

    private static List<String> dump(String folders, String how) throws Exception {
        try (Stream<Path> found = Files.walk(Path.of(System.getenv("BROKER_DATA")), 2)) {
            String files = found.filter(file -> file.toString().endsWith(".log") && file.toFile().length() > 0)
                .filter(file -> file.getParent().getFileName().toString().startsWith(folders))
                .map(Path::toString).sorted().collect(Collectors.joining(","));
            return Tool.ok(PACKAGE + "DumpLogSegments", how, "--files", files).lines();
        }
    }

    /** Kafka's own reader goes through the broker's segment files, indexes included. */
    private void dumpLog() throws Exception {
        create(1);
        produce(50);
        Path folder = Path.of(System.getenv("BROKER_DATA"), topic + "-0");
        String files;
        try (Stream<Path> found = Files.list(folder)) {
            files = found.map(Path::toString).filter(name -> name.matches(".*\\.(log|index|timeindex)")).sorted()
                .collect(Collectors.joining(","));
        }
        Tool.Result dump = Tool.ok(PACKAGE + "DumpLogSegments", "--deep-iteration", "--print-data-log", "--files", files);
        for (String trouble : new String[] {"mismatch", "Mismatch", "corrupt", "invalid", "Found timestamp", "isvalid: false"}) {
            check(!dump.out.contains(trouble), trouble + " in " + dump.out);
        }
        for (int i = 0; i < 50; i++) {
            check(dump.out.contains("payload: value-" + i + "\n"), "record " + i + " is not in the dump: " + dump.out);
        }
    }

    private void create(int partitions) throws Exception {
        ok(TOPICS, "--create", "--topic", topic, "--partitions", "" + partitions);
    }

    private void produce(int records) throws Exception {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < records; i++) {
            lines.append("value-").append(i).append('\n');
        }
        feed(lines.toString(), CONSOLE_PRODUCER, "--topic", topic);
    }

    private Tool.Result ok(String tool, String... args) throws Exception {
        return Tool.ok(tool, with(args));
    }

    private void feed(String stdin, String tool, String... args) throws Exception {
        Tool.feed(stdin, tool, with(args));
    }

    private void fails(String text, String tool, String... args) throws Exception {
        Tool.fails(text, tool, with(args));
    }

    /** Sub-commands come first, so the bootstrap servers go to the end; MetadataQuorumCommand wants them in front. */
    private String[] with(String... args) {
        List<String> server = List.of("--bootstrap-server", bootstrap);
        List<String> all = new ArrayList<>(List.of(args));
        all.addAll(args.length > 0 && args[0].equals("describe") ? 0 : all.size(), server);
        return all.toArray(new String[0]);
    }

    private static void matches(String found, String pattern) {
        check(found.matches(pattern), "expected " + pattern + ", found " + found);
    }

    private static void same(Object expected, Object found) {
        check(expected.equals(found), "expected " + expected + ", found " + found);
    }

    private static void check(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }
}
