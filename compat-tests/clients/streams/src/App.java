import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;

/**
 * Two topologies in one application: App BOOTSTRAP members SUFFIX, then commands of the harness on stdin as in
 * compat-tests/README.md. {@code NAME start id= state= instance= lines= counts= left= right= pairs= window_ms=} answers when it
 * runs, {@code NAME close} when it has closed.
 */
public final class App {
    private static final Duration GRACE = Duration.ofDays(1);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(20);

    private static KafkaStreams streams;

    private App() {}

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            Map<String, String> options = new HashMap<>();
            Arrays.stream(words).skip(2).map(word -> word.split("=", 2)).forEach(pair -> options.put(pair[0], pair[1]));
            String failure = words[1].equals("start") ? start(args[0], options) : close();
            System.out.println("@" + words[0] + (failure == null ? " done" : " failed - " + failure));
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static String start(String bootstrap, Map<String, String> options) throws Exception {
        CountDownLatch settled = new CountDownLatch(1);
        streams = new KafkaStreams(topology(options), settings(bootstrap, options));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING || now == KafkaStreams.State.ERROR) {
                settled.countDown();
            }
        });
        streams.start();
        settled.await();
        return streams.state() == KafkaStreams.State.ERROR ? "state ERROR" : null;
    }

    private static String close() {
        return streams.close(CLOSE_LIMIT) ? null : "not closed within " + CLOSE_LIMIT;
    }

    private static Properties settings(String bootstrap, Map<String, String> options) {
        Properties settings = new Properties();
        settings.putAll(Map.of(
            "bootstrap.servers", bootstrap,
            "application.id", options.get("id"),
            "state.dir", options.get("state"),
            "processing.guarantee", StreamsConfig.EXACTLY_ONCE_V2,
            "commit.interval.ms", 100,
            // Every update shows.
            "statestore.cache.max.bytes", 0,
            "default.key.serde", Serdes.StringSerde.class,
            "default.value.serde", Serdes.StringSerde.class,
            // A process that comes back takes its place at once.
            "main.consumer.group.instance.id", options.get("instance"),
            "session.timeout.ms", 6000));
        settings.putAll(Map.of("max.poll.records", 200, "reconnect.backoff.max.ms", 500, "auto.offset.reset", "earliest"));
        return settings;
    }

    private static Topology topology(Map<String, String> options) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(options.get("lines"))
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.as("words"))
            .count(Materialized.as("counts"))
            .toStream().mapValues(String::valueOf)
            .to(options.get("counts"), Produced.with(Serdes.String(), Serdes.String()));
        JoinWindows window = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(Long.parseLong(options.get("window_ms"))), GRACE);
        Consumed<String, String> strings = Consumed.with(Serdes.String(), Serdes.String());
        builder.stream(options.get("left"), strings)
            .join(builder.stream(options.get("right"), strings), (left, right) -> left + "/" + right, window,
                StreamJoined.<String, String, String>as("join").withKeySerde(Serdes.String())
                    .withValueSerde(Serdes.String()).withOtherValueSerde(Serdes.String()))
            .to(options.get("pairs"), Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }
}
