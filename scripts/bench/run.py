#!/usr/bin/env python3
"""The benchmark: barnabas and Apache Kafka in turns on this machine, with ratios of medians.

    python3 scripts/bench/run.py                        # quick, about 3 minutes; a half-warm JVM: good for spotting, not for claims
    python3 scripts/bench/run.py --mode full --rounds 3 # an hour; what docs/performance.md is made from
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
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from brokers import ROOT, TARGETS, raise_file_limit
from machine import describe, fault_in, loop_disk
from scenarios import FULL, GROUPS, QUICK, Bench
from table import render, write_docs


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["quick", "full"], default="quick")
    parser.add_argument("--rounds", type=int, help="default: 1 quick, 5 full")
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
    scenario, profile, raw = GROUPS[group]
    if profile == "shipped":
        profile = "cached" if target == "kafka" else "durable"
    broker = TARGETS[target](disks[raw] / target, profile, args.pin)
    try:
        broker.prepare()
        yield from scenario(Bench(broker, load, scale, args.pin))
    finally:
        broker.remove()


def measure(args):
    scale = QUICK if args.mode == "quick" else FULL
    targets = args.targets.split(",")
    rounds = args.rounds or (1 if args.mode == "quick" else 5)
    raise_file_limit()
    for target in targets:
        TARGETS[target].find()
    load = build_load()
    base = Path(os.environ.get("BENCH_DIR", ROOT / "target/bench"))
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=base))
    try:
        with loop_disk(folder, args.loop) if args.loop else contextlib.nullcontext(folder) as disk:
            results = {"machine": describe(disk, folder), "mode": args.mode, "rounds": rounds, "pinned": args.pin, "samples": []}
            fault_in(disk, scale.clean_memory_bytes)
            take_turns(args, targets, rounds, scale, load, {False: disk, True: folder}, results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def take_turns(args, targets, rounds, scale, load, disks, results):
    for turn in range(rounds):
        for group in args.groups.split(","):
            # The order alternates, so that neither target always runs on the warmer machine.
            for target in targets if turn % 2 == 0 else targets[::-1]:
                for row, metrics in take(args, target, group, scale, load, disks):
                    show(turn, target, row, metrics)
                    results["samples"].append({"round": turn, "target": target, "row": row, **metrics})
                save(args, results)


def take(args, target, group, scale, load, disks):
    """A group that breaks costs its remaining rows, not the run."""
    try:
        yield from play(args, target, group, scale, load, disks)
    except Exception as error:
        print(f"!! {target} {group}: {error}", file=sys.stderr)


def show(turn, target, row, metrics):
    values = "  ".join(f"{name} {value:,.3f}" for name, value in metrics.items())
    print(f"{time.strftime('%H:%M:%S')} round {turn + 1} {target:9} {row:36} {values}", flush=True)


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
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
