#!/bin/sh
set -eu
lib=$(../../kafka/fetch.sh "$CACHE")
rm -rf "$OUT/classes"
javac -nowarn -proc:none -d "$OUT/classes" -cp "$lib/*" src/*.java
