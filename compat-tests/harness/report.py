"""The table on the terminal and docs/compatibility.md."""

import tomllib
from pathlib import Path

from . import scenarios

ACCEPTED = Path(__file__).resolve().parent.parent / "transcripts" / "accepted.toml"

# Longer lines of the tools are cut: transcripts/accepted.toml has them.
LINE_MAX = 160

MARK = {"PASS": "✓", "FAIL": "✗", "SKIP": "–"}


def print_summary(outcomes):
    width = max([len(o.client) for o in outcomes] + [6])
    for outcome in sorted(outcomes, key=lambda o: (o.client, order(o.scenario))):
        print(f"{outcome.verdict}  {outcome.client:<{width}}  {outcome.scenario:<18} {outcome.seconds:6.1f} s  {outcome.reason}")
    slowest = sorted(outcomes, key=lambda o: -o.seconds)[:5]
    print("slowest: " + ", ".join(f"{o.client} {o.scenario} {o.seconds:.0f} s" for o in slowest))


def closing_line(outcomes):
    count = {verdict: sum(o.verdict == verdict for o in outcomes) for verdict in MARK}
    skipped = f", {count['SKIP']} skipped" if count["SKIP"] else ""
    return f"{count['PASS']} passed, {count['FAIL']} failed{skipped}"


def order(scenario):
    return scenarios.COMMON.index(scenario) if scenario in scenarios.COMMON else len(scenarios.COMMON)


def write_docs(path, title, clients, outcomes):
    found = {(o.client, o.scenario): o for o in outcomes}
    common = [c for c in clients if c.scenarios is scenarios.COMMON]
    special = [c for c in clients if c.scenarios is not scenarios.COMMON]
    lines = [
        "# Compatibility",
        "",
        "Written by `python3 compat-tests/run.py --write-docs`; do not edit. What each scenario does is in",
        "[compat-tests/README.md](../compat-tests/README.md). Every scenario also passes against Apache Kafka 4.3.1",
        "(`--target kafka`), or it is not a scenario.",
        "",
        f"Broker: {title}. {closing_line(outcomes)}. ✓ passed, ✗ failed, – not possible with this client (reasons below).",
        "",
    ]
    lines += table(common, scenarios.COMMON, found)
    for client in special:
        lines += ["", f"## {client.name} {client.version}", "", "| scenario | result |", "|---|---|"]
        lines += [f"| {scenario} | {mark(found, client, scenario)} |" for scenario in client.scenarios]
    lines += accepted_differences()
    lines += ["", "## Clients", "", "| client | version | language |", "|---|---|---|"]
    lines += [f"| {c.name} | {c.version} | {c.language} |" for c in clients]
    lines += gaps(outcomes)
    lines += [
        "", "## Not there yet", "",
        "Share groups, SASL and TLS are not served yet; APIs that are not served are not advertised.",
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


def accepted_differences():
    """What Kafka's tools print otherwise than on Apache Kafka, and why (transcripts/README.md)."""
    entries = tomllib.loads(ACCEPTED.read_text()).get("accepted", [])
    if not entries:
        return []
    lines = ["", "## What Kafka's tools print otherwise", "", "| step | Apache Kafka | barnabas | reason |", "|---|---|---|---|"]
    for entry in entries:
        theirs, ours = (code(entry[side]) for side in ("kafka", "barnabas"))
        lines.append(f"| {code([entry['step'].removeprefix('$ ')])} | {theirs} | {ours} | {entry['reason']} |")
    return lines


def code(lines):
    lines = [line.strip().replace("|", "\\|") for text in lines for line in text.split("\n")]
    return "<br>".join(f"`{line:.{LINE_MAX}}{'…' * (len(line) > LINE_MAX)}`" for line in lines if line) or "(nothing)"


def table(clients, rows, found):
    head = [f"{c.name}<br>{c.version}" for c in clients]
    lines = ["| scenario | " + " | ".join(head) + " |", "|---|" + ":-:|" * len(clients)]
    for scenario in rows:
        lines.append(f"| {scenario} | " + " | ".join(mark(found, c, scenario) for c in clients) + " |")
    return lines


def mark(found, client, scenario):
    outcome = found.get((client.name, scenario))
    return MARK[outcome.verdict] if outcome else ""


def gaps(outcomes):
    """Skips and failures, one row per client and reason."""
    rows = {}
    for outcome in outcomes:
        if outcome.verdict != "PASS":
            rows.setdefault((outcome.client, outcome.verdict, outcome.reason), []).append(outcome.scenario)
    if not rows:
        return []
    lines = ["", "## Gaps", "", "| client | scenario | | reason |", "|---|---|:-:|---|"]
    for (client, verdict, reason), names in sorted(rows.items()):
        text = reason.replace("|", "\\|")
        lines.append(f"| {client} | {', '.join(sorted(names, key=order))} | {MARK[verdict]} | {text} |")
    return lines
