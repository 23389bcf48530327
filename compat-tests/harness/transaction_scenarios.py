"""The transaction scenarios (README.md says what each one is to show). `s` is a transactions.Stage."""

import threading

from . import wire
from .crew import same

LOOP_RECORDS, LOOP_RECORDS_FAST = 400, 200
ROUNDS, ROUNDS_FAST = 10, 5
LOOP_WITHIN_S = 30
TIMEOUT_MS = 1000


def commit(s):
    s.create(3)
    s.follow()
    p = s.producer("p")
    p.begin()
    for partition in range(3):
        p.send(partition)
    for partition in range(3):
        same([], s.values(partition), "read_committed before the commit")
        same((0, 10), wire.ends(s.port, s.topic, 3)[partition], "last stable offset and end before the commit")
    p.commit()
    s.await_no_open_partitions()
    # A marker took offset 10 of each partition.
    same([(11, 11)] * 3, list(wire.ends(s.port, s.topic, 3).values()), "last stable offsets and ends")
    for count in (1, 100):
        p.begin()
        p.send(1, count)
        p.send(1, count)
        p.commit()
    # One without a record.
    p.begin()
    p.commit()
    p.begin()
    p.send(0)
    p.commit()


def abort(s):
    s.create(2)
    s.follow()
    s.follow("all", isolation="uncommitted")
    p = s.producer("p")
    for count in (1, 30):
        p.begin()
        p.send(0, count)
        p.send(1, count)
        p.abort()
        p.begin()
        p.send(0, count)
        p.commit()
    p.begin()
    p.abort()
    p.begin()
    p.send(1)
    p.abort()


def timeout(s):
    s.create(1)
    s.follow()
    p = s.producer("p", timeout_ms=TIMEOUT_MS)
    p.begin()
    p.send(0)
    same({0}, s.open_partitions(), "partitions with an open transaction")
    s.await_no_open_partitions()
    s.refused(p.commit)
    p.transaction.outcome = "abort"
    p.open()
    p.begin()
    p.send(0)
    p.commit()


def fenced(s):
    s.create(2)
    s.follow()
    a = s.producer("a")
    a.begin()
    a.send(0)
    b = s.producer("b", transactional_id="a")
    # Opening it ended the other one's transaction.
    s.await_no_open_partitions()
    b.begin()
    b.send(0)
    b.send(1)
    s.refused(finish, a)
    b.commit()
    c = s.producer("c", transactional_id="a")
    s.refused(all_of_one, b)
    c.begin()
    c.send(1)
    c.commit()


def finish(producer):
    """Where a client hears of its end differs: when it sends, or when it commits."""
    producer.send(1)
    producer.commit()


def all_of_one(producer):
    producer.begin()
    producer.send(0)
    producer.commit()


def zombie(s):
    s.create(2)
    s.follow()
    a = s.producer("a", "zombie")
    a.begin()
    a.send(0)
    # It stops somewhere within these.
    a.ask_to_send(1, 500)
    a.member.process.stop()
    b = s.producer("b", "two", transactional_id="a")
    b.begin()
    b.send(0)
    a.member.process.go_on()
    s.refused(woken, a)
    a.transaction.outcome = "abort"
    b.send(1)
    b.commit()


def woken(producer):
    producer.member.wait("txn-send")
    producer.commit()


def offsets(s):
    s.create(2)
    group, part = f"{s.topic}-group", f"{s.topic}:0"
    p = s.producer("p")

    def committed():
        return {name: offset for name, (offset, _) in wire.committed(s.port, group).items()}

    s.eventually(lambda: wire.committed(s.port, group) is not None, "the coordinator of the group answers")
    for offset, ending, after in [(5, p.commit, 5), (8, p.abort, 5), (9, p.commit, 9)]:
        before = committed()
        p.begin()
        p.send(0)
        p.offsets(group, {part: offset})
        same(before, committed(), "committed while the transaction is open")
        same(None, s.stable_offsets(group), "stable offsets while the transaction is open")
        ending()
        s.eventually(lambda: s.stable_offsets(group) is not None, "the offsets are stable")
        same({part: after}, committed(), "committed after the end")
    # Offsets alone, and of several partitions.
    p.begin()
    p.offsets(group, {part: 10, f"{s.topic}:1": 1})
    p.commit()
    s.eventually(lambda: s.stable_offsets(group) is not None, "the offsets are stable")
    same({part: 10, f"{s.topic}:1": 1}, committed(), "committed without a record")


def loop(s):
    """Consume, transform, produce: each input is in the output once, though the first producer is stopped and wakes up later, and
    the second one goes in the middle."""
    records = LOOP_RECORDS_FAST if s.fast else LOOP_RECORDS
    s.create(2)
    source, group = f"{s.topic}-source", f"{s.topic}-group"
    s.create_other(source, 2)
    produced = [[], []]

    def produce():
        for partition in range(2):
            numbers = s.numbers(records // 8)
            produced[partition] += numbers
            # Small batches, so that there are many transactions.
            for first in range(0, len(numbers), 5):
                wire.produce(s.port, source, {partition: [b"%d" % number for number in numbers[first:first + 5]]})

    def start(name, process):
        member = s.crew.member(name, s.client, process)
        member.call("txn-loop", **{"id": f"{s.topic}-id", "group": group, "from": source, "to": s.topic, "abort_every": 3})
        return member

    def done(member, transactions):
        ended = [event.outcome for event in member.events if event.kind == "looped"]
        return len(ended) >= transactions and "commit" in ended

    produce()
    a = start("a", "zombie")
    s.crew.await_that("transactions of the first", lambda: done(a, 1), LOOP_WITHIN_S)
    produce()
    a.process.stop()
    # A fast one may have been through with all that there was.
    produce()
    b = start("b", "two")
    s.crew.await_that("transactions of the second", lambda: done(b, 1), LOOP_WITHIN_S)
    a.process.go_on()
    produce()
    s.eventually(lambda: everything(s) >= 2 * len(produced[0]), "the output is whole", LOOP_WITHIN_S)
    b.call("txn-loop-end")
    produce()
    c = start("c", "two")
    s.eventually(lambda: everything(s) >= 2 * len(produced[0]), "the output is whole", LOOP_WITHIN_S)
    c.call("txn-loop-end")
    s.await_no_open_partitions()
    for partition in range(2):
        same(produced[partition], s.values(partition), f"output partition {partition}")
        s.transaction("loop").sent[partition] = produced[partition]
        s.transactions[-1].outcome = "commit"
    ends = {f"{source}:{number}": end for number, end in wire.latest(s.port, source, 2).items()}
    same(ends, s.stable_offsets(group, source), "committed offsets")


def everything(s):
    return sum(len(s.values(partition)) for partition in range(s.partitions))


def mixed(s):
    """Two transactional producers and a plain one at the same time, on the same partitions."""
    s.create(2)
    s.follow()
    s.follow("all", isolation="uncommitted")
    rounds, over, failures = ROUNDS_FAST if s.fast else ROUNDS, threading.Event(), []

    def plain():
        while not over.wait(0.01):
            for partition in range(2):
                s.plain(partition, 3)

    def transactional(producer, first):
        for number in range(first, first + rounds):
            producer.begin()
            for partition in range(2):
                producer.send(partition, 5)
            producer.abort() if number % 3 == 0 else producer.commit()

    def guarded(work, *args):
        try:
            work(*args)
        except Exception as error:
            failures.append(error)

    producers = [s.producer("a"), s.producer("b", "two")]
    threads = [threading.Thread(target=guarded, args=(transactional, producer, i)) for i, producer in enumerate(producers)]
    background = threading.Thread(target=guarded, args=(plain,))
    for thread in [background, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    background.join()
    if failures:
        raise failures[0]


# Where in a transaction the broker goes away, and whether by SIGTERM.
RESTARTS = [
    ("begun", False), ("sending", False), ("sending", True), ("sent", False), ("offsets", True), ("offsets", False),
    ("committing", False), ("committing", True), ("committed", False), ("aborting", False), ("aborting", True), ("aborted", False),
]


def restart(s):
    """The broker goes away and comes back at every step of a transaction; the producer goes on with it."""
    s.create(2)
    s.follow()
    group = f"{s.topic}-group"
    p = s.producer("p")
    last = 0
    for number, (step, gracefully) in enumerate(RESTARTS, 1):
        def reached(name):
            if name == step:
                s.restart(gracefully)

        p.begin()
        reached("begun")
        p.send(0)
        p.ask_to_send(1, 200)
        reached("sending")
        p.member.wait("txn-send")
        reached("sent")
        p.offsets(group, {f"{s.topic}:0": number})
        reached("offsets")
        if step.startswith("abort"):
            p.member.ask("txn-abort")
            reached("aborting")
            p.member.wait("txn-abort")
            reached("aborted")
        else:
            p.ask_to_commit()
            reached("committing")
            p.wait_for_commit()
            last = number
            reached("committed")
    s.eventually(lambda: s.stable_offsets(group) is not None, "the offsets are stable")
    same({f"{s.topic}:0": last}, s.stable_offsets(group), "committed")


BY_NAME = {
    "txn-commit": commit, "txn-abort": abort, "txn-timeout": timeout, "txn-fenced": fenced, "txn-zombie": zombie,
    "txn-offsets": offsets, "txn-loop": loop, "txn-mixed": mixed, "txn-restart": restart,
}


def find(scenario):
    return BY_NAME[scenario]
