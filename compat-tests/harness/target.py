"""Starts, kills and restarts the broker under test: barnabas, or Apache Kafka from its Maven jars."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path

from . import wire

HERE = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
KAFKA_VERSION = "4.3.1"

# What keeps scenarios short; the timeouts of the KIP-848 protocol are the broker's.
SETTINGS = {
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # On a busy machine a dozen programs fill the default of 50 at once, and who is turned away asks again after 1, 3 and 7 s.
    "socket.listen.backlog.size": "1000",
}


def free_port():
    """A port below the range of outgoing connections: a client that reconnects while the broker is down
    could otherwise be given the broker's port as its own, and connect to itself."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Target:
    """One broker process with a data folder of its own; survives restarts on the same port."""

    def __init__(self, scratch):
        self.scratch = Path(scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.data = self.scratch / "data"
        self.port = free_port()
        self.log_path = self.scratch / "broker.log"
        self.process = None
        self.lock = threading.Lock()

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.scratch, env=self.environment(), start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"broker exited with {self.process.returncode} at start: {self.log_tail()}")
            try:
                if wire.metadata_brokers(self.port) > 0:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        self.kill(signal.SIGKILL)
        raise RuntimeError(f"broker did not serve within {START_TIMEOUT_S} s: {self.log_tail()}")

    def environment(self):
        # A KAFKA_* variable of the caller would configure the broker.
        return {k: v for k, v in os.environ.items() if not k.startswith("KAFKA_")}

    def kill(self, how):
        """Ends the broker; returns its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"broker did not stop within {STOP_TIMEOUT_S} s of {how.name}") from None

    def restart(self, gracefully):
        with self.lock:
            if gracefully:
                self.stop()
            else:
                self.kill(signal.SIGKILL)
            self.start()

    clean_exit_codes = {0}

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is not None:
            raise RuntimeError(f"broker had died with {self.process.returncode}: {self.log_tail()}")
        code = self.kill(signal.SIGTERM)
        if code not in self.clean_exit_codes:
            raise RuntimeError(f"broker exited with {code} after SIGTERM: {self.log_tail()}")

    def log_tail(self):
        lines = self.log_path.read_text(errors="replace").splitlines()
        return " | ".join(lines[-5:])

    def complaints(self):
        """Lines of the broker's log that a healthy run does not write."""
        return []


class Barnabas(Target):
    def __init__(self, scratch, binary):
        super().__init__(scratch)
        self.binary = Path(binary).resolve()

    def command(self):
        overrides = {
            "listeners": f"PLAINTEXT://{self.bootstrap}",
            "log.dirs": str(self.data),
            "metrics.listener": "",
            **SETTINGS,
        }
        command = [str(self.binary)]
        for key, value in overrides.items():
            command += ["--override", f"{key}={value}"]
        return command

    def complaints(self):
        text = self.log_path.read_text(errors="replace")
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return [line for line in text.splitlines() if re.search(r'(?<!=")\b(WARN|ERROR)\b|panicked at', line[:120])]


class Kafka(Target):
    # The JVM's code after SIGTERM is 143.
    clean_exit_codes = {0, 143}
    # Restarted brokers are killed: what they unpack must not be left in /tmp.
    java = ["java", "-Djava.io.tmpdir=.", "-Xms256m", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

    def __init__(self, scratch, lib):
        super().__init__(scratch)
        self.lib = lib
        self.controller_port = free_port()
        self.properties = self.scratch / "server.properties"
        self.format()

    def format(self, more={}, options=[]):
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A killed broker cannot come back before its session is over.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            **SETTINGS,
            **more,
        }
        self.properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items() if v != ""))
        # A formatted folder holds nothing that names a port, so one is formatted per run and copied.
        template = self.scratch.parent / "formatted"
        if not template.exists():
            self.run_storage_tool(template, options)
        shutil.copytree(template, self.data)

    def run_storage_tool(self, template, options):
        properties = self.scratch / "format.properties"
        lines = self.properties.read_text().splitlines()
        properties.write_text("".join(line.replace(str(self.data), str(template)) + "\n" for line in lines))
        cluster_id = "barnabasCompatTests_A"[:22].ljust(22, "A")
        subprocess.run(
            [*self.java, *self.logging(), "-cp", f"{self.lib}/*", "kafka.tools.StorageTool", "format",
             "-t", cluster_id, "-c", str(properties), *options],
            check=True, stdout=subprocess.DEVNULL)

    def logging(self):
        return [f"-Dlog4j2.configurationFile={HERE / 'kafka' / 'log4j2.properties'}"]

    def command(self):
        return [*self.java, *self.logging(), "-cp", f"{self.lib}/*", "kafka.Kafka", str(self.properties)]


class Factory:
    """Makes brokers of the chosen kind, each under the run's scratch folder, and ends all of them."""

    def __init__(self, kind, binary, cache, scratch):
        self.kind, self.binary, self.scratch = kind, binary, Path(scratch)
        self.lib = None
        self.made = []
        self.lock = threading.Lock()
        if kind == "kafka":
            fetched = subprocess.run([HERE / "kafka" / "fetch.sh", cache], check=True, text=True, stdout=subprocess.PIPE)
            self.lib = fetched.stdout.strip()

    @property
    def title(self):
        if self.kind == "kafka":
            return f"Apache Kafka {KAFKA_VERSION}"
        version = subprocess.run([self.binary, "--version"], text=True, stdout=subprocess.PIPE, check=True)
        return version.stdout.strip() or "barnabas"

    def make(self):
        with self.lock:
            scratch = self.scratch / f"broker-{len(self.made)}-{uuid.uuid4().hex[:6]}"
            if self.kind == "kafka":
                target = Kafka(scratch, self.lib)
            else:
                target = Barnabas(scratch, self.binary)
            self.made.append(target)
        return target.start()

    def kill_all(self):
        """For the way out after an interrupt; harmless on brokers that have ended."""
        for target in self.made:
            if target.process is not None and target.process.poll() is None:
                target.process.kill()
                target.process.wait()
