/** Runs one scenario: Main BOOTSTRAP SCENARIO SUFFIX. See compat-tests/README.md. */
public final class Main {
    private Main() {}

    interface Scenario {
        void run(Cluster cluster) throws Exception;
    }

    public static void main(String[] args) {
        String scenario = args[1];
        Cluster cluster = new Cluster(args[0], scenario + "-" + args[2]);
        int code = 0;
        try {
            find(scenario).run(cluster);
        } catch (Throwable error) {
            error.printStackTrace();
            System.out.println(scenario + ": " + error);
            code = 1;
        }
        System.out.flush();
        // Client threads that still retry must not keep the process.
        Runtime.getRuntime().halt(code);
    }

    private static Scenario find(String name) {
        if (name.startsWith("roundtrip-")) {
            return cluster -> Roundtrip.run(cluster, name.substring("roundtrip-".length()));
        }
        switch (name) {
            case "sizes": return Sizes::run;
            case "idempotent": return Many::idempotent;
            case "partitions-100": return Many::partitions;
            case "read-while-write": return Many::readWhileWrite;
            case "seek-offset": return Seek::byOffset;
            case "seek-timestamp": return Seek::byTimestamp;
            case "long-poll": return Seek::longPoll;
            case "auto-create": return Topics::autoCreate;
            case "admin-topics": return Topics::admin;
            case "admin-configs": return Administration::configs;
            case "admin-partitions": return Administration::partitions;
            case "admin-records": return Administration::records;
            case "admin-cluster": return ClusterAdministration::run;
            case "produce-errors": return Errors::run;
            case "members": return Members::run;
            case "restart": return cluster -> Restart.run(cluster, "RESTART");
            case "restart-term": return cluster -> Restart.run(cluster, "RESTART term");
            default: throw new IllegalArgumentException("no scenario " + name);
        }
    }
}
