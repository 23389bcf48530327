"""Kafka Streams with exactly_once_v2, killed and restarted: what comes out equals what a batch computation says.

Two topologies run in one application: how often each word occurs in the rows of a data set (every update shows, so the output
of a word is 1, 2, 3, ... up to its count), and a join of two streams within a window (every pair shows once).
"""

import collections
import csv
import io
import re
import threading
import time
import zipfile
from pathlib import Path

from . import crew, wire

DATA_SET = "vega_datasets-0.9.0-py3-none-any.whl"
PARTITIONS = 2
WINDOW_MS = 2000
# One hour of the data is so long in the records' timestamps, which end now.
HOUR_MS = 1000
LINES, LINES_FAST = 1500, 600
HOURS, HOURS_FAST = 1500, 600
CHUNKS = 40
CHUNK_INTERVAL_S = 0.1
PROGRESS_WITHIN_S = 60


class Data:
    """The inputs, and what must come out."""

    def __init__(self, wheel, lines, hours):
        with zipfile.ZipFile(wheel) as archive:
            def rows(name):
                return list(csv.reader(io.StringIO(archive.read(f"vega_datasets/_data/{name}").decode())))[1:]
            airports, seattle, francisco = rows("airports.csv"), rows("seattle-temps.csv"), rows("sf-temps.csv")
        begin = time.time_ns() // 1_000_000 - hours * HOUR_MS
        # Records are (partition, key, value, timestamp).
        self.lines = [(number % PARTITIONS, None, words(row), begin + number)
                      for number, row in enumerate(airports[:lines])]
        self.left = [temperature(number, date, value, begin) for number, (date, value) in enumerate(seattle[:hours])]
        self.right = [temperature(number, date, value, begin) for number, (value, date) in enumerate(francisco[:hours])]
        self.counts = collections.Counter(word for _, _, line, _ in self.lines for word in line.split())
        self.pairs = collections.Counter(self.joined())

    def joined(self):
        by_key = collections.defaultdict(list)
        for _, key, value, at in self.right:
            by_key[key].append((value, at))
        for _, key, value, at in self.left:
            for other, then in by_key[key]:
                if abs(at - then) <= WINDOW_MS:
                    yield key, f"{value}/{other}"


def words(row):
    return " ".join(re.findall(r"[a-z]+", " ".join(row).lower())) or "none"


def temperature(number, date, value, begin):
    """Keyed by the day's third of eight hours, so that a key has neighbours in time."""
    third = str(int(date[11:13]) // 8)
    return int(third) % PARTITIONS, third, f"{number}={value}", begin + number * HOUR_MS


class Run:
    """One application over one broker."""

    def __init__(self, client, scenario, target, suffix, scratch, cache, data):
        self.client, self.target, self.data = client, target, data
        self.name = f"{scenario}-{suffix}"
        self.crew = crew.Crew(target, suffix, Path(scratch), cache, False)
        self.topics = {name: f"{self.name}-{name}" for name in ("lines", "counts", "left", "right", "pairs")}
        self.read_up_to = collections.Counter()
        self.output = {"counts": [], "pairs": []}
        self.started = 0
        # The share of the inputs that may be fed by now.
        self.fed_up_to = 0.0
        self.feeder_failure = None

    def create(self):
        for topic in self.topics.values():
            reason = wire.create_topic(self.target.port, topic, PARTITIONS, {})
            assert reason is None, f"creating {topic}: {reason}"

    def start(self, instance="one", state="state"):
        """The application, also after the process before was killed. Returns when it runs."""
        self.started += 1
        member = self.crew.member(f"{instance}{self.started}", self.client, f"{instance}{self.started}")
        member.call("start", id=self.name, state=self.crew.scratch.resolve() / f"{state}-{instance}", instance=instance,
                    window_ms=WINDOW_MS, **self.topics)
        return member

    def feed(self):
        """The inputs, chunk by chunk, as far as `fed_up_to` says; also while the broker is away."""
        def go():
            try:
                for chunk in range(CHUNKS):
                    while chunk >= self.fed_up_to * CHUNKS:
                        time.sleep(CHUNK_INTERVAL_S)
                    self.feed_chunk(chunk)
            except Exception as error:
                self.feeder_failure = error

        threading.Thread(target=go, daemon=True).start()

    def feed_chunk(self, chunk):
        for name in ("lines", "left", "right"):
            records = getattr(self.data, name)
            part = records[len(records) * chunk // CHUNKS:len(records) * (chunk + 1) // CHUNKS]
            for partition in range(PARTITIONS):
                self.produce(self.topics[name], partition, [record[1:] for record in part if record[0] == partition])

    def produce(self, topic, partition, records):
        """Exactly once: after a failure it looks whether the records have arrived."""
        if not records:
            return
        before = None
        deadline = time.monotonic() + PROGRESS_WITHIN_S
        while True:
            try:
                end = wire.ends(self.target.port, topic, PARTITIONS)[partition][1]
                if before is not None and end > before:
                    return
                before = end
                wire.produce_keyed(self.target.port, topic, partition, records)
                return
            except (OSError, RuntimeError, AssertionError) as error:
                assert time.monotonic() < deadline, f"feeding {topic}: {error!r}"
                time.sleep(0.05)

    def progress(self):
        """The share of the whole output that can be read."""
        for name, found in self.output.items():
            for partition in range(PARTITIONS):
                place = self.topics[name], partition
                try:
                    read = wire.read_keyed(self.target.port, *place, wire.READ_COMMITTED, self.read_up_to[place])
                except (OSError, RuntimeError):
                    continue
                found += [(key.decode(), value.decode()) for _, key, value in read]
                if read:
                    self.read_up_to[place] = read[-1][0] + 1
        wanted = sum(self.data.counts.values()) + sum(self.data.pairs.values())
        return sum(map(len, self.output.values())) / wanted

    def await_progress(self, share):
        deadline = time.monotonic() + PROGRESS_WITHIN_S
        while (now := self.progress()) < share:
            if self.feeder_failure:
                raise self.feeder_failure
            alive = any(process.popen.poll() is None for process in self.crew.processes.values())
            assert alive, "the application has ended"
            assert time.monotonic() < deadline, f"{now:.0%} of the output came within {PROGRESS_WITHIN_S} s, wanted {share:.0%}"
            time.sleep(0.1)

    def check(self):
        """The whole output, which is read anew."""
        problem = self.problem()
        if problem:
            raise crew.Finding(problem)

    def problem(self):
        self.read_up_to.clear()
        self.output = {"counts": [], "pairs": []}
        self.progress()
        found = collections.defaultdict(list)
        for word, count in self.output["counts"]:
            found[word].append(int(count))
        for word, count in self.data.counts.items():
            if found[word] != list(range(1, count + 1)):
                return f"updates of the word {word!r}: wanted 1 to {count}, found {found[word][:50]}"
        if len(found) != len(self.data.counts):
            return f"words that are not in the input: {set(found) - set(self.data.counts)}"
        pairs = collections.Counter(self.output["pairs"])
        wrong = (pairs - self.data.pairs) + (self.data.pairs - pairs)
        if wrong:
            pair = next(iter(wrong))
            return f"{len(wrong)} wrong pairs, first: {pair} is there {pairs[pair]} times, wanted {self.data.pairs[pair]}"
        return None


def play(run):
    """Two kills of the application and one of the broker, each in the middle of the work."""
    run.create()
    run.feed()
    run.fed_up_to = 0.3
    first = run.start()
    run.await_progress(0.1)
    first.process.kill()
    run.fed_up_to = 0.5
    second = run.start()
    run.await_progress(0.4)
    run.fed_up_to = 0.8
    run.target.restart(gracefully=False)
    run.await_progress(0.6)
    second.process.kill()
    run.fed_up_to = 1
    # Without what it had on disk.
    third = run.start(state="another")
    run.await_progress(1)
    third.call("close")
    run.check()


def outcome(client, scenario, target, suffix, scratch, cache, fast):
    data = Data(Path(cache) / DATA_SET, LINES_FAST if fast else LINES, HOURS_FAST if fast else HOURS)
    return crew.outcome(client, scenario, Run(client, scenario, target, suffix, scratch, cache, data), play)
