"""Starting, watching and stopping the brokers under test."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES_MAX = 20000
# Rows clean up after themselves; a minute's wait for each would be most of the run.
DELETE_DELAY_MS = 100

# The same for both: rebalances begin at once, and a member that dies is missed after 6 s.
GROUPS = {"group.initial.rebalance.delay.ms": 0, "group.consumer.min.session.timeout.ms": 6000, "group.consumer.session.timeout.ms": 6000,
          "group.consumer.min.heartbeat.interval.ms": 1000, "group.consumer.heartbeat.interval.ms": 1000}

# What bin/kafka-server-start.sh passes.
JVM = ["-Xms1G", "-Xmx1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
       "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"]


def lines(options):
    return "\n".join(f"{key}={value}" for key, value in options.items())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = min(FILES_MAX, hard) if hard != resource.RLIM_INFINITY else FILES_MAX
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class Broker:
    """One broker with a data directory of its own. `profile` is 'cached' (acks do not wait for the disk) or 'durable'."""

    name = ""

    def __init__(self, folder, profile, pin):
        self.folder = Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.data = self.folder / "data"
        self.profile = profile
        self.prefix = ["taskset", "-c", "0"] if pin else []
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.process = None
        self.high_water_mb = 0.0

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """What has to happen once before the first start."""

    def start(self):
        log = open(self.folder / "broker.log", "ab")
        self.process = subprocess.Popen([*self.prefix, *self.command()], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                        preexec_fn=raise_file_limit, start_new_session=True)
        return self

    def stop(self, sig=signal.SIGTERM):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.high_water_mb = max(self.high_water_mb, self.status_mb("VmHWM"))
            self.process.send_signal(sig)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                print(f"{self.name} did not stop within 120 s", file=sys.stderr)
                self.process.kill()
                self.process.wait()
        self.process = None

    def remove(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self):
        if self.process.poll() is not None:
            tail = (self.folder / "broker.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{tail}")

    def cpu_s(self):
        """CPU time of all threads, ended ones included, from /proc/PID/stat: exact sums, shown in steps of 10 ms."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_ns_by_thread(self):
        """The same in nanoseconds from /proc/PID/task/*/schedstat, without ended threads: for short or idle times."""
        times = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                times[task.name] = int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
        return times

    def status_mb(self, field):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        raise KeyError(field)

    def rss_mb(self):
        return self.status_mb("VmRSS")


class Kafka(Broker):
    name = "kafka"
    title = "Apache Kafka 4.3.1"
    lib = None

    @classmethod
    def find(cls):
        lib = os.environ.get("KAFKA_LIB")
        if not lib:
            cache = os.environ.get("BARNABAS_CACHE", str(ROOT / "compat-tests/.cache"))
            fetched = subprocess.run(["sh", str(ROOT / "compat-tests/kafka/fetch.sh"), cache], check=True, text=True, stdout=subprocess.PIPE)
            lib = fetched.stdout.strip().splitlines()[-1]
        cls.lib = lib

    def __init__(self, folder, profile, pin):
        super().__init__(folder, profile, pin)
        controller = free_port()
        flush = "log.flush.interval.messages=1\n" if profile == "durable" else ""
        self.properties = self.folder / "server.properties"
        self.properties.write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{self.bootstrap}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={self.data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
{lines(GROUPS)}
log.segment.delete.delay.ms={DELETE_DELAY_MS}
{flush}""")

    def java(self, *arguments):
        return ["java", "-cp", f"{self.lib}/*", *arguments]

    def prepare(self):
        made = subprocess.run(self.java("kafka.tools.StorageTool", "random-uuid"), check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        self.format(made.stdout.strip().splitlines()[-1])

    def format(self, cluster_id="AAAAAAAAAAAAAAAAAAAAAQ"):
        subprocess.run([*self.prefix, *self.java("kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c",
                                                 str(self.properties))],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self):
        return ["java", *JVM, "-cp", f"{self.lib}/*", "kafka.Kafka", str(self.properties)]


class Barnabas(Broker):
    name = "barnabas"
    title = "barnabas"
    binary = None

    @classmethod
    def find(cls):
        cls.binary = Path(os.environ.get("BARNABAS_BIN", ROOT / "target/release/barnabas")).resolve()
        if not cls.binary.exists():
            raise SystemExit(f"{cls.binary} is missing: cargo build --release, or set BARNABAS_BIN")

    def command(self):
        options = {
            "log.dirs": self.data,
            "listeners": f"PLAINTEXT://{self.bootstrap}",
            "metrics.listener": "",
            "log.segment.delete.delay.ms": DELETE_DELAY_MS,
            "write.caching": "true" if self.profile == "cached" else "false",
            **GROUPS,
        }
        return [str(self.binary), *(word for key, value in options.items() for word in ("--override", f"{key}={value}"))]


TARGETS = {"kafka": Kafka, "barnabas": Barnabas}


def processor_ms(before, after):
    """Milliseconds of CPU between two results of cpu_ns_by_thread."""
    return sum(ns - before.get(task, 0) for task, ns in after.items()) / 1e6


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            print(f"still waiting for {what} after {seconds} s, going on", file=sys.stderr)
            return
        time.sleep(0.05)
