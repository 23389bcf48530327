#!/usr/bin/env python3
"""Barnabas and Apache Kafka take turns on one data directory; a client that lives through all of it compares.

    compat-tests/adoption.py                    every way
    compat-tests/adoption.py --way 'kafka-4.1*' those that match
"""

import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import target

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OLD_KAFKA = "4.1.1"
KAFKA = target.KAFKA_VERSION
COMMAND_TIMEOUT_S = 150
LOG_LINES = 60

# Small, so that a start and a compaction take little; what the harness sets already stays.
SETTINGS = {
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.num.partitions": "3",
    "log.cleaner.backoff.ms": "300",
    "metadata.log.max.record.bytes.between.snapshots": "4000",
}

# Who runs in which life, and how each life ends. The first one makes the data.
WAYS = {
    "kafka-cleanly": [(KAFKA, "TERM"), ("barnabas", "TERM"), (KAFKA, "TERM"), ("barnabas", "TERM")],
    "kafka-killed": [(KAFKA, "KILL"), ("barnabas", "KILL"), (KAFKA, "KILL"), ("barnabas", "TERM")],
    "kafka-4.1-killed": [(OLD_KAFKA, "KILL"), ("barnabas", "TERM"), (KAFKA, "TERM"), ("barnabas", "TERM")],
    "kafka-dynamic": [(KAFKA, "TERM"), ("barnabas", "KILL"), (KAFKA, "TERM"), ("barnabas", "TERM")],
    "barnabas-killed": [("barnabas", "KILL"), (KAFKA, "TERM"), ("barnabas", "TERM")],
}


class Barnabas(target.Barnabas):
    """Barnabas with the properties file of Apache Kafka, as an operator would start it."""

    properties = None

    def command(self):
        return [str(self.binary), str(self.properties), "--override", "metrics.listener="]


class Directory:
    """A data directory, the one properties file, and the brokers that can run on it."""

    def __init__(self, scratch, binary, libs, born, is_dynamic):
        self.kafkas = {}
        for version, lib in libs.items():
            kafka = target.Kafka.__new__(target.Kafka)
            target.Target.__init__(kafka, scratch)
            self.kafkas[version] = kafka
            kafka.lib, kafka.controller_port, kafka.properties = lib, 0, scratch / "server.properties"
        first = self.kafkas[born if born in self.kafkas else KAFKA]
        first.controller_port = target.free_port()
        more = {"log.dirs": f"{first.data}/a,{first.data}/b", "metadata.log.dir": f"{first.data}/b"} if born == OLD_KAFKA else {}
        if is_dynamic:
            more |= {"controller.quorum.bootstrap.servers": f"127.0.0.1:{first.controller_port}", "controller.quorum.voters": ""}
        first.format(SETTINGS | more, ["--standalone"] if is_dynamic else [])
        self.barnabas = Barnabas(scratch, binary)
        self.barnabas.properties = first.properties
        for other in [*self.kafkas.values(), self.barnabas]:
            other.port, other.controller_port = first.port, first.controller_port
        if born == "barnabas":
            shutil.rmtree(first.data)

    def broker(self, name):
        return self.barnabas if name == "barnabas" else self.kafkas[name]


class Client:
    """The program in adoption/Adoption.java."""

    def __init__(self, scratch, lib, classes, bootstrap):
        self.errors = open(scratch / "client.log", "ab")
        self.process = subprocess.Popen(
            [*target.Kafka.java, "-Dlog.level=INFO", f"-Dlog4j2.configurationFile={HERE / 'kafka' / 'log4j2.properties'}",
             "-cp", f"{classes}:{lib}/*", "Adoption", bootstrap],
            cwd=scratch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def ask(self, command):
        late = threading.Timer(COMMAND_TIMEOUT_S, self.process.kill)
        late.start()
        said = []
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                said.append(line.strip())
                if line.startswith("ok") or line.startswith("failed:"):
                    break
        finally:
            late.cancel()
        if not said or said[-1] != "ok":
            raise RuntimeError("; ".join(said[-12:]) or f"no answer to {command}")

    def last_words(self):
        """What the members that stay told last of coordinators and rebalances."""
        lines = Path(self.errors.name).read_text(errors="replace").splitlines()
        return [line for line in lines if "groupId=staying-" in line and "fetch" not in line][-LOG_LINES:]

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()


def one_way(name, args, libs, classes, scratch):
    began = time.monotonic()
    lives = WAYS[name]
    folder = scratch / name / "node"
    directory = Directory(folder, args.binary, libs, lives[0][0], "dynamic" in name)
    client, at, broker, cleaned = None, "format", None, 0
    try:
        for number, (kind, end) in enumerate(lives, 1):
            at = f"life {number} on {kind}: start"
            broker = directory.broker(kind)
            began_one = time.monotonic()
            broker.start()
            client = client or Client(folder, libs[KAFKA], classes, broker.bootstrap)
            times = [f"start {time.monotonic() - began_one:.1f}"]
            for command in commands(number, lives):
                at = f"life {number} on {kind}: {command}"
                began_one = time.monotonic()
                client.ask(command)
                times.append(f"{command} {time.monotonic() - began_one:.1f}")
            print(f"{name}, life {number} on {kind}, in s:", ", ".join(times), flush=True)
            at = f"life {number} on {kind}: wait for the cleaner"
            cleaned = await_cleaner(directory.broker(kind).data, cleaned)
            at = f"life {number} on {kind}: stop"
            broker.stop() if end == "TERM" else broker.kill(signal.SIGKILL)
        return name, None, time.monotonic() - began
    except Exception as why:
        log = client.last_words() if client else []
        return name, "\n  ".join([f"{at}: {why}", *log]), time.monotonic() - began
    finally:
        if client:
            client.close()
        if broker and broker.process and broker.process.poll() is None:
            broker.kill(signal.SIGKILL)


def await_cleaner(data, before):
    """Waits until the compacted topic was cleaned beyond an offset; gives the one up to which it is."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for checkpoint in data.glob("**/cleaner-offset-checkpoint"):
            for line in checkpoint.read_text().splitlines():
                if line.startswith("compacted 0 ") and int(line.split()[2]) > before:
                    return int(line.split()[2])
        time.sleep(0.1)
    raise RuntimeError(f"the cleaner does not get beyond offset {before}")


def commands(number, lives):
    kind, born = lives[number - 1][0], lives[0][0]
    # Only a cluster that Apache Kafka 4.3 has formatted has the feature.
    share = ["share"] if kind == born == KAFKA else []
    # Apache Kafka 4.3.1 has been seen to complete a transaction whose time is over at its start before it leads the
    # partition, without a marker: consumers of that partition then wait for good.
    expire = ["let-expire"] if lives[number:][:1] and lives[number][0] == "barnabas" else []
    if number == 1:
        return ["make", *share, "remember", *expire]
    return ["check", "finish-open", "live", *share, "leave-open", "remember", *expire]


def fetch(args, version):
    fetched = subprocess.run([HERE / "kafka" / "fetch.sh", args.cache, version], check=True, text=True, stdout=subprocess.PIPE)
    return fetched.stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=os.environ.get("BARNABAS_BIN", ROOT / "target" / "release" / "barnabas"))
    parser.add_argument("--cache", default=os.environ.get("BARNABAS_CACHE", HERE / ".cache"))
    parser.add_argument("--way", default="*", help="a pattern of names")
    parser.add_argument("--jobs", type=int, default=3, help="ways at a time")
    parser.add_argument("--keep", action="store_true", help="keep everything")
    args = parser.parse_args()
    args.cache = Path(args.cache).resolve()
    libs = {version: fetch(args, version) for version in (KAFKA, OLD_KAFKA)}
    scratch = Path(tempfile.mkdtemp(prefix="barnabas-adoption-"))
    classes = scratch / "classes"
    subprocess.run(
        ["javac", "-nowarn", "-Xlint:none", "-XDsuppressNotes", "-cp", f"{libs[KAFKA]}/*", "-d", classes, HERE / "adoption" / "Adoption.java"],
        check=True)
    ways = [name for name in WAYS if fnmatch.fnmatchcase(name, args.way)]
    failed = False
    with ThreadPoolExecutor(args.jobs) as pool:
        for name, why, seconds in pool.map(lambda way: one_way(way, args, libs, classes, scratch), ways):
            failed = failed or why is not None
            print(f"{'FAIL' if why else 'PASS'}  {name}  {seconds:.0f} s  {why or ''}", flush=True)
    if failed or args.keep:
        print(f"logs and data are in {scratch}")
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
