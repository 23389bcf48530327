#!/bin/sh
# Builds the program of the Rust client.
set -eu
cargo build --release --locked --quiet --target-dir "$OUT/target"
cp "$OUT/target/release/compat-rust" "$OUT/client"
