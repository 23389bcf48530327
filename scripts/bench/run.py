#!/usr/bin/env python3
"""The benchmark: barnabas and Apache Kafka in turns on this machine, with ratios of medians.

    python3 scripts/bench/run.py                        # quick, about 3 minutes; a half-warm JVM: good for spotting, not for claims
    python3 scripts/bench/run.py --mode full --rounds 3 --minutes 52 --loop 10 --write-docs    # what docs/performance.md is made from
    python3 scripts/bench/run.py --groups start,idle --targets barnabas
    python3 scripts/bench/run.py --from results.json --write-docs

BARNABAS_BIN (default target/release/barnabas) is the broker, KAFKA_LIB a folder with Apache Kafka's jars (default: fetched from
Maven Central into BARNABAS_CACHE), BENCH_DIR where the data goes (default target/bench, removed afterwards).
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from brokers import ROOT, TARGETS, raise_file_limit
from machine import describe, fault_in, loop_disk
from progress import Progress
from scenarios import FULL, GROUPS, QUICK, Bench
from table import render, write_docs


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["quick", "full"], default="quick")
    parser.add_argument("--rounds", type=int, help="default: 1 quick, 3 full")
    parser.add_argument("--minutes", type=float, default=0, help="begin no group that would end later, which takes rounds off the last rows")
    parser.add_argument("--targets", default="kafka,barnabas")
    parser.add_argument("--groups", default=",".join(GROUPS), help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--pin", action="store_true", help="broker on CPU 0, load on CPU 1")
    parser.add_argument("--loop", type=int, default=0, metavar="GB",
                        help="put the data on a loop-mounted ext4 with a read-ahead of 128 KiB (root; see machine.py)")
    parser.add_argument("--out", help="where the raw results go (default: target/bench-results.json)")
    parser.add_argument("--from", dest="source", help="render these results instead of measuring")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


def build_load():
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--example", "load"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples/load"


def play(args, target, group, scale, load, disks):
    """One group on one target with a fresh directory; yields (row, metrics)."""
    profile = group.profile
    if profile == "shipped":
        profile = "cached" if target == "kafka" else "durable"
    broker = TARGETS[target](disks[group.raw] / target, profile, args.pin)
    try:
        broker.prepare()
        yield from group.scenario(Bench(broker, load, scale, args.pin))
    finally:
        broker.remove()


def measure(args):
    scale = QUICK if args.mode == "quick" else FULL
    targets = args.targets.split(",")
    groups = {name: GROUPS[name] for name in args.groups.split(",")}
    rounds = args.rounds or (1 if args.mode == "quick" else 3)
    raise_file_limit()
    # A loop disk has to be unmounted also when the run is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    for target in targets:
        TARGETS[target].find()
    load = build_load()
    base = Path(os.environ.get("BENCH_DIR", ROOT / "target/bench"))
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=base))
    try:
        progress = Progress(groups, targets, rounds, args.minutes, args.mode == "full")
        with loop_disk(folder, args.loop) if args.loop else contextlib.nullcontext(folder) as disk:
            results = {"machine": describe(disk, folder), "mode": args.mode, "pinned": args.pin, "samples": [], "failures": []}
            fault_in(disk, scale.clean_memory_bytes)
            for turn in range(rounds):
                # The order alternates, so that neither target always runs on the warmer machine.
                order = targets if turn % 2 == 0 else targets[::-1]
                for name in (name for name, group in groups.items() if turn < group.rounds_max):
                    if progress.fits(name):
                        for target in order:
                            take(args, (turn, name, target), (scale, load, {False: disk, True: folder}), progress, results)
                    else:
                        say(f"no time left for round {turn + 1} of {name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def take(args, cell, equipment, progress, results):
    """A group that breaks costs its remaining rows, not the run."""
    turn, name, target = cell
    begin = time.monotonic()
    try:
        for row, metrics in play(args, target, GROUPS[name], *equipment):
            values = "  ".join(f"{metric} {value:,.3f}" for metric, value in metrics.items())
            say(f"round {turn + 1} {target:9} {row:36} {values}")
            results["samples"].append({"round": turn, "target": target, "row": row, **metrics})
    except Exception as error:  # whatever it is, the other groups are worth having
        say(f"!! {target} {name}: {error}")
        results["failures"].append({"round": turn, "target": target, "group": name, "error": repr(error)[:200]})
    say(progress.took(name, target, time.monotonic() - begin))
    save(args, results)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def save(args, results):
    out = Path(args.out or ROOT / "target/bench-results.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1))


def main():
    args = arguments()
    results = json.loads(Path(args.source).read_text()) if args.source else measure(args)
    text, below = render(results)
    print(text)
    if args.write_docs:
        if results["mode"] != "full":
            raise SystemExit("docs/performance.md is written from full runs only")
        write_docs(ROOT / "docs/performance.md", text)
    for line in below:
        print(f"below its floor: {line}", file=sys.stderr)
    return 1 if below or results.get("failures") else 0


if __name__ == "__main__":
    sys.exit(main())
