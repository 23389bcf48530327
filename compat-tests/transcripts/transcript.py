#!/usr/bin/env python3
"""Plays a transcript of Kafka's tools against a broker and compares it with the reference, which comes from Apache Kafka.

transcript.py BOOTSTRAP SCENARIO SUFFIX, as run.py calls a client: scenario `transcript-<name>` is the file <name>.txt.
TRANSCRIPTS_RENEW=1 in the environment writes the reference instead. README.md here has the language of the files.
"""

import difflib
import fnmatch
import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
INDENT = "    "

# What differs between two runs on one broker, and what stands for it.
VOLATILE = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
    # A Kafka Uuid: 22 characters of base64, unless it is just a word of that length.
    (r"(?<![\w./-])(?!(?:-*(?:[A-Z]?[a-z]+[.-]?)+|[A-Z_]+)(?![\w-]))[A-Za-z0-9_-]{22}(?![\w./-])", "<uuid>"),
    (r"127\.0\.0\.1([: ])\d+", r"127.0.0.1\1<port>"),
    (r'"timestamp":\d+', '"timestamp":<ms>'),
    # Which of the two says that the time is over is a matter of timing.
    (r"(Call\(callName=.*attempt\(s\)|Timed out waiting for a node assignment\. Call: .*?\))\.", "<no answer in time>."),
    (r"Call\(callName=.*\) timed out at \d+( after \d+ attempt\(s\))?|Timed out waiting for a node assignment\. Call: \w+(\(api=\w+\))?", "<no answer in time>"),
    (r"\btest-group-\d{13}\b", "test-group-<ms>"),
    (r"\bEpoch: \d+", "Epoch: <epoch>"),
    (r"^(LeaderEpoch|HighWatermark|MaxFollowerLagTimeMs): +\d+", r"\1: <n>"),
    (r'"avg_throughput":[\d.]+', '"avg_throughput":<n>'),
    (r"\b__consumer_offsets-\d+", "__consumer_offsets-<n>"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,]\d+Z?", "<time>"),
]

# Columns of kafka-transactions that differ from run to run. Their width would tell, so all columns are one blank apart.
VOLATILE_COLUMNS = {"ProducerId", "LastTimestamp", "CurrentTransactionStartTimeMs", "TransactionDurationMs"}

# Tools that measure, or print offsets of the metadata log: numbers, and how wide they make a table.
MEASURING = (
    "$ kafka-producer-perf-test ", "$ kafka-consumer-perf-test ", "$ kafka-share-consumer-perf-test ", "$ kafka-e2e-latency ",
    "$ kafka-metadata-quorum describe --replication",
)

# Tools that print what comes out of a hash map.
UNORDERED = ("$ kafka-consumer-groups ", "$ kafka-groups ")
UNORDERED_LINES = ("partition: ", "Quota configs for ")


def parse(text):
    """A list of [line, output lines]: a step, a comment or an empty line, and what follows it indented."""
    steps = []
    for line in text.splitlines():
        if line.startswith(INDENT) and steps:
            steps[-1][1].append(line[len(INDENT):])
        else:
            steps.append([line, []])
    return steps


def render(steps):
    return "".join(f"{line}\n" + "".join(f"{INDENT}{out}".rstrip() + "\n" if out else f"{INDENT}\n" for out in output)
                   for line, output in steps)


def normalise(step, output):
    lines = []
    for line in without_usage(output):
        # Where in a client's code an error was seen is no business of the broker.
        if re.match(r"(! )?(\tat |\t\.\.\. \d+ more)", line):
            continue
        # Tools that catch everything also catch the exception that stands for the end of their process.
        if re.match(r"(! )?(Error while executing [A-Za-z ]+: )?(Tool\$ToolExit: )?exit \d+$|Error: .* failed due to exit \d+$", line):
            continue
        # Whether a member hears of the group before it has its share is a matter of timing.
        if line.endswith('"name":"partitions_assigned","partitions":[]}'):
            continue
        line = line.replace(os.environ["BROKER_DATA"], "<data>")
        for pattern, token in VOLATILE:
            line = re.sub(pattern, token, line)
        if line.startswith("SCRAM credential configs for "):
            who, credentials = line.split(" are ")
            line = f"{who} are {', '.join(sorted(credentials.split(', ')))}"
        if step.startswith(MEASURING) and not line.startswith(("!", "[")):
            line = re.sub(r"[ \t]+", " ", re.sub(r"(?<![\w.-])-?\d[\d.:-]*(?!\w)", "<n>", line))
        lines.append(line.rstrip())
    while lines and lines[-1] in ("", "!"):
        lines.pop()
    if step.startswith("$ kafka-transactions "):
        return transactions_table(lines)
    lines = sort_runs(lines)
    return sort_tables(step, lines) if step.startswith(UNORDERED) else lines


def sort_runs(lines):
    """Lines of these kinds come out of hash maps, whichever tool prints them."""
    runs = itertools.groupby(lines, lambda line: next((kind for kind in UNORDERED_LINES if line.startswith(kind)), None))
    return [line for kind, run in runs for line in (sorted(run) if kind else run)]


def without_usage(output):
    """The table of all options after an error in the command line goes; the error stays."""
    for i, line in enumerate(output):
        if re.match(r"! Option .*Description *$", line):
            return [*output[:i], *[later for later in output[i:] if not later.startswith("! ")]]
    return output


def transactions_table(lines):
    """The rows come out of a hash map as well."""
    head = lines[0].split() if lines and not lines[0].startswith("!") else []
    if not VOLATILE_COLUMNS & set(head):
        return lines
    rows, rest = [], []
    for line in lines[1:]:
        cells = [cell.strip() for cell in line.split("\t")]
        # The last one may be empty, and is cut off then.
        cells += [""] * (len(head) == len(cells) + 1)
        if len(cells) == len(head):
            rows.append(" ".join(f"<{name}>" if name in VOLATILE_COLUMNS and cell != "None" else ",".join(sorted(cell.split(","))) or "-"
                                 for name, cell in zip(head, cells)))
        else:
            rest.append(line)
    return [" ".join(head), *sorted(rows), *rest]


def sort_tables(step, lines):
    """Sorts the rows of tables, of lists and of what is told per group."""
    listing = " --list" in step or " --export" in step
    blocks, block = [], []
    for line in [*lines, ""]:
        if line and not line.startswith("!"):
            block.append(line)
            continue
        head = 1 if block and re.match(r"GROUP +[A-Z]|TOPIC +[A-Z]|Error: ", block[0]) else 0
        rows = block[head:]
        blocks += block[:head] + (sorted(rows) if head or listing else rows) + [line]
        block = []
    return blocks[:-1]


def play(bootstrap, path):
    classes = Path(os.environ["OUT"]) / "classes"
    jars = Path(os.environ["CACHE"]) / "kafka-4.3.1" / "lib" / "*"
    played = subprocess.run(
        ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.io.tmpdir=.",
         "-Duser.timezone=UTC", f"-Dlog4j2.configurationFile={HERE.parent / 'kafka' / 'log4j2.properties'}",
         "-cp", f"{classes}:{jars}", "Transcript", bootstrap, str(path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if played.returncode != 0:
        sys.exit(f"the player exited with {played.returncode}")
    return [[line, normalise(line, output)] for line, output in parse(played.stdout)]


def accepted_differences():
    return tomllib.loads((HERE / "accepted.toml").read_text()).get("accepted", [])


def expected(name, step, output):
    """The reference's output with the accepted differences in it."""
    for entry in accepted_differences():
        if not (fnmatch.fnmatchcase(name, entry["transcript"]) and fnmatch.fnmatchcase(step, entry["step"])):
            continue
        if entry.get("scattered"):
            for theirs, ours in zip(entry["kafka"], entry["barnabas"], strict=True):
                output = replaced(output, [theirs], ours.split("\n") if ours else [])
        else:
            output = replaced(output, entry["kafka"], entry["barnabas"])
    return output


def replaced(output, theirs, ours):
    """The output with the first run of `theirs` in it replaced."""
    for at in range(len(output) - len(theirs) + 1):
        if output[at:at + len(theirs)] == theirs:
            return output[:at] + ours + output[at + len(theirs):]
    return output


def compare(name, reference, found):
    """Prints the steps that differ; returns how many."""
    differing = 0
    for (step, output), (_, ours) in zip(reference, found, strict=True):
        want = expected(name, step, output)
        if ours not in (want, output):
            differing += 1
            print(step)
            for line in difflib.unified_diff(want, ours, "Apache Kafka", "found", lineterm="", n=1):
                print(INDENT + line)
    return differing


def main():
    bootstrap, scenario, _ = sys.argv[1:]
    name = scenario.removeprefix("transcript-")
    path = HERE / f"{name}.txt"
    found = play(bootstrap, path)
    if os.environ.get("TRANSCRIPTS_RENEW") == "1":
        path.write_text(render(found))
        return 0
    Path("found.txt").write_text(render(found))
    reference = parse(path.read_text())
    differing = compare(name, reference, found)
    if differing:
        print(f"{differing} of {sum(line[:2] in ('$ ', '% ') for line, _ in reference)} steps differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
