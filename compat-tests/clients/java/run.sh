#!/bin/sh
# run.sh VERSION BOOTSTRAP SCENARIO SUFFIX
version=$1
shift
exec java -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Djava.io.tmpdir="$PWD" \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$OUT/$version:$CACHE/kafka-clients-$version/lib/*" Main "$@"
