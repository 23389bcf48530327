#!/bin/sh
set -eu
../../../scripts/lib/apt.sh kcat
kcat -V
