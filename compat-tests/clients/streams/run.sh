#!/bin/sh
# run.sh BOOTSTRAP members SUFFIX
exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.io.tmpdir="$PWD" \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$OUT/classes:$CACHE/kafka-streams-4.3.1/lib/*" App "$@"
