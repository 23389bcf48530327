#!/usr/bin/env python3
"""Transactions under fire: clients and broker are killed and paused every few seconds, then the history is checked.

    scripts/torture.py                                  a minute against target/release/barnabas
    scripts/torture.py --seconds 3600 --seed 7          an hour; the seed decides what happens, not how threads interleave
    scripts/torture.py --target kafka                   the same against Apache Kafka 4.3.1

Client programs (torture/client.py over librdkafka, torture/Client.java over kafka-clients 4.3 with the new and 3.9 with
the old transaction protocol) run transactional and plain producers, consume-transform-produce loops and readers of both
isolation levels, and write down what they do. SIGKILL meets the broker and the programs; SIGSTOP meets the broker, and
programs whose transactional ids another program takes over before they go on. At the end everything is read from the
beginning with both isolation levels, and torture/main.rs looks for anomalies. Barnabas runs as shipped: durable.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "scripts" / "torture"
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.dont_write_bytecode = True

from harness import torture, wire  # noqa: E402

PARTITIONS = 4
TOPICS = ("a", "b")
FINAL_TIMEOUT_S = 1200
BEGIN_WITHIN_S = 120
JAVA_FLAGS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
              "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"]

# Program, and what runs in it. Names are transactional ids as well.
CREW = {
    "python-1": ("python", ["producer:t1", "producer:t2", "plain:p1"]),
    "python-2": ("python", ["loop:l1", "loop848:l4", "plain:p2"]),
    "python-3": ("python", ["rc:r1", "ru:u1", "rc:r2"]),
    "java-4.3": ("4.3.1", ["producer:t3", "loop:l2"]),
    "java-3.9": ("3.9.2", ["producer:t4", "loop:l3"]),
}
# One client of each folder that has what the programs need.
BUILT = ("confluent-kafka", "java-4.3")
# What happens, how often of all.
DEEDS = {"kill the broker": 4, "pause the broker": 1, "kill a program": 3, "fence a program": 2, "pause a program": 1}


def arguments():
    parser = torture.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", help="seconds between two deeds, from,to; a JVM needs more of them to start (1,5 and 6,15)")
    parser.add_argument("--crew", default=",".join(CREW), help="the programs that take part")
    args = parser.parse_args()
    args.pause = args.pause or {"barnabas": "1,5", "kafka": "6,15"}[args.target]
    return args


def prepare(cache):
    """The command line of each kind of program."""
    torture.prepared(cache, lambda client: client.name in BUILT)
    commands = {"python": [str(cache / "python/confluent-kafka/bin/python"), "-B", str(HERE / "client.py")]}
    for version in ("4.3.1", "3.9.2"):
        lib, classes = cache / f"kafka-clients-{version}/lib", cache / "torture" / version
        classes.mkdir(parents=True, exist_ok=True)
        subprocess.run(["javac", "-nowarn", "-proc:none", "-d", classes, "-cp", f"{lib}/*", HERE / "Client.java"], check=True)
        commands[version] = ["java", *JAVA_FLAGS, "-cp", f"{classes}:{lib}/*", "Client"]
    return commands


def build_checker():
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--example", "history"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/examples/history"


class Torture:
    def __init__(self, args, broker, commands, scratch):
        self.broker, self.commands, self.scratch = broker, commands, scratch
        self.dice, self.seed = random.Random(args.seed), args.seed
        self.histories = scratch / "history"
        self.histories.mkdir()
        self.alive, self.started, self.done = {}, [], dict.fromkeys(DEEDS, 0)
        self.crew = args.crew.split(",")

    def command(self, kind, roles):
        seed = f"{self.seed}.{len(self.started)}"
        return [*self.commands[kind], self.broker.bootstrap, str(self.histories), seed, str(PARTITIONS), *roles]

    def start(self, name):
        with open(self.scratch / f"{name}.log", "ab") as log:
            self.alive[name] = subprocess.Popen(self.command(*CREW[name]), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                cwd=self.scratch, start_new_session=True)
        self.started.append(self.alive[name])

    def check_alive(self):
        for name, process in self.alive.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended by itself with {process.returncode}, see {self.scratch / name}.log")

    def run(self, seconds, shortest, longest):
        for name in self.crew:
            self.start(name)
        self.await_commits()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(shortest, longest))
            self.check_alive()
            (deed,) = self.dice.choices(list(DEEDS), DEEDS.values())
            self.done[deed] += 1
            getattr(self, deed.replace(" ", "_"))()
        self.check_alive()
        self.end()

    def end(self):
        for process in self.started:
            end_program(process)

    def await_commits(self):
        """The first kills must not meet programs that have not begun."""
        names = {role.split(":")[1] for name in self.crew for role in CREW[name][1] if role.startswith(("producer", "loop"))}
        deadline = time.monotonic() + BEGIN_WITHIN_S
        while names:
            assert time.monotonic() < deadline, f"{sorted(names)} have committed nothing within {BEGIN_WITHIN_S} s"
            self.check_alive()
            time.sleep(0.1)
            names -= {file.name.split(".")[0] for file in self.histories.iterdir() if '"do":"committed"' in file.read_text()}

    def kill_the_broker(self):
        self.broker.restart(gracefully=False)

    def pause_the_broker(self):
        self.pause(self.broker.process)

    def kill_a_program(self):
        name = self.dice.choice(self.crew)
        end_program(self.alive[name])
        self.start(name)

    def pause_a_program(self):
        self.pause(self.alive[self.dice.choice(self.crew)])

    def fence_a_program(self):
        """Another one with the same transactional ids begins while it is paused; then both go on for a while."""
        name = self.dice.choice(self.crew)
        zombie = self.alive[name]
        zombie.send_signal(signal.SIGSTOP)
        self.start(name)
        time.sleep(self.dice.uniform(1, 4))
        zombie.send_signal(signal.SIGCONT)
        time.sleep(self.dice.uniform(0, 2))
        end_program(zombie)

    def pause(self, process):
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.1, 4))
        process.send_signal(signal.SIGCONT)

    def final(self):
        began = time.monotonic()
        subprocess.run(self.command("python", ["final:final"]), check=True, timeout=FINAL_TIMEOUT_S)
        return time.monotonic() - began


def end_program(process):
    process.kill()
    process.wait()


def play(args, broker, scratch, commands, checker):
    fire = Torture(args, broker, commands, scratch)
    for topic in TOPICS:
        reason = wire.create_topic(broker.port, topic, PARTITIONS, {})
        assert reason is None, reason
    try:
        fire.run(args.seconds, *map(float, args.pause.split(",")))
        seconds = fire.final()
    finally:
        fire.end()
    print("; ".join(f"{deed}: {count}" for deed, count in fire.done.items()), f"- read in {seconds:.0f} s", flush=True)
    files = sorted(map(str, fire.histories.iterdir()))
    checked = subprocess.run([checker, *files], text=True, stdout=subprocess.PIPE)
    print(checked.stdout, end="", flush=True)
    assert checked.returncode == 0, "the history does not hold"
    committed = int(re.match(r"(\d+) transactions committed", checked.stdout)[1])
    assert committed > args.seconds, f"only {committed} transactions were committed"


def main():
    args = arguments()
    commands, checker = prepare(args.cache), build_checker()
    failed = torture.run(args, "torture", lambda *where: play(*where, commands, checker))
    if not failed:
        print("the history holds")
    return failed


if __name__ == "__main__":
    sys.exit(main())
