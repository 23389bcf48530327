"""One run of a group scenario: topics, records that flow, members by name, and the check at the end."""

import contextlib
import threading
import time
from pathlib import Path

from . import crew, group_scenarios, history, wire

FLOW_INTERVAL_S = 0.05
DELIVERED_WITHIN_S = 20
STABLE_WITHIN_S = 15


class Scene:
    """What group_scenarios.py works with."""

    def __init__(self, play, scenario, target, suffix, scratch, cache, fast):
        self.play = play  # the clients by turns, one for each process
        self.target, self.port = target, target.port
        self.group = self.topic = f"{scenario}-{suffix}"
        self.protocol = "consumer" if "-848-" in scenario else None
        self.crew = crew.Crew(target, suffix, Path(scratch), cache, fast)
        self.partitions = {}  # of each topic
        self.sent = 0
        self.acknowledged = {}  # partition to the offset after its last acknowledged record
        self.group_of = {}
        # Groups of which not every record is wanted, and those that must have every record once.
        self.partial, self.exactly_once = set(), set()
        self.parts_done = 0
        self.skipped = None

    def create(self, partitions, topic=None):
        topic = topic or self.topic
        reason = wire.create_topic(self.port, topic, partitions, {})
        if reason:
            raise AssertionError(f"creating {topic}: {reason}")
        self.partitions[topic] = partitions

    def all_partitions(self):
        return {f"{topic}:{number}" for topic, count in self.partitions.items() for number in range(count)}

    def produce(self, records, topic=None):
        """Spread over the partitions; acknowledged when this returns."""
        topic = topic or self.topic
        spread = {}
        for _ in range(records):
            spread.setdefault(self.sent % self.partitions[topic], []).append(b"%d" % self.sent)
            self.sent += 1
        for number, first in wire.produce(self.port, topic, spread).items():
            self.acknowledged[f"{topic}:{number}"] = first + len(spread[number])

    @contextlib.contextmanager
    def flow(self):
        """One record to every partition, again and again; goes on while the broker is away."""
        over = threading.Event()

        def run():
            while not over.wait(FLOW_INTERVAL_S):
                self.try_to_produce()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        deadline = time.monotonic() + STABLE_WITHIN_S
        while error := self.try_to_produce():
            assert time.monotonic() < deadline, f"producing records: {error}"
            time.sleep(FLOW_INTERVAL_S)

    def try_to_produce(self):
        try:
            self.produce(self.partitions[self.topic])
        except (OSError, RuntimeError) as error:
            return error
        return None

    def member(self, name, process="one", client=0):
        return self.crew.member(name, self.play[client], process)

    def join(self, name, process="one", client=0, group=None, topics=None, pattern=None, protocol=None, **options):
        member = self.member(name, process, client)
        self.group_of[name] = group or self.group
        where = {"pattern": pattern} if pattern else {"topics": ",".join(topics or [self.topic])}
        member.call("join", group=group or self.group, **where, protocol=protocol or self.protocol, **options)
        return member

    def ends(self):
        found = {}
        for topic, count in self.partitions.items():
            for number, end in wire.latest(self.port, topic, count).items():
                found[f"{topic}:{number}"] = end
        return found

    def await_delivered(self, *members, seconds=DELIVERED_WITHIN_S):
        """Until the furthest that any of these members delivered is the end of each partition as it is now."""
        ends = {partition: end for partition, end in self.ends().items() if end}
        members = members or [m for m in self.crew.members.values()]

        def behind():
            return {p: (end, reached(p)) for p, end in ends.items() if reached(p) < end}

        def reached(partition):
            return max((member.delivered.get(partition, 0) for member in members), default=0)

        self.crew.await_that(lambda: f"all delivered; end and next: {behind()}", lambda: not behind(), seconds)

    def await_shares(self, shares, seconds=STABLE_WITHIN_S):
        """Until these members have so many partitions each, and together all of them."""
        def there():
            has = [member.partitions for member in shares]
            return ([len(one) for one in has] == list(shares.values())
                    and set().union(*has) == self.all_partitions() and sum(map(len, has)) == len(self.all_partitions()))

        wanted = {member.name: count for member, count in shares.items()}
        self.crew.await_that(f"shares {wanted}", there, seconds)

    def await_even_shares(self, members, seconds=STABLE_WITHIN_S):
        """Until these members have all partitions, and none has two more than another."""
        def there():
            has = [member.partitions for member in members]
            sizes = [len(one) for one in has]
            return set().union(*has) == self.all_partitions() and sum(sizes) == len(self.all_partitions()) \
                and max(sizes) - min(sizes) <= 1

        self.crew.await_that(f"even shares of {[member.name for member in members]}", there, seconds)

    def await_error(self, member, code, seconds=STABLE_WITHIN_S):
        self.crew.await_that(f"error {code} of {member.name}", lambda: any(
            code is None or error.code == str(code) for error in member.errors), seconds)

    def quiet(self, seconds=0.7):
        """That no record comes for a while."""
        before = self.records_seen()
        time.sleep(seconds)
        more = self.records_seen()[len(before):]
        if more:
            raise crew.Finding(f"{len(more)} records too many, first by {more[0].member}: {more[0].partitions[0]} {more[0].first}")

    def records_seen(self):
        return [event for event in list(self.crew.events) if event.kind == "records"]

    def committed(self, group=None):
        """What the harness itself finds committed, with metadata."""
        deadline = time.monotonic() + STABLE_WITHIN_S
        while (found := wire.committed(self.port, group or self.group)) is None:
            assert time.monotonic() < deadline, "the coordinator does not answer"
            time.sleep(0.05)
        return found

    def reset(self, partitions, *members):
        """Told to the history: offsets of these partitions go where they will."""
        self.crew.note("reset", members or self.crew.members.values(), partitions)

    def restart(self):
        self.crew.note("interrupted", self.crew.members.values())
        self.target.restart(gracefully=False)

    @contextlib.contextmanager
    def part(self):
        """A part of the scenario that not every client has; one part at least must go through."""
        try:
            yield
            self.parts_done += 1
        except crew.Unsupported as reason:
            self.skipped = str(reason)

    def finish(self):
        """After the scenario: the programs end, and the histories are checked, one for each group."""
        self.crew.end()
        self.crew.check()
        if self.skipped and not self.parts_done:
            raise crew.Unsupported(self.skipped)
        ends = self.ends()
        for partition, end in self.acknowledged.items():
            if ends[partition] < end:
                raise crew.Finding(f"{partition} ends at {ends[partition]}, acknowledged was {end}")
        keeping = {member.name for member in self.crew.members.values() if member.process.client.keeps_positions}
        problems = []
        for group in sorted(set(self.group_of.values())):
            events = [event for event in self.crew.events if self.group_of.get(event.member) == group]
            problems += history.check(events, {} if group in self.partial else ends, group in self.exactly_once, keeping)
        if problems:
            raise crew.Finding(f"history: {len(problems)} problems, first: {problems[0]}")


def outcome(client, play, scenario, target, suffix, scratch, cache, fast):
    """Plays a scenario with these clients."""
    def whole(scene):
        group_scenarios.find(scenario)(scene)
        scene.finish()

    return crew.outcome(client, scenario, Scene(play, scenario, target, suffix, scratch, cache, fast), whole)
