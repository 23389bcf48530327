import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
        Map.entry("kafka-topics", PACKAGE + "TopicCommand"),
        Map.entry("kafka-configs", "kafka.admin.ConfigCommand"),
        Map.entry("kafka-groups", PACKAGE + "GroupsCommand"),
        Map.entry("kafka-consumer-groups", PACKAGE + "consumer.group.ConsumerGroupCommand"),
        Map.entry("kafka-get-offsets", PACKAGE + "GetOffsetShell"),
        Map.entry("kafka-console-consumer", PACKAGE + "consumer.ConsoleConsumer"),
        Map.entry("kafka-console-producer", PACKAGE + "ConsoleProducer"),
        Map.entry("kafka-verifiable-consumer", PACKAGE + "VerifiableConsumer"),
        Map.entry("kafka-transactions", PACKAGE + "TransactionsCommand"),
        Map.entry("kafka-producer-perf-test", PACKAGE + "ProducerPerformance"));

    /** Apache Kafka answers before its brokers have taken a changed config over. */
    private static final long CONFIG_SETTLES_MS = 300;

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
        if (!given.contains("--validate-regex")) {
            // One tool takes its general options before the command alone.
            all.addAll(name.equals("kafka-transactions") ? 0 : all.size(), List.of("--bootstrap-server", bootstrap));
        }
        Tool.Result result;
        try {
            result = Tool.run(TOOLS.get(name), all.toArray(new String[0]));
        } catch (IllegalStateException error) {
            print("! " + error.getMessage() + ": " + error.getCause());
            return;
        }
        result.out.lines().forEach(Transcript::print);
        result.err.lines().forEach(line -> print("! " + line));
        if (result.code != 0) {
            print("[" + result.code + "]");
        } else if (name.equals("kafka-configs") && given.contains("--alter")) {
            Thread.sleep(CONFIG_SETTLES_MS);
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
