#!/usr/bin/env python3
"""Kafka Streams with exactly_once_v2 while everything around it is killed, beside a batch computation.

    scripts/streams-torture.py                                  ten minutes against target/release/barnabas
    scripts/streams-torture.py --minutes 2 --target kafka       the same against Apache Kafka 4.3.1

Round by round a word count and a windowed join over a public data set run in two instances of one application. Every few seconds
one of these happens: an instance is killed and comes back, with or without what it had on disk; an instance is stopped for longer
than its session, and goes on; the broker is killed and comes back. At the end of a round the whole output is checked: each
update of each word once and in order, each pair of the join once.
"""

import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.dont_write_bytecode = True

from harness import streams, torture  # noqa: E402

LINES, HOURS = 3000, 4000
ROUND_S = 90
SESSION_S = 6
INSTANCES = ("one", "two")


def arguments():
    parser = torture.parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", default="2,8", help="seconds between two deeds, from,to")
    return parser.parse_args()


class Round:
    def __init__(self, run, dice, done):
        self.run, self.dice, self.done = run, dice, done
        self.alive = {}

    def play(self, shortest, longest):
        self.run.create()
        self.run.feed()
        for instance in INSTANCES:
            self.alive[instance] = self.run.start(instance)
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < ROUND_S:
            self.run.fed_up_to = passed / ROUND_S
            time.sleep(self.dice.uniform(shortest, longest))
            deed = self.dice.choice([self.kill_instance, self.lose_instance, self.pause_instance, self.kill_broker, self.kill_broker])
            print(f"{self.run.progress():.0%} of the output, now: {deed.__name__}", flush=True)
            deed(self.dice.choice(INSTANCES))
            self.done[deed.__name__] = self.done.get(deed.__name__, 0) + 1
        self.run.fed_up_to = 1
        self.run.await_progress(1)
        for member in self.alive.values():
            member.call("close")
        self.run.check()

    def kill_instance(self, instance):
        self.alive[instance].process.kill()
        self.alive[instance] = self.run.start(instance)

    def lose_instance(self, instance):
        """Without what it had on disk."""
        self.alive[instance].process.kill()
        self.alive[instance] = self.run.start(instance, f"state-{self.run.started}")

    def pause_instance(self, instance):
        self.alive[instance].process.stop()
        time.sleep(SESSION_S + 2)
        self.alive[instance].process.go_on()

    def kill_broker(self, _instance):
        self.run.target.restart(gracefully=False)


def play(args, broker, scratch):
    (client,) = torture.prepared(args.cache, lambda client: client.name == "kafka-streams")
    dice, done, records = random.Random(args.seed), {}, 0
    end, rounds = time.monotonic() + 60 * args.minutes, 0
    while time.monotonic() < end:
        rounds += 1
        data = streams.Data(args.cache / streams.DATA_SET, LINES, HOURS)
        run = streams.Run(client, f"torture-{rounds}", broker, f"{args.seed:08x}", scratch / f"round-{rounds}", args.cache, data)
        try:
            Round(run, dice, done).play(*map(float, args.pause.split(",")))
        finally:
            run.crew.end()
        records += sum(map(len, run.output.values()))
        print(f"round {rounds}: {records} records of output, and what happened: {done}", flush=True)
    print(f"{rounds} rounds, {records} records of output, {done}: as the batch computation says")


if __name__ == "__main__":
    sys.exit(torture.run(arguments(), "streams-torture", play))
