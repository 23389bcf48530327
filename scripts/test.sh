#!/usr/bin/env bash
# Everything CI runs, on a machine with Rust, Java 17 and Maven, Go, Node and Python; the rest it installs itself.
#
#   scripts/test.sh           all of it
#   scripts/test.sh quick     without the client lanes: format, lints, unit, crash and black-box tests
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n==> %s (%s s)\n' "$1" "$SECONDS"; }

step "tools"
scripts/lib/apt.sh kcat prometheus
command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny --version 0.20.2

step "the history check of the group scenarios"
python3 compat-tests/run.py --self-test

step "format, lints, licences"
cargo fmt --check
cargo clippy --locked --all-targets --quiet -- -D warnings
cargo deny --log-level error --target x86_64-unknown-linux-gnu check bans licenses sources

if [ "${1:-}" != quick ]; then
    # The clients build while the tests run; what goes wrong shows when they are used.
    python3 compat-tests/run.py --prepare >target/prepare.log 2>&1 &
    preparing=$!
fi

step "unit, property, crash and black-box tests"
cargo test --locked
[ "${1:-}" != quick ] || exit 0

step "release build"
cargo build --locked --release
wait "$preparing" || { cat target/prepare.log; exit 1; }

step "Apache Kafka's DumpLogSegments reads our files, and dump-log says the same"
KAFKA_LIB=$(compat-tests/kafka/fetch.sh "${BARNABAS_CACHE:-compat-tests/.cache}")
KAFKA_LIB=$KAFKA_LIB cargo test --locked --lib -- --ignored kafkas_dump_log
KAFKA_LIB=$KAFKA_LIB cargo test --locked --test broker -- kafkas_tools dump_log topic_trash

step "quick start"
scripts/quickstart.sh

step "client scenarios"
python3 compat-tests/run.py --fast

step "taking turns with Apache Kafka on one data directory"
compat-tests/adoption.py

step "a minute of transactions under fire"
scripts/torture.py --seconds 60
step "done"
