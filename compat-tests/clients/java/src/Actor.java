import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** One name of the harness, in a thread of its own: does what it is told, and between two commands what it is at. */
abstract class Actor {
    final String name;
    private final BlockingQueue<Members.Command> commands = new LinkedBlockingQueue<>();

    Actor(String name) {
        this.name = name;
    }

    /** Whether it has something to do between two commands. */
    abstract boolean busy();

    /** Does some of that. */
    abstract void step() throws Exception;

    /** Does what it is told; the answer's words. */
    abstract String obey(Members.Command command) throws Exception;

    final void start() {
        Thread thread = new Thread(this::work, name);
        thread.setDaemon(true);
        thread.start();
    }

    final void take(Members.Command command) {
        commands.add(command);
    }

    private void work() {
        try {
            while (true) {
                Members.Command command = busy() ? commands.poll() : commands.take();
                if (command != null) {
                    Members.answer(name, command, this::obey);
                } else {
                    step();
                }
            }
        } catch (Throwable error) {
            error.printStackTrace();
            System.out.println(name + ": " + error);
            Runtime.getRuntime().halt(1);
        }
    }
}
