#!/bin/sh
# Puts Apache Kafka's jars under the cache folder and prints the folder: fetch.sh CACHE [VERSION]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=${2:-4.3.1}
lib=$1/kafka-$version/lib
"$here/../../scripts/lib/maven-jars.sh" "$here/pom.xml" "$lib" "-Dkafka.version=$version" >&2
echo "$lib"
