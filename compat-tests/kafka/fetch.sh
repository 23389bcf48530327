#!/bin/sh
# Puts Apache Kafka's jars under the cache folder and prints the folder: fetch.sh CACHE
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lib=$1/kafka-4.3.1/lib
"$here/../../scripts/lib/maven-jars.sh" "$here/pom.xml" "$lib" >&2
echo "$lib"
