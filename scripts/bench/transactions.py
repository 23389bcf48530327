"""The scenarios of transactions. Each yields (row, {metric: value})."""

TARGET, SOURCE, PARTITIONS = "transactions", "loop-source", 100
PRODUCERS = (1, 16)


def transactions(bench, prefix=""):
    """Producers of small and larger transactions, the older protocol, loops, and many partitions in one transaction."""
    bench.start()
    fill_source(bench)
    warm_up(bench)
    for producers in PRODUCERS:
        yield row(bench, f"{prefix}tx {producers}x1", producers=producers)
        yield row(bench, f"{prefix}tx {producers}x100", producers=producers, records=100, partitions=5)
    yield row(bench, f"{prefix}tx 16x1 older", producers=16, generation=1)
    for producers in PRODUCERS:
        yield row(bench, f"{prefix}tx loop {producers}", producers=producers, loop=SOURCE)
    for partitions in (10, 100):
        yield row(bench, f"{prefix}tx over {partitions}", records=partitions, partitions=partitions)


def durable_transactions(bench):
    """The same with an fsync before every acknowledgement."""
    yield from transactions(bench, "durable ")


def fill_source(bench):
    """Batches of 100 records of 1 KiB, one partition for each loop."""
    bench.create(SOURCE, max(PRODUCERS))
    bench.load("produce", topic=SOURCE, connections=1, records_per_batch=100, bytes=max(PRODUCERS) * 20 * 100 * 1024, seconds=60)


def warm_up(bench):
    """Makes __transaction_state and __consumer_offsets and gives the JVM's compilers the paths."""
    seconds = bench.scale.warm_up_requests_seconds
    bench.create(TARGET, PARTITIONS)
    for options in ({"producers": 16}, {"producers": 16, "generation": 1}, {"producers": 16, "loop": SOURCE}, {"records": 100, "partitions": 100}):
        bench.load("transactions", topic=TARGET, seconds=seconds, **options)
    bench.drop(TARGET)


def row(bench, name, **options):
    """With a topic of its own: gigabytes of one row would be written back to the disk during the next one."""
    bench.create_used(TARGET, PARTITIONS)
    before = bench.broker.cpu_s()
    result = bench.load("transactions", topic=TARGET, seconds=bench.scale.row_seconds, **options)
    result["cpu_us_per_tx"] = (bench.broker.cpu_s() - before) * 1e6 / result["transactions"]
    bench.drop(TARGET)
    return name, {metric: result[metric] for metric in ("tx_per_s", "cpu_us_per_tx", "p50_ms", "p99_ms", "whole_p50_ms", "whole_p99_ms")}
