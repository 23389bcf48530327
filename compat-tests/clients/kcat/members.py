"""kcat -G as members of a group (compat-tests/README.md, "The members of a program"): it joins, delivers and leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

LEFT_WITHIN_S = 20
tell_lock = threading.Lock()
REBALANCED = re.compile(r"% Group \S+ rebalanced \(memberid ([^)]*)\): (assigned|revoked): ?(.*)")
PARTITION = re.compile(r"(\S+) \[(\d+)\]")
SETTINGS = {"assignor": "partition.assignment.strategy", "session_ms": "session.timeout.ms",
            "heartbeat_ms": "heartbeat.interval.ms", "instance": "group.instance.id", "reset": "topic.auto.offset.reset",
            "auto_commit_ms": "auto.commit.interval.ms"}
DEFAULTS = {"assignor": "range", "session_ms": "6000", "heartbeat_ms": "500", "reset": "earliest"}


class Unsupported(Exception):
    pass


def now_us():
    return time.time_ns() // 1000


class Member:
    """One kcat. Its two outputs are read by two threads: assignments from stderr, records from stdout."""

    def __init__(self, bootstrap, name):
        self.bootstrap, self.name, self.process, self.threads = bootstrap, name, None, []
        self.order = threading.Condition()
        self.owned = set()

    def tell(self, line):
        with tell_lock:
            sys.stdout.write(f"@{self.name} {line}\n")
            sys.stdout.flush()

    def obey(self, verb, given):
        if verb == "join":
            self.join(given)
        elif verb == "close":
            self.process.send_signal(signal.SIGINT)
            self.process.wait(LEFT_WITHIN_S)
            for thread in self.threads:
                thread.join()
        else:
            raise Unsupported(f"kcat cannot {verb}")

    def join(self, given):
        group, topics, pattern = given.pop("group"), given.pop("topics", None), given.pop("pattern", None)
        if given.pop("protocol", "classic") != "classic" or given.pop("commit", "no") != "no":
            raise Unsupported("kcat commits by itself only, and has the classic protocol")
        unknown = set(given) - set(SETTINGS)
        if unknown or given.get("assignor") == "sticky" or given.get("reset") == "none":
            raise Unsupported(f"kcat has no {unknown or given}")
        commits = given.get("auto_commit_ms", "0") != "0"
        settings = {SETTINGS[key]: value for key, value in {**DEFAULTS, **given}.items() if value != "0"}
        settings.update({"enable.auto.commit": str(commits).lower(), "fetch.wait.max.ms": "100",
                         "topic.metadata.refresh.interval.ms": "1000", "reconnect.backoff.max.ms": "1000"})
        options = [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
        self.process = subprocess.Popen(
            ["kcat", "-b", self.bootstrap, "-J", "-u", "-E", *options, "-G", group, *([pattern] if pattern else topics.split(","))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.read_records, self.read_moves)]
        for thread in self.threads:
            thread.start()

    def read_moves(self):
        for line in self.process.stderr:
            found = REBALANCED.search(line)
            if not found:
                print(f"{self.name}: {line.rstrip()}", flush=True)
                continue
            member, kind, partitions = found.groups()
            parts = [f"{topic}:{number}" for topic, number in PARTITION.findall(partitions)]
            with self.order:
                if kind == "assigned":
                    self.owned |= set(parts)
                    self.tell(f"assigned t={now_us()} gen=- member={member} parts={','.join(parts)}")
                else:
                    self.owned -= set(parts)
                    self.tell(f"revoked t={now_us()} parts={','.join(parts)}")
                self.order.notify_all()

    def read_records(self):
        for line in self.process.stdout:
            record = json.loads(line)
            part, offset = f"{record['topic']}:{record['partition']}", record["offset"]
            with self.order:
                # The other output may be behind: kcat told of the partition before it printed the record.
                self.order.wait_for(lambda: part in self.owned, 1)
                self.tell(f"records t={now_us()} part={part} first={offset} last={offset}")


def serve(bootstrap):
    members = {}
    for line in sys.stdin:
        name, verb, *words = line.rstrip("\n").split(" ")
        member = members.setdefault(name, Member(bootstrap, name))
        try:
            member.obey(verb, dict(word.split("=", 1) for word in words))
            member.tell("done")
        except Unsupported as reason:
            member.tell(f"unsupported {reason}")
        except (OSError, subprocess.TimeoutExpired) as error:
            member.tell(f"failed - {error}")
    for member in members.values():
        if member.process and member.process.poll() is None:
            member.process.kill()
    sys.stdout.flush()
    os._exit(0)
