#!/bin/sh
# Builds the one program of the three Go clients.
set -eu
export GOFLAGS="${GOFLAGS:-} -mod=readonly"
go build -o "$OUT/client" .
