"""Transactional producers and followers that obey lines on stdin (compat-tests/README.md, "The members of a program").

An adapter module `txn_<name>` has

    Producer(bootstrap, id, timeout_ms)     initialised when it returns
        begin(), commit(), abort()          Fault when refused
        send(records)                       [(topic, partition, value)]; returns when all are acknowledged
        offsets(group, offsets, source)     {(topic, partition): offset}; source None: only the group's id is known
        close(); drop()                     drop: as if the program had died
    Source(bootstrap, group, topic)         a member of the group, which reads what is committed
        poll(seconds, most) -> [(topic, partition, offset, value)]
        done()                              after each poll, when its transaction has ended or there was nothing
        seek(offsets), rewind()             rewind: to what the group has committed
        close()
    follow(bootstrap, topic, partitions, isolation) -> what base.py calls a consumer

The code of a Fault that says that another producer has the id is INVALID_PRODUCER_EPOCH or PRODUCER_FENCED.
"""

import importlib
import itertools

from base import INVALID_PRODUCER_EPOCH, PRODUCER_FENCED, Fault, Unsupported
from members import Actor, now_us, offsets_of, one_line, part_of

POLL_S = 0.05
LINE_VALUES_MAX = 200
LOOP_RECORDS_MAX = 20


class Transactor(Actor):
    """A producer, a loop, or a follower, which polls all the time."""

    def __init__(self, adapter, bootstrap, name):
        super().__init__(bootstrap, name)
        # Not every client of this program has transactions.
        self.adapter = importlib.import_module(f"txn_{adapter}")
        self.producer, self.work = None, None
        self.start()

    def busy(self):
        return self.work is not None

    def step(self):
        try:
            self.work.step()
        except Fault as fault:
            self.tell(f"error t={now_us()} code={fault.code or '-'} text={one_line(fault).replace(' ', '_')}")
            self.work = self.work.after(fault)

    def obey(self, verb, given):
        if verb == "txn-open":
            if self.producer:
                self.producer.drop()
                self.producer = None
            self.producer = self.adapter.Producer(self.bootstrap, given["id"], int(given.get("timeout_ms", 60000)))
        elif verb == "txn-send":
            topic, partition = part_of(given["part"])
            first, count = int(given["first"]), int(given["count"])
            self.producer.send([(topic, partition, b"%d" % number) for number in range(first, first + count)])
        elif verb == "txn-offsets":
            offsets = {part: offset for part, (offset, _) in offsets_of(given["offsets"]).items()}
            self.producer.offsets(given["group"], offsets, None)
        elif verb in ("txn-begin", "txn-commit", "txn-abort", "txn-close"):
            getattr(self.producer, verb.removeprefix("txn-"))()
            if verb == "txn-close":
                self.producer = None
        elif verb == "txn-follow":
            self.work = Follower(self, **given)
        elif verb == "txn-loop":
            self.work = Loop(self, **{{"from": "source", "to": "sink"}.get(key, key): value for key, value in given.items()})
        elif verb == "txn-loop-end":
            if self.work:
                self.work.close()
            self.work = None
        else:
            raise Unsupported(f"no verb {verb}")


class Follower:
    """Tells all that it reads."""

    def __init__(self, actor, topic, partitions, isolation="committed"):
        self.actor, self.topic = actor, topic
        self.reader = actor.adapter.follow(actor.bootstrap, topic, range(int(partitions)), f"read_{isolation}")

    def step(self):
        for partition, records in itertools.groupby(self.reader.poll(POLL_S), lambda record: record.partition):
            values = [f"{record.offset}={record.value.decode()}" for record in records]
            for first in range(0, len(values), LINE_VALUES_MAX):
                told = ",".join(values[first:first + LINE_VALUES_MAX])
                self.actor.tell(f"values t={now_us()} part={self.topic}:{partition} values={told}")

    def after(self, _fault):
        """What follows a fault: the client goes on by itself."""
        return self


class Loop:
    """Consume, transform, produce: each poll's records in a transaction with the offsets that follow them."""

    def __init__(self, actor, id, group, source, sink, abort_every="0"):
        self.actor, self.group, self.sink, self.abort_every, self.ended = actor, group, sink, int(abort_every), 0
        self.producer = actor.adapter.Producer(actor.bootstrap, id, 60000)
        self.source = actor.adapter.Source(actor.bootstrap, group, source)

    def step(self):
        try:
            records = self.source.poll(POLL_S, LOOP_RECORDS_MAX)
            if records:
                self.transact(records)
        finally:
            self.source.done()

    def transact(self, records):
        first, following = {}, {}
        for topic, partition, offset, _value in records:
            first.setdefault((topic, partition), offset)
            following[topic, partition] = offset + 1
        self.producer.begin()
        self.producer.send([(self.sink, partition, value) for _topic, partition, _offset, value in records])
        self.producer.offsets(self.group, following, self.source)
        self.ended += 1
        if self.abort_every and self.ended % self.abort_every == 0:
            self.producer.abort()
            self.source.seek(first)
            outcome = "abort"
        else:
            self.producer.commit()
            outcome = "commit"
        self.actor.tell(f"looped t={now_us()} outcome={outcome} count={len(records)}")

    def after(self, fault):
        """What follows a fault: the loop with its transaction aborted, or nothing."""
        try:
            if fault.code in (INVALID_PRODUCER_EPOCH, PRODUCER_FENCED) or fault.last:
                raise fault
            self.producer.abort()
            self.source.rewind()
            return self
        except Fault:
            self.close()
            return None

    def close(self):
        self.source.close()
        try:
            self.producer.close()
        except Fault:
            self.producer.drop()
