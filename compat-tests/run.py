#!/usr/bin/env python3
"""Runs the scenarios of every client against a broker. README.md has the contract of the clients."""

import argparse
import fnmatch
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import tomllib
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import clients, groups, history_test, report, scenarios, streams, target, transactions, transactions_test

# More late scenarios than these are a fault of the broker, or of the machine.
REPEATED_MAX = 3

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    env = os.environ
    parser.add_argument("--target", choices=["barnabas", "kafka"], default=env.get("TARGET", "barnabas"))
    parser.add_argument("--binary", default=env.get("BARNABAS_BIN", ROOT / "target" / "release" / "barnabas"))
    parser.add_argument("--cache", default=env.get("BARNABAS_CACHE", HERE / ".cache"))
    parser.add_argument("--client", default="*", help="names or patterns, comma separated")
    parser.add_argument("--scenario", default="*", help="names or patterns, comma separated")
    parser.add_argument("--fast", action="store_true", help="smaller counts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() + 1, help="programs at a time, and half the group scenarios")
    parser.add_argument("--keep", action="store_true", help="keep data folders and outputs")
    parser.add_argument("--prepare", action="store_true", help="only build the clients")
    parser.add_argument("--self-test", action="store_true", help="only prove the history check")
    parser.add_argument("--list", action="store_true", help="only list clients and scenarios")
    parser.add_argument("--write-docs", action="store_true", help="write docs/compatibility.md (needs a whole run)")
    args = parser.parse_args()
    if args.write_docs and (args.client, args.scenario, args.target) != ("*", "*", "barnabas"):
        parser.error("--write-docs describes barnabas with all clients and scenarios")
    return args


def chosen(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern.strip()) for pattern in patterns.split(","))


def select(folders, args):
    """The folders and (client, scenario) pairs that the options ask for."""
    pairs = [
        (client, scenario)
        for folder in folders for client in folder.clients if chosen(client.name, args.client)
        for scenario in client.scenarios if chosen(scenario, args.scenario)
    ]
    wanted = {name for client, scenario in pairs for name in [client.name, *client.families.get(scenario, [])]}
    return [f for f in folders if any(c.name in wanted for c in f.clients)], pairs


def prepare_all(folders, cache):
    """Two builds at a time. Returns the reason by client for those that cannot run."""
    def one(folder):
        began = time.monotonic()
        reason = clients.prepare(folder, cache)
        seconds = time.monotonic() - began
        if reason or seconds > 1:
            print(f"prepared {folder.path.name} in {seconds:.0f} s" + (f": {reason}" if reason else ""), flush=True)
        return reason
    with ThreadPoolExecutor(2) as pool:
        reasons = list(pool.map(one, folders))
    return {c.name: reason for folder, reason in zip(folders, reasons) if reason for c in folder.clients}


class Session:
    """One pass over all pairs: a shared broker, and one of its own for each program that restarts it."""

    def __init__(self, args, folders, factory, scratch, broken):
        self.args, self.factory, self.scratch, self.broken = args, factory, scratch, broken
        self.by_name = {client.name: client for folder in folders for client in folder.clients}
        self.shared = None
        self.log_failures = []
        self.print_lock = threading.Lock()

    def run(self, pairs):
        if any(not scenarios.restarts(scenario) for _, scenario in pairs):
            self.shared = self.factory.make()
        outcomes = self.side_by_side([pair for pair in pairs if not scenarios.played(pair[1])], self.args.jobs)
        # These wait most of the time, for sessions to end and members to come.
        outcomes += self.side_by_side([pair for pair in pairs if scenarios.played(pair[1])], 2 * self.args.jobs)
        outcomes = self.repeat(outcomes)
        if self.shared:
            outcomes += self.finish(self.shared, {scenario for _, scenario in pairs})
        return outcomes

    def repeat(self, outcomes):
        """Plays again, one at a time, what failed for want of time perhaps: decisions.md, "A second try"."""
        late = [outcome for outcome in outcomes if outcome.verdict == "FAIL" and outcome.may_repeat]
        if len(late) > REPEATED_MAX:
            return outcomes
        for first in late:
            second = self.one(self.by_name[first.client], first.scenario)
            if second.verdict == "PASS":
                print(f"FLAKY  {first.client}  {first.scenario}  {first.reason}", flush=True)
                outcomes[outcomes.index(first)] = second
        return outcomes

    def side_by_side(self, pairs, jobs):
        # Long ones first, so that none is left over alone at the end.
        ordered = sorted(pairs, key=lambda pair: not scenarios.long(pair[1]))
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda pair: self.one(*pair), ordered))

    def one(self, client, scenario):
        gap = next((why for names, why in client.gaps.items() if fnmatch.fnmatchcase(scenario, names)), None)
        play = [self.by_name[name] for name in client.families.get(scenario, [client.name])]
        broken = next((self.broken[one.name] for one in play if one.name in self.broken), None)
        if gap:
            outcome = clients.Outcome(client.name, scenario, "SKIP", gap)
        elif broken:
            outcome = clients.Outcome(client.name, scenario, "FAIL", broken)
        else:
            outcome = self.execute(client, play, scenario)
        with self.print_lock:
            print(f"{outcome.verdict}  {client.name}  {scenario}  {outcome.seconds:.1f} s  {outcome.reason}", flush=True)
        return outcome

    def execute(self, client, play, scenario):
        suffix = uuid.uuid4().hex[:8]
        scratch = self.scratch / f"{client.name}-{scenario}-{suffix}"
        try:
            if not scenarios.restarts(scenario) and self.shared.process.poll() is not None:
                raise RuntimeError("the broker has died")
            own = self.factory.make() if scenarios.restarts(scenario) else None
            where = (own or self.shared, suffix, scratch, self.args.cache, self.args.fast)
            if scenarios.of_transactions(scenario):
                outcome = transactions.outcome(client, scenario, *where)
            elif scenarios.of_streams(scenario):
                outcome = streams.outcome(client, scenario, *where)
            elif scenarios.played(scenario):
                outcome = groups.outcome(client, play, scenario, *where)
            else:
                outcome = clients.Run(client, scenario, *where).go()
            if own:
                worst = self.finish(own, {scenario})
                if worst:
                    outcome.may_repeat = False
                if worst and outcome.verdict != "FAIL":
                    outcome.verdict, outcome.reason = "FAIL", worst[0].reason
        except Exception as error:
            outcome = clients.Outcome(client.name, scenario, "FAIL", f"harness: {error}")
        return outcome

    def finish(self, broker, ran):
        """Stops a broker in good order and reads its log."""
        try:
            broker.stop()
        except RuntimeError as error:
            return [clients.Outcome("(broker)", "stop", "FAIL", str(error))]
        unlisted = [line for line in broker.complaints() if not allowed(line, ran)]
        if unlisted:
            reason = f"{len(unlisted)} unlisted WARN or ERROR lines in the broker's log, first: {unlisted[0][:300]}"
            return [clients.Outcome("(broker)", "log", "FAIL", reason)]
        return []


def allowed(line, ran):
    """Whether allowed-log-lines.toml lists this line for one of the scenarios that ran on the broker."""
    listed = tomllib.loads((HERE / "allowed-log-lines.toml").read_text()).get("line", [])
    return any(
        re.search(entry["pattern"], line) and any(chosen(name, entry["scenarios"]) for name in ran)
        for entry in listed)


def main():
    args = arguments()
    if args.self_test:
        return self_test()
    args.cache = Path(args.cache).resolve()
    args.cache.mkdir(parents=True, exist_ok=True)
    folders, pairs = select(clients.load(HERE / "clients", args.cache), args)
    if args.list or not pairs:
        for client, scenario in pairs:
            print(client.name, scenario)
        return 0 if pairs else 2
    broken = prepare_all(folders, args.cache)
    if args.prepare:
        return 1 if broken else 0

    scratch = Path(tempfile.mkdtemp(prefix="barnabas-compat-"))
    factory = target.Factory(args.target, args.binary, args.cache, scratch)
    print(f"target: {factory.title}, {len(pairs)} runs, {args.jobs} at a time, in {scratch}", flush=True)
    began = time.monotonic()
    try:
        outcomes = Session(args, folders, factory, scratch, broken).run(pairs)
    finally:
        factory.kill_all()
    failed = any(outcome.verdict == "FAIL" for outcome in outcomes)
    if args.keep or failed:
        print(f"\nlogs and outputs are in {scratch}")
    if not args.keep:
        clean_up(scratch, failed)
    print()
    report.print_summary(outcomes)
    if args.write_docs:
        everyone = [client for folder in folders for client in folder.clients]
        report.write_docs(ROOT / "docs" / "compatibility.md", factory.title, everyone, outcomes)
    print(f"{time.monotonic() - began:.0f} s")
    print(report.closing_line(outcomes))
    return 1 if failed else 0


def self_test():
    wrong, histories = history_test.failures()
    more, logs = transactions_test.failures()
    wrong += more
    print("\n".join(wrong) or f"the history check tells {histories} histories right, that of transactions {logs} logs")
    return 1 if wrong else 0


def clean_up(scratch, failed):
    """After a failure the logs stay, and only the data goes."""
    for folder in scratch.glob("broker-*/data") if failed else [scratch]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
