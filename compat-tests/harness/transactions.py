"""One run of a transaction scenario: producers and followers by name, what each transaction sent, and the check at the end."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import crew, transaction_scenarios, wire

FOLLOWED_WITHIN_S = 20
SETTLED_WITHIN_S = 20
# What a client may call an error of the broker that ends a producer: INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, PRODUCER_FENCED,
# TRANSACTION_ABORTABLE, or a fatal error of its own.
FENCED_CODES = {None, 47, 48, 90, 120}


@dataclass
class Transaction:
    """What one transaction, or a plain producer, sent; `outcome` is commit, abort, or unknown while nobody was told."""
    sender: str
    outcome: str = "abort"
    sent: dict = field(default_factory=dict)  # partition to numbers


class Producer:
    """A transactional producer of a program. Numbers are unique in a run, and grow."""

    def __init__(self, stage, member, transactional_id, timeout_ms):
        self.stage, self.member, self.id, self.timeout_ms = stage, member, transactional_id, timeout_ms
        self.transaction = None

    def open(self):
        self.member.call("txn-open", id=self.id, timeout_ms=self.timeout_ms)
        return self

    def begin(self):
        self.member.call("txn-begin")
        self.transaction = self.stage.transaction(self.member.name)

    def send(self, partition, count=10):
        self.ask_to_send(partition, count)
        self.member.wait("txn-send")

    def ask_to_send(self, partition, count=10):
        numbers = self.stage.numbers(count)
        self.transaction.sent.setdefault(partition, []).extend(numbers)
        self.member.ask("txn-send", [f"part={self.stage.topic}:{partition}", f"first={numbers[0]}", f"count={count}"])

    def offsets(self, group, offsets):
        self.member.call("txn-offsets", group=group, offsets=",".join(f"{part}:{offset}" for part, offset in offsets.items()))

    def ask_to_commit(self):
        self.transaction.outcome = "unknown"
        self.member.ask("txn-commit")

    def wait_for_commit(self):
        self.member.wait("txn-commit")
        self.transaction.outcome = "commit"

    def commit(self):
        self.ask_to_commit()
        self.wait_for_commit()

    def abort(self):
        self.member.call("txn-abort")


class Stage:
    """What transaction_scenarios.py works with."""

    def __init__(self, client, scenario, target, suffix, scratch, cache, fast):
        self.client, self.target, self.port = client, target, target.port
        self.topic = f"{scenario}-{suffix}"
        self.crew = crew.Crew(target, suffix, Path(scratch), cache, fast)
        self.fast = fast
        self.partitions = 0
        self.followers = []
        self.transactions = []
        self.next_number = 0
        self.lock = threading.Lock()

    def create(self, partitions):
        self.partitions = partitions
        self.create_other(self.topic, partitions)

    def create_other(self, topic, partitions):
        reason = wire.create_topic(self.port, topic, partitions, {})
        assert reason is None, f"creating {topic}: {reason}"

    def numbers(self, count):
        with self.lock:
            self.next_number += count
            return list(range(self.next_number - count, self.next_number))

    def transaction(self, sender):
        made = Transaction(sender)
        with self.lock:
            self.transactions.append(made)
        return made

    def producer(self, name, process="one", transactional_id=None, timeout_ms=None):
        """Named like its member, unless it takes the id of another one."""
        member = self.crew.member(name, self.client, process)
        return Producer(self, member, f"{self.topic}-{transactional_id or name}", timeout_ms).open()

    def follow(self, name="follower", process="reader", isolation="committed"):
        member = self.crew.member(name, self.client, process)
        member.call("txn-follow", topic=self.topic, partitions=self.partitions, isolation=isolation)
        self.followers.append((member, wire.READ_COMMITTED if isolation == "committed" else wire.READ_UNCOMMITTED))
        return member

    def plain(self, partition, count=1):
        """Records of no transaction, by the harness itself."""
        sent = self.transaction("plain")
        numbers = self.numbers(count)
        sent.sent[partition], sent.outcome = numbers, "commit"
        wire.produce(self.port, self.topic, {partition: [b"%d" % number for number in numbers]})

    def read(self, partition, isolation=wire.READ_COMMITTED, topic=None):
        return [(offset, int(value)) for offset, value in wire.read(self.port, topic or self.topic, partition, isolation)]

    def values(self, partition, isolation=wire.READ_COMMITTED):
        return [value for _, value in self.read(partition, isolation)]

    def open_partitions(self):
        """Those whose last stable offset is not their end."""
        return {number for number, (stable, end) in wire.ends(self.port, self.topic, self.partitions).items() if stable != end}

    def await_no_open_partitions(self, seconds=SETTLED_WITHIN_S):
        self.eventually(lambda: not self.open_partitions(), "the last stable offsets reach the ends", seconds)

    def eventually(self, condition, what, seconds=SETTLED_WITHIN_S):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            self.crew.check()
            time.sleep(0.02)

    def stable_offsets(self, group, topic=None):
        """Committed offsets of a topic's partitions; None while a transaction has some that are not."""
        found = wire.committed_if_stable(self.port, group, topic or self.topic, self.partitions)
        return None if found is None else {name: offset for name, (offset, _) in found.items()}

    def restart(self, gracefully):
        self.target.restart(gracefully)

    def refused(self, call, *args):
        """That a call fails as one of a producer does whose time is over."""
        try:
            call(*args)
        except crew.Refused as refusal:
            assert refusal.code in FENCED_CODES, f"refused with {refusal}"
        else:
            raise crew.Finding(f"{call.__name__} went through")

    def finish(self):
        """After the scenario: no transaction is left open, and all that can be read is what was committed."""
        self.await_no_open_partitions()
        for partition in range(self.partitions):
            # The end of what followers wait for, whatever came before.
            self.plain(partition)
        problems = []
        for partition in range(self.partitions):
            problems += check(partition, self.transactions, self.values(partition))
        if problems:
            raise crew.Finding(f"{len(problems)} problems, first: {problems[0]}")
        for member, isolation in self.followers:
            self.check_followed(member, isolation)

    def check_followed(self, member, isolation):
        for partition in range(self.partitions):
            wanted, name = self.read(partition, isolation), f"{self.topic}:{partition}"

            def followed():
                return [one for event in member.events if event.kind == "values" and event.partitions == [name]
                        for one in event.values]

            self.crew.await_that(lambda: f"{member.name} has all of {name}; wanted {wanted[-1]}, last {followed()[-1:]}",
                                 lambda: wanted[-1] in followed(), FOLLOWED_WITHIN_S)
            told = followed()
            if told != wanted:
                at = next((i for i, pair in enumerate(zip(told, wanted)) if pair[0] != pair[1]), min(len(told), len(wanted)))
                raise crew.Finding(f"{member.name} was given other records of {name}, from record {at} on: "
                                   f"{told[at:at + 3]}, wanted {wanted[at:at + 3]}")


def check(partition, transactions, committed):
    """Every problem of the numbers that read_committed shows in a partition."""
    problems = []
    for number in {number for number in committed if committed.count(number) > 1}:
        problems.append(f"doubled: {number} in partition {partition}")
    known = set()
    for sender in {one.sender for one in transactions}:
        mine = {number for one in transactions if one.sender == sender for number in one.sent.get(partition, [])}
        found = [number for number in committed if number in mine]
        if found != sorted(found):
            problems.append(f"disordered: numbers of {sender} in partition {partition}: {found[:20]}")
    for one in transactions:
        sent = one.sent.get(partition, [])
        known |= set(sent)
        shown = set(committed) & set(sent)
        if one.outcome == "commit" and len(shown) < len(sent):
            problems.append(f"lost: {sorted(set(sent) - shown)[:5]} of {one.sender} in partition {partition}")
        if one.outcome == "abort" and shown:
            problems.append(f"aborted, and read: {sorted(shown)[:5]} of {one.sender} in partition {partition}")
    if set(committed) - known:
        problems.append(f"invented: {sorted(set(committed) - known)[:5]} in partition {partition}")
    return problems


def outcome(client, scenario, target, suffix, scratch, cache, fast):
    """Plays a scenario with this client."""
    def whole(stage):
        transaction_scenarios.find(scenario)(stage)
        stage.finish()

    return crew.outcome(client, scenario, Stage(client, scenario, target, suffix, scratch, cache, fast), whole)
