#!/bin/sh
# run.sh BOOTSTRAP SCENARIO SUFFIX
exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.io.tmpdir="$PWD" \
    -Dlog4j2.configurationFile="$HERE/../../kafka/log4j2.properties" \
    -cp "$OUT/classes:$CACHE/kafka-4.3.1/lib/*" Tools "$@"
