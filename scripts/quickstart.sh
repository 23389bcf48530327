#!/bin/sh
# The README's quick start as a test: the rows of a public data set go through barnabas and come back byte for byte.
#
#   scripts/quickstart.sh                             starts a broker of its own, and ends it
#   BOOTSTRAP=localhost:9092 scripts/quickstart.sh    uses the broker that runs there
#
# kcat and Kafka's console producer each write the keyed rows once with every codec; the other one reads them.
# Environment: BARNABAS_BIN (target/release/barnabas), BARNABAS_CACHE (compat-tests/.cache).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${BARNABAS_CACHE:-$root/compat-tests/.cache}
work=$(mktemp -d)
broker=

finish() {
    code=$?
    trap - EXIT
    if [ -n "$broker" ]; then
        kill -TERM "$broker" 2>/dev/null || true
        wait "$broker" || { echo "broker: exit code $? after SIGTERM"; code=1; }
        [ "$code" = 0 ] || tail -20 "$work/broker.log"
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# What the clients need.
mkdir -p "$cache"
"$root/scripts/lib/apt.sh" kcat
jars=$("$root/compat-tests/kafka/fetch.sh" "$cache")
wheel=$cache/vega_datasets-0.9.0-py3-none-any.whl
[ -e "$wheel" ] || python3 -m pip download -q --disable-pip-version-check --no-deps -d "$cache" vega_datasets==0.9.0
python3 "$root/scripts/lib/rows.py" "$wheel" > "$work/rows"
rows=$(wc -l < "$work/rows")

if [ -z "${BOOTSTRAP:-}" ]; then
    binary=${BARNABAS_BIN:-$root/target/release/barnabas}
    [ -x "$binary" ] || cargo build --release --manifest-path "$root/Cargo.toml"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    BOOTSTRAP=127.0.0.1:$port
    "$binary" --override "listeners=PLAINTEXT://$BOOTSTRAP" --override "log.dirs=$work/data" \
        --override metrics.listener= > "$work/broker.log" 2>&1 &
    broker=$!
fi

attempt=0
until kcat -b "$BOOTSTRAP" -L -m 1 > /dev/null 2>&1; do
    attempt=$((attempt + 1))
    [ "$attempt" -lt 100 ] || { echo "no broker at $BOOTSTRAP"; exit 1; }
    sleep 0.1
done

tool() {
    class=$1
    shift
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -Dlog4j2.configurationFile="$root/compat-tests/kafka/log4j2.properties" \
        -cp "$jars/*" "org.apache.kafka.tools.$class" --bootstrap-server "$BOOTSTRAP" "$@" 2>> "$work/tools.log"
}

compare() {
    cmp "$work/rows" "$2" || { echo "$1: the rows came back changed"; exit 1; }
    # Which codec the stored batches carry, by a plain fetch. librdkafka leaves a batch alone that does not shrink.
    found=$(cd "$root/compat-tests" && python3 -B -c '
import sys
from harness import wire
print(max(set(wire.batch_codecs(int(sys.argv[1]), sys.argv[2])) - {"none"}, default="none"))' "${BOOTSTRAP##*:}" "$3")
    [ "$found" = "$4" ] || { echo "$1: stored as $found"; exit 1; }
    echo "$1: $rows rows, stored with codec $4, the same bytes"
}

run=$$-$(date +%s)
for codec in none gzip snappy lz4 zstd; do
    topic=quickstart-kcat-$codec-$run
    kcat -b "$BOOTSTRAP" -P -t "$topic" -K "$(printf '\t')" -z "$codec" -X acks=all -l "$work/rows"
    tool consumer.ConsoleConsumer --topic "$topic" --partition 0 --offset earliest --max-messages "$rows" \
        --timeout-ms 30000 --formatter-property print.key=true > "$work/read"
    compare "kcat to kafka-console-consumer" "$work/read" "$topic" "$codec"

    topic=quickstart-java-$codec-$run
    tool ConsoleProducer --topic "$topic" --compression-codec "$codec" --reader-property parse.key=true < "$work/rows"
    kcat -b "$BOOTSTRAP" -C -t "$topic" -p 0 -o beginning -c "$rows" -e -q -K "$(printf '\t')" > "$work/read"
    compare "kafka-console-producer to kcat" "$work/read" "$topic" "$codec"
done
echo "quick start passed"
