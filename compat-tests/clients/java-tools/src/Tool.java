import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

import org.apache.kafka.common.utils.Exit;

/** Runs the main method of a tool as its shell script would, within this JVM. */
final class Tool {
    /** What a tool printed and how it ended. */
    static final class Result {
        final int code;
        final String out;
        final String err;

        Result(int code, String out, String err) {
            this.code = code;
            this.out = out;
            this.err = err;
        }

        List<String> lines() {
            return out.isEmpty() ? List.of() : List.of(out.split("\n"));
        }
    }

    private static final class ToolExit extends RuntimeException {
        final int code;

        ToolExit(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    private static final PrintStream TERMINAL = new PrintStream(new FileOutputStream(FileDescriptor.out), true);
    private static final PrintStream ERROR_TERMINAL = System.err;
    private static final ByteArrayOutputStream CAPTURED = new ByteArrayOutputStream();
    private static final ByteArrayOutputStream ERRORS = new ByteArrayOutputStream();
    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static Integer firstCode;

    static {
        // Once and before any tool is loaded: Scala keeps the stream that it finds first.
        System.setOut(new PrintStream(CAPTURED, true));
        Exit.setExitProcedure((code, message) -> {
            // A tool may catch the exception of its own exit and exit again.
            firstCode = firstCode == null ? (Integer) code : firstCode;
            throw new ToolExit(firstCode);
        });
        // What a tool leaves to the end of its process, such as the last flush of a producer.
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        Exit.setHaltProcedure((code, message) -> {
            throw new ToolExit(code);
        });
    }

    private Tool() {}

    static void say(String line) {
        TERMINAL.println(line);
    }

    static Result run(String name, String... args) throws Exception {
        return runWith("", name, args);
    }

    static Result runWith(String stdin, String name, String... args) throws Exception {
        CAPTURED.reset();
        ERRORS.reset();
        System.setErr(new PrintStream(ERRORS, true));
        try {
            int code = main(name, args, stdin);
            if (name.endsWith(".VerifiableProducer")) {
                awaitQuiet();
            }
            System.out.flush();
            return new Result(code, CAPTURED.toString(StandardCharsets.UTF_8), ERRORS.toString(StandardCharsets.UTF_8));
        } finally {
            System.setErr(ERROR_TERMINAL);
            ERROR_TERMINAL.print(ERRORS.toString(StandardCharsets.UTF_8));
        }
    }

    /** A tool that hears of its last records only while its process ends. */
    private static void awaitQuiet() throws Exception {
        int before;
        do {
            before = CAPTURED.size();
            Thread.sleep(300);
        } while (CAPTURED.size() != before);
    }

    private static int main(String name, String[] args, String stdin) throws Exception {
        firstCode = null;
        System.setIn(new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)));
        int code = 0;
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException error) {
            if (!(error.getCause() instanceof ToolExit)) {
                throw new IllegalStateException(name + " threw", error.getCause());
            }
            code = ((ToolExit) error.getCause()).code;
        }
        HOOKS.forEach(Runnable::run);
        HOOKS.clear();
        return code;
    }

    /** Runs a tool that must succeed. */
    static Result ok(String name, String... args) throws Exception {
        return feed("", name, args);
    }

    /** The same with these bytes at its standard input. */
    static Result feed(String stdin, String name, String... args) throws Exception {
        Result result = runWith(stdin, name, args);
        if (result.code != 0) {
            throw new AssertionError(call(name, args) + " exited with " + result.code + ": " + result.out);
        }
        return result;
    }

    /** Runs a tool that must fail and print this text. */
    static void fails(String text, String name, String... args) throws Exception {
        Result result = run(name, args);
        if (result.code == 0 || !result.out.contains(text)) {
            throw new AssertionError(
                call(name, args) + ": expected failure with \"" + text + "\", got code " + result.code + ": " + result.out);
        }
    }

    private static String call(String name, String... args) {
        List<String> words = new ArrayList<>(List.of(name.substring(name.lastIndexOf('.') + 1)));
        words.addAll(List.of(args));
        return String.join(" ", words);
    }
}
