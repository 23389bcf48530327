"""kcat as a transactional producer, and as a follower (compat-tests/README.md, "The members of a program").

One kcat process is one transaction: it begins when kcat starts, its records come on stdin, the end of stdin commits it and SIGINT aborts it.
Records go to the partition that their key's CRC leads to. kcat tells only at the end what was acknowledged: what another kcat reads back was."""

import itertools
import json
import signal
import subprocess
import threading
import time
import zlib

from members import Actor, Failed, Unsupported, now_us

SENT_WITHIN_S = 15
ENDED_WITHIN_S = 30
BLOCK_BYTES = 4096


def kcat(bootstrap, *args, **pipes):
    return subprocess.Popen(["kcat", "-b", bootstrap, "-X", "reconnect.backoff.max.ms=1000", *args], **pipes)


class Transactor(Actor):
    """A producer or a follower."""

    def __init__(self, bootstrap, name):
        super().__init__(bootstrap, name)
        self.producer, self.followed = None, None

    def perform(self, verb, given):
        if verb == "txn-open":
            if self.producer:
                self.producer.drop()
            self.producer = Producer(self.bootstrap, given["id"], given.get("timeout_ms", "60000"))
        elif verb == "txn-send":
            first, count = int(given["first"]), int(given["count"])
            self.producer.send(*given["part"].split(":"), [str(number) for number in range(first, first + count)])
        elif verb in ("txn-begin", "txn-commit", "txn-abort", "txn-close"):
            getattr(self.producer, verb.removeprefix("txn-"))()
        elif verb == "txn-follow":
            self.followed = kcat(self.bootstrap, "-C", "-t", given["topic"], "-o", "beginning", "-u", "-q", "-E", "-J", "-X",
                                 "fetch.wait.max.ms=100", "-X", f"isolation.level=read_{given.get('isolation', 'committed')}",
                                 stdout=subprocess.PIPE)
            threading.Thread(target=self.follow, daemon=True).start()
        else:
            raise Unsupported(f"kcat has no {verb}")

    def end(self):
        if self.followed:
            self.followed.kill()
        if self.producer:
            self.producer.drop()

    def follow(self):
        for record in map(json.loads, self.followed.stdout):
            where = f"part={record['topic']}:{record['partition']}"
            self.tell(f"values t={now_us()} {where} values={record['offset']}={record['payload']}")


class Producer:
    def __init__(self, bootstrap, id, timeout_ms):
        self.bootstrap, self.id, self.timeout_ms = bootstrap, id, timeout_ms
        # kcat wants its topic when it starts; the id begins with its name.
        self.topic = id.rpartition("-")[0]
        self.partitions = len(self.metadata())
        self.seen, self.changed = set(), threading.Condition()
        self.reader = kcat(bootstrap, "-C", "-t", self.topic, "-o", "beginning", "-u", "-q", "-E", "-f", "%s\\n", "-X",
                           "isolation.level=read_uncommitted", "-X", "fetch.wait.max.ms=100", stdout=subprocess.PIPE)
        threading.Thread(target=self.read, daemon=True).start()
        self.process = None
        self.start()

    def metadata(self):
        listed = subprocess.run(["kcat", "-b", self.bootstrap, "-L", "-J", "-t", self.topic], capture_output=True, check=True)
        return json.loads(listed.stdout)["topics"][0]["partitions"]

    def start(self):
        self.process = kcat(self.bootstrap, "-P", "-t", self.topic, "-K", ":", "-X", f"transactional.id={self.id}",
                            "-X", f"transaction.timeout.ms={self.timeout_ms}", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.told = []
        self.listener = threading.Thread(target=self.listen, args=(self.process, self.told), daemon=True)
        self.listener.start()

    @staticmethod
    def listen(process, told):
        for line in process.stderr:
            told.append(line.decode(errors="replace").strip())

    def read(self):
        for line in self.reader.stdout:
            with self.changed:
                self.seen.add(line.decode().strip())
                self.changed.notify_all()

    def begin(self):
        if self.process.poll() is not None:
            self.start()

    def send(self, topic, partition, values):
        if topic != self.topic:
            raise Unsupported("kcat sends to one topic")
        numbers = itertools.count()
        key = next(key for key in map(str, numbers) if zlib.crc32(key.encode()) % self.partitions == int(partition))
        lines = "".join(f"{key}:{value}\n" for value in values).encode()
        # It reads whole blocks, and skips empty lines.
        lines += b"\n" * (-len(lines) % BLOCK_BYTES)
        self.write(lines)
        deadline = time.monotonic() + SENT_WITHIN_S
        while not self.wait_for(values):
            if time.monotonic() > deadline:
                raise Failed(self.last_words())
            if self.process.poll() is not None:
                self.begin_again(lines)

    def write(self, lines):
        try:
            self.process.stdin.write(lines)
            self.process.stdin.flush()
        except BrokenPipeError:
            # Whoever waits for the records finds kcat gone.
            pass

    def wait_for(self, values):
        with self.changed:
            return self.changed.wait_for(lambda: self.seen.issuperset(values), 0.1)

    def begin_again(self, lines):
        """kcat ends when the coordinator is not there yet, before it has begun."""
        self.listener.join()
        if not any("init_transactions()" in line for line in self.told):
            raise Failed(self.last_words())
        self.start()
        self.write(lines)

    def commit(self):
        self.process.stdin.close()
        self.end()

    def abort(self):
        # It looks at the signal when it has read something, if only the end.
        self.process.send_signal(signal.SIGINT)
        self.process.stdin.close()
        self.end(aborted=True)

    def end(self, aborted=False):
        try:
            code = self.process.wait(ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise Failed(self.last_words()) from None
        self.listener.join()
        # Told to abort it ends as after any signal.
        if code != 0 and not aborted:
            raise Failed(self.last_words())

    def last_words(self):
        return f"exit {self.process.poll()}: {self.told[-1] if self.told else 'it said nothing'}"

    def close(self):
        self.drop()

    def drop(self):
        self.process.kill()
        self.reader.kill()
