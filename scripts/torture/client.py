"""The torture run's programs over confluent-kafka: client.py BOOTSTRAP FOLDER SEED SHAPE ROLE:NAME...

One thread for each role; SHAPE is the partition count of the topics. Everything that is done is written to
FOLDER/NAME.LIFE.jsonl before and after, in the lines that event.rs describes. A role whose client is fenced or broken
begins a new life with a new client. The program ends by being killed, except for the role of the end.
"""

import json
import os
import random
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

INPUT, OUTPUT = "a", "b"
# Groups of loops, each with its protocol.
GROUPS = {
    "loops": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "partition.assignment.strategy": "range"},
    "loops-848": {"group.protocol": "consumer"},
}
TRANSACTION_TIMEOUT_MS = 10_000
# How long the end waits for another record.
FINAL_WAIT_S = 90
# Names this process: its id would come again in the course of an hour.
STARTED = f"{time.monotonic_ns() // 1_000_000:x}"
STEP_BACK_MAX = 200
PATIENCE_S = 60


class History:
    """Lines are written with one call each, so that a kill cuts off at most the last."""

    def __init__(self, folder, process):
        self.process = process
        self.file = os.open(os.path.join(folder, f"{process}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)

    def write(self, do, **fields):
        line = {"p": self.process, "at": time.monotonic_ns(), "do": do, **fields}
        os.write(self.file, (json.dumps(line, separators=(",", ":")) + "\n").encode())


class Life:
    def __init__(self, setting, role, name, life):
        self.setting, self.role, self.name = setting, role, name
        # Several programs may live under one name at once, when one was paused and another one took over.
        self.process = f"{name}.{STARTED}.{life}"
        self.history = History(setting.folder, self.process)
        self.dice = random.Random(f"{setting.seed} {name} {life}")
        self.made = 0

    def next(self):
        self.made += 1
        return f"{self.process}.{self.made}"


class Setting:
    def __init__(self, bootstrap, folder, seed, partitions):
        self.bootstrap, self.folder, self.seed, self.partitions = bootstrap, folder, seed, int(partitions)

    def base(self, **more):
        return {"bootstrap.servers": self.bootstrap, "reconnect.backoff.max.ms": 500, "log_level": 0, **more}

    def parts(self, *topics):
        return [TopicPartition(topic, number) for topic in topics for number in range(self.partitions)]


def tp(part):
    return f"{part.topic}/{part.partition}"


def patiently(call, *arguments):
    """Asks again while the broker is away or loads."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call(*arguments)
        except KafkaException as failure:
            if time.monotonic() > deadline or failure.args[0].fatal():
                raise
            time.sleep(0.05)


class Writer:
    """A producer whose sends and transactions are written down."""

    def __init__(self, life, transactional):
        self.life, self.history = life, life.history
        options = {"linger.ms": life.dice.choice([0, 2, 5]), "enable.idempotence": True}
        if transactional:
            options |= {"transactional.id": f"torture-{life.name}", "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS}
        self.client = Producer(life.setting.base(**options))
        self.txn = None
        if transactional:
            self.insist(self.client.init_transactions, 30)

    def insist(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except KafkaException as failure:
                error = failure.args[0]
                if not error.retriable() or error.fatal():
                    raise

    def begin(self):
        self.txn = self.life.next()
        self.client.begin_transaction()

    def send(self, topic, partition, **origin):
        value, place = self.life.next(), f"{topic}/{partition}"
        if self.txn:
            origin["txn"] = self.txn
        self.history.write("send", tp=place, value=value, **origin)

        def delivered(error, message):
            if error is None:
                offset = message.offset()
                self.history.write("ack", value=value, offset=-1 if offset is None else offset)

        try:
            self.client.produce(topic, value.encode(), partition=partition, on_delivery=delivered)
        except (BufferError, KafkaException):
            self.history.write("fail", value=value)
            raise
        self.client.poll(0)

    def offsets(self, group, offsets, metadata):
        self.history.write("offsets", txn=self.txn, group=group, offsets={tp(part): part.offset for part in offsets})
        self.insist(self.client.send_offsets_to_transaction, offsets, metadata, 30)

    def commit(self):
        self.history.write("commit", txn=self.txn)
        self.insist(self.client.commit_transaction, 30)
        self.history.write("committed", txn=self.txn)
        self.txn = None

    def abort(self):
        self.insist(self.client.abort_transaction, 30)
        self.history.write("aborted", txn=self.txn)
        self.txn = None

    def attempt(self, deed):
        """Does it in a transaction; false if that had to be aborted."""
        try:
            self.begin()
            deed()
            return True
        except BufferError:
            self.abort()
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                raise
            self.abort()
        return False


class Reader:
    def __init__(self, life, level, **options):
        self.life, self.history, self.level = life, life.history, level
        isolation = {"rc": "read_committed", "ru": "read_uncommitted"}[level]
        self.client = Consumer(life.setting.base(**{
            "group.id": f"reader-{life.name}", "isolation.level": isolation, "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "fetch.error.backoff.ms": 50, "fetch.wait.max.ms": 100,
            **options}))
        # Whether a group has given or taken partitions and nobody has gone back yet.
        self.changed = threading.Event()

    def subscribe(self, topic):
        change = lambda *_: self.changed.set()
        self.client.subscribe([topic], on_assign=change, on_revoke=change, on_lost=change)

    def assign(self, parts):
        self.history.write("assign", tps=[tp(part) for part in parts])
        self.client.assign(parts)

    def read(self, count, timeout, **transaction):
        """What comes; also the positions of partitions that are at their end, if the client was told to say so."""
        ends, records = {}, []
        messages = self.client.consume(count, timeout)
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[tp_of(message)] = message.offset()
            elif error.fatal():
                raise KafkaException(error)
        if records:
            if self.changed.is_set():
                # Some may come from the new place already.
                self.history.write("assign", tps=[tp(part) for part in self.client.assignment()])
            lines = [[tp_of(message), message.offset(), message.value().decode()] for message in records]
            self.history.write("poll", level=self.level, records=lines, **transaction)
        return records, ends


def tp_of(message):
    return f"{message.topic()}/{message.partition()}"


def producer(life):
    """Transactions of 1 to 20 records over several partitions; one in five is aborted, some read what others commit."""
    writer, reader, dice = Writer(life, True), Reader(life, "rc"), life.dice
    reader.assign([TopicPartition(part.topic, part.partition, OFFSET_BEGINNING) for part in life.setting.parts(OUTPUT)])

    def deed():
        for _ in range(dice.choice([1, 1, 3, 10, 20])):
            writer.send(dice.choice([INPUT, INPUT, OUTPUT]), dice.randrange(life.setting.partitions))
            if dice.random() < 0.02:
                time.sleep(dice.choice([0.05, 0.5, 2]))
        if dice.random() < 0.3:
            reader.read(100, 0.05, txn=writer.txn)
        writer.abort() if dice.random() < 0.2 else writer.commit()

    while True:
        writer.attempt(deed)
        time.sleep(dice.uniform(0, 0.1))


def plain(life):
    """An idempotent producer without transactions."""
    writer = Writer(life, False)
    while True:
        for _ in range(life.dice.randrange(1, 10)):
            writer.send(life.dice.choice([INPUT, OUTPUT]), life.dice.randrange(life.setting.partitions))
        time.sleep(life.dice.uniform(0, 0.1))
        writer.client.poll(0)


def loop(life, group):
    """Consume, transform, produce: each input is sent on to the output, with the group's offsets."""
    writer = Writer(life, True)
    reader = Reader(life, "rc", **{"group.id": group, **GROUPS[group]})
    reader.subscribe(INPUT)
    while True:
        records, _ = reader.read(50, 0.2)
        if reader.changed.is_set():
            # What came with a change of the assignment may be of the one before.
            reader.changed.clear()
            rewind(life, reader, group)
            continue
        if records and not transform(life, writer, reader, group, records):
            rewind(life, reader, group)


def transform(life, writer, reader, group, records):
    def deed():
        nexts = {}
        for message in records:
            writer.send(OUTPUT, message.partition(), **{"from": message.value().decode(), "group": group})
            nexts[message.partition()] = message.offset() + 1
        offsets = [TopicPartition(INPUT, partition, offset) for partition, offset in nexts.items()]
        writer.offsets(group, offsets, reader.client.consumer_group_metadata())
        if life.dice.random() < 0.1:
            time.sleep(life.dice.choice([0.05, 0.5]))
        if life.dice.random() < 0.1:
            writer.abort()
            return
        writer.commit()
        deed.is_done = True

    deed.is_done = False
    return writer.attempt(deed) and deed.is_done


def committed(life, client, group, parts, **last):
    since = time.monotonic_ns()
    found = client.committed(parts, 30)
    for part in found:
        if part.error:
            raise KafkaException(part.error)
    offsets = {tp(part): max(part.offset, -1) for part in found}
    life.history.write("position", since=since, group=group, offsets=offsets, **last)
    return found


def rewind(life, reader, group):
    """Back to what is committed."""
    parts = reader.client.assignment()
    if not parts:
        return
    found = committed(life, reader.client, group, parts)
    life.history.write("assign", tps=[tp(part) for part in parts])
    for part in found:
        offset = part.offset if part.offset >= 0 else OFFSET_BEGINNING
        reader.client.seek(TopicPartition(part.topic, part.partition, offset))


def reader(life, level):
    """Reads all partitions, and now and then again what it has read before."""
    reader, parts = Reader(life, level), life.setting.parts(INPUT, OUTPUT)
    while True:
        start = []
        for part in parts:
            _, end = patiently(reader.client.get_watermark_offsets, part, 10)
            start.append(TopicPartition(part.topic, part.partition, max(0, end - life.dice.randrange(STEP_BACK_MAX))))
        reader.assign(start)
        until = time.monotonic() + life.dice.uniform(2, 15)
        while time.monotonic() < until:
            reader.read(500, 0.2)


def final(life):
    """Reads everything from the beginning with both levels, then the group's offsets."""
    parts = life.setting.parts(INPUT, OUTPUT)
    ends = {}
    for level in ("ru", "rc"):
        last = Reader(Life(life.setting, level, f"final-{level}", 0), level, **{"enable.partition.eof": True})
        if level == "ru":
            ends = {tp(part): patiently(last.client.get_watermark_offsets, part, 10)[1] for part in parts}
        last.assign([TopicPartition(part.topic, part.partition, OFFSET_BEGINNING) for part in parts])
        reached = dict.fromkeys(ends, 0)
        deadline = time.monotonic() + FINAL_WAIT_S
        while time.monotonic() < deadline and any(reached[part] < end for part, end in ends.items()):
            records, found = last.read(1000, 0.2)
            reached |= found
            if records:
                deadline = time.monotonic() + FINAL_WAIT_S
        last.history.write("final", level=level, ends=reached)
    life.history.write("assign", tps=[])
    for group in GROUPS:
        client = Reader(life, "rc", **{"group.id": group}).client
        patiently(lambda: committed(life, client, group, life.setting.parts(INPUT), last=True))


ROLES = {"producer": producer, "plain": plain, "loop": lambda life: loop(life, "loops"),
         "loop848": lambda life: loop(life, "loops-848"), "rc": lambda life: reader(life, "rc"), "ru": lambda life: reader(life, "ru")}
ONCE = {"final": final}


def live(setting, role, name):
    life = 0
    while True:
        life += 1
        try:
            ROLES[role](Life(setting, role, name, life))
        except KafkaException as failure:
            print(f"{name}.{life}: {failure}", flush=True)
            time.sleep(0.1)


def guarded(*arguments):
    try:
        live(*arguments)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def main():
    setting = Setting(*sys.argv[1:5])
    for word in sys.argv[5:]:
        role, name = word.split(":")
        if role in ONCE:
            ONCE[role](Life(setting, role, name, 1))
        else:
            threading.Thread(target=guarded, args=(setting, role, name)).start()


if __name__ == "__main__":
    main()
