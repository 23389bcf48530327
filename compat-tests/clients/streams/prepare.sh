#!/bin/sh
# Fetches Kafka Streams and the data set, and compiles the topologies.
set -eu

lib=$CACHE/kafka-streams-4.3.1/lib
../../../scripts/lib/maven-jars.sh "$PWD/pom.xml" "$lib"
[ -e "$CACHE/vega_datasets-0.9.0-py3-none-any.whl" ] ||
    python3 -m pip download -q --disable-pip-version-check --no-deps -d "$CACHE" vega_datasets==0.9.0
rm -rf "$OUT/classes"
javac -nowarn -proc:none -d "$OUT/classes" -cp "$lib/*" src/*.java
