#!/bin/sh
# One environment per client; the codecs that the pure Python clients load are pinned as well.
set -eu

venv=../../../scripts/lib/venv.sh
$venv "$OUT/confluent-kafka" confluent-kafka==2.16.1
$venv "$OUT/kafka-python-3" kafka-python==3.0.12 python-snappy==0.7.3 cramjam==2.11.0 lz4==4.4.4 zstandard==0.23.0 crc32c==2.7.1
$venv "$OUT/kafka-python-2" kafka-python==2.0.2 python-snappy==0.7.3 cramjam==2.11.0 lz4==4.4.4 zstandard==0.23.0 crc32c==2.7.1
$venv "$OUT/aiokafka" aiokafka==0.14.0 cramjam==2.11.0
