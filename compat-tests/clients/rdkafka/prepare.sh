#!/bin/sh
# Builds librdkafka and the program over it.
set -eu
cargo build --release --locked --quiet --target-dir "$OUT/target"
cp "$OUT/target/release/compat-rdkafka" "$OUT/client"
