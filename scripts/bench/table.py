"""The table: medians and ranges of every row, ratios, and the floors that must hold."""

from statistics import median

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

# Metrics: unit, whether more is better, decimals.
METRICS = {
    "mb_per_s": ("MB/s", True, 0),
    "cpu_s_per_gb": ("cpu-s/GB", False, 2),
    "acks_per_s": ("acks/s", True, 0),
    "cpu_us_per_ack": ("cpu-µs/ack", False, 1),
    "tx_per_s": ("tx/s", True, 0),
    "cpu_us_per_tx": ("cpu-µs/tx", False, 0),
    "p50_ms": ("ms p50", False, 3),
    "p99_ms": ("ms p99", False, 2),
    "p999_ms": ("ms p99.9", False, 1),
    "whole_p50_ms": ("ms p50 whole", False, 2),
    "whole_p99_ms": ("ms p99 whole", False, 1),
    "commits_per_s": ("commits/s", True, 0),
    "cpu_us_per_commit": ("cpu-µs/commit", False, 1),
    "join_ms": ("ms to join", False, 0),
    "leave_ms": ("ms after a leave", False, 0),
    "die_ms": ("ms after a death", False, 0),
    "cpu_ms": ("cpu-ms", False, 0),
    "kb_per_member": ("KB a member", False, 1),
    "cpu_us_per_heartbeat": ("cpu-µs/heartbeat", False, 1),
    "ms": ("ms", False, 0),
    "create_ms": ("ms to create", False, 0),
    "rss_mb": ("MB RSS", False, 1),
    "cpu_ms_per_30_s": ("cpu-ms per 30 s", False, 1),
}

# Row: title, and the lowest ratio to Apache Kafka (above 1 is better) that each metric may have.
ROWS = {
    "produce 1": ("produce, 1 partition", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.3, "p99_ms": 1.0}),
    "produce 100": ("produce, 100 partitions", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.3, "p99_ms": 1.0}),
    "produce 1000": ("produce, 1,000 partitions", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.3, "p99_ms": 1.0}),
    "produce defaults": ("produce, idempotent, 16 KiB batches, 16 partitions", {"mb_per_s": 1.1, "cpu_s_per_gb": 1.8}),
    "produce 100 KiB": ("produce, 100 KiB batches", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.2}),
    "produce 1 MiB": ("produce, 1 MiB batches", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.2}),
    "produce lz4": ("produce, lz4 JSON (uncompressed bytes)", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.3}),
    "acks 1x1": ("1 record a request, 1 connection × 1 in flight", {"acks_per_s": 1.5, "p99_ms": 1.3}),
    "acks 8x1": ("… 8 connections × 1", {"acks_per_s": 1.5, "p99_ms": 1.3}),
    "acks 16x1": ("… 16 connections × 1", {"acks_per_s": 1.0}),
    "durable produce 1": ("**fsync before ack**: produce, 1 partition", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.0}),
    "durable produce 100": ("… 100 partitions", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.0}),
    "durable produce 1000": ("… 1,000 partitions", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.0}),
    "durable acks 1x1": ("**fsync before ack**: 1 record a request, 1 × 1", {"acks_per_s": 1.0}),
    "durable acks 16x1": ("… 16 × 1, 16 partitions", {"acks_per_s": 1.0}),
    "durable acks 4x5 over 1": ("… 4 × 5 over 1 partition", {"acks_per_s": 3.0, "p99_ms": 2.0}),
    "durable acks 4x5 over 100": ("… 4 × 5 over 100 partitions", {"acks_per_s": 3.0, "p99_ms": 2.0}),
    "durable acks 4x5 over 1000": ("… 4 × 5 over 1,000 partitions", {"acks_per_s": 3.0, "p99_ms": 2.0}),
    "fetch 1": ("fetch from the page cache, 1 connection, 16 partitions", {"mb_per_s": 1.0, "cpu_s_per_gb": 1.2}),
    "fetch 4": ("… 4 connections", {"mb_per_s": 1.0}),
    "end to end 1000": ("end to end, 1,000 records/s, open loop", {"p50_ms": 1.3, "p99_ms": 1.5, "p999_ms": 2.0}),
    "end to end 5000": ("… 5,000 records/s", {"p50_ms": 1.0, "p99_ms": 1.0, "p999_ms": 1.0}),
    "end to end 10000": ("… 10,000 records/s", {"p50_ms": 1.3, "p99_ms": 1.5, "p999_ms": 2.0}),
    "start": ("exec → first acknowledged record in a new topic", {"ms": 5.0, "rss_mb": 10.0}),
    "first start": ("… with formatting", {"ms": 5.0}),
    "rss idle": ("memory: idle", {"rss_mb": 10.0}),
    "rss 1000 partitions 100 connections": ("memory: 1,000 used partitions, 100 connections", {"rss_mb": 8.0}),
    "idle connections 5000": ("memory: 5,000 idle connections on top", {}),
    "idle cpu 100 partitions": ("idle, 100 used partitions", {"cpu_ms_per_30_s": 3.0}),
    "peak rss cached": ("memory: peak over all page-cache rows", {"rss_mb": 10.0}),
    "peak rss durable": ("memory: peak over all fsync rows", {"rss_mb": 10.0}),
    "recovery": ("kill -9, 4 GB in 4 active segments → last record of each is read", {"ms": 3.0}),
    "many partitions": ("10 topics × 1,000 partitions: create · memory · clean start", {"create_ms": 2.0, "rss_mb": 5.0, "ms": 3.0}),
    "rebalance classic": ("**groups**: 100 members join, one leaves, one dies (session 6 s); classic", {"join_ms": 1.0, "cpu_ms": 2.0}),
    "rebalance consumer": ("… KIP-848 (session 6 s)", {"join_ms": 1.0, "cpu_ms": 2.0}),
    "members classic": ("1,000 members join one group; classic", {"join_ms": 1.0, "cpu_ms": 2.0}),
    "members consumer": ("… KIP-848, 1,000 partitions", {"join_ms": 1.0, "cpu_ms": 2.0}),
    "many groups": ("10,000 groups of one member: until stable · memory · heartbeats", {"ms": 1.0}),
    "commits 100x1": ("offset commits of 100 groups, 1 in flight each", {"commits_per_s": 1.0}),
    "commits 100x8": ("… 8 in flight", {"commits_per_s": 1.0}),
    "tx 1x1": ("**transactions** of 1 record, 1 producer", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx 16x1": ("… 16 producers", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx 1x100": ("… 100 records over 5 partitions, 1 producer", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx 16x100": ("… 16 producers", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx 16x1 older": ("… 1 record, 16 producers, the protocol before KIP-890", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx loop 1": ("… read, write 100 records, commit the offset: 1 loop", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx loop 16": ("… 16 loops", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx over 10": ("… 1 producer, 10 partitions in each", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "tx over 100": ("… 100 partitions", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx 1x1": ("**fsync before ack**: transactions of 1 record, 1 producer", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx 16x1": ("… 16 producers", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx 1x100": ("… 100 records over 5 partitions, 1 producer", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx 16x100": ("… 16 producers", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx 16x1 older": ("… 1 record, 16 producers, the protocol before KIP-890", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx loop 1": ("… read, write 100 records, commit the offset: 1 loop", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx loop 16": ("… 16 loops", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx over 10": ("… 1 producer, 10 partitions in each", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "durable tx over 100": ("… 100 partitions", {"tx_per_s": 1.5, "p99_ms": 1.3}),
    "cold reader": ("cold reader of 4 GB while 20 MB/s are produced: read · produce", {"mb_per_s": 1.0, "p99_ms": 2.0}),
}


def samples(results, target, row, metric):
    return [s[metric] for s in results["samples"] if s["target"] == target and s["row"] == row and metric in s]


def rounds_of(results, row):
    return {s["round"] for s in results["samples"] if s["row"] == row}


def figure(values, metric):
    """The median with its unit; the range behind it if there is more than one round."""
    unit, _, decimals = METRICS[metric]
    text = f"{median(values):,.{decimals}f}"
    if len(values) > 1:
        text += f" ({min(values):,.{decimals}f}–{max(values):,.{decimals}f})"
    return f"{text} {unit}"


def ratio(ours, kafka, metric):
    """Above 1 is better for barnabas."""
    high, low = (ours, kafka) if METRICS[metric][1] else (kafka, ours)
    return median(high) / max(median(low), 1e-9)


def render(results):
    """The table as Markdown, and the ratios that are below their floors."""
    lines = ["| | Apache Kafka 4.3.1 | barnabas | ratio |", "|---|---|---|---|"]
    below = []
    rounds = max((len(rounds_of(results, row)) for row in ROWS), default=0)
    for row, (title, floors) in ROWS.items():
        count = len(rounds_of(results, row))
        if count < rounds:
            title += f" ({count} round{'s' if count > 1 else ''})"
        seen = list(dict.fromkeys(m for s in results["samples"] if s["row"] == row for m in s if m in METRICS))
        if not seen:
            continue
        cells = {"kafka": [], "barnabas": [], "ratio": []}
        for metric in seen:
            values = {t: samples(results, t, row, metric) for t in ("kafka", "barnabas")}
            for target, numbers in values.items():
                cells[target].append(figure(numbers, metric) if numbers else "–")
            if all(values.values()):
                got = ratio(values["barnabas"], values["kafka"], metric)
                low = got < floors.get(metric, 0)
                cells["ratio"].append(f"**{got:.2f}×**" if low else f"{got:.2f}×")
                if low:
                    below.append(f"{title}, {METRICS[metric][0]}: {got:.2f}× is less than {floors[metric]}×")
        lines.append(f"| {title} | {' · '.join(cells['kafka'])} | {' · '.join(cells['barnabas'])} | {' · '.join(cells['ratio']) or '–'} |")
    pinned = "broker and load pinned to one CPU each" if results["pinned"] else "broker and load share the CPUs"
    head = f"{results['machine']}; {pinned}; {results['mode']} mode, {rounds} round{'s' if rounds > 1 else ''} in turns: median (range)."
    failures = [f"Failed: {f['target']}, {f['group']}, round {f['round'] + 1}: {f['error']}" for f in results.get("failures", [])]
    return "\n".join([head, "", *lines, *(["", *failures] if failures else [])]) + "\n", below


def write_docs(path, text):
    old = path.read_text()
    before, rest = old.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
