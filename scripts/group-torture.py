#!/usr/bin/env python3
"""Consumer groups while the broker is killed (SIGKILL) every few seconds, with the history check of compat-tests.

    scripts/group-torture.py                                  ten minutes against target/release/barnabas
    scripts/group-torture.py --minutes 1 --target kafka       the same against Apache Kafka 4.3.1
    scripts/group-torture.py --clients java-4.3,franz-go --seed 7

Two groups read one topic: `classic` with a member of every client, `consumer` (KIP-848) with those that have that
protocol. Members commit what they read. Between the kills of the broker now and then a client program is killed as
well, and one of its members comes or goes. After every tenth kill all records must have arrived before it goes on, and at
the end. Then: no record lost, no partition with two owners, no commit that went back, nothing acknowledged that is gone.
"""

import random
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.dont_write_bytecode = True

from harness import group_scenarios, groups, torture  # noqa: E402

PARTITIONS = 6
SETTLED_WITHIN_S = 60
KILLS_BETWEEN_SETTLED = 10
KIP_848 = {"java-4.3", "confluent-kafka", "franz-go"}


def arguments():
    parser = torture.parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", default="1,6", help="seconds between two kills, from,to")
    parser.add_argument("--clients", default="java-4.3,confluent-kafka,kafka-python-3")
    return parser.parse_args()


def prepared(names, cache):
    """The clients by name, built."""
    found = {client.name: client for client in torture.prepared(cache, lambda client: client.name in names)}
    missing = set(names) - set(found)
    if missing:
        raise SystemExit(f"no client {missing}")
    return [found[name] for name in names]


class Torture:
    def __init__(self, scene, names, dice):
        self.s, self.names, self.dice = scene, names, dice
        self.made = 0
        self.alive = {}  # (group, client index) to member
        self.kills = 0

    def groups_of(self, index):
        return ["classic", "consumer"] if self.names[index] in KIP_848 else ["classic"]

    def join(self, group, index, process):
        self.made += 1
        name = f"{group}{self.made}"
        protocol = "consumer" if group == "consumer" else None
        self.alive[group, index] = self.s.join(
            name, process, index, group=f"{self.s.group}-{group}", commit="each", protocol=protocol)

    def start_program(self, index):
        self.made += 1
        process = f"{self.names[index]}-{self.made}"
        for group in self.groups_of(index):
            self.join(group, index, process)

    def kill_program(self, index):
        self.alive["classic", index].process.kill()
        self.start_program(index)

    def change_member(self, index):
        """One leaves, and another one comes in its place."""
        group = self.dice.choice(self.groups_of(index))
        member = self.alive[group, index]
        member.call("close")
        self.join(group, index, member.process.name)

    def run(self, minutes, shortest, longest):
        for index in range(len(self.names)):
            self.start_program(index)
        self.settle()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(shortest, longest))
            deed = self.dice.choice([self.kill_program, self.change_member, None, None, None, None])
            if deed:
                deed(self.dice.randrange(len(self.names)))
            self.s.restart()
            self.kills += 1
            if self.kills % KILLS_BETWEEN_SETTLED == 0:
                self.settle()
        self.settle()

    def settle(self):
        """Every group has all records that there are now, and each member its share."""
        group_scenarios.eventually(lambda: group_scenarios.served(self.s), "the broker serves", SETTLED_WITHIN_S)
        for group in ("classic", "consumer"):
            members = [member for (name, _), member in self.alive.items() if name == group]
            if members:
                self.s.await_delivered(*members, seconds=SETTLED_WITHIN_S)
                self.s.await_even_shares(members, SETTLED_WITHIN_S)
        print(f"{self.kills} kills, {self.s.sent} records, {len(self.s.crew.events)} events: all groups have settled", flush=True)


def watch(scene, group, over, problems):
    thread = threading.Thread(target=group_scenarios.watch_commits, args=(scene, over, problems, group), daemon=True)
    thread.start()
    return thread


def play(args, broker, scratch):
    names = args.clients.split(",")
    play = prepared(names, args.cache)
    scene = groups.Scene(play, "torture", broker, f"{args.seed:08x}", scratch / "members", args.cache, False)
    fire = Torture(scene, names, random.Random(args.seed))
    over, problems = threading.Event(), []
    try:
        scene.create(PARTITIONS)
        with scene.flow():
            watching = [watch(scene, f"{scene.group}-{group}", over, problems) for group in ("classic", "consumer")]
            fire.run(args.minutes, *map(float, args.pause.split(",")))
        fire.settle()
        over.set()
        for thread in watching:
            thread.join()
        assert not problems, problems[0]
        scene.finish()
    finally:
        over.set()
        scene.crew.end()
    print(f"{fire.kills} kills of the broker, {scene.sent} records, {len(scene.crew.events)} events: the history holds")


if __name__ == "__main__":
    sys.exit(torture.run(arguments(), "group-torture", play))
