"""Programs that are members of consumer groups (README.md, "The members of a program"), and the history of what they tell."""

import os
import signal
import subprocess
import threading
import time

from . import clients, history

ANSWER_TIMEOUT_S = 75
ANSWERS = ("done", "failed", "unsupported")


class Unsupported(Exception):
    """The client cannot do it."""


class Refused(Exception):
    """The answer `failed`: with Kafka's error code, or None for an error of the client."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


class Ended(Exception):
    """A program ended, or never answered."""


class Finding(AssertionError):
    """What was stored, delivered or committed is wrong. A scenario with one is never played again."""


def same(expected, found, what):
    if expected != found:
        raise Finding(f"{what}: expected {expected}, found {found}")


def now_us():
    return time.time_ns() // 1000


class Process:
    """One program; its members share its fate."""

    def __init__(self, crew, name, client):
        self.crew, self.name, self.client = crew, name, client
        self.members = {}
        scratch = crew.scratch / name
        scratch.mkdir(parents=True)
        env = clients.environment(client.out, crew.cache, client.folder, crew.fast)
        with open(scratch / "stderr", "wb") as stderr:
            self.popen = subprocess.Popen(
                [*client.command, crew.target.bootstrap, "members", crew.suffix],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=scratch,
                env={**env, **client.env}, text=True, encoding="utf-8", errors="replace", start_new_session=True)
        self.told = open(scratch / "stdout", "w", encoding="utf-8")
        self.stopped = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.popen.stdout:
            self.told.write(line)
            self.told.flush()
            if not line.startswith("@"):
                continue
            name, kind, *words = line[1:].rstrip("\n").split(" ")
            with self.crew.changed:
                try:
                    self.take(self.members[name], kind, words)
                except (KeyError, history.Malformed) as error:
                    self.crew.broken = self.crew.broken or f"{self.client.name}: {error!r} in {line.strip()!r}"
                self.crew.changed.notify_all()
        with self.crew.changed:
            self.crew.changed.notify_all()

    def take(self, member, kind, words):
        if kind in ANSWERS:
            member.answer = (kind, words)
        else:
            member.take(history.parse_event(member.name, kind, [word for word in words if word]))

    def send(self, line):
        try:
            self.popen.stdin.write(line + "\n")
            self.popen.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise Ended(self.last_words()) from None

    def signal(self, how):
        # A program may have children.
        os.killpg(self.popen.pid, how)

    def kill(self):
        if self.popen.poll() is None:
            self.signal(signal.SIGKILL)
            self.popen.wait()
        self.reader.join(5)
        self.crew.note("killed", self.members.values())

    def stop(self):
        self.signal(signal.SIGSTOP)
        self.stopped = True
        self.crew.note("stopped", self.members.values())

    def go_on(self):
        self.stopped = False
        self.signal(signal.SIGCONT)

    def end(self):
        """After the last event that counts: ends without leaving groups."""
        if self.popen.poll() is None:
            if self.stopped:
                self.go_on()
            try:
                self.popen.stdin.close()
                self.popen.wait(1)
            except (OSError, subprocess.TimeoutExpired):
                self.signal(signal.SIGKILL)
                self.popen.wait()
        self.reader.join(5)
        self.told.close()

    def last_words(self):
        lines = []
        for name in ("stdout", "stderr"):
            text = (self.crew.scratch / self.name / name).read_text(errors="replace")
            lines += [line for line in text.splitlines() if line.strip() and not line.startswith("@")]
        code = self.popen.poll()
        state = "does not answer" if code is None else f"ended with {code}"
        return f"{self.client.name} {state}: {lines[-1].strip()[:300] if lines else 'it said nothing'}"


class Member:
    """One consumer of a program, or its admin client; knows what it has by its events."""

    def __init__(self, name, process):
        self.name, self.process, self.crew = name, process, process.crew
        self.answer = None
        self.partitions = set()
        self.delivered = {}  # partition to next offset
        self.errors = []
        self.events = []

    def take(self, event):
        self.events.append(event)
        self.crew.events.append(event)
        if event.kind == "assigned":
            self.partitions |= set(event.partitions)
        elif event.kind in ("revoked", "lost"):
            self.partitions -= set(event.partitions)
        elif event.kind == "killed":
            self.partitions = set()
        elif event.kind == "error":
            self.errors.append(event)
        elif event.kind == "records":
            self.delivered[event.partitions[0]] = event.last + 1

    def call(self, verb, **options):
        """One command; its answer as a dictionary."""
        words = [f"{key}={value}" for key, value in options.items() if value is not None]
        self.ask(verb, words)
        return self.wait(verb)

    def ask(self, verb, words=()):
        with self.crew.changed:
            self.answer = None
        self.process.send(" ".join([self.name, verb, *words]))

    def wait(self, verb):
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        with self.crew.changed:
            while self.answer is None:
                self.crew.check()
                left = deadline - time.monotonic()
                if left <= 0 or not self.process.reader.is_alive():
                    raise Ended(f"{self.name} {verb}: {self.process.last_words()}")
                self.crew.changed.wait(min(left, 1))
            kind, words = self.answer
        if kind == "unsupported":
            raise Unsupported(" ".join(words))
        if kind == "failed":
            code = words[0] if words else "-"
            raise Refused(int(code) if code.lstrip("-").isdigit() else None, f"{self.name} {verb}: {' '.join(words[1:])}")
        return history.parse_options(words)


class Crew:
    """All programs and members of one run."""

    def __init__(self, target, suffix, scratch, cache, fast):
        self.target, self.suffix, self.scratch, self.cache, self.fast = target, suffix, scratch, cache, fast
        self.processes, self.members, self.events = {}, {}, []
        self.changed = threading.Condition()
        self.broken = None

    def member(self, name, client, process):
        if process not in self.processes:
            self.processes[process] = Process(self, process, client)
        member = Member(name, self.processes[process])
        self.members[name] = self.processes[process].members[name] = member
        return member

    def note(self, kind, members, partitions=()):
        """A deed of the harness, in the history of each of these members."""
        with self.changed:
            for member in members:
                member.take(history.Event(member.name, kind, now_us(), partitions=list(partitions)))
            self.changed.notify_all()

    def check(self):
        if self.broken:
            raise Ended(self.broken)

    def await_that(self, what, condition, seconds):
        """Waits until the condition holds, looked at after each event; fails with `what`."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not condition():
                self.check()
                left = deadline - time.monotonic()
                if left <= 0:
                    state = ", ".join(f"{m.name} has {sorted(m.partitions)}" for m in self.members.values())
                    errors = [f"{m.name}: {m.errors[-1].code} {m.errors[-1].text}" for m in self.members.values() if m.errors]
                    raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what} ({state}) {errors}")
                self.changed.wait(min(left, 0.5))

    def end(self):
        for process in self.processes.values():
            process.end()


def outcome(client, scenario, scene, play):
    """Plays a scenario on its scene, and says what came of it."""
    began = time.monotonic()
    verdict, reason, found = "PASS", "", False
    try:
        play(scene)
    except Unsupported as told:
        verdict, reason = "SKIP", str(told)
    except (AssertionError, Refused, Ended, RuntimeError, OSError) as failure:
        verdict, reason, found = "FAIL", f"{failure}"[:600], isinstance(failure, Finding)
    finally:
        scene.crew.end()
    return clients.Outcome(client.name, scenario, verdict, reason, time.monotonic() - began, may_repeat=not found)
