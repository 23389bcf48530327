"""Client folders: their manifests, how they are built, and one run of one program."""

import hashlib
import os
import re
import signal
import subprocess
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from . import scenarios, wire

PREPARE_TIMEOUT_S = 1500
NOT_SOURCE = {"node_modules", "target", "__pycache__", ".cache"}
EXIT_SKIP = 77
OUTPUT_LINES_MAX = 2000


@dataclass
class Client:
    name: str
    version: str
    language: str
    command: list
    folder: Path
    out: Path
    scenarios: list
    env: dict = field(default_factory=dict)
    gaps: dict = field(default_factory=dict)
    keeps_positions: bool = False
    families: dict = field(default_factory=dict)  # scenario to the clients that play it together


@dataclass
class Folder:
    path: Path
    out: Path
    prepare: list
    clients: list


@dataclass
class Outcome:
    client: str
    scenario: str
    verdict: str  # PASS, FAIL or SKIP
    reason: str = ""
    seconds: float = 0.0
    may_repeat: bool = False  # a slow machine may be the reason
    output: list = field(default_factory=list)


def load(root, cache):
    folders = []
    for manifest in sorted(Path(root).glob("*/clients.toml")):
        text = tomllib.loads(manifest.read_text())
        here, out = manifest.parent, Path(cache) / manifest.parent.name
        places = {"out": str(out), "cache": str(cache), "here": str(here)}
        fill = lambda word: re.sub(r"\{(out|cache|here)\}", lambda found: places[found[1]], word)
        clients = [
            Client(
                name=entry["name"], version=entry["version"], language=entry["language"],
                command=[fill(word) for word in entry["command"]],
                folder=here, out=out,
                scenarios=entry.get("scenarios", scenarios.COMMON),
                env={key: fill(value) for key, value in entry.get("env", {}).items()},
                gaps=entry.get("gaps", {}), families=entry.get("families", {}),
                keeps_positions=entry.get("keeps_positions", False))
            for entry in text["client"]
        ]
        folders.append(Folder(here, out, text.get("prepare", []), clients))
    return folders


def environment(out, cache, here, fast):
    env = dict(os.environ, OUT=str(out), CACHE=str(cache), HERE=str(here))
    env.pop("COMPAT_FAST", None)
    if fast:
        env["COMPAT_FAST"] = "1"
    return env


def fingerprint(folder):
    """Changes with every source file of the folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.path.rglob("*")):
        if path.is_file() and not NOT_SOURCE & set(path.relative_to(folder.path).parts):
            digest.update(str(path.relative_to(folder.path)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def prepare(folder, cache):
    """Builds a folder's clients if its sources changed. Returns None, or why it failed."""
    folder.out.mkdir(parents=True, exist_ok=True)
    stamp, now = folder.out / ".prepared", fingerprint(folder)
    if not folder.prepare or (stamp.exists() and stamp.read_text() == now):
        return None
    stamp.unlink(missing_ok=True)
    log = folder.out / "prepare.log"
    with open(log, "wb") as sink:
        try:
            code = subprocess.run(
                folder.prepare, cwd=folder.path, env=environment(folder.out, cache, folder.path, False),
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, timeout=PREPARE_TIMEOUT_S).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"prepare: {error}"
    if code != 0:
        tail = " | ".join(log.read_text(errors="replace").splitlines()[-8:])
        return f"prepare exited with {code}: {tail}"
    stamp.write_text(now)
    return None


class Run:
    """One process: one client, one scenario."""

    def __init__(self, client, scenario, target, suffix, scratch, cache, fast):
        self.client, self.scenario, self.target, self.suffix = client, scenario, target, suffix
        self.scratch, self.cache, self.fast = Path(scratch), cache, fast
        self.output = []
        self.service_error = None

    def go(self):
        self.scratch.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with open(self.scratch / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                [*self.client.command, self.target.bootstrap, self.scenario, self.suffix],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=self.scratch,
                env=self.environment(),
                text=True, errors="replace", start_new_session=True)
        timed_out = threading.Event()
        timer = threading.Timer(scenarios.time_limit_s(self.scenario), self.time_out, [timed_out])
        timer.start()
        for line in self.process.stdout:
            self.serve(line.rstrip("\n"))
        code = self.process.wait()
        timer.cancel()
        self.process.stdin.close()
        verdict, reason = self.judge(code, timed_out.is_set())
        may_repeat = timed_out.is_set() or scenarios.of_transcripts(self.scenario)
        return Outcome(self.client.name, self.scenario, verdict, reason, time.monotonic() - began, may_repeat, self.output)

    def environment(self):
        env = environment(self.client.out, self.cache, self.client.folder, self.fast)
        return {**env, "BROKER_DATA": str(self.target.data), **self.client.env}

    def time_out(self, timed_out):
        timed_out.set()
        os.killpg(self.process.pid, signal.SIGKILL)

    def serve(self, line):
        """Answers a request of the program (README.md, "Services of the harness")."""
        words = line.split()
        try:
            if words[:1] == ["CREATE"] and len(words) >= 3:
                configs = dict(word.split("=", 1) for word in words[3:])
                reason = wire.create_topic(self.target.port, words[1], int(words[2]), configs)
                self.reply("CREATED" if reason is None else f"FAILED {reason}")
            elif words in (["RESTART"], ["RESTART", "term"]):
                self.target.restart(gracefully=words[-1] == "term")
                self.reply("RESTARTED")
            elif len(self.output) < OUTPUT_LINES_MAX:
                self.output.append(line)
        except Exception as error:
            self.service_error = f"{line.strip()}: {error}"
            self.process.kill()

    def reply(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def judge(self, code, timed_out):
        if self.service_error:
            return "FAIL", self.service_error
        if timed_out:
            return "FAIL", f"no end within {scenarios.time_limit_s(self.scenario)} s: {self.last_words()}"
        if code == EXIT_SKIP:
            return "SKIP", self.last_words()
        if code != 0:
            return "FAIL", f"exit {code}: {self.last_words()}"
        return self.check_codec()

    def check_codec(self):
        wanted = scenarios.codec(self.scenario)
        if wanted is None:
            return "PASS", ""
        try:
            found = wire.batch_codecs(self.target.port, f"{self.scenario}-{self.suffix}")
        except Exception as error:
            return "FAIL", f"raw read of the topic: {error!r}"
        # librdkafka leaves a batch alone that compression does not make smaller.
        if wanted not in found or not set(found) <= {wanted, "none"}:
            return "FAIL", f"{len(found)} stored batches have codecs {sorted(set(found))}"
        return "PASS", ""

    def last_words(self):
        lines = [line for line in self.output if line.strip()]
        if not lines:
            text = (self.scratch / "stderr").read_text(errors="replace")
            lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1].strip()[:400] if lines else "it said nothing"
