#!/bin/sh
# Fetches each kafka-clients and compiles the programs against it.
set -eu

for version in 4.3.1 3.9.2 2.8.2; do
    lib=$CACHE/kafka-clients-$version/lib
    ../../../scripts/lib/maven-jars.sh "$PWD/pom.xml" "$lib" "-Dkafka.version=$version"
    rm -rf "$OUT/$version"
    javac -nowarn -proc:none -d "$OUT/$version" -cp "$lib/*" src/*.java
done
