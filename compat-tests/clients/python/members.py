"""Members of consumer groups that obey lines on stdin (compat-tests/README.md, "The members of a program").

An adapter module `groups_<name>` has

    Consumer(told, bootstrap, options)      subscribes; `told` has assigned(parts, gen, member), revoked(parts), lost(parts),
                                            and deliver([(topic, partition, offset)])
        poll(seconds)                       Fault, or delivers what there is
        commit(offsets)                     {(topic, partition): (offset, metadata)}; Fault when refused
        commit_async(offsets) -> done()     true once it went through, or Fault; served by poll
        committed(parts) -> offsets         metadata None where the client does not tell
        seek(part, offset)                  an int, "beginning" or "end"
        pause(parts), resume(parts), close()
    Admin(bootstrap)
        groups() -> [(id, state, type)]; describe(group) -> dict; offsets(group) -> offsets
        alter(group, offsets), delete_offsets(group, parts), delete_group(group)

A part is (topic, partition). What a client does not have raises Unsupported.
"""

import dataclasses
import importlib
import os
import queue
import sys
import threading
import time
import traceback

from base import FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID, Fault, Unsupported

POLL_S = 0.05
SAME_ERROR_AGAIN_S = 1
tell_lock = threading.Lock()


@dataclasses.dataclass
class Options:
    group: str
    topics: list = None
    pattern: str = None
    protocol: str = "classic"
    assignor: str = None
    session_ms: int = 6000
    heartbeat_ms: int = 500
    instance: str = None
    reset: str = "earliest"
    auto_commit_ms: int = 0
    commit: str = "no"

    @classmethod
    def of(cls, given):
        unknown = set(given) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise Unsupported(f"no option {unknown}")
        made = cls(**given)
        made.topics = made.topics.split(",") if made.topics else None
        for name in ("session_ms", "heartbeat_ms", "auto_commit_ms"):
            setattr(made, name, int(getattr(made, name)))
        if made.assignor is None and made.protocol == "classic":
            made.assignor = "range"
        return made


def now_us():
    return time.time_ns() // 1000


def part_of(text):
    topic, number = text.rsplit(":", 1)
    return topic, int(number)


def parts_of(text):
    return [part_of(item) for item in text.split(",") if item]


def names(parts):
    return ",".join(f"{topic}:{number}" for topic, number in parts)


def offsets_of(text):
    found = {}
    for item in text.split(","):
        topic, number, offset, *metadata = item.split(":", 3)
        found[topic, int(number)] = (int(offset), metadata[0] if metadata else "")
    return found


def offsets_text(offsets):
    items = []
    for (topic, number), (offset, metadata) in offsets.items():
        text = "-" if metadata is None else metadata
        items.append(f"{topic}:{number}:{offset}" + (f":{text}" if text else ""))
    return ",".join(items)


class Actor(threading.Thread):
    """One name of the harness, in a thread of its own: does what it is told, and between two commands, if it is `busy`, a `step`."""

    def __init__(self, bootstrap, name):
        super().__init__(daemon=True)
        self.bootstrap, self.member = bootstrap, name
        self.commands = queue.Queue()

    def tell(self, line):
        with tell_lock:
            sys.stdout.write(f"@{self.member} {line}\n")
            sys.stdout.flush()

    def run(self):
        try:
            while True:
                if self.busy() and self.commands.empty():
                    self.step()
                else:
                    self.answer(*self.commands.get())
        except BaseException as error:
            traceback.print_exc()
            print(f"{self.member}: {error!r}", flush=True)
            os._exit(1)

    def answer(self, verb, given):
        try:
            done = self.obey(verb, given)
            self.tell(f"done {done or ''}".strip())
        except Unsupported as reason:
            self.tell(f"unsupported {reason}")
        except Fault as fault:
            self.tell(f"failed {fault.code or '-'} {one_line(fault)}")
        except Exception as error:
            traceback.print_exc()
            self.tell(f"failed - {one_line(error)}")


class Member(Actor):
    """One consumer, which polls all the time."""

    def __init__(self, adapter, bootstrap, name):
        super().__init__(bootstrap, name)
        self.adapter = adapter
        self.consumer, self.admin = None, None
        self.owned, self.delivered = set(), {}
        self.commits_each, self.gave_up, self.fresh = False, False, False
        self.last_error = (None, 0)
        self.start()

    def busy(self):
        return self.consumer is not None and not self.gave_up

    def obey(self, verb, given):
        if verb == "join":
            options = Options.of(given)
            self.commits_each, self.gave_up = options.commit == "each", False
            self.consumer = self.adapter.Consumer(self, self.bootstrap, options)
        elif verb == "commit":
            self.commit(given.get("mode", "sync"), offsets_of(given["offsets"]) if "offsets" in given else dict(self.delivered))
        elif verb == "committed":
            return "offsets=" + offsets_text(self.consumer.committed(parts_of(given["parts"])))
        elif verb == "seek":
            part, _, offset = given["offset"].rpartition(":")
            self.consumer.seek(part_of(part), offset if offset in ("beginning", "end") else int(offset))
        elif verb in ("pause", "resume"):
            getattr(self.consumer, verb)(parts_of(given["parts"]))
        elif verb == "close":
            if not self.consumer.tells_of_close:
                self.revoked(self.owned)
            self.consumer.close()
            # aiokafka goes on with a rebalance meanwhile.
            self.revoked(self.owned)
            self.consumer = None
        else:
            return self.administer(verb, given)
        return None

    def administer(self, verb, given):
        self.admin = self.admin or self.adapter.Admin(self.bootstrap)
        group = given.get("group")
        if verb == "groups":
            return "groups=" + ",".join(":".join(word.lower() if i else word for i, word in enumerate(entry))
                                        for entry in self.admin.groups())
        if verb == "describe":
            told = self.admin.describe(group)
            return " ".join(f"{name}={value}" for name, value in told.items())
        if verb == "offsets":
            return "offsets=" + offsets_text(self.admin.offsets(group))
        if verb == "alter":
            return self.admin.alter(group, offsets_of(given["offsets"]))
        if verb == "delete-offsets":
            return self.admin.delete_offsets(group, parts_of(given["parts"]))
        if verb == "delete-group":
            return self.admin.delete_group(group)
        raise Unsupported(f"no verb {verb}")

    def commit(self, mode, offsets):
        begun = now_us()
        if mode == "sync":
            self.consumer.commit(offsets)
        else:
            done = self.consumer.commit_async(offsets)
            while not done():
                self.step()
        self.tell(f"committed s={begun} t={now_us()} offsets={offsets_text(offsets)}")

    def step(self):
        try:
            self.fresh = False
            self.consumer.poll(POLL_S)
            if self.commits_each and self.fresh and self.delivered:
                self.commit("sync", dict(self.delivered))
        except Fault as fault:
            self.error(fault)

    def deliver(self, records):
        for topic, partition, first, last in runs(records):
            self.tell(f"records t={now_us()} part={topic}:{partition} first={first} last={last}")
            self.delivered[topic, partition] = (last + 1, "")
            self.fresh = True

    def error(self, fault):
        self.gave_up = fault.code in (FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID) or fault.last
        text, told = self.last_error
        if text != str(fault) or time.monotonic() > told + SAME_ERROR_AGAIN_S:
            self.tell(f"error t={now_us()} code={fault.code or '-'} text={one_line(fault).replace(' ', '_')}")
            self.last_error = (str(fault), time.monotonic())

    def assigned(self, parts, generation=None, member=None):
        """Clients of the eager protocol tell all, others what is new."""
        new = [part for part in parts if part not in self.owned]
        self.owned |= set(new)
        generation = "-" if generation is None else generation
        self.tell(f"assigned t={now_us()} gen={generation} member={member or '-'} parts={names(new)}")

    def revoked(self, parts, event="revoked"):
        gone = [part for part in parts if part in self.owned]
        self.owned -= set(gone)
        for part in gone:
            self.delivered.pop(part, None)
        if gone:
            self.tell(f"{event} t={now_us()} parts={names(gone)}")

    def lost(self, parts):
        self.revoked(parts, "lost")


def runs(records):
    """Successive offsets of a partition as (topic, partition, first, last)."""
    found = []
    for topic, partition, offset in records:
        if found and found[-1][:2] == [topic, partition] and found[-1][3] == offset - 1:
            found[-1][3] = offset
        else:
            found.append([topic, partition, offset, offset])
    return found


def one_line(error):
    return " ".join(f"{type(error).__name__} {error}".split())[:300]


def serve(adapter, bootstrap):
    module, members = importlib.import_module(f"groups_{adapter}"), {}
    for line in sys.stdin:
        name, verb, *words = line.rstrip("\n").split(" ")
        if name not in members and verb.startswith("txn-"):
            members[name] = importlib.import_module("transactions").Transactor(adapter, bootstrap, name)
        elif name not in members:
            members[name] = Member(module, bootstrap, name)
        members[name].commands.put((verb, dict(word.split("=", 1) for word in words)))
