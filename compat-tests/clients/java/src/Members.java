import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.protocol.Errors;

/** Members of consumer groups that obey lines on stdin (compat-tests/README.md, "The members of a program"). */
final class Members {
    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private Members() {}

    static void run(Cluster cluster) throws Exception {
        Map<String, Actor> actors = new HashMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            Command command = new Command(words[1]);
            for (String word : Arrays.asList(words).subList(2, words.length)) {
                command.options.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
            }
            actors.computeIfAbsent(words[0], name -> {
                Actor actor = command.verb.startsWith("txn-") ? new Transactor(cluster, name) : new Member(cluster, name);
                actor.start();
                return actor;
            }).take(command);
        }
    }

    interface Obedient {
        String obey(Command command) throws Exception;
    }

    /** Obeys, and tells the answer. */
    static void answer(String name, Command command, Obedient obedient) {
        try {
            String answer = obedient.obey(command);
            tell(name, ("done " + answer).trim());
        } catch (Unsupported reason) {
            tell(name, "unsupported " + reason.getMessage());
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            tell(name, "failed " + code(cause) + " " + text(cause));
        }
    }

    /** One line of the harness. */
    static final class Command {
        final String verb;
        final Map<String, String> options = new HashMap<>();

        Command(String verb) {
            this.verb = verb;
        }

        /** Takes an option out: what is left at the end is unknown. */
        String take(String name, String otherwise) {
            String value = options.remove(name);
            return value == null ? otherwise : value;
        }

        String take(String name) {
            String value = options.remove(name);
            Cluster.check(value != null, verb + " needs " + name);
            return value;
        }

        void checkAllKnown() {
            if (!options.isEmpty()) {
                throw new Unsupported("no option " + options.keySet());
            }
        }
    }

    static final class Unsupported extends RuntimeException {
        Unsupported(String reason) {
            super(reason);
        }
    }

    static void tell(String member, String line) {
        synchronized (OUT) {
            OUT.println("@" + member + " " + line);
        }
    }

    static long nowUs() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    }

    /** Kafka's code of an exception, or `-`. */
    static String code(Throwable error) {
        short code = Errors.forException(error).code();
        return code > 0 ? "" + code : "-";
    }

    static String text(Throwable error) {
        return error.toString().split("\n")[0];
    }

    static TopicPartition partition(String text) {
        int colon = text.lastIndexOf(':');
        return new TopicPartition(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    static List<TopicPartition> partitions(String text) {
        List<TopicPartition> found = new ArrayList<>();
        for (String item : text.split(",")) {
            if (!item.isEmpty()) {
                found.add(partition(item));
            }
        }
        return found;
    }

    static Map<TopicPartition, OffsetAndMetadata> offsets(String text) {
        Map<TopicPartition, OffsetAndMetadata> found = new LinkedHashMap<>();
        for (String item : text.split(",")) {
            String[] parts = item.split(":", 4);
            TopicPartition tp = new TopicPartition(parts[0], Integer.parseInt(parts[1]));
            found.put(tp, new OffsetAndMetadata(Long.parseLong(parts[2]), parts.length > 3 ? parts[3] : ""));
        }
        return found;
    }

    static String name(TopicPartition tp) {
        return tp.topic() + ":" + tp.partition();
    }

    static String names(Iterable<TopicPartition> tps) {
        List<String> names = new ArrayList<>();
        tps.forEach(tp -> names.add(name(tp)));
        return String.join(",", names);
    }

    static String text(Map<TopicPartition, OffsetAndMetadata> offsets) {
        return offsets.entrySet().stream()
            .filter(entry -> entry.getValue() != null)
            .map(entry -> name(entry.getKey()) + ":" + entry.getValue().offset()
                + (entry.getValue().metadata().isEmpty() ? "" : ":" + entry.getValue().metadata()))
            .collect(Collectors.joining(","));
    }
}
