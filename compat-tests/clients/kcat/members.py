"""kcat -G as members of a group (compat-tests/README.md, "The members of a program"): it joins, delivers and leaves."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time

LEFT_WITHIN_S = 20
tell_lock = threading.Lock()
# Both forms that kcat prints, of the eager and of the cooperative protocol.
REBALANCED = re.compile(
    r"% Group \S+ rebalanced(?: \(memberid ([^)]*)\): (assigned|revoked): ?|: incremental (assignment|revoke\w*) of [^:]*: ?)(.*)")
PARTITION = re.compile(r"(\S+) \[(\d+)\]")
SETTINGS = {"assignor": "partition.assignment.strategy", "session_ms": "session.timeout.ms",
            "heartbeat_ms": "heartbeat.interval.ms", "instance": "group.instance.id", "reset": "topic.auto.offset.reset",
            "auto_commit_ms": "auto.commit.interval.ms"}
DEFAULTS = {"assignor": "range", "session_ms": "6000", "heartbeat_ms": "500", "reset": "earliest"}


class Unsupported(Exception):
    pass


def now_us():
    return time.time_ns() // 1000


class Failed(Exception):
    pass


class Actor:
    """One name of the harness."""

    def __init__(self, bootstrap, name):
        self.bootstrap, self.name = bootstrap, name

    def tell(self, line):
        with tell_lock:
            sys.stdout.write(f"@{self.name} {line}\n")
            sys.stdout.flush()

    def obey(self, verb, given):
        try:
            self.perform(verb, given)
            self.tell("done")
        except Unsupported as reason:
            self.tell(f"unsupported {reason}")
        except (Failed, OSError, subprocess.TimeoutExpired) as failure:
            self.tell(f"failed - {' '.join(str(failure).split())}")


class Member(Actor):
    """One kcat. Assignments come from its stderr, records from its stdout: one thread brings them into order."""

    def __init__(self, bootstrap, name):
        super().__init__(bootstrap, name)
        self.process, self.reader = None, None
        self.owned, self.early = set(), []

    def perform(self, verb, given):
        if verb == "join":
            self.join(given)
        elif verb == "close":
            self.process.send_signal(signal.SIGINT)
            self.process.wait(LEFT_WITHIN_S)
            self.reader.join()
        else:
            raise Unsupported(f"kcat cannot {verb}")

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()

    def join(self, given):
        group, topics, pattern = given.pop("group"), given.pop("topics", None), given.pop("pattern", None)
        # kcat commits nothing when it is told to: commit=each is left out.
        given.pop("commit", None)
        if given.pop("protocol", "classic") != "classic":
            raise Unsupported("this librdkafka has the classic protocol only")
        unknown = set(given) - set(SETTINGS)
        if unknown or given.get("assignor") == "sticky" or given.get("reset") == "none":
            raise Unsupported(f"kcat has no {unknown or given}")
        commits = given.get("auto_commit_ms", "0") != "0"
        settings = {SETTINGS[key]: value for key, value in {**DEFAULTS, **given}.items() if value != "0"}
        settings.update({"enable.auto.commit": str(commits).lower(), "topic.auto.commit.enable": str(commits).lower(), "fetch.wait.max.ms": "100",
                         "topic.metadata.refresh.interval.ms": "1000", "reconnect.backoff.max.ms": "1000"})
        options = [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
        self.process = subprocess.Popen(
            ["kcat", "-b", self.bootstrap, "-J", "-u", "-E", *options, "-G", group, *([pattern] if pattern else topics.split(","))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        lines = {self.process.stdout: Lines(self.process.stdout), self.process.stderr: Lines(self.process.stderr)}
        records, moves = lines.values()
        while not (records.ended and moves.ended):
            select.select([pipe for pipe in lines if not lines[pipe].ended], [], [])
            for line in moves.take():
                self.move(line, records)
            self.deliver(records.take())

    def move(self, line, records):
        found = REBALANCED.search(line)
        if not found:
            with tell_lock:
                print(f"{self.name}: {line}", flush=True)
            return
        member, eager, incremental, partitions = found.groups()
        parts = [f"{topic}:{number}" for topic, number in PARTITION.findall(partitions)]
        if (eager or incremental).startswith("assign"):
            self.owned |= set(parts)
            self.tell(f"assigned t={now_us()} gen=- member={member or '-'} parts={','.join(parts)}")
            early, self.early = self.early, []
            self.deliver(early)
        else:
            # What was printed before this is in the pipe by now.
            self.deliver(records.take())
            self.owned -= set(parts)
            self.tell(f"revoked t={now_us()} parts={','.join(parts)}")

    def deliver(self, lines):
        for line in lines:
            record = json.loads(line)
            part, offset = f"{record['topic']}:{record['partition']}", record["offset"]
            if part in self.owned:
                self.tell(f"records t={now_us()} part={part} first={offset} last={offset}")
            else:
                self.early.append(line)


class Lines:
    """The whole lines that a pipe holds now."""

    def __init__(self, pipe):
        self.pipe, self.rest, self.ended = pipe, b"", False
        os.set_blocking(pipe.fileno(), False)

    def take(self):
        while not self.ended:
            try:
                read = os.read(self.pipe.fileno(), 1 << 16)
            except BlockingIOError:
                break
            self.rest += read
            self.ended = not read
        *whole, self.rest = self.rest.split(b"\n")
        return [line.decode(errors="replace") for line in whole]
