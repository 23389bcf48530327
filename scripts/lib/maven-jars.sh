#!/bin/sh
# Downloads the runtime jars of a pom: maven-jars.sh POM DIRECTORY [-Dproperty=value]...
# Does nothing when the directory is complete, for this very pom. One Maven at a time: the local repository has no lock of its own.
set -eu

pom=$1
directory=$2
shift 2
sum=$(cksum <"$pom")
complete() { [ "$(cat "$directory/.complete" 2>/dev/null)" = "$sum" ]; }
! complete || exit 0

mkdir -p "$directory"
lock=${TMPDIR:-/tmp}/barnabas-maven-$(id -u).lock
exec 9>"$lock"
flock 9
! complete || exit 0

for attempt in 1 2 3; do
    if mvn -q -B -f "$pom" dependency:copy-dependencies \
        -DoutputDirectory="$directory" -DincludeScope=runtime "$@" </dev/null; then
        echo "$sum" >"$directory/.complete"
        exit 0
    fi
    echo "maven: attempt $attempt failed" >&2
done
exit 1
