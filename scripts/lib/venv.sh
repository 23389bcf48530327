#!/bin/sh
# Makes a Python environment with exactly these packages: venv.sh DIRECTORY REQUIREMENT...
# Does nothing when it already holds them.
set -eu

directory=$1
shift
wanted="$*"
[ "$(cat "$directory/.complete" 2>/dev/null)" = "$wanted" ] && exit 0

rm -rf "$directory"
python3 -m venv "$directory"
"$directory/bin/pip" install -q --disable-pip-version-check "$@"
printf '%s' "$wanted" > "$directory/.complete"
